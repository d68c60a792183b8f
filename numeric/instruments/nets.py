"""Randomised quasi-Monte Carlo: means of a bounded statistic over nets of Sobol, each with a digital shift of its own.

Every point of a shifted net is uniform on the cube, so that the mean over the net has the expectation of the statistic;
and where points that fill the cube evenly do so for the statistic, it has far less variance. Nets are independent, and
thousands of them are averaged by the same engine as plain draws.

Their variance must not be trusted to say everything: where a statistic has jumps it can be zero in every sample, since
nearly all nets agree, and the mean still be off. Therefore the statistic has to be bounded, and the error is that of
Bernstein's inequality, a theorem for any number of nets of any size. Its term of the range takes many nets: a few nets
of very many points would vary less still, which nobody could prove.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from numeric.arrays import Doubles
from numeric.evaluation.arguments import real, require_integer, shown
from numeric.sampling.engine import Draws, sample
from numeric.sampling.estimates import Estimate

_DIGITS = 52  # binary, of a coordinate; half a unit more, which is exact, keeps it from 0 and 1
_MOST = 1 << 17  # numbers of one net
_LEAST_SPAN = 1e-300  # normal numbers, as its share in an error is
_MOST_DIMENSIONS = 21201  # of the tables of SciPy


def bounded_mean(
    draws: Draws, size: int, number: int, bounds: tuple[float, float], *, seed: int, stream: int = 0
) -> Estimate:
    """Mean of a bounded statistic of independent standard normal numbers, over shifted nets.

    With few points in many dimensions it can have more variance than over as many plain draws, never more than over as
    many draws as there are nets.

    Parameters
    ----------
    draws
        What is observed: one statistic at one point, of standard normal numbers.
    size
        Points in a net, a power of 2; with 1 they are plain draws.
    number
        Nets, rounded up to whole blocks: the smallest has 2,560 nets, about a million points where nets are small.
    bounds
        The least and the greatest value that the statistic can have.
    seed, stream
        As in :func:`numeric.sampling.engine.sample`.

    Returns
    -------
    Estimate
        Its ``draws`` are nets, its ``span`` is the difference of the bounds.

    Raises
    ------
    ValueError
        When an argument is out of range, or a value of the statistic out of the bounds.

    Examples
    --------
    >>> from numeric.sampling.normal import NormalDraws
    >>> both = NormalDraws(2, lambda z: np.asarray((z > 0).all(axis=0), float))
    >>> estimate = bounded_mean(both, 64, 20_000, (0, 1), seed=0)
    >>> estimate.refutes(0.25, comparisons=1), estimate.refutes(0.253, comparisons=1)
    (False, True)
    """
    if (draws.source, draws.points, draws.statistics) != ("normal", 1, 1):
        raise ValueError(f"draws must be one statistic of standard normal numbers at one point, got {draws}")
    if draws.dimension > _MOST_DIMENSIONS:
        raise ValueError(f"draws must have at most {_MOST_DIMENSIONS} dimensions, got {draws.dimension}")
    most = _MOST // draws.dimension
    size, number = require_integer("size", size, 1, most), require_integer("number", number, 1)
    if size & (size - 1):
        raise ValueError(f"size must be a power of 2, got {size}")
    ends = np.asarray(real("bounds", bounds), float)
    if ends.shape != (2,) or not _LEAST_SPAN <= float(ends[1]) - float(ends[0]) < np.inf:
        raise ValueError(
            "bounds must be two finite numbers, the lower one first and the other at least 1e-300 above it, "
            f"got {shown(bounds)}"
        )
    low, high = map(float, ends)
    (moments,) = sample(_NetDraws(draws, size, low, high), number, seed=seed, stream=stream)
    share = moments.of(lambda t: float(t[0]))  # of the way from the lower bound to the upper one
    value = low * (1 - share.value) + high * share.value
    return Estimate(value, (high - low) * share.standard_error, share.draws, span=high - low)


@dataclass(frozen=True)
class _NetDraws:
    """Means of a statistic over a shifted net, from 0 at the lower bound to 1 at the upper one."""

    draws: Draws
    size: int
    low: float
    high: float
    points = 1
    statistics = 1

    @property
    def source(self) -> str:
        return f"nets of {self.size} points"

    @property
    def dimension(self) -> int:
        return self.draws.dimension * self.size

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        """Shifted nets, mapped to normal numbers: coordinates, then points, then nets."""
        net = _net(self.draws.dimension, self.size)
        shifts = rng.integers(1 << _DIGITS, size=(self.draws.dimension, 1, z.shape[1]), dtype=np.uint64)
        numbers = (net[:, :, None] ^ shifts) + 0.5
        numbers *= 2.0**-_DIGITS
        z[:] = ndtri(numbers, out=numbers).reshape(z.shape)

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        values = np.empty((1, self.size * z.shape[1]))
        self.draws.observe(z.reshape(self.draws.dimension, -1), 0, values)
        least, greatest = values.min(), values.max()
        if not (least >= self.low and greatest <= self.high):
            raise ValueError(
                f"bounds must hold the statistic, got {(self.low, self.high)} and values from {least} to {greatest}"
            )
        values -= self.low
        values /= self.high - self.low
        sums = values.reshape(self.size, -1)
        while len(sums) > 1:
            half = len(sums) // 2
            sums = np.add(sums[:half], sums[half:], out=sums[:half])
        np.divide(sums, self.size, out=out)


@lru_cache(maxsize=8)
def _net(dimension: int, size: int) -> NDArray[np.uint64]:
    """The digits of the first points of the sequence of Sobol, shape (dimension, size)."""
    from scipy.stats import qmc  # takes half a second

    points = qmc.Sobol(dimension, scramble=False).random(size)
    return np.ascontiguousarray((points.T * 2.0**_DIGITS).astype(np.uint64))
