"""Points at which a wrong expression is told from the right one.

At some an experiment was made; at others, random ones and those beside kinks and ties, the definition is evaluated by
balls. Every expression that differs a little from another shares most of its values with it: at a point each is
computed once.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import combinations, cycle, islice
from typing import Any

import sympy as sp
from sympy.core.relational import Relational

from derivations import Domain
from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.arithmetic import BallArithmetic, SampleArithmetic, Unevaluable
from derivations.machinery.derivation import POINTS
from derivations.machinery.domain import Point
from derivations.machinery.enclosure import Environment, Evaluator, Valued, decimal
from derivations.machinery.unspecified import with_stand_ins
from derivations.pact import Round
from paper_checks.mutation import SMALL
from paper_checks.verification import with_distribution

PERSISTENCE = 8
"""Times as many points, and others beside them, are searched for a difference before a mutant survives."""

_QUADRATURE = 1e-8
"""Relative error up to which a quadrature without a rigorous bound is trusted."""

_RATIONAL = (sp.Add, sp.Mul, sp.Pow, sp.Abs, sp.sign, sp.Max, sp.Min, sp.floor, sp.Mod, Round)
"""What may keep rational numbers rational."""


class PointEvaluator(Evaluator):
    """At one point, where every subexpression is evaluated once, whatever it stands in.

    Parameters
    ----------
    point
        The point.
    rigorous
        Whether integrals that balls have no bound for have no value.
    """

    def __init__(self, point: Point, rigorous: bool = False) -> None:
        super().__init__()
        self.point = point
        self.by_quadrature = not rigorous and isinstance(self.numbers, BallArithmetic)
        self._here = self.environment(point)
        self._known: dict[int, dict[sp.Expr, Any]] = {id(self._here): {}}
        self._rationals: dict[int, dict[sp.Expr, sp.Rational | None]] = {id(self._here): {}}
        self._with_index: dict[tuple[int, sp.Symbol, int], dict[Any, Any]] = {}

    def value(self, expr: sp.Expr) -> Any:
        """The value of an expression; Unevaluable where it has none."""
        try:
            self.numbers.use()
            value = self.evaluate(with_stand_ins(expr), self._here)
            if math.isnan(float(self.numbers.text(value))):
                raise Unevaluable("no real number")
        except (ZeroDivisionError, TypeError, OverflowError, ValueError) as error:
            raise Unevaluable(str(error)) from None
        return value

    def number(self, expr: sp.Expr) -> tuple[float, float]:
        """The value as a double, and the relative error that it may have besides rounding."""
        value = self.value(expr)
        if self.numbers.vanishes(value):
            return 0.0, 0.0
        if self.numbers.settled(value, value, 17):
            return float(self.numbers.text(value)), 0.0
        try:
            return float(decimal(expr, self.point, 17)), 0.0
        except Unevaluable:
            if not expr.has(sp.Integral):
                raise
        return float(self.numbers.text(value)), _QUADRATURE

    def _read(self, expr: sp.Expr) -> Valued:
        value = super()._read(expr)

        def remembered(env: Environment) -> Any:
            known = self._known.get(id(env))
            if known is None:  # not the point itself: derivatives and integrals bind their variables
                return value(env)
            if expr not in known:
                known[expr] = value(env)
            return known[expr]

        return remembered

    def _floor(self, expr: sp.Expr) -> Valued:
        rounded = super()._floor(expr)

        def value(env: Environment) -> Any:
            exact = self.exactly(expr.args[0], env)  # at a tie no ball decides
            return self.numbers.rational(int(sp.floor(exact))) if exact.is_Rational else rounded(env)

        return value

    def _integral(self, expr: sp.Integral) -> Valued:
        enclosed = super()._integral(expr)

        def value(env: Environment) -> Any:
            try:
                return enclosed(env)
            except Unevaluable:
                if env is self._here and self.by_quadrature:
                    return self._quadrature(expr)
                raise

        return value

    def _quadrature(self, integral: sp.Integral) -> Any:
        """An integral that balls have no bound for, by its error estimate: mutants only, and never closely."""
        ((variable, low, high),) = integral.limits
        arithmetic = SampleArithmetic(15)
        sample, mp = Evaluator(arithmetic), arithmetic.mp
        here = sample.environment(self.point)
        infinite = {sp.oo: mp.inf, -sp.oo: -mp.inf}
        ends = [infinite[e] if e in infinite else sample.evaluate(e, here) for e in (low, high)]
        if low.is_infinite and high.is_infinite:
            ends.insert(1, mp.zero)  # a kink at zero is a common one

        def integrand(at: Any) -> Any:
            return sample.evaluate(integral.function, sample.bound(here, {variable: at}))

        far = [60 * mp.sign(end) for end in ends if mp.isinf(end)]
        if any(abs(integrand(place)) > mp.mpf(10) ** -15 for place in far):
            raise Unevaluable("an integrand that does not decay")
        value, error = mp.quad(integrand, ends, error=True)
        if not error <= _QUADRATURE / 10 * (1 + abs(value)):
            raise Unevaluable("an integral that does not converge")
        found, bound = (sp.Rational(str(x)) for x in (value, _QUADRATURE * (1 + abs(value))))
        return self.numbers.widen(
            self.numbers.rational(found.p, found.q), self.numbers.rational(bound.p, bound.q)
        )

    def exact(self, expr: sp.Expr) -> sp.Expr:
        """The value as a rational number where it is one, else what is left of the expression."""
        return self.exactly(expr, self._here)

    def exactly(self, expr: sp.Expr, env: Environment) -> sp.Expr:
        """The rational value where there is one: at a tie no ball decides."""
        if id(env) not in self._rationals:
            return super().exactly(expr, env)
        value = self._rational(expr, env)
        return super().exactly(expr, env) if value is None else value

    def _rational(self, expr: sp.Expr, env: Environment) -> sp.Rational | None:
        known = self._rationals[id(env)]
        if expr not in known:
            known[expr] = self._rational_node(expr, env)
        return known[expr]

    def _rational_node(self, expr: sp.Expr, env: Environment) -> sp.Rational | None:
        if isinstance(expr, sp.Rational):
            return expr
        if isinstance(expr, sp.Symbol):
            return env.get(("exact", expr))
        if isinstance(expr, Abbreviation):
            return self._rational(expr.unfolded(), env)
        if isinstance(expr, sp.Indexed):
            entries, index = self.point[expr.base], self.integer(expr.indices[0], env)
            return sp.Rational(entries[index - 1]) if 1 <= index <= len(entries) else None
        if isinstance(expr, sp.Sum):
            return self._rational_sum(expr.function, list(expr.limits), env)
        if not isinstance(expr, _RATIONAL):
            return None
        values = [self._rational(argument, env) for argument in expr.args]
        if None in values:
            return None
        value = expr.func(*values)
        return value if value.is_Rational else None

    def _rational_sum(self, function: sp.Expr, limits: list[Any], env: Environment) -> sp.Rational | None:
        if not limits:
            return self._rational(function, env)
        index, low, high = limits[-1]
        numbers = range(self.integer(low, env), self.integer(high, env) + 1)
        terms = [self._rational_sum(function, limits[:-1], self._at_index(index, n, env)) for n in numbers]
        return None if None in terms else sp.Add(*terms)

    def _sum_over(self, term: Valued, limits: list[Any], env: Environment) -> Any:
        if id(env) not in self._known or not limits:
            return super()._sum_over(term, limits, env)
        index, low, high = limits[-1]
        total = self.numbers.rational(0)
        for value in range(self.integer(low, env), self.integer(high, env) + 1):
            total = total + self._sum_over(term, limits[:-1], self._at_index(index, value, env))
        return total

    def _at_index(self, index: sp.Symbol, value: int, env: Environment) -> Environment:
        key = (id(env), index, value)
        if key not in self._with_index:
            number = sp.Integer(value)
            inner = {**env, index: self.numbers.rational(value), ("exact", index): number}
            self._with_index[key] = inner  # kept, so that its id stays its own
            self._known[id(inner)] = {}
            self._rationals[id(inner)] = {}
        return self._with_index[key]


class Place:
    """A point, and what is known there without the closed form."""

    def __init__(self, point: Point) -> None:
        self.evaluator = PointEvaluator(point)

    def excess(self, expr: sp.Expr) -> float:
        """0 where the expression is not refuted, else by how much it is; Unevaluable where it has no value."""
        raise NotImplementedError


class Measured(Place):
    """An experiment was made here."""

    def __init__(
        self,
        point: Point,
        centre: float,
        refutes: Callable[[float], bool],
        distribution: Callable[[float], float] | None = None,
    ) -> None:
        super().__init__(point)
        self.centre = centre
        self.refutes = refutes
        self.distribution = distribution

    def excess(self, expr: sp.Expr) -> float:
        if self.distribution is not None:  # the formula holds for any law, the experiment was made for one
            expr = with_distribution(expr, self.evaluator.point, self.distribution)
        value, error = self.evaluator.number(expr)
        if not self.refutes(value):
            return 0.0
        if abs(value - self.centre) <= 100 * error * (1 + abs(value)):
            raise Unevaluable("too close for a quadrature")
        distance = value - self.centre
        if not math.isfinite(distance):
            return math.inf
        share = 1.0  # of the distance, at which the measurement would just not refute
        while self.refutes(self.centre + distance * share):
            share /= 2
        low, high = share, 2 * share
        for _ in range(8):
            middle = (low + high) / 2
            low, high = (low, middle) if self.refutes(self.centre + distance * middle) else (middle, high)
        return 1 / high


class Enclosed(Place):
    """The definition is evaluated here, as soon as a mutant and the original differ."""

    def __init__(self, point: Point, of: DefinitionPoints) -> None:
        super().__init__(point)
        self.of = of

    @cached_property
    def true(self) -> Any:
        """The value of the definition, which is that of the original."""
        if not self.of.domain.contains(self.evaluator.point):
            raise Unevaluable("outside the domain")
        true = PointEvaluator(self.evaluator.point, rigorous=True).value(self.of.definition)
        if not self.evaluator.numbers.agree(true, self.evaluator.value(self.of.original)):
            raise OriginalFailsError(f"not the definition at {self.evaluator.point}")
        return true

    def excess(self, expr: sp.Expr) -> float:
        value = self.evaluator.value(expr)
        if not self._apart(value, self.evaluator.value(self.of.original)):
            return 0.0
        try:
            true = self.true
        except (Unevaluable, ZeroDivisionError):  # nothing to compare with
            return 0.0
        if not self._apart(value, true):
            return 0.0
        text = self.evaluator.numbers.text
        return max(abs(float(text(value - true))) / (1 + abs(float(text(true)))), sys.float_info.min)

    def _apart(self, one: Any, other: Any) -> bool:
        return self.evaluator.numbers.below(one, other) or self.evaluator.numbers.below(other, one)


class OriginalFailsError(Exception):
    """What mutants are made of does not pass itself: nothing is learnt from them."""


class DefinitionPoints:
    """The definition at more and more points, drawn when asked for: random ones, then others close to switches."""

    def __init__(self, definition: sp.Expr, original: sp.Expr, domain: Domain, seed: str) -> None:
        self.definition, self.original, self.domain = definition, original, domain
        self._rng = random.Random(seed)
        self._cases = domain.cases or (None,)
        self._switches = _switches(original)
        self._found: list[Enclosed] = []
        self._coming = self._places()
        self.few = POINTS * len(self._cases)

    def places(self, first: int = 0, last: int | None = None) -> Iterator[Enclosed]:
        """Those from one number to another, as far as there are any."""
        number = first
        while last is None or number < last:
            self._found.extend(islice(self._coming, max(0, number + 1 - len(self._found))))
            if number >= len(self._found):
                return
            yield self._found[number]
            number += 1

    def agrees(self) -> bool:
        """Whether the original is the definition at the first points, as far as that can be evaluated there.

        Raises
        ------
        OriginalFailsError
            Where it is not.
        """
        agreed = False
        for place in self.places(0, self.few):
            try:
                agreed |= place.true is not None
            except (Unevaluable, ZeroDivisionError):
                continue
        return agreed

    def _places(self) -> Iterator[Enclosed]:
        for point in self._points():
            place = Enclosed(point, self)
            try:
                place.evaluator.value(self.original)
            except Unevaluable:
                continue
            yield place

    def _points(self) -> Iterator[Point]:
        if not self.domain.sets:
            yield {}
            return
        first = [self.domain.sample(self._rng, case) for _ in range(POINTS) for case in self._cases]
        yield from first
        for point in first:
            yield from self._beside(point)
        for case in islice(cycle(self._cases), PERSISTENCE * self.few):
            point = self.domain.sample(self._rng, case)
            yield point
            yield _shrunk(point)
            yield from self._beside(point)

    def _beside(self, point: Point) -> Iterator[Point]:
        """The point moved along one symbol to a switch and to both sides of it."""
        for switch, rounding in self._switches:
            for symbol in sorted(switch.free_symbols & set(point), key=str):
                value = point[symbol]
                if isinstance(value, tuple) or value.is_Integer:
                    continue
                at = _crossing(switch, rounding, point, symbol)
                if at is not None:
                    share = SMALL / 2
                    yield {**point, symbol: at}
                    yield {**point, symbol: at * (1 + share) if at else share}
                    yield {**point, symbol: at * (1 - share) if at else -share}


def _switches(expr: sp.Expr) -> list[tuple[sp.Expr, bool]]:
    """What changes sign where an expression has a kink or jumps; or what is rounded there."""
    found = {(rounded.args[0], True) for rounded in expr.atoms(Round, sp.floor)}
    found |= {(node.args[0], False) for node in expr.atoms(sp.Abs, sp.sign, sp.Heaviside)}
    found |= {(r.lhs - r.rhs, False) for r in expr.atoms(Relational)}
    found |= {(a - b, False) for node in expr.atoms(sp.Max, sp.Min) for a, b in combinations(node.args, 2)}
    return sorted(found, key=lambda switch: (sp.default_sort_key(switch[0]), switch[1]))


def _crossing(switch: sp.Expr, rounding: bool, point: Point, symbol: sp.Symbol) -> sp.Rational | None:
    """Where along a symbol it is zero, or half an odd number; by one step of the rule of false position."""

    def at(value: sp.Rational) -> sp.Expr:
        return PointEvaluator({**point, symbol: value}).exact(switch)

    value = point[symbol]
    start, end = at(value), at(value * sp.Rational(1001, 1000))
    if not (start.is_Rational and end.is_Rational and start != end):
        return None
    target = sp.floor(start) + sp.Rational(1, 2) if rounding else sp.S.Zero
    return sp.Rational(value + (target - start) / (end - start) * value / 1000)


def _shrunk(point: Point) -> Point:
    """The point with what is no whole number a thousandth of what it was: small next to what a mutant adds."""
    return {s: v if isinstance(v, tuple) or v.is_Integer else v / 1000 for s, v in point.items()}
