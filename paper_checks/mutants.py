"""Whether the checks would notice: every closed form and every true claim with one small error in it.

A mutant of a closed form meets the measurements that the closed form agrees with; a mutant of a printed side meets
the trials of its claim. What these do not tell from the original meets the definition, evaluated by balls at random
points of the domain; that is counted apart, for it shows where an experiment is weak. What agrees there too must be
proved equal to the original, or it survives: a hole in the checks.

A mutant without a value at a point has first to face the other points. Where it has a value at none of them, or
none of them refutes it and it is not proved equal, it is refuted all the same, since the original has a value there;
that too is counted apart.
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from itertools import combinations, cycle, islice
from typing import Any, ClassVar

import sympy as sp
from sympy.core.relational import Relational

from derivations import Domain, Formula, find
from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.derivation import POINTS
from derivations.machinery.domain import Point
from derivations.machinery.enclosure import Environment, Evaluator, SampleArithmetic, Unevaluable, decimal
from derivations.machinery.prover import Antiderivative, is_zero
from derivations.machinery.unspecified import Unspecified, with_stand_ins
from derivations.normal import Phi, phi
from derivations.pact import Round, StraightThrough
from numeric.sampling.estimates import Estimate
from numeric.sampling.executors import Plan, Progress, run, single
from paper_checks import verification
from paper_checks.claim import AnyClaim, Claim, Definition, Inequality, Observation, Table
from paper_checks.experiments import Measurement
from paper_checks.judgement import DIGITS, TRIALS
from paper_checks.mutation import SMALL, Mutant, mutants
from paper_checks.papers import documents
from paper_checks.transcription import exact_point

SCHEMA = "normquant.mutants/1"

PERSISTENCE = 8
"""Times as many points, and others beside them, are searched for a difference before a mutant survives."""

_WHILE_WITHOUT_VALUE = 100
"""Points that are searched before what has no value at some point is refuted by that."""

CLEAR = 100.0
"""So many times beyond its threshold a kill is clear: no stronger one is looked for."""

_QUADRATURE = 1e-8
"""Relative error up to which a quadrature without a rigorous bound is trusted."""


class Fate(StrEnum):
    """What became of a mutant."""

    MEASURED = "measured"
    """Refuted by an experiment."""
    ENCLOSED = "enclosed"
    """Refuted by the definition, and by no experiment."""
    WITHOUT_VALUE = "without value"
    """Refuted by having no value where the original has one, and by nothing else."""
    EQUIVALENT = "equivalent"
    """Proved equal to the original."""
    SURVIVED = "survived"


@dataclass(frozen=True)
class Outcome:
    """A mutant and what became of it.

    Attributes
    ----------
    operator
        The error.
    text
        The expression with the error.
    fate
        What became of it.
    excess
        How many times its distance is the threshold of the experiment; its distance from the definition, over one
        plus the size of that, where no experiment saw it.
    """

    operator: str
    text: str
    fate: Fate
    excess: float


@dataclass(frozen=True)
class Finding:
    """What became of all mutants of one expression.

    Attributes
    ----------
    name
        Of the formula or the claim.
    counts
        How many mutants met each fate.
    weakest
        The kill that was the closest call, of those by experiment where there are any.
    listed
        Every mutant that was not refuted by an experiment; without one, that was not refuted by the definition.
    measured
        Whether there was an experiment.
    untouched
        Why there are no mutants, where there cannot be any.
    problem
        Why the original itself does not pass.
    """

    name: str
    counts: Mapping[Fate, int]
    weakest: Outcome | None = None
    listed: tuple[Outcome, ...] = ()
    measured: bool = False
    untouched: str = ""
    problem: str = ""

    @property
    def total(self) -> int:
        """The number of mutants."""
        return sum(self.counts.values())

    @property
    def killed(self) -> int:
        """How many were refuted."""
        return sum(self.counts.get(f, 0) for f in (Fate.MEASURED, Fate.ENCLOSED, Fate.WITHOUT_VALUE))

    @property
    def holds(self) -> bool:
        """Whether mutants were made and none survived, or none can be made."""
        return (
            not self.problem and not self.counts.get(Fate.SURVIVED, 0) and bool(self.total or self.untouched)
        )


@dataclass(frozen=True)
class Findings:
    """What became of the mutants of formulas and of claims."""

    formulas: tuple[Finding, ...]
    claims: tuple[Finding, ...]

    @property
    def all(self) -> tuple[Finding, ...]:
        """Both."""
        return (*self.formulas, *self.claims)

    @property
    def holds(self) -> bool:
        """Whether no mutant survived."""
        return all(finding.holds for finding in self.all)


# --- the points ----------------------------------------------------------------------------------------


_RATIONAL = (sp.Add, sp.Mul, sp.Pow, sp.Abs, sp.sign, sp.Max, sp.Min, sp.floor, sp.Mod, Round)
"""What may keep rational numbers rational."""


class _SharedEvaluator(Evaluator):
    """At one point, where every subexpression is evaluated once, whatever it stands in.

    Parameters
    ----------
    point
        The point.
    rigorous
        Whether integrals without a bound have no value.
    """

    def __init__(self, point: Point, rigorous: bool = False) -> None:
        super().__init__()
        self.point = point
        self.rigorous = rigorous
        self._here = self.environment(point)
        self._known: dict[int, dict[sp.Expr, Any]] = {id(self._here): {}}
        self._rationals: dict[int, dict[sp.Expr, sp.Rational | None]] = {id(self._here): {}}
        self._with_index: dict[tuple[int, sp.Symbol, int], dict[Any, Any]] = {}

    def value(self, expr: sp.Expr) -> Any:
        """The value of an expression; Unevaluable where it has none."""
        try:
            self.numbers.use()
            value = self.evaluate(with_stand_ins(expr) if expr.has(Unspecified) else expr, self._here)
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

    def evaluate(self, expr: sp.Expr, env: Environment) -> Any:
        known = self._known.get(id(env))
        if known is None:  # not the point itself: derivatives and integrals bind their variables
            return self._evaluate(expr, env)
        if expr not in known:
            known[expr] = self._evaluate(expr, env)
        return known[expr]

    def _evaluate(self, expr: sp.Expr, env: Environment) -> Any:
        if isinstance(expr, sp.floor):  # at a tie no ball decides
            exact = self.exactly(expr.args[0], env)
            if exact.is_Rational:
                return self.numbers.rational(sp.floor(exact))
        try:
            return super().evaluate(expr, env)
        except Unevaluable:
            if isinstance(expr, sp.Integral) and env is self._here and not self.rigorous:
                return self._quadrature(expr)
            raise

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
        bound = self.numbers.rational(sp.Rational(str(_QUADRATURE * (1 + abs(value)))))
        return self.numbers.widen(self.numbers.rational(sp.Rational(str(value))), bound)

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

    def _sum_over(self, function: sp.Expr, limits: list[Any], env: Environment) -> Any:
        if id(env) not in self._known or not limits:
            return super()._sum_over(function, limits, env)
        index, low, high = limits[-1]
        total = self.numbers.rational(sp.S.Zero)
        for value in range(self.integer(low, env), self.integer(high, env) + 1):
            total = total + self._sum_over(function, limits[:-1], self._at_index(index, value, env))
        return total

    def _at_index(self, index: sp.Symbol, value: int, env: Environment) -> Environment:
        key = (id(env), index, value)
        if key not in self._with_index:
            number = sp.Integer(value)
            inner = {**env, index: self.numbers.rational(number), ("exact", index): number}
            self._with_index[key] = inner  # kept, so that its id stays its own
            self._known[id(inner)] = {}
            self._rationals[id(inner)] = {}
        return self._with_index[key]


class _Place:
    """A point, and what is known there without the closed form."""

    fate: ClassVar[Fate]

    def __init__(self, point: Point) -> None:
        self.evaluator = _SharedEvaluator(point)

    def excess(self, expr: sp.Expr) -> float:
        """0 where the expression is not refuted, else by how much it is; Unevaluable where it has no value."""
        raise NotImplementedError


class _Measured(_Place):
    """An experiment was made here."""

    fate = Fate.MEASURED

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
            expr = verification.with_distribution(expr, self.evaluator.point, self.distribution)
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


class _Enclosed(_Place):
    """The definition is evaluated here, as soon as a mutant and the original differ."""

    fate = Fate.ENCLOSED

    def __init__(self, point: Point, of: _Definition) -> None:
        super().__init__(point)
        self.of = of

    @cached_property
    def true(self) -> Any:
        """The value of the definition, which is that of the original."""
        if not self.of.domain.contains(self.evaluator.point):
            raise Unevaluable("outside the domain")
        true = _SharedEvaluator(self.evaluator.point, rigorous=True).value(self.of.definition)
        if not self.evaluator.numbers.agree(true, self.evaluator.value(self.of.original)):
            raise _OriginalFails(f"not the definition at {self.evaluator.point}")
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


class _OriginalFails(Exception):
    """What mutants are made of does not pass itself: nothing is learnt from them."""


class _Definition:
    """The definition at more and more points, drawn when asked for: random ones, then others close to switches."""

    def __init__(self, definition: sp.Expr, original: sp.Expr, domain: Domain, seed: str) -> None:
        self.definition, self.original, self.domain = definition, original, domain
        self._rng = random.Random(seed)
        self._cases = domain.cases or (None,)
        self._switches = _switches(original)
        self._found: list[_Enclosed] = []
        self._coming = self._places()
        self.few = POINTS * len(self._cases)

    def places(self, first: int = 0, last: int | None = None) -> Iterator[_Enclosed]:
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
        _OriginalFails
            Where it is not.
        """
        agreed = False
        for place in self.places(0, self.few):
            try:
                agreed |= place.true is not None
            except (Unevaluable, ZeroDivisionError):
                continue
        return agreed

    def _places(self) -> Iterator[_Enclosed]:
        for point in self._points():
            place = _Enclosed(point, self)
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
        return _SharedEvaluator({**point, symbol: value}).exact(switch)

    value = point[symbol]
    start, end = at(value), at(value * sp.Rational(1001, 1000))
    if not (start.is_Rational and end.is_Rational and start != end):
        return None
    target = sp.floor(start) + sp.Rational(1, 2) if rounding else sp.S.Zero
    return sp.Rational(value + (target - start) / (end - start) * value / 1000)


def _shrunk(point: Point) -> Point:
    """The point with what is no whole number a thousandth of what it was: small next to what a mutant adds."""
    return {s: v if isinstance(v, tuple) or v.is_Integer else v / 1000 for s, v in point.items()}


# --- one expression ----------------------------------------------------------------------------------------


def _finding(
    name: str, original: sp.Expr, domain: Domain, measured: Sequence[_Measured], definition: _Definition
) -> Finding:
    """What becomes of every mutant of an expression."""
    try:
        for place in measured:
            if place.excess(original) > 0:
                raise _OriginalFails(f"refuted by the experiment at {place.evaluator.point}")
        if not definition.agrees() and not measured:
            raise _OriginalFails("there is no point where the original could be checked")
        fates = [
            (mutant, *_fate(mutant, original, domain, measured, definition))
            for mutant in mutants(original, domain)
        ]
    except (_OriginalFails, Unevaluable, ZeroDivisionError) as problem:
        return Finding(name, {}, problem=str(problem))
    seen = {Fate.MEASURED} if measured else {Fate.MEASURED, Fate.ENCLOSED}
    kills = [k for k in fates if k[1] in (Fate.MEASURED, Fate.ENCLOSED)]
    closest = min(kills, key=lambda k: (k[1] is not Fate.MEASURED, k[2]), default=None)
    return Finding(
        name,
        Counter(fate for _, fate, _ in fates),
        None if closest is None else _outcome(*closest),
        tuple(_outcome(*found) for found in fates if found[1] not in seen),
        measured=bool(measured),
    )


def _outcome(mutant: Mutant, fate: Fate, excess: float) -> Outcome:
    text = sp.sstr(mutant.expression, order="none")  # to put terms in order SymPy would evaluate integrals
    return Outcome(mutant.operator, text, fate, excess)


def _fate(
    mutant: Mutant,
    original: sp.Expr,
    domain: Domain,
    measured: Sequence[_Measured],
    definition: _Definition,
) -> tuple[Fate, float]:
    """What becomes of one mutant, and by how much it was refuted."""
    excesses: list[float | None] = []
    for experiment in measured:
        excesses.append(_excess(mutant.expression, experiment))
        if (excesses[-1] or 0.0) > CLEAR:
            break
    if any(excesses):
        return Fate.MEASURED, max(e for e in excesses if e)
    for place in definition.places(0, definition.few):
        excesses.append(_excess(mutant.expression, place))
        if excesses[-1]:
            return Fate.ENCLOSED, excesses[-1]
    if all(e is None for e in excesses):
        return Fate.WITHOUT_VALUE, 0.0
    if _proved_equal(original, mutant.expression, domain):
        return Fate.EQUIVALENT, 0.0
    further = definition.places(definition.few)
    for place in islice(further, _WHILE_WITHOUT_VALUE) if None in excesses else further:
        excesses.append(_excess(mutant.expression, place))
        if excesses[-1]:
            return Fate.ENCLOSED, excesses[-1]
    return (Fate.WITHOUT_VALUE if None in excesses else Fate.SURVIVED), 0.0


def _proved_equal(one: sp.Expr, other: sp.Expr, domain: Domain) -> bool:
    """Whether algebra shows it.

    Integrands are multiplied out, since to the prover an integral is a name. So is a rounding, unless it is of a whole
    number plus less than half of one.
    """
    difference = (one - other).replace(
        lambda e: isinstance(e, sp.Integral), lambda e: e.func(sp.expand(e.function), *e.limits)
    )
    if not difference.has(Round):
        return is_zero(difference, domain) or _same_moments(one, other, domain)
    names: dict[sp.Expr, sp.Symbol] = {}

    def rounded(argument: sp.Expr) -> sp.Expr:
        argument = sp.expand(argument)
        number, rest = argument.as_coeff_Add()
        if rest.is_integer and abs(number - Round(number)) < sp.Rational(1, 2):
            return rest + Round(number)
        return names.setdefault(argument, sp.Dummy("R", integer=True))

    difference = difference.replace(lambda e: isinstance(e, StraightThrough), lambda e: e.doit())
    cases = [case.substitution for case in domain.cases] or [{}]
    named = [difference.subs(case).replace(Round, rounded) for case in cases]
    return not any(e.has(sp.floor) for e in named) and all(is_zero(e, domain) for e in named)


def _same_moments(one: sp.Expr, other: sp.Expr, domain: Domain) -> bool:
    """Whether two combinations of Gaussian moments agree, by an antiderivative of their difference."""
    variables = {i.limits[0][0] for i in (one - other).atoms(sp.Integral)}
    if len(variables) != 1:
        return False
    (z,) = variables
    integrals = (one - other).atoms(sp.Integral)
    integrand = sp.expand(sp.Add(*[(one - other).coeff(i) * i.function for i in integrals]) / phi(z))
    if not integrand.is_polynomial(z):
        return False
    primitive, rest = sp.S.Zero, sp.Poly(integrand, z)
    while not rest.is_zero:  # (z^(k-1) phi)' = (k - 1) z^(k-2) phi - z^k phi
        power, leading = rest.degree(), rest.LC()
        if power == 0:
            primitive, rest = primitive + leading * Phi(z), rest - leading
            continue
        lower = (power - 1) * z ** (power - 2) if power > 1 else 0
        primitive, rest = primitive - leading * z ** (power - 1) * phi(z), rest + leading * (lower - z**power)
    return Antiderivative(primitive, z).proves(one, other, domain)


def _excess(expr: sp.Expr, place: _Place) -> float | None:
    """0 where the expression is not refuted, else by how much it is; None where it has no value."""
    try:
        return place.excess(expr)
    except Unevaluable:
        return None


# --- formulas and claims -----------------------------------------------------------------------------------


def mutate_formula(formula: Formula, measurements: Sequence[Measurement], seed: int = 0) -> Finding:
    """What becomes of the mutants of a closed form.

    Parameters
    ----------
    formula
        The formula.
    measurements
        What experiments found for it.
    seed
        Seed of the random points.
    """
    symbols = {str(getattr(s, "label", s)): s for s in formula.domain.sets}

    def place(measurement: Measurement) -> _Measured:
        point = {symbols[name]: value for name, value in measurement.point.items() if name in symbols}
        return _Measured(exact_point(point), measurement.value, measurement.refutes, measurement.distribution)

    def rank(measurement: Measurement) -> tuple[bool, int]:
        """What refutes clearly comes first, then what is quick to evaluate."""
        size = sum(len(v) if isinstance(v, tuple) else 1 for v in measurement.point.values())
        return measurement.by_draws, size

    measured = [place(measurement) for measurement in sorted(measurements, key=rank)]
    original, domain = formula.closed_form, formula.domain
    definition = _Definition(formula.definition, original, domain, f"{seed}/{formula.name}")
    return _finding(formula.name, original, domain, measured, definition)


def mutate_claim(name: str, claim: AnyClaim, seed: int = 0) -> Finding:
    """What becomes of the mutants of a printed side, of a gap, or of the digits of a table.

    Parameters
    ----------
    name
        What the claim is called.
    claim
        A claim that is true as printed.
    seed
        Seed of points and draws.
    """
    if isinstance(claim, Table):
        return _mutate_digits(name, claim)
    assert isinstance(claim, Claim | Inequality)
    truth = claim.truth if isinstance(claim, Claim) else claim.gap
    printed = claim.right if isinstance(claim, Claim) else claim.gap.conclusion
    trials = claim.experiment(seed) if claim.experiment is not None else []
    if printed == truth.definition and not trials:
        return Finding(name, {}, untouched="the definition is the printed expression itself")
    measured = [
        _Measured(
            dict(trial.point),
            trial.found.value if isinstance(trial.found, Estimate) else trial.found,
            lambda value, trial=trial: trial.refutes(value, TRIALS),  # type: ignore[misc]
        )
        for trial in trials
    ]
    definition = _Definition(truth.definition, printed, truth.domain, f"{seed}/{name}")
    return _finding(name, printed, truth.domain, measured, definition)


def _mutate_digits(name: str, table: Table) -> Finding:
    """Each digit one more or less, against the value that it should be rounded from."""
    outcomes = []
    for cell, printed, value in table.cells:
        exact = sp.Rational(decimal(value.definition, {}, DIGITS))
        exponent = int(Decimal(printed).as_tuple().exponent)
        half = sp.Rational(10) ** exponent / 2
        if abs(exact - sp.Rational(printed)) > half:
            return Finding(name, {}, problem=f"{cell} is not rounded from its definition")
        for place in range(len(Decimal(printed).as_tuple().digits) + 1):
            for step in (1, -1):
                wrong = sp.Rational(printed) + step * sp.Rational(10) ** (exponent + place)
                excess = float(abs(exact - wrong) / half)
                fate = Fate.ENCLOSED if excess > 1 else Fate.SURVIVED
                outcomes.append(Outcome("digit", f"{cell}: {sp.N(wrong, DIGITS)}", fate, excess))
    weakest = min(outcomes, key=lambda o: o.excess)
    return Finding(name, Counter(o.fate for o in outcomes), weakest, tuple(outcomes))


def claim_name(id: str, label: str) -> str:
    """What a claim is called: ``paper (label)``."""
    return f"{id} ({label})"


def is_true(claim: AnyClaim) -> bool:
    """Whether a claim stands as printed: it is neither introduced nor observed, false, nor true in a limit only.

    No verdict is taken on trust: the definition has to agree with what is printed before mutants are made of it.
    """
    if isinstance(claim, Definition | Observation) or claim.cause is not None:
        return False
    return not isinstance(claim, Claim) or (claim.approximation is None and not claim.defines)


# --- the run -----------------------------------------------------------------------------------------------


def try_mutants(
    formulas: Sequence[str],
    claims: Sequence[str],
    *,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Findings:
    """What becomes of the mutants of formulas and of claims.

    Parameters
    ----------
    formulas
        Their names.
    claims
        Their names, ``paper (label)``.
    seed
        Seed of the random points and of the draws.
    executor, progress
        As in :func:`numeric.sampling.executors.run`. No result depends on them.
    """
    named = {name: find(name) for name in formulas}
    plans = verification.measuring_plans(named, seed) | claim_plans(claims, seed)
    first = run(plans, executor, progress=progress)
    second = run(formula_plans(formulas, verification.measured(first), seed), executor, progress=progress)
    return collected(first | second)


def formula_plans(
    formulas: Sequence[str], measurements: Sequence[Measurement], seed: int
) -> dict[Hashable, Plan[Finding]]:
    """One for each formula: all its mutants meet the same measurements."""
    return {
        ("mutants of formula", name): single(
            _mutate_catalogued,  # by name: on their way to another process expressions are simplified
            name,
            [m for m in measurements if m.formula == name],
            seed,
        )
        for name in formulas
    }


def _mutate_catalogued(name: str, measurements: Sequence[Measurement], seed: int) -> Finding:
    return mutate_formula(find(name), measurements, seed)


def claim_names() -> tuple[str, ...]:
    """Every claim that is true as printed, document by document."""
    return tuple(
        claim_name(id, claim.label)
        for id, document in documents().items()
        for claim in document.claims
        if is_true(claim)
    )


def claim_plans(names: Sequence[str], seed: int) -> dict[Hashable, Plan[Finding]]:
    """One for each claim."""
    return {("mutants of claim", name): single(_mutate_named, name, seed) for name in names}


def collected(found: Mapping[Any, Any]) -> Findings:
    """What the plans found."""
    formulas, claims = (
        tuple(finding for key, finding in found.items() if key[0] == f"mutants of {what}")
        for what in ("formula", "claim")
    )
    return Findings(formulas, claims)


def _mutate_named(name: str, seed: int) -> Finding:
    named = {claim_name(id, c.label): c for id, document in documents().items() for c in document.claims}
    return mutate_claim(name, named[name], seed)


# --- the report ----------------------------------------------------------------------------------------


def table(findings: Findings) -> str:
    """The findings as text: one line for each formula and each claim, totals, and every survivor."""
    lines = []
    for title, found in (("formula", findings.formulas), ("claim", findings.claims)):
        if found:
            lines += [*_lines(title, found), ""]
    return "\n".join([*lines, totals(findings)])


def totals(findings: Findings) -> str:
    """What became of all mutants together, the closest call, and every survivor."""
    found = findings.all
    total = _total(found)
    lines = [f"{finding.name}: {finding.problem}" for finding in found if finding.problem]
    lines += [
        f"{finding.name}: survived, {outcome.operator}: {outcome.text}"
        for finding in found
        for outcome in finding.listed
        if outcome.fate is Fate.SURVIVED
    ]
    lines.append(
        f"{_count(sum(total.values()), 'mutant')} of {_count(len(findings.formulas), 'formula')} "
        f"and {_count(len(findings.claims), 'claim')}: "
        f"{total[Fate.MEASURED]} refuted by experiments, {total[Fate.ENCLOSED]} by the definition alone, "
        f"{total[Fate.WITHOUT_VALUE]} without a value; {total[Fate.EQUIVALENT]} proved equivalent, "
        f"{total[Fate.SURVIVED]} survived; {sum(bool(f.untouched) for f in found)} without mutants, "
        f"{sum(bool(f.problem) for f in found)} that do not pass themselves"
    )
    measured = [f for f in found if f.weakest is not None and f.weakest.fate is Fate.MEASURED]
    if measured:
        weakest = min(measured, key=lambda f: f.weakest.excess if f.weakest else math.inf)
        lines.append(f"weakest kill by an experiment: {weakest.name}, {_weakest(weakest)}")
    return "\n".join(lines)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number != 1 else ''}"


def _total(findings: Sequence[Finding]) -> Counter[Fate]:
    total: Counter[Fate] = Counter()
    for finding in findings:
        total.update(finding.counts)
    return total


def _lines(title: str, findings: Sequence[Finding]) -> list[str]:
    width = max(len(title), *(len(f.name) for f in findings))
    header = (
        f"{title:{width}}  mutants  killed  by definition alone  no value  equivalent  survived  weakest kill"
    )
    lines = [header, "-" * len(header)]
    for f in findings:
        cells = (f.total, f.killed, *(f.counts.get(fate, 0) for fate in _COLUMNS))
        numbers = "  ".join(f"{c:{w}}" for c, w in zip(cells, (7, 6, 19, 8, 10, 8), strict=True))
        lines.append(f"{f.name:{width}}  {numbers}  {_weakest(f)}")
    return lines


_COLUMNS = (Fate.ENCLOSED, Fate.WITHOUT_VALUE, Fate.EQUIVALENT, Fate.SURVIVED)


def _weakest(finding: Finding) -> str:
    if finding.problem or finding.untouched:
        return finding.problem or finding.untouched
    if finding.weakest is None:
        return "none"
    size, operator = finding.weakest.excess, finding.weakest.operator
    if finding.weakest.fate is Fate.MEASURED:
        return f"{'over ' if size > CLEAR else ''}{min(size, CLEAR):.2g} times the threshold, {operator}"
    return f"{size:.2g} off, {operator}"


def report(findings: Findings, seed: int) -> dict[str, Any]:
    """The findings as JSON data, schema ``normquant.mutants/1``."""
    return {"schema": SCHEMA, "seed": seed, **data(findings)}


def data(findings: Findings) -> dict[str, Any]:
    """The findings of formulas and of claims as JSON data."""
    return {"formulas": list(map(_data, findings.formulas)), "claims": list(map(_data, findings.claims))}


def _data(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "measured": finding.measured,
        "untouched": finding.untouched,
        "problem": finding.problem,
        "counts": {str(fate): finding.counts.get(fate, 0) for fate in Fate},
        "weakest": None if finding.weakest is None else _outcome_data(finding.weakest),
        "listed": list(map(_outcome_data, finding.listed)),
    }


def _outcome_data(outcome: Outcome) -> dict[str, Any]:
    excess = outcome.excess if math.isfinite(outcome.excess) else None
    return {"operator": outcome.operator, "mutant": outcome.text, "fate": str(outcome.fate), "excess": excess}
