"""Ternary weights: every step, known values, and claims that must be rejected."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import pytest
import sympy as sp

from derivations import Formula
from derivations.machinery.roots import Minimiser, Root
from derivations.ternary import (
    GAUSSIAN,
    LAPLACE,
    LAWS,
    UNIFORM,
    Distribution,
    Law,
    delta,
    formulas,
    r,
    s,
    sigma,
    t,
)

FORMULAS = {formula.name: formula for formula in formulas()}
QUANTITIES = (
    "p_plus",
    "p_zero",
    "variance",
    "mean_abs",
    "variance_at_ratio",
    "p_zero_at_ratio",
    "variance_at_0_7",
    "p_zero_at_0_7",
    "error",
    "optimal_scale",
    "threshold_condition",
    "optimal_threshold",
    "minimal_error",
    "binary_variance",
    "binary_scale",
    "binary_error",
)
each_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)


def formula(law: Law, quantity: str) -> Formula:
    return FORMULAS[f"ternary.{law.name}.{quantity}"]


def unit(law: Law) -> dict[str, int]:
    """Where the end of the uniform law is 1, and the standard deviation of the others."""
    return {"K": 6} if law is UNIFORM else {"sigma": 1}


# --- the derivations ---------------------------------------------------------------------------------------


def test_every_quantity_is_there_for_every_law() -> None:
    of_laws = {f"ternary.{law.name}.{quantity}" for law in LAWS for quantity in QUANTITIES}
    of_any_law = {f"ternary.{quantity}" for quantity in ("p_plus", "p_zero", "mean", "variance")}
    assert set(FORMULAS) == of_laws | of_any_law


@each_law
def test_formulas_for_any_law_hold_for_each(law: Law) -> None:
    distribution = 1 - formula(law, "p_plus").closed_form
    for name in ("p_plus", "p_zero", "variance"):
        general = FORMULAS[f"ternary.{name}"].closed_form.replace(Distribution, lambda _: distribution)
        assert sp.simplify(general - formula(law, name).closed_form) == 0


def test_formulas_for_any_law_have_no_value_and_no_code() -> None:
    with pytest.raises(ValueError, match="holds for any law"):
        FORMULAS["ternary.variance"].evaluate(delta=1)
    with pytest.raises(ValueError, match="holds for any law"):
        FORMULAS["ternary.variance"].code("numpy")


# --- against the definition on the whole line -----------------------------------------------------------------


def density(law: Law) -> tuple[Callable[[mpmath.mpf], mpmath.mpf], mpmath.mpf]:
    """The density for all w, written out anew, and the end of its support."""
    if law is UNIFORM:
        return lambda w: mpmath.mpf(1) / 2, mpmath.mpf(1)
    if law is GAUSSIAN:
        return mpmath.npdf, mpmath.inf
    return lambda w: mpmath.exp(-mpmath.sqrt(2) * abs(w)) / mpmath.sqrt(2), mpmath.inf


def expectation(law: Law, function: Callable[[mpmath.mpf], mpmath.mpf], threshold: float) -> float:
    f, end = density(law)
    kinks = sorted({-end, -mpmath.mpf(threshold), mpmath.mpf(0), mpmath.mpf(threshold), end})
    return float(mpmath.quad(lambda w: function(w) * f(w), kinks))


def tern(w: mpmath.mpf, threshold: float) -> int:
    return int(mpmath.sign(w)) if abs(w) > threshold else 0


@each_law
@pytest.mark.parametrize("threshold", [0.0, 0.37, 0.81])
def test_expectations_over_both_signs(law: Law, threshold: float) -> None:
    at = {**unit(law), "delta": threshold}
    scale = -0.6
    cases: list[tuple[str, Callable[[mpmath.mpf], mpmath.mpf], dict[str, float]]] = [
        ("p_plus", lambda w: tern(w, threshold) == 1, at),
        ("p_zero", lambda w: tern(w, threshold) == 0, at),
        ("variance", lambda w: tern(w, threshold) ** 2, at),
        ("mean_abs", abs, unit(law)),
        ("error", lambda w: (w - scale * tern(w, threshold)) ** 2, {**at, "s": scale}),
    ]
    for name, function, point in cases:
        expected = expectation(law, function, threshold)
        assert float(formula(law, name).evaluate(**point)) == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert expectation(law, lambda w: tern(w, threshold), threshold) == pytest.approx(0, abs=1e-15)


@each_law
def test_laws_have_the_variance_they_are_given(law: Law) -> None:
    expected = sp.Rational(1, 3) if law is UNIFORM else 1
    no_scale = formula(law, "error").closed_form.subs({delta: 0, s: 0, law.scale: unit(law)[law.scale.name]})
    assert sp.simplify(no_scale - expected) == 0


# --- known values ---------------------------------------------------------------------------------------------


def test_seven_tenths_of_the_mean_absolute_weight() -> None:
    assert formula(UNIFORM, "variance_at_0_7").closed_form == sp.Rational(13, 20)
    assert formula(UNIFORM, "p_zero_at_0_7").closed_form == sp.Rational(7, 20)
    assert formula(LAPLACE, "variance_at_0_7").closed_form == sp.exp(-sp.Rational(7, 10))


@each_law
def test_special_ratio_is_the_general_one(law: Law) -> None:
    for name in ("variance", "p_zero"):
        general = formula(law, f"{name}_at_ratio").closed_form.subs(t, sp.Rational(7, 10))
        assert sp.simplify(general - formula(law, f"{name}_at_0_7").closed_form) == 0


@each_law
def test_probabilities_add_up(law: Law) -> None:
    plus, zero, variance = (formula(law, name).closed_form for name in ("p_plus", "p_zero", "variance"))
    assert sp.simplify(2 * plus + zero - 1) == 0
    assert sp.simplify(variance + zero - 1) == 0


# The best symmetric quantiser with three levels is the Lloyd-Max quantiser; its tables give these.
@pytest.mark.parametrize(
    ("law", "threshold", "error"),
    [
        (UNIFORM, sp.Rational(1, 3), sp.Rational(1, 27)),
        (GAUSSIAN, None, None),
        (LAPLACE, 1 / sp.sqrt(2), 1 - 2 * sp.exp(-1)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_optimum_is_the_lloyd_max_quantiser(
    law: Law, threshold: sp.Expr | None, error: sp.Expr | None
) -> None:
    found, least = (formula(law, name) for name in ("optimal_threshold", "minimal_error"))
    if threshold is None or error is None:
        assert float(found.evaluate(**unit(law))) == pytest.approx(0.6120, abs=5e-5)
        assert float(least.evaluate(**unit(law))) == pytest.approx(0.1902, abs=5e-5)
        x = mpmath.findroot(lambda x: mpmath.npdf(x) - 2 * x * mpmath.ncdf(-x), 0.6)
        assert float(found.evaluate(**unit(law))) == pytest.approx(float(x), rel=1e-14, abs=0)
        return
    at = {law.scale: unit(law)[law.scale.name]}
    assert sp.simplify(found.closed_form.subs(at) - threshold) == 0
    assert sp.simplify(least.closed_form.subs(at) - error) == 0


@each_law
def test_optimal_scale_is_twice_the_optimal_threshold(law: Law) -> None:
    threshold = formula(law, "optimal_threshold").evaluate(40, **unit(law))
    scale = formula(law, "optimal_scale").evaluate(40, **unit(law), delta=sp.Rational(threshold))
    assert abs(scale - 2 * threshold) < sp.Float(10) ** -38


@each_law
def test_optimum_is_a_minimum_in_threshold_and_scale(law: Law) -> None:
    threshold = float(formula(law, "optimal_threshold").evaluate(**unit(law)))
    least = float(formula(law, "minimal_error").evaluate(**unit(law)))
    error = formula(law, "error")
    assert float(error.evaluate(**unit(law), delta=threshold, s=2 * threshold)) == pytest.approx(least)
    for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 1.5):
        for other in (0.9, 1.0, 1.1):
            moved = error.evaluate(**unit(law), delta=factor * threshold, s=2 * other * threshold)
            assert float(moved) > least
    assert float(formula(law, "binary_error").evaluate(**unit(law))) > least


@each_law
def test_sign_weights(law: Law) -> None:
    assert formula(law, "binary_variance").closed_form == 1
    mean = formula(law, "mean_abs").closed_form
    assert sp.simplify(formula(law, "binary_scale").closed_form - mean) == 0
    second_moment = 2 / law.scale if law is UNIFORM else sigma**2
    assert sp.simplify(formula(law, "binary_error").closed_form - (second_moment - mean**2)) == 0


@each_law
def test_sign_weights_are_the_limit_of_a_small_threshold(law: Law) -> None:
    scale = formula(law, "optimal_scale").closed_form
    error = formula(law, "error").closed_form.subs(s, scale)
    for general, limit in (
        (formula(law, "variance").closed_form, "binary_variance"),
        (scale, "binary_scale"),
        (error, "binary_error"),
    ):
        at_zero = sp.limit(general.rewrite(sp.erfc), delta, 0, "+")
        assert sp.simplify(at_zero - formula(law, limit).closed_form) == 0


# --- where the domain ends -----------------------------------------------------------------------------------


def test_threshold_at_the_end_of_the_support_sets_every_weight_to_zero() -> None:
    assert float(formula(UNIFORM, "variance").evaluate(K=6, delta=1)) == 0
    assert float(formula(UNIFORM, "p_zero").evaluate(K=6, delta=1)) == 1
    assert float(formula(UNIFORM, "variance_at_ratio").evaluate(t=2)) == 0
    with pytest.raises(ValueError, match="outside the domain"):
        formula(UNIFORM, "optimal_scale").evaluate(K=6, delta=1)
    with pytest.raises(ValueError, match="outside the domain"):
        formula(UNIFORM, "variance").evaluate(K=6, delta=1.001)


# --- what the certificates must reject ---------------------------------------------------------------------------


@each_law
@pytest.mark.parametrize("quantity", ["optimal_scale", "optimal_threshold"])
def test_maximum_is_not_proved_to_be_a_minimum(law: Law, quantity: str) -> None:
    derivation = formula(law, quantity).derivation
    (step,) = derivation.steps
    assert step.by is not None
    function, *rest = derivation.definition.args
    upside_down = Minimiser(-function, *rest)
    assert step.by.proves(derivation.definition, step.expression, derivation.domain)
    assert not step.by.proves(upside_down, step.expression, derivation.domain)


def test_stationary_point_of_something_else_is_not_proved() -> None:
    derivation = formula(UNIFORM, "optimal_threshold").derivation
    (step,) = derivation.steps
    assert step.by is not None
    assert not step.by.proves(derivation.definition, UNIFORM.end / 2, derivation.domain)


def test_root_elsewhere_is_not_proved() -> None:
    derivation = formula(GAUSSIAN, "optimal_threshold").derivation
    (step,) = derivation.steps
    assert step.by is not None
    equation = (step.expression / sigma).args[0]
    for wrong in (Root(equation, r, 0, sp.Rational(1, 2)), Root(equation + r, r, 0, 1)):
        assert not step.by.proves(derivation.definition, sigma * wrong, derivation.domain)
