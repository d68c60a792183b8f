"""Every formula against its derivation and its experiments."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import sympy as sp
from sympy.external.gmpy import GROUND_TYPES

from derivations import DerivationCheck, Formula, catalog
from derivations.machinery.abbreviation import unfold
from derivations.machinery.derivation import Failure, StepCheck
from derivations.ternary import Distribution
from numeric.instruments.bounded import Bounded
from numeric.sampling.checkpoint import write_aside
from numeric.sampling.engine import sampling
from numeric.sampling.estimates import FALSE_ALARM, POWER, Estimate, Moments
from numeric.sampling.executors import Plan, run, single
from paper_checks.experiments import AnyExperiment, Experiment, Measurement, Sampled, experiments
from paper_checks.experiments.measurement import COMPARISONS

SCHEMA = "normquant.verify/3"


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

    def resolution(self, by_draws: bool) -> float | None:
        """The coarsest resolution of plain draws, or of sharper instruments; None where there is none."""
        own = (c.resolution for c in self.comparisons if c.measurement.by_draws == by_draws)
        return max(own, default=None)

    @property
    def resolution_without_draws(self) -> float | None:
        """The coarsest resolution at random points, of a formula without draws; None of others."""
        if any(c.measurement.by_draws for c in self.comparisons):
            return None
        return max((c.resolution for c in self.comparisons if c.measurement.at_random), default=None)


def verify(
    formulas: Mapping[str, Formula] | None = None,
    *,
    seed: int = 0,
    executor: Executor | None = None,
) -> tuple[Verification, ...]:
    """Check derivations and run experiments.

    Parameters
    ----------
    formulas
        By name; the whole catalogue when None.
    seed
        Seed of the random points and of the draws.
    executor
        Who computes, as in :func:`numeric.sampling.executors.run`. No result depends on it.

    Returns
    -------
    tuple
        One entry for each formula, in their order.
    """
    formulas = catalog() if formulas is None else formulas
    return collected(formulas, run(plans(formulas, seed), executor))


def plans(formulas: Mapping[str, Formula], seed: int) -> dict[Hashable, Plan[Any]]:
    """Experiments first, which take longest, then derivations."""
    deriving = {("derivation", name): single(_check, f, seed) for name, f in formulas.items()}
    return measuring_plans(formulas, seed) | deriving


def measuring_plans(formulas: Mapping[str, Formula], seed: int) -> dict[Hashable, Plan[list[Measurement]]]:
    """The experiments that test formulas, those that draw first."""
    chosen = [(s, e) for s, e in enumerate(experiments()) if set(e.formulas) & set(formulas)]
    chosen.sort(key=lambda item: not isinstance(item[1], Sampled))
    return {
        ("experiment", stream, experiment.formulas[0]): _measuring(experiment, set(formulas), seed, stream)
        for stream, experiment in chosen
    }


def _measuring(
    experiment: AnyExperiment, wanted: Set[str], seed: int, stream: int
) -> Plan[list[Measurement]]:
    if isinstance(experiment, Experiment):
        return (yield from single(_run, stream, seed))  # by number, since closures cannot be sent

    def excess(point: int, moments: Moments, share: float) -> float:
        tests = experiment.measurements(point, moments, share)
        if not any(m.formula in wanted for m in tests):  # a point that others share draws with
            return 0.0
        return experiment.excess(point, moments, share)

    found = yield from sampling(experiment.draws, excess, seed=seed, stream=stream)
    return [
        m
        for point, (moments, share) in enumerate(found)
        for m in experiment.measurements(point, moments, share)
        if m.formula in wanted
    ]


def _run(stream: int, seed: int) -> list[Measurement]:
    experiment = experiments()[stream]
    assert isinstance(experiment, Experiment)
    return experiment.run(seed, stream)


def _check(formula: Formula, seed: int) -> tuple[DerivationCheck, float]:
    start = time.perf_counter()
    try:
        check = formula.check(seed)
    except Exception as error:  # what cannot be checked does not hold
        reason = f"the check fails with {type(error).__name__}: {error}"
        failure = Failure(reason, formula.definition, formula.closed_form)
        check = DerivationCheck((StepCheck("check", False, "", failure),))
    return check, time.perf_counter() - start


def measured(found: Mapping[Any, Any]) -> list[Measurement]:
    """All measurements, in the order of the experiments."""
    streams = sorted((key for key in found if key[0] == "experiment"), key=lambda key: key[1])
    measurements = [m for key in streams for m in found[key]]
    statistical = sum(isinstance(m.estimate, Estimate) for m in measurements)
    if statistical > COMPARISONS:
        raise ValueError(f"{statistical} statistical comparisons share a probability made for {COMPARISONS}")
    return measurements


def collected(formulas: Mapping[str, Formula], found: Mapping[Any, Any]) -> tuple[Verification, ...]:
    """What the plans found, formula by formula."""
    by_name: dict[str, list[Measurement]] = {name: [] for name in formulas}
    for measurement in measured(found):
        by_name.get(measurement.formula, []).append(measurement)
    return tuple(
        Verification(name, check, tuple(_compare(formula, m) for m in by_name[name]), seconds)
        for name, formula in formulas.items()
        for check, seconds in [found["derivation", name]]
    )


def _compare(formula: Formula, measurement: Measurement) -> Comparison:
    try:
        value = closed_form(formula, measurement)
    except (ValueError, TypeError, ZeroDivisionError):  # no value where the experiment has one: refuted
        value = math.nan
    return Comparison(measurement, value, measurement.resolution(value), measurement.refutes(value))


def closed_form(formula: Formula, measurement: Measurement) -> float:
    """The value of the closed form where something was measured."""
    symbols = {str(getattr(s, "label", s)): s for s in formula.domain.sets}
    point = {name: value for name, value in measurement.point.items() if name in symbols}
    if measurement.distribution is None:
        return float(formula.evaluate(17, **point))
    at = {symbols[name]: value for name, value in point.items()}
    return float(with_distribution(formula.closed_form, at, measurement.distribution))


def with_distribution(
    expr: sp.Expr, at: Mapping[Any, Any], distribution: Callable[[float], float]
) -> sp.Expr:
    """What holds for any law, at a point and for the law with this distribution function."""
    specified = unfold(expr).subs(at).doit()
    return specified.replace(Distribution, lambda v: sp.Rational(distribution(float(v))))


# --- the report ----------------------------------------------------------------------------------------


def table(results: tuple[Verification, ...]) -> str:
    """The results as text, one line for each formula, and the totals."""
    width = max(len(r.name) for r in results)
    header = f"{'formula':{width}}  steps proved encl.  {'estimate':>12}  {'closed form':>12}  {'draws':>7}  sharper"
    header += "  verdict"
    lines = [header, "-" * len(header)]
    for r in results:
        c = r.weakest
        values = f"{c.measurement.value:12.6g}  {c.closed_form:12.6g}" if c else f"{'':12}  {'':12}"
        resolutions = "".join(f"  {_short(r.resolution(by_draws)):>7}" for by_draws in (True, False))
        verdict = "holds" if r.holds else "REFUTED"
        lines.append(
            f"{r.name:{width}}  {len(r.check.steps):5} {r.check.proved:6} {r.check.enclosed:5}  {values}"
            f"{resolutions}  {verdict}"
        )
    lines += [str(f) for r in results for f in r.check.failures]
    lines += [
        f"{r.name}: the experiment gives {c.measurement.value:.9g}, the closed form {c.closed_form:.9g} "
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
        f"{counted(len(results), 'formula')}, {counted(steps, 'step')}: {sum(r.check.proved for r in results)} proved, "
        f"{sum(r.check.enclosed for r in results)} {' and '.join(sorted(evidence)) or 'enclosed'}; "
        f"{counted(len(comparisons), 'comparison')}; {sum(not r.holds for r in results)} refuted",
        _resolutions(results),
    ]
    return "\n".join(lines)


def _resolutions(results: tuple[Verification, ...]) -> str:
    """The smallest relative errors that would have been caught."""
    drawn = [r for r in results if r.resolution(by_draws=True) is not None]
    draws = [r.resolution(by_draws=True) for r in drawn]
    beside = [r.resolution(by_draws=False) for r in drawn]
    at_random = [x for r in results if (x := r.resolution_without_draws) is not None]
    text = (
        f"resolution at worst (absolute where a formula says 0): {_worst(draws)} by plain draws and {_worst(beside)} "
        f"by sharper instruments beside them ({counted(len(drawn), 'formula')}, power {POWER}, false alarm "
        f"{FALSE_ALARM:g} for the run)"
    )
    if at_random:
        text += (
            f", {_worst(at_random)} at random points for the {len(at_random)} without randomness of their own"
        )
    return text


def _worst(resolutions: Sequence[float | None]) -> str:
    return _short(max((x for x in resolutions if x is not None), default=None)) or "none"


def _short(number: float | None) -> str:
    return "" if number is None else f"{number:.1e}"


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number != 1 else ''}"


def report(results: tuple[Verification, ...], seed: int) -> dict[str, Any]:
    """The results as JSON data, schema ``normquant.verify/3``; claims come beside."""
    return {
        "schema": SCHEMA,
        "seed": seed,
        "versions": {**{p: version_of(p) for p in ("normquant", "sympy", "numpy", "scipy", "python-flint")}}
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
                        "estimate": _finite(c.measurement.value),
                        "closed_form": _finite(c.closed_form),
                        "resolution": _finite(c.resolution),
                        **_instrument(c.measurement),
                        "refuted": c.refuted,
                    }
                    for c in r.comparisons
                ],
            }
            for r in results
        ],
    }


def _instrument(measurement: Measurement) -> dict[str, Any]:
    """How a value was found."""
    estimate = measurement.estimate
    if isinstance(estimate, Estimate):
        return {
            "instrument": "draws",
            "draws": estimate.draws,
            "standard_error": _finite(estimate.standard_error),
        }
    if isinstance(estimate, Bounded):
        return {"instrument": "bounded", "bound": _finite(estimate.bound)}
    return {"instrument": "trusted", "tolerance": measurement.tolerance}


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    point = None if failure.point is None else {str(s): str(v) for s, v in failure.point.items()}
    sides = dict(zip(("left", "right"), failure.sides, strict=True))
    return {"reason": failure.reason, **sides, "point": point, "values": failure.values}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None  # JSON has no nan


def version_of(package: str) -> str | None:
    """The version of an installed package; None where it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write_json(data: dict[str, Any], path: Path) -> None:
    """Write a report; the file is never half written."""
    write_aside(path, json.dumps(data, indent=1, allow_nan=False) + "\n")
