"""Which experiment tests which formula, and at which point.

An experiment names the formulas that it tests and the points at which it does; the closed forms are evaluated
elsewhere, after the estimates are in.
"""

from __future__ import annotations

from functools import cache

from paper_checks.experiments import (
    any_law,
    batchnorm,
    limits,
    pact,
    relu,
    relu_derivatives,
    ternary,
    uniform_levels,
)
from paper_checks.experiments.measurement import AnyExperiment, Experiment, Measurement, Sampled, shared

__all__ = ["AnyExperiment", "Experiment", "Measurement", "Sampled", "experiments"]


@cache
def experiments() -> tuple[AnyExperiment, ...]:
    """All experiments, in the order of their streams; those that draw the same share their draws."""
    subjects = (relu, batchnorm, ternary, pact, relu_derivatives, limits, uniform_levels, any_law)
    every = [e for subject in subjects for e in subject.experiments()]
    sources: dict[tuple[str, int], list[Sampled]] = {}
    for experiment in every:
        if isinstance(experiment, Sampled):
            draws = experiment.draws
            sources.setdefault((draws.source, draws.dimension), []).append(experiment)
    return (*map(shared, sources.values()), *(e for e in every if isinstance(e, Experiment)))
