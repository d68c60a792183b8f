"""The streaming engine: independent draws in blocks that stay in the cache, shared by many parameter values.

Each block has a generator of its own, and moments are merged in the order of the blocks: the result is the same, bit by
bit, for any number of workers and any order in which they finish, on processors of one kind. Nothing grows with the
number of draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import numpy as np

from numeric.arrays import Doubles, aligned
from numeric.evaluation.arguments import require_integer
from numeric.sampling.estimates import Estimate, Moments, merged
from numeric.sampling.executors import Call, Plan, Round, run

PIECE = 3 << 14
"""Numbers drawn at a time: what is computed from them leaves room in the cache of a core."""
PIECES = 40
"""Pieces of one block, which has one generator."""
CENTRED = 2
"""Parts that are always centred, the first of a call."""
CHUNK = 4
"""Blocks of one call of a worker: enough of them to make little of what a call costs besides."""
AT_A_TIME = 256
"""Calls whose results are held before they are merged."""
LANE = 1 << 10
"""Numbers in one inner product. In much longer ones BLAS uses its threads, and their number changes the rounding."""
CANCELLATION = 1e-2
"""Where a variance is smaller than this share of the squared mean, sums are taken about the mean, in one more pass."""
FIRST_LOOK = 4
"""Chunks before the first look at the resolution."""
GROWTH = 1.125
"""From one look to the next, by one chunk at least. The schedule is fixed: a bound over looks holds at any stop."""
PATIENCE = 16
"""After so many looks, half of the false-alarm probability is spent."""


class Draws(Protocol):
    """What is drawn, and what is observed of it at each of several parameter values.

    Attributes
    ----------
    source
        What is drawn, in a word: draws of the same source and dimension can be shared.
    dimension
        How many numbers one draw consists of.
    points
        How many parameter values share the draws.
    statistics
        How many statistics are observed of a draw, at most, at each of them.
    """

    @property
    def source(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def points(self) -> int: ...

    @property
    def statistics(self) -> int: ...

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        """Draw: fill z, of shape (dimension, n)."""

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        """Write the statistics at a parameter value into out, of shape (statistics, n); z stays as it is."""


@dataclass(frozen=True)
class Together:
    """Several observers of the same draws, which come from one source.

    Parameters
    ----------
    parts
        At least one; their points follow one another.

    Raises
    ------
    ValueError
        When they are not drawn alike.
    """

    parts: tuple[Draws, ...]

    def __post_init__(self) -> None:
        flat = (part.parts if isinstance(part, Together) else (part,) for part in self.parts)
        object.__setattr__(self, "parts", tuple(chain.from_iterable(flat)))
        if len({(part.source, part.dimension) for part in self.parts}) != 1:
            raise ValueError(f"parts must have one source and dimension, got {self.parts}")

    @property
    def source(self) -> str:
        return self.parts[0].source

    @property
    def dimension(self) -> int:
        return self.parts[0].dimension

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)

    @property
    def statistics(self) -> int:
        return max(part.statistics for part in self.parts)

    def part_of(self, point: int) -> tuple[Draws, int]:
        """The part that a point belongs to, and its number there."""
        for part in self.parts:
            if point < part.points:
                return part, point
            point -= part.points
        raise IndexError(point)

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        self.parts[0].fill(rng, z)

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        part, number = self.part_of(point)
        part.observe(z, number, out)


def _statistics(draws: Draws, point: int) -> int:
    return draws.part_of(point)[0].statistics if isinstance(draws, Together) else draws.statistics


def block_size(draws: Draws) -> int:
    """Draws in one block: the more numbers one draw has, the fewer draws."""
    return PIECES * max(PIECE >> (draws.dimension - 1).bit_length(), 64)


def settings() -> dict[str, Any]:
    """What the digits of results depend on besides draws, seed and stream."""
    kind = type(generator(0, 0, 0).bit_generator).__name__
    return {
        "generator": kind,
        "piece": PIECE,
        "pieces": PIECES,
        "chunk": CHUNK,
        "lane": LANE,
        "centred": CENTRED,
    }


def generator(seed: int, stream: int, block: int) -> np.random.Generator:
    """The generator of one block of one experiment."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(stream, block))))


def chunk(
    draws: Draws, points: Sequence[int], seed: int, stream: int, first: int, blocks: int
) -> tuple[Moments, ...]:
    """Moments at some of the points, over consecutive blocks."""
    size = block_size(draws) // PIECES
    z = aligned((draws.dimension, size))
    counts = [_statistics(draws, point) for point in points]
    rooms = {count: aligned((2, count, _at_a_time(draws, count, size))) for count in counts}
    work = []
    for point, count in zip(points, counts, strict=True):
        sums = _Sums(rooms[count], blocks, PIECES * size)
        work.append((point, sums, [z[:, at : at + sums.size] for at in range(0, size, sums.size)]))
    starts = []
    for block in range(first, first + blocks):
        rng = generator(seed, stream, block)
        starts.append(rng.random())
        for _ in range(PIECES):
            draws.fill(rng, z)
            for point, sums, parts in work:
                for part in parts:
                    draws.observe(part, point, sums.out)
                    sums.add()
    return tuple(sums.moments(starts) for _, sums, _ in work)


def _at_a_time(draws: Draws, statistics: int, size: int) -> int:
    """Of how many draws of a piece so many statistics stay in the cache with it."""
    return size // (1 << (statistics // 2).bit_length()) if draws.dimension == 1 else size


class _Sums:
    """Sums of powers over the parts of some blocks, all of the same size, put together once at the end.

    The first parts are centred, and tell whether the others have to be: elsewhere powers about zero do as well.
    """

    def __init__(self, room: Doubles, blocks: int, block: int) -> None:
        _, self.statistics, self.size = room.shape
        self.out, self.squares = room
        lane = math.gcd(self.size, LANE)
        in_lanes = room.reshape(2, self.statistics, -1, lane)
        self.values, self.squared_values = in_lanes
        self.values_by_lane, self.by_lane = self.values[:, :, None], in_lanes.transpose(1, 2, 0, 3)
        self.ones = aligned((lane,))
        self.ones.fill(1.0)
        self.pairs = [(i, j) for i in range(self.statistics) for j in range(i)]
        self.blocks, self.draws, self.added = blocks, blocks * block, 0
        parts, lanes = self.draws // self.size, self.size // lane
        self.first = np.empty((parts, self.statistics, lanes))
        self.second_and_third = np.empty((parts, self.statistics, lanes, 2))
        self.fourth = np.empty((parts, self.statistics, lanes))
        self.products = np.empty((parts, len(self.pairs), lanes))
        self.of_parts = list(zip(self.first, self.second_and_third, self.fourth, strict=True))
        self.centres = np.zeros((parts, self.statistics))
        self.far_from_zero = True

    def add(self) -> None:
        """Add what is held as a part; it is overwritten."""
        number = self.added
        self.added += 1
        if self.far_from_zero:
            self.centres[number] = np.vecdot(self.values, self.ones).sum(axis=1) / self.size
            self.out -= self.centres[number, :, None]
        first, second_and_third, fourth = self.of_parts[number]
        np.square(self.out, out=self.squares)
        np.vecdot(self.values, self.ones, out=first)
        np.vecdot(self.values_by_lane, self.by_lane, out=second_and_third)
        np.vecdot(self.squared_values, self.squared_values, out=fourth)
        for pair, (i, j) in enumerate(self.pairs):
            np.vecdot(self.values[i], self.values[j], out=self.products[number, pair])
        if self.added == CENTRED:
            variance = self.second_and_third[:CENTRED, ..., 0].sum(axis=(0, 2)) / (CENTRED * self.size)
            mean = self.centres[:CENTRED].mean(axis=0)
            self.far_from_zero = bool(np.any(variance < CANCELLATION * mean**2))

    def moments(self, starts: list[float]) -> Moments:
        """Of all blocks, whose generators start with these numbers."""
        first, fourth = self.first.sum(axis=2), self.fourth.sum(axis=2)
        lanes_last = self.second_and_third.swapaxes(2, 3).copy()  # a sum over the last axis takes less time
        second, third = lanes_last.sum(axis=3).transpose(2, 0, 1)
        size, means = self.size, self.centres + first / self.size
        mean = means.mean(axis=0)
        off = self.centres - mean
        fourth += off * (4 * third + off * (6 * second + off * (4 * first + size * off)))
        third += off * (3 * second + off * (3 * first + size * off))
        second += off * (2 * first + size * off)
        scatter = np.diag(second.sum(axis=0))
        for (i, j), products in zip(self.pairs, self.products.sum(axis=2).T, strict=True):
            products += off[:, i] * first[:, j] + off[:, j] * (first[:, i] + size * off[:, i])
            scatter[i, j] = scatter[j, i] = products.sum()
        of_blocks = means.reshape(self.blocks, -1, self.statistics).mean(axis=1)
        between = ((of_blocks - mean) ** 2).sum(axis=0)
        sums = third.sum(axis=0), fourth.sum(axis=0)
        return Moments(self.draws, mean, scatter, *sums, self.blocks, between, np.sort(starts))


def _call(draws: Draws, points: Sequence[int], seed: int, stream: int, first: int, blocks: int) -> Call:
    cost = blocks * block_size(draws) * draws.dimension
    return Call(chunk, (draws, tuple(points), seed, stream, first, blocks), cost)


def _drawn(
    draws: Draws, points: Sequence[int], seed: int, stream: int, blocks: range, expected: int = 0
) -> Plan[list[Moments]]:
    """Moments at some of the points over some blocks; ``expected`` is the cost of what may follow."""
    found: list[Moments] = []
    for start in range(blocks.start, blocks.stop, AT_A_TIME * CHUNK):
        stop = min(start + AT_A_TIME * CHUNK, blocks.stop)
        calls = [
            _call(draws, points, seed, stream, first, min(CHUNK, stop - first))
            for first in range(start, stop, CHUNK)
        ]
        to_come = (blocks.stop - stop) * block_size(draws) * draws.dimension
        parts = yield Round(calls, to_come + expected)
        found = [
            merged([*found[index : index + 1], *(part[index] for part in parts)])
            for index in range(len(points))
        ]
    return found


def share_of_look(look: int) -> float:
    """The share of the false-alarm probability that is spent at a look, counted from 1.

    Examples
    --------
    >>> round(sum(share_of_look(look) for look in range(1, 10**5)), 3)
    1.0
    """
    return PATIENCE / ((look + PATIENCE - 1) * (look + PATIENCE))


def sampling(
    draws: Draws, excess: Callable[[int, Moments, float], float], *, seed: int, stream: int
) -> Plan[list[tuple[Moments, float]]]:
    """Draw until each point is resolved as asked for, and keep error probabilities valid.

    At every look a share of the false-alarm probability is spent; the shares of all looks add up to 1, so that the
    probability of a false alarm at any look is at most the one stated, wherever drawing stops. The sizes at which
    it is looked do not depend on the draws.

    Parameters
    ----------
    draws
        What is drawn and observed. A point that is resolved is not observed further.
    excess
        Called with the number of a point, its moments, and the share: the resolution reached over the one that is
        asked for, infinite where nothing is resolved yet. Drawing ends at 1 and below.
    seed, stream
        Seed of the run, and number of the experiment.

    Returns
    -------
    Plan
        To be given to :func:`numeric.sampling.executors.run`; it gives the moments and the share of each point.

    Raises
    ------
    ValueError
        In the run, when the excess is nan, or seed or stream is no integer of at least 0.
    """
    seed, stream = require_integer("seed", seed, 0), require_integer("stream", stream, 0)
    found: dict[int, Moments] = {}
    done: dict[int, tuple[Moments, float]] = {}
    drawn, look, target = 0, 0, float(FIRST_LOOK)
    expected = 0
    while len(done) < draws.points:
        look += 1
        active = [p for p in range(draws.points) if p not in done]
        more = max(int(np.ceil(target)) - drawn, 1)
        blocks = range(CHUNK * drawn, CHUNK * (drawn + more))
        parts = yield from _drawn(draws, active, seed, stream, blocks, expected)
        drawn, target = drawn + more, target * GROWTH
        share, worst = share_of_look(look), 1.0
        for point, new in zip(active, parts, strict=True):
            found[point] = found[point].merged(new) if point in found else new
            found[point].require_independent_blocks()
            ratio = excess(point, found[point], share)
            if np.isnan(ratio):
                raise ValueError(
                    f"excess must be a number, got nan at point {point} after {found[point].draws} draws"
                )
            if ratio <= 1:
                done[point] = found[point], share
            worst = max(worst, ratio)
        to_come = drawn * CHUNK * block_size(draws) * draws.dimension * (worst * worst - 1)
        expected = int(to_come) if np.isfinite(to_come) else 0  # not known
    return [done[point] for point in range(draws.points)]


def fixed(draws: Draws, size: int, *, seed: int, stream: int) -> Plan[list[Moments]]:
    """A number of draws that is decided beforehand, rounded up to whole blocks.

    Parameters
    ----------
    draws
        What is drawn and observed.
    size
        The number of draws, at least 1.
    seed, stream
        Seed of the run, and number of the experiment; at least 0.

    Raises
    ------
    ValueError
        In the run, when size, seed or stream is no such integer.
    """
    size = require_integer("size", size, 1)
    seed, stream = require_integer("seed", seed, 0), require_integer("stream", stream, 0)
    blocks = range(-(-size // block_size(draws)))
    result = yield from _drawn(draws, range(draws.points), seed, stream, blocks)
    for moments in result:
        moments.require_independent_blocks()
    return result


def sample(draws: Draws, size: int, *, seed: int, stream: int = 0) -> list[Moments]:
    """Moments at every point from a number of draws, in this process.

    Parameters
    ----------
    draws, size, seed, stream
        As in :func:`fixed`.

    Raises
    ------
    ValueError
        When size, seed or stream is out of range.
    DependentDraws
        When the blocks are not independent.
    """
    found: list[Moments] = run({0: fixed(draws, size, seed=seed, stream=stream)})[0]
    return found


def mean_of(draws: Draws, size: int, *, seed: int, stream: int = 0) -> Estimate:
    """Mean of the only statistic at the only point.

    Parameters
    ----------
    draws, size, seed, stream
        As in :func:`sample`.

    Raises
    ------
    ValueError
        When there are several statistics or points, or as in :func:`sample`.
    """
    if (draws.points, draws.statistics) != (1, 1):
        raise ValueError(
            f"draws must be one statistic at one point, got {draws.statistics} at {draws.points}"
        )
    (moments,) = sample(draws, size, seed=seed, stream=stream)
    return moments.of(lambda t: float(t[0]))
