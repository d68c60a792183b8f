"""What an experiment is, and what it hands over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from numeric.instruments.bounded import Bounded
from numeric.sampling.engine import Draws, Together
from numeric.sampling.estimates import Estimate, Moments

COMPARISONS = 200
"""Statistical comparisons that may share the false-alarm probability of a run."""

RESOLUTION = 1e-3
"""Draws are made until every quantity is resolved to this relative error."""

ROUNDING = 1e-12
"""Relative error that a complex step in extended precision, reported in float64, is trusted to."""

QUADRATURE = 1e-10
"""Relative error that limits of quadratures are trusted to."""

Values = Mapping[str, object]


def generator_of_points(seed: int, stream: int) -> np.random.Generator:
    """What draws the points of an experiment, whose number is that of the stream."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))


@dataclass(frozen=True)
class Measurement:
    """What an experiment measured for one formula at one point.

    Attributes
    ----------
    formula
        The name of the formula.
    point
        The values of its symbols.
    estimate
        A Monte Carlo estimate, a value with a bound on its error, or a number that is trusted to a tolerance, such as
        a derivative taken by complex steps.
    tolerance
        Relative error that a number is trusted to.
    scale
        The size of the terms that the value is a sum of: the error is relative to this plus the value.
    distribution
        The distribution function of the law that was drawn from, where the formula holds for any law.
    expected_zero
        Whether draws have to resolve the value absolutely, since it is expected to be zero.
    at_random
        Whether the point was drawn at random.
    """

    formula: str
    point: Values
    estimate: Estimate | Bounded | float
    tolerance: float = ROUNDING
    scale: float = 1.0
    distribution: Callable[[float], float] | None = None
    expected_zero: bool = False
    at_random: bool = False

    @property
    def value(self) -> float:
        """What was found."""
        return float(getattr(self.estimate, "value", self.estimate))  # type: ignore[arg-type]

    @property
    def by_draws(self) -> bool:
        """Whether it is a Monte Carlo estimate."""
        return isinstance(self.estimate, Estimate)

    def refutes(self, value: float) -> bool:
        """Whether a value is further away than chance, or the error of the experiment, allows."""
        if isinstance(self.estimate, Estimate):
            return self.estimate.refutes(value, COMPARISONS)
        if isinstance(self.estimate, Bounded):
            return self.estimate.refutes(value)
        return not abs(self.estimate - value) <= self._allowed(value)

    def resolution(self, value: float) -> float:
        """The smallest relative error of a value that is caught (absolute where the value is 0)."""
        if isinstance(self.estimate, Estimate):
            return (self.estimate.resolution if value else self.estimate.detectable)(COMPARISONS)
        if isinstance(self.estimate, Bounded):
            return self.estimate.resolution if value else 2 * self.estimate.bound
        return self._allowed(value) / abs(value) if value else self._allowed(value)

    def _allowed(self, value: float) -> float:
        return self.tolerance * (self.scale + abs(value))


@dataclass(frozen=True)
class Experiment:
    """A simulation that one worker runs, which may test several formulas.

    Attributes
    ----------
    formulas
        The names of the formulas it tests.
    run
        Called with ``seed`` and ``stream``.
    """

    formulas: tuple[str, ...]
    run: Callable[[int, int], list[Measurement]]


@dataclass(frozen=True)
class Sampled:
    """Random draws, shared by many workers, which may test several formulas at several points.

    Attributes
    ----------
    formulas
        The names of the formulas they test.
    draws
        What is drawn and observed.
    measurements
        Called with the number of a point, its moments, and the share of the false-alarm probability.
    """

    formulas: tuple[str, ...]
    draws: Draws
    measurements: Callable[[int, Moments, float], list[Measurement]]

    def excess(self, point: int, moments: Moments, share: float) -> float:
        """The coarsest resolution at a point over the one that is asked for."""
        found = self.measurements(point, moments, share)
        return max(m.resolution(0.0 if m.expected_zero else m.value) for m in found) / RESOLUTION


def shared(experiments: Sequence[Sampled]) -> Sampled:
    """The same experiments on the same draws, which come from one source."""
    places = [(e, number) for e in experiments for number in range(e.draws.points)]

    def measurements(point: int, moments: Moments, share: float) -> list[Measurement]:
        experiment, number = places[point]
        return experiment.measurements(number, moments, share)

    formulas = tuple(dict.fromkeys(name for e in experiments for name in e.formulas))
    return Sampled(formulas, Together(tuple(e.draws for e in experiments)), measurements)


AnyExperiment = Experiment | Sampled
