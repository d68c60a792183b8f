"""Verification sees what is wrong, and reports it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import pytest

from derivations import DerivationCheck, catalog, find
from numeric.experiments import logistic
from numeric.sampling.engine import sample
from numeric.sampling.estimates import Estimate
from numeric.sampling.normal import NormalDraws
from paper_checks import verification
from paper_checks.command_line import main
from paper_checks.experiments import Experiment, Measurement, Sampled, experiments
from paper_checks.experiments.measurement import COMPARISONS, RESOLUTION


def test_a_broken_step_turns_the_verdict_red() -> None:
    formula = find("batchnorm.inference")
    broken = dataclasses.replace(formula, derivation=formula.derivation.step("a slip", lambda e: e + 1))
    (result,) = verification.verify({formula.name: broken})
    assert not result.holds
    assert "a slip" in verification.table((result,))


def test_an_experiment_refutes_a_formula_whose_derivation_is_consistent() -> None:
    mean, moment = find("batchnorm.grad_gamma"), find("batchnorm.grad_beta")
    impostor = dataclasses.replace(moment, name=mean.name)
    (result,) = verification.verify({mean.name: impostor})
    assert result.check.ok
    assert not result.holds


def test_a_formula_for_any_law_is_compared_by_the_distribution_that_was_drawn_from() -> None:
    formula, at = find("ternary.p_plus"), {"delta": 1.0}
    above = 1 / (1 + math.e)
    for right in (True, False):
        drawn = Measurement(
            formula.name, at, above, distribution=logistic.distribution if right else lambda v: 0.5 + v / 9
        )
        assert verification._compare(formula, drawn).refuted is not right
    assert verification._compare(formula, Measurement(formula.name, at, above)).refuted


def test_report_is_written_whole_and_exit_status_is_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    assert main(["verify", "batchnorm.grad_beta", "--json", str(file), "--jobs", "1"]) == 0
    data = json.loads(file.read_text())
    assert data["schema"] == "normquant.verify/3"
    assert [f["verdict"] for f in data["formulas"]] == ["holds"]
    assert list(tmp_path.iterdir()) == [file]
    assert "1 formula, 2 steps: 2 proved, 2 enclosed" in capsys.readouterr().out


def test_every_experiment_names_formulas_that_exist() -> None:
    for experiment in experiments():
        for name in experiment.formulas:
            find(name)


def test_every_formula_has_an_experiment() -> None:
    tested = {name for experiment in experiments() for name in experiment.formulas}
    assert tested == set(catalog())


def test_what_has_no_draws_is_tested_at_random_points() -> None:
    drawn = {name for e in experiments() if isinstance(e, Sampled) for name in e.formulas}
    others = [e for e in experiments() if isinstance(e, Experiment) and not drawn.issuperset(e.formulas)]
    at_random = {m.formula for e in others for m in e.run(0, 0) if m.at_random}
    assert drawn | at_random == set(catalog())


def test_no_symbol_has_one_value_only_in_what_is_measured_without_draws() -> None:
    """A wrong formula that is right at one value, or for one ratio of two symbols, would go unnoticed."""
    seen: dict[tuple[str, str], set[object]] = defaultdict(set)
    for stream, experiment in enumerate(experiments()):
        for m in experiment.run(0, stream) if isinstance(experiment, Experiment) else ():
            values = {k: v for k, v in m.point.items() if isinstance(v, float) and v}
            for symbol, value in m.point.items():
                seen[m.formula, symbol].add(value)
            for one, other in combinations(sorted(values), 2):
                seen[m.formula, f"{one}/{other}"].add(round(values[one] / values[other], 9))
    measured = {formula for formula, _ in seen}
    for formula in measured:
        free = catalog()[formula].closed_form.free_symbols
        symbols = sorted(s.name for s in free if s.is_Symbol)  # no entries of a sequence
        for symbol in symbols:
            assert len(seen[formula, symbol]) > 1, (formula, symbol)
        for one, other in combinations(symbols, 2):
            ratios = seen.get((formula, f"{one}/{other}"))  # of numbers, not of batches or integers
            assert ratios is None or len(ratios) > 1, (formula, one, other)


def test_a_value_of_zero_is_resolved_absolutely() -> None:
    estimate = Estimate(1e-6, 1e-5, 10**8)
    found = Measurement("", {}, estimate)
    assert found.resolution(0.0) == estimate.detectable(COMPARISONS) < RESOLUTION
    assert found.resolution(1e-6) == estimate.resolution(COMPARISONS) == math.inf
    (moments,) = sample(draws := NormalDraws(1, lambda z: z[0]), 10**5, seed=0)
    for expected_zero in (False, True):
        measured = [dataclasses.replace(found, expected_zero=expected_zero)]
        sampled = Sampled(("",), draws, lambda *_, measured=measured: measured)  # type: ignore[misc]
        assert (sampled.excess(0, moments, 1.0) < 1) is expected_zero


def test_resolutions_are_those_of_draws_or_of_random_points() -> None:
    check = DerivationCheck(())

    def result(*comparisons: tuple[Measurement, float]) -> verification.Verification:
        found = tuple(verification.Comparison(m, 1.0, resolution, False) for m, resolution in comparisons)
        return verification.Verification("", check, found, 0.0)

    at_random = Measurement("", {}, 1.0, at_random=True)
    by_draws, fixed = Measurement("", {}, Estimate(1.0, 1e-4, 10**8)), Measurement("", {}, 1.0)
    alone = result((at_random, 1e-9), (at_random, 1e-8), (fixed, 1e-5))
    assert alone.resolution_without_draws == 1e-8
    assert result((at_random, 1e-9), (by_draws, 1e-3)).resolution_without_draws is None
    assert result((fixed, 1e-9)).resolution_without_draws is None
    both = result((by_draws, 2e-3), (fixed, 1e-9), (fixed, 1e-6))
    line = verification.table((alone, both)).splitlines()[-1]
    assert "2.0e-03 by plain draws and 1.0e-06 by sharper instruments beside them (1 formula," in line
    assert "1.0e-08 at random points for the 1 without" in line
    assert "random points" not in verification.table((result((by_draws, 2e-3)),))


def test_wrong_usage_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "relu.maen"]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert main(["eval", "relu.c2", "gamma=0", "beta=1"]) == 2
    assert "outside the domain: gamma in" in capsys.readouterr().err
    assert main(["eval", "relu.mean", "a=__import__('os')"]) == 2
    assert main(["verify", "--json", str(tmp_path / "no" / "file"), "relu.mean"]) == 2


def test_list_show_latex_and_eval(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "relu.mean " in capsys.readouterr().out
    assert main(["show", "relu.mean"]) == 0
    assert "a*Phi(a) + phi(a)" in capsys.readouterr().out
    assert main(["latex", "relu.mean", "--derivation"]) == 0
    assert capsys.readouterr().out.startswith(r"\begin{align}")
    assert main(["eval", "batchnorm.grad_beta", "m=3", "g=1,2,3.5"]) == 0
    assert float(capsys.readouterr().out) == 6.5
