"""Laws that hold for all inputs, at inputs that nobody chose."""

from __future__ import annotations

from fractions import Fraction

import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from derivations import find

DIGITS = 30

exactly = settings(max_examples=40)  # in exact arithmetic, which takes time

reals = st.fractions(-20, 20, max_denominator=1000)
positive = st.fractions(Fraction(1, 1000), 20, max_denominator=1000)
nonzero = reals.filter(bool)
batches = st.lists(reals, min_size=2, max_size=6).filter(lambda x: len(set(x)) > 1)


def value(name: str, **at: object) -> sp.Float:
    exact = {s: [sp.Rational(e) for e in v] if isinstance(v, list) else sp.Rational(v) for s, v in at.items()}
    return find(name).evaluate(DIGITS, **exact)


def equal(left: sp.Expr, right: sp.Expr, scale: sp.Expr = 1) -> bool:
    return bool(abs(left - right) <= (abs(left) + abs(scale)) * sp.Float(10) ** -(DIGITS - 3))


# --- ReLU after BatchNorm ---------------------------------------------------------------------------------


@exactly
@given(reals)
def test_relu_of_y_and_of_minus_y_add_up(a: Fraction) -> None:
    # ReLU(y) - ReLU(-y) = y, and ReLU(y)^2 + ReLU(-y)^2 = y^2
    scale = 1 + sp.Rational(a) ** 2
    assert equal(value("relu.mean", a=a) - value("relu.mean", a=-a), sp.Rational(a), scale)
    assert equal(value("relu.second_moment", a=a) + value("relu.second_moment", a=-a), scale, scale)
    assert equal(value("relu.moment0", a=a) + value("relu.moment0", a=-a), sp.S.One)


@exactly
@given(st.fractions(-20, 7, max_denominator=1000))  # further up the differences are below the digits
def test_moments_are_positive_and_ordered(a: Fraction) -> None:
    mean, second, gate = (value(f"relu.{name}", a=a) for name in ("mean", "second_moment", "moment0"))
    assert mean > 0
    assert mean**2 < second * gate  # Cauchy and Schwarz, on the open gate
    assert mean > a
    assert 0 < value("relu.variance", a=a) < 1


@exactly
@given(nonzero, reals, positive)
def test_constants_depend_on_beta_over_the_size_of_gamma(
    gamma: Fraction, beta: Fraction, c: Fraction
) -> None:
    for name in ("c1", "c2", "c2_variance"):
        here = value(f"relu.{name}", gamma=gamma, beta=beta)
        assert equal(here, value(f"relu.{name}", gamma=-gamma, beta=beta), 0)
        assert equal(here, value(f"relu.{name}", gamma=c * gamma, beta=c * beta), 0)


# --- BatchNorm --------------------------------------------------------------------------------------------


@exactly
@given(batches, st.randoms(use_true_random=False), nonzero, positive, reals)
def test_output_does_not_see_shift_and_scale_of_the_batch(
    x: list[Fraction], random: object, gamma: Fraction, c: Fraction, shift: Fraction
) -> None:
    g = [Fraction(random.randrange(-50, 50), 7) for _ in x]  # type: ignore[attr-defined]
    at = {"m": len(x), "g": g, "gamma": gamma, "eps": 0}
    moved = [c * v + shift for v in x]
    for i in range(1, len(x) + 1):
        here, there = (value("batchnorm.grad_input", **at, x=batch, i=i) for batch in (x, moved))
        assert equal(here, sp.Rational(c) * there, abs(here) + 1)
    assert equal(value("batchnorm.grad_gamma", m=len(x), x=x, g=g, eps=0),
                 value("batchnorm.grad_gamma", m=len(x), x=moved, g=g, eps=0))  # fmt: skip


@exactly
@given(batches, st.randoms(use_true_random=False), nonzero, st.fractions(0, 5, max_denominator=100))
def test_input_gradient_is_a_jacobian_times_the_upstream_gradient(
    x: list[Fraction], random: object, gamma: Fraction, eps: Fraction
) -> None:
    g = [Fraction(random.randrange(-50, 50), 7) for _ in x]  # type: ignore[attr-defined]
    at = {"m": len(x), "x": x, "gamma": gamma, "eps": eps}
    gradient = [value("batchnorm.grad_input", **at, g=g, i=i) for i in range(1, len(x) + 1)]
    size = max(map(abs, gradient)) + 100
    product = sum(
        value("batchnorm.jacobian", **at, i=1, j=j) * sp.Rational(u) for j, u in enumerate(g, start=1)
    )
    assert equal(gradient[0], product, size)
    assert abs(sum(gradient)) <= size * sp.Float(10) ** -(DIGITS - 4)


# --- ternary weights ---------------------------------------------------------------------------------------


@exactly
@given(st.sampled_from(["uniform", "gaussian", "laplace"]), positive, st.fractions(0, 1), reals)
def test_no_threshold_and_scale_do_better_than_the_optimum(
    law: str, size: Fraction, share: Fraction, s: Fraction
) -> None:
    scale = {"K": size} if law == "uniform" else {"sigma": size}
    delta = 3 * share * size
    if law == "uniform":
        delta = share * Fraction(2) / max(size, 1)  # below sqrt(6/K)
    error = value(f"ternary.{law}.error", **scale, delta=delta, s=s)
    least = value(f"ternary.{law}.minimal_error", **scale)
    assert least <= error
    assert value(f"ternary.{law}.binary_error", **scale) > least
    zeros, variance = (
        value(f"ternary.{law}.{name}", **scale, delta=delta) for name in ("p_zero", "variance")
    )
    assert equal(zeros + variance, sp.S.One)


# --- PACT ---------------------------------------------------------------------------------------------------


@exactly
@given(reals, positive, st.integers(1, 8), positive)
def test_activation_scales_with_its_clipping_level(x: Fraction, alpha: Fraction, b: int, c: Fraction) -> None:
    assume(x not in (0, alpha))  # the kinks of the clip
    here = value("pact.quantised", x=x, alpha=alpha, b=b)
    assert 0 <= float(here) <= float(alpha)
    assert equal(sp.Rational(c) * here, value("pact.quantised", x=c * x, alpha=c * alpha, b=b), 0)
    # Euler: homogeneous of degree one, by the straight-through rule too
    slopes = [value(f"pact.grad_{name}", x=x, alpha=alpha, b=b) for name in ("input", "alpha")]
    assert equal(here, sp.Rational(x) * slopes[0] + sp.Rational(alpha) * slopes[1], sp.Rational(alpha))


@exactly
@given(reals, positive, st.integers(1, 8))
def test_calibrated_and_original_gradient_differ_by_at_most_the_bound(
    x: Fraction, alpha: Fraction, b: int
) -> None:
    assume(x not in (0, alpha))
    difference = value("pact.gradient_difference", x=x, alpha=alpha, b=b)
    assert abs(difference) <= value("pact.difference_bound", b=b)
