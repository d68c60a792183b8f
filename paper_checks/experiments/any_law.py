"""What holds for every symmetric law, for one that nothing was derived for: the logistic law."""

from __future__ import annotations

from numeric.experiments import any_law
from numeric.experiments.uniform_levels import mirrored_variance, variances
from numeric.monte_carlo import Estimate
from paper_checks.experiments.measurement import Experiment, Measurement


def _ternary(delta: float, millions: int) -> Experiment:
    """Shares of ternary weights by draws, and their mean, which is zero, by quadrature."""

    def run(seed: int, stream: int) -> list[Measurement]:
        found = any_law.ternary_estimates(delta, millions * 10**6, seed=seed, stream=stream)
        values: dict[str, Estimate | float] = {**found, "mean": any_law.ternary_mean(delta)}
        return [
            Measurement(f"ternary.{name}", {"delta": delta}, value, distribution=any_law.distribution)
            for name, value in values.items()
        ]

    return Experiment(tuple(f"ternary.{name}" for name in ("p_plus", "p_zero", "variance", "mean")), run)


def _uniform_levels(largest: float, millions: int) -> Experiment:
    """The variance of weights rounded to 2^b levels."""
    name, bits = "uniform_levels.variance", (2, 4)

    def run(seed: int, stream: int) -> list[Measurement]:
        found = variances(any_law.draw, largest, bits, millions * 10**6, seed=seed, stream=stream)
        one_bit = mirrored_variance(any_law.draw, largest, 1, 10**4, seed=seed, stream=stream)
        values: dict[int, Estimate | float] = {1: one_bit, **found}
        return [
            Measurement(name, {"c": largest, "b": b}, value, distribution=any_law.distribution)
            for b, value in values.items()
        ]

    return Experiment((name,), run)


def experiments() -> tuple[Experiment, ...]:
    """Those of laws that are not specified; the numbers at the end are millions of draws."""
    return _ternary(0.7, 200), _uniform_levels(2.5, 90)
