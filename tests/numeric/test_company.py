"""What else stands in the array changes a fast value by less than its error: the ways through the code agree."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numeric import relu, ternary, uniform_levels

LAWS = ("uniform", "gaussian", "laplace")
ULP = np.finfo(float).eps
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "gate": relu.gate_probability,
    "mean": relu.mean,
    "second moment": relu.second_moment,
    "variance": relu.variance,
    "gate in mu": lambda mu, sigma: relu.gate_probability_gradient(mu, sigma)[0],
    "gate in sigma": lambda mu, sigma: relu.gate_probability_gradient(mu, sigma)[1],
    "variance in mu": lambda mu, sigma: relu.variance_gradient(mu, sigma)[0],
    "variance in sigma": lambda mu, sigma: relu.variance_gradient(mu, sigma)[1],
    **{f"share, {law}": lambda x, s, law=law: ternary.p_plus(np.abs(x), s, law) for law in LAWS},
    "best scale": lambda x, s: ternary.optimal_scale(np.abs(x), s, "gaussian"),
    **{f"3 bits, {law}": partial(uniform_levels.variance, bits=3, distribution=law) for law in LAWS},
}
sizes = st.one_of(st.floats(1e-3, 1e3), st.floats(1e-300, 1e300), st.floats(5e-324, 1.7e308))
ratios = st.one_of(st.floats(-40, 40), st.floats(-1e3, 1e3), st.floats(-1e300, 1e300), st.just(0.0))


@pytest.mark.parametrize("name", FUNCTIONS)
@given(st.lists(st.tuples(ratios, sizes), min_size=1, max_size=4), st.sampled_from([np.nan, np.inf, 1.0]))
def test_alone_and_among_others(name: str, points: list[tuple[float, float]], companion: float) -> None:
    function, weights = FUNCTIONS[name], "bits" in name
    scale = np.array([s for _, s in points])
    with np.errstate(all="ignore"):
        first = np.clip([r * s for r, s in points], -1.7e308, 1.7e308)
    arguments = (scale, np.maximum(np.abs(first), 5e-324)) if weights else (first, scale)
    alone = np.array([function(float(x), float(y)) for x, y in zip(*arguments, strict=True)])
    company = (np.append(arguments[0], 1.0 if weights else companion), np.append(arguments[1], 1.0))
    for found in (function(*arguments), function(*company)[:-1]):
        assert np.array_equal(np.isnan(found), np.isnan(alone))
        with np.errstate(invalid="ignore"):
            close = np.abs(found - alone) <= 8 * ULP * np.abs(alone) + 8 * 5e-324
        assert (close | (found == alone) | np.isnan(alone)).all(), (arguments, alone, found)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("mu", [0.5, -30.0, 1e-44])
def test_numbers_that_are_broadcast_are_those_of_a_full_array(name: str, dtype: type, mu: float) -> None:
    first, scale = dtype(mu), dtype(0.25)
    if "bits" in name:
        first, scale = scale, np.abs(first)
    full = FUNCTIONS[name](np.full(5, first), np.full(5, scale))
    for one in (first, np.broadcast_to(first, 5)):
        for other in (np.full(5, scale), np.broadcast_to(scale, 5)):
            found = FUNCTIONS[name](one, other)
            assert found.shape == (5,)
            assert found.dtype == dtype
            assert np.all(np.abs(found - full) <= 4 * np.finfo(dtype).eps * np.abs(full))
