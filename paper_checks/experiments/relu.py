"""ReLU after BatchNorm: which simulation tests which formula, and where."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from numeric.experiments import relu
from paper_checks.experiments.measurement import Experiment, Measurement, Values

_IN_A = ("moment0", "mean", "second_moment", "variance", "ratio", "ratio_variance")
_IN_GAMMA_AND_BETA = ("gate_probability", "mean_after_batchnorm", "c1", "c2", "c2_variance")
_RECURRENCE = "relu.moment_recurrence"


def _relu(gamma: float, beta: float, draws: int, special: Mapping[str, str] | None = None) -> Experiment:
    """One simulation for all formulas in a, or in gamma and beta, and for special values of a."""
    special = {} if special is None else special

    def run(seed: int, stream: int) -> list[Measurement]:
        estimates = relu.estimates(relu.moments(gamma, beta, draws, seed=seed, stream=stream), gamma)
        a = beta / abs(gamma)
        point = {"gamma": gamma, "beta": beta}
        return [
            *[Measurement(f"relu.{name}", {"a": a}, estimates[name]) for name in _IN_A],
            *[Measurement(f"relu.{name}", point, estimates[name]) for name in _IN_GAMMA_AND_BETA],
            *[Measurement(f"relu.{name}", {}, estimates[quantity]) for name, quantity in special.items()],
            Measurement(_RECURRENCE, {"a": a, "k": 1}, estimates["second_moment"]),
        ]

    names = (*_IN_A, *_IN_GAMMA_AND_BETA, *special)
    return Experiment((*(f"relu.{name}" for name in names), _RECURRENCE), run)


def _relu_by_quadrature(gamma: float, beta: float) -> Experiment:
    """Where the gate is almost always closed or open, and the third moment."""

    def run(seed: int, stream: int) -> list[Measurement]:
        values = relu.by_quadrature(gamma, beta)
        in_a, in_both = {"a": beta / abs(gamma)}, {"gamma": gamma, "beta": beta}

        def measurement(formula: str, point: Values, quantity: str) -> Measurement:
            return Measurement(formula, point, values[quantity], scale=0.0)

        return [
            *[measurement(f"relu.{name}", in_a, name) for name in _IN_A],
            *[measurement(f"relu.{name}", in_both, name) for name in _IN_GAMMA_AND_BETA],
            measurement(_RECURRENCE, {**in_a, "k": 2}, "third_moment"),
        ]

    return Experiment((*(f"relu.{name}" for name in (*_IN_A, *_IN_GAMMA_AND_BETA)), _RECURRENCE), run)


def _relu_of_a_constant(beta: float) -> Experiment:
    """gamma = 0: what the ReLU makes of a batch that is constant."""
    names = ("relu.mean_at_zero_scale", "relu.gate_at_zero_scale")

    def run(seed: int, stream: int) -> list[Measurement]:
        z = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,))).standard_normal(64)
        y = 0.0 * z + beta
        values = (float(np.maximum(y, 0.0).mean()), float((y > 0.0).mean()))
        return [Measurement(name, {"beta": beta}, value) for name, value in zip(names, values, strict=True)]

    return Experiment(names, run)


def _ratios_at(a: str) -> Mapping[str, str]:
    return {f"ratio_at_{a}": "ratio", f"ratio_variance_at_{a}": "ratio_variance"}


def experiments() -> tuple[Experiment, ...]:
    """Those of this subject."""
    millions = 10**6
    return (
        _relu(1.25, 0.0, 400 * millions, _ratios_at("0")),
        _relu(-0.8, 0.4, 300 * millions),
        _relu(0.8, 0.8, 180 * millions, _ratios_at("1")),
        *(_relu_by_quadrature(*point) for point in ((-0.7, -2.1), (1.3, -7.8), (-0.5, 4.0))),
        *(_relu_of_a_constant(beta) for beta in (0.7, 0.0, -1.3)),
    )
