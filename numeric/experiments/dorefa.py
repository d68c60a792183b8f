"""DoReFa weights, clamped and quantised, of Gaussian ones: what they become on average, and what is measured.

A layer has N independent weights of standard deviation s. Clamping divides ``tanh(w)`` by its largest size in the
layer. Given the largest size of a weight, the other N - 1 are independent draws of the normal law cut off there, so
averages over a layer are exact integrals over the law of the maximum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from numeric.arrays import Doubles
from numeric.evaluation.arguments import require_integer
from numeric.experiments.uniform_levels import nearest_level
from numeric.sampling.estimates import Estimate

_NODES, _SHARES = np.polynomial.legendre.leggauss(128)
_TAIL = 1e-17  # probability that is left out on either side of the law of the maximum


def _require_deviation(deviation: float) -> None:
    if not 0 < deviation < np.inf:
        raise ValueError(f"deviation must be positive and finite, got {deviation}")


def clamp(weights: Doubles) -> Doubles:
    """``tanh`` of the weights over its largest size: between -1 and 1."""
    squashed = np.tanh(weights)
    return np.asarray(squashed / np.abs(squashed).max())


def largest(count: int) -> tuple[Doubles, Doubles]:
    """Places and shares, which add up to 1, of a quadrature over the law of the largest of N half-normal draws.

    Examples
    --------
    >>> places, shares = largest(1)
    >>> round(float(shares @ places), 9), round((2 / np.pi) ** 0.5, 9)
    (0.797884561, 0.797884561)
    """
    count = require_integer("count", count, 1)
    low = -ndtri(-np.expm1(np.log(_TAIL) / count) / 2)
    high = -ndtri(_TAIL / (2 * count))
    places = low + (high - low) * (1 + _NODES) / 2
    log_below = np.log1p(-2 * ndtr(-places))
    density = 2 * count * np.exp(-(places**2) / 2) / np.sqrt(2 * np.pi) * np.exp((count - 1) * log_below)
    return places, density * _SHARES * (high - low) / 2


def largest_below(size: float, count: int) -> float:
    """Probability that the largest of N half-normal draws is at most this size."""
    return float(np.exp(count * np.log1p(-2 * ndtr(-size))))


def clamped_mean_square(deviation: float, count: int) -> Doubles:
    """Mean square of the clamped weights given the largest weight, at the places of :func:`largest`."""
    _require_deviation(deviation)
    places, _ = largest(count)
    inside = places[:, None] * (1 + _NODES) / 2
    density = np.exp(-(inside**2) / 2) / np.sqrt(2 * np.pi) * places[:, None] * _SHARES
    squares = np.tanh(deviation * inside) ** 2 / np.tanh(deviation * places[:, None]) ** 2
    return np.asarray((1 + (count - 1) * (density * squares).sum(axis=1) / (1 - 2 * ndtr(-places))) / count)


def quantised_mean_square(deviation: float, count: int, bits: int) -> Doubles:
    """Mean square of the quantised weights given the largest weight, at the places of :func:`largest`."""
    _require_deviation(deviation)
    places, _ = largest(count)
    steps = 2 ** require_integer("bits", bits, 1) - 1
    ends = np.linspace(-1 - 1 / steps, 1 + 1 / steps, steps + 2).clip(-1, 1)
    cuts = np.arctanh(ends * np.tanh(deviation * places)[:, None]) / deviation
    shares = np.diff(ndtr(cuts), axis=1) / (1 - 2 * ndtr(-places))[:, None]
    levels = np.linspace(-1, 1, steps + 1)
    return np.asarray((1 + (count - 1) * shares @ levels**2) / count)


def clamping_ratio(deviation: float, count: int) -> float:
    """Expected mean square of the clamped weights, over the variance of the original ones.

    Examples
    --------
    >>> round(clamping_ratio(1000**-0.5, 10**6), 1)
    40.9
    """
    _, shares = largest(count)
    return float(shares @ clamped_mean_square(deviation, count)) / deviation**2


def chance_of_clamping_ratio(least: float, deviation: float, count: int) -> float:
    """Probability that a layer has at least this ratio, other fluctuations than that of the largest weight left out."""
    places, _ = largest(count)
    ratios = clamped_mean_square(deviation, count) / deviation**2  # decreasing
    return largest_below(float(np.interp(-least, -ratios, places)), count)


def quantisation_ratio(deviation: float, count: int, bits: int) -> float:
    """Standard deviation of the quantised weights over that of the clamped ones.

    The mean over the largest weight; given it, each mean square is replaced by its expectation, which changes the
    result by a term of order 1/N.
    """
    _, shares = largest(count)
    squares = quantised_mean_square(deviation, count, bits) / clamped_mean_square(deviation, count)
    return float(shares @ np.sqrt(squares))


def _repeated(values: list[float]) -> Estimate:
    spread = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return Estimate(float(np.mean(values)), spread, len(values))


def measured_clamping_ratio(deviation: float, count: int, layers: int, *, seed: int) -> Estimate:
    """:func:`clamping_ratio` of sampled layers."""
    rng = np.random.default_rng(seed)
    draws = (deviation * rng.standard_normal(count) for _ in range(layers))
    return _repeated([float((clamp(w) ** 2).mean() / deviation**2) for w in draws])


def measured_quantisation_ratios(
    deviation: float, count: int, bits: ArrayLike, layers: int, *, seed: int
) -> list[Estimate]:
    """:func:`quantisation_ratio` of sampled layers, at each number of bits."""
    rng = np.random.default_rng(seed)
    found: list[list[float]] = []
    for _ in range(layers):
        clamped = clamp(deviation * rng.standard_normal(count))
        size = (clamped**2).mean()
        found.append(
            [float(np.sqrt((nearest_level(clamped, 1.0, int(b)) ** 2).mean() / size)) for b in np.ravel(bits)]
        )
    return [_repeated(list(column)) for column in zip(*found, strict=True)]
