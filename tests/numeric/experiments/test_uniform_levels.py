"""Weights rounded to 2^b levels: which levels, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from numeric.experiments import logistic, uniform_levels
from numeric.experiments.uniform_levels import LevelDraws
from numeric.experiments.weight_integrals import quantised_variance, ternary_quantities
from numeric.instruments.laws import Logistic
from numeric.sampling.engine import sample


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_both_ends_are_levels_and_zero_is_none(bits: int) -> None:
    weights = np.linspace(-4.0, 4.0, 100_001)
    levels = np.unique(uniform_levels.nearest_level(weights, 1.5, bits).round(12))
    np.testing.assert_allclose(levels, np.linspace(-1.5, 1.5, 2**bits), atol=1e-12)
    assert np.abs(levels).min() > 0


def test_a_level_further_away_is_never_taken() -> None:
    weights = np.random.default_rng(0).normal(size=1000)
    levels = np.linspace(-2.0, 2.0, 8)
    nearest = np.abs(weights[:, None] - levels).min(axis=1)
    np.testing.assert_allclose(
        np.abs(weights - uniform_levels.nearest_level(weights, 2.0, 3)), nearest, atol=1e-14
    )


def test_one_bit_has_no_sampling_error() -> None:
    assert not quantised_variance(Logistic(), 1, 1.5).refutes(2.25)


def test_draws_and_quadrature_agree() -> None:
    for bits, moments in zip(
        (2, 3), sample(LevelDraws("logistic", 1.0, 2.5, (2, 3)), 10**6, seed=0), strict=True
    ):
        found = uniform_levels.variance(moments)
        assert not found.refutes(quantised_variance(Logistic(), bits, 2.5).value, 2)
        assert found.refutes(quantised_variance(Logistic(), bits + 1, 2.5).value, 2)


def test_density_and_distribution_are_of_one_law() -> None:
    for w in (0.4, 2.0, 30.0):
        p_plus = ternary_quantities("logistic", 1.0, w)["p_plus"]
        assert not p_plus.refutes(logistic.distribution(-w))
        assert p_plus.resolution < 1e-12


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="largest must be positive and finite, got 0"):
        uniform_levels.nearest_level(np.zeros(1), 0.0, 2)
    with pytest.raises(ValueError, match="delta must be at least 0, got -1"):
        logistic.TernaryDraws(-1.0)
