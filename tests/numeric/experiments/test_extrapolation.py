"""Extrapolation to infinity."""

from __future__ import annotations

import math

import pytest

from numeric.experiments import extrapolation


def test_polynomials_are_extrapolated_exactly() -> None:
    places = [3.0, -1.0, 0.5, 2.0]
    assert extrapolation.at_zero(places, [7 - x + 4 * x**3 for x in places]) == pytest.approx(
        7, rel=1e-14, abs=0
    )


def test_mills_ratio_far_out() -> None:
    def ratio(x: float) -> float:
        return x * math.exp(x**2 / 2) * math.sqrt(math.pi / 2) * math.erfc(x / math.sqrt(2))

    assert extrapolation.limit(ratio, [8.0, 10.0, 13.0, 16.0, 20.0, 25.0]) == pytest.approx(1, abs=1e-9)
    assert abs(ratio(25.0) - 1) > 1e-3


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="values must be as many as places"):
        extrapolation.at_zero([1.0, 2.0], [1.0])
