"""Shifted nets: even, unbiased, less variable than plain draws, and with errors that are stated truthfully."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from numeric.arrays import Doubles
from numeric.experiments.relu import ReluDraws
from numeric.experiments.ternary import TernaryDraws
from numeric.instruments.nets import NetDraws
from numeric.sampling.engine import Together, mean_of, sample
from numeric.sampling.normal import NormalDraws

CORRELATION = 0.5


def correlated_relus(pair: Doubles) -> Doubles:
    x, y = pair
    other = CORRELATION * x + (1 - CORRELATION**2) ** 0.5 * y
    return np.asarray(np.maximum(x, 0) * np.maximum(other, 0))


def inverse_deviation(batch: Doubles) -> Doubles:
    return np.asarray(1 / np.sqrt(batch.var(axis=0) + 0.1))


@pytest.mark.parametrize(("dimension", "size"), [(1, 2), (2, 64), (32, 16)])
def test_each_coordinate_of_each_net_has_one_point_in_each_interval(dimension: int, size: int) -> None:
    z = np.empty((dimension * size, 7))
    NetDraws(NormalDraws(dimension, inverse_deviation), size).fill(np.random.default_rng(0), z)
    intervals = np.floor(ndtr(z).reshape(dimension, size, 7) * size)
    np.testing.assert_array_equal(
        np.sort(intervals, axis=1), np.broadcast_to(np.arange(size)[:, None], z.reshape(-1, size, 7).shape)
    )


@pytest.mark.parametrize("shift", [0, 2**52 - 1])
def test_no_shift_leads_to_infinity(shift: int) -> None:
    class Shifts(np.random.Generator):
        def integers(self, *_: object, size: tuple[int, ...] = (), **__: object) -> Any:
            return np.full(size, shift, np.uint64)

    z = np.empty((2 * 64, 1))
    NetDraws(NormalDraws(2, correlated_relus), 64).fill(Shifts(np.random.PCG64(0)), z)
    assert np.isfinite(z).all()
    assert np.abs(z).max() > 8


def test_the_product_of_two_relus() -> None:
    angle = math.acos(-CORRELATION)  # Cho and Saul
    true = (math.sin(angle) - angle * math.cos(angle)) / (2 * math.pi)
    draws = NormalDraws(2, correlated_relus)
    plain, nets = mean_of(draws, 2_000_000, seed=1), mean_of(NetDraws(draws, 256), 8_000, seed=1)
    assert not nets.refutes(true, 1)
    assert nets.refutes(1.003 * true, 1)
    assert nets.standard_error < plain.standard_error / 5  # of no more evaluations


def test_observers_of_the_same_nets_may_have_different_numbers_of_statistics() -> None:
    relu, gate = ReluDraws(((1.0, 0.3),)), NormalDraws(1, lambda z: np.asarray(z[0] > 0, float))
    alone = sample(NetDraws(relu, 32), 1, seed=3)[0]
    first, second = sample(NetDraws(Together((relu, gate)), 32), 1, seed=3)
    np.testing.assert_array_equal(first.mean, alone.mean)
    np.testing.assert_allclose(second.mean, [0.5, 0, 0], atol=1e-3)


def test_batches_of_32_agree_with_plain_draws() -> None:
    draws = NormalDraws(32, inverse_deviation)
    plain, nets = mean_of(draws, 400_000, seed=2), mean_of(NetDraws(draws, 64), 6_000, seed=2)
    assert abs(plain.value - nets.value) < 6 * plain.standard_error
    assert nets.standard_error < plain.standard_error / 2


def test_nets_that_nearly_all_agree_accuse_the_truth_unless_a_span_is_known() -> None:
    """Of 64 points 20 lie below, but for one net in a million: hardly any sample shows that."""
    share = 20.000001 / 64
    below = NetDraws(NormalDraws(1, lambda z: np.asarray(z[0] < ndtri(share), float)), 64)
    nominal = [mean_of(below, 1, seed=seed) for seed in range(20)]
    assert sum(estimate.refutes(share, 1) for estimate in nominal) > 10
    for seed in range(20):
        estimate = mean_of(below, 1, seed=seed, span=1.0)
        assert not estimate.refutes(share, 1)
        assert estimate.refutes(share + 0.005, 1)


def test_bad_arguments_are_named() -> None:
    relu = ReluDraws(((1.0, 0.0),))
    with pytest.raises(ValueError, match=r"size must be a power of 2 from 2 to 2\^20, got 48"):
        NetDraws(relu, 48)
    with pytest.raises(ValueError, match="draws must be of standard normal numbers, got laplace"):
        NetDraws(TernaryDraws("laplace", ((1.0, 0.5),)), 64)
    with pytest.raises(ValueError, match="span must be positive, got 0"):
        mean_of(NormalDraws(2, correlated_relus), 1, seed=0, span=0.0)
    with pytest.raises(ValueError, match="dimension must be at least 1, got 0"):
        NormalDraws(0, correlated_relus)
