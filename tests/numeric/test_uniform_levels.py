"""Fast values of weights of b bits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from numeric import uniform_levels
from numeric.experiments.uniform_levels import nearest_level

LAWS = ("uniform", "gaussian", "laplace")


@pytest.mark.parametrize(
    ("sigma", "clip", "bits"), [(1.0, 2.5, 1), (0.4, 1.3, 2), (1.7, 0.9, 3), (0.31, 1.0, 4)]
)
def test_the_variance_is_that_of_the_rounded_weights(sigma: float, clip: float, bits: int) -> None:
    step = 2 * clip / (2**bits - 1)

    def density(w: float) -> float:
        return float(np.exp(-((w / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi)))

    def level(w: float) -> float:
        return float(nearest_level(np.array([w]), clip, bits)[0])

    cuts = [k * step for k in range(2 ** (bits - 1))]
    ends = [*cuts[1:], max(40 * sigma, clip)]
    total = sum(
        level(low + step / 2) ** 2 * quad(density, low, high, epsabs=0, epsrel=1e-12)[0]
        for low, high in zip(cuts, ends, strict=True)
        if low < 30 * sigma
    )
    assert uniform_levels.variance(sigma, clip, bits, "gaussian") == pytest.approx(
        2 * total, rel=1e-10, abs=0
    )


@pytest.mark.parametrize("law", LAWS)
def test_special_values(law: str) -> None:
    assert uniform_levels.variance(0.3, 2.0, 1, law) == 4.0  # 2 levels, -clip and clip, and none at 0
    assert uniform_levels.variance(1e-9, 3.0, 2, law) == pytest.approx(
        1.0, rel=1e-15, abs=0
    )  # the innermost: 1/n
    assert uniform_levels.variance(1e9, 3.0, 2, law) == pytest.approx(
        9.0, rel=1e-8, abs=0
    )  # the outermost: clip


def test_many_bits_add_the_variance_of_rounding() -> None:
    step = 24 / (2**10 - 1)
    expected = 1 + step**2 / 12  # Sheppard: up to terms that vanish with the density's Fourier transform
    assert uniform_levels.variance(1.0, 12.0, 10, "gaussian") == pytest.approx(expected, rel=1e-14, abs=0)


@given(st.floats(1e-2, 1e2), st.floats(1e-2, 1e2), st.integers(1, 5), st.sampled_from(LAWS))
def test_between_innermost_and_outermost_level(sigma: float, clip: float, bits: int, law: str) -> None:
    variance = uniform_levels.variance(sigma, clip, bits, law)
    assert (clip / (2**bits - 1)) ** 2 * (1 - 1e-15) <= variance <= clip**2
    doubled = uniform_levels.variance(2 * sigma, 2 * clip, bits, law)
    assert doubled == 4 * variance
    assert uniform_levels.variance(1.1 * sigma, clip, bits, law) >= variance * (1 - 1e-15)


def test_shapes_and_types() -> None:
    sigma = np.linspace(0.1, 1, 6).reshape(2, 3)
    assert uniform_levels.variance(sigma, np.ones((4, 1, 1)), 3, "gaussian").shape == (4, 2, 3)
    assert uniform_levels.variance(sigma.astype(np.float32), 1.0, 3, "laplace").dtype == np.float32
    assert uniform_levels.variance([], 1.0, 3, "uniform").shape == (0,)
    assert np.isnan(uniform_levels.variance([np.nan, 1.0], 1.0, 2, "uniform")).tolist() == [True, False]


@pytest.mark.parametrize("bits", [1, 2, 9])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("law", LAWS)
def test_limits_of_infinite_scales(law: str, dtype: type, bits: int) -> None:
    sigma, clip = (
        np.array([np.inf, 1.0, np.inf, np.nan], dtype),
        np.array([3.0, np.inf, np.inf, np.inf], dtype),
    )
    found = uniform_levels.variance(sigma, clip, bits, law)
    few = 4 * float(np.finfo(dtype).eps)
    assert found[0] == pytest.approx(9.0, rel=few)  # all weights are at the ends
    assert found[1] == found[2] == np.inf
    assert np.isnan(found[3])
    for at in range(3):
        assert uniform_levels.variance(sigma[at], clip[at], bits, law) == pytest.approx(found[at], rel=few)


@pytest.mark.parametrize("bits", [0, -1, 17, 2.0, 2.5, "2", True])
def test_bad_bits_are_named(bits: object) -> None:
    with pytest.raises(ValueError, match=f"bits must be an integer from 1 to 16, got {bits!r}"):
        uniform_levels.variance(1.0, 1.0, bits, "gaussian")  # type: ignore[arg-type]


def test_other_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"clip must be positive, got -2\.0"):
        uniform_levels.variance(1.0, -2.0, 2, "gaussian")
    with pytest.raises(ValueError, match="distribution must be one of"):
        uniform_levels.variance(1.0, 2.0, 2, "normal")


@pytest.mark.parametrize("distribution", LAWS)
@pytest.mark.parametrize("bits", [1, 3])
@pytest.mark.parametrize(
    "shapes", [((5,), ()), ((), (5,)), ((5, 1), (3,)), ((40000,), (1,)), ((1,), (40000,))], ids=str
)
def test_arguments_broadcast(shapes: tuple[tuple[int, ...], ...], bits: int, distribution: str) -> None:
    sigma, clip = (np.linspace(0.3, 2.0, math.prod(shape)).reshape(shape) for shape in shapes)
    found = uniform_levels.variance(sigma, clip, bits, distribution)
    both = np.broadcast_arrays(sigma, clip)
    assert found.shape == both[0].shape
    pairs = list(zip(*(array.ravel()[-9:] for array in both), strict=True))
    alone = [uniform_levels.variance(*pair, bits, distribution) for pair in pairs]
    assert found.ravel()[-9:].tolist() == pytest.approx(alone, rel=1e-14, abs=0)


def test_nan_stays_nan_where_sigma_does_not_matter() -> None:
    found = uniform_levels.variance([0.5, np.nan], 2.0, 1, "gaussian")
    assert found[0] == 4
    assert np.isnan(found[1])
