"""Expectations of statistics of a whole batch of independent normal numbers, the statistic being a black box.

For a polynomial statistic a symmetric rule gives the expectation itself: of degree 3 at most with the 2m points
``+-sqrt(m) e_i``, of degree 5 with 2m^2 + 1 points. That the rule integrates all polynomials of its degree is proved by
the moment conditions from which its weights are solved, exactly, in rational numbers. That the statistic is such a
polynomial is for the caller to know, and *checked*: its differences of the next order vanish to rounding along random
lines, some of which reach a hundred standard deviations out: a clip or a step may lie where draws hardly come. A
function whose restriction to every line is a polynomial of degree d is one; finitely many lines leave room for others,
and of those the bound is wrong. The rounding inside the statistic is estimated with a margin, from its size and from
those differences.

For other statistics plain draws remain, sharpened by controls: polynomial statistics whose expectations are known.
Randomised quasi-Monte Carlo (:mod:`numeric.instruments.nets`) has an error bound for bounded statistics, with a term of
the range over the number of nets that is too large for what is wanted here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from typing import TypeAlias

import numpy as np

from numeric.arrays import Doubles
from numeric.evaluation.arguments import require_integer
from numeric.instruments.bounded import Bounded
from numeric.sampling.engine import Draws, mean_of, sample
from numeric.sampling.estimates import Estimate

Statistic: TypeAlias = Callable[[Doubles], Doubles]
"""Takes n batches, shape (m, n), and returns the statistic of each, shape (n,)."""

_ROUNDING = (
    2.0**-40
)  # thousands of roundings: what is taken for the error of a statistic, relative to its size
_FARTHEST = 1000.0  # in standard deviations: rounding then moves numbers by less than 2^-43 of one
_LINES = 16
_REACH = (1.0, 4.0, 16.0, 64.0)  # of the lines, in standard deviations
_PILOT = 1 << 31  # streams from here on fit the weights of controls, apart from all streams that estimate


@dataclass(frozen=True, eq=False)
class Rule:
    """A cubature rule for independent standard normal numbers.

    Attributes
    ----------
    points
        Shape (m, n).
    weights
        Shape (n,); they add up to 1 and may be negative.
    """

    points: Doubles
    weights: Doubles


@lru_cache(maxsize=8)
def symmetric_rule(m: int, degree: int) -> Rule:
    """A rule that integrates every polynomial up to this degree, 3 or 5.

    Odd monomials vanish by symmetry; the even ones are conditions on the weights of the orbits and their radius.

    Raises
    ------
    ValueError
        For another degree, and when m is no integer of at least 1, for degree 5 at least 2.

    Examples
    --------
    >>> rule = symmetric_rule(4, 5)
    >>> [round(float(rule.weights @ rule.points[0] ** k), 12) for k in (0, 2, 4)]
    [1.0, 1.0, 3.0]
    """
    if degree not in (3, 5):
        raise ValueError(f"degree must be 3 or 5, got {degree}")
    m = require_integer("m", m, 2 if degree == 5 else 1)
    axes = np.concatenate([np.eye(m), -np.eye(m)], axis=1)
    if degree == 3:
        # weight 1/n each, so that the mean square of a coordinate, (sum of squares) radius^2 / n, is 1
        radius = (axes.shape[1] / (axes[0] ** 2).sum()) ** 0.5
        rule = Rule(radius * axes, np.full(axes.shape[1], 1 / axes.shape[1]))
    else:
        rule = _of_degree_5(m, axes)
    rule.points.flags.writeable = rule.weights.flags.writeable = False  # they are kept
    return rule


def _of_degree_5(m: int, axes: Doubles) -> Rule:
    """The origin, the axes at distance sqrt(2 t) and the diagonals of all planes at the same distance."""
    diagonals = np.zeros((m, 2 * m * (m - 1)))
    for column, (i, j) in enumerate(combinations(range(m), 2)):
        diagonals[[i, j], 4 * column : 4 * column + 4] = [[1, 1, -1, -1], [1, -1, 1, -1]]
    squares = [2 * axes**2, diagonals**2]  # at t = 1; integers
    second, fourth, mixed = (
        [Fraction(int(term.sum())) for term in terms]
        for terms in ([s[0] for s in squares], [s[0] ** 2 for s in squares], [s[0] * s[1] for s in squares])
    )
    # with weights b/t^2 and c/t^2: E x^4 = 3 and E x^2 y^2 = 1 give b and c, then E x^2 = 1 gives t
    determinant = fourth[0] * mixed[1] - fourth[1] * mixed[0]
    b = (3 * mixed[1] - fourth[1]) / determinant
    c = (fourth[0] - 3 * mixed[0]) / determinant
    t = b * second[0] + c * second[1]
    origin = 1 - (b * axes.shape[1] + c * diagonals.shape[1]) / t**2
    points = float(t) ** 0.5 * np.concatenate([np.zeros((m, 1)), 2**0.5 * axes, diagonals], axis=1)
    weights = [float(origin), *[float(b / t**2)] * axes.shape[1], *[float(c / t**2)] * diagonals.shape[1]]
    return Rule(points, np.array(weights))


def polynomial_expectation(
    statistic: Statistic, m: int, degree: int, *, mu: float = 0.0, sigma: float = 1.0, seed: int = 0
) -> Bounded:
    """Expectation of a polynomial statistic over batches of independent normal numbers.

    Parameters
    ----------
    statistic
        The statistic, a polynomial in the numbers of a batch; if it is not, and is not found out, the bound is wrong.
    m
        Batch size.
    degree
        The degree of the polynomial, from 0 to 5.
    mu, sigma
        Mean and standard deviation of the numbers; the mean is at most 1000 sigma in size, for the numbers are rounded.
    seed
        Seed of the lines along which the degree is checked.

    Raises
    ------
    ValueError
        When the statistic is no polynomial of this degree along one of the lines, or an argument is out of range.

    Examples
    --------
    >>> unbiased = polynomial_expectation(lambda x: x.var(axis=0, ddof=1), 32, 2, mu=0.3, sigma=1.5)
    >>> unbiased.refutes(1.5**2), unbiased.refutes(1.5**2 * 31 / 32)
    (False, True)
    """
    degree, seed = require_integer("degree", degree, 0, 5), require_integer("seed", seed, 0)
    if not (np.isfinite(sigma) and sigma > 0):
        raise ValueError(f"sigma must be positive and finite, got {sigma}")
    if not abs(mu) <= _FARTHEST * sigma:
        raise ValueError(f"mu must be at most {_FARTHEST:g} sigma in size, got {mu} and sigma = {sigma}")
    rule = symmetric_rule(m, 3 if degree <= 3 else 5)
    noise = _difference(statistic, m, degree, mu, sigma, seed)
    values = statistic(mu + sigma * rule.points)
    size = np.abs(rule.weights)
    bound = _ROUNDING * float(size @ np.abs(values)) + float(size.sum()) * noise
    evaluations = values.size + len(_REACH) * _LINES * (degree + 2)
    return Bounded(float(rule.weights @ values), bound, evaluations)


def _difference(statistic: Statistic, m: int, degree: int, mu: float, sigma: float, seed: int) -> float:
    """Largest difference of the next order along random lines; it must be rounding. That of the shortest lines."""
    rng = np.random.default_rng(seed)
    differences = []
    for reach in _REACH:
        starts, directions = reach * sigma * rng.standard_normal((2, m, _LINES))
        values = np.array([statistic(mu + starts + t * directions) for t in range(degree + 2)])
        difference = float(np.abs(np.diff(values, degree + 1, axis=0)).max())
        allowed = _ROUNDING * 2 ** (degree + 1) * float(np.abs(values).max())
        if not difference <= allowed:
            raise ValueError(
                f"statistic must be a polynomial of degree at most {degree}, got differences of order {degree + 1} "
                f"of {difference:.3g}, where rounding explains {allowed:.3g}"
            )
        differences.append(difference)
    return differences[0]


def controlled_mean(draws: Draws, exact: Sequence[Bounded], size: int, *, seed: int, stream: int) -> Estimate:
    """Mean of a statistic by plain draws, less its correlation with controls whose expectations are known.

    What is averaged is ``f - sum_k b_k (c_k - E c_k)``, with the expectation of f for any fixed b; b is fitted to other
    draws than those that are averaged, so that these are independent and the estimate is as valid as one of plain
    draws. The bounds of the exact expectations are added to the standard error.

    Parameters
    ----------
    draws
        What is drawn; at its only point, the first statistic is f, the others are controls.
    exact
        Expectations of the controls.
    size, seed, stream
        As in :func:`numeric.sampling.engine.sample`.

    Raises
    ------
    ValueError
        When there is not one expectation for each control, or as in :func:`numeric.sampling.engine.sample`.
    """
    if draws.statistics != len(exact) + 1:
        raise ValueError(
            f"exact must have one entry for each control ({draws.statistics - 1}), got {len(exact)}"
        )
    (pilot,) = sample(draws, 1, seed=seed, stream=_PILOT + stream)
    b = np.linalg.lstsq(pilot.covariance[1:, 1:], pilot.covariance[1:, 0])[0]
    offset = float(b @ [e.value for e in exact])
    found = mean_of(_Controlled(draws, tuple(map(float, b)), offset), size, seed=seed, stream=stream)
    known = float(np.abs(b) @ [e.bound for e in exact])
    return dataclasses.replace(found, standard_error=found.standard_error + known)


@dataclass(frozen=True)
class _Controlled:
    """The first statistic less a combination of the others."""

    draws: Draws
    weights: tuple[float, ...]
    offset: float
    points = 1
    statistics = 1

    @property
    def source(self) -> str:
        return self.draws.source

    @property
    def dimension(self) -> int:
        return self.draws.dimension

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        self.draws.fill(rng, z)

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        rows = np.empty((self.draws.statistics, z.shape[1]))
        self.draws.observe(z, point, rows)
        out[0] = rows[0] - np.tensordot(self.weights, rows[1:], axes=1) + self.offset
