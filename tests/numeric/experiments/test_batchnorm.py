"""Derivatives of the forward pass of BatchNorm by complex steps: sums across the batch, rank of the Jacobian."""

from __future__ import annotations

import numpy as np
import pytest

from numeric.experiments import batchnorm

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


def test_rank_of_the_jacobian_with_and_without_eps() -> None:
    assert batchnorm.spectrum(X, 1.3, 0.0)[1] == 3
    assert batchnorm.spectrum(X, 1.3, 0.5)[1] == 4
    assert batchnorm.spectrum(X, 0.0, 0.5)[1] == 0
