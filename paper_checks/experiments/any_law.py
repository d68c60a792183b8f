"""What holds for every symmetric law, for one that nothing was derived for: the logistic law."""

from __future__ import annotations

from numeric.experiments import logistic
from numeric.experiments.uniform_levels import LevelDraws, variance
from numeric.experiments.weight_integrals import quantised_variance, ternary_mean, ternary_quantities
from numeric.instruments.bounded import Bounded
from numeric.instruments.laws import Logistic
from numeric.sampling.estimates import Estimate, Moments
from paper_checks.experiments.measurement import (
    AnyExperiment,
    Experiment,
    Measurement,
    Sampled,
    Values,
    generator_of_points,
)

_DELTA = 0.7
_LARGEST, _BITS = 2.5, (2, 4)
_LEVELS, _MEAN = "uniform_levels.variance", "ternary.mean"  # of a symmetric law, which is zero


def _measurement(
    formula: str, point: Values, found: Estimate | Bounded, *, at_random: bool = False
) -> Measurement:
    return Measurement(
        formula,
        point,
        found,
        distribution=logistic.distribution,
        expected_zero=formula == _MEAN,
        at_random=at_random,
    )


def _ternary() -> Sampled:
    """Shares, mean and variance of ternary weights."""

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        found = logistic.estimates(moments, share)
        return [
            _measurement(f"ternary.{name}", {"delta": _DELTA}, found[name]) for name in logistic.QUANTITIES
        ]

    return Sampled(
        tuple(f"ternary.{name}" for name in logistic.QUANTITIES), logistic.TernaryDraws(_DELTA), measurements
    )


def _uniform_levels() -> Sampled:
    """The variance of weights rounded to 2^b levels."""

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        return [_measurement(_LEVELS, {"c": _LARGEST, "b": _BITS[number]}, variance(moments, share))]

    return Sampled((_LEVELS,), LevelDraws("logistic", 1.0, _LARGEST, _BITS), measurements)


def _quantities(delta: float) -> list[tuple[str, Bounded]]:
    found = {**ternary_quantities("logistic", 1.0, delta), "mean": ternary_mean("logistic", 1.0, delta)}
    return [(name, found[name]) for name in logistic.QUANTITIES]


def _by_quadrature() -> Experiment:
    """All of it by integrals of the density, for thresholds and levels that are drawn."""

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = generator_of_points(seed, stream)
        return [
            *[
                _measurement(f"ternary.{name}", {"delta": delta}, value, at_random=True)
                for delta in rng.uniform(0.2, 3.0, 2).tolist()
                for name, value in _quantities(delta)
            ],
            *[
                _measurement(
                    _LEVELS,
                    {"c": largest, "b": b},
                    quantised_variance(Logistic(1.0), b, largest),
                    at_random=True,
                )
                for largest in rng.uniform(0.8, 3.5, 2).tolist()
                for b in (1, *_BITS)
            ],
        ]

    return Experiment((*(f"ternary.{name}" for name in logistic.QUANTITIES), _LEVELS), run)


def experiments() -> tuple[AnyExperiment, ...]:
    """Those of laws that are not specified."""
    return _ternary(), _uniform_levels(), _by_quadrature()
