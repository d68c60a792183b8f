"""Estimates with a stated resolution: joint moments of statistics, merged without cancellation.

A result comes with its standard error, hence with the smallest relative error that it would have caught. The
moments of order three and four bound the skewness of one draw, by which the normal law of a mean is corrected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy.special import chdtr, chdtrc, ndtri

from numeric.arrays import Doubles

FALSE_ALARM = 1e-6
"""Probability that a whole run accuses any true formula."""
POWER = 0.999
"""Probability with which an error of the size of the resolution is caught."""
STARTS = 64
"""Streams whose first numbers are remembered: those that start lowest."""
DEPENDENCE = 1e-12
"""Probability that independent blocks are taken for dependent ones, for one statistic."""
_NEARLY_NORMAL = 0.1
"""Kurtosis of one draw, over the draws of a block, up to which means of blocks scatter as normal numbers do."""
_ROUNDING = 2.0**-44
"""More than the sums of a mean lose, relative to what is added."""


class DependentDraws(ValueError):
    """The means of blocks scatter more, or less, than those of independent draws can."""


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
    skewness
        A bound on the skewness of what one draw contributes; 0 for a symmetric law.
    share
        The share of the false-alarm probability that is spent here: less than 1 where the number of draws was
        decided by looking (:func:`numeric.sampling.engine.sampling`).
    span
        Length of an interval that is known to hold what one draw contributes to a mean, if there is one; positive.

    Raises
    ------
    ValueError
        When draws, share or span is out of range.

    Examples
    --------
    >>> Estimate(0.5002, 1e-4, 10**8).refutes(0.5, comparisons=1)
    False
    >>> Estimate(0.5006, 1e-4, 10**8).refutes(0.5, comparisons=1)
    True
    """

    value: float
    standard_error: float
    draws: int
    skewness: float = 0.0
    share: float = 1.0
    span: float = math.inf

    def __post_init__(self) -> None:
        if not self.span > 0:
            raise ValueError(f"span must be positive, got {self.span}")
        if not self.draws >= 1:
            raise ValueError(f"draws must be at least 1, got {self.draws}")
        if not self.share > 0:
            raise ValueError(f"share must be positive, got {self.share}")

    def margin(self, comparisons: int) -> float:
        """Distance from the truth that chance does not exceed.

        Where a span is known, that is a theorem for any number of draws: Bernstein's inequality with the variance of
        the sample (Maurer and Pontil, 2009, theorem 4). Elsewhere the distribution of a studentised mean of n draws of
        skewness s is taken to differ from the normal one by the term of order ``1/sqrt(n)``, as if its quantile z
        lay ``|s| (2 z^2 + 1) / (6 sqrt(n))`` further out. Draws that are all the same then say nothing.

        Parameters
        ----------
        comparisons
            Number of comparisons in the whole run, which share the false-alarm probability.

        Raises
        ------
        ValueError
            When comparisons is not a finite number of at least 1.
        """
        if not 1 <= comparisons < math.inf:
            raise ValueError(f"comparisons must be at least 1 and finite, got {comparisons}")
        probability = FALSE_ALARM * self.share / comparisons
        if math.isfinite(self.span):
            return self._bernstein(probability / 2)
        if self.standard_error == 0:  # what has not been met yet may be rare, and matter
            return math.inf
        z = float(-ndtri(probability / 2))
        return (z + self.skewness * (2 * z**2 + 1) / (6 * math.sqrt(self.draws))) * self.standard_error

    def _bernstein(self, probability: float) -> float:
        """Distance on one side that is exceeded with this probability at most."""
        logarithm = math.log(2 / probability)
        of_range = math.inf if self.draws < 2 else self.span * (7 * logarithm / (3 * (self.draws - 1)))
        rounding = _ROUNDING * (self.span + abs(self.value))
        return self.standard_error * math.sqrt(2 * logarithm) + of_range + rounding

    def detectable(self, comparisons: int) -> float:
        """Smallest error of a formula that is caught with probability ``POWER``."""
        return self.margin(comparisons) + self._further()

    def resolution(self, comparisons: int) -> float:
        """The same, relative to the least that the truth can be."""
        least = abs(self.value) - self._further()
        return self.detectable(comparisons) / least if least > 0 else math.inf

    def _further(self) -> float:
        """Distance from the truth on one side that is exceeded with probability ``1 - POWER`` at most."""
        if math.isfinite(self.span):
            return self._bernstein(1 - POWER)
        return float(ndtri(POWER)) * self.standard_error

    def refutes(self, closed_form: float, comparisons: int) -> bool:
        """Whether a claimed value lies further away than chance allows."""
        if not np.isfinite(self.value) or not np.isfinite(closed_form):
            return True
        return abs(self.value - closed_form) > self.margin(comparisons)


@dataclass(frozen=True, eq=False)
class Moments:
    """Joint moments of several statistics of the same draws.

    Attributes
    ----------
    draws
        The number of draws.
    mean
        Shape (s,).
    scatter
        Sums of products of two deviations from the mean, shape (s, s).
    third, fourth
        Sums of the third and the fourth power of the deviations, shape (s,).
    blocks
        The number of blocks, of equal size.
    between
        Sums of squares of the deviations of the means of blocks, shape (s,).
    starts
        The lowest of the numbers with which the generators of blocks start, in order, ``STARTS`` at most.
    """

    draws: int
    mean: Doubles
    scatter: Doubles
    third: Doubles
    fourth: Doubles
    blocks: int
    between: Doubles
    starts: Doubles

    @property
    def covariance(self) -> Doubles:
        """Covariance of one draw of the statistics, shape (s, s)."""
        return np.asarray(self.scatter / (self.draws - 1))

    def merged(self, other: Moments) -> Moments:
        """Those of both samples together."""
        n, m, blocks = self.draws, other.draws, self.blocks + other.blocks
        total, d = n + m, other.mean - self.mean
        second, other_second = np.diag(self.scatter), np.diag(other.scatter)
        third = (
            self.third
            + other.third
            + d**3 * (n * m * (n - m) / total**2)
            + 3 * d * (n * other_second - m * second) / total
        )
        fourth = (
            self.fourth
            + other.fourth
            + d**4 * (n * m * (n**2 - n * m + m**2) / total**3)
            + 6 * d**2 * (n**2 * other_second + m**2 * second) / total**2
            + 4 * d * (n * other.third - m * self.third) / total
        )
        return Moments(
            total,
            self.mean + d * (m / total),
            self.scatter + other.scatter + np.outer(d, d) * (n * m / total),
            third,
            fourth,
            blocks,
            self.between + other.between + d**2 * (self.blocks * other.blocks / blocks),
            np.sort(np.concatenate([self.starts, other.starts]))[:STARTS],
        )

    def require_independent_blocks(self) -> None:
        """Raise where a generator repeats itself, or blocks are not independent.

        Raises
        ------
        DependentDraws
            When the generators of two blocks start with the same number, or the means of blocks scatter as those of
            independent draws do with probability ``DEPENDENCE`` only. Where a block has hardly any of the few large
            values that a mean consists of, its scatter is not judged.
        """
        if np.any(np.diff(self.starts) == 0):
            raise DependentDraws("two blocks start with the same number: a generator is used twice")
        if self.blocks < 2:
            return
        size = self.draws // self.blocks
        rounding = 8 * np.finfo(float).eps * np.abs(self.mean)
        for number, variance in enumerate(np.diag(self.covariance)):
            if variance <= size * rounding[number] ** 2:  # of a constant, for example
                continue
            kurtosis = self.fourth[number] / self.draws / variance / variance
            if kurtosis > _NEARLY_NORMAL * size:
                continue
            ratio = float(self.between[number] * size / variance)
            freedom = self.blocks - 1
            if min(chdtr(freedom, ratio), chdtrc(freedom, ratio)) < DEPENDENCE / 2:
                raise DependentDraws(
                    f"the means of {self.blocks} blocks of statistic {number} scatter {ratio / freedom:.3g} times "
                    "as widely as those of independent draws: the blocks depend on each other"
                )

    def of(self, function: Callable[[Doubles], float], share: float = 1.0) -> Estimate:
        """A smooth function of the means, its standard error by the delta method.

        The gradient is taken by central differences, with steps of the size of the cube root of the rounding
        unit, in units of the mean or the standard deviation, whichever is larger. By the inequalities of Minkowski
        and Cauchy and Schwarz, third absolute moments are bounded by those of order two and four of the single
        statistics. Where that of order four cannot be held, the bound on the skewness is infinite, and nothing is
        resolved.

        Parameters
        ----------
        function
            Maps the means, shape (s,), to a number.
        share
            As in :class:`Estimate`.
        """
        mean = self.mean.view()
        mean.flags.writeable = False  # the function is given it
        gradient = np.zeros_like(mean)
        second, fourth = (sums / self.draws for sums in (np.diag(self.scatter), self.fourth))
        deviation = np.sqrt(second)
        for index, unit in enumerate(np.maximum(np.abs(mean), deviation)):
            if unit == 0:  # it is always zero
                continue
            shift = np.zeros_like(mean)
            shift[index] = step = 6e-6 * unit
            gradient[index] = (function(mean + shift) - function(mean - shift)) / (2 * step)
        variance = max(float(gradient @ self.covariance @ gradient), 0.0)
        skewness = 0.0
        if variance:
            matters = gradient * deviation != 0
            known = np.isfinite(fourth) & (fourth >= np.finfo(float).tiny)
            kurtosis = np.where(known, fourth, np.inf)[matters] / second[matters] / second[matters]
            shares = np.abs(gradient * deviation)[matters] / variance**0.5
            skewness = float((shares * kurtosis ** (1 / 6)).sum() ** 3)
        return Estimate(float(function(mean)), (variance / self.draws) ** 0.5, self.draws, skewness, share)


def merged(parts: Iterable[Moments]) -> Moments:
    """The moments of all samples together, merged in the order in which they come."""
    return reduce(Moments.merged, parts)
