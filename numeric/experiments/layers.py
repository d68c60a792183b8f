"""Layers at random initialisation, simulated: what they hand on, forward and backward.

A layer is linear, then BatchNorm, then ReLU. Derivatives are complex steps of the forward pass along random
tangents: the mean square of a gradient is a Frobenius norm, and that is the same for a matrix and its transpose.
"""

from __future__ import annotations

import numpy as np

from numeric.experiments.deep_network import relu_of_batchnorm
from numeric.monte_carlo import Array, Estimate, sample_means

_STEP = 1e-150


def ternary_weights(rng: np.random.Generator, n_in: int, shape: tuple[int, ...]) -> Array:
    """Ternary weights of uniform ones on ``(-sqrt(6/n_in), sqrt(6/n_in))`` at the threshold 0.7 E|w|.

    Parameters
    ----------
    rng
        Generator.
    n_in
        Fan-in of the layer.
    shape
        Shape of the weights.
    """
    end = np.sqrt(6 / n_in)
    weights = rng.uniform(-end, end, shape)
    return np.where(np.abs(weights) > 0.7 * end / 2, np.sign(weights), 0.0)


def batch_variance(n_in: int, batch: int, draws: int, *, seed: int, stream: int) -> Estimate:
    """Variance across a batch, unbiased, of one output of a ternary linear layer; its mean over weights.

    The inputs are ReLUs of independent standard normal numbers.

    Parameters
    ----------
    n_in, batch
        Fan-in and batch size, at least 2.
    draws, seed, stream
        As in :func:`numeric.monte_carlo.sample_means`; one draw is one neuron on one batch.
    """

    def statistics(rng: np.random.Generator, n: int) -> Array:
        weights = ternary_weights(rng, n_in, (n_in, n))
        out = np.zeros((batch, n))
        for k in range(n_in):
            out += np.maximum(rng.standard_normal((batch, n)), 0.0) * weights[k]
        return np.asarray(out.var(axis=0, ddof=1))[None, :]

    return sample_means(statistics, draws, seed=seed, stream=stream).of(lambda t: float(t[0]))


def gradient_gain(widths: tuple[int, int, int], batch: int, *, seed: int) -> float:
    """Mean square of the gradient before one BatchNorm over that before the next, in ternary layers with ReLU.

    Parameters
    ----------
    widths
        Neurons of the layer before, of this layer, and of the next one.
    batch
        Batch size.
    seed
        Seed of inputs, weights and tangents.
    """
    rng = np.random.default_rng(seed)
    before, here, after = widths
    inputs = np.maximum(rng.standard_normal((batch, before)), 0.0)
    preactivations = inputs @ ternary_weights(rng, before, (before, here))
    tangent = rng.standard_normal((batch, here))
    following = relu_of_batchnorm(preactivations + 1j * _STEP * tangent) @ ternary_weights(
        rng, here, (here, after)
    )
    moved = np.asarray(following.imag / _STEP, dtype=np.float64)
    return float((moved**2).sum() / (batch * here))


def pooled_second_moment(shift: float, kernel: int, draws: int, *, seed: int, stream: int) -> Estimate:
    """Second moment of the average of ``ReLU(z + shift)`` over a window, z independent and standard normal.

    Parameters
    ----------
    shift
        Shift of the normal numbers.
    kernel
        Side of the window.
    draws, seed, stream
        As in :func:`numeric.monte_carlo.sample_means`; one draw is one window.
    """

    def statistics(rng: np.random.Generator, n: int) -> Array:
        window = np.maximum(rng.standard_normal((kernel**2, n)) + shift, 0.0)
        return np.asarray(window.mean(axis=0) ** 2)[None, :]

    return sample_means(statistics, draws, seed=seed, stream=stream).of(lambda t: float(t[0]))


def weight_gradient_ratio(width: int, variance: float, batch: int, *, seed: int) -> float:
    """Mean square of the gradient in the weights of one layer over that of the next, ReLU without BatchNorm.

    Two hidden layers behind an input of ReLUs; one upstream gradient, random, for each sample and unit. The mean
    square is over samples too: of the gradient that each sample contributes.

    Parameters
    ----------
    width, batch
        Neurons of every layer, batch size.
    variance
        Variance of the weights.
    seed
        Seed of inputs, weights and upstream gradients.
    """
    rng = np.random.default_rng(seed)
    inputs = np.maximum(rng.standard_normal((batch, width)), 0.0)
    first, second = np.sqrt(variance) * rng.standard_normal((2, width, width))
    before = inputs @ first
    hidden = np.maximum(before, 0.0)
    after = hidden @ second
    above = rng.standard_normal((batch, width)) * (after > 0)
    below = (above @ second.T) * (before > 0)
    return float((inputs**2).mean() * (below**2).mean() / ((hidden**2).mean() * (above**2).mean()))
