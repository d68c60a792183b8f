"""Derivatives of moments of ReLU(gamma z + beta): which differences test which formula, and where."""

from __future__ import annotations

from numeric.experiments.relu_derivatives import DerivativeDraws, derivative_by_quadrature, estimates
from numeric.sampling.estimates import Moments
from paper_checks.experiments.measurement import (
    QUADRATURE,
    AnyExperiment,
    Experiment,
    Measurement,
    Sampled,
)

_MOMENTS = {
    "mean": "mean_after_batchnorm",
    "second_moment": "second_moment_after_batchnorm",
    "variance": "variance_after_batchnorm",
}
_SYMBOLS = ("beta", "gamma")


def _by_draws(symbol: str, gamma: float, beta: float) -> Sampled:
    """Averages of central differences with the same draws on either side."""
    point = {"gamma": gamma, "beta": beta}

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        found = estimates(moments, share)
        return [Measurement(f"relu.{name}_in_{symbol}", point, found[name]) for name in _MOMENTS]

    names = tuple(f"relu.{name}_in_{symbol}" for name in _MOMENTS)
    return Sampled(names, DerivativeDraws(symbol, ((gamma, beta),)), measurements)


def _by_quadrature(gamma: float, beta: float) -> Experiment:
    """Central differences of integrals: of the gate too, and far from beta = 0."""
    quantities = {"gate_probability": "gate_probability", **_MOMENTS}
    derivatives = [(name, symbol) for name in quantities for symbol in _SYMBOLS]

    def run(seed: int, stream: int) -> list[Measurement]:
        point = {"gamma": gamma, "beta": beta}
        return [
            Measurement(
                f"relu.{name}_in_{symbol}",
                point,
                derivative_by_quadrature(quantities[name], symbol, gamma, beta),
                tolerance=QUADRATURE,
                scale=0.0,
            )
            for name, symbol in derivatives
        ]

    return Experiment(tuple(f"relu.{name}_in_{symbol}" for name, symbol in derivatives), run)


def experiments() -> tuple[AnyExperiment, ...]:
    """Those of this subject."""
    return (
        _by_draws("beta", -0.8, 0.32),  # where few draws resolve them
        _by_draws("gamma", -0.8, 0.5),
        *(_by_quadrature(*point) for point in ((-0.7, -2.1), (1.3, 0.9), (-0.8, 2.0))),
    )
