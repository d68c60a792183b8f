"""What becomes of mutants: by which instrument they are refuted, and that a survivor fails the run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import sympy as sp

from derivations import Derivation, Domain, Formula, find
from derivations.machinery.prover import Antiderivative
from paper_checks import mutants
from paper_checks.claim import Table
from paper_checks.command_line import main
from paper_checks.experiments import Experiment, Measurement, experiments
from paper_checks.mutants import Fate, mutate_claim, mutate_formula
from paper_checks.papers import documents

a, t = sp.symbols("a t", real=True)


def measured(name: str) -> list[Measurement]:
    return [
        measurement
        for stream, experiment in enumerate(experiments())
        if name in experiment.formulas
        if isinstance(experiment, Experiment)
        for measurement in experiment.run(0, stream)
        if measurement.formula == name
    ]


def test_a_sharp_experiment_refutes_every_mutant_and_says_how_closely() -> None:
    found = mutate_formula(find("batchnorm.grad_xhat"), measured("batchnorm.grad_xhat"), 0)
    assert found.holds
    assert found.counts == {Fate.MEASURED: found.total}
    assert found.weakest is not None
    assert found.weakest.excess > 100


def test_what_a_blunt_experiment_misses_is_counted_apart() -> None:
    name = "batchnorm.grad_xhat"
    blunt = [dataclasses.replace(m, tolerance=0.3) for m in measured(name)]
    found = mutate_formula(find(name), blunt, 0)
    assert found.holds
    assert found.counts[Fate.ENCLOSED] > 0
    assert any(o.fate is Fate.ENCLOSED and o.operator == "coefficient" for o in found.listed)


def blunt_without_definition() -> mutants.Finding:
    """An experiment of a wide tolerance for a formula whose definition cannot be evaluated."""
    definition = sp.Integral(a * sp.exp(-(t**4)), (t, -sp.oo, sp.oo))
    formula = Formula("planted", "", Derivation.begin(definition, Domain({a: sp.S.Reals})).step("", a))
    return mutate_formula(formula, [Measurement("planted", {"a": 2.0}, 2.0, tolerance=0.3)], 0)


def test_a_blunt_experiment_alone_lets_mutants_survive() -> None:
    found = blunt_without_definition()
    assert not found.holds
    assert [o.text for o in found.listed if o.fate is Fate.SURVIVED] == ["51*a/50"]


def test_survivors_are_listed_and_fail_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        mutants, "try_mutants", lambda *_, **__: mutants.Findings((blunt_without_definition(),), ())
    )
    assert main(["mutants", "relu.mean"]) == 1
    assert "planted: survived, coefficient: 51*a/50" in capsys.readouterr().out


def test_an_equal_mutant_is_proved_equal() -> None:
    found = mutate_formula(find("relu.mean_after_batchnorm"), [], 0)
    equal = [o.text for o in found.listed if o.fate is Fate.EQUIVALENT]
    assert equal == ["beta*Phi(beta/Abs(gamma)) + Abs(gamma)*phi(beta/gamma)"]
    assert found.counts[Fate.ENCLOSED] == found.total - 1


def test_an_original_that_is_refuted_is_a_problem() -> None:
    wrong = dataclasses.replace(find("batchnorm.grad_beta"), name="batchnorm.grad_gamma")
    found = mutate_formula(wrong, measured("batchnorm.grad_gamma"), 0)
    assert not found.holds
    assert "refuted by the experiment" in found.problem


def test_an_original_that_is_not_its_definition_is_a_problem() -> None:
    formula = find("relu.moment0")
    wrong = dataclasses.replace(formula.derivation, conclusion=2 * formula.closed_form)
    found = mutate_formula(dataclasses.replace(formula, derivation=wrong), [], 0)
    assert not found.holds
    assert "not the definition" in found.problem


def test_ties_of_rounding_are_among_the_points() -> None:
    found = mutate_formula(find("pact.quantised"), [], 0)
    half_up = [o for o in found.listed if "floor" in o.text and "1/2" in o.text]
    assert not half_up  # refuted by the definition: half goes to even


def test_each_digit_of_a_table_is_changed() -> None:
    document = documents()["jin2019"]
    table = next(claim for claim in document.claims if isinstance(claim, Table))
    found = mutate_claim("Tab", table)
    assert found.holds
    assert found.total >= 2 * len(table.cells)
    wide = dataclasses.replace(
        table, cells=(("cell", "0.9", Derivation.begin(sp.Rational(9, 10), Domain({}))),)
    )
    assert mutate_claim("Tab", wide).counts == {Fate.ENCLOSED: 4}


def test_a_claim_whose_definition_is_what_is_printed_needs_an_experiment() -> None:
    document = documents()["learningmachine"]
    same = next(claim for claim in document.claims if claim.label == "U2.1")
    assert same.right == same.truth.definition
    assert mutate_claim("U2.1", same).holds
    without = mutate_claim("U2.1", dataclasses.replace(same, experiment=None))
    assert not without.holds
    assert without.problem == "the definition is the printed expression, and there is no experiment"


@pytest.mark.parametrize(
    ("id", "label", "formula"),
    [("li2023", "49", "batchnorm.inference"), ("sari2020", "1", "batchnorm.grad_input")],
)
def test_mutants_of_a_claim_meet_the_measurements_of_its_left_side(id: str, label: str, formula: str) -> None:
    claim = next(c for c in documents()[id].claims if c.label == label)
    assert mutants.same_definition(claim) is find(formula)
    by_definition = mutate_claim(label, claim)
    found = mutate_claim(label, claim, measured(formula))
    assert found.holds
    assert by_definition.counts[Fate.MEASURED] == 0 < found.counts[Fate.MEASURED]
    wrong = [dataclasses.replace(m, estimate=m.value + 1, tolerance=1e-9) for m in measured(formula)]
    assert "refuted by the experiment" in mutate_claim(label, claim, wrong).problem


def test_equal_moments_are_proved_by_an_antiderivative() -> None:
    document = documents()["panigrahi2018"]
    claim = next(c for c in document.claims if c.label == "29.2")
    assert isinstance(claim.by, Antiderivative)
    found = mutate_claim("29.2", claim)
    assert found.holds
    assert found.counts[Fate.EQUIVALENT] == 1  # E(z^2) = E(1)


def test_command_reports_what_is_found_without_other_processes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    names = ["pact.difference_bound", "relu.ratio_limit", "li2023 (49)"]
    assert main(["mutants", *names, "--jobs", "2", "--json", str(file)]) == 0
    data = json.loads(file.read_text())
    formulas = [mutate_formula(find(name), measured(name), 0) for name in names[:2]]
    claim = next(c for c in documents()["li2023"].claims if c.label == "49")
    of_claim = mutate_claim("li2023 (49)", claim, measured("batchnorm.inference"))
    assert data == mutants.report(mutants.Findings(tuple(formulas), (of_claim,)), 0)
    assert data["schema"] == "normquant.mutants/1"
    assert [f["measured"] for f in data["formulas"]] == [True, True]
    output = capsys.readouterr().out
    assert "li2023 (49)" in output
    assert "of 2 formulas and 1 claim:" in output


def test_an_unknown_name_is_wrong_usage() -> None:
    assert main(["mutants", "relu.maen"]) == 2
