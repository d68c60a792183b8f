"""Weights rounded to 2^b levels: which draws and which integrals test which formula, and where."""

from __future__ import annotations

from numeric.experiments.uniform_levels import LevelDraws, variance
from numeric.experiments.weight_integrals import quantised_variance
from numeric.instruments.laws import Laplace, Law, Normal, Uniform
from numeric.sampling.estimates import Moments
from paper_checks.experiments.measurement import (
    AnyExperiment,
    Experiment,
    Measurement,
    Sampled,
    Values,
    generator_of_points,
)

_BITS = (2, 4)


def _by_draws(name: str, sigma: float, largest: float) -> Sampled:
    """For several numbers of bits from the same draws."""
    formula = f"uniform_levels.{name}.variance"

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        return [Measurement(formula, _point(name, sigma, largest, _BITS[number]), variance(moments, share))]

    return Sampled((formula,), LevelDraws(name, sigma, largest, _BITS), measurements)


def _by_quadrature(name: str, law: type[Law]) -> Experiment:
    """Integrals over the density from threshold to threshold, for levels and scales that are drawn.

    Also with one bit, where nothing varies.
    """
    formula = f"uniform_levels.{name}.variance"

    def run(seed: int, stream: int) -> list[Measurement]:
        rng = generator_of_points(seed, stream)
        out = []
        for _ in range(2):
            sigma = float(rng.uniform(0.3, 2.0))
            largest = sigma * (3**0.5 if name == "uniform" else float(rng.uniform(0.8, 2.5)))
            out += [
                Measurement(
                    formula,
                    _point(name, sigma, largest, b),
                    quantised_variance(law(sigma), b, largest),
                    at_random=True,
                )
                for b in (1, 3, *_BITS)
            ]
        return out

    return Experiment((formula,), run)


def _point(name: str, sigma: float, largest: float, bits: int) -> Values:
    """Uniform weights end at the largest level."""
    return {"c": largest, "b": bits} | ({} if name == "uniform" else {"sigma": sigma})


def experiments() -> tuple[AnyExperiment, ...]:
    """Those of this subject."""
    places = (("uniform", 0.9 / 3**0.5, 0.9), ("gaussian", 1.3, 2.0), ("laplace", 0.8, 1.2))
    return (
        *(_by_draws(*place) for place in places),
        _by_quadrature("uniform", Uniform),
        _by_quadrature("gaussian", Normal),
        _by_quadrature("laplace", Laplace),
    )
