"""Values with a bound: arithmetic keeps the truth inside, and what is outside is refuted."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numeric.instruments.bounded import Bounded

numbers = st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-6)
shares = st.floats(-1, 1)


@given(numbers, numbers, shares, shares, st.floats(0, 1e-3), st.floats(0, 1e-3))
def test_results_contain_the_exact_result_of_whatever_the_operands_contain(
    x: float, y: float, at_x: float, at_y: float, share_x: float, share_y: float
) -> None:
    a, b = Bounded(x, share_x * abs(x)), Bounded(y, share_y * abs(y))
    true_a, true_b = (
        Fraction(n.value) + Fraction(at) * Fraction(n.bound) for n, at in ((a, at_x), (b, at_y))
    )
    for found, true in (
        (a + b, true_a + true_b),
        (a - b, true_a - true_b),
        (a * b, true_a * true_b),
        (a / b, true_a / true_b),
        (3.0 * a, 3 * true_a),
    ):
        assert abs(Fraction(found.value) - true) <= Fraction(found.bound)


def test_a_divisor_that_may_be_zero_is_refused() -> None:
    with pytest.raises(ZeroDivisionError):
        1.0 * Bounded(1.0, 0.0) / Bounded(0.1, 0.2)


@given(numbers, st.floats(1e-12, 0.1), shares, st.sampled_from((-1, 1)))
def test_an_error_of_the_resolution_is_refuted_wherever_the_truth_lies(
    value: float, share: float, at: float, sign: int
) -> None:
    found = Bounded(value, share * abs(value))
    true = value + at * found.bound
    assert not found.refutes(true)
    assert found.refutes(true * (1 + sign * 1.001 * found.resolution))


def test_what_is_no_number_is_refuted() -> None:
    assert all(Bounded(1.0, 0.5).refutes(x) for x in (math.nan, math.inf, -math.inf))
    assert Bounded(math.nan, math.nan).refutes(1.0)
    assert Bounded(0.1, 0.2).resolution == math.inf


@given(numbers, shares, st.floats(0, 1e-3), st.integers(-(2**70), 2**70))
def test_integers_and_fractions_that_no_float_holds_are_taken_as_they_are(
    x: float, at: float, share: float, other: int
) -> None:
    a = Bounded(x, share * abs(x))
    true = Fraction(a.value) + Fraction(at) * Fraction(a.bound)
    results = {a + other: true + other, other - a: other - true, a * Fraction(other, 3): true * other / 3}
    for found, expected in results.items():
        assert abs(Fraction(found.value) - expected) <= Fraction(found.bound)
    quotient = other / a
    assert abs(Fraction(quotient.value) - other / true) <= Fraction(quotient.bound)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match="a bounded value is combined with real numbers, got '3'"):
        Bounded(1.0, 0.0) + "3"  # type: ignore[operator]
