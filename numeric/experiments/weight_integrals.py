"""Shares, moments and errors of quantised weights, with a bound: only the definition and the law are known here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from numeric.arrays import Doubles
from numeric.evaluation.arguments import require_integer
from numeric.instruments import grid, quadrature
from numeric.instruments.bounded import Bounded
from numeric.instruments.laws import Laplace, Law, Logistic, Normal, Uniform
from numeric.instruments.quadrature import Instrument, Piece, monomial
from numeric.instruments.rounding import UNIT, Number

_MOST_BITS = 16  # every level takes an integral
LAWS: Mapping[str, type[Law]] = {
    "uniform": Uniform,
    "gaussian": Normal,
    "laplace": Laplace,
    "logistic": Logistic,
}


def law_of(distribution: str, sigma: float) -> Law:
    """The law of this name; parameters as in :func:`ternary_quantities`."""
    if distribution not in LAWS:
        raise ValueError(f"distribution must be one of {', '.join(LAWS)}, got {distribution!r}")
    return LAWS[distribution](sigma)


def _require_threshold(delta: float) -> None:
    if not 0 <= delta < math.inf:
        raise ValueError(f"delta must be at least 0 and finite, got {delta}")


def ternary_quantities(
    distribution: str,
    sigma: float,
    delta: float,
    scale: float | None = None,
    integrate: Instrument = quadrature.expectation,
) -> Mapping[str, Bounded]:
    """The quantities of :func:`numeric.experiments.ternary.estimates`, by name.

    Parameters
    ----------
    distribution
        ``"uniform"``, ``"gaussian"``, ``"laplace"`` or ``"logistic"``.
    sigma
        Standard deviation of the weights, of the logistic law its scale; positive.
    delta
        Threshold, at least 0; binary weights at 0.
    scale
        When given, ``error``, the mean squared error ``E(w - s tern(w))^2`` at this scale, is there too.
    integrate
        The instrument.

    Examples
    --------
    >>> ternary_quantities("laplace", 0.9, 0.0)["variance"].refutes(1.0)
    False
    """
    law = law_of(distribution, sigma)
    _require_threshold(delta)
    minus, zero, plus = _intervals((-delta, delta))
    ones = (1.0,)
    p_plus = integrate(law, [Piece(*plus, ones)])
    mean = ternary_mean(distribution, sigma, delta, integrate)
    square = integrate(law, [Piece(*plus, ones), Piece(*minus, ones)])
    found = {
        "p_plus": p_plus,
        "p_zero": integrate(law, [Piece(*zero, ones)]),
        "variance": square - mean * mean,
        "mean_abs": integrate(law, [Piece(0.0, math.inf, (0.0, 1.0)), Piece(-math.inf, 0.0, (0.0, -1.0))]),
    }
    if scale is not None:
        found["error"] = quantisation_error(law, (-delta, delta), (-scale, 0.0, scale), integrate)
    return found


def ternary_mean(
    distribution: str, sigma: float, delta: float, integrate: Instrument = quadrature.expectation
) -> Bounded:
    """Mean of the ternary weights; parameters as in :func:`ternary_quantities`.

    Examples
    --------
    >>> ternary_mean("logistic", 1.0, 0.7).refutes(0.0)
    False
    """
    _require_threshold(delta)
    minus, _, plus = _intervals((-delta, delta))
    return integrate(law_of(distribution, sigma), [Piece(*plus, (1.0,)), Piece(*minus, (-1.0,))])


def ternary_at_ratio(
    distribution: str, sigma: float, t: float, integrate: Instrument = quadrature.expectation
) -> Mapping[str, Bounded]:
    """The quantities of :func:`ternary_quantities` at the threshold ``delta = t E|w|``.

    The threshold is known as well as ``E|w|`` is. All quantities are monotone in it, so the bounds are widened by what
    they change over the thresholds that it may be.

    Parameters
    ----------
    distribution, sigma, integrate
        As in :func:`ternary_quantities`.
    t
        Threshold over the mean size of a weight, positive.
    """
    if not 0 < t < math.inf:
        raise ValueError(f"t must be positive and finite, got {t}")
    mean_abs = ternary_quantities(distribution, sigma, 0.0, integrate=integrate)["mean_abs"]
    delta = t * mean_abs
    low, high = (delta.value + side * (delta.bound + 4 * UNIT * delta.value) for side in (-1, 1))
    below, above = (ternary_quantities(distribution, sigma, d, integrate=integrate) for d in (low, high))
    return {
        name: Bounded(
            below[name].value,
            below[name].bound + above[name].bound + abs(above[name].value - below[name].value),
            below[name].evaluations + above[name].evaluations,
        )
        for name in below
    }


def _parabola(
    distribution: str, sigma: float, delta: float, integrate: Instrument
) -> tuple[Bounded, Bounded]:
    """First and second differences in the scale, at 0 and in steps of sigma, of the error of ternary weights.

    Only what lies above the threshold differs.
    """
    law = law_of(distribution, sigma)
    _require_threshold(delta)
    minus, _, plus = _intervals((-delta, delta))
    left, middle, right = (
        integrate(law, [Piece(*minus, monomial(2), 1.0, s), Piece(*plus, monomial(2), 1.0, -s)])
        for s in (-sigma, 0.0, sigma)
    )
    return right - left, right - middle + (left - middle)


def best_scale(
    distribution: str, sigma: float, delta: float, integrate: Instrument = quadrature.expectation
) -> Bounded:
    """Scale of least mean squared error at a threshold: the error is quadratic in the scale, three values give it.

    Parameters
    ----------
    distribution, sigma, delta, integrate
        As in :func:`ternary_quantities`.

    Raises
    ------
    ZeroDivisionError
        When no weight may lie above the threshold.
    """
    slope, curvature = _parabola(distribution, sigma, delta, integrate)
    return -0.5 * sigma * slope / curvature


def least_error(
    distribution: str, sigma: float, delta: float, integrate: Instrument = quadrature.expectation
) -> Bounded:
    """Mean squared error at a threshold and the scale that is best there; parameters as in :func:`best_scale`."""
    slope, curvature = _parabola(distribution, sigma, delta, integrate)
    at_zero = integrate(law_of(distribution, sigma), [Piece(-math.inf, math.inf, monomial(2))])
    return at_zero - slope * slope / (8 * curvature)


def shares_on_grid(
    distribution: str, sigma: float, delta: float, points: int, *, seed: int, stream: int
) -> Mapping[str, Bounded]:
    """``p_plus`` and ``p_zero`` of ternary weights, by inverse transform of a shifted grid.

    Parameters
    ----------
    distribution, sigma, delta
        As in :func:`ternary_quantities`.
    points, seed, stream
        As in :func:`numeric.instruments.grid.expectation`.
    """
    law_of(distribution, sigma)

    def weights(u: Doubles) -> Doubles:
        if distribution == "uniform":
            return np.asarray((2 * u - 1) * (3**0.5 * sigma))
        if distribution == "gaussian":
            return np.asarray(sigma * ndtri(u))
        return np.asarray(np.sign(u - 0.5) * -np.log(2 * np.minimum(u, 1 - u)) * (sigma / 2**0.5))

    def share(inside: Callable[[Doubles], NDArray[np.bool_]], jumps: float) -> Bounded:
        return grid.expectation(lambda u: inside(weights(u)), jumps, points, seed=seed, stream=stream)

    return {
        "p_plus": share(lambda w: w > delta, 1.0),
        "p_zero": share(lambda w: np.abs(w) <= delta, 2.0),
    }


def nearest_levels(bits: int, largest: Number) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Thresholds and levels of the quantiser to ``2**bits`` equally spaced levels between two bounds.

    Parameters
    ----------
    bits
        Number of bits, from 1 to 16.
    largest
        The largest level, positive; the least is its negative.

    Raises
    ------
    ValueError
        When an argument is out of its range.

    Examples
    --------
    >>> thresholds, levels = nearest_levels(2, 3)
    >>> [int(t) for t in thresholds], [int(q) for q in levels]
    ([-2, 0, 2], [-3, -1, 1, 3])
    """
    bits = require_integer("bits", bits, 1, _MOST_BITS)
    if not 0 < largest < math.inf:
        raise ValueError(f"largest must be positive and finite, got {largest}")
    steps = 2**bits - 1
    levels = tuple(Fraction(largest) * Fraction(2 * k - steps, steps) for k in range(steps + 1))
    return tuple((a + b) / 2 for a, b in pairwise(levels)), levels


def quantised_moment(
    law: Law,
    thresholds: Sequence[Number],
    levels: Sequence[Number],
    order: int,
    integrate: Instrument = quadrature.expectation,
) -> Bounded:
    """``E Q(w)^order`` of a quantiser, which takes the next level at each threshold.

    Parameters
    ----------
    law
        Law of the weights.
    thresholds, levels
        In ascending order, one level more than thresholds.
    order
        The power, at least 0.
    integrate
        The instrument.

    Examples
    --------
    >>> quantised_moment(Normal(2.0), *nearest_levels(1, 3), 2).refutes(9.0)
    False
    """
    pieces = (Piece(*i, monomial(order), 0.0, q) for i, q in _steps(thresholds, levels))
    return integrate(law, pieces)


def quantised_variance(
    law: Law, bits: int, largest: Number, integrate: Instrument = quadrature.expectation
) -> Bounded:
    """Variance of weights rounded to the nearest of ``2**bits`` levels.

    Parameters
    ----------
    law, integrate
        As in :func:`quantised_moment`.
    bits, largest
        As in :func:`nearest_levels`.

    Examples
    --------
    >>> quantised_variance(Normal(2.0), 1, 3).refutes(9.0)
    False
    """
    mean, square = (quantised_moment(law, *nearest_levels(bits, largest), k, integrate) for k in (1, 2))
    return square - mean * mean


def quantisation_error(
    law: Law,
    thresholds: Sequence[Number],
    levels: Sequence[Number],
    integrate: Instrument = quadrature.expectation,
) -> Bounded:
    """Mean squared error ``E(w - Q(w))^2``; parameters as in :func:`quantised_moment`."""
    pieces = (Piece(*i, monomial(2), 1.0, -q) for i, q in _steps(thresholds, levels))
    return integrate(law, pieces)


def _steps(
    thresholds: Sequence[Number], levels: Sequence[Number]
) -> Iterable[tuple[tuple[Number, Number], Number]]:
    if len(levels) != len(thresholds) + 1:
        raise ValueError(f"levels must be one more than thresholds ({len(thresholds)}), got {len(levels)}")
    return zip(_intervals(thresholds), levels, strict=True)


def _intervals(thresholds: Sequence[Number]) -> list[tuple[Number, Number]]:
    return list(pairwise((-math.inf, *thresholds, math.inf)))
