"""Derivatives of moments of ReLU(gamma z + beta): which draws and integrals test which formula, and where."""

from __future__ import annotations

from numeric.experiments.relu_derivatives import (
    DerivativeDraws,
    GateDerivativeDraws,
    derivatives,
    estimates,
    gate_estimates,
)
from numeric.sampling.estimates import Moments
from paper_checks.experiments.measurement import AnyExperiment, Experiment, Measurement, Sampled

_MOMENTS = ("mean", "second_moment", "variance")
_SYMBOLS = ("beta", "gamma")


def _by_draws(symbol: str, gamma: float, beta: float) -> Sampled:
    """Averages of central differences with the same draws on either side."""
    point = {"gamma": gamma, "beta": beta}

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        found = estimates(moments, share)
        return [Measurement(f"relu.{name}_in_{symbol}", point, found[name]) for name in _MOMENTS]

    names = tuple(f"relu.{name}_in_{symbol}" for name in _MOMENTS)
    return Sampled(names, DerivativeDraws(((gamma, beta),), symbol), measurements)


def _of_the_gate(gamma: float, beta: float) -> Sampled:
    """Averages of the gate times the score."""

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        found = gate_estimates(moments, gamma, beta, share)
        point = {"gamma": gamma, "beta": beta}
        return [Measurement(f"relu.gate_probability_in_{s}", point, found[s]) for s in _SYMBOLS]

    names = tuple(f"relu.gate_probability_in_{symbol}" for symbol in _SYMBOLS)
    return Sampled(names, GateDerivativeDraws(((gamma, beta),)), measurements)


def _by_quadrature(gamma: float, beta: float) -> Experiment:
    """Integrals over the differentiated density: far from beta = 0, too."""
    names = ("gate_probability", *_MOMENTS)

    def run(seed: int, stream: int) -> list[Measurement]:
        point = {"gamma": gamma, "beta": beta}
        found = {symbol: derivatives(symbol, gamma, beta) for symbol in _SYMBOLS}
        return [
            Measurement(f"relu.{name}_in_{symbol}", point, found[symbol][name])
            for name in names
            for symbol in _SYMBOLS
        ]

    return Experiment(tuple(f"relu.{name}_in_{symbol}" for name in names for symbol in _SYMBOLS), run)


def experiments() -> tuple[AnyExperiment, ...]:
    """Those of this subject."""
    return (
        _by_draws("beta", -0.8, 0.32),  # where few draws resolve them
        _by_draws("gamma", -0.8, 0.5),
        _of_the_gate(-0.8, 0.32),
        *(_by_quadrature(*point) for point in ((-0.7, -2.1), (1.3, 0.9), (-0.8, 2.0))),
    )
