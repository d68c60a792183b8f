"""Limits of c1/c2 for a large shift: which draws and which quadratures test which limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from numeric.experiments import relu_limits
from numeric.experiments.extrapolation import limit
from numeric.experiments.relu_integrals import relu_quantities
from numeric.sampling.engine import Draws
from numeric.sampling.estimates import Estimate, Moments
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


def _by_draws(
    draws: Draws, estimates: Callable[[Moments, float], Sequence[Estimate]], *names: str, zero: str = ""
) -> Sampled:
    """Estimates of limits, by their names; one of them may be zero."""

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        found = zip(names, estimates(moments, share), strict=True)
        return [Measurement(name, {}, estimate, expected_zero=name == zero) for name, estimate in found]

    return Sampled(names, draws, measurements)


def experiments() -> tuple[AnyExperiment, ...]:
    """Those of this subject."""
    return (
        _by_draws(
            relu_limits.FarRightDraws(),
            lambda moments, share: [*relu_limits.far_right(moments, share).values()],
            "relu.ratio_limit",
            "relu.ratio_limit_rate",
            zero="relu.ratio_limit",
        ),
        _by_draws(
            relu_limits.AllOpenDraws(),
            lambda moments, share: [relu_limits.where_all_are_open(moments, share)],
            "relu.ratio_variance_limit",
        ),
        _by_draws(
            relu_limits.FarLeftDraws(),
            lambda moments, share: [relu_limits.far_left(moments, share)] * 2,
            "relu.ratio_limit_negative",
            "relu.ratio_variance_limit_negative",
        ),
        _limits(),
    )
