"""Verification sees what is wrong, and reports it."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from derivations import catalog, find
from numeric.experiments import logistic
from paper_checks import verification
from paper_checks.command_line import main
from paper_checks.experiments import Measurement, experiments


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
