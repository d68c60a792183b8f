"""DoReFa weights: the exact averages against sampled layers."""

from __future__ import annotations

import pytest

from numeric.experiments import dorefa


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
    with pytest.raises(ValueError, match="count must be an integer of at least 1, got 0"):
        dorefa.largest(0)
