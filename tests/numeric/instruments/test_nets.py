"""Shifted nets: even, unbiased, less variable than plain draws, and with a bound that holds where variances mislead."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from numeric.arrays import Doubles
from numeric.experiments.relu import ReluDraws
from numeric.experiments.ternary import TernaryDraws
from numeric.instruments import nets
from numeric.instruments.nets import bounded_mean
from numeric.sampling.engine import mean_of
from numeric.sampling.normal import NormalDraws

CORRELATION = 0.5


def both_positive(pair: Doubles) -> Doubles:
    x, y = pair
    return np.asarray((x > 0) & (CORRELATION * x + (1 - CORRELATION**2) ** 0.5 * y > 0), float)


def share_of_first(batch: Doubles) -> Doubles:
    return np.asarray(batch[0] ** 2 / (batch**2).sum(axis=0))


BOTH = NormalDraws(2, both_positive)


def points_of_nets(dimension: int, size: int, number: int, rng: np.random.Generator) -> Doubles:
    z = np.empty((dimension * size, number))
    nets._NetDraws(NormalDraws(dimension, share_of_first), size, 0.0, 1.0).fill(rng, z)
    return z.reshape(dimension, size, number)


@pytest.mark.parametrize(("dimension", "size"), [(1, 2), (2, 64), (32, 16)])
def test_each_coordinate_of_each_net_has_one_point_in_each_interval(dimension: int, size: int) -> None:
    intervals = np.floor(ndtr(points_of_nets(dimension, size, 7, np.random.default_rng(0))) * size)
    each = np.broadcast_to(np.arange(size)[:, None], intervals.shape)
    np.testing.assert_array_equal(np.sort(intervals, axis=1), each)


def test_every_net_and_coordinate_has_a_shift_of_its_own() -> None:
    z = points_of_nets(3, 16, 50, np.random.default_rng(1))
    assert np.unique(z).size == z.size


@pytest.mark.parametrize("shift", [0, 2**52 - 1])
def test_no_shift_leads_to_infinity(shift: int) -> None:
    class Shifts(np.random.Generator):
        def integers(self, *_: object, size: tuple[int, ...] = (), **__: object) -> Any:
            return np.full(size, shift, np.uint64)

    z = points_of_nets(2, 64, 1, Shifts(np.random.PCG64(0)))
    assert np.isfinite(z).all()
    assert np.abs(z).max() > 8


@pytest.mark.parametrize("size", [1, 8, 64])
def test_the_probability_that_two_correlated_numbers_are_positive(size: int) -> None:
    true = 1 / 4 + math.asin(CORRELATION) / (2 * math.pi)
    found = bounded_mean(BOTH, size, 200_000, (0, 1), seed=1)
    assert not found.refutes(true, 1)
    assert found.refutes(true + 0.01, 1)


def test_nets_vary_less_than_as_many_plain_draws() -> None:
    plain, found = mean_of(BOTH, 64 * 20_000, seed=1), bounded_mean(BOTH, 64, 20_000, (0, 1), seed=1)
    assert found.draws < 40_000
    assert found.standard_error < plain.standard_error / 3


def test_statistics_of_batches_of_32() -> None:
    found = bounded_mean(NormalDraws(32, share_of_first), 64, 5_000, (0, 1), seed=2)
    assert not found.refutes(1 / 32, 1)
    assert abs(found.value - 1 / 32) < 6 * found.standard_error < 0.01 / 32


def test_the_bound_holds_where_nearly_all_nets_agree() -> None:
    """Of 64 points 20 lie below, but for one net in a million: hardly any sample shows that."""
    share = 20.000001 / 64
    below = NormalDraws(1, lambda z: np.asarray(z[0] < ndtri(share), float))
    estimates = [bounded_mean(below, 64, 1, (0, 1), seed=seed) for seed in range(10)]
    assert sum(estimate.standard_error == 0 for estimate in estimates) > 5
    for estimate in estimates:
        assert not estimate.refutes(share, 1)
        assert estimate.refutes(share + 0.005, 1)


@pytest.mark.parametrize("value", [0.1, -1e3, 7e5])
def test_rounding_accuses_no_constant(value: float) -> None:
    constant = NormalDraws(2, lambda z: np.full(z.shape[1], value))
    found = bounded_mean(constant, 4096, 1, (value - 1e-3, value + 1), seed=0)
    assert not found.refutes(value, 1)
    assert abs(found.value - value) < 1e-13 * max(abs(value), 1)


def test_a_value_out_of_bounds_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"bounds must hold the statistic, got \(0.0, 0.5\) and values from 0.0 to 1.0"
    ):
        bounded_mean(BOTH, 4, 1, (0, 0.5), seed=0)
    with pytest.raises(ValueError, match="and values from nan to nan"):
        bounded_mean(NormalDraws(1, lambda z: np.where(z[0] > 3, np.nan, 0.5)), 4, 1, (0, 1), seed=0)


@pytest.mark.parametrize("scale", [1e-299, 1e-160, 1e150, 8e307])
def test_bounds_of_any_size(scale: float) -> None:
    scaled = NormalDraws(1, lambda z: np.where(z[0] > 0, scale, 0.0))
    found = bounded_mean(scaled, 1, 10**6, (0, scale), seed=0)
    plain = bounded_mean(NormalDraws(1, lambda z: z[0] > 0), 1, 10**6, (0, 1), seed=0)
    assert found.value / scale == pytest.approx(plain.value, rel=1e-13)
    assert found.margin(1) / scale == pytest.approx(plain.margin(1), rel=1e-9)


@pytest.mark.parametrize("size", [0, -2, 64.0, True, None, "64", 1 << 17])
def test_sizes_are_integers_in_range(size: Any) -> None:
    with pytest.raises(ValueError, match=f"size must be an integer from 1 to 65536, got {size!r}"):
        bounded_mean(BOTH, size, 1, (0, 1), seed=0)


def test_integers_of_numpy_are_integers() -> None:
    draws = NormalDraws(np.int8(2), both_positive)
    expected = bounded_mean(BOTH, 128, 1, (0, 1), seed=0)
    assert bounded_mean(draws, np.uint8(128), np.int64(1), np.array([0, 1]), seed=np.int64(0)) == expected


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="size must be a power of 2, got 48"):
        bounded_mean(BOTH, 48, 1, (0, 1), seed=0)
    with pytest.raises(ValueError, match="number must be an integer of at least 1, got 0"):
        bounded_mean(BOTH, 64, 0, (0, 1), seed=0)
    with pytest.raises(ValueError, match="seed must be an integer of at least 0, got None"):
        bounded_mean(BOTH, 64, 1, (0, 1), seed=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="draws must have at most 21201 dimensions, got 30000"):
        bounded_mean(NormalDraws(30_000, share_of_first), 1, 1, (0, 1), seed=0)
    with pytest.raises(ValueError, match="draws must be one statistic of standard normal numbers"):
        bounded_mean(ReluDraws(((1.0, 0.0),)), 64, 1, (0, 1), seed=0)
    with pytest.raises(ValueError, match="draws must be one statistic of standard normal numbers"):
        bounded_mean(TernaryDraws("laplace", ((1.0, 0.5),)), 64, 1, (0, 1), seed=0)
    unfit: list[Any] = [(1, 0), (0, math.inf), (math.nan, 1), (0, 1e-310), (-1e308, 1e308), (0, 1, 2), 0]
    for bounds in unfit:
        with pytest.raises(ValueError, match="bounds must be two finite numbers, the lower one first"):
            bounded_mean(BOTH, 64, 1, bounds, seed=0)
    for other in (None, "01", ("a", "b"), {0, 1}, (0, 10**400)):
        with pytest.raises(ValueError, match="bounds must be real numbers"):
            bounded_mean(BOTH, 64, 1, other, seed=0)  # type: ignore[arg-type]
