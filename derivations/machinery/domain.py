"""Where a formula holds: a set for each symbol, the relations between symbols, and the cases.

A domain is read by people (``str``, LaTeX) and by the machine, which draws exact rational points from it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from sympy.concrete.expr_with_limits import ExprWithLimits

from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.arithmetic import Unevaluable
from derivations.machinery.enclosure import Evaluator
from derivations.machinery.latex import latex

Point = dict[Any, Any]
"""A point: a rational for each symbol, a tuple of rationals for each sequence (``IndexedBase``)."""

_DENOMINATOR = 997  # of drawn numbers: special numbers hide terms
_POSITIVE = sp.Interval.open(0, sp.oo)
MAX_DRAWN_INTEGER = 7  # keeps sums over a batch of symbolic size short at a random point


@dataclass(frozen=True)
class Case:
    """One part of a domain, with a substitution that lets computer algebra decide every branch.

    Attributes
    ----------
    condition
        The relation that defines the part.
    substitution
        Symbols of the domain in terms of fresh symbols whose assumptions imply the condition.
    """

    condition: sp.Basic
    substitution: Mapping[sp.Symbol, sp.Expr]


@dataclass(frozen=True)
class Domain:
    """The set of points at which a formula is claimed.

    Parameters
    ----------
    sets
        The set of each symbol; for an ``IndexedBase`` the set of its entries. A set may refer to symbols
        that come before it (an index ``i`` lies in ``Range(1, m + 1)``).
    constraints
        Relations that must hold besides.
    lengths
        The length of each sequence.
    cases
        A partition of the domain along which proofs are split; empty where none is needed.
    drawn
        For a symbol whose large values take long to evaluate, the part of its set that points are drawn from.

    Examples
    --------
    >>> import sympy as sp
    >>> from derivations.machinery.domain import Domain
    >>> alpha = sp.Symbol("alpha", positive=True)
    >>> domain = Domain({alpha: sp.Interval.open(0, sp.oo)})
    >>> print(domain)
    alpha in (0, oo)
    >>> domain.contains({alpha: sp.Rational(-1, 2)})
    False
    """

    sets: Mapping[Any, sp.Set]
    constraints: tuple[sp.Basic, ...] = ()
    lengths: Mapping[Any, sp.Expr] = field(default_factory=dict)
    cases: tuple[Case, ...] = ()
    drawn: Mapping[Any, sp.Set] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sample(random.Random(0))  # a domain without a witness proves everything
        if self.cases:
            self._require_a_partition()

    def _require_a_partition(self) -> None:
        """Refuse cases of which not exactly one holds, at points that random numbers alone would miss too."""
        rng = random.Random(0)
        for case in self.cases:
            point = self.sample(rng, case)
            if self.violation(point) is not None or not holds(case.condition, point):
                raise ValueError(f"the substitution of the case {case.condition} leaves it: {point}")
        for _ in range(8):
            drawn = self._draw(rng)
            scalars = [s for s in drawn if s not in self.lengths]
            special = [
                {s: value} for s in scalars for value in (sp.S.Zero, *(drawn[q] for q in scalars if q != s))
            ]
            for point in ({**drawn, **change} for change in ({}, *special)):
                if not self.contains(point):
                    continue
                if sum(holds(case.condition, point) for case in self.cases) != 1:
                    raise ValueError(f"the cases are no partition of the domain: see {point}")

    def orders(self, low: sp.Expr, high: sp.Expr) -> bool:
        """Whether ``low <= high`` follows from the signs of the symbols or from one constraint."""
        if low == -sp.oo or high == sp.oo:
            return True
        gap = sp.expand(high - low)
        if gap.is_nonnegative:
            return True
        return any(
            isinstance(c, sp.StrictLessThan | sp.LessThan) and sp.expand(c.rhs - c.lhs) == gap
            for c in self.constraints
        )

    def __str__(self) -> str:
        parts = [f"{self._entries(symbol)} in {_set_text(values)}" for symbol, values in self.sets.items()]
        return ", ".join(parts + [str(constraint) for constraint in self.constraints])

    def _entries(self, symbol: Any) -> str:
        if symbol not in self.lengths:
            return str(symbol)
        return f"{symbol}[1], ..., {symbol}[{self.lengths[symbol]}]"

    def latex(self) -> str:
        """LaTeX of the domain, for use in mathematics mode."""
        parts = []
        for symbol, values in self.sets.items():
            name = latex(symbol)
            if symbol in self.lengths:
                name = f"{name}_{{1}}, \\dots, {name}_{{{latex(self.lengths[symbol])}}}"
            parts.append(f"{name} \\in {_set_latex(values)}")
        text = ",\\; ".join(parts + [latex(constraint) for constraint in self.constraints])
        return text.replace("\\mathbb", "\\mathbf")  # amsmath alone has no blackboard letters

    def sample(self, rng: random.Random, case: Case | None = None) -> Point:
        """One random rational point, of one case where that is given.

        Raises
        ------
        ValueError
            When no point is found that satisfies the constraints.
        """
        for _ in range(2000):
            point = self._draw(rng)
            if case is not None:
                fresh = {s for v in case.substitution.values() for s in v.free_symbols} - set(point)
                drawn = {s: _draw_from_interval(_POSITIVE, rng) for s in sorted(fresh, key=str)}
                scalars = {s: v for s, v in point.items() if not isinstance(v, tuple)}
                point |= {s: v.subs({**scalars, **drawn}) for s, v in case.substitution.items()}
            if self.satisfies(point):
                return point
        raise ValueError(f"domain has no point that could be found: {self}")

    def _draw(self, rng: random.Random) -> Point:
        point: Point = {}
        for symbol, values in self.sets.items():
            scalars = {s: v for s, v in point.items() if not isinstance(v, tuple)}
            concrete = self.drawn.get(symbol, values)
            if concrete.free_symbols:
                concrete = concrete.xreplace(scalars)
            if symbol in self.lengths:
                length = int(sp.sympify(self.lengths[symbol]).subs(scalars))
                point[symbol] = tuple(_draw(concrete, rng) for _ in range(length))
            else:
                point[symbol] = _draw(concrete, rng)
        return point

    def satisfies(self, point: Point) -> bool:
        """Whether the constraints hold at a point."""
        return all(holds(constraint, point) for constraint in self.constraints)

    def contains(self, point: Point) -> bool:
        """Whether a point lies in every set and satisfies the constraints."""
        return self.violation(point) is None and self.satisfies(point)

    def violation(self, point: Point) -> Any:
        """The first symbol of the point whose value is outside its set, or None."""
        scalars = {s: v for s, v in point.items() if not isinstance(v, tuple)}
        for symbol, values in self.sets.items():
            if symbol not in point:
                continue
            entries = point[symbol] if isinstance(point[symbol], tuple) else (point[symbol],)
            concrete = values.xreplace(scalars)
            if not all(_contains(concrete, sp.sympify(entry)) for entry in entries):
                return symbol
        return None


def holds(relation: sp.Basic, point: Point) -> bool:
    """Whether a relation is true at a point; False where its sides cannot be told apart."""
    scalars = {s: v for s, v in point.items() if not isinstance(v, tuple)}
    if isinstance(relation, sp.And):
        return all(holds(part, point) for part in relation.args)
    if not relation.atoms(Abbreviation):
        # ``subs`` takes longer, but leaves bound variables alone
        replace = relation.subs if relation.has(ExprWithLimits, sp.Derivative, sp.Subs) else relation.xreplace
        return bool(replace(scalars) == sp.true)
    try:
        return Evaluator().truth(relation)(Evaluator().environment(point))
    except Unevaluable:
        return False


def _contains(values: sp.Set, number: sp.Expr) -> bool:
    if isinstance(values, sp.Interval) and number.is_Rational:  # SymPy would make relations of it first
        low, high = values.start, values.end
        above = low == -sp.oo or (number > low if values.left_open else number >= low) == sp.true
        below = high == sp.oo or (number < high if values.right_open else number <= high) == sp.true
        return bool(above and below)
    if values is sp.S.Reals and number.is_Rational:
        return True
    return bool(values.contains(number) == sp.true)


def _set_text(values: sp.Set) -> str:
    if isinstance(values, sp.Interval):
        left = "(" if values.left_open else "["
        right = ")" if values.right_open else "]"
        return f"{left}{values.start}, {values.end}{right}"
    if isinstance(values, sp.Range):
        last = "..." if values.stop is sp.oo else f"..., {values.stop - 1}"
        first = f"{values.start}, {values.start + 1}" if values.stop is sp.oo else f"{values.start}"
        return f"{{{first}, {last}}}"
    return str(values)


def _set_latex(values: sp.Set) -> str:
    if isinstance(values, sp.Range) and values.stop is not sp.oo:
        return rf"\{{{latex(values.start)}, \dots, {latex(values.stop - 1)}\}}"
    return latex(values)


def _draw(values: sp.Set, rng: random.Random) -> sp.Expr:
    if isinstance(values, sp.FiniteSet):
        return rng.choice(sorted(values.args, key=sp.default_sort_key))
    if isinstance(values, sp.Range):
        start = int(values.start)
        reach = rng.choice((MAX_DRAWN_INTEGER, MAX_DRAWN_INTEGER, 2 * MAX_DRAWN_INTEGER))
        stop = start + reach if values.stop is sp.oo else int(values.stop)
        return sp.Integer(rng.randrange(start, stop))
    if values is sp.S.Reals:
        values = sp.Interval(-sp.oo, sp.oo)
    if not isinstance(values, sp.Interval):
        raise TypeError(f"no way to draw from {values}")
    return _draw_from_interval(values, rng)


def _draw_from_interval(values: sp.Interval, rng: random.Random) -> sp.Expr:
    # Scales differ by a factor 200. An end that belongs to the interval is a point where a formula is claimed: it
    # is drawn too.
    low, high = values.start, values.end
    attained = [end for end, out in ((low, values.left_open), (high, values.right_open)) if not out]
    if attained and rng.random() < 0.15:
        return rng.choice(attained)
    fraction = sp.Rational(rng.randrange(1, _DENOMINATOR), _DENOMINATOR)
    if low.is_finite and high.is_finite:
        return low + (high - low) * fraction
    size = fraction * rng.choice((sp.Rational(1, 8), 1, 1, 2, 5, 25))
    if low.is_finite:
        return low + size
    if high.is_finite:
        return high - size
    return size * rng.choice((-1, 1))
