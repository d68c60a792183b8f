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


def _by_draws(gamma: float, beta: float) -> Sampled:
    """Averages of central differences with the same draws on either side."""
    names = [f"{name}_in_{symbol}" for name in _MOMENTS for symbol in _SYMBOLS]

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        found = estimates(moments, share)
        return [Measurement(f"relu.{n}", {"gamma": gamma, "beta": beta}, found[n]) for n in names]

    return Sampled(tuple(f"relu.{name}" for name in names), DerivativeDraws(((gamma, beta),)), measurements)


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
        _by_draws(-0.8, 0.32),
        *(_by_quadrature(*point) for point in ((-0.7, -2.1), (1.3, 0.9), (-0.8, 2.0))),
    )
