"""What the certificates of a proof must refuse."""

from __future__ import annotations

import random

import pytest
import sympy as sp

from derivations import Antiderivative, Derivation, DerivationError, Domain, Formula, pact, relu
from derivations.machinery.domain import Case, holds
from derivations.machinery.limits import LimitAtInfinity
from derivations.machinery.prover import Certificate, FundamentalTheorem, Reflection, SplitIntegral, is_zero
from derivations.machinery.roots import Minimiser
from derivations.machinery.sums import expand_sums
from derivations.normal import Phi, phi
from derivations.ternary import UpwardParabola

v, a = sp.symbols("v a", real=True)
i, j, m = sp.symbols("i j m", integer=True, positive=True)
NOWHERE = Domain({})
REALS = Domain({a: sp.S.Reals})


def test_primitive_with_a_pole_proves_nothing() -> None:
    integral = sp.Integral(1 / v**2, (v, -1, 1))
    assert not Antiderivative(-1 / v, v).proves(integral, sp.Integer(-2), NOWHERE)
    assert not FundamentalTheorem((integral, -1 / v)).proves(integral, sp.Integer(-2), NOWHERE)


def test_primitive_with_a_jump_proves_nothing() -> None:
    integral = sp.Integral(2 * v, (v, -1, 1))
    jump = v**2 + sp.sign(v)
    assert not Antiderivative(jump, v).proves(integral, sp.Integer(2), NOWHERE)


def test_primitive_of_something_else_proves_nothing() -> None:
    integral = sp.Integral(phi(v), (v, a, sp.oo))
    assert Antiderivative(Phi(v), v).proves(integral, 1 - Phi(a), REALS)
    assert not Antiderivative(Phi(v), v).proves(integral, Phi(a), REALS)
    assert not Antiderivative(2 * Phi(v), v).proves(integral, 2 - 2 * Phi(a), REALS)


def test_reflection_needs_a_symmetric_interval() -> None:
    symmetric = sp.Integral(sp.Abs(v) * phi(v), (v, -sp.oo, sp.oo))
    half = 2 * sp.Integral(v * phi(v), (v, 0, sp.oo))
    assert Reflection(v).apply(symmetric) == half
    assert Reflection(v).proves(symmetric, half, NOWHERE)
    assert not Reflection(v).proves(symmetric, half / 2, NOWHERE)
    skew = sp.Integral(sp.Abs(v) * phi(v), (v, -1, 2))
    assert Reflection(v).apply(skew) == skew


def test_pieces_must_cover_the_interval_and_agree_with_the_integrand() -> None:
    whole = sp.Integral(sp.Abs(v), (v, -1, 1))
    left, right = sp.Integral(-v, (v, -1, 0)), sp.Integral(v, (v, 0, 1))
    assert SplitIntegral().proves(whole, left + right, NOWHERE)
    for wrong in (left, right, left + 2 * right, left - right, left + right + right):
        assert not SplitIntegral().proves(whole, wrong, NOWHERE)


def test_certificate_that_does_not_hold_turns_a_true_step_red() -> None:
    start = Derivation.begin(sp.Integral(phi(v), (v, a, sp.oo)), REALS)
    assert start.step("fundamental theorem", 1 - Phi(a), by=Antiderivative(Phi(v), v)).check().ok
    (check,) = start.step("for another reason", 1 - Phi(a), by=Antiderivative(phi(v), v)).check().steps
    assert check.evidence
    assert check.failure is not None
    assert "does not follow by Antiderivative" in str(check.failure)


@pytest.mark.parametrize(
    ("summand", "contracted"),
    [
        (sp.KroneckerDelta(i, j) * j, i),
        (sp.KroneckerDelta(i, j) ** 2, sp.S.One),
        (sp.Integer(3), 3 * m),
    ],
)
def test_sums_over_a_delta_are_contracted(summand: sp.Expr, contracted: sp.Expr) -> None:
    assert expand_sums(sp.Sum(summand, (j, 1, m))) == contracted


def test_delta_inside_a_function_is_not_contracted() -> None:
    assert expand_sums(sp.Sum(sp.exp(sp.KroneckerDelta(i, j)), (j, 1, m))).has(sp.Sum)


def test_zero_is_not_found_where_there_is_none() -> None:
    assert is_zero(sp.sqrt(a**2) - sp.Abs(a), REALS)
    assert not is_zero(sp.sqrt(a**2) - a, REALS)
    assert not is_zero(Phi(a) + Phi(-a), REALS)
    assert is_zero(Phi(a) + Phi(-a) - 1, REALS)


# --- statements that are false somewhere, each of which some part of the machinery once let pass -----------------


def refused(start: sp.Expr, domain: Domain, claim: sp.Expr, by: Certificate | None = None) -> bool:
    return all(
        not Derivation.begin(start, domain).step("claim", claim, by=by).check(seed).ok for seed in range(3)
    )


def test_ends_of_an_integral_in_the_wrong_order_are_refused() -> None:
    positive = Domain({a: sp.Interval.open(0, sp.oo)})
    assert refused(sp.Integral(sp.Abs(v), (v, 2, -1)), NOWHERE, sp.Integral(v, (v, 2, -1)), SplitIntegral())
    beyond_seven = sp.Integral(sp.Abs(7 - v), (v, a, 7))
    assert refused(beyond_seven, positive, sp.Integral(7 - v, (v, a, 7)), SplitIntegral())
    assert not SplitIntegral().proves(beyond_seven, sp.Integral(7 - v, (v, a, 7)), positive)
    wide = sp.Integral(sp.Abs(v), (v, a - 7, 7 - a))
    assert not Reflection(v).proves(wide, sp.Integral(2 * v, (v, 0, 7 - a)), positive)


def test_delta_whose_index_may_lie_outside_the_sum_is_not_contracted() -> None:
    domain = Domain({m: sp.Range(2, sp.oo), i: sp.Range(1, m + 1)})
    eight = sp.Sum(sp.KroneckerDelta(i, j), (j, 1, 8))
    assert not is_zero(eight - 1, domain)
    assert is_zero(sp.Sum(sp.KroneckerDelta(i, j), (j, 1, m)) - 1, domain)


def test_index_of_an_inner_sum_is_not_captured() -> None:
    x = sp.IndexedBase("x", real=True)
    k = sp.Symbol("k", integer=True, positive=True)
    double = sp.Sum(sp.Sum(1 / (x[j] + x[k]), (k, 1, m)), (j, 1, m))
    assert expand_sums(double) == expand_sums(double.xreplace({j: k, k: j}))
    assert expand_sums(double) != expand_sums(sp.Sum(1 / (2 * x[j]), (j, 1, m)))


def test_variable_of_an_integral_means_something_else_outside() -> None:
    outside = v * sp.Integral(2 * v, (v, 0, 1))
    assert not Antiderivative(2 * v**3 / 3, v).proves(outside, sp.Rational(2, 3), Domain({v: sp.S.Reals}))


def test_substitution_is_simultaneous() -> None:
    swapped = sp.Subs(a - v, (a, v), (v, a))
    assert not is_zero(swapped, Domain({a: sp.S.Reals, v: sp.S.Reals}))
    assert is_zero(swapped - (v - a), Domain({a: sp.S.Reals, v: sp.S.Reals}))


def test_maximum_and_second_best_minimum_are_refused() -> None:
    peak = Minimiser(-((v - 1) ** 2), v, 0, 3)
    assert refused(peak, NOWHERE, sp.S.One, UpwardParabola(sp.S.NegativeOne))
    assert refused(peak, NOWHERE, sp.S.One)
    two_valleys = v**4 / 4 - 8 * v**3 / 3 + 17 * v**2 / 2 - 10 * v  # at 1 and, deeper, at 5
    assert refused(Minimiser(two_valleys, v, -3, 6), NOWHERE, sp.S.One)


def test_cases_that_leave_something_out_or_overlap_are_refused() -> None:
    p = sp.Symbol("p", positive=True)
    above, below = Case(a > 0, {a: p}), Case(a < 0, {a: -p})
    with pytest.raises(ValueError, match=r"no partition of the domain: see \{a: 0\}"):
        Domain({a: sp.S.Reals}, cases=(above, below))
    with pytest.raises(ValueError, match="no partition"):
        Domain({a: sp.S.Reals}, cases=(above, Case(a <= 0, {a: -p}), Case(a < 5, {a: -p})))
    with pytest.raises(ValueError, match="the substitution of the case a > 0 leaves it"):
        Domain({a: sp.S.Reals}, cases=(Case(a > 0, {a: -p}), Case(a <= 0, {a: -p})))


def test_integrals_of_a_product_are_not_compared_at_a_point() -> None:
    shifted = sp.Abs(relu.gamma) * relu.z + relu.beta
    first, second, third = (relu.expectation(relu.relu(shifted) ** k) for k in (1, 2, 3))
    by = relu.Homogeneity()
    assert not by.proves(first * third, second**2, relu.AFFINE)  # Cauchy and Schwarz
    cut = sp.Integral(first.function, (relu.z, -sp.oo, 40))
    assert not by.proves(first, cut, relu.AFFINE)


def test_symmetry_does_not_confuse_two_integrals() -> None:
    y, flipped = (c * relu.z + relu.beta for c in (relu.gamma, sp.Abs(relu.gamma)))
    one, two = (relu.expectation(relu.relu(y) ** k) for k in (1, 2))
    one_flipped, two_flipped = (relu.expectation(relu.relu(flipped) ** k) for k in (1, 2))
    assert relu.Symmetry().proves(2 * one + two, 2 * one_flipped + two_flipped, relu.AFFINE)
    assert not relu.Symmetry().proves(2 * one + two, one_flipped + 2 * two_flipped, relu.AFFINE)


def test_limit_of_unknown_rate_is_not_evaluated() -> None:
    slow = LimitAtInfinity(1 / (1 + a / 10**80), a, sp.oo)
    assert refused(slow, NOWHERE, sp.S.One)


def test_supremum_of_an_unknown_difference_is_not_evaluated() -> None:
    jump = pact.LargestDifference(sp.Heaviside(pact.x - 2 * pact.alpha, 0))
    assert refused(jump, pact.LEVEL_AND_BITS, sp.S.Zero)


def test_ends_that_belong_to_a_domain_are_drawn() -> None:
    closed = Domain({a: sp.Interval(0, sp.oo)})
    rng = random.Random(0)
    assert {closed.sample(rng)[a] == 0 for _ in range(200)} == {True, False}
    assert max(closed.sample(rng)[a] for _ in range(200)) > 10


def test_empty_derivation_does_not_hold() -> None:
    empty = Formula("nothing", "No step", Derivation.begin(sp.Derivative(a**2, a), REALS))
    with pytest.raises(DerivationError, match="there are no steps"):
        empty.assert_holds()


def test_variables_that_a_relation_binds_are_left_alone() -> None:
    x, z = sp.symbols("x z", real=True)
    assert holds(sp.Lt(sp.Integral(z, (z, 0, 1)), x), {x: sp.Rational(3, 4), z: sp.Rational(1, 2)})
