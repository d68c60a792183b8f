"""Weights rounded to the nearest of 2^b equally spaced levels, simulated: draw, clip, round, average."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from numeric.experiments.dorefa import quantise
from numeric.monte_carlo import Array, Estimate, sample_means

Draw: TypeAlias = Callable[[np.random.Generator, int], Array]
"""Draws n independent weights, shape (n,)."""


def nearest_level(weights: Array, largest: float, bits: int) -> Array:
    """The nearest of ``2**bits`` levels from ``-largest`` to ``largest``; beyond the ends, the end.

    Examples
    --------
    >>> nearest_level(np.array([-7.0, -0.1, 0.1, 0.7]), 1.5, 2)
    array([-1.5, -0.5,  0.5,  0.5])
    """
    if not largest > 0:
        raise ValueError(f"largest must be positive, got {largest}")
    return np.asarray(largest * quantise(np.clip(weights / largest, -1.0, 1.0), bits))


def variances(
    draw: Draw, largest: float, bits: Sequence[int], draws: int, *, seed: int, stream: int, jobs: int = 1
) -> Mapping[int, Estimate]:
    """Variance of the rounded weights for each number of bits, from the same draws.

    Parameters
    ----------
    draw
        The law of the weights.
    largest
        The largest level, positive.
    bits
        Numbers of bits, at least 1 each; with 1 the squares do not vary, see :func:`mirrored_variance`.
    draws, seed, stream, jobs
        As in :func:`numeric.monte_carlo.sample_means`.
    """

    def statistics(rng: np.random.Generator, n: int) -> Array:
        weights = draw(rng, n)
        out = np.empty((2 * len(bits), n))
        for k, number in enumerate(bits):
            out[2 * k] = nearest_level(weights, largest, number)
            np.multiply(out[2 * k], out[2 * k], out=out[2 * k + 1])
        return out

    means = sample_means(statistics, draws, seed=seed, stream=stream, jobs=jobs)

    def variance(k: int) -> Estimate:
        return means.of(lambda t: float(t[2 * k + 1] - t[2 * k] ** 2))

    return {number: variance(k) for k, number in enumerate(bits)}


def mirrored_variance(draw: Draw, largest: float, bits: int, draws: int, *, seed: int, stream: int) -> float:
    """Variance of the rounded weights over draws and their mirror images; with 1 bit no sampling error is left."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
    weights = draw(rng, draws)
    return float(nearest_level(np.concatenate([weights, -weights]), largest, bits).var())
