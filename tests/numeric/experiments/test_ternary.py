"""Ternary weights: draws, quadrature and minimisation agree, and wrong values are refuted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import pytest

from numeric.experiments import ternary, ternary_error, ternary_threshold, weight_integrals
from numeric.instruments import quadrature
from numeric.instruments.bounded import Bounded
from numeric.instruments.laws import Law
from numeric.instruments.quadrature import Piece
from numeric.sampling.engine import mean_of, sample


@pytest.mark.parametrize("distribution", ternary.DISTRIBUTIONS)
def test_draws_agree_with_quadrature_and_refute_a_value_off_by_half_a_percent(distribution: str) -> None:
    (moments,) = sample(ternary.TernaryDraws(distribution, ((1.3, 0.6),)), 4_000_000, seed=1)
    (of_scale,) = sample(ternary.ScaleDraws(distribution, ((1.3, 0.6),)), 4_000_000, seed=1)
    integrals = weight_integrals.ternary_quantities(distribution, 1.3, 0.6, 1.7)
    found = (
        (ternary.least_squares_scale(of_scale), weight_integrals.best_scale(distribution, 1.3, 0.6).value),
        (ternary.estimates(moments)["mean_abs"], integrals["mean_abs"].value),
        (
            mean_of(ternary.ErrorDraws(distribution, ((1.3, 0.6, 1.7),)), 4_000_000, seed=1),
            integrals["error"].value,
        ),
    )
    for estimate, exact in found:
        assert not estimate.refutes(exact, comparisons=60)
        assert estimate.refutes(1.005 * exact, comparisons=60)


@pytest.mark.parametrize("distribution", ternary.DISTRIBUTIONS)
def test_draws_find_the_slope_of_the_least_error_and_its_zero(distribution: str) -> None:
    best = ternary_error.minimise_error(distribution, 1.3)
    near = 1.02 * best.delta.value  # a step of Newton's leads back from there
    places = ((1.3, 0.1), (1.3, near))
    at_low, near_best = sample(ternary_threshold.ThresholdDraws(distribution, places), 8_000_000, seed=1)
    slope = ternary_threshold.slope_of_least_error(at_low, 0.1)
    exact = ternary_error.slope_of_least_error(distribution, 1.3, 0.1).value
    assert not slope.refutes(exact, 60)
    assert slope.refutes(1.01 * exact, 60)
    threshold = ternary_threshold.threshold_of_least_error(near_best, near, best.curvature)
    assert not threshold.refutes(best.delta.value, 60)
    assert threshold.refutes(1.01 * best.delta.value, 60)
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


LAWS = tuple(weight_integrals.LAWS)


@pytest.mark.parametrize("distribution", LAWS)
@pytest.mark.parametrize("delta", [0.2, 0.9, 1.6])
def test_the_slope_is_that_of_differences_of_the_least_error(distribution: str, delta: float) -> None:
    def difference(step: float) -> float:
        up, down = (weight_integrals.least_error(distribution, 1.0, delta + side * step) for side in (1, -1))
        return (up.value - down.value) / (2 * step)

    slope = ternary_error.slope_of_least_error(distribution, 1.0, delta)
    assert slope.bound < 1e-10
    extrapolated = (4 * difference(1e-3) - difference(2e-3)) / 3  # an error of the order of 1e-12
    assert abs(slope.value - extrapolated) < 1e-9


@pytest.mark.parametrize("distribution", LAWS)
def test_no_other_threshold_has_a_smaller_error(distribution: str) -> None:
    best = ternary_error.minimise_error(distribution, 2.0)
    assert max(best.delta.resolution, best.error.resolution) < 2e-10
    for delta in (0.0, 0.5, 0.99 * best.delta.value, 1.01 * best.delta.value, 2.0, 3.4):
        other = weight_integrals.least_error(distribution, 2.0, delta)
        assert other.value - other.bound > best.error.value + best.error.bound


@pytest.mark.parametrize("sigma", [1e-40, 0.7, 1.3, 1e40])
def test_the_optimum_of_laws_with_a_closed_form_is_within_its_bound_and_little_else_is(sigma: float) -> None:
    """A third of the end of a uniform law; sigma/sqrt(2) for Laplace weights, with the error 1 - 2/e."""
    uniform, laplace = (ternary_error.minimise_error(law, sigma) for law in ("uniform", "laplace"))
    exact = (
        (uniform.delta, sigma / 3**0.5),
        (uniform.error, sigma**2 / 9),
        (laplace.delta, sigma / 2**0.5),
        (laplace.error, sigma**2 * (1 - 2 / math.e)),
    )
    for found, value in exact:
        assert not found.refutes(value)
        assert found.refutes(value * (1 + 2e-10))


def test_the_optimum_is_within_its_bound_when_integrals_are_off_by_all_of_theirs() -> None:
    off = itertools.cycle((1e-7, -1e-7, 1e-7))  # the slope of the parabola too large

    def coarse(law: Law, pieces: Iterable[Piece]) -> Bounded:
        exact = quadrature.expectation(law, pieces)
        return Bounded(exact.value + next(off), exact.bound + 1e-7)

    coarsely = ternary_error.minimise_error("laplace", 1.0, coarse)
    assert not coarsely.delta.refutes(0.5**0.5)
    assert not coarsely.error.refutes(1 - 2 / math.e)
    assert abs(coarsely.delta.value - 0.5**0.5) > 1e-8
    assert coarsely.delta.bound < 1e-5


@pytest.mark.parametrize("delta", [0.0, 1e-3, 1.0, 1.731])
def test_the_slope_holds_to_both_ends_of_a_uniform_law(delta: float) -> None:
    """The error is ``1 - A^2/P``, with A and P integrals of a constant."""
    end = 3.0**0.5
    true = (end + delta) * (3 * delta - end) / (4 * end)
    slope = ternary_error.slope_of_least_error("uniform", 1.0, delta)
    assert abs(slope.value - true) <= slope.bound + 1e-15
    assert slope.bound < 1e-8
    for beyond in (end, 2.0):
        with pytest.raises(ValueError, match=r"delta must be less than sqrt\(3\) sigma for uniform weights"):
            ternary_error.slope_of_least_error("uniform", 1.0, beyond)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="distribution must be one of"):
        ternary.TernaryDraws("cauchy", ((1.0, 0.5),))
    with pytest.raises(ValueError, match="sigma must be from 1e-50 to 1e\\+50, got 0"):
        ternary_error.minimise_error("laplace", 0)
    with pytest.raises(ValueError, match="delta must be at least 0 and finite, got -1"):
        ternary_error.slope_of_least_error("laplace", 1.0, -1.0)
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
