"""Fast values of PACT activations and gradients."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numeric import pact

ULP = np.finfo(float).eps
FUNCTIONS = (
    lambda x, alpha: pact.quantised(x, alpha, 4),
    lambda x, alpha: pact.grad_alpha(x, alpha, 4),
    pact.grad_input,
    pact.grad_alpha_original,
)
levels = st.floats(1e-3, 1e3)
bits_up_to_32 = st.integers(1, 32)


def test_the_kinks_and_conventions_in_which_implementations_differ() -> None:
    x = np.array([-1.0, 0.0, 3.0, 4.0])  # below, at 0, at alpha, above
    assert pact.quantised(x, 3.0, 2).tolist() == [0, 0, 3, 3]
    assert pact.grad_alpha(x, 3.0, 2).tolist() == [0, 0, 1, 1]
    assert pact.grad_alpha_original(x, 3.0).tolist() == [0, 0, 1, 1]
    assert pact.grad_input(x, 3.0).tolist() == [0, 1, 0, 0]
    assert pact.quantised([0.5, 1.5, 2.5], 3.0, 2).tolist() == [0, 2, 2]  # half to even
    assert pact.grad_alpha(1.25, 3.0, 2) == pytest.approx(1 / 3 - 1.25 / 3, rel=4 * ULP, abs=0)  # calibrated
    assert pact.quantised(1.0, 3.0, 1) == 0  # 2^b - 1 steps: one


@given(st.floats(-0.2, 1.2), levels, bits_up_to_32, st.sampled_from([np.float64, np.float32]))
def test_the_nearest_level_exactly(u: float, alpha: float, bits: int, dtype: type) -> None:
    steps, ulp = 2**bits - 1, float(np.finfo(dtype).eps)
    x, alpha = dtype(u * alpha), dtype(alpha)
    exact_x, exact_alpha = Fraction(float(x)), Fraction(float(alpha))
    place = min(max(exact_x, Fraction(0)), exact_alpha) * steps / exact_alpha
    level = round(place)
    expected = float(exact_alpha * level / steps)
    assert float(pact.quantised(x, alpha, bits)) == pytest.approx(expected, rel=2 * ulp, abs=0)
    if 0 <= x < alpha:
        gradient = float((level - place) / steps)
        assert float(pact.grad_alpha(x, alpha, bits)) == pytest.approx(gradient, rel=4 * ulp, abs=0)


@pytest.mark.parametrize("bits", [1, 8, 13, 16])
@pytest.mark.parametrize("alpha", np.float32([1.7, 2.0**-40 / 3, 6.9, 65535.0]))
def test_in_float32_all_places_next_to_a_tie_are_decided(alpha: np.float32, bits: int) -> None:
    steps, exact = 2**bits - 1, float(alpha)
    below = np.arange(steps, dtype=float)
    middle = np.float32((2 * below + 1) * exact / (2 * steps))
    for x in (np.nextafter(middle, np.float32(0)), middle, np.nextafter(middle, np.float32(np.inf))):
        twice, tie = 2 * steps * x.astype(float), (2 * below + 1) * exact  # no product is rounded
        level = below + ((twice > tie) | ((twice == tie) & (below % 2 == 1)))
        for clipping_level in (alpha, np.full(steps, alpha)):
            found = pact.quantised(x, clipping_level, bits).astype(float)
            assert np.array_equal(np.rint(found / exact * steps), level)


@given(st.integers(0, 2**20), st.integers(1, 2**20), st.integers(1, 12))
def test_ties_go_to_the_even_level(k: int, unit: int, bits: int) -> None:
    steps = 2**bits - 1
    alpha = 2.0 * steps * unit
    k = k % steps
    x = float((2 * k + 1) * unit)  # half-way between the levels k and k + 1
    even = k + k % 2
    assert pact.quantised(x, alpha, bits) == pytest.approx(2.0 * even * unit, rel=2 * ULP, abs=0)
    assert pact.grad_alpha(x, alpha, bits) == pytest.approx((even - k - 0.5) / steps, rel=4 * ULP, abs=0)


@given(st.integers(2, 2**50), st.integers(1, 8), st.sampled_from([-1, 1]))
def test_next_to_a_tie_the_nearer_level_wins(unit: int, bits: int, side: int) -> None:
    steps = 2**bits - 1
    alpha = float(2 * unit + 1) * 2.0**-20
    for k in {0, steps // 2}:
        tie = Fraction(alpha) * (2 * k + 1) / (2 * steps)
        x = float(tie)
        while (Fraction(x) - tie) * side <= 0:
            x = float(np.nextafter(x, np.inf * side))
        nearer = k + (side > 0)
        if x < alpha:
            expected = float(Fraction(alpha) * nearer / steps)
            assert pact.quantised(x, alpha, bits) == pytest.approx(expected, rel=2 * ULP, abs=0)
            assert np.sign(pact.grad_alpha(x, alpha, bits)) == side


@given(st.floats(-1, 2), levels, st.integers(-900, 900), bits_up_to_32)
def test_a_power_of_two_scales_out(u: float, alpha: float, power: int, bits: int) -> None:
    x, scale = u * alpha, 2.0**power
    if x == 0 or abs(x) * scale > 1e-300:
        assert pact.quantised(x * scale, alpha * scale, bits) == pact.quantised(x, alpha, bits) * scale
        assert pact.grad_alpha(x * scale, alpha * scale, bits) == pact.grad_alpha(x, alpha, bits)


@given(st.floats(), levels, bits_up_to_32)
def test_bounds(x: float, alpha: float, bits: int) -> None:
    if np.isnan(x):
        return
    difference = pact.grad_alpha(x, alpha, bits) - pact.grad_alpha_original(x, alpha)
    assert abs(difference) <= (1 + 4 * ULP) / (2 * (2**bits - 1))
    assert 0 <= pact.quantised(x, alpha, bits) <= alpha


def test_subnormal_levels() -> None:
    least = 5e-324
    assert pact.quantised([least, 2 * least, 3 * least], 3 * least, 2).tolist() == [
        least,
        2 * least,
        3 * least,
    ]
    assert pact.grad_alpha(least, 1.0, 4) == -least
    x, alpha, steps = 1e300, 1.7e308, 2**32 - 1
    place = Fraction(x) / Fraction(alpha)
    gradient = Fraction(round(steps * place), steps) - place
    assert pact.grad_alpha(x, alpha, 32) == pytest.approx(float(gradient), rel=4 * ULP, abs=0)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_shapes_and_types(function: Callable[..., Any]) -> None:
    x = np.linspace(-1, 4, 12).reshape(3, 4)
    assert function(x, np.full((5, 1, 1), 2.0)).shape == (5, 3, 4)
    assert function(1.0, np.array([2.0, 3.0])).shape == (2,)
    assert function(x.T, 3.0).tolist() == function(x, 3.0).T.tolist()
    constant = np.broadcast_to(0.5, (7,))
    assert function(constant, np.broadcast_to(3.0, (7,))).tolist() == [function(0.5, 3.0)] * 7
    assert function([], 1.0).shape == (0,)
    assert np.shape(function(0.5, 1.0)) == ()
    assert function(x.astype(np.float32), 3.0).dtype == np.float32
    assert np.isnan(function([np.nan, 1.0], 3.0)).tolist() == [True, False]
    assert np.isnan(function(1.0, [np.nan, 3.0])).tolist() == [True, False]
    assert np.isnan(function([1.0, 1.0, np.nan], [np.nan, 3.0, 3.0])).tolist() == [True, False, True]
    assert np.isfinite(function([-np.inf, np.inf], 3.0)).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_infinite_clipping_level_clips_nothing_and_rounds_all_to_zero(dtype: type) -> None:
    x = np.array([-np.inf, -2.0, 0.0, 3.0, np.inf, np.nan], dtype)
    for function in FUNCTIONS:
        expected = [0.0, 0.0, 1.0, 1.0] if function is pact.grad_input else [0.0] * 4
        found = function(x, dtype(np.inf))
        assert found[:4].tolist() == expected
        assert np.isnan(found[4:]).all()
        assert found.dtype == dtype
        assert function(2.0, [1.0, np.inf, 5.0])[[0, 2]].tolist() == function(2.0, [1.0, 5.0]).tolist()
        assert function(x[:4], 1e300 if dtype == np.float64 else 1e30).tolist() == pytest.approx(
            expected, abs=1e-29
        )


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"alpha must be positive, got -0\.5"):
        pact.quantised(1.0, -0.5, 4)
    with pytest.raises(ValueError, match=r"bits must be an integer from 1 to 32, got 1\.5"):
        pact.grad_alpha(1.0, 1.0, 1.5)  # type: ignore[arg-type]
