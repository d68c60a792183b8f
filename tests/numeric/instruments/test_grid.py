"""Step functions on a shifted grid: the bound holds for every shift and is not idle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numeric.instruments import grid


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.integers(1, 300), st.integers(0, 10**6))
def test_the_mean_is_within_the_bound_for_every_shift(jumps: list[float], points: int, seed: int) -> None:
    def steps(u: np.ndarray) -> np.ndarray:
        return sum((-1.5) ** k * (u < jump) for k, jump in enumerate(jumps))

    variation = sum(1.5**k for k in range(len(jumps)))
    true = sum((-1.5) ** k * jump for k, jump in enumerate(jumps))
    found = grid.expectation(steps, variation, points, seed=seed, stream=3)
    assert abs(found.value - true) <= found.bound


def test_the_bound_counts_the_rounding_of_the_sum() -> None:
    found = grid.expectation(lambda u: 1e9 / 3 + (u < 0.3), 1.0, 1 << 22, seed=0, stream=0)
    assert not found.refutes(1e9 / 3 + 0.3)
    assert not grid.expectation(lambda u: 0.7 + 0.0 * u, 0.0, 10**6, seed=0, stream=0).refutes(0.7)


def test_half_of_the_bound_would_not_do() -> None:
    errors = [
        abs(grid.expectation(lambda u: u < 0.3, 1.0, 10, seed=seed, stream=0).value - 0.3)
        for seed in range(400)
    ]
    shifted = [
        abs(grid.expectation(lambda u: u < 0.3501, 1.0, 10, seed=seed, stream=0).value - 0.3501)
        for seed in range(400)
    ]
    assert max(errors + shifted) > 0.05


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"points must be an integer from 1 to 1099511627776, got 0"):
        grid.expectation(lambda u: u < 0.5, 1.0, 0, seed=0, stream=0)
    with pytest.raises(ValueError, match="variation must be at least 0, got -1"):
        grid.expectation(lambda u: u < 0.5, -1.0, 1, seed=0, stream=0)


@pytest.mark.parametrize("wrong", [lambda u: 1.0, lambda u: u[:3], lambda u: u[:, None] < 0.5])
def test_a_function_that_does_not_give_one_number_for_each_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"function must return an array of shape \(100,\), got shape"):
        grid.expectation(wrong, 1.0, 100, seed=0, stream=0)
    with pytest.raises(ValueError, match="what function returns must be real numbers"):
        grid.expectation(lambda u: u * 1j, 1.0, 100, seed=0, stream=0)  # type: ignore[arg-type,return-value]
