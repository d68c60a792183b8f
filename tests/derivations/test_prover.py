"""What the certificates of a proof must refuse."""

from __future__ import annotations

import pytest
import sympy as sp

from derivations import Antiderivative, Derivation, Domain
from derivations.machinery.prover import FundamentalTheorem, Reflection, SplitIntegral, is_zero
from derivations.machinery.sums import expand_sums
from derivations.normal import Phi, phi

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
