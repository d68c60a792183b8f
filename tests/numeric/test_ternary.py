"""Fast values of ternary and sign weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numeric import relu, ternary

LAWS = ("uniform", "gaussian", "laplace")
OF_THRESHOLD = (ternary.p_plus, ternary.p_zero, ternary.variance, ternary.optimal_scale)
ULP = np.finfo(float).eps
laws = st.sampled_from(LAWS)
thresholds = st.floats(0, 100)
scales = st.floats(1e-3, 1e3)


def test_special_values() -> None:
    assert [ternary.p_plus(0.0, 0.3, law) for law in LAWS] == [0.5] * 3
    assert ternary.variance_at_ratio(0.7, "uniform") == 0.65
    assert ternary.mean_abs(1.0, "gaussian") == pytest.approx(sqrt(2 / pi), rel=ULP, abs=0)
    assert ternary.mean_abs(2.0, "uniform") == pytest.approx(
        sqrt(3), rel=ULP, abs=0
    )  # sigma is no half width
    assert ternary.binary_error(2.0, "laplace") == 2.0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("sigma", [[2.0], [2.0, 3.0], [1e-37, 2.0]])
def test_no_weight_survives_an_infinite_threshold(
    law: str, sigma: list[float], dtype: type[np.floating[Any]]
) -> None:
    delta, spread = np.full(len(sigma), np.inf, dtype), np.array(sigma, dtype)
    found = [f(delta, spread, law)[0] for f in (ternary.p_plus, ternary.p_zero, ternary.variance)]
    assert found == [0, 1, 0]
    scale = ternary.optimal_scale(delta, spread, law)[0]
    assert np.isnan(scale) if law == "uniform" else scale == np.inf


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("law", LAWS)
def test_every_weight_survives_where_the_standard_deviation_is_infinite(law: str, dtype: type) -> None:
    delta, sigma = np.array([0.0, 2.0, np.inf, np.nan, 0.0], dtype), np.array([np.inf] * 4 + [1.0], dtype)
    for function, limit in zip(OF_THRESHOLD, (0.5, 0.0, 1.0, np.inf), strict=True):
        found = function(delta, sigma, law)
        assert found[:2].tolist() == [limit, limit]
        assert np.isnan(found[3])
        of_infinite_threshold = np.inf if function is ternary.optimal_scale and law != "uniform" else np.nan
        np.testing.assert_array_equal(found[2], of_infinite_threshold)
        assert found[4] == function(0.0, dtype(1.0), law)
    assert ternary.mean_abs(np.inf, law) == ternary.binary_error(np.inf, law) == np.inf


@pytest.mark.parametrize("law", LAWS)
def test_no_weight_survives_a_threshold_whose_ratio_overflows(law: str) -> None:
    delta, sigma = np.array([1e308, 1.0]), np.array([1e-300, 1.0])
    assert ternary.p_plus(delta, sigma, law)[0] == ternary.variance(delta, sigma, law)[0] == 0
    scale = ternary.optimal_scale(delta, sigma, law)[0]
    assert np.isnan(scale) if law == "uniform" else scale == 1e308


def test_uniform_weights_next_to_the_end_of_the_support() -> None:
    # delta^2 = 3 sigma^2 - 2 in integers, so that P = 2/(2 h (h + delta)) = 1/(6 sigma^2), nearly
    sigma, delta = 1, 1
    while 3 * sigma + 2 * delta < 2**53:
        sigma, delta = 2 * sigma + delta, 3 * sigma + 2 * delta
    assert 3 * sigma**2 - delta**2 == 2
    assert ternary.p_plus(float(delta), float(sigma), "uniform") == pytest.approx(
        1 / (6 * sigma**2), rel=4 * ULP, abs=0
    )
    assert ternary.p_plus(np.nextafter(float(delta), np.inf), float(sigma), "uniform") == 0


def test_no_uniform_weight_survives_beyond_the_support() -> None:
    assert ternary.variance([1.7, 1.8], 1.0, "uniform")[1] == 0
    assert np.isnan(ternary.optimal_scale([1.7, 1.8], 1.0, "uniform")).tolist() == [False, True]
    assert ternary.variance_at_ratio(3.0, "uniform") == 0


@given(thresholds, scales, laws)
def test_shares_add_up_to_one(delta: float, sigma: float, law: str) -> None:
    both = ternary.variance(delta, sigma, law) + ternary.p_zero(delta, sigma, law)
    assert both == pytest.approx(1, rel=4 * ULP, abs=0)


@given(st.floats(0, 30), scales, laws)
def test_a_threshold_of_so_many_mean_sizes(t: float, sigma: float, law: str) -> None:
    delta = t * ternary.mean_abs(sigma, law)
    magnified = 4 * ULP * (1 + t) * (1 + t)  # rounding of the threshold, by the slope of the logarithm
    expected = ternary.variance_at_ratio(t, law)
    assert ternary.variance(delta, sigma, law) == pytest.approx(expected, rel=magnified, abs=4 * ULP)


@given(thresholds, st.floats(1e-6, 1), scales, laws)
def test_fewer_weights_survive_a_larger_threshold(delta: float, gap: float, sigma: float, law: str) -> None:
    assert ternary.p_plus(delta + gap, sigma, law) <= ternary.p_plus(delta, sigma, law) * (1 + 8 * ULP)


@given(thresholds, scales, laws)
def test_the_scale_is_above_the_threshold_and_the_mean_size(delta: float, sigma: float, law: str) -> None:
    scale = ternary.optimal_scale(delta, sigma, law)
    if not np.isnan(scale):
        assert scale >= max(delta, ternary.mean_abs(sigma, law)) * (1 - 4 * ULP)


CALLER = """
import decimal
decimal.setcontext(decimal.Context(prec=3, Emin=-100, Emax=100, traps=[decimal.Inexact, decimal.FloatOperation]))
from numeric import relu, ternary
print(float(ternary.p_plus(300.0, 1.0, "laplace")), float(relu.mean(-3.0)), float(ternary.p_zero(2.0, 1.0, "gaussian")))
"""


def test_tables_do_not_depend_on_the_decimal_context_of_the_caller() -> None:
    done = subprocess.run([sys.executable, "-c", CALLER], capture_output=True, text=True, check=True)
    expected = [
        ternary.p_plus(300.0, 1.0, "laplace"),
        relu.mean(-3.0),
        ternary.p_zero(2.0, 1.0, "gaussian"),
    ]
    assert [float(value) for value in done.stdout.split()] == expected


@pytest.mark.parametrize("law", LAWS)
def test_roundings_do_not_pass_the_bounds_that_values_come_close_to(law: str) -> None:
    sigma = np.linspace(0.1, 3, 40_000)
    assert ternary.p_plus(0.0, sigma, law).max() == 0.5
    assert ternary.p_plus(0.0, float(sigma[20]), law) == 0.5
    assert ternary.p_zero(9 * sigma, sigma, law).max() <= 1
    delta = np.linspace(0, 9, 40_000)
    scale = ternary.optimal_scale(delta, 1.0, law)
    assert np.all((scale >= delta) | np.isnan(scale))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("function", OF_THRESHOLD)
def test_shapes_and_types(function: Callable[..., Any], law: str) -> None:
    delta = np.linspace(0, 1, 6).reshape(2, 3)
    assert function(delta, np.ones((4, 1, 1)), law).shape == (4, 2, 3)
    assert function(0.5, np.ones(3), law).tolist() == [function(0.5, 1.0, law)] * 3
    assert function(delta.T, 1.0, law).tolist() == function(delta, 1.0, law).T.tolist()
    assert function([], 1.0, law).shape == (0,)
    assert function(delta.astype(np.float32), 2.0, law).dtype == np.float32
    assert np.isnan(function([np.nan, 0.5], 1.0, law)).tolist() == [True, False]
    assert np.isnan(function(np.array([0.5, 0.5]), np.array([1.0, np.nan]), law)).tolist() == [False, True]
    assert np.isnan(function(np.float32(np.nan), 1.0, law))


def test_bad_arguments_are_named() -> None:
    with pytest.raises(
        ValueError, match="distribution must be one of uniform, gaussian, laplace, got 'cauchy'"
    ):
        ternary.p_plus(0.1, 1.0, "cauchy")
    with pytest.raises(ValueError, match=r"delta must be at least 0, got -0\.5"):
        ternary.variance([0.1, -0.5], 1.0, "gaussian")
    with pytest.raises(ValueError, match=r"sigma must be positive, got 0\.0"):
        ternary.mean_abs(0.0, "gaussian")
    with pytest.raises(ValueError, match=r"t must be at least 0, got -1\.0"):
        ternary.variance_at_ratio(-1.0, "laplace")


@pytest.mark.parametrize("shape", [(), (1,), (2,)])
def test_the_end_of_the_uniform_law_next_to_a_double(shape: tuple[int, ...]) -> None:
    """Where delta^2 - 3 sigma^2 is -2, all digits of sqrt(3) sigma that two doubles hold agree with delta."""
    delta, sigma = 3784796725797431.0, 2185153408467161.0
    assert int(delta) ** 2 - 3 * int(sigma) ** 2 == -2
    width = 3**0.5 * sigma
    exact = 2 / (2 * width * (width + delta))  # since (width - delta)(width + delta) = 2
    found = ternary.p_plus(delta, np.full(shape, sigma), "uniform")
    assert found == pytest.approx(np.full(shape, exact), rel=4 * np.finfo(float).eps, abs=0)
    assert ternary.p_plus(np.full(shape, delta), sigma, "uniform") == pytest.approx(found, rel=1e-15, abs=0)


def test_bad_arguments_are_named_wherever_they_stand() -> None:
    with pytest.raises(
        ValueError, match=r"distribution must be one of uniform, gaussian, laplace, got \['uniform'\]"
    ):
        ternary.p_plus(1.0, 1.0, ["uniform"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"sigma must be positive, got -1.0"):
        ternary.p_plus(np.zeros((0, 1)), [-1.0, -1.0], "laplace")
    many = np.ones(50_000)
    many[-1] = -1
    with pytest.raises(ValueError, match=r"sigma must be positive, got -1.0"):
        ternary.p_plus(1.0, many, "laplace")
    with pytest.raises(ValueError, match=r"delta must be real numbers, got \[\[1\], \[1, 2\]\]"):
        ternary.p_plus([[1], [1, 2]], 1.0, "laplace")
    with pytest.raises(ValueError, match="delta must be real numbers"):
        ternary.p_plus(10**400, 1.0, "laplace")
    assert ternary.p_plus(10**30, 1.0, "laplace") == 0
