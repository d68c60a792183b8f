"""Zero in a field with radicals: identities are found, near-identities are not."""

from __future__ import annotations

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from derivations.machinery.field import is_zero_in_field

x, y, v = sp.symbols("x y v", positive=True)
IDENTITIES = [
    (x + y) ** 3 - x**3 - 3 * x**2 * y - 3 * x * y**2 - y**3,
    (x - y) / (sp.sqrt(x) + sp.sqrt(y)) - sp.sqrt(x) + sp.sqrt(y),
    sp.sqrt(x + 1) ** 3 - (x + 1) * sp.sqrt(x + 1),
    (x + 1) ** sp.Rational(-5, 2) * (x**2 + 2 * x + 1) - 1 / sp.sqrt(x + 1),
    x ** sp.Rational(1, 3) * x ** sp.Rational(1, 6) - sp.sqrt(x),
    1 / (1 + 1 / (1 + 1 / x)) - (x + 1) / (2 * x + 1),
    sp.sqrt(1 + sp.sqrt(x)) ** 4 - 1 - 2 * sp.sqrt(x) - x,
    sp.sqrt(2) * sp.sqrt(x) * sp.sqrt(2) / sp.sqrt(x) - 2,
    sp.sqrt(sp.pi) / sp.pi - 1 / sp.sqrt(sp.pi),
    1 / (x - y) + 1 / (2 * y - 2 * x) - 1 / (2 * x - 2 * y),
    1 / (x**2 * y + x * y) + 1 / (6 * (x + 1) ** 2) - (6 * x + 6 + x * y) / (6 * x * y * (x + 1) ** 2),
    sp.floor(x * (y + 1)) - sp.floor(x * y + x),
    sp.S.Zero,
]


@pytest.mark.parametrize("identity", IDENTITIES, ids=str)
def test_identities(identity: sp.Expr) -> None:
    assert is_zero_in_field(identity)
    assert not is_zero_in_field(identity + sp.Rational(1, 1000))
    assert not is_zero_in_field(identity + x / 1000)
    assert not is_zero_in_field(identity + sp.sqrt(x + 1) / 1000)


def test_nothing_is_claimed_over_a_denominator_that_is_zero() -> None:
    zero = (x + 1) ** 2 - x * (x + 2) - 1
    assert not is_zero_in_field(1 / zero)
    assert not is_zero_in_field(x / (y * zero) + 1)
    inside = sp.sqrt(1 / (1 / (x + 1) + 1 / (x - 1) - 2 * x / (x**2 - 1)) + 1)
    assert not is_zero_in_field(inside * (1 + inside) - y)


def test_a_radical_is_not_its_negative() -> None:
    assert not is_zero_in_field(sp.sqrt(x + y) - sp.sqrt(x) - sp.sqrt(y))
    assert not is_zero_in_field(sp.sqrt(v + 1) + v)


@given(st.lists(st.integers(-5, 5), min_size=3, max_size=3), st.integers(1, 4))
@settings(max_examples=50)
def test_quotients_multiply_out(c: list[int], power: int) -> None:
    polynomial = c[0] + c[1] * x + c[2] * sp.sqrt(x + 1) + 7 * y
    assert is_zero_in_field(polynomial**power / polynomial ** (power + 1) - 1 / polynomial)
    assert is_zero_in_field(sp.expand(polynomial**power) - polynomial**power)
    assert not is_zero_in_field(sp.expand(polynomial**power) - polynomial**power + y)
