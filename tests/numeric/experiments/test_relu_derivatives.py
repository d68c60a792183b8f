"""Derivatives of the moments of a ReLU: draws, integrals and differences of integrals give one value."""

from __future__ import annotations

import numpy as np
import pytest

from numeric.experiments import extrapolation, relu_derivatives
from numeric.experiments.relu_integrals import relu_quantities
from numeric.instruments import ball
from numeric.sampling.engine import sample

SYMBOLS = ("gamma", "beta")
QUANTITIES = {
    "gate_probability": "gate_probability",
    "mean": "mean_after_batchnorm",
    "second_moment": "second_moment_after_batchnorm",
    "variance": "variance_after_batchnorm",
}


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize(("gamma", "beta"), [(1.25, 0.0), (-0.8, 2.0), (1.3, -3.9)])
def test_the_differentiated_density_and_differences_of_integrals(
    symbol: str, gamma: float, beta: float
) -> None:
    by_quadrature = relu_derivatives.derivatives(symbol, gamma, beta)
    by_balls = relu_derivatives.derivatives(symbol, gamma, beta, ball.expectation)
    for name, found in by_quadrature.items():
        other = by_balls[name]
        assert abs(found.value - other.value) <= found.bound + other.bound, name

        def quantity(by: float, name: str = name) -> float:
            at = (gamma + by, beta) if symbol == "gamma" else (gamma, beta + by)
            return relu_quantities(*at)[QUANTITIES[name]].value

        steps = [0.1 * abs(gamma) / 2**k for k in range(5)]
        differences = extrapolation.at_zero(
            [h**2 for h in steps], [(quantity(h) - quantity(-h)) / (2 * h) for h in steps]
        )
        assert found.value == pytest.approx(differences, rel=1e-9, abs=1e-13), name
        if (name, symbol, beta) == ("gate_probability", "gamma", 0.0):
            assert abs(found.value) <= found.bound < 1e-12
        else:
            assert found.resolution < 1e-10, name


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize(("gamma", "beta"), [(1.0, -20.0), (-2.0, 30.0)])
def test_no_digits_cancel_far_out(symbol: str, gamma: float, beta: float) -> None:
    found = relu_derivatives.derivatives(symbol, gamma, beta)
    names = QUANTITIES if beta < 0 else ("gate_probability", "second_moment")
    assert all(found[name].resolution < 1e-10 for name in names)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_draws_and_quadrature_give_one_derivative(symbol: str) -> None:
    exact = relu_derivatives.derivatives(symbol, -1.2, 0.7)
    (moments,) = sample(relu_derivatives.DerivativeDraws(((-1.2, 0.7),), symbol), 2_000_000, seed=1)
    (of_gate,) = sample(relu_derivatives.GateDerivativeDraws(((-1.2, 0.7),)), 2_000_000, seed=1)
    gate = relu_derivatives.gate_estimates(of_gate, -1.2, 0.7)[symbol]
    for name, drawn in {**relu_derivatives.estimates(moments), "gate_probability": gate}.items():
        assert not drawn.refutes(exact[name].value, comparisons=60), name
        assert drawn.refutes(1.01 * exact[name].value, comparisons=60), name


def test_half_a_gate_scatters_less_than_a_gate() -> None:
    z = np.random.default_rng(0).standard_normal((1, 100_000))
    out = np.empty((1, z.shape[1]))
    relu_derivatives.GateDerivativeDraws(((0.5, 0.1),)).observe(z, 0, out)
    whole = (0.5 * z[0] + 0.1 > 0) * z[0]
    assert out[0].mean() == pytest.approx(whole.mean(), rel=0.02)
    assert out[0].std() < 0.6 * whole.std()


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="symbol must be 'gamma' or 'beta', got 'a'"):
        relu_derivatives.derivatives("a", 1.0, 0.0)
    with pytest.raises(ValueError, match="gamma must not be 0"):
        relu_derivatives.DerivativeDraws(((0.0, 1.0),), "beta")
    with pytest.raises(ValueError, match="gamma must not be 0"):
        relu_derivatives.GateDerivativeDraws(((0.0, 1.0),))
