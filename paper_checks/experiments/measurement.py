"""What an experiment is, and what it hands over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from numeric.monte_carlo import Estimate

ROUNDING = 1e-12
"""Relative error that a complex step in extended precision, reported in float64, is trusted to."""

QUADRATURE = 1e-10
"""Relative error that minima and finite differences of quadratures are trusted to."""

Values = Mapping[str, object]


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
        A Monte Carlo estimate, or the value of a derivative taken by complex steps.
    tolerance
        Relative error that a value which is no Monte Carlo estimate is trusted to.
    scale
        The size of the terms that the value is a sum of: the error is relative to this plus the value.
    distribution
        The distribution function of the law that was drawn from, where the formula holds for any law.
    """

    formula: str
    point: Values
    estimate: Estimate | float
    tolerance: float = ROUNDING
    scale: float = 1.0
    distribution: Callable[[float], float] | None = None


@dataclass(frozen=True)
class Experiment:
    """One run of a simulation, which may test several formulas.

    Attributes
    ----------
    formulas
        The names of the formulas it tests.
    run
        Called with ``seed`` and ``stream``.
    """

    formulas: tuple[str, ...]
    run: Callable[[int, int], list[Measurement]]
