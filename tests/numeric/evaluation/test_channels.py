"""Means over a batch in each channel: how few roundings meet a term."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numeric.batchnorm import forward
from numeric.evaluation.channels import Moments, panels
from numeric.evaluation.error_free import precise_sum

EPS = float(np.finfo(float).eps)


@given(st.lists(st.floats(-1e10, 1e10).filter(lambda x: x == 0 or abs(x) > 1e-10), min_size=1, max_size=40))
def test_a_precise_sum_is_that_of_twice_the_precision(terms: list[float]) -> None:
    found = float(precise_sum(np.array(terms)[:, None].copy())[0])
    exact, size = math.fsum(terms), math.fsum(map(abs, terms))
    assert abs(found - exact) <= EPS * abs(exact) + len(terms) * EPS**2 * size


def test_an_infinite_sum_of_squares_is_no_nan() -> None:
    assert forward([1e200, -1e200, 3.0, 4.0], 1.0, 0.0, 0.0).variance == np.inf


def moments(x: np.ndarray, g: np.ndarray) -> tuple[Moments, np.ndarray]:
    """Of the only panel, and the estimate of the mean that was subtracted."""
    _, panel = next(panels([x, g], [np.empty_like(x)], [(1, 0)]))
    found = panel.moments()
    return found, found.mean - found.offset


@pytest.mark.parametrize("channels", [300, 40])
@pytest.mark.parametrize("samples", [32, 33, 100, 5000])
def test_where_few_samples_decide_means_of_float32_are_those_of_float64(samples: int, channels: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, 300)).astype(np.float32)
    x[7, :channels] *= 1000
    g = rng.standard_normal(x.shape).astype(np.float32)
    found, centre = moments(x, g)
    deviations, wide_g = x.astype(float) - centre, g.astype(float)
    stands_out = np.abs(x[7]) > 2 * samples**0.5  # where it holds most of the sum of squares
    assert stands_out.any()
    for mean, terms in (
        (found.variance + found.offset**2, deviations**2),
        (found.offset, deviations),
        (found.products[0], deviations * wide_g),
        (found.means[0], wide_g),
    ):
        errors = np.abs(mean - terms.mean(axis=0)) / np.abs(terms).mean(axis=0)
        assert errors[stands_out].max() < 1e-13


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_where_samples_rise_the_estimate_from_the_first_ones_is_improved(dtype: type) -> None:
    x = np.arange(400, dtype=dtype)[:, None]
    found, _ = moments(x, x)
    assert found.offset**2 < found.variance / 4


def test_products_of_zeros_have_lost_nothing_and_those_that_underflow_have() -> None:
    x, g = np.random.default_rng(1).standard_normal((2, 100, 3000)).astype(np.float32)
    g[:, 1], g[:, 2] = 0.0, np.abs(g[:, 2]) * np.float32(1e-37)
    g[0, 2] = 0.0
    g[:, 3] = -g[:, 2]
    x[:, 2:4] *= np.float32(1e-8)
    _, panel = next(panels([x, g], [np.empty_like(x)], [(1, 0)]))
    panel.moments()
    assert np.flatnonzero(panel.doubtful).tolist() == [2, 3]
