"""Limits of c1/c2 for a large shift: which draws and which quadratures test which limit."""

from __future__ import annotations

from numeric.experiments import relu_limits
from numeric.experiments.extrapolation import limit
from numeric.experiments.relu_integrals import relu_quantities
from numeric.sampling.estimates import Moments
from paper_checks.experiments.measurement import (
    QUADRATURE,
    AnyExperiment,
    Experiment,
    Measurement,
    Sampled,
)

_PLACES = (10.0, 12.0, 14.0, 17.0, 20.0, 24.0, 29.0, 35.0)
"""Sizes of a. The gate probability at a = -35 is 1e-268; further out it is no double any more."""

_LIMITS = {
    "relu.ratio_limit": ("ratio", 1, 0),
    "relu.ratio_limit_rate": ("ratio", 1, 2),
    "relu.ratio_limit_negative": ("ratio", -1, -2),
    "relu.ratio_variance_limit": ("ratio_variance", 1, 0),
    "relu.ratio_variance_limit_negative": ("ratio_variance", -1, -2),
}
"""For each formula the ratio, the side, and the power of a that multiplies it."""


def _limits() -> Experiment:
    """The ratio at growing a, extrapolated in 1/a^2.

    Leaving out the nearest or the farthest place moves none of the results by more than 3e-11.
    """

    def run(seed: int, stream: int) -> list[Measurement]:
        at = {sign * size: relu_quantities(1.0, sign * size) for size in _PLACES for sign in (1, -1)}

        def measured(name: str, sign: int, power: int) -> float:
            return limit(lambda a: at[a][name].value * a**power, [sign * size for size in _PLACES])

        return [Measurement(name, {}, measured(*of), tolerance=QUADRATURE) for name, of in _LIMITS.items()]

    return Experiment(tuple(_LIMITS), run)


def _far_right() -> Sampled:
    names = {"limit": "relu.ratio_limit", "rate": "relu.ratio_limit_rate"}

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        found = relu_limits.far_right(moments, share)
        return [Measurement(name, {}, found[key], vanishes=key == "limit") for key, name in names.items()]

    return Sampled(tuple(names.values()), relu_limits.FarRightDraws(), measurements)


def _where_every_gate_is_open() -> Sampled:
    name = "relu.ratio_variance_limit"

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        return [Measurement(name, {}, relu_limits.where_every_gate_is_open(moments, share))]

    return Sampled((name,), relu_limits.OpenDraws(), measurements)


def _far_left() -> Sampled:
    names = {"limit": "relu.ratio_limit_negative", "variance limit": "relu.ratio_variance_limit_negative"}

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        found = relu_limits.far_left(moments, share)
        return [Measurement(name, {}, found[key]) for key, name in names.items()]

    return Sampled(tuple(names.values()), relu_limits.FarLeftDraws(), measurements)


def experiments() -> tuple[AnyExperiment, ...]:
    """Those of this subject."""
    return _far_right(), _where_every_gate_is_open(), _far_left(), _limits()
