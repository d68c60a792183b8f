"""Ternary weights: draws, quadrature and minimisation agree, and wrong values are refuted."""

from __future__ import annotations

import pytest

from numeric.experiments import ternary, ternary_error, ternary_threshold
from numeric.sampling.engine import mean_of, sample


@pytest.mark.parametrize("distribution", ternary.DISTRIBUTIONS)
def test_draws_agree_with_quadrature_and_refute_a_value_off_by_half_a_percent(distribution: str) -> None:
    (moments,) = sample(ternary.TernaryDraws(distribution, ((1.3, 0.6),)), 4_000_000, seed=1)
    (of_scale,) = sample(ternary.ScaleDraws(distribution, ((1.3, 0.6),)), 4_000_000, seed=1)
    found = {
        "best scale": (
            ternary.least_squares_scale(of_scale),
            ternary_error.best_scale(distribution, 1.3, 0.6),
        ),
        "mean_abs": (ternary.estimates(moments)["mean_abs"], ternary_error.mean_abs(distribution, 1.3)),
        "error": (
            mean_of(ternary.ErrorDraws(distribution, ((1.3, 0.6, 1.7),)), 4_000_000, seed=1),
            ternary_error.error_integral(distribution, 1.3, 0.6, 1.7),
        ),
    }
    for estimate, exact in found.values():
        assert not estimate.refutes(exact, comparisons=60)
        assert estimate.refutes(1.005 * exact, comparisons=60)


@pytest.mark.parametrize("distribution", ternary.DISTRIBUTIONS)
def test_draws_find_the_slope_of_the_least_error_and_its_zero(distribution: str) -> None:
    best = ternary_error.minimise_error(distribution, 1.3)
    near = 1.02 * best.delta  # a step of Newton's leads back from there
    places = ((1.3, 0.1), (1.3, near))
    at_low, near_best = sample(ternary_threshold.ThresholdDraws(distribution, places), 8_000_000, seed=1)
    slope = ternary_threshold.slope_of_least_error(at_low, 0.1)
    exact = ternary_error.slope_of_least_error(distribution, 1.3, 0.1)
    assert not slope.refutes(exact, 60)
    assert slope.refutes(1.01 * exact, 60)
    threshold = ternary_threshold.threshold_of_least_error(near_best, near, best.curvature)
    assert not threshold.refutes(best.delta, 60)
    assert threshold.refutes(1.01 * best.delta, 60)
    for looked in (
        ternary_threshold.slope_of_least_error(at_low, 0.1, 0.1),
        ternary_threshold.threshold_of_least_error(near_best, near, best.curvature, 0.1),
    ):
        assert looked.share == 0.1


def test_the_variance_of_signs() -> None:
    (moments,) = sample(ternary.SignDraws("laplace", ((2.0, 0.0),)), 10**6, seed=1)
    signs = ternary.variance_of_signs(moments, 0.5)
    assert not signs.refutes(1.0, 60)
    assert signs.refutes(1.0001, 60)
    assert signs.share == 0.5
    assert moments.mean[1] == 1
    assert abs(moments.mean[0]) < 5e-3


@pytest.mark.parametrize("distribution", ternary.DISTRIBUTIONS)
def test_plain_and_reweighted_draws_agree(distribution: str) -> None:
    plain, reweighted = (
        mean_of(
            ternary.ErrorDraws(distribution, ((1.0, 0.5, 1.1),), plain), 2_000_000, seed=1, stream=int(plain)
        )
        for plain in (True, False)
    )
    assert abs(plain.value - reweighted.value) < 6 * (plain.standard_error + reweighted.standard_error)
    assert reweighted.standard_error < 1.01 * plain.standard_error < 0.003 * plain.value


@pytest.mark.parametrize("distribution", ternary.DISTRIBUTIONS)
def test_no_neighbour_of_the_optimum_has_a_smaller_error(distribution: str) -> None:
    best = ternary_error.minimise_error(distribution, 2.0)
    for factor in (0.99, 1.01):
        assert ternary_error.error_integral(distribution, 2.0, factor * best.delta, best.scale) > best.error
        assert ternary_error.error_integral(distribution, 2.0, best.delta, factor * best.scale) > best.error


@pytest.mark.parametrize("delta", [1e-3, 1.0, 1.731])
def test_the_slope_holds_to_both_ends_of_a_uniform_law(delta: float) -> None:
    """The error is ``1 - A^2/P``, with A and P integrals of a constant."""
    end = 3.0**0.5
    true = (end + delta) * (3 * delta - end) / (4 * end)
    assert ternary_error.slope_of_least_error("uniform", 1.0, delta) == pytest.approx(true, rel=1e-7)
    for at in (0.0, end):
        with pytest.raises(ValueError, match="delta must be positive, for uniform weights less than"):
            ternary_error.slope_of_least_error("uniform", 1.0, at)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="distribution must be one of"):
        ternary.TernaryDraws("cauchy", ((1.0, 0.5),))
    with pytest.raises(ValueError, match="sigma must be positive and finite, got 0"):
        ternary_error.minimise_error("laplace", 0)
    with pytest.raises(ValueError, match="delta must be at least 0, got -1"):
        ternary_error.error_integral("laplace", 1.0, -1.0, 1.0)
    for law, delta in (
        ("uniform", 1.73),
        ("gaussian", 6.0),
        ("laplace", 12.0),
        ("gaussian", float("inf")),
    ):
        with pytest.raises(ValueError, match=r"delta must be less than \d+\.?\d* for these weights, got "):
            ternary_threshold.ThresholdDraws(law, ((1.0, delta),))
    with pytest.raises(ValueError, match="parameters must hold those of one point at least, got none"):
        ternary.SignDraws("gaussian", ())
    with pytest.raises(ValueError, match="delta must be at least 0, got nan"):
        ternary_threshold.ThresholdDraws("gaussian", ((1.0, float("nan")),))
