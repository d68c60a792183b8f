"""Fast values of the ReLU moments."""

from __future__ import annotations

from collections.abc import Callable
from decimal import localcontext
from math import pi, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numeric import relu
from numeric.evaluation.truncated_moments import LEFT, PER_UNIT, RIGHT, ratio_variance, root_two_pi, table

MOMENTS = (relu.gate_probability, relu.mean, relu.second_moment, relu.variance)
GRADIENTS = (
    relu.gate_probability_gradient,
    relu.mean_gradient,
    relu.second_moment_gradient,
    relu.variance_gradient,
)
ULP = np.finfo(float).eps
shifts = st.floats(-60, 60)
scales = st.floats(1e-3, 1e3)


def test_the_total_mass_of_the_normal_law_is_found() -> None:
    assert float(root_two_pi() ** 2 / 2) == pi


def test_tables_do_not_depend_on_the_precision_of_decimals_elsewhere() -> None:
    with localcontext(prec=5):
        assert np.array_equal(table.__wrapped__(ratio_variance), table(ratio_variance))


def test_special_values_in_which_rival_conventions_differ() -> None:
    assert relu.gate_probability(0.0) == 0.5
    assert relu.second_moment(0.0, 2.0) == 2.0  # sigma is a standard deviation, not a variance
    assert relu.variance(0.0) == pytest.approx((1 - 1 / pi) / 2, rel=ULP, abs=0)
    assert relu.c2(2.0, 0.0) == relu.c2(-2.0, 0.0) == 0.5  # over gamma^2; |gamma|
    assert relu.c1(-1.0, 1.0) == relu.gate_probability(1.0)
    assert relu.ratio(0.0) == pytest.approx(1.0, rel=ULP, abs=0)
    assert relu.ratio_variance(0.0) == pytest.approx(pi / (pi - 1), rel=ULP, abs=0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_limits(dtype: type[np.floating[Any]]) -> None:
    ends = np.array([-np.inf, np.inf], dtype)
    assert relu.gate_probability(ends).tolist() == [0, 1]
    assert relu.mean(ends, 2.0).tolist() == [0, np.inf]
    assert relu.second_moment(ends, 2.0).tolist() == [0, np.inf]
    assert relu.variance(ends, 2.0).tolist() == [0, 4]
    assert relu.ratio(ends).tolist() == [np.inf, 0]
    assert relu.ratio_variance(ends).tolist() == [np.inf, 1]
    assert [g.tolist() for g in relu.variance_gradient(ends, 2.0)] == [[0, 0], [0, 4]]
    assert [g.tolist() for g in relu.gate_probability_gradient(ends, 2.0)] == [[0, 0], [0, 0]]
    assert [g.tolist() for g in relu.mean_gradient(ends, 2.0)] == [[0, 1], [0, 0]]
    assert [g.tolist() for g in relu.second_moment_gradient(ends, 2.0)] == [[0, np.inf], [0, 4]]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("beside", [(), (1.0,), (np.nan,), (1.0,) * 200_000])
def test_limits_of_an_infinite_standard_deviation(dtype: type, beside: tuple[float, ...]) -> None:
    inf, nan = np.inf, np.nan
    mu = np.array([-inf, -1.5, 0.0, 2.0, inf, nan, *beside], dtype)
    sigma = np.array([inf] * 6 + [0.5] * len(beside), dtype)

    def same(found: Any, expected: list[float]) -> None:
        np.testing.assert_allclose(found[1:4], expected[1:4], rtol=3 * np.finfo(dtype).eps, atol=0)
        np.testing.assert_array_equal(found[[0, 4, 5]], [expected[0], expected[-1], nan])
        assert found.dtype == dtype

    same(relu.gate_probability(mu, sigma), [nan, 0.5, 0.5, 0.5, nan])
    for function in (relu.mean, relu.second_moment, relu.variance):
        same(function(mu, sigma), [nan, inf, inf, inf, inf])
    for slope in relu.gate_probability_gradient(mu, sigma):
        same(slope, [0.0] * 5)
    in_mu, in_sigma = relu.mean_gradient(mu, sigma)
    same(in_mu, [nan, 0.5, 0.5, 0.5, nan])
    same(in_sigma, [nan, *[1 / sqrt(2 * pi)] * 3, nan])
    for slope in relu.second_moment_gradient(mu, sigma):
        same(slope, [nan, inf, inf, inf, inf])
    in_mu, in_sigma = relu.variance_gradient(mu, sigma)
    same(in_mu, [nan, inf, inf, inf, nan])  # where mu is larger than sigma it may tend to 0
    same(in_sigma, [nan, inf, inf, inf, inf])
    same(relu.c1(-sigma, mu), [nan, 0.5, 0.5, 0.5, nan])
    same(relu.c2(sigma, mu), [nan, 0.5, 0.5, 0.5, nan])
    same(relu.c2_variance(-sigma, mu), [nan, *[(1 - 1 / pi) / 2] * 3, nan])


@pytest.mark.parametrize("function", [*MOMENTS, *GRADIENTS])
def test_an_infinite_standard_deviation_leaves_those_beside_it_alone(function: Callable[..., Any]) -> None:
    sigma = np.array([np.inf, 1.0, 1e-300, 1e300])
    found = np.array(function(2.0, sigma))[..., 1:]
    alone = np.array([function(2.0, s) for s in sigma[1:]]).T
    np.testing.assert_allclose(found, alone, rtol=8 * ULP, atol=0)
    assert np.array_equal(function(2.0, np.inf), np.array(function(2.0, sigma))[..., 0])


@pytest.mark.parametrize("function", [*MOMENTS, *GRADIENTS])
@pytest.mark.parametrize("mu", [-1e9, 0.0, 1e9])
def test_limits_are_what_large_standard_deviations_come_to(function: Callable[..., Any], mu: float) -> None:
    limit, close = np.array(function(mu, np.inf)), np.array(function(mu, 1e200))
    np.testing.assert_allclose(np.where(close > 1e190, np.inf, close), limit, rtol=4 * ULP, atol=1e-190)


def test_scales_at_the_ends_of_the_range() -> None:
    assert relu.mean(1.0, 5e-324) == 1.0
    assert relu.mean(-1.0, 5e-324) == 0.0
    assert relu.second_moment(1e150, 1e-320) == 1e150**2
    tiny = relu.gate_probability(-38.4)
    assert 0 < tiny < np.finfo(float).tiny
    assert relu.gate_probability(-38.6) == 0
    assert relu.mean(-45e200, 1e200) > 0  # though phi(45) is zero


@pytest.mark.parametrize("function", MOMENTS)
def test_no_step_at_the_seams_of_the_pieces(function: Callable[..., Any]) -> None:
    seams = (np.arange(LEFT * PER_UNIT, (RIGHT + 1) * PER_UNIT) + 0.5) / PER_UNIT
    sigma = 2.0**500  # the left end is above the underflow
    before, at = function(np.nextafter(seams, -np.inf) * sigma, sigma), function(seams * sigma, sigma)
    inside = (at > 1e-290) & (at < np.inf)
    assert inside.sum() > 1000
    relative_change = np.spacing(np.abs(seams)) * (np.abs(seams) + 2)  # a times its rounding, and slack
    assert (np.abs(at - before) <= (4 * ULP + relative_change) * at)[inside].all()


@given(shifts, scales)
def test_open_and_closed_side_together(mu: float, sigma: float) -> None:
    a = mu / sigma
    assert relu.gate_probability(mu, sigma) + relu.gate_probability(-mu, sigma) == pytest.approx(
        1, rel=4 * ULP, abs=0
    )
    gap = relu.mean(mu, sigma) - relu.mean(-mu, sigma)
    assert gap == pytest.approx(mu, rel=0, abs=8 * ULP * (abs(mu) + sigma))
    both = relu.second_moment(mu, sigma) + relu.second_moment(-mu, sigma)
    assert both == pytest.approx(mu**2 + sigma**2, rel=8 * ULP, abs=0)
    assert relu.c2(sigma, mu) + relu.c2(sigma, -mu) == pytest.approx(1 + a * a, rel=8 * ULP, abs=0)


@given(shifts, scales, st.integers(-300, 300))
def test_a_power_of_two_scales_out_exactly(mu: float, sigma: float, power: int) -> None:
    scale = 2.0**power
    if mu * scale / scale != mu:  # underflow
        return
    for function, degree in zip(MOMENTS, (0, 1, 2, 2), strict=True):
        expected = np.ldexp(function(mu, sigma), degree * power)
        if np.finfo(float).tiny < expected < np.inf and function(mu, sigma) > np.finfo(float).tiny:
            assert function(mu * scale, sigma * scale) == expected


@given(shifts, st.floats(1e-6, 1), scales)
def test_moments_and_variance_increase_with_the_mean(mu: float, gap: float, sigma: float) -> None:
    for function in MOMENTS:
        assert function(mu + gap, sigma) >= function(mu, sigma) * (1 - 8 * ULP)


@given(st.floats(-1e4, 1e4))
def test_ratios_decrease_and_stay_within_bounds(a: float) -> None:
    for function, least in ((relu.ratio, 0.0), (relu.ratio_variance, 1.0)):
        assert function(a) >= max(least, function(a + 1e-3) * (1 - 8 * ULP)) * (1 - 8 * ULP)
    assert relu.ratio_variance(a) >= relu.ratio(a) * (1 - 8 * ULP)


@given(st.floats(allow_nan=False), st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_bounds_hold_at_any_double(mu: float, sigma: float) -> None:
    gate, mean, second, variance = (f(mu, sigma) for f in MOMENTS)
    assert 0 <= gate <= 1
    assert mean >= max(0.0, mu)
    assert second >= 0
    assert variance >= 0
    assert variance <= second or variance == pytest.approx(second, rel=8 * ULP, abs=0)
    assert all(np.isfinite(g) or np.isinf(g) for f in GRADIENTS for g in f(mu, sigma))


@pytest.mark.parametrize("sigma", [1.0, 0.7, np.linspace(0.5, 2.0, 40_000)])
def test_roundings_do_not_pass_the_bounds_that_values_come_close_to(sigma: Any) -> None:
    mu = np.linspace(4.0, 9.6, 40_000) * sigma
    for gate in (relu.gate_probability(mu, sigma), relu.mean_gradient(mu, sigma)[0], relu.c1(sigma, mu)):
        assert gate.max() == 1
    assert np.all(relu.mean(mu, sigma) >= mu)
    assert np.all(relu.variance(mu, sigma) <= np.square(sigma))
    assert relu.c2_variance(sigma, mu).max() == 1
    assert np.all(relu.second_moment_gradient(mu, sigma)[1] <= 2 * np.asarray(sigma))


@given(shifts, scales)
def test_gradients_agree_with_homogeneity(mu: float, sigma: float) -> None:
    for function, gradient, degree in zip(MOMENTS, GRADIENTS, (0, 1, 2, 2), strict=True):
        in_mu, in_sigma = gradient(mu, sigma)  # Euler: mu f_mu + sigma f_sigma = degree f
        size = abs(mu * in_mu) + abs(sigma * in_sigma)
        euler = mu * in_mu + sigma * in_sigma
        assert euler == pytest.approx(degree * function(mu, sigma), rel=4 * ULP, abs=8 * ULP * size + 1e-300)


@given(st.floats(0, 39), scales)
def test_the_slope_of_the_gate_is_even(a: float, sigma: float) -> None:
    for right, left in zip(
        *(relu.gate_probability_gradient(mu, sigma) for mu in (a * sigma, -a * sigma)), strict=True
    ):
        assert abs(abs(right) - abs(left)) <= 8 * np.spacing(abs(left))


@pytest.mark.parametrize("function", [*MOMENTS, *GRADIENTS])
def test_shapes_and_types(function: Callable[..., Any]) -> None:
    def first(*args: Any) -> Any:
        result = function(*args)
        return result[0] if isinstance(result, tuple) else result

    mu = np.linspace(-3, 3, 12).reshape(3, 4)
    assert first(mu, np.ones((5, 1, 1))).shape == (5, 3, 4)
    assert first(mu[:, ::2].T).tolist() == first(mu)[:, ::2].T.tolist()
    frozen = mu.copy()
    frozen.flags.writeable = False
    assert first(frozen).tolist() == first(mu).tolist()
    assert first([]).shape == (0,)
    assert first(np.ones((0, 3)), np.ones(3)).shape == (0, 3)
    assert np.shape(first(1)) == ()
    assert isinstance(first(1.0), np.float64)
    narrow = mu.astype(np.float32)
    assert first(narrow, 2.0).dtype == first(1.0, np.float32(2)).dtype == np.float32
    assert first(narrow, np.float64(2)).dtype == first(np.arange(3), 2).dtype == np.float64
    assert np.isnan(first([np.nan, 1.0])).tolist() == [True, False]
    assert np.isnan(first(1.0, np.nan))
    assert np.isnan(first(np.float32(np.nan)))


def test_a_tiny_mean_keeps_its_digits_beside_nan() -> None:
    mu, sigma = np.array([5e-324, np.nan]), 8.860283456763037e-09
    alone = relu.gate_probability_gradient(mu[0], sigma)[1]
    assert relu.gate_probability_gradient(mu, sigma)[1][0] == pytest.approx(alone, rel=8 * ULP, abs=0)


def test_sigma_is_refused_even_where_there_is_nothing_to_compute() -> None:
    with pytest.raises(ValueError, match=r"sigma must be positive, got -1\.0"):
        relu.mean(np.ones((0, 1)), np.full(140_000, -1.0))


def test_shapes_that_do_not_fit_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"gamma, beta must broadcast together, got shapes \(3,\), \(4,\)"):
        relu.c1(np.ones(3), np.ones(4))


def test_long_arrays_are_the_same_as_short_ones() -> None:
    mu = np.random.default_rng(0).normal(size=140_000) * 5
    assert relu.variance(mu, 1.5)[::1000].tolist() == [relu.variance(m, 1.5) for m in mu[::1000]]


@pytest.mark.parametrize("function", [*MOMENTS, *GRADIENTS])
@pytest.mark.parametrize("share", [1, 60])
@given(
    mu=st.floats(-20, 20), sigma=scales, a=st.sampled_from([20.0, -34.0, 50.0, -400.0, 1e5, np.nan, np.inf])
)
def test_what_stands_beside_changes_the_last_digits_at_most(
    function: Callable[..., Any], share: int, mu: float, sigma: float, a: float
) -> None:
    beside = np.full(100, 0.3)
    beside[:share] = a
    found = np.array(function(np.append(mu, beside) * sigma, sigma))
    alone = np.array(function(mu * sigma, sigma))
    assert np.all(np.abs(found[..., 0] - alone) <= 8 * np.spacing(np.abs(alone)))
    assert np.isnan(found).any() == np.isnan(a)


@pytest.mark.parametrize("mu", [1.0, 0.0, np.inf, np.nan, [], [np.nan, 1.0]])
@pytest.mark.parametrize("sigma", [0.0, -0.5, -np.inf, [1.0, -0.5], [np.inf, -0.5]])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("function", [*MOMENTS, *GRADIENTS])
def test_a_bad_standard_deviation_is_named(
    function: Callable[..., Any], dtype: type, sigma: Any, mu: Any
) -> None:
    wrong = float(np.min(sigma))
    sigmas = np.asarray(sigma, dtype) if np.shape(mu) != (0,) else np.asarray(sigma, dtype)[..., None]
    where = " in float32" if dtype == np.float32 else ""
    with pytest.raises(ValueError, match=f"sigma must be positive{where}, got {wrong}"):
        function(np.asarray(mu, dtype), sigmas)


def test_other_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"gamma must be nonzero, got 0.0"):
        relu.c2(0.0, 1.0)
    with pytest.raises(ValueError, match="mu must be real numbers"):
        relu.mean(1j)
    with pytest.raises(ValueError, match="a must be real numbers"):
        relu.ratio("one")


@pytest.mark.parametrize(
    ("mu", "power"), [(5e-324, 26), (3e-322, 24), (-7e-320, 20), (4.6e-316, 6), (0.0, 20)]
)
def test_slope_of_the_gate_where_the_shift_ratio_is_subnormal(mu: float, power: int) -> None:
    sigma = 1.5 * 2.0**-power
    exact = -(mu * 2.0 ** (2 * power)) / (1.5**2 * np.sqrt(2 * pi))  # phi(a) is phi(0)
    for together in (np.full(3, mu), np.array([mu, 0.7, -1.2])):
        found = relu.gate_probability_gradient(together, sigma)[1][0]
        assert abs(found - exact) <= 4 * np.spacing(abs(exact))
