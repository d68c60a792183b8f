"""Estimates: able to refute, honest about skewness; moments merged as if they had been taken together."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtri
from scipy.stats import binom

from numeric.arrays import Doubles
from numeric.experiments.relu import ReluDraws
from numeric.sampling.engine import block_size, mean_of, sample
from numeric.sampling.estimates import FALSE_ALARM, POWER, DependentDraws, Estimate, Moments
from numeric.sampling.normal import NormalDraws

NUMBERS = arrays(np.float64, st.tuples(st.just(2), st.integers(2, 9)), elements=st.floats(-1e3, 1e3))


def moments(x: np.ndarray) -> Moments:
    mean = x.mean(axis=1)
    c = x - mean[:, None]
    return Moments(
        x.shape[1], mean, c @ c.T, (c**3).sum(axis=1), (c**4).sum(axis=1), 1, np.zeros(2), np.zeros(1)
    )


@given(NUMBERS, NUMBERS, st.sampled_from([0.0, 1e6]))
def test_merged_moments_are_those_of_both_samples(x: np.ndarray, y: np.ndarray, offset: float) -> None:
    x, y = x + offset, y + offset
    found, together = moments(x).merged(moments(y)), moments(np.concatenate([x, y], axis=1))
    spread = 1e3 + np.abs(x - offset).max() + np.abs(y - offset).max()
    for k, name in ((1, "mean"), (2, "scatter"), (3, "third"), (4, "fourth")):
        scale = spread**k * 18 + (offset if k == 1 else 0)
        np.testing.assert_allclose(getattr(found, name), getattr(together, name), rtol=0, atol=1e-9 * scale)


def test_a_formula_wrong_by_its_resolution_of_one_percent_is_refuted() -> None:
    (moments,) = sample(ReluDraws(((1.0, 0.0),)), 4_000_000, seed=4, stream=2)
    estimate = moments.of(lambda t: float(t[2]))
    assert not estimate.refutes(0.5, comparisons=50)
    assert estimate.resolution(50) < 0.01
    assert estimate.refutes(0.505, comparisons=50)
    assert estimate.refutes(float("nan"), comparisons=50)


def test_the_margin_grows_with_skewness_looks_and_comparisons() -> None:
    plain = Estimate(1.0, 0.1, 10_000)
    assert plain.margin(1) == pytest.approx(-0.1 * ndtri(FALSE_ALARM / 2))
    assert Estimate(1.0, 0.1, 10_000, skewness=2.0).margin(1) > plain.margin(1)
    assert Estimate(1.0, 0.1, 10_000, share=0.1).margin(1) == pytest.approx(plain.margin(10))
    with pytest.raises(ValueError, match="comparisons must be at least 1 and finite, got 0"):
        plain.margin(0)


@pytest.mark.parametrize("draws", [50, 5000])
@pytest.mark.parametrize("p", [1e-4, 0.01, 0.3])
def test_with_a_known_span_the_margin_holds_for_any_number_of_draws_of_any_law(p: float, draws: int) -> None:
    """Shares, for few of which normal theory is wrong: each outcome with its exact probability."""
    comparisons, alarms, caught = 4, 0.0, 0.0
    for count in range(draws + 1):
        mean = count / draws
        error = (mean * (1 - mean) / (draws - 1)) ** 0.5
        estimate = Estimate(mean, error, draws, share=1e4, span=1.0)  # at a probability of 1e-2 in all
        chance = binom.pmf(count, draws, p)
        alarms += chance * estimate.refutes(p, comparisons)
        resolution = estimate.resolution(comparisons)
        wrong = p * (1 + resolution) if resolution < np.inf else 2.0
        caught += chance * estimate.refutes(wrong, comparisons)
    assert alarms < 1e4 * FALSE_ALARM / comparisons
    assert caught >= POWER


def test_draws_that_are_all_the_same_say_nothing_unless_a_span_is_known() -> None:
    never = NormalDraws(1, lambda z: np.asarray(z[0] > 6, float))  # one in 10^9
    estimate = mean_of(never, 10**6, seed=0)
    assert estimate.standard_error == 0
    assert not estimate.refutes(1e-9, 1)
    assert not estimate.refutes(0.5, 1)
    assert estimate.resolution(1) == np.inf
    bounded = Estimate(0.0, 0.0, 10**6, span=1.0)
    assert not bounded.refutes(1e-9, 1)
    assert bounded.refutes(1e-3, 1)
    assert Estimate(0.5, 0.1, 1, span=1.0).resolution(1) == np.inf


def test_margins_and_resolutions_by_hand() -> None:
    """z = 5.0263 and log(4/5e-7) = 15.8950 for 1e-6 shared by two; 3.0902 and log(2/1e-3) = 7.6009 for the power."""
    normal = Estimate(0.5, 0.01, 100, skewness=0.3)
    of_skewness = 0.3 * (2 * 5.02631**2 + 1) / 60
    assert normal.margin(2) == pytest.approx(0.01 * (5.02631 + of_skewness), rel=1e-5)
    assert normal.resolution(2) == pytest.approx((normal.margin(2) + 0.0309023) / (0.5 - 0.0309023), rel=1e-5)
    bounded = Estimate(0.5, 0.01, 101, span=3.0)
    assert bounded.margin(2) == pytest.approx(0.01 * (2 * 15.89495) ** 0.5 + 7 * 3 * 15.89495 / 300, rel=1e-5)
    further = 0.01 * (2 * 7.60090) ** 0.5 + 7 * 3 * 7.60090 / 300
    assert bounded.resolution(2) == np.inf  # 0.5 is less than what is further
    larger = replace(bounded, value=4.0)
    assert larger.resolution(2) == pytest.approx((larger.margin(2) + further) / (4 - further), rel=1e-5)


def test_a_span_far_below_the_value_leaves_room_for_rounding() -> None:
    assert Estimate(2.0**60, 0.0, 10**9, span=1.0).margin(1) > 2.0**60 * 2.0**-45


@pytest.mark.parametrize("span", [0.0, -1.0, np.nan])
def test_spans_are_positive(span: float) -> None:
    with pytest.raises(ValueError, match=f"span must be positive, got {span}"):
        Estimate(0.5, 0.1, 100, span=span)


def test_skewness_is_bounded_from_above() -> None:
    (moments,) = sample(ReluDraws(((1.0, -1.0),)), 10**6, seed=0)
    z = np.random.default_rng(0).standard_normal(10**6)
    y = np.maximum(z - 1.0, 0.0)
    third = ((y - y.mean()) ** 3).mean() / y.std() ** 3
    assert third < moments.of(lambda t: float(t[1])).skewness < 3 * third


@pytest.mark.parametrize(("scatter_of_means", "word"), [(0.0, "0 times"), (2.0, "2 times")])
def test_block_means_that_scatter_too_little_or_too_much_are_noticed(
    scatter_of_means: float, word: str
) -> None:
    blocks, size = 400, 1000
    none = np.zeros(1)
    moments = Moments(
        blocks * size,
        none,
        np.array([[blocks * size - 1.0]]),
        none,
        none,
        blocks,
        np.array([scatter_of_means * (blocks - 1) / size]),
        np.arange(64.0),
    )
    with pytest.raises(DependentDraws, match=word):
        moments.require_independent_blocks()


def test_blocks_of_rare_events_are_not_taken_for_dependent_ones() -> None:
    """Events of which one block in a hundred has one: by normal theory their counts scatter too much, or too little."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        counts = rng.poisson(0.01, 400)
        p, size = counts.mean() / 1000, 1000
        variance = p * (1 - p)
        moments = Moments(
            400 * size,
            np.array([p]),
            np.array([[variance * (400 * size - 1)]]),
            np.zeros(1),
            np.array([p * 400 * size]),
            400,
            np.array([((counts / size - p) ** 2).sum()]),
            np.arange(64.0),
        )
        moments.require_independent_blocks()


@dataclass(frozen=True)
class ScaledDraws(ReluDraws):
    """``scale exp(z) + offset``."""

    affine: tuple[tuple[float, float], ...] = ((1.0, 0.0),)
    scale: float = 1.0
    offset: float = 0.0
    statistics = 1

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        np.exp(z, out=out)
        out *= self.scale
        out += self.offset


@pytest.mark.parametrize(("scale", "offset"), [(0.0, 0.1), (0.0, 1e6 + 0.1), (0.0, 0.0), (1e-7, 1e8)])
def test_what_is_constant_but_for_rounding_accuses_no_generator(scale: float, offset: float) -> None:
    draws = ScaledDraws(scale=scale, offset=offset)
    (moments,) = sample(draws, 3 * block_size(draws), seed=0)
    assert moments.mean == pytest.approx(offset, rel=1e-14, abs=0)


@pytest.mark.parametrize("power", [1, 2, -0.5])
def test_errors_and_skewness_scale_with_what_is_observed(power: float) -> None:
    of = [
        sample(ScaledDraws(scale=scale), 10**6, seed=0)[0].of(lambda t: float(t[0] ** power))
        for scale in (1.0, 2.0**-190, 2.0**200)
    ]
    for estimate in of[1:]:
        assert estimate.standard_error / estimate.value == pytest.approx(of[0].standard_error / of[0].value)
        assert estimate.skewness == pytest.approx(of[0].skewness)


def test_nothing_is_resolved_where_the_fourth_moment_cannot_be_held() -> None:
    (moments,) = sample(ScaledDraws(scale=1e-100), 10**6, seed=0)
    assert moments.of(lambda t: float(t[0])).resolution(1) == np.inf


@pytest.mark.parametrize("comparisons", [0, math.nan, math.inf])
def test_a_margin_needs_a_number_of_comparisons(comparisons: float) -> None:
    with pytest.raises(ValueError, match="comparisons must be at least 1 and finite"):
        Estimate(0.5, 1e-9, 10**8).refutes(99.0, comparisons)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"draws": 0}, {"share": math.nan}, {"span": 0.0}])
def test_estimates_of_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        Estimate(**{"value": 0.5, "standard_error": 0.1, "draws": 10} | wrong)


def test_a_function_of_the_means_cannot_change_them() -> None:
    (moments,) = sample(NormalDraws(1, lambda z: z[0]), 10**4, seed=0)
    with pytest.raises(ValueError, match="read-only"):
        moments.of(lambda t: t.fill(7.0) or float(t[0]))  # type: ignore[func-returns-value]
