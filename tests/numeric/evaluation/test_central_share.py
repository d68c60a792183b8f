"""The normal share within one standard deviation: right to the last digits, and what lies elsewhere beside it."""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from numeric.evaluation.central_share import (
    _ROUNDED_TERMS,
    _TERMS,
    _coefficients,
    centrally,
    lower_share,
    two_sided_share,
)

numbers = st.one_of(st.floats(-1, 1), st.floats(-1e-3, 1e-3), st.sampled_from([-1.0, 0.0, 5e-324, 1.0]))


def errors(found: np.ndarray, exact: list[flint.arb]) -> list[float]:
    """In spacings."""
    return [
        abs(float(flint.arb(float(y)) - e)) / float(np.spacing(y)) for y, e in zip(found, exact, strict=True)
    ]


@given(arrays(np.float64, 8, elements=numbers))
def test_shares_are_right_to_the_last_digits(a: np.ndarray) -> None:
    with flint.ctx.workprec(300):
        scaled = [flint.arb(float(x)) / flint.arb(2).sqrt() for x in a]
        assert max(errors(lower_share(a, False), [(-x).erfc() / 2 for x in scaled])) < 1.3
        assert max(errors(two_sided_share(np.abs(a), False), [abs(x.erf()) for x in scaled])) < 2.5
    rounded = lower_share(a, True), two_sided_share(np.abs(a), True)
    for found, exact in zip(rounded, (lower_share(a, False), two_sided_share(np.abs(a), False)), strict=True):
        assert np.all(np.abs(found - exact) <= 1e-10 * exact + 1e-323)


@pytest.mark.parametrize(("terms", "bound"), [(_TERMS, 2.0**-62), (_ROUNDED_TERMS, 2.0**-37)])
def test_what_the_polynomial_leaves_out_is_as_small_as_stated(terms: int, bound: float) -> None:
    def left_out(x: Fraction) -> float:
        a = flint.arb(flint.fmpq(x.numerator, x.denominator))
        series = sum(flint.arb(str(c)) * a ** (2 * k + 1) for k, c in enumerate(_coefficients(terms)))
        return float(abs((a / flint.arb(2).sqrt()).erf() / 2 - series))

    with flint.ctx.workprec(300):
        assert max(left_out(Fraction(n, 200)) for n in range(201)) < bound


@pytest.mark.parametrize("outside", [0, 1, 30, 60, 99, 100])
def test_each_number_has_the_value_of_its_side(outside: int) -> None:
    a = np.linspace(-0.9, 0.9, 100)
    a[:outside] += 5
    a[-1] = np.nan if outside < 100 else 5.5
    found = centrally(a, lambda a: -a, lambda at: 100 * a[at])
    expected = np.where(a > 1, 100 * a, -a)
    # where many lie outside, all are computed as those are
    assert np.array_equal(found, expected if outside <= 30 else 100 * a, equal_nan=True)
