"""PACT: every piece, the kinks, the ties of rounding, and mutants that must not pass."""

from __future__ import annotations

import dataclasses
import random

import pytest
import sympy as sp

from derivations import Formula, pact
from derivations.machinery.enclosure import Evaluator
from derivations.pact import Round, alpha, b, x

FORMULAS = {formula.name: formula for formula in pact.formulas()}
PIECEWISE = [name for name, formula in FORMULAS.items() if isinstance(formula.closed_form, sp.Piecewise)]
HALF = sp.Rational(1, 2)


def holds_in_every_case(formula: Formula, closed_form: sp.Expr, seed: int = 0) -> bool:
    evaluator = Evaluator()
    return all(
        evaluator.numbers.agree(evaluator.at(formula.definition, point), evaluator.at(closed_form, point))
        for case in formula.domain.cases
        for point in [formula.domain.sample(random.Random(f"{seed}/{case.condition}"), case)]
    )


def at(name: str, position: object, bits: int, level: object = 1) -> sp.Expr:
    """The exact value of a closed form where x is `position` times the clipping level."""
    level = sp.sympify(level)
    values = {x: sp.sympify(position) * level, alpha: level, b: sp.Integer(bits)}
    return FORMULAS[name].closed_form.subs(values)


@pytest.mark.parametrize("name", PIECEWISE)
def test_definition_is_enclosed_in_every_case(name: str) -> None:
    formula = FORMULAS[name]
    assert holds_in_every_case(formula, formula.closed_form)


@pytest.mark.parametrize("name", PIECEWISE)
def test_a_slip_in_any_single_piece_is_seen_and_not_proved(name: str) -> None:
    formula = FORMULAS[name]
    last = formula.derivation.steps[-1]
    for index, (piece, condition) in enumerate(formula.closed_form.args):
        pieces = list(formula.closed_form.args)
        pieces[index] = (piece + sp.Rational(1, 10**9), condition)
        wrong = sp.Piecewise(*pieces)
        assert not holds_in_every_case(formula, wrong)
        steps = (*formula.derivation.steps[:-1], dataclasses.replace(last, expression=wrong))
        broken = dataclasses.replace(formula.derivation, steps=steps, conclusion=wrong)
        assert not broken.check().steps[-1].proved


def test_rounding_ties_go_to_even() -> None:
    assert [Round(k * HALF) for k in (-5, -3, -1, 1, 3, 5, 7)] == [-2, -2, 0, 0, 2, 2, 4]
    evaluator = Evaluator()
    u = pact.u
    for k in (-5, -3, -1, 1, 3, 5, 7):  # balls and SymPy round alike
        ball = evaluator.at(Round(u), {u: k * HALF})
        assert evaluator.numbers.agree(ball, evaluator.at(Round(k * HALF), {}))


def test_rounding_has_slope_zero_and_the_rule_gives_one() -> None:
    u, here = pact.u, {pact.u: sp.Rational(7, 3)}
    evaluator = Evaluator()
    assert evaluator.at(sp.Derivative(Round(u), u), here) == 0
    assert evaluator.at(pact.StraightThrough(Round(u), u), here) == 1
    assert sp.diff(Round(u), u) == 0
    assert pact.StraightThrough(Round(u), u).doit() == 1


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_values_on_the_boundary(bits: int) -> None:
    # the conventions of the closed forms: at x = 0 the middle piece holds, at x = alpha the right one
    for level in (sp.Rational(1, 3), 5):
        boundary = {name: (at(f"pact.{name}", 0, bits, level), at(f"pact.{name}", 1, bits, level))
                    for name in ("clip", "quantised", "grad_alpha", "grad_input", "grad_alpha_original")}  # fmt: skip
        assert boundary == {
            "clip": (0, level),
            "quantised": (0, level),
            "grad_alpha": (0, 1),
            "grad_input": (1, 0),
            "grad_alpha_original": (0, 1),
        }


@pytest.mark.parametrize(
    ("name", "plus", "minus"),
    [
        ("grad_alpha_at_zero", 0, 0),
        ("grad_alpha_at_alpha", 0, 1),
        ("grad_input_at_zero", 1, 0),
        ("grad_input_at_alpha", 0, 1),
    ],
)
def test_one_sided_values_at_the_kinks(name: str, plus: int, minus: int) -> None:
    assert FORMULAS[f"pact.{name}_plus"].closed_form == plus
    assert FORMULAS[f"pact.{name}_minus"].closed_form == minus


@pytest.mark.parametrize(
    ("bits", "position", "expected"),
    [
        (1, "1/2", "-1/2"),  # 1/2 goes down to 0: half up would give +1/2
        (2, "1/6", "-1/6"),
        (2, "1/2", "1/6"),  # 3/2 goes up to 2
        (2, "5/6", "-1/6"),  # 5/2 goes down to 2: half up would give +1/6
        (4, "1/30", "-1/30"),
    ],
)
def test_gradient_at_half_way_points(bits: int, position: str, expected: str) -> None:
    for level in (1, sp.Rational(7, 3)):
        for name in ("pact.grad_alpha", "pact.gradient_difference"):
            assert at(name, position, bits, level) == sp.Rational(expected)
        assert at("pact.grad_alpha_original", position, bits, level) == 0


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
def test_bound_of_the_difference_is_attained_and_never_exceeded(bits: int) -> None:
    bound = FORMULAS["pact.difference_bound"].closed_form.subs(b, bits)
    assert bound == sp.Rational(1, 2 * (2**bits - 1))
    assert abs(at("pact.gradient_difference", sp.Rational(1, 2 * (2**bits - 1)), bits)) == bound
    rng = random.Random(bits)
    for _ in range(50):
        assert abs(at("pact.gradient_difference", sp.Rational(rng.randrange(-500, 1500), 997), bits)) <= bound


def test_bound_certificates_refuse_what_is_not_the_bound() -> None:
    largest = pact.Largest(pact.n)
    for wrong in (-1 / (2 * pact.n), 1 / pact.n, 1 / (2 * (pact.n + 1))):
        assert not pact.NearestInteger().proves(largest, wrong, pact.LEVEL_AND_BITS)
    original = pact.StraightThrough(pact.clip(), alpha)
    calibrated = pact.StraightThrough(pact.quantised(), alpha)
    for wrong_difference in (calibrated, calibrated - 2 * original, calibrated + original):
        left = pact.LargestDifference(wrong_difference)
        assert not pact.InUnitsOfAlpha().proves(left, largest, pact.LEVEL_AND_BITS)


def test_without_balls_the_bound_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("derivations.machinery.arithmetic.flint", None)
    check = FORMULAS["pact.difference_bound"].check()
    assert check.ok
    assert {step.evidence for step in check.steps} == {"sampled"}


@pytest.mark.parametrize("balls", [True, False])
@pytest.mark.parametrize(("half", "nearest"), [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2)])
def test_ties_are_rounded_exactly(
    half: int, nearest: int, balls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not balls:
        monkeypatch.setattr("derivations.machinery.arithmetic.flint", None)
    evaluator = Evaluator()
    for steps in (3, 43, 59, 79, 177, 281):  # in 60 digits some of the products are no tie
        for beside, expected in ((0, nearest), (1, (half + 1) // 2)):
            point = {x: sp.Rational(half, 2 * steps) + sp.Rational(beside, 10**45)}
            found = evaluator.at(Round(steps * x), point)
            assert evaluator.numbers.agree(found, evaluator.numbers.rational(expected))
