"""Weights rounded to 2^b levels: which draws and which integrals test which formula, and where."""

from __future__ import annotations

from numeric.experiments.uniform_levels import LevelDraws, variance
from numeric.experiments.weight_integrals import nearest_levels, quantised_moment
from numeric.instruments.bounded import Bounded
from numeric.instruments.laws import Laplace, Law, Normal, Uniform
from numeric.sampling.estimates import Moments
from paper_checks.experiments.measurement import AnyExperiment, Experiment, Measurement, Sampled, Values

_BITS = (2, 4)


def _by_draws(name: str, sigma: float, largest: float) -> Sampled:
    """For several numbers of bits from the same draws."""
    formula = f"uniform_levels.{name}.variance"

    def measurements(number: int, moments: Moments, share: float) -> list[Measurement]:
        return [Measurement(formula, _point(name, sigma, largest, _BITS[number]), variance(moments, share))]

    return Sampled((formula,), LevelDraws(name, sigma, largest, _BITS), measurements)


def _by_quadrature(name: str, law: Law, sigma: float, largest: float) -> Experiment:
    """Integrals over the density from threshold to threshold; also with one bit, where nothing varies."""
    formula = f"uniform_levels.{name}.variance"

    def found(bits: int) -> Bounded:
        mean, square = (quantised_moment(law, *nearest_levels(bits, largest), k) for k in (1, 2))
        return square - mean * mean

    def run(seed: int, stream: int) -> list[Measurement]:
        return [Measurement(formula, _point(name, sigma, largest, b), found(b)) for b in (1, 3, *_BITS)]

    return Experiment((formula,), run)


def _point(name: str, sigma: float, largest: float, bits: int) -> Values:
    """Uniform weights end at the largest level."""
    return {"c": largest, "b": bits} | ({} if name == "uniform" else {"sigma": sigma})


def experiments() -> tuple[AnyExperiment, ...]:
    """Those of this subject."""
    uniform = 0.9 / 3**0.5
    places = (
        ("uniform", Uniform(uniform), uniform, 0.9),
        ("gaussian", Normal(1.3), 1.3, 2.0),
        ("laplace", Laplace(0.8), 0.8, 1.2),
    )
    return (
        *(_by_draws(name, sigma, largest) for name, _, sigma, largest in places),
        *(_by_quadrature(*place) for place in places),
    )
