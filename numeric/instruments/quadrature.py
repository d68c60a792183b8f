"""Expectations of piecewise polynomials of one drawn variable, by quadrature with a bound that is a theorem.

The integral is split where the integrand is not analytic. On each panel it is analytic everywhere, so its Chebyshev
coefficients are at most ``2 M(rho) / rho^k``, M(rho) a bound on the Bernstein ellipse of any rho > 1; hence

- degrees from 2n on, which a Gauss-Legendre rule of n nodes need not integrate, contribute at most
  ``2 M (W + 2/(4 n^2 - 1)) rho^(-2n) / (1 - 1/rho)``, W the sum of the weights;
- lower ones contribute at most ``2 M(1)`` times what the rule, as rounded, gets wrong about each Chebyshev
  polynomial, which is found in exact integer arithmetic;
- beyond the cut the density falls at least exponentially, and a polynomial times an exponential has an integral;
- ends that are rounded move by a few units in the last place, times a bound on the integrand there;
- every rounding in between is counted by :mod:`numeric.instruments.rounding`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import comb, factorial, isfinite
from typing import TypeAlias

import numpy as np

from numeric.arrays import Doubles
from numeric.evaluation.arguments import require_integer
from numeric.instruments.bounded import Bounded
from numeric.instruments.laws import DROP, Law
from numeric.instruments.rounding import SMALLEST, UNIT, Number, Running, rounded

NODES = 32
"""Nodes on each panel."""
SLACK = 1 + 2.0**-20
"""Bounds are computed in floating point themselves, far more precisely than this."""
END = 16 * UNIT
"""More than the relative rounding of both ends of a panel."""
CELLS, CELL = np.linspace(-1.0, 1.0, 33), np.array([1.0 / 32])
"""Centres of the cells that cover [-1, 1], and their reach: the integrand is bounded on each."""
_FLAT = np.zeros(1)
RHO = np.array([1.15, 1.3, 1.5, 1.75, 2.0, 2.4, 2.8, 3.3, 4.0, 5.0, 7.0, 12.0, 40.0, 1e3])


@dataclass(frozen=True)
class Piece:
    """A polynomial on an interval: ``sum_j coefficients[j] (slope x + intercept)^j``, and zero elsewhere.

    All numbers are exact: give ``Fraction`` where a float would be rounded.

    Raises
    ------
    ValueError
        When the ends are not in order, there is no coefficient, or one is not finite.

    Attributes
    ----------
    low, high
        Ends of the interval; they may be infinite.
    coefficients
        Coefficients of the powers.
    slope, intercept
        The linear function that is raised to them.
    """

    low: Number
    high: Number
    coefficients: tuple[Number, ...]
    slope: Number = 1.0
    intercept: Number = 0.0

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"low must be at most high, got {self.low} and {self.high}")
        if not self.coefficients:
            raise ValueError("coefficients must be at least one, got none")
        if not all(isfinite(c) for c in (*self.coefficients, self.slope, self.intercept)):
            raise ValueError(f"coefficients, slope and intercept must be finite, got {self}")

    def at(self, x: Running) -> Running:
        """The polynomial, by Horner's rule."""
        linear = x * rounded(self.slope) + rounded(self.intercept)
        *rest, value = (rounded(c) for c in self.coefficients)
        while rest:
            value = value * linear + rest.pop()
        return value

    def majorant(self, centre: Doubles | float, reach: Doubles) -> Doubles:
        """At least the modulus of the polynomial in the disc of this reach around the centre."""
        linear = self._line(centre, reach)
        value = np.zeros_like(linear)
        for coefficient in reversed(self.coefficients):
            value = value * linear + abs(float(coefficient))
        return value * SLACK

    def _line(self, centre: Doubles | float, reach: Doubles) -> Doubles:
        slope, intercept = float(self.slope), float(self.intercept)
        rounding = 4 * UNIT * (np.abs(slope * centre) + abs(intercept))
        return np.asarray(np.abs(slope * centre + intercept) + rounding + abs(slope) * reach)

    def beyond(self, law: Law, cut: float) -> float:
        """Bound on the integral of the polynomial times ``exp(exponent)`` from ``cut`` away from zero."""
        middle, slope = float(self._line(cut, _FLAT)[0]), abs(float(self.slope))
        rate = law.decay(abs(cut))
        powers = (
            comb(j, i) * middle ** (j - i) * slope**i * factorial(i) / rate ** (i + 1) * abs(float(c))
            for j, c in enumerate(self.coefficients)
            for i in range(j + 1)
        )
        return float(sum(powers) * np.exp(law.log_majorant(cut, _FLAT, _FLAT)[0])) * SLACK + SMALLEST


def monomial(order: int) -> tuple[float, ...]:
    """Coefficients of the power itself.

    Examples
    --------
    >>> monomial(2)
    (0.0, 0.0, 1.0)
    """
    return (0.0,) * require_integer("order", order, 0) + (1.0,)


def product_of(one: Sequence[Number], other: Sequence[Number]) -> tuple[Fraction, ...]:
    """Coefficients of the product of two polynomials, exactly.

    Examples
    --------
    >>> [int(c) for c in product_of((1.0, 1.0), (-1.0, 1.0))]
    [-1, 0, 1]
    """
    product = [Fraction(0)] * (len(one) + len(other) - 1)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            product[i + j] += Fraction(a) * Fraction(b)
    return tuple(product)


Instrument: TypeAlias = Callable[[Law, Iterable[Piece]], Bounded]
"""What integrates: :func:`expectation` here, or that of :mod:`numeric.instruments.ball`."""


@dataclass(frozen=True, eq=False)
class Rule:
    """A Gauss-Legendre rule on [-1, 1] as rounded to floats.

    Attributes
    ----------
    nodes, weights
        The rule.
    defect
        Sum over k < 2n of what it gets wrong about the Chebyshev polynomial of degree k.
    total
        Sum of the weights, which are positive.
    """

    nodes: Doubles
    weights: Doubles
    defect: float
    total: float


@lru_cache
def gauss_legendre(n: int = NODES) -> Rule:
    """The rule of n nodes, and what its rounding costs, in exact integer arithmetic.

    Examples
    --------
    >>> gauss_legendre().defect < 1e-13
    True
    """
    nodes, weights = np.polynomial.legendre.leggauss(n)
    one = 1 << 200  # in fixed point, far below the last place of any node and weight
    x, w = ([int(Fraction(float(v)) * one) for v in vector] for vector in (nodes, weights))
    before, now = [one] * n, x
    defect = abs(sum(w) - 2 * one)
    for k in range(1, 2 * n):
        exact = 0 if k % 2 else -2 * one // (k * k - 1)
        defect += abs(sum(a * b for a, b in zip(w, now, strict=True)) // one - exact)
        before, now = now, [2 * a * b // one - c for a, b, c in zip(x, now, before, strict=True)]
    nodes.flags.writeable = weights.flags.writeable = False  # they are kept
    return Rule(nodes, weights, defect / one * SLACK, float(np.sum(weights)) * SLACK)


def expectation(law: Law, pieces: Iterable[Piece]) -> Bounded:
    """Expectation of a piecewise polynomial of a drawn variable; pieces may overlap and are added up.

    Parameters
    ----------
    law
        The law of the variable.
    pieces
        The polynomials and their intervals.

    Examples
    --------
    >>> from numeric.instruments.laws import Normal
    >>> half = expectation(Normal(), [Piece(0.0, float("inf"), (0.0, 0.0, 1.0))])
    >>> half.refutes(0.5), half.refutes(0.5 + 1e-12)
    (False, True)
    """
    total = Bounded(0.0, 0.0, 0)
    for piece in pieces:
        if piece.low == piece.high:
            continue
        inner, outside = panels(piece, law)
        for low, high in inner:
            total += _panel(law, piece, low, high)
        total += Bounded(0.0, outside)
    constant = law.constant
    return total * Bounded(float(constant.value), float(constant.error))


def panels(piece: Piece, law: Law, drop: float = DROP) -> tuple[list[tuple[float, float]], float]:
    """The panels of a piece, and a bound on the integral of polynomial times exponential outside of them."""
    low, high = float(piece.low), float(piece.high)
    cut = law.cut(max(low, -high, 0.0), drop)
    outside = sum(piece.beyond(law, end) for end, cuts in ((cut, high > cut), (-cut, low < -cut)) if cuts)
    low, high = max(low, -cut), min(high, cut)
    ends = [low, *(kink for kink in law.kinks if low < kink < high), max(low, high)]
    return list(pairwise(ends)), outside


def _panel(law: Law, piece: Piece, low: float, high: float) -> Bounded:
    """The integral of polynomial times exponential over a panel on which the latter is analytic."""
    rule = gauss_legendre()
    centre, half = (low + high) / 2, (high - low) / 2
    x = half * rule.nodes
    z = Running(x + centre, UNIT * (np.abs(x) + np.abs(x + centre)) + SMALLEST)
    terms = piece.at(z) * law.exponent(z).exp() * rule.weights
    found = terms.total() * half
    error = half * _rule_error(rule, law, piece, centre, half)
    moved = np.array([END * max(abs(low), abs(high)) + SMALLEST])
    for end in (low, high):
        error += float((moved * _majorant(law, piece, end, moved, moved))[0])
    return Bounded(float(found.value), float(found.error) + error * SLACK, rule.nodes.size)


def _majorant(law: Law, piece: Piece, centre: Doubles | float, reach: Doubles, height: Doubles) -> Doubles:
    return piece.majorant(centre, reach) * np.exp(law.log_majorant(centre, reach, height))


def _rule_error(rule: Rule, law: Law, piece: Piece, centre: float, half: float) -> float:
    """Bound on the error of the rule on a panel, for half the length 1."""
    reach, height = ellipses(half)
    largest = float(_majorant(law, piece, centre + half * CELLS, half * CELL, _FLAT).max())
    return rule_error(rule, piece.majorant(centre, reach), law.log_majorant(centre, reach, height), largest)


def ellipses(half: float) -> tuple[Doubles, Doubles]:
    """Half axes of the Bernstein ellipses of a panel, for every rho that is tried."""
    return half * (RHO + 1 / RHO) / 2, half * (RHO - 1 / RHO) / 2


def rule_error(rule: Rule, factor: Doubles, exponent: Doubles, largest: float) -> float:
    """Bound on the error of a rule on [-1, 1]: see the head of this module.

    Parameters
    ----------
    rule
        The rule.
    factor, exponent
        The modulus of the integrand is at most ``factor * exp(exponent)`` on the ellipse of each rho that is tried.
    largest
        The modulus is at most this on [-1, 1].
    """
    n = rule.nodes.size
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # a large rho may overflow; a smaller one is better then
        truncated = float(np.fmin.reduce(factor * np.exp(exponent - 2 * n * np.log(RHO)) / (1 - 1 / RHO)))
    return (2 * (rule.total + 2 / (4 * n * n - 1)) * truncated + 2 * largest * rule.defect) * SLACK + SMALLEST
