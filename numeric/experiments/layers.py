"""Layers at random initialisation, simulated: what they hand on, forward and backward.

A layer is linear, then BatchNorm, then ReLU. Derivatives are complex steps of the forward pass along random
tangents: the mean square of a gradient is a Frobenius norm, and that is the same for a matrix and its transpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from numeric.arrays import Doubles
from numeric.evaluation.arguments import require_integer
from numeric.experiments.deep_network import relu_of_batchnorm
from numeric.sampling.normal import StandardNormalDraws

_STEP = 1e-150


def ternary_weights(rng: np.random.Generator, n_in: int, shape: tuple[int, ...]) -> Doubles:
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


@dataclass(frozen=True)
class TernaryLayerDraws:
    """The unbiased variance across a batch of one output of a ternary linear layer, whose inputs are ReLUs.

    One draw is one neuron, with weights as in :func:`ternary_weights`, on one batch of ReLUs of independent standard
    normal numbers.

    Parameters
    ----------
    n_in, batch
        Fan-in and batch size, at least 2.
    """

    n_in: int
    batch: int
    source = "ternary layer"
    points = 1
    statistics = 1

    @property
    def dimension(self) -> int:
        return self.n_in * (1 + self.batch)

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        z[: self.n_in] = ternary_weights(rng, self.n_in, z[: self.n_in].shape)
        rng.standard_normal(out=z[self.n_in :])

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        weights, inputs = z[: self.n_in], z[self.n_in :].reshape(self.batch, self.n_in, -1)
        outputs = (np.maximum(inputs, 0.0) * weights).sum(axis=1)
        out[0] = outputs.var(axis=0, ddof=1)


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


def adjacent_layers(n_next: int, kernel: int, *, seed: int) -> Mapping[str, float]:
    """Mean squares of the gradients in a weight of two adjacent layers with average pooling between them.

    Inputs, slopes of the activation, weights and gradients from above take three equally likely values each, and means
    are over all combinations: nothing is left to chance. Weights and gradients are centred.

    Parameters
    ----------
    n_next
        Neurons of the upper layer, at least 1; time and memory grow as 27 to this power.
    kernel
        Side of the pooling window, at least 1.
    seed
        Seed of the values.

    Returns
    -------
    Mapping
        ``below`` and ``above``, the two mean squares; ``c`` and ``c_next``, gamma/sigma of the two layers; ``X``,
        ``X_next``, ``H``, ``H_next``, the mean squares of inputs and slopes; ``V_next``, of the upper weights.

    Examples
    --------
    >>> sorted(adjacent_layers(1, 1, seed=0))
    ['H', 'H_next', 'V_next', 'X', 'X_next', 'above', 'below', 'c', 'c_next']
    """
    require_integer("n_next", n_next, 1)
    require_integer("kernel", kernel, 1)
    rng = np.random.default_rng(seed)
    c, c_next = rng.uniform(0.5, 2.0, 2).tolist()
    x, x_next, h, h_next, weights, upstream = rng.uniform(0.2, 2.0, (6, 3))
    weights, upstream = weights - weights.mean(), upstream - upstream.mean()

    def all_of(combine: np.ufunc, *values: Doubles) -> Doubles:
        found = np.zeros(1) if combine is np.add else np.ones(1)
        for value in values:
            found = combine.outer(found, value).ravel()
        return found

    def mean_square(values: Doubles) -> float:
        return float(np.mean(np.square(values)))

    through_one = c_next * all_of(np.multiply, weights, h_next, upstream)
    before_pooling = all_of(np.add, *[through_one] * n_next) / kernel**2
    return {
        "below": mean_square(c * all_of(np.multiply, x, h, before_pooling)),
        "above": mean_square(c_next * all_of(np.multiply, x_next, h_next, upstream)),
        "c": c,
        "c_next": c_next,
        "X": mean_square(x),
        "X_next": mean_square(x_next),
        "H": mean_square(h),
        "H_next": mean_square(h_next),
        "V_next": mean_square(weights),
    }


@dataclass(frozen=True)
class PoolingDraws(StandardNormalDraws):
    """The square of the average of ``ReLU(z + shift)`` over a window of independent standard normal numbers z.

    Parameters
    ----------
    shift
        Shift of the normal numbers.
    kernel
        Side of the window, at least 1.

    Raises
    ------
    ValueError
        When the kernel is no such integer.
    """

    shift: float
    kernel: int
    points = 1
    statistics = 1

    def __post_init__(self) -> None:
        require_integer("kernel", self.kernel, 1)

    @property
    def dimension(self) -> int:
        return self.kernel**2

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        np.square(np.maximum(z + self.shift, 0.0).mean(axis=0), out=out[0])


@dataclass(frozen=True)
class LinearNetworkDraws(StandardNormalDraws):
    """The square of one output of a linear network with independent standard normal inputs and random weights.

    Parameters
    ----------
    widths
        The number of inputs and of neurons of every layer; the last one has a single neuron that is counted here.
    variances
        Variances of the normal weights, layer by layer.
    """

    widths: tuple[int, ...]
    variances: tuple[float, ...]
    points = 1
    statistics = 1

    @property
    def dimension(self) -> int:
        return self.widths[0] + sum(a * b for a, b in pairwise(self.widths))

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        signal, rest = z[: self.widths[0]], z[self.widths[0] :]
        for (before, after), variance in zip(pairwise(self.widths), self.variances, strict=True):
            weights, rest = rest[: before * after].reshape(after, before, -1), rest[before * after :]
            signal = variance**0.5 * (weights * signal).sum(axis=1)
        np.square(signal[0], out=out[0])


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
