"""The verdict on a claim.

A claim is refuted on two routes that share no code: by a point at which the printed side is not the truth, and by an
experiment that knows only the definition. Where a route or a part of the record is missing, or the routes disagree,
there is no verdict.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import sympy as sp

from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.derivation import POINTS, DerivationCheck
from derivations.machinery.domain import Point
from derivations.machinery.enclosure import Evaluator, decimal
from derivations.machinery.latex import latex
from derivations.machinery.prover import is_positive
from paper_checks.claim import (
    AnyClaim,
    Approximation,
    Claim,
    ClaimError,
    Definition,
    Inequality,
    Letters,
    Observation,
    Record,
    Table,
    Verdict,
)

_RELATION = r"(?<!\\)[{}]|:?=|\\(?:approx|sim|leftarrow|propto)\b"

DIGITS = 15
"""Of the two sides of a counterexample."""

TRIALS = 2000
"""Comparisons that share the false-alarm probability of a run over all documents."""

_ORDERS = tuple(sp.Rational(k, 2) for k in range(1, 9))
_SEARCHED = 64
"""Points at which a counterexample to an inequality is looked for."""


def judge(claim: AnyClaim, seed: int = 0, letters: Letters | None = None) -> Record:
    """The verdict on a claim, and what it rests on.

    Parameters
    ----------
    claim
        What is printed, and what is true.
    seed
        Seed of points and draws.
    letters
        The letters of the document, in which corrections are written.

    Raises
    ------
    ClaimError
        When the record is not complete: the truth does not hold, a refutation has no cause, no consequence or no
        second route, or the two routes disagree.
    """
    letters = {} if letters is None else letters
    if isinstance(claim, Inequality):
        return _judge_inequality(claim, seed)
    if isinstance(claim, Table):
        return _judge_table(claim, seed)
    if isinstance(claim, Definition):
        return Record(
            claim.label, claim.about, Verdict.DEFINITION, claim.printed, claim.use, sources=claim.sources
        )
    if isinstance(claim, Observation):
        found = claim.found(seed)
        return Record(
            claim.label, claim.about, Verdict.EMPIRICAL, claim.printed, found, sources=claim.sources
        )
    same = claim.right == claim.truth.conclusion  # nothing is left to show but that the truth holds
    check = claim.as_printed.check(seed)
    truth = DerivationCheck(check.steps[: len(claim.truth.steps)])
    failure = check.failures[0] if check.failures else None
    if failure is None and (check.ok or (same and not claim.truth.steps)):
        _, evidence = _experiment(claim, seed, refuted=False)
        verdict = Verdict.DEFINITION if claim.defines else Verdict.CONFIRMED
        return _record(claim, verdict, (_shown(check), *evidence), consequence=_said(claim))
    if claim.truth.steps and not truth.ok:
        raise ClaimError(f"{claim.label}: the truth does not hold: {truth.failures[0]}")
    if failure is None or failure.point is None or failure.values is None:
        raise ClaimError(f"{claim.label}: neither shown nor refuted: {failure}")
    if claim.approximation is not None:
        return _approximate(claim, claim.approximation, truth, letters)
    return _refuted(claim, check, truth, seed, letters)


def _refuted(
    claim: Claim, printed: DerivationCheck, truth: DerivationCheck, seed: int, letters: Letters
) -> Record:
    if claim.cause is None or claim.consequence is None:
        raise ClaimError(f"{claim.label} is false as printed, but cause or consequence is missing")
    refutes, evidence = _experiment(claim, seed, refuted=True)
    if not refutes:
        raise ClaimError(f"{claim.label} is false as printed, but no experiment says so: {evidence}")
    point = printed.failures[0].point
    assert point is not None
    return _record(
        claim,
        Verdict.REFUTED,
        (
            f"counterexample by {Evaluator().numbers.evidence} evaluation",
            *evidence,
            "correction: " + _shown(truth),
        ),
        cause=claim.cause,
        corrected=_statement(claim, letters),
        counterexample=_sides(claim.truth.definition, claim.right, point),
        consequence=claim.consequence(),
    )


def _approximate(claim: Claim, sense: Approximation, truth: DerivationCheck, letters: Letters) -> Record:
    exact = claim.truth.conclusion
    if sense.large is None:
        factor = sp.simplify(exact / claim.right)
        if factor.has(*sense.scales) or not sense.scales:
            raise ClaimError(f"{claim.label}: the factor {factor} is not constant in {sense.scales}")
        where = _place(sense.typical, factor.free_symbols | set(sense.scales))
        size = decimal(factor, dict(sense.typical), 6)
        evidence = f"true over printed: {factor}, whatever {', '.join(map(str, sense.scales))}"
        order = f"a constant factor; {size}" + (f" at {where}" if where else "")
    else:
        error = sp.simplify(claim.right / exact - 1)
        power, leading = _leading_term(error, sense.large)
        if leading == 0 or leading.is_finite is False or power <= 0:
            raise ClaimError(f"{claim.label} does not become true for large {sense.large}")
        where = _place(sense.typical, error.free_symbols)
        evidence = f"limit of the error times {sense.large}^{power}: {leading}"
        order = f"{sense.large}^-{power}; {decimal(error, dict(sense.typical), 3)} at {where}"
    return _record(
        claim,
        Verdict.APPROXIMATE,
        ("exact: " + _shown(truth), evidence),
        exact=_statement(claim, letters),
        error_order=order,
        consequence=_said(claim),
    )


def _place(point: Mapping[Any, Any], symbols: set[Any]) -> str:
    """The numbers that matter at a point, sequences left out."""
    shown = {s: v for s, v in point.items() if s in symbols and not isinstance(v, tuple)}
    return ", ".join(f"{symbol} = {value}" for symbol, value in shown.items())


def _leading_term(error: sp.Expr, large: sp.Symbol) -> tuple[sp.Rational, sp.Expr]:
    """The power of ``1/large`` with which the error goes to zero, and its coefficient."""
    names: dict[sp.Expr, sp.Symbol] = {}

    def constant(node: sp.Expr) -> bool:
        return isinstance(node, Abbreviation | sp.Sum | sp.Indexed) and not node.has(large)

    named = error.replace(constant, lambda e: names.setdefault(e, sp.Dummy("N", positive=True)))
    small = sp.Dummy("s", positive=True)  # large = s^-2, so that half powers are whole ones
    top, bottom = sp.fraction(sp.cancel(sp.together(named.subs(large, small**-2))))
    written = {name: e for e, name in names.items()}
    if top.is_polynomial(small) and bottom.is_polynomial(small):
        (over, a), (under, b) = (_lowest_term(part, small) for part in (top, bottom))
        return sp.Rational(over - under, 2), (a / b).xreplace(written)
    for power in _ORDERS:
        leading = sp.limit(named * large**power, large, sp.oo)
        if leading != 0:
            return power, leading.xreplace(written)
    return sp.S.Zero, sp.S.Zero


def _lowest_term(polynomial: sp.Expr, symbol: sp.Symbol) -> tuple[int, sp.Expr]:
    ((exponent,), coefficient) = sp.Poly(polynomial, symbol).terms()[-1]
    return exponent, coefficient


def _judge_inequality(claim: Inequality, seed: int) -> Record:
    domain, gap = claim.gap.domain, claim.gap.conclusion
    check = claim.gap.check(seed)
    if claim.gap.steps and not check.ok:
        raise ClaimError(f"{claim.label}: the gap of the inequality is not that: {check.failures[0]}")
    evaluator, rng = Evaluator(), random.Random(seed)

    def counterexample(points: int) -> Point | None:
        for _ in range(points):
            point = domain.sample(rng)
            sign = evaluator.sign(evaluator.at(gap, point))
            if sign < 0 or (claim.strict and sign == 0):
                return point
        return None

    divisors = [c.lhs for c in domain.constraints if isinstance(c, sp.Ne) and c.lhs.is_nonnegative]
    known = gap.xreplace({divisor: sp.Dummy("N", positive=True) for divisor in divisors})
    points = POINTS
    failing = counterexample(points)
    if failing is None and not (known.is_positive or (not claim.strict and known.is_nonnegative)):
        points += _SEARCHED
        failing = counterexample(_SEARCHED)
        if failing is None and not is_positive(known, domain):
            raise ClaimError(f"{claim.label}: held at {points} points, but not shown")
    if failing is not None:
        return _refuted_inequality(claim, failing, seed)
    kind = "zero: an equality" if gap == 0 else "positive" if claim.strict else "not negative"
    return _record(
        claim,
        Verdict.CONFIRMED,
        (_shown(check), f"the gap is {kind}; {points} points"),
        consequence=_said(claim),
    )


def _refuted_inequality(claim: Inequality, point: Point, seed: int) -> Record:
    if None in (claim.cause, claim.consequence, claim.corrected, claim.experiment):
        raise ClaimError(
            f"{claim.label} fails at {point}, but cause, consequence, correction or experiment is missing"
        )
    assert claim.experiment is not None
    assert claim.consequence is not None
    assert claim.corrected is not None
    correction = _judge_inequality(claim.corrected, seed)
    if correction.verdict is not Verdict.CONFIRMED:
        raise ClaimError(f"{claim.label}: the correction is {correction.verdict}")
    evidence, refuted = [], False
    for trial in claim.experiment(seed):
        true = float(decimal(claim.gap.conclusion, dict(trial.point), 17))
        if trial.refutes(true, TRIALS):
            raise ClaimError(f"{claim.label}: the experiment finds {trial}, the derivation {true:.9g}")
        refuted |= trial.refutes(0.0, TRIALS) and (true < 0 or claim.strict)
        evidence.append(f"experiment: right minus left is {trial}; {true:.6g} by the derivation")
    if not refuted:
        raise ClaimError(f"{claim.label} fails at {point}, but no experiment says so: {evidence}")
    return _record(
        claim,
        Verdict.REFUTED,
        (
            f"counterexample by {Evaluator().numbers.evidence} evaluation",
            *evidence,
            "correction: " + ", ".join(correction.evidence),
        ),
        cause=claim.cause,
        corrected=correction.printed,
        counterexample=_sides(claim.gap.definition, sp.S.Zero, point, ("right minus left", "at least")),
        consequence=claim.consequence(),
    )


def _judge_table(claim: Table, seed: int) -> Record:
    evidence, wrong = [], {}
    for name, printed, value in claim.cells:
        check = value.check(seed)
        if value.steps and not check.ok:
            raise ClaimError(f"{claim.label}, {name}: the value does not hold: {check.failures[0]}")
        exact = sp.Rational(decimal(value.conclusion, {}, DIGITS))
        unit = sp.Rational(10) ** Decimal(printed).as_tuple().exponent
        rounds = abs(exact - sp.Rational(printed)) <= unit / 2
        evidence.append(f"{name}: {float(exact):.6g}, printed {printed}" + ("" if rounds else " (wrong)"))
        if not rounds:
            wrong[name] = (printed, exact)
    if not wrong:
        return _record(claim, Verdict.CONFIRMED, tuple(evidence))
    if claim.cause is None or claim.consequence is None or claim.experiment is None:
        raise ClaimError(f"{claim.label}: {wrong}, but cause, consequence or second route is missing")
    for name, found in claim.experiment(seed).items():
        printed, exact = wrong[name]
        if not abs(found - exact) < abs(exact - sp.Rational(printed)) / 4:
            raise ClaimError(f"{claim.label}, {name}: second route {found}, first {float(exact)}")
        evidence.append(f"experiment: {name} is {found:.4g}")
    first = next(iter(wrong))
    return _record(
        claim,
        Verdict.REFUTED,
        tuple(evidence),
        cause=claim.cause,
        corrected=r",\; ".join(rf"\text{{{n}}}: {float(v):.4g}" for n, (_, v) in wrong.items()),
        counterexample={
            "cell": first,
            "true": f"{float(wrong[first][1]):.15g}",
            "printed": wrong[first][0],
        },
        consequence=claim.consequence(),
    )


def _experiment(claim: Claim, seed: int, refuted: bool) -> tuple[bool, tuple[str, ...]]:
    """Whether some trial refutes what is printed, and what was found; no trial may refute the truth."""
    if claim.experiment is None:
        return False, ()
    found = False
    evidence: list[str] = []
    for trial in claim.experiment(seed):
        true, printed = (
            float(decimal(e, dict(trial.point), 17)) for e in (claim.truth.conclusion, claim.right)
        )
        if trial.refutes(true, TRIALS):
            raise ClaimError(f"{claim.label}: the experiment finds {trial}, the derivation {true:.9g}")
        disagrees = trial.refutes(printed, TRIALS)
        found |= disagrees
        against = f"{true:.6g} is true, {printed:.6g} printed" if refuted else f"{printed:.6g} printed"
        where = ", ".join(f"{s} = {_short(v)}" for s, v in trial.point.items() if not isinstance(v, tuple))
        evidence.insert(
            0 if disagrees else len(evidence),
            f"experiment{' at ' if where else ''}{where}: {trial}; {against}",
        )
    return found, tuple(evidence)


def _record(
    claim: Claim | Inequality | Table, verdict: Verdict, evidence: tuple[str, ...], **found: Any
) -> Record:
    return Record(
        claim.label,
        claim.about,
        verdict,
        claim.printed,
        evidence,
        assumptions=claim.assumptions,
        sources=claim.sources,
        **found,
    )


def _statement(claim: Claim, letters: Letters) -> str:
    """What is true, with the left side as it is printed."""
    return f"{_left_side(claim.printed)} = {latex(_in_letters(claim.truth.conclusion, letters), 'lex')}"


def _left_side(printed: str) -> str:
    """What stands before the first relation outside braces."""
    depth = 0
    for found in re.finditer(_RELATION, printed):
        depth += {"{": 1, "}": -1}.get(found.group(), 0)
        if depth == 0 and found.group() not in ("{", "}"):
            return printed[: found.start()].strip()
    return printed


def _in_letters(expr: sp.Expr, letters: Letters) -> sp.Expr:
    for kind, name in letters.items():
        if isinstance(kind, type):  # an abbreviation with an index
            expr = expr.replace(kind, lambda *args, name=name: sp.IndexedBase(name)[args[0]])
    names = {
        s: sp.IndexedBase(name) if isinstance(s, sp.IndexedBase) else sp.Symbol(name)
        for s, name in letters.items()
        if not isinstance(s, type)
    }
    return expr.xreplace(names)


def _number(text: str) -> str:
    """Zero as zero, whatever its accuracy."""
    return "0" if float(text) == 0 else text


def _short(value: Any) -> str:
    """A number of an experiment, which may be a double with many digits."""
    exact = sp.Rational(value)
    return str(exact) if exact.q < 10**4 else f"{float(exact):.6g}"


def _said(claim: Claim | Inequality) -> str | None:
    return None if claim.consequence is None else claim.consequence()


def _shown(check: DerivationCheck) -> str:
    if not check.steps:
        return "the same expression as the definition"
    return f"{len(check.steps)} steps, {check.proved} proved, {check.enclosed} {_method(check)}"


def _method(check: DerivationCheck) -> str:
    return " and ".join(sorted({s.evidence for s in check.steps} - {""})) or "not evaluated"


def _sides(
    left: sp.Expr, right: sp.Expr, point: Point, names: tuple[str, str] = ("true", "printed")
) -> dict[str, str]:
    """A point and the two sides there, by name."""
    evaluator = Evaluator()
    values = {
        name: _number(evaluator.numbers.text(evaluator.at(e, point), DIGITS))
        for name, e in zip(names, (left, right), strict=True)
    }
    where = {str(s): ", ".join(map(str, v)) if isinstance(v, tuple) else str(v) for s, v in point.items()}
    return {**where, **values}
