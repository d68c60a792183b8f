"""Derivatives of PACT by differences: on both sides of the kinks."""

from __future__ import annotations

import math

import pytest

from numeric.experiments import pact


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_calibrated_and_original_gradient_differ_by_at_most_half_a_step(bits: int) -> None:
    bound = 0.5 / (2**bits - 1)
    assert pact.largest_difference(0.7, bits) == pytest.approx(bound, rel=1e-9, abs=0)


def test_both_sides_of_the_clipping_level() -> None:
    assert (pact.grad_alpha(0.8, 0.8, 3, -1), pact.grad_alpha(0.8, 0.8, 3, 1)) == (0.0, 1.0)
    assert (pact.grad_input(0.8, 0.8, 3, -1), pact.grad_input(0.8, 0.8, 3, 1)) == (1.0, 0.0)
    assert (pact.grad_input(0.0, 0.8, 3, -1), pact.grad_input(0.0, 0.8, 3, 1)) == (0.0, 1.0)
    with pytest.raises(ValueError, match="side must be -1 or 1, got 0"):
        pact.grad_input(0.8, 0.8, 3, 0)


def test_nan_stays_and_bits_are_integers() -> None:
    for gradient in (pact.grad_alpha, pact.grad_input):
        assert math.isnan(gradient(math.nan, 1.0, 2))
        with pytest.raises(ValueError, match=r"bits must be an integer of at least 1, got 2\.5"):
            gradient(0.3, 1.0, 2.5)  # type: ignore[arg-type]
    assert math.isnan(pact.grad_alpha_original(math.nan, 1.0))
