"""Whether the checks would notice: every closed form and every true claim with one small error in it.

A mutant of a closed form meets the measurements that the closed form agrees with; a mutant of a printed side meets
the trials of its claim, and the measurements of the formula whose definition is that of its left side. What these do
not tell from the original meets the definition at random points of the domain, evaluated by balls: derivatives by dual
numbers, integrals enclosed. That is an experiment of its own, which knows no closed form; it is counted apart, for it
shows where measurements are weak or there are none. What agrees there too must be proved equal to the original, or it
survives: a hole in the checks.

A mutant without a value at a point has first to face the other points. Where it has a value at none of them, or
none of them refutes it and it is not proved equal, it is refuted all the same, since the original has a value there;
that too is counted apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from typing import Any

import sympy as sp

from derivations import Domain, Formula, catalog, find
from derivations.batchnorm import eps
from derivations.machinery.arithmetic import Unevaluable
from derivations.machinery.enclosure import decimal
from numeric.sampling.estimates import Estimate
from numeric.sampling.executors import Plan, Progress, run, single
from paper_checks import verification
from paper_checks.claim import AnyClaim, Claim, Definition, Inequality, Observation, Table
from paper_checks.equality import proved_equal
from paper_checks.experiments import Measurement
from paper_checks.judgement import DIGITS, TRIALS
from paper_checks.mutation import Mutant, mutants
from paper_checks.papers import documents
from paper_checks.refutation import DefinitionPoints, Measured, OriginalFailsError, Place
from paper_checks.transcription import exact_point

SCHEMA = "normquant.mutants/1"

_WHILE_WITHOUT_VALUE = 100
"""Points that are searched before what has no value at some point is refuted by that."""

CLEAR = 100.0
"""So many times beyond its threshold a kill is clear: no stronger one is looked for."""


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
    problem
        Why the original itself does not pass.
    """

    name: str
    counts: Mapping[Fate, int]
    weakest: Outcome | None = None
    listed: tuple[Outcome, ...] = ()
    measured: bool = False
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
        """Whether mutants were made and none survived."""
        return not self.problem and not self.counts.get(Fate.SURVIVED, 0) and bool(self.total)


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


# --- one expression ----------------------------------------------------------------------------------------


def _finding(
    name: str, original: sp.Expr, domain: Domain, measured: Sequence[Measured], definition: DefinitionPoints
) -> Finding:
    """What becomes of every mutant of an expression."""
    try:
        for place in measured:
            if place.excess(original) > 0:
                raise OriginalFailsError(f"refuted by the experiment at {place.evaluator.point}")
        if not measured and not definition.agrees():
            raise OriginalFailsError("there is no point where the original could be checked")
        fates = [
            (mutant, *_fate(mutant, original, domain, measured, definition))
            for mutant in mutants(original, domain)
        ]
    except (OriginalFailsError, Unevaluable, ZeroDivisionError) as problem:
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
    measured: Sequence[Measured],
    definition: DefinitionPoints,
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
    if proved_equal(original, mutant.expression, domain):
        return Fate.EQUIVALENT, 0.0
    further = definition.places(definition.few)
    for place in islice(further, _WHILE_WITHOUT_VALUE) if None in excesses else further:
        excesses.append(_excess(mutant.expression, place))
        if excesses[-1]:
            return Fate.ENCLOSED, excesses[-1]
    return (Fate.WITHOUT_VALUE if None in excesses else Fate.SURVIVED), 0.0


def _excess(expr: sp.Expr, place: Place) -> float | None:
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
    original, domain = formula.closed_form, formula.domain
    definition = DefinitionPoints(formula.definition, original, domain, f"{seed}/{formula.name}")
    return _finding(formula.name, original, domain, _places(formula, measurements), definition)


def _places(formula: Formula, measurements: Sequence[Measurement]) -> list[Measured]:
    """Where a formula was measured; what refutes clearly comes first, then what is quick to evaluate."""
    symbols = {str(getattr(s, "label", s)): s for s in formula.domain.sets}

    def place(measurement: Measurement) -> Measured:
        point = {symbols[name]: value for name, value in measurement.point.items() if name in symbols}
        return Measured(exact_point(point), measurement.value, measurement.refutes, measurement.distribution)

    def rank(measurement: Measurement) -> tuple[bool, int]:
        size = sum(len(v) if isinstance(v, tuple) else 1 for v in measurement.point.values())
        return measurement.by_draws, size

    return [place(measurement) for measurement in sorted(measurements, key=rank)]


def same_definition(claim: AnyClaim) -> Formula | None:
    """The formula of the catalogue whose definition is that of a claim's left side, if there is one.

    The claim may be stated for ``eps = 0``.
    """
    if not isinstance(claim, Claim):
        return None
    symbols, definition = set(claim.truth.domain.sets), claim.truth.definition
    for formula in catalog().values():
        without = formula.definition if eps in symbols else formula.definition.xreplace({eps: sp.S.Zero})
        if without == definition and symbols == set(formula.domain.sets) - ({eps} - symbols):
            return formula
    return None


def _places_of_claim(claim: Claim, measurements: Sequence[Measurement]) -> list[Measured]:
    """Where the formula of the same definition was measured, as far as the claim is stated there."""
    formula = same_definition(claim)
    if formula is None:
        return []
    found = []
    for place in _places(formula, [m for m in measurements if m.formula == formula.name]):
        point = {s: value for s, value in place.evaluator.point.items() if s in claim.truth.domain.sets}
        at_eps = eps in point or not place.evaluator.point.get(eps)
        if at_eps and claim.truth.domain.contains(point):
            found.append(Measured(point, place.centre, place.refutes, place.distribution))
    return found


def mutate_claim(
    name: str, claim: AnyClaim, measurements: Sequence[Measurement] = (), seed: int = 0
) -> Finding:
    """What becomes of the mutants of a printed side, of a gap, or of the digits of a table.

    Parameters
    ----------
    name
        What the claim is called.
    claim
        A claim that is true as printed.
    measurements
        What experiments found for the formula of the same definition.
    seed
        Seed of points and draws.
    """
    if isinstance(claim, Table):
        return _mutate_digits(name, claim)
    assert isinstance(claim, Claim | Inequality)
    truth = claim.truth if isinstance(claim, Claim) else claim.gap
    printed = claim.right if isinstance(claim, Claim) else claim.gap.conclusion
    trials = claim.experiment(seed) if claim.experiment is not None else []
    measured = [
        Measured(
            dict(trial.point),
            trial.found.value if isinstance(trial.found, Estimate) else trial.found,
            lambda value, trial=trial: trial.refutes(value, TRIALS),  # type: ignore[misc]
        )
        for trial in trials
    ]
    if isinstance(claim, Claim):
        measured += _places_of_claim(claim, measurements)
    if printed == truth.definition and not measured:
        return Finding(
            name, {}, problem="the definition is the printed expression, and there is no experiment"
        )
    definition = DefinitionPoints(truth.definition, printed, truth.domain, f"{seed}/{name}")
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
    every = _named_claims()
    behind = [same_definition(every[name]) for name in claims]
    named = {name: find(name) for name in formulas} | {f.name: f for f in behind if f is not None}
    first = run(verification.measuring_plans(named, seed), executor, progress=progress)
    measurements = verification.measured(first)
    plans = formula_plans(formulas, measurements, seed) | claim_plans(claims, measurements, seed)
    return collected(run(plans, executor, progress=progress))


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


def claim_plans(
    names: Sequence[str], measurements: Sequence[Measurement], seed: int
) -> dict[Hashable, Plan[Finding]]:
    """One for each claim."""
    every = _named_claims()
    plans: dict[Hashable, Plan[Finding]] = {}
    for name in names:
        formula = same_definition(every[name])
        relevant = [m for m in measurements if formula is not None and m.formula == formula.name]
        plans["mutants of claim", name] = single(_mutate_named, name, relevant, seed)
    return plans


def collected(found: Mapping[Any, Any]) -> Findings:
    """What the plans found."""
    formulas, claims = (
        tuple(finding for key, finding in found.items() if key[0] == f"mutants of {what}")
        for what in ("formula", "claim")
    )
    return Findings(formulas, claims)


def _mutate_named(name: str, measurements: Sequence[Measurement], seed: int) -> Finding:
    return mutate_claim(name, _named_claims()[name], measurements, seed)


def _named_claims() -> dict[str, AnyClaim]:
    return {claim_name(id, c.label): c for id, document in documents().items() for c in document.claims}


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
    formulas = verification.counted(len(findings.formulas), "formula")
    claims = verification.counted(len(findings.claims), "claim")
    lines.append(
        f"{verification.counted(sum(total.values()), 'mutant')} of {formulas} and {claims}: "
        f"{total[Fate.MEASURED]} refuted by experiments, {total[Fate.ENCLOSED]} by the definition alone, "
        f"{total[Fate.WITHOUT_VALUE]} without a value; {total[Fate.EQUIVALENT]} proved equivalent, "
        f"{total[Fate.SURVIVED]} survived; {sum(not f.total and not f.problem for f in found)} without mutants, "
        f"{sum(bool(f.problem) for f in found)} that do not pass themselves"
    )
    measured = [f for f in found if f.weakest is not None and f.weakest.fate is Fate.MEASURED]
    if measured:
        weakest = min(measured, key=lambda f: f.weakest.excess if f.weakest else math.inf)
        lines.append(f"weakest kill by an experiment: {weakest.name}, {_weakest(weakest)}")
    return "\n".join(lines)


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
    if finding.problem:
        return finding.problem
    if finding.weakest is None:
        return "none"
    size, operator = finding.weakest.excess, finding.weakest.operator
    if finding.weakest.fate is Fate.MEASURED:
        shown = f"over {CLEAR:g}" if size > CLEAR else f"{size:.2g}"
        return f"{shown} times the threshold, {operator}"
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
        "problem": finding.problem,
        "counts": {str(fate): finding.counts.get(fate, 0) for fate in Fate},
        "weakest": None if finding.weakest is None else _outcome_data(finding.weakest),
        "listed": list(map(_outcome_data, finding.listed)),
    }


def _outcome_data(outcome: Outcome) -> dict[str, Any]:
    excess = outcome.excess if math.isfinite(outcome.excess) else None
    return {"operator": outcome.operator, "mutant": outcome.text, "fate": str(outcome.fate), "excess": excess}
