"""Ternary weights, simulated: draw w from its law, compare with the threshold, average."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from numeric.monte_carlo import Array, Estimate, sample_means

DISTRIBUTIONS = ("uniform", "gaussian", "laplace")


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
    distribution: str, sigma: float, delta: float, scale: float, draws: int, *, seed: int, stream: int, jobs: int = 1
) -> Estimate:
    """Mean squared error ``E(w - s tern(w))^2``, by importance sampling from a wider law of the same family.

    Parameters
    ----------
    distribution, sigma, delta, scale, draws, seed, stream, jobs
        As in :func:`estimates`.
    """
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
    """
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}")
    if not delta >= 0:
        raise ValueError(f"delta must be at least 0, got {delta}")

    def statistics(rng: np.random.Generator, n: int) -> Array:
        w = draw_weights(rng, distribution, sigma, n)
        ternary = np.sign(w) * (np.abs(w) > delta)
        out = np.empty((6, n))
        out[0] = ternary > 0
        out[1] = ternary == 0
        out[2] = ternary * ternary
        out[3] = np.abs(w)
        out[4] = w * ternary
        out[5] = ternary
        return out

    means = sample_means(statistics, draws, seed=seed, stream=stream, jobs=jobs)
    return {
        "p_plus": means.of(lambda t: float(t[0])),
        "p_zero": means.of(lambda t: float(t[1])),
        "variance": means.of(lambda t: float(t[2] - t[5] ** 2)),
        "mean_abs": means.of(lambda t: float(t[3])),
        "optimal_scale": means.of(lambda t: float(t[4] / t[2])),
    }
