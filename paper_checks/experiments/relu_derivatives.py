"""Moments of ReLU(gamma z + beta) and their derivatives: which differences test which formula, and where."""

from __future__ import annotations

from numeric.experiments.relu_derivatives import derivative_by_quadrature, estimates, quantity_by_quadrature
from paper_checks.experiments.measurement import QUADRATURE, Experiment, Measurement

_QUANTITIES = {
    "gate_probability": "gate_probability",
    "mean": "mean_after_batchnorm",
    "second_moment": "second_moment_after_batchnorm",
    "variance": "variance_after_batchnorm",
}
_MOMENTS = ("mean", "second_moment", "variance")
_SYMBOLS = ("beta", "gamma")


def _by_draws(gamma: float, beta: float, millions: int, names: tuple[str, ...]) -> Experiment:
    """Averages, and their central differences with the same draws on either side."""
    formulas = {name: f"relu.{_QUANTITIES.get(name, name)}" for name in names}

    def run(seed: int, stream: int) -> list[Measurement]:
        found = estimates(gamma, beta, millions * 10**6, seed=seed, stream=stream)
        point = {"gamma": gamma, "beta": beta}
        return [Measurement(formula, point, found[name]) for name, formula in formulas.items()]

    return Experiment(tuple(formulas.values()), run)


def _by_quadrature(gamma: float, beta: float) -> Experiment:
    """Integrals and their central differences: every quantity, that of the gate too, and far from beta = 0."""
    derivatives = [(name, symbol) for name in _QUANTITIES for symbol in _SYMBOLS]
    formulas = (*(f"relu.{f}" for f in _QUANTITIES.values()), *(f"relu.{n}_in_{s}" for n, s in derivatives))

    def run(seed: int, stream: int) -> list[Measurement]:
        values = [
            *[quantity_by_quadrature(name, gamma, beta) for name in _QUANTITIES],
            *[derivative_by_quadrature(name, symbol, gamma, beta) for name, symbol in derivatives],
        ]
        point = {"gamma": gamma, "beta": beta}
        return [
            Measurement(formula, point, value, tolerance=QUADRATURE, scale=0.0)
            for formula, value in zip(formulas, values, strict=True)
        ]

    return Experiment(formulas, run)


def experiments() -> tuple[Experiment, ...]:
    """Those of this subject; the numbers after the points are millions of draws."""
    derivatives = tuple(f"{name}_in_{symbol}" for name in _MOMENTS for symbol in _SYMBOLS)
    in_beta = tuple(name for name in derivatives if name.endswith("beta"))
    return (
        _by_draws(-0.8, 0.08, 420, derivatives),
        _by_draws(1.25, 1.0, 230, (*_MOMENTS, *in_beta, "variance_in_gamma")),
        *(_by_quadrature(*point) for point in ((-0.7, -2.1), (1.3, 0.9), (-0.8, 2.0))),
    )
