"""A ReLU behind a BatchNorm, simulated: draw z, form ``y = gamma z + beta``, rectify, average.

Where the gate is almost always closed, plain draws resolve little; there the expectation is integrated numerically.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from scipy.integrate import quad

from numeric.monte_carlo import Array, Estimate, Means, sample_means


def moments(gamma: float, beta: float, draws: int, *, seed: int, stream: int, jobs: int = 1) -> Means:
    """Joint means of the open gate, and of ReLU(y) and ReLU(y)^2.

    Parameters
    ----------
    gamma, beta
        Scale and shift of the BatchNorm.
    draws, seed, stream, jobs
        As in :func:`numeric.monte_carlo.sample_means`.
    """

    def statistics(rng: np.random.Generator, n: int) -> Array:
        out = np.empty((3, n))
        y = rng.standard_normal(n)
        y *= gamma
        y += beta
        np.greater(y, 0.0, out=out[0], casting="unsafe")
        np.maximum(y, 0.0, out=out[1])
        np.multiply(out[1], out[1], out=out[2])
        return out

    return sample_means(statistics, draws, seed=seed, stream=stream, jobs=jobs)


def estimates(means: Means, gamma: float) -> Mapping[str, Estimate]:
    """The quantities of a ReLU after BatchNorm, by name, from joint means.

    ``moment0``, ``mean``, ``second_moment`` and ``variance`` are those of y/|gamma|.
    """
    s = abs(gamma)

    def variance(t: Array) -> float:
        return float(t[2] - t[1] ** 2)

    return {
        "gate_probability": means.of(lambda t: float(t[0])),
        "mean_after_batchnorm": means.of(lambda t: float(t[1])),
        "moment0": means.of(lambda t: float(t[0])),
        "mean": means.of(lambda t: float(t[1]) / s),
        "second_moment": means.of(lambda t: float(t[2]) / s**2),
        "variance": means.of(lambda t: variance(t) / s**2),
        "c1": means.of(lambda t: float(t[0])),
        "c2": means.of(lambda t: float(t[2]) / gamma**2),
        "c2_variance": means.of(lambda t: variance(t) / gamma**2),
        "ratio": means.of(lambda t: float(t[0] / (t[2] / gamma**2))),
        "ratio_variance": means.of(lambda t: float(t[0] / (variance(t) / gamma**2))),
    }


def moment_by_quadrature(order: int, gamma: float, beta: float) -> float:
    """Expectation of the gate (order 0) or of a power of ReLU(gamma z + beta), integrated from the kink on.

    Parameters
    ----------
    order
        The power, at least 0; power 0 is the open gate.
    gamma, beta
        Scale and shift of the BatchNorm; gamma is not zero.

    Examples
    --------
    >>> round(moment_by_quadrature(2, -1.5, 0.0), 12)
    1.125
    """
    if order < 0:
        raise ValueError(f"order must be at least 0, got {order}")
    if gamma == 0:
        raise ValueError("gamma must not be 0")
    kink = -beta / gamma
    direction = 1.0 if gamma > 0 else -1.0

    def integrand(distance: float) -> float:
        z = kink + direction * distance
        return float((gamma * z + beta) ** order * np.exp(-(z**2) / 2))

    # pieces of one standard deviation: the first ones hold almost everything when the kink is far out
    reach = max(0.0, -direction * kink) + 12.0
    cuts = np.concatenate([[0.0, 0.1, 0.3], np.arange(1.0, reach + 1.0)])
    pieces = [quad(integrand, a, b, epsabs=0.0, epsrel=1e-13)[0] for a, b in pairwise(cuts)]
    return float(sum(pieces) / np.sqrt(2 * np.pi))


def by_quadrature(gamma: float, beta: float) -> Mapping[str, float]:
    """The quantities of :func:`estimates`, and ``third_moment``, by quadrature."""
    gate, first, second, third = (moment_by_quadrature(k, gamma, beta) for k in range(4))
    s = abs(gamma)
    variance = second - first**2
    return {
        "gate_probability": gate,
        "mean_after_batchnorm": first,
        "moment0": gate,
        "mean": first / s,
        "second_moment": second / s**2,
        "third_moment": third / s**3,
        "variance": variance / s**2,
        "c1": gate,
        "c2": second / s**2,
        "c2_variance": variance / s**2,
        "ratio": gate / (second / s**2),
        "ratio_variance": gate / (variance / s**2),
    }
