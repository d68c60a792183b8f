"""Means over a batch in each of its channels, and linear combinations of its arrays, block by block.

A batch is an array x of shape (m, channels), with others of the same shape beside it. The means are those of the
deviations of x from an estimate of its mean, of their squares, of the other arrays and of products of pairs.

Rounding. Of each block the sums of 4 or 8 rows are taken one after the other, such sums in pairs until there are at
most 8, the "parts"; up to there in the precision of the arrays. float32 goes on in float64, so that a term meets at
most 10 roundings. float64 goes on in pairs, where it meets 9 in a block and one more each time the blocks double; but
squares are summed over the blocks as if in twice the precision.

Such roundings average out, unless few samples hold most of a sum. Where one part has a large share in the sum of the
squares, the sums of the channel are therefore taken again: in float64 if the arrays are of float32, and otherwise those
of the squares, as if in twice the precision. And the estimate of the mean must then be nearer to it. Both take time:
where few samples stand out in every channel, up to five times that of normal samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from numeric.evaluation.error_free import precise_sum
from numeric.memory import aligned

Floats: TypeAlias = NDArray[Any]
Doubles: TypeAlias = NDArray[np.float64]
Pairs: TypeAlias = Sequence[tuple[int, int]]

TINY = 2.0**-90
"""In float32, a smaller mean of products may be one of numbers that have underflowed."""

_FIRST = {4: 128, 8: 256}  # by bytes of a number, samples of the first estimate of the mean
_FAR = {4: 8.0, 8: 3.0}  # normal samples are farther off in fewer than one of 10^4 channels
_BLOCK = {4: 256, 8: 128}  # by bytes of a number, rows of a block, if there are so many
_FEW = {4: 8, 8: 4}  # rows summed one after the other: fewer are more exact, and slower
_FEW_SQUARES = 4
_PARTS = 8
_LARGE = {4: 0.4, 8: 0.5}  # the share of a part in a sum of squares beyond which the sum is taken again
_SHORT = 32  # so many numbers of float64 can be summed as they come
_AGAIN = 1 << 16  # numbers of an array whose sums are taken again at a time
_ROW_BYTES = 16384  # of a row of a block, if there are so many channels: a few rows stay in the first cache
_FILLED_BYTES = 8192  # up to which samples are laid side by side where there are fewer
_HELD = 1 << 21  # bytes of a panel that is copied, at most


class Moments(NamedTuple):
    """Means over the batch: of x, of what is left of x after centring, and of what else there is."""

    mean: Doubles
    offset: Doubles  # the mean of the deviations: what the estimate of the mean was off by
    variance: Doubles
    means: list[Doubles]  # of the other arrays
    products: list[Doubles]  # of the pairs that were asked for, of deviations and other arrays


class _Means(NamedTuple):
    """Of the deviations and of their squares, of the other arrays, of products."""

    deviation: Doubles
    square: Doubles
    largest: Doubles  # part of the sum of squares
    others: list[Doubles]
    products: list[Doubles]


class Panel:
    """Some channels of a batch x, and of other arrays beside it, as blocks of rows.

    The deviations of x from an estimate of its mean are kept in the first result until that is computed.
    """

    def __init__(self, inputs: Sequence[Floats], results: Sequence[Floats], room: _Room) -> None:
        self.samples, self.width = inputs[0].shape
        self.room, self.inputs = room, inputs
        self.x, *others = (room.blocks(a) for a in inputs)
        self.results = [room.blocks(a) for a in results]
        self.arrays = [self.results[0], *others]
        self.doubtful = np.zeros(self.width, bool)  # where float32 may have lost something by underflow

    def moments(self, *pairs: tuple[int, int]) -> Moments:
        """Means of the arrays, and of the products of pairs of them."""
        first = self.inputs[0][: len(self.room.ones)]
        estimate: Floats = np.matmul(self.room.ones[: len(first)], first) / len(first)
        smallest: Doubles | float = np.inf
        while True:
            offset, square, largest, means, products = self._means(estimate, pairs)
            squared_offset = offset * offset
            variance = np.maximum(square - squared_offset, 0.0)
            better = estimate + offset
            # where few samples stand out the others are near to the mean, and so must the estimate be: its distance is
            # compared with 1/max |xhat|, both in standard deviations; m largest/sum bounds the square of that maximum
            off = squared_offset * largest > self.room.far * variance * square
            off |= squared_offset > variance / 4
            if off.any():
                # what does not become smaller is left by rounding, and the variance may have underflowed
                off &= (squared_offset < smallest / 4) & (better.astype(self.room.dtype) != estimate)
            if not off.any():
                break
            smallest = squared_offset
            estimate = np.where(off, better, estimate).astype(self.room.dtype)
        for product in products:
            self.doubtful |= np.abs(product) < TINY
        return Moments(better, offset, variance, means, products)

    def _means(self, centre: Floats, pairs: Pairs) -> _Means:
        room = self.room
        counts = [x.shape[1] // self.width for x in self.x]
        ends = list(accumulate(counts))
        squares = np.empty((ends[-1], self.width))
        totals = np.empty((len(pairs) + len(self.arrays), ends[-1], self.width))
        largest = np.zeros(self.width)
        wide = room.wide(centre)
        for index, (x, count, end) in enumerate(zip(self.x, counts, ends, strict=True)):
            at = slice(end - count, end)
            blocks = [array[index] for array in self.arrays]
            np.subtract(x, wide[: x.shape[1]], out=blocks[0])
            parts = room.parts_of_products(blocks[0], blocks[0])
            np.maximum(largest, parts.max(axis=0).reshape(-1, self.width).max(axis=0), out=largest)
            room.total(parts, squares[at])
            for number, (one, other) in enumerate(pairs):
                parts = room.parts_of_products(blocks[one], blocks[other])
                room.total(parts, totals[number, at])
            for number, block in enumerate(blocks, len(pairs)):
                room.total(room.parts(block), totals[number, at])
        square = room.sum_of_squares(squares)
        means = list(_sum_in_pairs(totals.swapaxes(0, 1)) / self.samples)
        products, (deviation, *others) = means[: len(pairs)], means[len(pairs) :]
        found = _Means(deviation, square / self.samples, largest, others, products)
        stands_out = largest > room.large * square
        if stands_out.any():
            channels, step = np.flatnonzero(stands_out), max(_AGAIN // self.samples, 1)
            for start in range(0, channels.size, step):
                self._take_again(found, centre, pairs, channels[start : start + step])
        return found

    def _take_again(self, found: _Means, centre: Floats, pairs: Pairs, channels: NDArray[np.intp]) -> None:
        """Take the means of some channels with fewer roundings."""
        deviations = self.inputs[0][:, channels].astype(np.float64) - centre[channels].astype(np.float64)
        found.square[channels] = self.room.sum_of_squares(deviations * deviations) / self.samples
        if not self.room.narrow:
            return
        arrays = [deviations, *(array[:, channels].astype(np.float64) for array in self.inputs[1:])]
        weights = np.full(self.samples, 1 / self.samples)
        for mean, array in zip((found.deviation, *found.others), arrays, strict=True):
            mean[channels] = weights @ array
        for mean, (one, other) in zip(found.products, pairs, strict=True):
            mean[channels] = np.einsum("ij,ij->j", arrays[one], arrays[other]) / self.samples

    def combine(
        self, coefficients: Sequence[Doubles | None], constant: Doubles, result: Sequence[Floats]
    ) -> None:
        """Deviations and other arrays times their coefficients, plus a constant.

        The constant is added to the second term: so the first, in which three roundings meet before any sum, gets one
        more where there are two terms, and not two.
        """
        terms = []
        for array, factor in zip(self.arrays, coefficients, strict=True):
            if factor is not None:
                tiny = np.abs(factor) < TINY
                if tiny.any():
                    self.doubtful |= tiny & (factor != 0)
                terms.append((array, self.room.wide(factor)))
        (first, on_first), *others = terms
        added = self.room.wide(constant)
        for index, out in enumerate(result):
            height, width = out.shape
            product = self.room.scratch[:height, :width]
            np.multiply(first[index], on_first[:width], out=out)
            if not others:
                np.add(out, added[:width], out=out)
            for number, (array, factor) in enumerate(others):
                np.multiply(array[index], factor[:width], out=product)
                if number == 0:
                    np.add(product, added[:width], out=product)
                np.add(out, product, out=out)


class _Room:
    """Memory for one block, and how panels are cut into blocks.

    In each row of a block as many samples lie side by side as there are lanes.
    """

    def __init__(self, samples: int, width: int, lanes: int, dtype: np.dtype[Any]) -> None:
        self.lanes, self.dtype, self.narrow = lanes, dtype, dtype == np.float32
        size = dtype.itemsize
        self.height, self.few, self.far, self.large = _BLOCK[size], _FEW[size], _FAR[size], _LARGE[size]
        height, row = min(self.height, max(samples // lanes, lanes)), lanes * width
        self.ones, self.scratch = np.ones(_FIRST[size], dtype), aligned((height, row), dtype)
        self.sums = aligned((-(-height // _FEW_SQUARES) * row,), dtype)
        self.doubles, self.wide_ones = aligned((_PARTS * row * self.narrow,)), np.ones(_PARTS)
        self.sum_of_squares: Callable[[Floats], Floats] = _sum_in_pairs
        if not self.narrow:
            self.sum_of_squares = precise_sum
            self.large = self.large if samples > _SHORT else np.inf

    def blocks(self, array: Floats) -> list[Floats]:
        """Blocks of rows; the last ones have the samples that do not fill a row, one in each."""
        whole = len(array) - len(array) % self.lanes
        rows = array[:whole].reshape(-1, self.lanes * array.shape[1]) if self.lanes > 1 else array
        step = self.height
        return [part[k : k + step] for part in (rows, array[whole:]) for k in range(0, len(part), step)]

    def parts(self, block: Floats) -> Floats:
        """Sums of rows, not more than _PARTS; the memory is used again by the next ones."""
        return self._parts(self._add, self.few, block)

    def parts_of_products(self, one: Floats, other: Floats) -> Floats:
        """The same of products of rows."""
        return self._parts(self._add_products, _FEW_SQUARES if one is other else self.few, one, other)

    def _parts(self, add: Callable[..., object], few: int, *blocks: Floats) -> Floats:
        rows, width = blocks[0].shape
        groups, left = divmod(rows, few)
        whole = rows - left
        sums = self.sums[: (groups + (left > 0)) * width].reshape(-1, width)
        if groups:
            add(*[b[:whole].reshape(groups, few, width) for b in blocks], sums[:groups])
        if left:
            add(*[b[None, whole:] for b in blocks], sums[groups:])
        return _add_in_pairs(sums, _PARTS)

    def _add(self, rows: Floats, out: Floats) -> None:
        np.matmul(self.ones[: rows.shape[1]], rows, out=out)

    def _add_products(self, one: Floats, other: Floats, out: Floats) -> None:
        np.einsum("kij,kij->kj", one, other, out=out)

    def total(self, parts: Floats, out: Doubles) -> None:
        """The sum of the parts, a row for each lane."""
        if self.narrow:
            doubles = self.doubles[: parts.size].reshape(parts.shape)
            np.copyto(doubles, parts)
            np.matmul(self.wide_ones[: len(parts)], doubles, out=out.reshape(-1))
        else:
            out.reshape(-1)[...] = _sum_in_pairs(parts)

    def wide(self, vector: Doubles) -> Floats:
        """A number for each channel, once for each lane."""
        wide = np.empty((self.lanes, len(vector)), self.dtype)
        wide[...] = vector
        return wide.reshape(-1)


def panels(inputs: Sequence[Floats], results: Sequence[Floats]) -> Iterator[tuple[slice, Panel]]:
    """The channels in panels. Those of a wide batch are copied in and out, if the cache then holds them."""
    samples, channels = inputs[0].shape
    dtype = inputs[0].dtype
    width = min(max(channels, 1), _ROW_BYTES // dtype.itemsize)
    lanes = max(1, min(samples, _FILLED_BYTES // dtype.itemsize // max(channels, 1)))
    room = _Room(samples, width, lanes, dtype)
    held = width < channels and samples * width * dtype.itemsize <= _HELD
    buffers = [aligned((samples * width,), dtype) for _ in (*inputs[1:], *results)] if held else []
    for start in range(0, channels, width):
        at = slice(start, min(start + width, channels))
        there, back = [a[:, at] for a in inputs], [a[:, at] for a in results]
        if not held:
            yield at, Panel(there, back, room)
            continue
        copies = [b[: there[0].size].reshape(there[0].shape) for b in buffers]
        beside, made = copies[: len(inputs) - 1], copies[len(inputs) - 1 :]
        for array, copy in zip(there[1:], beside, strict=True):
            np.copyto(copy, array)
        yield at, Panel([there[0], *beside], made, room)
        for array, copy in zip(back, made, strict=True):
            np.copyto(array, copy)


def _sum_in_pairs(terms: Floats) -> Floats:
    """The sum over the first axis, whose memory is used for it."""
    return np.asarray(_add_in_pairs(terms, 1)[0])


def _add_in_pairs(terms: Floats, at_most: int) -> Floats:
    """Sums of terms along the first axis, not more than so many; a term meets a rounding each time they are halved."""
    count = len(terms)
    while count > at_most:
        half = count // 2
        terms[:half] += terms[count - half : count]
        count -= half
    return terms[:count]
