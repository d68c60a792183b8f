"""How often the statistical checks accuse a true formula: 2,000 runs of all of them, at reduced size.

Every run draws anew, and compares every sampled quantity with what is true: what experiments measure with the closed
form, what claims are tried by with the truth that was derived for them. The share of runs with an accusation must not
exceed the stated probability by more than chance allows: the bound is the number of runs that a binomial law with the
stated probability exceeds with probability 0.001. The stated probability of a run is 1e-6, of which 2,000
runs show nothing; the same thresholds are therefore tried at larger probabilities too. Each is tried with a sample
size decided beforehand, and with drawing that stops at the first look at which the resolution is reached. Claims have
sizes of their own, which are not reduced.

Run from the root of the repository: ``python benchmarks/false_alarms.py [--runs 2000] [--jobs 2]``.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any

from scipy.stats import binom

from derivations import catalog
from derivations.machinery.enclosure import decimal
from numeric.sampling import engine
from numeric.sampling.estimates import FALSE_ALARM, Estimate
from numeric.sampling.executors import run
from paper_checks.claim import Claim, Inequality
from paper_checks.experiments import Measurement, Sampled, experiments
from paper_checks.papers import documents
from paper_checks.verification import closed_form

LEVELS = (1e-6, 1e-4, 1e-2, 1e-1)
"""Probabilities of an accusation in one run."""

PIECE = 1 << 11
"""Numbers drawn at a time at the reduced size."""

LOOSE = 40.0
"""Times the resolution of a full run, at which sequential drawing stops."""


def fixed_run(seed: int) -> Iterator[tuple[Estimate, float]]:
    """What every sampled experiment finds from four blocks, and what is true."""
    _reduce()
    for stream, experiment in sampled():
        draws = experiment.draws
        moments = engine.sample(draws, 4 * engine.block_size(draws), seed=seed, stream=stream)
        for point, found in enumerate(moments):
            yield from map(with_truth, experiment.measurements(point, found, 1.0))


def sequential_run(seed: int) -> Iterator[tuple[Estimate, float]]:
    """The same when it stops as soon as it resolves enough."""
    _reduce()
    for stream, experiment in sampled():
        plan = engine.sampling(
            experiment.draws,
            lambda *args, experiment=experiment: experiment.excess(*args) / LOOSE,
            seed=seed,
            stream=stream,
        )
        for point, (found, share) in enumerate(run({0: plan})[0]):
            yield from map(with_truth, experiment.measurements(point, found, share))


def claims_run(seed: int) -> Iterator[tuple[Estimate, float]]:
    """What the sampled trials of claims find, and what is true."""
    for place, claim in enumerate(sampled_claims()):
        for number, trial in enumerate(claim.experiment(seed)):
            if isinstance(trial.found, Estimate):
                key = (place, number)
                if key not in _KNOWN:
                    truth = claim.truth if isinstance(claim, Claim) else claim.gap
                    _KNOWN[key] = float(decimal(truth.conclusion, dict(trial.point), 17))
                yield trial.found, _KNOWN[key]


RUNS = {"fixed sample size": fixed_run, "sequential stopping": sequential_run, "trials of claims": claims_run}


def _reduce() -> None:
    engine.PIECE, engine.PIECES, engine.CHUNK, engine.FIRST_LOOK = PIECE, 8, 1, 4


def sampled() -> list[tuple[int, Sampled]]:
    """The sampled experiments, with their streams."""
    return [(s, e) for s, e in enumerate(experiments()) if isinstance(e, Sampled)]


@cache
def sampled_claims() -> list[Any]:
    """The claims with sampled trials."""
    claims = [c for document in documents().values() for c in document.claims]
    tried = [c for c in claims if isinstance(c, Claim | Inequality)]
    return [
        c
        for c in tried
        if c.experiment and any(isinstance(trial.found, Estimate) for trial in c.experiment(0))
    ]


def alarms(kind: str, seed: int) -> tuple[int, list[bool]]:
    """How many comparisons one run makes, and whether one of them is an accusation at each level."""
    found = list(RUNS[kind](seed))
    accused = [False] * len(LEVELS)
    for estimate, true in found:
        for number, level in enumerate(LEVELS):
            at_level = dataclasses.replace(estimate, share=estimate.share * level / FALSE_ALARM)
            accused[number] |= at_level.refutes(true, len(found))
    return len(found), accused


_KNOWN: dict[tuple[object, ...], float] = {}


def with_truth(measurement: Measurement) -> tuple[Estimate, float]:
    """An estimate and the closed form at its point, which is the same in every run."""
    key = (measurement.formula, *sorted(measurement.point.items()))
    if key not in _KNOWN:
        _KNOWN[key] = closed_form(catalog()[measurement.formula], measurement)
    assert isinstance(measurement.estimate, Estimate)
    return measurement.estimate, _KNOWN[key]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    failed = False
    for kind in RUNS:
        # new processes each time: in the old ones sizes are reduced, which claims do not want
        with ProcessPoolExecutor(arguments.jobs) as pool:
            found = list(pool.map(alarms, [kind] * arguments.runs, range(arguments.runs), chunksize=10))
        print(f"{kind}: {arguments.runs} runs of {found[0][0]} comparisons", flush=True)
        for number, level in enumerate(LEVELS):
            accused = sum(flags[number] for _, flags in found)
            bound = int(binom.isf(1e-3, arguments.runs, level))
            failed |= accused > bound
            print(f"  stated {level:7.0e}: {accused:4} runs accuse what is true, at most {bound} allowed")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
