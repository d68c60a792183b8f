"""Ternary weights, simulated: draw w from its law, compare with the threshold, average."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar

from numeric.monte_carlo import Array, Estimate, sample_means

DISTRIBUTIONS = ("uniform", "gaussian", "laplace")


def _require(distribution: str, sigma: float, delta: float = 0.0) -> None:
    if distribution not in DISTRIBUTIONS:
        raise ValueError(f"distribution must be one of {', '.join(DISTRIBUTIONS)}, got {distribution!r}")
    if not (np.isfinite(sigma) and sigma > 0):
        raise ValueError(f"sigma must be positive and finite, got {sigma}")
    if not delta >= 0:
        raise ValueError(f"delta must be at least 0, got {delta}")


def draw_weights(rng: np.random.Generator, distribution: str, sigma: float, n: int) -> Array:
    """Independent weights with mean zero and standard deviation sigma, shape (n,)."""
    if distribution == "uniform":
        half_width = 3.0**0.5 * sigma
        return rng.uniform(-half_width, half_width, n)
    if distribution == "gaussian":
        return sigma * rng.standard_normal(n)
    if distribution == "laplace":
        return rng.laplace(0.0, sigma / 2.0**0.5, n)
    raise ValueError(f"distribution must be one of {', '.join(DISTRIBUTIONS)}, got {distribution!r}")


_WIDENING = {"uniform": 1.0, "gaussian": 1.6, "laplace": 3.0}
"""The error grows with w^2: weights drawn this much wider, and reweighted, resolve it with fewer draws."""


def _density(w: Array, distribution: str, sigma: float) -> Array:
    """Density up to its constant factor, which widening divides by the factor of widening."""
    if distribution == "gaussian":
        return np.asarray(np.exp(-((w / sigma) ** 2) / 2))
    if distribution == "laplace":
        return np.asarray(np.exp(-(2.0**0.5) * np.abs(w) / sigma))
    return np.ones_like(w)


def error(
    distribution: str,
    sigma: float,
    delta: float,
    scale: float,
    draws: int,
    *,
    seed: int,
    stream: int,
    jobs: int = 1,
) -> Estimate:
    """Mean squared error ``E(w - s tern(w))^2``, by importance sampling from a wider law of the same family.

    Parameters
    ----------
    distribution, sigma, delta, scale, draws, seed, stream, jobs
        As in :func:`estimates`.
    """
    _require(distribution, sigma, delta)
    widening = _WIDENING[distribution]

    def statistics(rng: np.random.Generator, n: int) -> Array:
        w = draw_weights(rng, distribution, widening * sigma, n)
        weight = _density(w, distribution, sigma) / _density(w, distribution, widening * sigma)
        ternary = np.sign(w) * (np.abs(w) > delta)
        return np.asarray(widening * weight * (w - scale * ternary) ** 2)[None, :]

    return sample_means(statistics, draws, seed=seed, stream=stream, jobs=jobs).of(lambda t: float(t[0]))


def estimates(
    distribution: str,
    sigma: float,
    delta: float,
    draws: int,
    *,
    seed: int,
    stream: int,
    jobs: int = 1,
    scale: float | None = None,
) -> Mapping[str, Estimate]:
    """Quantities of ternary weights with a given threshold, by name.

    Parameters
    ----------
    distribution
        ``"uniform"``, ``"gaussian"`` or ``"laplace"``.
    sigma
        Standard deviation of the weights, positive.
    delta
        Threshold, at least 0.
    draws, seed, stream, jobs
        As in :func:`numeric.monte_carlo.sample_means`.
    scale
        When given, ``error``, the mean squared error ``E(w - s tern(w))^2`` at this scale, is estimated too, from
        the same plain draws.

    Returns
    -------
    Mapping
        ``p_plus``, ``p_zero``, ``variance``, ``mean_abs``, and ``error`` where asked for.

    Raises
    ------
    ValueError
        When the distribution is unknown, sigma is not positive, or delta is negative.
    """
    _require(distribution, sigma, delta)
    rows = 3 if scale is None else 4

    def statistics(rng: np.random.Generator, n: int) -> Array:
        w = draw_weights(rng, distribution, sigma, n)
        out = np.empty((rows, n))
        plus, ternary, size = out[:3]
        np.less(w, -delta, out=ternary, casting="unsafe")
        np.greater(w, delta, out=plus, casting="unsafe")
        np.subtract(plus, ternary, out=ternary)
        np.abs(w, out=size)
        if scale is not None:
            w -= scale * ternary
            np.multiply(w, w, out=out[3])
        return out

    means = sample_means(statistics, draws, seed=seed, stream=stream, jobs=jobs)

    def occupied(t: Array) -> float:
        return float(2 * t[0] - t[1])  # P(+1) + P(-1), from P(+1) and P(+1) - P(-1)

    result = {
        "p_plus": means.of(lambda t: float(t[0])),
        "p_zero": means.of(lambda t: 1.0 - occupied(t)),
        "variance": means.of(lambda t: occupied(t) - float(t[1]) ** 2),
        "mean_abs": means.of(lambda t: float(t[2])),
    }
    if scale is not None:
        result["error"] = means.of(lambda t: float(t[3]))
    return result


def sign_moments(
    distribution: str, sigma: float, draws: int, *, seed: int, stream: int
) -> tuple[float, float]:
    """Mean and variance of sign weights over draws and their mirror images: no sampling error is left."""
    _require(distribution, sigma)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
    w = draw_weights(rng, distribution, sigma, draws)
    signs = np.sign(np.concatenate([w, -w]))
    return float(signs.mean()), float(signs.var())


# --- quadrature of the density -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Optimum:
    """Threshold and scale of least mean squared error, found by minimising the error integral.

    Attributes
    ----------
    delta, scale
        The threshold and the scale.
    error
        The mean squared error there.
    """

    delta: float
    scale: float
    error: float


def uniform_sigma(K: float) -> float:
    """Standard deviation of weights uniform on ``(-sqrt(6/K), sqrt(6/K))``."""
    if not K > 0:
        raise ValueError(f"K must be positive, got {K}")
    return float((2.0 / K) ** 0.5)


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


def mean_abs(distribution: str, sigma: float) -> float:
    """``E|w|``, by quadrature of the density.

    Examples
    --------
    >>> round(mean_abs("uniform", 1.0) * 2 / 3**0.5, 12)
    1.0
    """
    _require(distribution, sigma)
    return 2 * _half_line(distribution, sigma, lambda w: w, 0.0)


def error_integral(distribution: str, sigma: float, delta: float, scale: float) -> float:
    """Mean squared error ``E(w - s tern(w))^2``, by quadrature of the density split at the threshold."""
    _require(distribution, sigma, delta)
    below = _half_line(distribution, sigma, lambda w: w**2, 0.0, delta)
    above = _half_line(distribution, sigma, lambda w: (w - scale) ** 2, delta)
    return 2 * (below + above)


def best_scale(distribution: str, sigma: float, delta: float) -> float:
    """Scale of least error at a threshold: where the central difference of the error in the scale vanishes.

    The error is quadratic in the scale, for which a central difference is exact, so that the step may be large.
    """
    _require(distribution, sigma, delta)

    def slope(scale: float) -> float:
        step = 0.5 * sigma
        up, down = (error_integral(distribution, sigma, delta, scale + side * step) for side in (1, -1))
        return (up - down) / (2 * step)

    return float(brentq(slope, 0.0, delta + 8 * sigma, xtol=1e-14, rtol=1e-14))


def least_error(distribution: str, sigma: float, delta: float) -> float:
    """Mean squared error at a threshold and the scale that is best there."""
    return error_integral(distribution, sigma, delta, best_scale(distribution, sigma, delta))


def slope_of_least_error(distribution: str, sigma: float, delta: float) -> float:
    """Derivative of the least error in the threshold, by central differences extrapolated to step zero."""

    def central(step: float) -> float:
        up, down = (least_error(distribution, sigma, delta + side * step) for side in (1, -1))
        return (up - down) / (2 * step)

    halves = [central(1e-2 * sigma / 2**k) for k in range(3)]
    once = [(4 * fine - coarse) / 3 for coarse, fine in pairwise(halves)]
    return (16 * once[1] - once[0]) / 15


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
    _require(distribution, sigma)

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
    return Optimum(delta, scale, error_integral(distribution, sigma, delta, scale))
