"""A ReLU behind a BatchNorm, simulated: draw z, form ``y = gamma z + beta``, rectify, average."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

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
