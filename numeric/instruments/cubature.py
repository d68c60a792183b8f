"""Expectations over two normal variables, independent or correlated, by products of Gauss-Legendre rules.

The integrand is a piecewise polynomial in each variable, with kinks along the axes. What is left out by the rule in one
variable is bounded as in :mod:`numeric.instruments.quadrature`, with the other variable held at its worst, and the two
bounds are iterated: ``|I_x I_y f - Q_x Q_y f| <= |(I_x - Q_x) I_y f| + |Q_x (I_y - Q_y) f|``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, product

import numpy as np

from numeric.arrays import Doubles
from numeric.instruments.bounded import Bounded
from numeric.instruments.laws import Normal
from numeric.instruments.quadrature import (
    CELL,
    CELLS,
    END,
    SLACK,
    Piece,
    Rule,
    ellipses,
    expectation,
    gauss_legendre,
    panels,
    product_of,
    rule_error,
)
from numeric.instruments.rounding import SMALLEST, UNIT, Running

_DROP = 90.0  # twice that of one variable: the bound beyond the cut is a square root
_LONGEST = 5.0  # panel, in standard deviations


@dataclass(frozen=True)
class _Side:
    """One side of a rectangle: a panel of one variable and the polynomial in it."""

    piece: Piece
    low: float
    high: float

    @property
    def centre(self) -> float:
        return (self.low + self.high) / 2

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2

    @cached_property
    def _cells(self) -> Doubles:
        return self.centre + self.half * CELLS

    @cached_property
    def in_cells(self) -> Doubles:
        """Bounds on the modulus of the polynomial in cells of the panel."""
        return self.piece.majorant(self._cells, self.half * CELL)

    @cached_property
    def cells_nearest(self) -> Doubles:
        """Least distances of these cells from zero."""
        return np.asarray(np.maximum(0.0, np.abs(self._cells) - self.half * CELL[0]))

    @property
    def largest(self) -> float:
        """Bound on the modulus of the polynomial."""
        return float(self.piece.majorant(self.centre, np.array([self.half]))[0])

    def nodes(self, rule: Rule) -> Running:
        x = self.half * rule.nodes
        return Running(x + self.centre, UNIT * (np.abs(x) + np.abs(x + self.centre)))

    def nearest(self, reach: Doubles | float) -> Doubles:
        """Least distance from zero of what is within this reach of the centre."""
        return np.asarray(np.maximum(0.0, abs(self.centre) - reach))

    def at_ends(self) -> float:
        """Bound on the integral over what the rounding of the ends may add or take, for any value of the other."""
        moved = np.array([END * max(abs(self.low), abs(self.high))])
        bounds = (
            moved * self.piece.majorant(end, moved) * np.exp(-(np.maximum(abs(end) - moved, 0.0) ** 2) / 2)
            for end in (self.low, self.high)
        )
        return sum(float(bound[0]) for bound in bounds) * SLACK


def expectation_of_product(first: Iterable[Piece], second: Iterable[Piece], correlation: float) -> Bounded:
    """Expectation of ``f(x) g(y)``, x and y standard normal with this correlation.

    Parameters
    ----------
    first, second
        The functions f and g, as pieces that are added up.
    correlation
        Between -1 and 1, both excluded; the time it takes grows as ``1/(1 - correlation^2)``.

    Raises
    ------
    ValueError
        When the correlation is not.

    Examples
    --------
    >>> relu = [Piece(0.0, float("inf"), (0.0, 1.0))]
    >>> expectation_of_product(relu, relu, 0.0).refutes(1 / (2 * np.pi))
    False
    """
    if not -1 < correlation < 1:
        raise ValueError(f"correlation must lie between -1 and 1, both excluded, got {correlation}")
    total = Bounded(0.0, 0.0, 0)
    law = Normal()
    longest = _LONGEST * min(1.0, 1.5 * (1 - correlation**2) ** 0.5)  # the density is that narrow across
    for f, g in product(list(first), list(second)):
        if f.low == f.high or g.low == g.high:
            continue
        for x, y in product(_sides(f, law, longest), _sides(g, law, longest)):
            total += _rectangle(x, y, correlation)
        total += Bounded(0.0, _outside(f, g, law))
    return total


def _sides(piece: Piece, law: Normal, longest: float) -> list[_Side]:
    inner, _ = panels(piece, law, _DROP)
    cuts = [np.linspace(low, high, 1 + max(1, int(np.ceil((high - low) / longest)))) for low, high in inner]
    return [_Side(piece, float(a), float(b)) for c in cuts for a, b in pairwise(c)]


def _outside(f: Piece, g: Piece, law: Normal) -> float:
    """Bound on the expectation outside of all rectangles, by the inequality of Cauchy and Schwarz."""
    squares = [_square(f), _square(g)]
    beyond = [panels(square, law, _DROP)[1] for square in squares]
    whole = [expectation(law, [square]) for square in squares]
    products = (beyond[0] * (whole[1].value + whole[1].bound), beyond[1] * (whole[0].value + whole[0].bound))
    return float(sum(np.sqrt(products)) + SMALLEST) * SLACK  # the constant of the density is below 1


def _square(piece: Piece) -> Piece:
    return replace(piece, coefficients=product_of(piece.coefficients, piece.coefficients))


def _rectangle(x: _Side, y: _Side, correlation: float) -> Bounded:
    """The integral of both polynomials times the density over a rectangle."""
    rule = gauss_legendre()
    r = Running(correlation, 0.0)
    rest = -(r * r) + 1.0
    u, v = x.nodes(rule), y.nodes(rule)
    u = Running(np.asarray(u.value)[:, None], np.asarray(u.error)[:, None])
    distance = (v - u * correlation) * (v - u * correlation) / rest + u * u
    terms = (distance * -0.5).exp() * (x.piece.at(u) * rule.weights[:, None]) * (y.piece.at(v) * rule.weights)
    constant = Running(1.0, 0.0) / (rest.sqrt() * Running(2 * np.pi, 2 * np.pi * UNIT))
    found = terms.total() * x.half * y.half

    growth, largest = 1 / (2 * (1 - correlation**2)), _largest(x, y)
    left_out = [_left_out(rule, one, other, growth, largest) for one, other in ((x, y), (y, x))]
    error = x.half * y.half * (2 * left_out[0] + rule.total * left_out[1])
    error += 2 * (x.at_ends() * y.half * y.largest + y.at_ends() * x.half * x.largest)
    total = Bounded(float(found.value), float(found.error) + error * SLACK, rule.nodes.size**2)
    return total * Bounded(float(constant.value), float(constant.error))


def _largest(x: _Side, y: _Side) -> float:
    """Bound on the integrand, from cells of the rectangle; the exponent is at most ``-max(x^2, y^2)/2``."""
    (f, near_x), (g, near_y) = ((side.in_cells, side.cells_nearest) for side in (x, y))
    exponent = -(np.maximum(near_x[:, None], near_y) ** 2) / 2
    return float((f[:, None] * g * np.exp(exponent)).max())


def _left_out(rule: Rule, one: _Side, other: _Side, growth: float, largest: float) -> float:
    """Bound on the error of the rule in one variable, for any real value of the other."""
    reach, height = ellipses(one.half)
    exponent = height**2 * growth - np.maximum(one.nearest(reach), other.nearest(other.half)) ** 2 / 2
    factor = one.piece.majorant(one.centre, reach) * other.largest
    return rule_error(rule, factor, exponent, largest)
