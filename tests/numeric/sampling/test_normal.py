"""Statistics of normal numbers of one's own: what is not one for each draw is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numeric.arrays import Doubles
from numeric.sampling.engine import mean_of, sample
from numeric.sampling.normal import NormalDraws


def test_several_statistics() -> None:
    draws = NormalDraws(3, lambda z: np.array([z.mean(axis=0), z.var(axis=0, ddof=1)]), 2)
    (moments,) = sample(draws, 10**6, seed=0)
    np.testing.assert_allclose(moments.mean, [0, 1], atol=6e-3)


def test_a_statistic_of_all_draws_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match=r"function must return an array of shape \(\d+,\), got \(\)"):
        mean_of(NormalDraws(2, lambda z: z.max()), 1, seed=0)


def test_the_numbers_cannot_be_changed() -> None:
    def halved(z: Doubles) -> Doubles:
        z *= 0.5
        return z[0]

    with pytest.raises(ValueError, match="read-only"):
        mean_of(NormalDraws(1, halved), 1, seed=0)


@pytest.mark.parametrize("function", [lambda z: z[0] * 1j, lambda z: np.full(z.shape[1], "1")])
def test_what_is_not_real_is_refused(function: Any) -> None:
    with pytest.raises(ValueError, match="what function returns must be real numbers, got array"):
        mean_of(NormalDraws(1, function), 1, seed=0)


def test_the_mean_of_several_statistics_is_refused() -> None:
    with pytest.raises(ValueError, match="draws must be one statistic at one point, got 2 at 1"):
        mean_of(NormalDraws(2, lambda z: z, 2), 1, seed=0)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, None])
def test_bad_arguments_are_named(value: Any) -> None:
    with pytest.raises(ValueError, match=f"dimension must be an integer of at least 1, got {value}"):
        NormalDraws(value, lambda z: z)
    with pytest.raises(ValueError, match=f"statistics must be an integer of at least 1, got {value}"):
        NormalDraws(1, lambda z: z, value)
