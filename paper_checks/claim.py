"""A claim: what somebody printed, and the verdict that the program computes.

The transcription keeps what is printed. What the left side means is a definition of the package, the truth is a
derivation that begins there, and the printed right side is held against it: as one more step of that derivation,
it either follows or fails at a point. A claim is refuted on two routes that share no code: by that point, and by
an experiment that knows only the definition.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sympy as sp

from derivations.machinery.derivation import Derivation, DerivationCheck, Failure
from derivations.machinery.domain import Domain, Point
from derivations.machinery.enclosure import Evaluator, decimal
from derivations.machinery.latex import latex
from derivations.machinery.prover import Certificate, is_positive
from numeric.monte_carlo import Estimate


class Verdict(StrEnum):
    """What became of a claim."""

    CONFIRMED = "confirmed"
    APPROXIMATE = "approximate"
    REFUTED = "refuted"
    DEFINITION = "definition"
    EMPIRICAL = "empirical"


class Cause(StrEnum):
    """Why a refuted claim is wrong."""

    MISPRINT = "misprint"
    ALGEBRA = "algebra"
    CONCEPT = "concept"
    EXTRACTION = "extraction"


class ClaimError(ValueError):
    """A claim whose record is not complete: no verdict is given."""


@dataclass(frozen=True)
class Trial:
    """What an experiment found at one point, from the definition alone.

    Attributes
    ----------
    point
        A number for each symbol of the claim.
    found
        A Monte Carlo estimate, or a number.
    tolerance
        Relative error that a number is trusted to.
    """

    point: Mapping[Any, Any]
    found: Estimate | float
    tolerance: float = 1e-9

    def refutes(self, value: float, comparisons: int) -> bool:
        """Whether the value is further away than chance or rounding allows."""
        if isinstance(self.found, Estimate):
            return self.found.refutes(value, comparisons)
        return not abs(self.found - value) <= self.tolerance * (1 + abs(value))

    def __str__(self) -> str:
        if isinstance(self.found, Estimate):
            return f"{self.found.value:.6g} (standard error {self.found.standard_error:.1g})"
        return f"{self.found:.12g}"


@dataclass(frozen=True)
class Approximation:
    """In what limit the printed side becomes true.

    Attributes
    ----------
    large
        The symbol that goes to infinity.
    typical
        The point at which the size of the error is stated.
    """

    large: sp.Symbol
    typical: Mapping[Any, Any]


@dataclass(frozen=True)
class Claim:
    """An equation as printed.

    Attributes
    ----------
    label
        As printed, or U1, P1, ... by the rules of the documents.
    about
        One line in the words of the field.
    printed
        LaTeX, as printed.
    right
        The printed right side, transcribed.
    truth
        The derivation that begins with what the printed left side means.
    by
        Why the printed side equals the truth, where algebra does not show it.
    cause
        Why it is wrong, where it is.
    consequence
        What follows for the conclusion of the paper, as a number; computed when asked for.
    approximation
        Where the printed side is true in a limit only.
    experiment
        Called with a seed: trials of the definition.
    assumptions
        Under which the truth was derived.
    defines
        Whether the equation introduces its left side: there is nothing to prove but that it is used consistently.
    sources
        Where the same is stated elsewhere.
    """

    label: str
    about: str
    printed: str
    right: sp.Expr
    truth: Derivation
    by: Certificate | None = None
    cause: Cause | None = None
    consequence: Callable[[], str] | None = None
    approximation: Approximation | None = None
    experiment: Callable[[int], list[Trial]] | None = None
    assumptions: tuple[str, ...] = ()
    defines: bool = False
    sources: tuple[str, ...] = ()

    @property
    def domain(self) -> Domain:
        """Where the equation is claimed."""
        return self.truth.domain

    @property
    def as_printed(self) -> Derivation:
        """The printed side as one more step of the truth."""
        return self.truth.step("as printed", self.right, by=self.by)


@dataclass(frozen=True)
class Inequality:
    """An inequality as printed, ``left <= right`` or ``left < right``.

    Attributes
    ----------
    label, about, printed, cause, consequence, assumptions, sources
        As for a :class:`Claim`.
    left, right
        The two sides, transcribed.
    strict
        Whether they may not be equal.
    gap
        The derivation of ``right - left``; where the inequality is true it ends with an expression that is visibly
        positive, or not negative where it is not strict.
    """

    label: str
    about: str
    printed: str
    gap: Derivation
    strict: bool = False
    cause: Cause | None = None
    consequence: Callable[[], str] | None = None
    assumptions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """What the program found about one claim.

    Attributes
    ----------
    label, about, verdict, cause, printed, assumptions, consequence, sources
        As in the claim; the cause is None unless it is refuted.
    corrected
        LaTeX of what is true, where that is not what is printed.
    counterexample
        A point, and the two sides there to 15 digits.
    exact
        What an approximate claim approximates.
    error_order
        The order of its relative error.
    evidence
        What the verdict rests on.
    """

    label: str
    about: str
    verdict: Verdict
    printed: str
    evidence: tuple[str, ...]
    cause: Cause | None = None
    corrected: str | None = None
    counterexample: Mapping[str, str] | None = None
    exact: str | None = None
    error_order: str | None = None
    consequence: str | None = None
    assumptions: tuple[str, ...] = ()
    sources: tuple[str, ...] = field(default=())


DIGITS = 15
"""Of the two sides of a counterexample."""

TRIALS = 2000
"""Comparisons that share the false-alarm probability of a run over all documents."""

_ORDERS = tuple(sp.Rational(k, 2) for k in range(1, 9))
_POINTS = 64


Letters = Mapping[Any, str]
"""How a document writes symbols of the package, as LaTeX."""


def judge(claim: Claim | Inequality, seed: int = 0, letters: Letters | None = None) -> Record:
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
    check = claim.as_printed.check(seed)
    failure = check.failures[0] if check.failures else None
    if failure is None and check.ok:
        _, evidence = _experiment(claim, seed, refuted=False)
        verdict = Verdict.DEFINITION if claim.defines else Verdict.CONFIRMED
        return _record(claim, verdict, (_steps(check), *evidence))
    truth = claim.truth.check(seed)
    if claim.truth.steps and not truth.ok:
        raise ClaimError(f"{claim.label}: the truth does not hold: {truth.failures[0]}")
    if failure is None or failure.point is None:
        raise ClaimError(f"{claim.label}: neither shown nor refuted: {failure}")
    if claim.approximation is not None:
        return _approximate(claim, claim.approximation, truth, letters)
    return _refuted(claim, failure, truth, seed, letters)


def _refuted(claim: Claim, failure: Failure, truth: DerivationCheck, seed: int, letters: Letters) -> Record:
    if claim.cause is None or claim.consequence is None or not claim.truth.steps:
        raise ClaimError(
            f"{claim.label} is false as printed, but cause, consequence or correction is missing"
        )
    refutes, evidence = _experiment(claim, seed, refuted=True)
    if not refutes:
        raise ClaimError(f"{claim.label} is false as printed, but no experiment says so: {evidence}")
    assert failure.point is not None
    return _record(
        claim,
        Verdict.REFUTED,
        ("counterexample by " + _method(truth), *evidence, "correction: " + _steps(truth)),
        cause=claim.cause,
        corrected=_statement(claim, letters),
        counterexample=_sides(claim.truth.definition, claim.right, failure.point),
        consequence=claim.consequence(),
    )


def _approximate(claim: Claim, limit: Approximation, truth: DerivationCheck, letters: Letters) -> Record:
    exact = claim.truth.conclusion
    error = sp.simplify(claim.right / exact - 1)
    for order in _ORDERS:
        leading = sp.limit(error * limit.large**order, limit.large, sp.oo)
        if leading != 0:
            break
    if not leading.is_finite or leading == 0:
        raise ClaimError(f"{claim.label} does not become true for large {limit.large}")
    size = decimal(error, dict(limit.typical), 3)
    where = ", ".join(f"{symbol} = {value}" for symbol, value in limit.typical.items())
    return _record(
        claim,
        Verdict.APPROXIMATE,
        ("exact: " + _steps(truth), f"limit of the error times {limit.large}^{order}: {leading}"),
        exact=_statement(claim, letters),
        error_order=f"{limit.large}^-{order}; {size} at {where}",
        consequence=claim.consequence() if claim.consequence else None,
    )


def _judge_inequality(claim: Inequality, seed: int) -> Record:
    domain, gap = claim.gap.domain, claim.gap.conclusion
    check = claim.gap.check(seed)
    if claim.gap.steps and not check.ok:
        raise ClaimError(f"{claim.label}: the gap of the inequality is not that: {check.failures[0]}")
    evaluator, rng = Evaluator(), random.Random(seed)
    for _ in range(_POINTS):
        point = domain.sample(rng)
        sign = evaluator.sign(evaluator.at(gap, point))
        if sign < 0 or (claim.strict and sign == 0):
            if claim.cause is None or claim.consequence is None:
                raise ClaimError(f"{claim.label} fails at {point}, but cause or consequence is missing")
            return _record(
                claim,
                Verdict.REFUTED,
                (f"counterexample by {evaluator.numbers.evidence} evaluation",),
                cause=claim.cause,
                counterexample=_sides(gap, sp.S.Zero, point),
                consequence=claim.consequence(),
            )
    if not (is_positive(gap, domain) or (not claim.strict and gap.is_nonnegative)):
        raise ClaimError(f"{claim.label}: held at {_POINTS} points, but not shown")
    return _record(claim, Verdict.CONFIRMED, (_steps(check), f"the gap is positive; {_POINTS} points"))


def _experiment(claim: Claim, seed: int, refuted: bool) -> tuple[bool, tuple[str, ...]]:
    """Whether some trial refutes what is printed, and what was found; no trial may refute the truth."""
    if claim.experiment is None:
        return False, ()
    found = False
    evidence = []
    for trial in claim.experiment(seed):
        true, printed = (
            float(decimal(e, dict(trial.point), 17)) for e in (claim.truth.conclusion, claim.right)
        )
        if trial.refutes(true, TRIALS):
            raise ClaimError(f"{claim.label}: the experiment finds {trial}, the derivation {true:.9g}")
        found |= trial.refutes(printed, TRIALS)
        against = f"{true:.6g} is true, {printed:.6g} printed" if refuted else f"{printed:.6g} printed"
        where = ", ".join(f"{s} = {v}" for s, v in trial.point.items() if not isinstance(v, tuple))
        evidence.append(f"experiment at {where}: {trial}; {against}")
    return found, tuple(evidence)


def _record(claim: Claim | Inequality, verdict: Verdict, evidence: tuple[str, ...], **found: Any) -> Record:
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
    left, _, _ = claim.printed.partition("=")
    return f"{left.strip()} = {latex(_in_letters(claim.truth.conclusion, letters))}"


def _in_letters(expr: sp.Expr, letters: Letters) -> sp.Expr:
    names = {
        s: sp.IndexedBase(name) if isinstance(s, sp.IndexedBase) else sp.Symbol(name)
        for s, name in letters.items()
    }
    return expr.xreplace(names)


def _steps(check: DerivationCheck) -> str:
    return f"{len(check.steps)} steps, {check.proved} proved, {check.enclosed} {_method(check)}"


def _method(check: DerivationCheck) -> str:
    return " and ".join(sorted({s.evidence for s in check.steps} - {""})) or "not evaluated"


def _sides(left: sp.Expr, right: sp.Expr, point: Point) -> dict[str, str]:
    """A point and the two sides there, by name."""
    evaluator = Evaluator()
    values = {
        name: evaluator.numbers.text(evaluator.at(e, point), DIGITS)
        for name, e in (("true", left), ("printed", right))
    }
    where = {str(s): ", ".join(map(str, v)) if isinstance(v, tuple) else str(v) for s, v in point.items()}
    return {**where, **values}
