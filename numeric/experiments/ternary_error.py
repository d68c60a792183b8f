"""The mean squared error of ternary weights, by quadrature of their density, and its minimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar

from numeric.experiments.extrapolation import derivative
from numeric.experiments.ternary import require


@dataclass(frozen=True)
class Optimum:
    """Threshold and scale of least mean squared error, found by minimising the error integral.

    Attributes
    ----------
    delta, scale
        The threshold and the scale.
    error
        The mean squared error there.
    curvature
        Second derivative there, in the threshold, of the error at its best scale; good to four digits.
    """

    delta: float
    scale: float
    error: float
    curvature: float


def _half_line(
    distribution: str, sigma: float, function: Callable[[float], float], low: float, high: float = np.inf
) -> float:
    """Integral of a function times the density between two positive ends."""
    end = sigma * (3.0**0.5 if distribution == "uniform" else 40.0)
    low, high = min(low, end), min(high, end)

    def density(w: float) -> float:
        if distribution == "uniform":
            return 1 / (2 * end)
        if distribution == "gaussian":
            return float(np.exp(-((w / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi)))
        return float(np.exp(-(2.0**0.5) * w / sigma) / (sigma * 2.0**0.5))

    cuts = [low, *(c * sigma for c in (1.0, 3.0, 8.0, 20.0) if low < c * sigma < high), high]
    pieces = [
        quad(lambda w: function(w) * density(w), a, b, epsabs=0.0, epsrel=1e-13)[0] for a, b in pairwise(cuts)
    ]
    return float(sum(pieces))


def _end(distribution: str, sigma: float) -> float:
    """Where the law of the size of a weight ends."""
    return sigma * 3.0**0.5 if distribution == "uniform" else np.inf


def mean_abs(distribution: str, sigma: float) -> float:
    """``E|w|``, by quadrature of the density.

    Examples
    --------
    >>> round(mean_abs("uniform", 1.0) * 2 / 3**0.5, 12)
    1.0
    """
    require(distribution, sigma)
    return 2 * _half_line(distribution, sigma, lambda w: w, 0.0)


def error_integral(distribution: str, sigma: float, delta: float, scale: float) -> float:
    """Mean squared error ``E(w - s tern(w))^2``, by quadrature of the density split at the threshold."""
    require(distribution, sigma, delta)
    below = _half_line(distribution, sigma, lambda w: w**2, 0.0, delta)
    above = _half_line(distribution, sigma, lambda w: (w - scale) ** 2, delta)
    return 2 * (below + above)


def best_scale(distribution: str, sigma: float, delta: float) -> float:
    """Scale of least error at a threshold: where the central difference of the error in the scale vanishes.

    The error is quadratic in the scale, for which a central difference is exact, so that the step may be large.
    """
    require(distribution, sigma, delta)
    if not delta < _end(distribution, sigma):
        raise ValueError(f"delta must be less than sqrt(3) sigma for uniform weights, got {delta}")

    def slope(scale: float) -> float:
        step = 0.5 * sigma
        up, down = (error_integral(distribution, sigma, delta, scale + side * step) for side in (1, -1))
        return (up - down) / (2 * step)

    return float(brentq(slope, 0.0, delta + 8 * sigma, xtol=1e-14, rtol=1e-14))


def least_error(distribution: str, sigma: float, delta: float) -> float:
    """Mean squared error at a threshold and the scale that is best there."""
    return error_integral(distribution, sigma, delta, best_scale(distribution, sigma, delta))


def slope_of_least_error(distribution: str, sigma: float, delta: float) -> float:
    """Derivative of the least error in the threshold, by central differences extrapolated to step zero.

    The threshold is positive, and for uniform weights less than ``sqrt(3) sigma``.
    """
    require(distribution, sigma, delta)
    room = min(delta, _end(distribution, sigma) - delta)  # the differences stay inside the law
    if not room > 0:
        raise ValueError(f"delta must be positive, for uniform weights less than sqrt(3) sigma, got {delta}")
    return derivative(lambda d: least_error(distribution, sigma, d), delta, min(1e-2 * sigma, room / 2))


def minimise_error(distribution: str, sigma: float) -> Optimum:
    """Threshold and scale that minimise the mean squared error.

    Both are zeros of central differences of the error integral, the threshold near a minimum that was searched for.

    Parameters
    ----------
    distribution
        ``"uniform"``, ``"gaussian"`` or ``"laplace"``.
    sigma
        Standard deviation of the weights, positive.

    Examples
    --------
    >>> optimum = minimise_error("laplace", 1.0)
    >>> bool(optimum.error < error_integral("laplace", 1.0, optimum.delta, 1.01 * optimum.scale))
    True
    """
    require(distribution, sigma)

    near = float(
        minimize_scalar(
            lambda d: least_error(distribution, sigma, d),
            bounds=(0.05 * sigma, 1.5 * sigma),
            method="bounded",
        ).x
    )
    around = near - 0.05 * sigma, near + 0.05 * sigma
    delta = float(brentq(lambda d: slope_of_least_error(distribution, sigma, d), *around, xtol=1e-13))
    scale = best_scale(distribution, sigma, delta)
    error = error_integral(distribution, sigma, delta, scale)
    step = 1e-2 * sigma
    up, down = (slope_of_least_error(distribution, sigma, delta + side * step) for side in (1, -1))
    return Optimum(delta, scale, error, (up - down) / (2 * step))
