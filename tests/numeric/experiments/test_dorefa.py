"""DoReFa weights: the exact averages against sampled layers."""

from __future__ import annotations

import numpy as np
import pytest

from numeric.experiments import dorefa


def test_one_bit_is_the_sign() -> None:
    weights = np.array([-0.9, -0.1, 0.1, 1.0])
    assert dorefa.quantise(weights, 1).tolist() == [-1, -1, 1, 1]


@pytest.mark.parametrize("bits", [2, 4])
def test_quantised_weights_are_within_half_a_step(bits: int) -> None:
    clamped = np.linspace(-1, 1, 1001)
    assert np.abs(dorefa.quantise(clamped, bits) - clamped).max() <= 1 / (2**bits - 1) + 1e-15


@pytest.mark.parametrize("count", [1, 10, 10**6])
def test_the_law_of_the_maximum_adds_up(count: int) -> None:
    _, shares = dorefa.largest(count)
    assert float(shares.sum()) == pytest.approx(1, abs=1e-10)


def test_expected_ratios_are_those_of_sampled_layers() -> None:
    clamping = dorefa.measured_clamping_ratio(0.1, 1000, 400, seed=3)
    assert abs(clamping.value - dorefa.clamping_ratio(0.1, 1000)) < 6 * clamping.standard_error
    for bits, found in zip(
        (1, 3), dorefa.measured_quantisation_ratios(0.1, 1000, (1, 3), 400, seed=4), strict=True
    ):
        assert abs(found.value - dorefa.quantisation_ratio(0.1, 1000, bits)) < 6 * found.standard_error


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="bits must be at least 1, got 0"):
        dorefa.quantise(np.zeros(1), 0)
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        dorefa.largest(0)
