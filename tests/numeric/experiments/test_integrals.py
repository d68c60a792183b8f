"""The quantities of experiments, integrated: two instruments agree, draws agree, wrong values are refuted."""

from __future__ import annotations

import math

import pytest

from numeric.experiments import (
    batchnorm,
    layers,
    relu,
    relu_integrals,
    ternary,
    weight_integrals,
)
from numeric.instruments import ball, quadrature
from numeric.instruments.laws import Laplace, Normal, Uniform
from numeric.instruments.quadrature import Piece, monomial
from numeric.sampling.engine import mean_of, sample


@pytest.mark.parametrize(("gamma", "beta"), [(1.25, 0.0), (-0.8, 0.4), (1.3, -7.8), (-0.5, 4.0), (1e-5, 1e4)])
def test_quantities_of_a_relu_by_both_instruments(gamma: float, beta: float) -> None:
    by_quadrature = relu_integrals.relu_quantities(gamma, beta)
    by_balls = relu_integrals.relu_quantities(gamma, beta, ball.expectation)
    for name, found in by_quadrature.items():
        other = by_balls[name]
        assert abs(found.value - other.value) <= found.bound + other.bound, name
        assert found.resolution < 1e-10, name
        assert found.refutes(found.value * (1 + 1e-10)), name


def test_quantities_of_a_relu_are_those_that_are_drawn() -> None:
    (moments,) = sample(relu.ReluDraws(((-0.8, 0.4),)), 500_000, seed=1)
    drawn = relu.estimates(moments, -0.8)
    found = relu_integrals.relu_quantities(-0.8, 0.4)
    assert set(found) == {*drawn, "third_moment"}
    for name, estimate in drawn.items():
        assert not estimate.refutes(found[name].value, len(drawn)), name
        assert estimate.refutes(1.015 * found[name].value, len(drawn)), name


@pytest.mark.parametrize("distribution", ternary.DISTRIBUTIONS)
@pytest.mark.parametrize("delta", [0.0, 0.6])
def test_quantities_of_ternary_weights(distribution: str, delta: float) -> None:
    found = weight_integrals.ternary_quantities(distribution, 1.3, delta, 0.8)
    other = weight_integrals.ternary_quantities(distribution, 1.3, delta, 0.8, ball.expectation)
    (moments,) = sample(ternary.TernaryDraws(distribution, ((1.3, delta),)), 500_000, seed=1)
    errors = ternary.ErrorDraws(distribution, ((1.3, delta, 0.8),), plain=True)
    drawn = {**ternary.estimates(moments), "error": mean_of(errors, 500_000, seed=1)}
    assert set(found) == set(drawn)
    for name, value in found.items():
        assert abs(value.value - other[name].value) <= value.bound + other[name].bound, name
        if name == "p_zero" and delta == 0:
            assert value.value == 0.0
        else:
            assert value.resolution < 1e-10, name
        estimate = drawn[name]
        assert not estimate.refutes(value.value, 5), name
        if delta > 0 or name not in ("p_zero", "variance"):  # binary weights leave nothing to chance in these
            assert estimate.refutes(1.05 * value.value, 5), name


@pytest.mark.parametrize("distribution", ternary.DISTRIBUTIONS)
def test_best_scale_and_least_error(distribution: str) -> None:
    scale, error = (
        f(distribution, 1.3, 0.6) for f in (weight_integrals.best_scale, weight_integrals.least_error)
    )
    assert max(scale.resolution, error.resolution) < 1e-9
    law = weight_integrals.law_of(distribution, 1.3)
    size, share = (quadrature.expectation(law, [Piece(0.6, math.inf, monomial(k))]) for k in (1, 0))
    mean_beyond = size / share
    assert abs(scale.value - mean_beyond.value) <= scale.bound + mean_beyond.bound
    at_scale = weight_integrals.ternary_quantities(distribution, 1.3, 0.6, scale.value)["error"]
    assert abs(at_scale.value - error.value) <= at_scale.bound + error.bound + scale.bound


@pytest.mark.parametrize("distribution", ternary.DISTRIBUTIONS)
def test_grid_and_integral_agree_on_shares(distribution: str) -> None:
    integral = weight_integrals.ternary_quantities(distribution, 1.3, 0.6)
    on_grid = weight_integrals.shares_on_grid(distribution, 1.3, 0.6, 100_000, seed=0, stream=0)
    for name, found in on_grid.items():
        assert abs(found.value - integral[name].value) <= found.bound + integral[name].bound
        assert found.resolution < 1e-3


@pytest.mark.parametrize("law", [Normal(0.7), Laplace(0.7), Uniform(0.7)])
@pytest.mark.parametrize("bits", [1, 2, 5])
def test_quantised_weights(law: Normal, bits: int) -> None:
    quantiser = weight_integrals.nearest_levels(bits, 1.7)
    for function in (
        lambda integrate: weight_integrals.quantised_moment(law, *quantiser, 2, integrate),
        lambda integrate: weight_integrals.quantisation_error(law, *quantiser, integrate),
    ):
        found, other = (function(i) for i in (quadrature.expectation, ball.expectation))
        assert abs(found.value - other.value) <= found.bound + other.bound
        assert found.resolution < 1e-9


def test_one_bit_at_the_mean_size_has_the_error_of_the_best_binary_weights() -> None:
    law, size = Laplace(1.0), weight_integrals.ternary_quantities("laplace", 1.0, 0.0)["mean_abs"]
    error = weight_integrals.quantisation_error(law, *weight_integrals.nearest_levels(1, size.value))
    assert not error.refutes(1 - size.value**2)
    assert math.isclose(size.value, 2**-0.5, rel_tol=1e-12)


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_pooled_second_moment_is_that_of_drawn_windows(kernel: int) -> None:
    found = relu_integrals.pooled_second_moment(0.5, kernel)
    drawn = mean_of(layers.PoolingDraws(0.5, kernel), 500_000, seed=0)
    assert not drawn.refutes(found.value, 3)
    assert found.resolution < 1e-11


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="gamma must be finite and not 0, got 0"):
        relu_integrals.relu_quantities(0.0, 1.0)
    with pytest.raises(ValueError, match="beta must be finite"):
        relu_integrals.relu_moment(1, 1.0, math.inf)
    with pytest.raises(ValueError, match="order must be at least 0, got -1"):
        relu_integrals.relu_moment(-1, 1.0, 0.0)
    with pytest.raises(ValueError, match="distribution must be one of"):
        weight_integrals.ternary_quantities("cauchy", 1.0, 0.5)
    with pytest.raises(ValueError, match="delta must be at least 0 and finite, got -1"):
        weight_integrals.ternary_quantities("laplace", 1.0, -1.0)
    with pytest.raises(ValueError, match="bits must be an integer from 1 to 16, got 0"):
        weight_integrals.nearest_levels(0, 1.0)
    with pytest.raises(ValueError, match="kernel must be at least 1, got 0"):
        relu_integrals.pooled_second_moment(0.5, 0)
    with pytest.raises(ValueError, match="m must be an integer of at least 2, got 1"):
        batchnorm.running_variance(1, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"levels must be one more than thresholds \(1\), got 1"):
        weight_integrals.quantised_moment(Normal(), (0.0,), (1.0,), 2)


@pytest.mark.parametrize("n_next", [1, 2])
def test_gradients_of_adjacent_layers_change_with_the_window_and_the_width_as_sums_do(n_next: int) -> None:
    wide = layers.adjacent_layers(n_next + 1, 1, seed=3)
    narrow = layers.adjacent_layers(1, 1, seed=3)
    pooled = layers.adjacent_layers(1, 2, seed=3)
    assert wide["below"] == pytest.approx((n_next + 1) * narrow["below"], rel=1e-13)
    assert pooled["below"] == pytest.approx(narrow["below"] / 16, rel=1e-13)
    assert {name: v for name, v in wide.items() if name != "below"} == {
        name: v for name, v in narrow.items() if name != "below"
    }
    for name, numbers in {"n_next": (0, 1), "kernel": (1, 0)}.items():
        with pytest.raises(ValueError, match=f"{name} must be"):
            layers.adjacent_layers(*numbers, seed=0)
