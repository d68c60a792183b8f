"""Throughput of the sampling engine as a share of the bare generator; what shared draws and a second core gain; memory.

Everything is measured in this run, in turn, and compared as the median of the ratios of neighbours: the speed of a
shared machine changes within seconds. One BLAS thread, one core.

Run from the root of the repository: ``python benchmarks/throughput.py``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from numeric.arrays import Doubles
from numeric.experiments.relu import ReluDraws, rectify
from numeric.sampling import engine
from numeric.sampling.executors import processes, run
from numeric.sampling.normal import StandardNormalDraws

BLOCKS = engine.CHUNK
ROUNDS = 41
TARGET = 0.85
TARGET_OF_TWO_CORES = 1.6
TARGET_OF_MEMORY = 1.1
"""The results of up to `engine.AT_A_TIME` calls are held, of a kilobyte each, and a number for each block."""


@dataclass(frozen=True)
class RectifiedDraws(StandardNormalDraws):
    """ReLU(z)."""

    dimension = 1
    points = 1
    statistics = 1

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        rectify(z, out)


@dataclass(frozen=True)
class SquareDraws(RectifiedDraws):
    """ReLU(z)^2, of which the engine takes moments up to order four as well."""

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        rectify(z, out)
        np.square(out, out=out)


def bare_generator() -> None:
    """Fill the same blocks and do nothing with them."""
    z = np.empty((1, engine.PIECE))
    for block in range(BLOCKS):
        rng = engine.generator(0, 0, block)
        for _ in range(engine.PIECES):
            rng.standard_normal(out=z)


def second_moment() -> tuple[float, float]:
    """E ReLU(z)^2 and its standard error, from moments of ReLU(z) up to order four."""
    (found,) = engine.chunk(RectifiedDraws(), (0,), 0, 0, 0, BLOCKS)
    mean = found.mean.item()
    second, third, fourth = (sums.item() / found.draws for sums in (found.scatter, found.third, found.fourth))
    variance = 4 * mean**2 * second + 4 * mean * third + fourth - second**2
    return mean**2 + second, (variance / found.draws) ** 0.5


def with_square() -> None:
    """The same from ReLU(z)^2 itself: its mean, and moments up to order four."""
    engine.chunk(SquareDraws(), (0,), 0, 0, 0, BLOCKS)


def one_liner() -> None:
    """The obvious line, with the variance that a standard error needs."""
    rng = engine.generator(0, 0, 0)
    values = np.maximum(rng.standard_normal(BLOCKS * engine.PIECES * engine.PIECE), 0) ** 2
    values.mean(), values.var()


def points(number: int) -> Callable[[], object]:
    """Gate, ReLU and its square at so many parameter values, which share their draws."""
    draws = ReluDraws(tuple((1.0, 0.1 * k) for k in range(number)))

    def work() -> None:
        engine.chunk(draws, range(number), 0, 0, 0, 1)

    return work


def in_turn(*functions: Callable[[], object], rounds: int = ROUNDS) -> list[list[float]]:
    """Seconds of each, run in turn."""
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, taken in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return seconds


def ratio(some: list[float], others: list[float]) -> float:
    """The median of the ratios of neighbours."""
    return statistics.median(one / other for one, other in zip(some, others, strict=True))


def second_core() -> float:
    """Draws per second of two processes over those of one."""
    size = 150 * 10**6

    def drawing(jobs: int) -> Callable[[], None]:
        def work() -> None:
            run({0: engine.fixed(RectifiedDraws(), size, seed=0, stream=0)}, pools[jobs])

        return work

    with processes(1) as one, processes(2) as two:
        pools = {1: one, 2: two}
        in_turn(drawing(1), drawing(2), rounds=1)  # starts the processes
        return ratio(*in_turn(drawing(1), drawing(2), rounds=7))


def memory(chunks: int) -> int:
    """Bytes that are held at a time, at most, while so many chunks are drawn and merged."""
    tracemalloc.start()
    engine.sample(RectifiedDraws(), chunks * engine.CHUNK * engine.block_size(RectifiedDraws()), seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def main() -> int:
    value, error = second_moment()
    if abs(value - 0.5) > 6 * error:
        sys.exit(f"E ReLU(z)^2 is 1/2, not {value} with standard error {error}")
    draws = BLOCKS * engine.PIECES * engine.PIECE / 1e6
    bare, relu, square, line = in_turn(bare_generator, second_moment, with_square, one_liner)
    print(f"bare generator          {draws / statistics.median(bare):6.0f} million draws/s")
    shares = {
        "engine, ReLU": ratio(bare, relu),
        "engine, ReLU squared": ratio(bare, square),
        "one line of NumPy": ratio(bare, line),
    }
    for name, share in shares.items():
        print(f"{name:24}{share:6.3f} of the generator")
    print(f"E ReLU^2                {value:.6f}, standard error {error:.6f}, from {draws:.1f} million draws")
    gain = 16 * ratio(*in_turn(points(1), points(16), rounds=9))
    print(f"16 points, one draw     {gain:6.1f} times the evaluations per second of separate draws")
    speedup = second_core()
    print(f"two processes           {speedup:6.2f} times the draws of one ({os.cpu_count()} cores)")
    few, many = memory(2), memory(60)
    print(
        f"memory                  {many / few:7.3f} times that of a thirtieth of the draws ({few / 1e6:.1f} MB)"
    )
    failed = (
        min(shares["engine, ReLU"], shares["engine, ReLU squared"]) < TARGET
        or speedup < TARGET_OF_TWO_CORES
        or many > TARGET_OF_MEMORY * few
    )
    if failed:
        print(
            f"below {TARGET} of the generator, or below {TARGET_OF_TWO_CORES} times with a second core, or more memory"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
