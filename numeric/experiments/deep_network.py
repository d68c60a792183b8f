"""Deep networks of BatchNorm, ReLU and linear layers at random initialisation, plain and residual.

Derivatives are complex steps of the forward pass along random tangents: the mean square of a gradient over that of
the gradient that arrives is a Frobenius norm, and that is the same for a Jacobian and its transpose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numeric.arrays import Doubles

_STEP = 1e-150
Complex = NDArray[np.complex128]


def relu_of_batchnorm(y: Complex, shift: float = 0.0) -> Complex:
    """ReLU of BatchNorm with scale 1, across the first axis.

    Parameters
    ----------
    y
        Batch of pre-activations, shape (batch, neurons).
    shift
        The shift of every neuron.
    """
    centred = y - y.mean(axis=0)
    normalised = centred / np.sqrt((centred**2).mean(axis=0)) + shift
    return np.asarray(np.where(normalised.real > 0, normalised, 0.0))


def _weights(rng: np.random.Generator, n_in: int, n_out: int, scale: float = 1.0) -> Doubles:
    return np.asarray(scale / np.sqrt(n_in) * rng.standard_normal((n_in, n_out)))


def _mean_square(moved: Complex) -> float:
    return float(np.mean((moved.imag / _STEP) ** 2))


def growth_per_layer(
    shift: float, *, width: int, batch: int, depth: int, seed: int, weight_scale: float = 1.0
) -> float:
    """Factor by which one layer multiplies the variance of a gradient; geometric mean over a deep network.

    Weights are normal with variance ``weight_scale^2/width`` in every layer; the first two layers only bring the
    batch to where it stays.

    Parameters
    ----------
    shift
        Shift over scale of every BatchNorm.
    width, batch, depth
        Neurons of a layer, batch size, layers over which growth is measured.
    seed
        Seed of inputs, weights and tangents.
    weight_scale
        Standard deviation of the weights times the square root of the width.
    """
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((batch, width)).astype(np.complex128)
    for _ in range(2):
        y = relu_of_batchnorm(y, shift) @ _weights(rng, width, width, weight_scale)
    y = y + 1j * _STEP * rng.standard_normal(y.shape)
    start = _mean_square(y)
    for _ in range(depth):
        y = relu_of_batchnorm(y, shift) @ _weights(rng, width, width, weight_scale)
    return float((_mean_square(y) / start) ** (1 / depth))


@dataclass(frozen=True)
class Scale:
    """What was measured on one scale of a residual network.

    Attributes
    ----------
    variance
        Variance across the batch of the output of each block, mean over neurons.
    relu_variance
        Variance across the batch of the input of the linear layers, mean over neurons, layers and blocks.
    second_layer
        Sum of the squared weights of a neuron of the second layer of each block, mean over neurons.
    shortcut
        The same of the shortcut of the first block.
    growth
        For each block but the first, the factor by which it multiplies the variance of a gradient.
    """

    variance: tuple[float, ...]
    relu_variance: float
    second_layer: tuple[float, ...]
    shortcut: float
    growth: tuple[float, ...]


def residual_scale(blocks: int, widening: int, *, width: int, batch: int, seed: int) -> Scale:
    """Simulate one scale: in its first block the shortcut has a layer too, and the number of neurons rises.

    Parameters
    ----------
    blocks
        Residual blocks, each of two layers and a shortcut.
    widening
        The input has ``width // widening`` neurons.
    width, batch
        Neurons of all layers of this scale, and batch size.
    seed
        Seed of inputs, weights and tangents.
    """
    rng = np.random.default_rng(seed)
    narrow = width // widening
    y = rng.standard_normal((batch, narrow)).astype(np.complex128)
    variance, inputs, second_layer, growth, shortcut = [], [], [], [], 0.0
    for block in range(blocks):
        first = _weights(rng, y.shape[1], width)
        second = _weights(rng, width, width)
        if block:
            y = y.real + 1j * _STEP * rng.standard_normal(y.shape)
            below, arriving = y, _mean_square(y)
        else:  # of the variance of the other layers: fan-in 1/widening of theirs
            through = _weights(rng, narrow, width) / np.sqrt(widening)
            shortcut = float((through**2).sum(axis=0).mean())
            below = relu_of_batchnorm(y) @ through
        hidden = relu_of_batchnorm(relu_of_batchnorm(y) @ first)
        y = below + hidden @ second
        variance.append(float(y.real.var(axis=0).mean()))
        inputs.append(float(hidden.real.var(axis=0).mean()))
        second_layer.append(float((second**2).sum(axis=0).mean()))
        if block:
            growth.append(_mean_square(y) / arriving)
    return Scale(tuple(variance), float(np.mean(inputs)), tuple(second_layer), shortcut, tuple(growth))


def variance_without_batchnorm(blocks: int, *, width: int, batch: int, seed: int) -> float:
    """Growth of the variance of activations per residual block without BatchNorm, weights of variance 1/width.

    Parameters
    ----------
    blocks, width, batch, seed
        As in :func:`residual_scale`.
    """
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((batch, width))
    start = float((y**2).mean())
    for _ in range(blocks):
        hidden = np.maximum(np.maximum(y, 0.0) @ _weights(rng, width, width), 0.0)
        y = y + hidden @ _weights(rng, width, width)
    return float(((y**2).mean() / start) ** (1 / blocks))
