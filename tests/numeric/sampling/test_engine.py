"""The engine: the same draws for everybody, and generators that are not random are noticed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from numeric.arrays import Doubles
from numeric.experiments.relu import ReluDraws
from numeric.experiments.ternary import DISTRIBUTIONS, TernaryDraws
from numeric.sampling import engine, executors
from numeric.sampling.engine import Together, block_size, sample, sampling, share_of_look
from numeric.sampling.estimates import DependentDraws, Moments
from numeric.sampling.executors import run


@dataclass(frozen=True)
class SquareDraws:
    """z^2 for z = ``scale`` times a standard normal number."""

    scale: float = 1.0
    dimension = 1
    points = 1
    source = "normal"
    statistics = 1

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        rng.standard_normal(out=z)
        z *= self.scale

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        np.square(z[0], out=out[0])


def test_moments_are_those_of_the_same_draws_taken_together() -> None:
    draws = ReluDraws(((1.0, 0.3),))
    (found,) = sample(draws, 2 * block_size(draws), seed=4, stream=1)
    streams = [engine.generator(4, 1, block) for block in (0, 1)]
    assert sorted(rng.random() for rng in streams) == list(found.starts)
    z = np.concatenate([rng.standard_normal(block_size(draws)) for rng in streams])
    y = np.maximum(z + 0.3, 0.0)
    together = np.stack([y > 0, y, y**2]).astype(float)
    assert found.draws == z.size
    np.testing.assert_allclose(found.mean, together.mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(together), rtol=1e-12)
    centred = together - together.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found.third, (centred**3).sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(found.fourth, (centred**4).sum(axis=1), rtol=1e-12)


@dataclass(frozen=True)
class OffDraws(SquareDraws):
    """z and z^2, both ``offset`` away from where they are."""

    offset: float = 0.0
    statistics = 2

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        np.add(z[0], self.offset, out=out[0])
        np.add(z[0] ** 2, self.offset, out=out[1])


@pytest.mark.parametrize("offset", [0.0, 3.0, -9.0, 1e2, -1e6])
def test_nothing_cancels_far_from_zero(offset: float) -> None:
    draws = OffDraws(offset=offset)
    (found,) = sample(draws, block_size(draws), seed=5)
    rng = engine.generator(5, 0, 0)
    rng.random()
    z = rng.standard_normal(block_size(draws))
    deviations = np.stack([z + offset, z**2 + offset]) - found.mean[:, None]
    np.testing.assert_allclose(found.scatter, deviations @ deviations.T, rtol=1e-9, atol=1e-9 * z.size)
    for power, sums in ((3, found.third), (4, found.fourth)):
        np.testing.assert_allclose(sums, (deviations**power).sum(axis=1), rtol=1e-9, atol=1e-9 * z.size)


def test_points_share_their_draws() -> None:
    together = sample(ReluDraws(((1.0, 0.0), (2.0, 0.0))), 10**6, seed=0)
    (alone,) = sample(ReluDraws(((2.0, 0.0),)), 10**6, seed=0)
    assert np.array_equal(together[1].mean, alone.mean)
    assert together[1].mean[1] == pytest.approx(2 * together[0].mean[1], rel=1e-15, abs=0)


def test_observers_of_one_source_share_their_draws() -> None:
    relu, weights = ReluDraws(((1.0, 0.2), (-2.0, 0.1))), TernaryDraws("gaussian", ((1.5, 0.5),))
    together = sample(Together((relu, SquareDraws(), weights)), 10**6, seed=3)
    alone = [m for draws in (relu, SquareDraws(), weights) for m in sample(draws, 10**6, seed=3)]
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.mean, other.mean)
        assert np.array_equal(one.scatter, other.scatter)
    with pytest.raises(ValueError, match="parts must have one source"):
        Together((relu, TernaryDraws("uniform", ((1.0, 0.5),))))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_weights_have_the_law_that_they_are_said_to_have(distribution: str) -> None:
    (found,) = sample(TernaryDraws(distribution, ((1.5, 0.5),)), 10**6, seed=2)
    mean_abs = {"uniform": math.sqrt(3) / 2, "gaussian": math.sqrt(2 / math.pi), "laplace": math.sqrt(0.5)}
    assert not found.of(lambda t: float(t[2])).refutes(1.5 * mean_abs[distribution], 1)
    assert not found.of(lambda t: float(t[1])).refutes(0.0, 1)


def until(resolution: float) -> tuple[Moments, float]:
    def excess(point: int, moments: Moments, share: float) -> float:
        return moments.of(lambda t: float(t[0]), share).resolution(1) / resolution

    plan = engine.sampling(SquareDraws(), excess, seed=3, stream=0)
    ((found, share),) = run({"squares": plan})["squares"]
    return found, share


def test_drawing_goes_on_until_the_resolution_is_reached() -> None:
    (early, share), (late, less) = until(3e-3), until(1.5e-3)
    assert late.of(lambda t: float(t[0]), less).resolution(1) <= 1.5e-3
    assert early.draws < late.draws < 6 * early.draws
    assert less < share < 1


def test_results_are_merged_before_many_are_held_and_no_digit_depends_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few, all_at_once = sample(SquareDraws(), 3 * 10**7, seed=1), until(1.5e-3)
    held = []

    def noting(calls: Sequence[Any], expected: int = 0) -> executors.Round:
        held.append(len(calls))
        return executors.Round(calls, expected)

    monkeypatch.setattr(engine, "Round", noting)
    monkeypatch.setattr(engine, "AT_A_TIME", 3)
    assert [repr(m) for m in sample(SquareDraws(), 3 * 10**7, seed=1)] == [repr(m) for m in few]
    assert repr(until(1.5e-3)) == repr(all_at_once)
    assert max(held) == 3


def test_the_shares_of_all_looks_add_up_to_one() -> None:
    shares = [engine.share_of_look(look) for look in range(1, 10**6)]
    assert 1 - 2e-5 < sum(shares) < 1
    assert sum(shares[: engine.PATIENCE]) == pytest.approx(0.5)


def test_a_biased_generator_is_noticed() -> None:
    (found,) = sample(SquareDraws(1.002), 20_000_000, seed=0)
    assert found.of(lambda t: float(t[0])).refutes(1.0, comparisons=1)


@pytest.mark.parametrize("streams", [1, 4, 59])
def test_a_generator_that_repeats_itself_is_noticed(streams: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        engine,
        "generator",
        lambda seed, stream, block: np.random.default_rng((seed, stream, block % streams)),
    )
    with pytest.raises(DependentDraws, match="a generator is used twice"):
        sample(SquareDraws(), 60 * block_size(SquareDraws()), seed=0)


def test_independent_streams_are_not_accused() -> None:
    (found,) = sample(SquareDraws(), 60 * block_size(SquareDraws()), seed=0)
    assert found.blocks == 60


@dataclass(frozen=True)
class SignDraws(SquareDraws):
    """Signs, of which there are two only."""

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        z[:] = rng.integers(0, 2, z.shape)


def test_draws_that_coincide_are_not_accused() -> None:
    (found,) = sample(SignDraws(), 60 * block_size(SquareDraws()), seed=0)
    assert not found.of(lambda t: float(t[0])).refutes(0.5, 1)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="size must be an integer of at least 1, got 0"):
        sample(SquareDraws(), 0, seed=0)


def test_parts_may_be_of_parts() -> None:
    one, other = ReluDraws(((1.0, 0.3),)), SquareDraws()
    nested, flat = Together((Together((one, other)), one)), Together((one, other, one))
    assert nested == flat
    assert [m.mean.size for m in sample(nested, 1, seed=0)] == [3, 1, 3]


def test_an_infinite_excess_goes_on_and_nan_is_refused() -> None:
    draws, looks = SquareDraws(), iter([np.inf, 3.0, 0.5])
    ((_, share),) = run({0: sampling(draws, lambda *_: next(looks), seed=0, stream=0)})[0]
    assert share == share_of_look(3)
    with pytest.raises(ValueError, match="excess must be a number, got nan at point 0"):
        run({0: sampling(draws, lambda *_: np.nan, seed=0, stream=0)})
