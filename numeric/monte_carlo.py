"""Plain Monte Carlo with a stated resolution, reproduced bit by bit from its seed on any number of workers.

Stream k belongs to block k, and blocks are merged in their order. A result comes with its standard error, hence
with the smallest relative error that it would have caught.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array: TypeAlias = NDArray[np.float64]
BLOCK = 1 << 16
"""Draws in one block: the block and its statistics stay in the cache of a core."""

FALSE_ALARM = 1e-6
"""Probability that a whole run accuses any true formula."""
POWER = 0.999
"""Probability with which an error of the size of the resolution is caught."""


@dataclass(frozen=True)
class Estimate:
    """A Monte Carlo estimate.

    Attributes
    ----------
    value
        The estimate.
    standard_error
        Its standard error.
    draws
        The number of independent draws.
    """

    value: float
    standard_error: float
    draws: int

    def resolution(self, comparisons: int) -> float:
        """Smallest relative error of a formula that is caught with probability ``POWER``.

        Parameters
        ----------
        comparisons
            Number of comparisons in the whole run, which share the false-alarm probability.
        """
        return float((_threshold(comparisons) + ndtri(POWER)) * self.standard_error / abs(self.value))

    def refutes(self, closed_form: float, comparisons: int) -> bool:
        """Whether a claimed value lies further away than chance allows."""
        if not np.isfinite(self.value) or not np.isfinite(closed_form):
            return True
        return abs(self.value - closed_form) > _threshold(comparisons) * self.standard_error


def _threshold(comparisons: int) -> float:
    if comparisons < 1:
        raise ValueError(f"comparisons must be at least 1, got {comparisons}")
    return float(-ndtri(FALSE_ALARM / (2 * comparisons)))


@dataclass(frozen=True)
class Means:
    """Joint sample means of several statistics of the same draws.

    Attributes
    ----------
    mean
        Shape (s,).
    covariance
        Covariance of one draw of the statistics, shape (s, s).
    draws
        The number of draws.
    """

    mean: Array
    covariance: Array
    draws: int

    def of(self, function: Callable[[Array], float]) -> Estimate:
        """A smooth function of the means, its standard error by the delta method.

        The gradient is taken by central differences, with steps of the size of the cube root of the
        rounding unit.
        """
        gradient = np.empty_like(self.mean)
        for index in range(self.mean.size):
            step = 6e-6 * max(1.0, abs(float(self.mean[index])))
            shift = np.zeros_like(self.mean)
            shift[index] = step
            gradient[index] = (function(self.mean + shift) - function(self.mean - shift)) / (2 * step)
        variance = float(gradient @ self.covariance @ gradient) / self.draws
        return Estimate(float(function(self.mean)), max(variance, 0.0) ** 0.5, self.draws)


Statistics: TypeAlias = Callable[[np.random.Generator, int], Array]
"""Draws n samples and returns the statistics of each, shape (s, n)."""


def sample_means(statistics: Statistics, draws: int, *, seed: int, stream: int, jobs: int = 1) -> Means:
    """Joint means of statistics of independent draws.

    Parameters
    ----------
    statistics
        Called once for each block with its own generator and the size of the block; its result is overwritten.
    draws
        Number of draws, rounded up to whole blocks of ``BLOCK``.
    seed
        Seed of the run.
    stream
        Number of the experiment: different experiments of one run are independent.
    jobs
        Number of threads. The result does not depend on it.

    Raises
    ------
    ValueError
        When draws or jobs is less than 1.
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    blocks = -(-draws // BLOCK)

    def block(number: int) -> tuple[Array, Array]:
        rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(stream, number))))
        values = statistics(rng, BLOCK)
        mean = values.mean(axis=1)
        values -= mean[:, None]
        return mean, _scatter(values)

    if jobs == 1:
        return _merge(map(block, range(blocks)))
    with ThreadPoolExecutor(jobs) as pool:
        return _merge(pool.map(block, range(blocks)))


def _scatter(centred: Array) -> Array:
    """Sums of products of the rows; row by row, since BLAS is slow on a few long rows as a matrix."""
    size = len(centred)
    out = np.empty((size, size))
    for i in range(size):
        for j in range(i + 1):
            out[i, j] = out[j, i] = np.dot(centred[i], centred[j])
    return out


def _merge(parts: object) -> Means:
    count, mean, scatter = 0, np.zeros(0), np.zeros((0, 0))
    for block_mean, block_scatter in parts:  # type: ignore[attr-defined]
        if count == 0:
            count, mean, scatter = BLOCK, block_mean, block_scatter
            continue
        difference = block_mean - mean
        total = count + BLOCK
        mean = mean + difference * (BLOCK / total)
        scatter = scatter + block_scatter + np.outer(difference, difference) * (count * BLOCK / total)
        count = total
    return Means(mean, scatter / (count - 1), count)
