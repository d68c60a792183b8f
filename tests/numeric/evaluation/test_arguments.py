"""What every public function asks of its arguments, and what it says when it does not get it."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from numeric import batchnorm, pact, relu, ternary, uniform_levels
from numeric.evaluation.arguments import in_one_type, real

HUGE = 10**5000  # which Python does not print


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["f4", 1.0], "float32"),
        (["f2", "i1"], "float32"),
        (["f4", "i4"], "float64"),
        (["i8"], "float64"),
        (["g"], "float64"),
        ([2.0], "float64"),
        ([">f4", "f4"], "float32"),
        (["?"], "float64"),
    ],
)
def test_float32_stays_where_numpy_would_not_leave_it(values: list[Any], dtype: str) -> None:
    given = [np.ones(2, v) if isinstance(v, str) else v for v in values]
    assert {found.dtype for found in in_one_type({str(k): real("x", v) for k, v in enumerate(given)})} == {
        np.dtype(dtype)
    }


@pytest.mark.parametrize("number", [2**70, Fraction(1, 3), True, np.float32(0.1), np.int8(3)])
def test_a_number_of_any_kind_is_taken_everywhere(number: Any) -> None:
    assert relu.mean(number) == pytest.approx(relu.mean(float(number)), rel=1e-7)
    assert batchnorm.inference([1.0], 0.0, 1.0, number, 0.0, number)[0] > 0
    assert relu.mean([number]) == pytest.approx(relu.mean(float(number)), rel=1e-7)


@pytest.mark.parametrize(
    "bad", ["1", None, 1j, [[1], [1, 2]], [2, None], object(), np.array("2026", "M8[Y]")]
)
def test_what_is_no_real_number_is_refused_everywhere(bad: Any) -> None:
    x = np.ones(3)
    calls = {
        "mu": lambda: relu.mean(bad),
        "delta": lambda: ternary.p_plus(bad, 1.0, "laplace"),
        "clip": lambda: uniform_levels.variance(1.0, bad, 2, "laplace"),
        "x": lambda: pact.quantised(bad, 1.0, 2),
        "g": lambda: batchnorm.backward(x, bad, 1.0, 0.1),
        "gamma": lambda: batchnorm.forward(x, bad, 0.0, 0.1),
        "variance": lambda: batchnorm.inference(x, 0.0, bad, 1.0, 0.0, 0.1),
        "eps": lambda: batchnorm.forward(x, 1.0, 0.0, bad),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"^{name} must be real numbers, got "):
            call()


def test_a_mask_is_not_lost_in_silence() -> None:
    masked = np.ma.masked_array([1.0, 99.0], [False, True])
    in_a_list: list[Any] = [[masked, masked], [1.0, np.ma.masked], [[masked], [masked]]]
    for given in (masked, *in_a_list):
        for call in (relu.mean, lambda x: batchnorm.forward(x, 1.0, 0.0, 0.1)):
            with pytest.raises(ValueError, match="must be numbers without a mask, got "):
                call(given)
    with pytest.raises(ValueError, match=r"^bits must be an integer from 1 to 32, got masked_array"):
        pact.quantised(0.3, 1.0, np.ma.array(4, mask=True))


@pytest.mark.parametrize("large", [np.longdouble("1e4000"), mpmath.mpf("1e400"), [2**7000]])
def test_what_a_double_cannot_hold_does_not_become_infinite(large: Any) -> None:
    calls = {
        "mu": lambda: relu.mean(large),
        "sigma": lambda: relu.mean(0.0, large),
        "eps": lambda: batchnorm.forward(np.ones(3), 1.0, 0.0, large),
        "gamma": lambda: batchnorm.forward(np.ones(3), large, 0.0, 0.1),
    }
    for name, call in calls.items():
        with (
            warnings.catch_warnings(action="error"),
            pytest.raises(ValueError, match=f"^{name} must be real.* in the range"),
        ):
            call()
    assert relu.mean(np.longdouble("inf")) == np.inf


def test_dimensions_that_numpy_does_not_iterate_over_are_refused_by_name() -> None:
    assert relu.mean(np.zeros((1,) * 32)).ndim == 32
    with pytest.raises(ValueError, match="mu must have at most 32 dimensions, got 33"):
        relu.mean(np.zeros((1,) * 33))


def test_numbers_too_large_for_a_message_are_refused_by_name() -> None:
    shown = "got an int of more digits than Python prints"
    with pytest.raises(ValueError, match=f"^mu must be real numbers in the range of float64, {shown}"):
        relu.mean(HUGE)
    with pytest.raises(ValueError, match=f"^eps must be real numbers in the range of float64, {shown}"):
        batchnorm.forward(np.ones(3), 1.0, 0.0, HUGE)
    with pytest.raises(ValueError, match=f"^bits must be an integer from 1 to 32, {shown}"):
        pact.quantised(1.0, 1.0, HUGE)


def test_a_message_shows_the_beginning_of_what_is_long() -> None:
    with pytest.raises(ValueError, match=r"^mu must be real numbers, got \[0, 0, .*\.\.\.$") as refusal:
        relu.mean([0] * 20_000 + ["x"])  # type: ignore[list-item]
    assert len(str(refusal.value)) < 150


def test_what_float32_cannot_hold_is_said_to_be_so_in_float32() -> None:
    with pytest.raises(ValueError, match=r"^sigma must be positive in float32, got 0\.0"):
        relu.mean(np.ones(2, np.float32), 1e-50)
    with pytest.raises(
        ValueError, match=r"^gamma must be in the range of float32, as the arrays beside it, got 1e\+50"
    ):
        relu.c1(1e50, np.ones(2, np.float32))
