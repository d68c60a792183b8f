"""Moments of a ReLU after BatchNorm as functions of its scale and shift: what their derivatives must add up to."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from derivations import Phi, find, phi
from derivations.relu import beta, gamma

reals = st.fractions(-8, 8, max_denominator=100)
ORDERS = {"gate_probability": 0, "mean_after_batchnorm": 1, "second_moment_after_batchnorm": 2}
ORDERS |= {"variance_after_batchnorm": 2}


def value(name: str, gamma: Fraction, beta: Fraction) -> sp.Float:
    return find(f"relu.{name}").evaluate(30, gamma=sp.Rational(gamma), beta=sp.Rational(beta))


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
@settings(max_examples=20, derandomize=True)
@given(gamma=reals.filter(bool), beta=reals)
def test_moments_are_homogeneous(name: str, order: int, gamma: Fraction, beta: Fraction) -> None:
    stem = name.removesuffix("_after_batchnorm")
    in_beta, in_gamma = (value(f"{stem}_in_{symbol}", gamma, beta) for symbol in ("beta", "gamma"))
    euler = sp.Rational(gamma) * in_gamma + sp.Rational(beta) * in_beta
    size = 1 + abs(sp.Rational(gamma)) + abs(sp.Rational(beta))
    assert abs(euler - order * value(name, gamma, beta)) < size**2 * sp.Float(10) ** -27


def test_a_derivative_in_the_shift_lowers_the_order() -> None:
    def closed_form(name: str) -> sp.Expr:
        return find(f"relu.{name}").closed_form

    assert closed_form("mean_in_beta") == closed_form("gate_probability")
    assert sp.expand(closed_form("second_moment_in_beta") - 2 * closed_form("mean_after_batchnorm")) == 0
    assert closed_form("second_moment_in_gamma") == 2 * gamma * closed_form("gate_probability")


def test_for_a_negative_scale_the_derivative_in_it_changes_sign() -> None:
    assert find("relu.mean_in_gamma").closed_form == sp.sign(gamma) * phi(beta / sp.Abs(gamma))
    up, down = (find("relu.variance_in_gamma").evaluate(gamma=g, beta=1) for g in (2, -2))
    assert up == -down > 0


def test_more_shift_less_is_cut_off() -> None:
    a = beta / sp.Abs(gamma)
    mean = find("relu.mean_after_batchnorm").closed_form
    assert sp.expand(find("relu.variance_in_beta").closed_form - 2 * Phi(-a) * mean) == 0
