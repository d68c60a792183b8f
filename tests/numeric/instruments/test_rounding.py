"""Running error analysis: the exact result is never further away than the error says."""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numeric.instruments.rounding import UNIT, Running, rounded

numbers = st.floats(-1e100, 1e100, allow_subnormal=True)


@given(numbers, numbers)
def test_one_operation_on_exact_numbers(x: float, y: float) -> None:
    a, b = Running(x, 0.0), Running(y, 0.0)
    pairs = [
        (a + b, Fraction(x) + Fraction(y)),
        (a - b, Fraction(x) - Fraction(y)),
        (a * b, Fraction(x) * Fraction(y)),
    ]
    if abs(y) > 1e-100:
        pairs.append((a / b, Fraction(x) / Fraction(y)))
    for found, true in pairs:
        assert abs(Fraction(float(found.value)) - true) <= Fraction(float(found.error))
        assert float(found.error) <= 2 * UNIT * abs(float(found.value)) + 1e-300


@given(st.floats(-745, 700), st.floats(0, 1))
def test_exponential_and_square_root(x: float, at: float) -> None:
    error = 1e-3 * at
    before, flint.ctx.prec = flint.ctx.prec, 300
    try:
        for side in (-1, 1):
            found, true = Running(x, error).exp(), (flint.arb(x) + side * flint.arb(error)).exp()
            assert abs(flint.arb(float(found.value)) - true) <= flint.arb(float(found.error))
            root, y = Running(2.0 + abs(x), error).sqrt(), flint.arb(2.0 + abs(x)) + side * flint.arb(error)
            assert abs(flint.arb(float(root.value)) - y.sqrt()) <= flint.arb(float(root.error))
    finally:
        flint.ctx.prec = before


@given(st.lists(numbers, min_size=1, max_size=40))
def test_sum_of_an_array(values: list[float]) -> None:
    found = Running(np.array(values), np.zeros(len(values))).total()
    assert abs(Fraction(float(found.value)) - sum(map(Fraction, values))) <= Fraction(float(found.error))


def test_a_fraction_is_as_far_off_as_its_rounding() -> None:
    third = rounded(Fraction(1, 3))
    assert 0 < abs(Fraction(float(third.value)) - Fraction(1, 3)) <= Fraction(float(third.error))
    assert rounded(Fraction(1, 4)).error == rounded(0.1).error == 0.0


def test_what_may_be_zero_is_no_divisor_and_has_no_square_root() -> None:
    with pytest.raises(ZeroDivisionError):
        Running(1.0, 0.0) / Running(1.0, 1.0)
    with pytest.raises(ValueError, match="must be positive beyond its error"):
        Running(1.0, 1.0).sqrt()
