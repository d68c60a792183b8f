"""The least mean squared error of ternary weights: its slope in the threshold and its minimum, with a bound.

A weight at the threshold contributes ``delta^2`` to the error where it becomes zero, and ``(delta - s)^2`` where it
does not. The scale s is the best one, so that its own change does not count: the slope is ``2 f(delta)`` times the
difference, f the density, and has the sign of ``2 delta - s``.

The minimum is bracketed by signs. For each of these laws the logarithm of the density is concave, so that the mean
excess ``s - delta`` of what lies beyond a threshold does not grow with it: ``2 delta - s`` grows with delta and
vanishes once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq

from numeric.experiments.weight_integrals import best_scale, law_of, least_error
from numeric.instruments import quadrature
from numeric.instruments.bounded import Bounded
from numeric.instruments.laws import Law, Uniform
from numeric.instruments.quadrature import Instrument
from numeric.instruments.rounding import UNIT, rounded

_STEP = 1e-2  # in standard deviations


@dataclass(frozen=True)
class Optimum:
    """Threshold of least mean squared error.

    Attributes
    ----------
    delta
        The threshold.
    error
        The mean squared error there, at the scale that is best there.
    curvature
        Second derivative there, in the threshold, of that error; good to four digits.
    """

    delta: Bounded
    error: Bounded
    curvature: float


def slope_of_least_error(
    distribution: str, sigma: float, delta: float, integrate: Instrument = quadrature.expectation
) -> Bounded:
    """Derivative, in the threshold, of the error at its best scale.

    Parameters
    ----------
    distribution, sigma, integrate
        As in :func:`numeric.experiments.weight_integrals.ternary_quantities`.
    delta
        Threshold, at least 0, for uniform weights less than ``sqrt(3) sigma``.

    Raises
    ------
    ValueError
        When an argument is out of its range.

    Examples
    --------
    >>> slope_of_least_error("gaussian", 1.0, 0.5).value < 0 < slope_of_least_error("gaussian", 1.0, 0.7).value
    True
    """
    law = law_of(distribution, sigma)
    if isinstance(law, Uniform) and delta >= math.sqrt(3) * sigma:
        raise ValueError(f"delta must be less than sqrt(3) sigma for uniform weights, got {delta}")
    scale = best_scale(distribution, sigma, delta, integrate)
    return 2 * _density(law, delta) * scale * (2 * delta - scale)


def minimise_error(
    distribution: str, sigma: float, integrate: Instrument = quadrature.expectation
) -> Optimum:
    """The threshold that minimises the mean squared error at the best scale.

    Parameters
    ----------
    distribution, sigma, integrate
        As in :func:`slope_of_least_error`.

    Raises
    ------
    ValueError
        As there.

    Examples
    --------
    >>> optimum = minimise_error("laplace", 1.0)
    >>> optimum.delta.bound < 1e-10, optimum.error.bound < 1e-10
    (True, True)
    """
    law = law_of(distribution, sigma)

    def scale_at(delta: float) -> Bounded:
        return best_scale(distribution, sigma, delta, integrate)

    near = brentq(lambda delta: 2 * delta - scale_at(delta).value, 0.0, 1.5 * sigma, xtol=1e-14 * sigma)
    reach = 1e-14 * sigma
    while True:
        low, high = near - reach, near + reach
        ends = [(delta, scale_at(delta)) for delta in (low, high)]
        below, above = (2 * delta - scale for delta, scale in ends)
        if below.value + below.bound < 0 < above.value - above.bound:
            break
        reach *= 2
    # from the ends to the minimum the slope is at most this, since f falls, s and 2 delta - s rise
    steepest = 2 * _density(law, low) * ends[1][1] * (above - below)
    at_near = least_error(distribution, sigma, near, integrate)
    change = reach * (steepest.value + steepest.bound) * (1 + 2.0**-40)
    step = _STEP * sigma
    up, down = (slope_of_least_error(distribution, sigma, near + side * step).value for side in (1, -1))
    return Optimum(
        Bounded(near, reach * (1 + 2.0**-40) + 2 * UNIT * near, sum(s.evaluations for _, s in ends)),
        Bounded(at_near.value, at_near.bound + change, at_near.evaluations),
        (up - down) / (2 * step),
    )


def _density(law: Law, x: float) -> Bounded:
    """The density at a place where it is positive."""
    found = law.exponent(rounded(x)).exp() * law.constant
    return Bounded(float(found.value), float(found.error))
