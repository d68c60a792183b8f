"""Derivatives of the forward passes: boundary cases, sums across the batch, kinks."""

from __future__ import annotations

import numpy as np
import pytest

from numeric.experiments import batchnorm, pact

X = np.array([0.3, -1.2, 0.7, 2.0, -0.1])
G = np.array([1.0, -0.4, 0.25, 0.6, -2.0])


def test_complex_steps_agree_with_finite_differences() -> None:
    measured = batchnorm.gradients(X, G, -0.7, 0.2, 1e-3)["grad_input"]

    def loss(x: np.ndarray) -> np.longdouble:
        return np.longdouble((G * batchnorm.forward(x.astype(np.clongdouble), -0.7, 0.2, 1e-3).real).sum())

    h = np.longdouble("1e-6")
    for index in range(X.size):
        up, down = X.astype(np.longdouble), X.astype(np.longdouble)
        up[index] += h
        down[index] -= h
        assert float((loss(up) - loss(down)) / (2 * h)) == pytest.approx(measured[index], rel=1e-9, abs=0)


def test_input_gradient_sums_to_zero_and_is_orthogonal_to_xhat_only_without_eps() -> None:
    assert batchnorm.across_batch(X, G, 1.3, 0.0)["sum"] == pytest.approx(0, abs=1e-14)
    assert batchnorm.across_batch(X, G, 1.3, 0.0)["dot_xhat"] == pytest.approx(0, abs=1e-14)
    assert abs(batchnorm.across_batch(X, G, 1.3, 0.5)["dot_xhat"]) > 1e-2


def test_the_variance_does_not_move_with_the_mean_to_first_order() -> None:
    direct = batchnorm.grad_mean_direct(X, G, 1.3, 0.1)
    assert direct == pytest.approx(
        float(batchnorm.gradients(X, G, 1.3, 0.0, 0.1)["grad_mean"]), rel=1e-13, abs=0
    )


def test_rank_of_the_jacobian_with_and_without_eps() -> None:
    assert batchnorm.spectrum(X, 1.3, 0.0)[1] == 3
    assert batchnorm.spectrum(X, 1.3, 0.5)[1] == 4
    assert batchnorm.spectrum(X, 0.0, 0.5)[1] == 0


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
