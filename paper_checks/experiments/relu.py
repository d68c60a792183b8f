"""ReLU after BatchNorm: which simulation tests which formula, and where."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from numeric.experiments import relu, relu_integrals
from numeric.sampling.estimates import Moments
from paper_checks.experiments.measurement import (
    AnyExperiment,
    Experiment,
    Measurement,
    Sampled,
    generator_of_points,
)

_IN_A = ("moment0", "mean", "second_moment", "variance", "ratio", "ratio_variance")
_IN_GAMMA_AND_BETA = (
    "gate_probability",
    "mean_after_batchnorm",
    "second_moment_after_batchnorm",
    "variance_after_batchnorm",
    "c1",
    "c2",
    "c2_variance",
)
_NEXT = {1: "second_moment", 2: "third_moment"}
"""What the recurrence gives from each order; its integrals take time to evaluate, and cancel far out."""
_AT_SPECIAL_POINTS = ("ratio", "ratio_variance")
_RECURRENCE = "relu.moment_recurrence"


def _relu(affine: tuple[tuple[float, float], ...], special: Mapping[int, str]) -> Sampled:
    """One simulation for all formulas in a, or in gamma and beta, and for special values of a at some points."""

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        gamma, beta = affine[number]
        estimates = relu.estimates(moments, gamma, share)
        a, point = beta / abs(gamma), {"gamma": gamma, "beta": beta}
        at = f"_at_{special[number]}" if number in special else None
        found = [Measurement(f"relu.{name}{at}", {}, estimates[name]) for name in _AT_SPECIAL_POINTS if at]
        if a == 0:  # where draws resolve the other quantities least
            return found
        return [
            *found,
            *[Measurement(f"relu.{name}", {"a": a}, estimates[name]) for name in _IN_A],
            *[Measurement(f"relu.{name}", point, estimates[name]) for name in _IN_GAMMA_AND_BETA],
            Measurement(_RECURRENCE, {"a": a, "k": 1}, estimates["second_moment"]),
        ]

    names = [
        *_IN_A,
        *_IN_GAMMA_AND_BETA,
        *(f"{n}_at_{at}" for n in _AT_SPECIAL_POINTS for at in special.values()),
    ]
    return Sampled((*(f"relu.{name}" for name in names), _RECURRENCE), relu.ReluDraws(affine), measurements)


def _relu_by_quadrature(
    gamma: float, beta: float, special: str = "", orders: tuple[int, ...] = ()
) -> Experiment:
    """Integrals over the density with a bound; also where the gate is almost always closed or open."""
    at_special = [f"relu.{name}_at_{special}" for name in _AT_SPECIAL_POINTS] if special else []

    def run(seed: int, stream: int) -> list[Measurement]:
        values = relu_integrals.relu_quantities(gamma, beta)
        in_a, in_both = {"a": beta / abs(gamma)}, {"gamma": gamma, "beta": beta}
        return [
            *[Measurement(f"relu.{name}", in_a, values[name]) for name in _IN_A],
            *[Measurement(f"relu.{name}", in_both, values[name]) for name in _IN_GAMMA_AND_BETA],
            *[
                Measurement(formula, {}, values[name])
                for formula, name in zip(at_special, _AT_SPECIAL_POINTS, strict=bool(special))
            ],
            *[
                Measurement(_RECURRENCE, {**in_a, "k": k}, values[name])
                for k, name in _NEXT.items()
                if k in orders
            ],
        ]

    names = [f"relu.{name}" for name in (*_IN_A, *_IN_GAMMA_AND_BETA)]
    return Experiment((*names, *at_special, _RECURRENCE), run)


def _relu_of_a_constant() -> Experiment:
    """gamma = 0: what the ReLU makes of a batch that is constant, for shifts of both signs and for none."""
    names = ("relu.mean_at_zero_scale", "relu.gate_at_zero_scale")

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = generator_of_points(seed, stream)
        out = []
        for beta in (*rng.uniform(0.1, 2.0, 2).tolist(), *rng.uniform(-2.0, -0.1, 2).tolist(), 0.0):
            y = 0.0 * rng.standard_normal(64) + beta
            values = (float(np.maximum(y, 0.0).mean()), float((y > 0.0).mean()))
            out += [
                Measurement(name, {"beta": beta}, value, at_random=beta != 0)
                for name, value in zip(names, values, strict=True)
            ]
        return out

    return Experiment(names, run)


def experiments() -> tuple[AnyExperiment, ...]:
    """Those of this subject."""
    return (
        _relu(((1.25, 0.0), (-0.8, 0.6), (0.8, 0.8)), {0: "0", 2: "1"}),
        _relu_by_quadrature(1.25, 0.0, "0"),
        _relu_by_quadrature(0.75, 0.75, "1", orders=(1,)),  # a is 1 in binary too
        _relu_by_quadrature(-0.5, -1.5, orders=(1, 2)),
        *(_relu_by_quadrature(*point) for point in ((1.25, -7.5), (-0.5, 4.0), (1.0, -30.0))),
        _relu_of_a_constant(),
    )
