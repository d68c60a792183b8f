"""Every formula of the catalogue, and the door that a wrong one must not pass."""

from __future__ import annotations

import dataclasses
import math
import os
import pickle
import subprocess
import sys

import mpmath
import pytest
import sympy as sp

from derivations import Derivation, DerivationError, catalog, find
from derivations.machinery.arithmetic import SampleArithmetic
from derivations.machinery.enclosure import Evaluator
from derivations.machinery.formula import of_subject
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
def test_what_a_derivation_builds_on_is_in_the_catalogue(name: str) -> None:
    checked = {(formula.definition, formula.closed_form) for formula in catalog().values()}
    for step in catalog()[name].derivation.steps:
        used = getattr(step.by, "derivations", ()) or filter(None, [getattr(step.by, "general", None)])
        assert all((lemma.definition, lemma.conclusion) in checked for lemma in used)


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


@pytest.mark.parametrize("name", NAMES)
def test_without_balls_every_step_holds_and_the_evidence_is_called_sampled(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("derivations.machinery.arithmetic.flint", None)
    assert isinstance(Evaluator().numbers, SampleArithmetic)
    check = find(name).derivation.check(points=1)
    assert check.ok, check.failures
    assert {step.evidence for step in check.steps} == {"sampled"}


def test_without_balls_a_wrong_step_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("derivations.machinery.arithmetic.flint", None)
    derivation = find("relu.second_moment").derivation
    broken = derivation.step("a slip", lambda e: e * (1 + sp.Rational(1, 10**35)))
    assert "a slip" in broken.check(points=1).failures[0].reason


def test_proofs_do_not_depend_on_the_ground_types_of_sympy() -> None:
    program = (
        "from sympy.external.gmpy import GROUND_TYPES\n"
        "from derivations import catalog\n"
        "checks = [f.derivation.check(points=1) for f in catalog().values()]\n"
        "print(GROUND_TYPES, all(c.ok and c.proved == len(c.steps) for c in checks))\n"
    )
    environment = {**os.environ, "SYMPY_GROUND_TYPES": "python"}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout.split() == ["python", "True"]


def test_finding_a_formula_derives_no_other_subject() -> None:
    program = "import sys\nfrom derivations import find\nfind('pact.clip')\nprint('derivations.relu' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]


def test_names_that_are_taken_or_of_another_subject_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = find("pact.clip")
    for wrong in ((taken, taken), (find("relu.mean"),)):
        monkeypatch.setattr("derivations.pact.formulas", lambda wrong=wrong: wrong)
        with pytest.raises(ValueError, match=r"names of their own, pact\.QUANTITY, got \['(pact|relu)"):
            of_subject.__wrapped__("pact")


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(KeyError, match=r"did you mean .*relu.mean"):
        find("relu.maen")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("relu.c2", {"b": 1}, "has no symbol 'b'"),
        ("relu.c2", {}, "needs a value for gamma, beta"),
        ("relu.c2", {"gamma": 0, "beta": 1}, "outside the domain"),
        ("relu.c2", {"gamma": "x", "beta": 1}, "gamma must be a finite number, got 'x'"),
        ("relu.mean", {"a": math.nan}, "a must be a finite number, got nan"),
        ("relu.mean", {"a": math.inf}, "a must be a finite number, got inf"),
        ("relu.mean", {"a": [1, 2]}, r"a must be a finite number, got \[1, 2\]"),
        ("batchnorm.grad_beta", {"m": 2, "g": 3}, "g must be a sequence of numbers, got 3"),
        ("batchnorm.grad_beta", {"m": 2, "g": [1, 2, 5]}, "g has 3 entries, but m = 2"),
        ("batchnorm.grad_beta", {"m": 1, "g": [1]}, r"m = 1 is outside the domain: m in \{2, 3, ...\}"),
        ("batchnorm.mean_derivative", {"m": 2.5}, "m = 2.5 is outside the domain"),
    ],
)
def test_values_that_make_no_sense_are_named(name: str, values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find(name).evaluate(**values)


def test_no_digits_are_refused() -> None:
    with pytest.raises(ValueError, match="digits must be at least 1, got 0"):
        find("relu.mean").evaluate(0, a=1)


def test_constant_batch_without_eps_has_no_gradient() -> None:
    with pytest.raises(ValueError, match=r"outside the domain: .*Ne\(eps \+ var, 0\)"):
        find("batchnorm.grad_input").evaluate(m=2, i=1, x=[1, 1], g=[1, 2], gamma=1, eps=0)


@pytest.mark.parametrize("balls", [True, False])
def test_every_digit_is_right_far_out_in_the_tail(balls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not balls:
        monkeypatch.setattr("derivations.machinery.arithmetic.flint", None)
    with mpmath.workdps(100):
        for a in (-3, -40, -1000):
            # the Mills ratio as a continued fraction, in which nothing cancels
            fraction = mpmath.mpf(0)
            for n in range(4000, 0, -1):
                fraction = n / (-a + fraction)
            mills = 1 / (-a + fraction)
            expected = mpmath.npdf(a) * fraction * mills
            found = find("relu.mean").evaluate(30, a=a)
            assert abs(mpmath.mpf(str(found)) / expected - 1) < mpmath.mpf(10) ** -29


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
