"""What each instrument resolves, in which time, and its gain over plain draws in the same time.

The gain is the resolution that plain draws reach in the time of the instrument, by the square-root law from one
measured run, over the resolution of the instrument. Nets have the margins of a theorem, plain draws the narrower ones
of normal theory. Exits with 1 when a target is missed.

    python benchmarks/instruments.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from numeric.arrays import Doubles
from numeric.experiments import batchnorm, layers, relu, relu_integrals, ternary, weight_integrals
from numeric.experiments.relu_integrals import relu_power
from numeric.instruments import ball
from numeric.instruments.batches import controlled_mean, polynomial_expectation
from numeric.instruments.bounded import Bounded
from numeric.instruments.cubature import expectation_of_product
from numeric.instruments.laws import Normal
from numeric.instruments.nets import bounded_mean
from numeric.instruments.quadrature import Instrument
from numeric.sampling.engine import Draws, mean_of, sample
from numeric.sampling.estimates import Estimate, Moments
from numeric.sampling.normal import NormalDraws

ONE_VARIABLE = TWO_VARIABLES = 1e-6
BATCH = 1e-4
DRAWS = 1e-3
SIDE = 32
GAMMA, BETA, SIGMA, DELTA, SCALE = -0.8, 0.4, 1.3, 0.7, 1.1
CORRELATION = 0.5
Result = TypeVar("Result")


@dataclass(frozen=True)
class Row:
    """One instrument on one quantity.

    Attributes
    ----------
    quantity, instrument
        Their names.
    measure
        Runs it.
    plain
        The name of the run of plain draws to compare with.
    target
        The resolution that is asked for.
    within
        Time that is allowed, in seconds.
    of_a_draw
        Evaluations that one draw takes.
    """

    quantity: str
    instrument: str
    measure: Callable[[], Bounded | Estimate]
    plain: str
    target: float
    within: float = np.inf
    of_a_draw: int = 1


def timed(function: Callable[[], Result], repeats: int) -> tuple[Result, float]:
    """The result, and the least time of several runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return result, min(times)


def squared_variance(batch: Doubles) -> Doubles:
    """Square of the unbiased variance of each batch."""
    return np.asarray(batch.var(axis=0, ddof=1) ** 2)


def inverse_deviation(batch: Doubles) -> Doubles:
    """What BatchNorm multiplies by."""
    return np.asarray(1 / np.sqrt(batch.var(axis=0) + 1e-5))


def with_controls(batch: Doubles) -> Doubles:
    """The same, and two polynomials that go along with it."""
    variance = batch.var(axis=0)
    return np.array([1 / np.sqrt(variance + 1e-5), variance, variance**2])


def product_of_relus(pair: Doubles) -> Doubles:
    """Of two correlated standard normal numbers."""
    x, y = correlated(pair)
    return np.asarray(np.maximum(x, 0) * np.maximum(y, 0))


def both_positive(pair: Doubles) -> Doubles:
    """Whether two correlated standard normal numbers are, as 0 and 1."""
    x, y = correlated(pair)
    return np.asarray((x > 0) & (y > 0), float)


def product_of_tanh(pair: Doubles) -> Doubles:
    """Of two correlated standard normal numbers."""
    x, y = correlated(pair)
    return np.asarray(np.tanh(x) * np.tanh(y))


def correlated(pair: Doubles) -> tuple[Doubles, Doubles]:
    """Two correlated standard normal numbers from independent ones."""
    x, y = pair
    return x, CORRELATION * x + (1 - CORRELATION**2) ** 0.5 * y


def plain_runs() -> dict[str, tuple[Estimate, float]]:
    """One run of plain draws for each quantity."""
    thresholds, levels = (np.array(v, dtype=float) for v in weight_integrals.nearest_levels(4, 3))

    def quantisation_error(z: Doubles) -> Doubles:
        w = SIGMA * z[0]
        return np.asarray((w - levels[np.searchsorted(thresholds, w)]) ** 2)

    def relu_at(gamma: float, beta: float) -> Moments:
        (moments,) = sample(relu.ReluDraws(((gamma, beta),)), 2_000_000, seed=0)
        return moments

    def plain(draws: Draws, size: int) -> tuple[Estimate, float]:
        return timed(lambda: mean_of(draws, size, seed=0), 1)

    tail, tail_seconds = timed(lambda: relu_at(1.3, -2.6), 1)
    moments, seconds = timed(lambda: relu_at(GAMMA, BETA), 1)
    weights, weight_seconds = timed(
        lambda: sample(ternary.TernaryDraws("gaussian", ((SIGMA, DELTA),)), 2_000_000, seed=0)[0], 1
    )
    return {
        "second moment": (relu.estimates(moments, GAMMA)["second_moment"], seconds),
        "tail": (relu.estimates(tail, 1.3)["second_moment"], tail_seconds),
        "ratio": (relu.estimates(moments, GAMMA)["ratio_variance"], seconds),
        **{name: (estimate, weight_seconds) for name, estimate in ternary.estimates(weights).items()},
        "error": plain(ternary.ErrorDraws("gaussian", ((SIGMA, DELTA, SCALE),), plain=True), 2_000_000),
        "quantised": plain(NormalDraws(1, quantisation_error), 1_000_000),
        "pooled": plain(layers.PoolingDraws(0.5, 3), 400_000),
        "product": plain(NormalDraws(2, product_of_relus), 1_000_000),
        "both": plain(NormalDraws(2, both_positive), 1_000_000),
        "tanh": plain(NormalDraws(2, product_of_tanh), 1_000_000),
        "variance of a batch": plain(batchnorm.BatchDraws(SIDE, 0.3, 1.1), 130_000),
        "squared": plain(NormalDraws(SIDE, squared_variance), 130_000),
        "inverse": plain(NormalDraws(SIDE, inverse_deviation), 130_000),
    }


def rows() -> list[Row]:
    """Every quantity and instrument."""
    pair = relu_power(1, 1.0, 0.0)

    def moment(gamma: float, beta: float, *instrument: Instrument) -> Callable[[], Bounded]:
        return lambda: relu_integrals.relu_moment(2, gamma, beta, *instrument)

    def weights(name: str, *instrument: Instrument) -> Callable[[], Bounded]:
        return lambda: weight_integrals.ternary_quantities("gaussian", SIGMA, DELTA, SCALE, *instrument)[name]

    def on_grid(name: str) -> Callable[[], Bounded]:
        return lambda: weight_integrals.shares_on_grid("gaussian", SIGMA, DELTA, 1 << 20, seed=0, stream=0)[
            name
        ]

    def quantised(*instrument: Instrument) -> Callable[[], Bounded]:
        levels = weight_integrals.nearest_levels(4, 3)
        return lambda: weight_integrals.quantisation_error(Normal(SIGMA), *levels, *instrument)

    def controlled() -> Estimate:
        exact = [
            polynomial_expectation(lambda x: x.var(axis=0), SIDE, 2),
            polynomial_expectation(lambda x: x.var(axis=0) ** 2, SIDE, 4),
        ]
        draws = NormalDraws(SIDE, with_controls, 3)
        return controlled_mean(draws, exact, 1_300_000, seed=0, stream=0)

    def on_nets(
        quantity: str, draws: NormalDraws, size: int, number: int, bounds: tuple[float, float], plain: str
    ) -> Row:
        measure = partial(bounded_mean, draws, size, number, bounds, seed=0)
        return Row(quantity, f"nets of {size}", measure, plain, DRAWS, of_a_draw=size)

    one, two = ONE_VARIABLE, TWO_VARIABLES
    return [
        Row("E ReLU^2", "quadrature", moment(GAMMA, BETA), "second moment", 1e-4, 1e-3),
        Row("E ReLU^2", "quadrature", moment(GAMMA, BETA), "second moment", one, 1e-2),
        Row("E ReLU^2", "balls", moment(GAMMA, BETA, ball.expectation), "second moment", one),
        Row("E ReLU^2, a = -2", "quadrature", moment(1.3, -2.6), "tail", one),
        Row("E ReLU^2, a = -2", "balls", moment(1.3, -2.6, ball.expectation), "tail", one),
        Row(
            "all 14 of a ReLU (ratio_variance)",
            "quadrature",
            lambda: relu_integrals.relu_quantities(GAMMA, BETA)["ratio_variance"],
            "ratio",
            one,
        ),
        *[
            row
            for name in ("p_plus", "p_zero")
            for row in (
                Row(f"ternary ({name})", "quadrature", weights(name), name, one),
                Row(f"ternary ({name})", "balls", weights(name, ball.expectation), name, one),
                Row(f"both shares ({name})", "grid, 2^20", on_grid(name), name, 1e-4),
            )
        ],
        *[
            Row(f"ternary ({name})", "quadrature", weights(name), name, one)
            for name in ("variance", "mean_abs", "error")
        ],
        Row("E (w - Q w)^2, 4 bits", "quadrature", quantised(), "quantised", one),
        Row("E (w - Q w)^2, 4 bits", "balls", quantised(ball.expectation), "quantised", one),
        Row(
            "E mean(ReLU)^2, 3 x 3 window",
            "quadrature",
            lambda: relu_integrals.pooled_second_moment(0.5, 3),
            "pooled",
            two,
        ),
        Row(
            "E ReLU ReLU, correlated",
            "product rule",
            lambda: expectation_of_product(pair, pair, CORRELATION),
            "product",
            two,
        ),
        Row(
            f"batch variance, m = {SIDE}",
            "cubature, 3",
            lambda: batchnorm.running_variance(SIDE, 0.3, 1.1),
            "variance of a batch",
            BATCH,
        ),
        Row(
            f"its square, m = {SIDE}",
            "cubature, 5",
            lambda: polynomial_expectation(squared_variance, SIDE, 4),
            "squared",
            BATCH,
        ),
        Row(f"E 1/sqrt(v + eps), m = {SIDE}", "controls", controlled, "inverse", BATCH),
        on_nets("E tanh tanh, correlated", NormalDraws(2, product_of_tanh), 32, 2 * 10**6, (-1, 1), "tanh"),
        on_nets("P(both > 0), correlated", NormalDraws(2, both_positive), 64, 10**6, (0, 1), "both"),
    ]


def main() -> int:
    """Print the table; 1 when a target is missed."""
    plain = plain_runs()
    header = (
        f"{'quantity':34} {'instrument':12} {'resolution':>10} {'target':>8} "
        f"{'ms':>9} {'evaluations':>11} {'gain':>9}"
    )
    print(header + "\n" + "-" * len(header))
    missed = 0
    for row in rows():
        first = row.measure()  # rules are computed once
        result, seconds = timed(row.measure, 1 if isinstance(first, Estimate) else 7)
        resolution = result.resolution(1) if isinstance(result, Estimate) else result.resolution
        evaluations = result.draws * row.of_a_draw if isinstance(result, Estimate) else result.evaluations
        estimate, plain_seconds = plain[row.plain]
        gain = estimate.resolution(1) * (plain_seconds / seconds) ** 0.5 / resolution
        late = seconds > row.within
        missed += not resolution <= row.target or late
        note = "  MISSED" * (not resolution <= row.target) + f"  MORE THAN {row.within * 1e3:g} ms" * late
        print(
            f"{row.quantity:34} {row.instrument:12} {resolution:10.1e} {row.target:8.0e} {seconds * 1e3:9.3f} "
            f"{evaluations:11d} {gain:9.1e}{note}"
        )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
