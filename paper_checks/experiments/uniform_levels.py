"""Weights rounded to 2^b levels: which draws test which formula, and where."""

from __future__ import annotations

import numpy as np

from numeric.experiments import ternary
from numeric.experiments.uniform_levels import mirrored_variance, variances
from numeric.monte_carlo import Array
from paper_checks.experiments.measurement import Experiment, Measurement, Values

_BITS = (2, 4)


def _variance(law: str, sigma: float, largest: float, millions: int) -> Experiment:
    """The variance for several numbers of bits from the same draws, and for one bit, where it does not vary."""
    name = f"uniform_levels.{law}.variance"
    scale: Values = {} if law == "uniform" else {"sigma": sigma}

    def draw(rng: np.random.Generator, n: int) -> Array:
        return ternary.draw_weights(rng, law, sigma, n)

    def run(seed: int, stream: int) -> list[Measurement]:
        found = variances(draw, largest, _BITS, millions * 10**6, seed=seed, stream=stream)
        one_bit = mirrored_variance(draw, largest, 1, 10**4, seed=seed, stream=stream)
        return [
            Measurement(name, {**scale, "c": largest, "b": 1}, one_bit),
            *[Measurement(name, {**scale, "c": largest, "b": b}, found[b]) for b in _BITS],
        ]

    return Experiment((name,), run)


def experiments() -> tuple[Experiment, ...]:
    """Those of this subject; the numbers at the end are millions of draws."""
    return (
        _variance("uniform", 0.9 / 3**0.5, 0.9, 95),
        _variance("gaussian", 1.3, 2.0, 120),
        _variance("laplace", 0.8, 1.2, 140),
    )
