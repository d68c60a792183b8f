"""Every formula against its derivation and its experiments."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sympy.external.gmpy import GROUND_TYPES

from derivations import DerivationCheck, Formula, catalog
from derivations.machinery.derivation import Failure, StepCheck
from numeric.monte_carlo import FALSE_ALARM, POWER, Estimate
from paper_checks.experiments import Measurement, experiments
from paper_checks.workers import Progress, Task, run

SCHEMA = "normquant.verify/2"


@dataclass(frozen=True)
class Comparison:
    """A measurement against the closed form at the same point.

    Attributes
    ----------
    measurement
        What the experiment found.
    closed_form
        The value of the closed form.
    resolution
        The smallest relative error that would have been caught (absolute where the closed form is 0).
    refuted
        Whether the two disagree.
    """

    measurement: Measurement
    closed_form: float
    resolution: float
    refuted: bool

    @property
    def estimate(self) -> float:
        """The measured value."""
        estimate = self.measurement.estimate
        return estimate.value if isinstance(estimate, Estimate) else float(estimate)


@dataclass(frozen=True)
class Verification:
    """What was found about one formula."""

    name: str
    check: DerivationCheck
    comparisons: tuple[Comparison, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Every step holds and no experiment disagrees."""
        return self.check.ok and not any(c.refuted for c in self.comparisons)

    @property
    def weakest(self) -> Comparison | None:
        """The refuted comparison, or the one of the coarsest resolution."""
        return max(self.comparisons, key=lambda c: (c.refuted, c.resolution), default=None)


def verify(
    formulas: Mapping[str, Formula] | None = None,
    *,
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> tuple[Verification, ...]:
    """Check derivations and run experiments.

    Parameters
    ----------
    formulas
        By name; the whole catalogue when None.
    seed
        Seed of the random points and of the draws.
    jobs
        Number of processes; all cores when None. No result depends on it.
    progress
        Called with the number of tasks done, their total, and the last one's name.

    Returns
    -------
    tuple
        One entry for each formula, in their order.
    """
    formulas = catalog() if formulas is None else formulas
    return collected(formulas, run(tasks(formulas, seed), jobs, progress))


def tasks(formulas: Mapping[str, Formula], seed: int) -> list[Task]:
    """Experiments first, which take longest, then derivations."""
    chosen = [(s, e) for s, e in enumerate(experiments()) if set(e.formulas) & set(formulas)]
    measuring = [
        Task(("experiment", stream), f"experiment on {experiment.formulas[0]}", _run, (stream, seed))
        for stream, experiment in chosen
    ]
    deriving = [Task(("derivation", name), name, _check, (f, seed)) for name, f in formulas.items()]
    return measuring + deriving


def collected(formulas: Mapping[str, Formula], found: Mapping[Any, Any]) -> tuple[Verification, ...]:
    """What the tasks found, formula by formula."""
    checks: dict[str, tuple[DerivationCheck, float]] = {}
    measured: dict[int, tuple[list[Measurement], float]] = {}
    for (kind, *key), value in found.items():
        if kind == "derivation":
            checks[key[0]] = value
        elif kind == "experiment":
            measured[key[0]] = value
    in_order = [m for stream in sorted(measured) for m in measured[stream][0] if m.formula in formulas]
    statistical = sum(isinstance(m.estimate, Estimate) for m in in_order)
    shares = {s: measured[s][1] / max(1, len({m.formula for m in measured[s][0]})) for s in measured}
    result = []
    for name, formula in formulas.items():
        own = [m for m in in_order if m.formula == name]
        check, seconds = checks[name]
        seconds += sum(shares[s] for s in measured if any(m.formula == name for m in measured[s][0]))
        comparisons = tuple(_compare(formula, m, statistical) for m in own)
        result.append(Verification(name, check, comparisons, seconds))
    return tuple(result)


def _check(formula: Formula, seed: int) -> tuple[DerivationCheck, float]:
    start = time.perf_counter()
    try:
        check = formula.check(seed)
    except Exception as error:  # what cannot be checked does not hold
        reason = f"the check fails with {type(error).__name__}: {error}"
        failure = Failure(reason, formula.definition, formula.closed_form)
        check = DerivationCheck((StepCheck("check", False, "", failure),))
    return check, time.perf_counter() - start


def _run(stream: int, seed: int) -> tuple[list[Measurement], float]:
    start = time.perf_counter()
    return experiments()[stream].run(seed, stream), time.perf_counter() - start


def _compare(formula: Formula, measurement: Measurement, statistical: int) -> Comparison:
    symbols = {str(getattr(s, "label", s)) for s in formula.domain.sets}
    point = {name: value for name, value in measurement.point.items() if name in symbols}
    try:
        closed_form = float(formula.evaluate(17, **point))
    except (ValueError, TypeError, ZeroDivisionError):  # no value where the experiment has one: refuted
        closed_form = math.nan
    refuted = refutes(measurement, closed_form, statistical)
    estimate = measurement.estimate
    if isinstance(estimate, Estimate):
        return Comparison(measurement, closed_form, estimate.resolution(statistical), refuted)
    bound = _bound(measurement, closed_form)
    resolution = bound / abs(closed_form) if closed_form else bound
    return Comparison(measurement, closed_form, resolution, refuted)


def refutes(measurement: Measurement, value: float, statistical: int) -> bool:
    """Whether a value lies further from a measurement than chance or rounding allows.

    Parameters
    ----------
    measurement
        What an experiment found.
    value
        What is claimed; no number where there is none.
    statistical
        Number of Monte Carlo estimates that share the false-alarm probability of the run.
    """
    estimate = measurement.estimate
    if isinstance(estimate, Estimate):
        return estimate.refutes(value, statistical)
    return not abs(estimate - value) <= _bound(measurement, value)


def _bound(measurement: Measurement, value: float) -> float:
    return measurement.tolerance * (measurement.scale + abs(value))


# --- the report ----------------------------------------------------------------------------------------


def table(results: tuple[Verification, ...]) -> str:
    """The results as text, one line for each formula, and the totals."""
    width = max(len(r.name) for r in results)
    header = (
        f"{'formula':{width}}  steps proved encl.  {'estimate':>12}  {'closed form':>12}"
        "  resolution  seconds  verdict"
    )
    lines = [header, "-" * len(header)]
    for r in results:
        c = r.weakest
        values = (
            f"{c.estimate:12.6g}  {c.closed_form:12.6g}  {c.resolution:10.1e}"
            if c
            else f"{'':12}  {'':12}  {'':10}"
        )
        verdict = "holds" if r.holds else "REFUTED"
        lines.append(
            f"{r.name:{width}}  {len(r.check.steps):5} {r.check.proved:6} {r.check.enclosed:5}  {values}"
            f"  {r.seconds:7.1f}  {verdict}"
        )
    lines += [str(f) for r in results for f in r.check.failures]
    lines += [
        f"{r.name}: the experiment gives {c.estimate:.9g}, the closed form {c.closed_form:.9g} "
        f"at {dict(c.measurement.point)}"
        for r in results
        for c in r.comparisons
        if c.refuted
    ]
    steps = sum(len(r.check.steps) for r in results)
    comparisons = [c for r in results for c in r.comparisons]
    evidence = {s.evidence for r in results for s in r.check.steps} - {""}
    lines += [
        "",
        f"{_count(len(results), 'formula')}, {_count(steps, 'step')}: {sum(r.check.proved for r in results)} proved, "
        f"{sum(r.check.enclosed for r in results)} {' and '.join(sorted(evidence)) or 'enclosed'}; "
        f"{_count(len(comparisons), 'comparison')}, coarsest resolution "
        f"{max((c.resolution for c in comparisons), default=0.0):.1e} (power {POWER}, "
        f"false alarm {FALSE_ALARM:g} for the run); {sum(not r.holds for r in results)} refuted",
    ]
    return "\n".join(lines)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number != 1 else ''}"


def report(results: tuple[Verification, ...], seed: int) -> dict[str, Any]:
    """The results as JSON data, schema ``normquant.verify/2``; claims come beside."""
    return {
        "schema": SCHEMA,
        "seed": seed,
        "versions": {**{p: _version(p) for p in ("normquant", "sympy", "numpy", "scipy", "python-flint")}}
        | {"python": platform.python_version(), "ground_types": GROUND_TYPES},
        "false_alarm": FALSE_ALARM,
        "power": POWER,
        "formulas": [
            {
                "name": r.name,
                "verdict": "holds" if r.holds else "refuted",
                "seconds": r.seconds,
                "steps": [
                    {
                        "reason": s.reason,
                        "proved": s.proved,
                        "evidence": s.evidence,
                        "failure": _failure(s.failure),
                    }
                    for s in r.check.steps
                ],
                "comparisons": [
                    {
                        "point": dict(c.measurement.point),
                        "estimate": _finite(c.estimate),
                        "closed_form": _finite(c.closed_form),
                        "resolution": _finite(c.resolution),
                        "draws": c.measurement.estimate.draws
                        if isinstance(c.measurement.estimate, Estimate)
                        else None,
                        "refuted": c.refuted,
                    }
                    for c in r.comparisons
                ],
            }
            for r in results
        ],
    }


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    point = None if failure.point is None else {str(s): str(v) for s, v in failure.point.items()}
    sides = {"left": str(failure.left), "right": str(failure.right)}
    return {"reason": failure.reason, **sides, "point": point, "values": failure.values}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None  # JSON has no nan


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write_json(data: dict[str, Any], path: Path) -> None:
    """Write a report beside its place, then move it there: a reader never sees half of one."""
    text = json.dumps(data, indent=1, allow_nan=False) + "\n"
    path = path.resolve()
    if path.exists() and not path.is_file():  # a pipe or a device is no place to move a file to
        path.write_text(text, encoding="utf-8")
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
