"""Every formula of the catalogue, and the door that a wrong one must not pass."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys

import pytest
import sympy as sp

from derivations import Derivation, DerivationError, catalog, find
from derivations.machinery.enclosure import Evaluator, SampleArithmetic
from derivations.machinery.prover import prove

NAMES = sorted(catalog())


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_proved_and_enclosed(name: str) -> None:
    formula = pickle.loads(pickle.dumps(catalog()[name]))  # as a worker gets it
    check = formula.check(seed=1)
    assert check.ok, check.failures
    assert check.proved == check.enclosed == len(check.steps)


@pytest.mark.parametrize("name", NAMES)
def test_closed_form_is_the_last_expression_of_the_derivation(name: str) -> None:
    formula = catalog()[name]
    assert formula.closed_form is formula.derivation.steps[-1].expression
    assert formula.closed_form != formula.definition


@pytest.mark.parametrize("name", NAMES)
def test_altering_any_step_is_noticed_at_a_point(name: str) -> None:
    derivation = catalog()[name].derivation
    for number, step in enumerate(derivation.steps):
        wrong = step.expression * sp.Rational(1001, 1000) + sp.Rational(1, 10**6)
        check = only_step(derivation, number, wrong).check(points=1)
        assert not check.ok
        (failure,) = check.failures
        assert step.reason in failure.reason
        assert failure.point is not None
        assert failure.values is not None
        assert not prove(step.premise, wrong, derivation.domain, step.by)


@pytest.mark.parametrize("name", NAMES)
def test_deleting_any_step_is_noticed(name: str) -> None:
    derivation = catalog()[name].derivation
    for number in range(len(derivation.steps)):
        steps = derivation.steps[:number] + derivation.steps[number + 1 :]
        assert not dataclasses.replace(derivation, steps=steps).check(points=1).ok


def only_step(derivation: Derivation, number: int, expression: sp.Expr) -> Derivation:
    """One step of a derivation, with another result."""
    step = dataclasses.replace(derivation.steps[number], expression=expression)
    return dataclasses.replace(derivation, definition=step.premise, steps=(step,), conclusion=expression)


def test_failure_names_step_sides_and_point() -> None:
    formula = find("relu.mean")
    broken = formula.derivation.step("a slip of the pen", lambda e: -e)
    with pytest.raises(
        DerivationError, match=r"relu.mean: step 'a slip of the pen' does not hold: .* at a = "
    ):
        dataclasses.replace(formula, derivation=broken).assert_holds()


def test_empty_derivation_is_not_a_proof() -> None:
    formula = find("relu.mean")
    assert not Derivation.begin(formula.definition, formula.domain).check().ok


def test_without_balls_the_evidence_is_called_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("derivations.machinery.enclosure.flint", None)
    assert isinstance(Evaluator().numbers, SampleArithmetic)
    for name in ("relu.second_moment", "batchnorm.grad_input"):
        check = find(name).check()
        assert check.ok
        assert {step.evidence for step in check.steps} == {"sampled"}


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(KeyError, match=r"did you mean .*relu.mean"):
        find("relu.maen")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"b": 1}, "has no symbol 'b'"),
        ({}, "needs a value for gamma, beta"),
        ({"gamma": 0, "beta": 1}, "outside the domain"),
        ({"gamma": "x", "beta": 1}, "gamma must be a finite number, got 'x'"),
    ],
)
def test_values_outside_the_domain_are_rejected(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find("relu.c2").evaluate(**values)


def modules_loaded_by(package: str) -> set[str]:
    program = f"import sys, {package}; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    return set(output.split())


def test_derivations_load_no_numpy() -> None:
    assert "numpy" not in modules_loaded_by("derivations")


def test_numeric_loads_no_sympy() -> None:
    assert "sympy" not in modules_loaded_by("numeric")
