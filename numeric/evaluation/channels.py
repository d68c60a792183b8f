"""Means over a batch in each of its channels, and linear combinations of its arrays, block by block.

A batch is an array x of shape (m, channels), with others of the same shape beside it. The means are those of the
deviations of x from an estimate of its mean, of their squares, of the other arrays and of products of pairs.

A block has some rows of the batch; where channels are few, several samples lie side by side in a row, in as many lanes.

Rounding. Of each block the sums of 4 or 8 rows are taken one after the other, such sums in pairs until there are at
most 8, the "parts"; up to there in the precision of the arrays. float32 goes on in float64, so that a term meets at
most 10 roundings. float64 goes on in pairs, where it meets 9 in a block and one more each time that the lanes or the
blocks double; but squares are summed over lanes and blocks as if in twice the precision. A float32 batch of 32 samples
or fewer is computed in float64.

Such roundings average out, unless the terms are the same or few samples hold most of a sum. Samples of zero all add the
estimate of the mean: its last digits are set to zero where that leaves it near to the mean, and its multiples are exact
then. Where one part has a large share in the sum of the squares, the sums of the channel are taken again: in float64 if
the arrays are of float32, and otherwise those of the squares, as if in twice the precision. And the estimate of the
mean must then be nearer to it. Both take time: where few samples stand out in every channel, up to about four times
that of normal samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from numeric.arrays import Doubles, Floats, aligned
from numeric.evaluation.error_free import precise_sum

_Float = TypeVar("_Float", bound=np.floating[Any])

Pairs: TypeAlias = Sequence[tuple[int, int]]

TINY = {4: 2.0**-90, 8: 2.0**-300}
"""By bytes of a number: smaller means of products may be made of what has underflowed, or what is made of them may."""

_FIRST = {4: 128, 8: 256}  # by bytes of a number, samples of the first estimate of the mean
_ONES: dict[int, Floats] = {4: np.ones(_FIRST[4], np.float32), 8: np.ones(_FIRST[8])}
_LAST = {4: 10, 8: 12}  # last binary digits of an estimate that are set to zero: 2^10, 2^12 times it is exact
_FAR = {4: 8.0, 8: 3.0}  # normal samples are farther off in fewer than one of 10^4 channels
_BLOCK = {4: 256, 8: 128}  # by bytes of a number, rows of a block, if there are so many
_FEW = {4: 8, 8: 4}  # rows summed one after the other: fewer are more exact, and slower
_FEW_SQUARES = 4
_PARTS = 8
_LARGE = {4: 0.3, 8: 0.5}  # the share of a part in a sum of squares beyond which the sum is taken again
_SHORT = 32  # of so many samples the means are taken in float64, as they come
_AGAIN = 1 << 16  # numbers of each array that are worked on at a time where sums are taken again
_ROW_BYTES = 16384  # of a row of a block, if there are so many channels: a few rows stay in the first cache
_FILLED_BYTES = 8192  # of a row that samples of few channels fill side by side
_HELD = 1 << 21  # bytes of a panel that is copied, at most


class Moments(NamedTuple):
    """Means over the batch: of x, of what is left of x after centring, and of what else there is."""

    mean: Doubles
    offset: Doubles  # the mean of the deviations: what the estimate of the mean was off by
    variance: Doubles
    means: Doubles  # of the other arrays
    products: Doubles  # of the pairs that were asked for, of deviations and other arrays


class Panel:
    """Some channels of a batch x, and of other arrays beside it, as blocks of rows.

    The deviations of x from an estimate of its mean are kept in the first result until that is computed.
    """

    def __init__(
        self, inputs: Sequence[Floats], results: Sequence[Floats], pairs: Pairs, room: _Room
    ) -> None:
        self.samples, self.width = inputs[0].shape
        self.inputs, self.pairs, self.room = inputs, pairs, room
        self.x, *others = (room.blocks(a) for a in inputs)
        self.results = [room.blocks(a) for a in results]
        self.arrays = [self.results[0], *others]
        self.doubtful = np.zeros(self.width, bool)  # where something may have been lost by underflow

    def moments(self) -> Moments:
        """Means of the arrays, and of the products of the pairs."""
        room, end = self.room, len(self.pairs)
        ones = _ONES[room.dtype.itemsize][: self.samples]
        estimate: Floats = room.short(np.matmul(ones, self.inputs[0][: len(ones)]) / len(ones))
        smallest: Doubles | float = np.inf
        while True:
            means, share = self._means(estimate)
            offset, variance = means[end], self._variance(means)
            # where few samples stand out the others are near to the mean, and so must the estimate be: its distance is
            # compared with 1/max |xhat|, both in standard deviations; m share bounds the square of that maximum
            bound = variance * np.fmin(room.far / self.samples / share, 0.25)
            off = offset * offset > bound
            if not (room.narrow or variance.max() < np.inf):
                off |= np.isinf(means[-1])  # the squares may be those of the rounding of the estimate
            if off.any():
                # what does not become smaller is left by rounding, and the variance may have underflowed
                better, size = (estimate.astype(np.float64) + offset).astype(room.dtype), np.abs(offset)
                short = room.short(better)
                near = (np.square(better - short, dtype=np.float64) < bound) & (bound < np.inf)
                better = np.where(near, short, better)
                off &= (size < smallest / 2) & (better != estimate)
            if not off.any():
                break
            estimate, smallest = np.where(off, better, estimate), size
        stands_out = share > room.large
        if stands_out.any():
            self._take_again(means, estimate, np.flatnonzero(stands_out))  # the offset is one of them
            variance = self._variance(means)
        products = means[:end]
        self._doubt(np.abs(means[:-1]) < room.tiny)
        mean = estimate.astype(np.float64) + offset
        return Moments(mean, offset, variance, means[end + 1 : -1], products)

    def _variance(self, means: Doubles) -> Doubles:
        offset = means[len(self.pairs)]
        return np.asarray(np.maximum(means[-1] - offset * offset, 0.0))

    def _means(self, centre: Floats) -> tuple[Doubles, Doubles]:
        """Means of the products, of the arrays and of squared deviations; the share of the largest part of the last."""
        room = self.room
        (wide,) = room.wide(centre[None])
        sums: list[Doubles] = []
        largest = np.zeros(self.width, room.dtype)
        for x, *arrays in zip(self.x, *self.arrays, strict=True):
            np.subtract(x, wide[: x.shape[1]], out=arrays[0])
            parts = room.parts(arrays, self.pairs)
            np.maximum(largest, parts[-1].reshape(-1, self.width).max(axis=0), out=largest)
            sums.append(room.total(parts).reshape(len(parts), -1, self.width))
        means = room.sum_of_blocks(sums[0] if len(sums) == 1 else np.concatenate(sums, axis=1))
        share = largest.astype(np.float64) / means[-1]
        means /= self.samples
        return means, share

    def _take_again(self, means: Doubles, centre: Floats, channels: NDArray[np.intp]) -> None:
        """Take the means of some channels with fewer roundings; in float64 those of squared deviations only."""
        narrow, every = self.room.narrow, 2 * channels.size > self.width  # to pick most of them takes longer
        width = self.width if every else channels.size
        middle = centre.astype(np.float64) if every else centre[channels].astype(np.float64)
        sums, step = [], max(_AGAIN // width, 1)
        for start in range(0, self.samples, step):
            rows = [array[start : start + step] for array in self.inputs[: None if narrow else 1]]
            arrays = [(a if every else a.take(channels, axis=1)).astype(np.float64) for a in rows]
            arrays[0] -= middle
            if narrow:
                ones = np.ones(len(arrays[0]))
                products = [np.einsum("ij,ij->j", arrays[i], arrays[j]) for i, j in (*self.pairs, (0, 0))]
                sums.append([*products[:-1], *(ones @ a for a in arrays), products[-1]])
            else:
                sums.append([precise_sum(arrays[0] * arrays[0])])
        again = precise_sum(np.array(sums)) / self.samples
        means[-len(again) :, channels] = again[:, channels] if every else again

    def _doubt(self, tiny: NDArray[np.bool_]) -> None:
        """Tiny means are in doubt: those of products where neither array is zero throughout, and of tiny arrays."""
        if not tiny.any():
            return
        largest: dict[int, Doubles] = {}

        def size(number: int) -> Doubles:
            if number not in largest:
                ends = [end(axis=0) for block in self.arrays[number] for end in (block.min, block.max)]
                sizes = [np.abs(end).reshape(-1, self.width).max(axis=0) for end in ends]
                largest[number] = np.max(sizes, axis=0).astype(np.float64)
            return largest[number]

        for pair, channels in zip(self.pairs, tiny, strict=False):
            for number in pair if channels.any() else ():
                channels = channels & (size(number) > 0)
            self.doubtful |= channels
        for number, channels in enumerate(tiny[len(self.pairs) + 1 :], 1):
            if channels.any():
                self.doubtful |= channels & (size(number) > 0) & (size(number) < self.room.tiny)

    def combine(self, result: int, constant: Doubles, *terms: tuple[int, Doubles]) -> None:
        """Write a constant plus arrays times factors, one for each channel, into a result.

        The constant is added to the second term: so the first, in which three roundings meet before any sum, gets one
        more where there are two terms, and not two.

        Parameters
        ----------
        result
            Its number.
        constant
            What is added.
        terms
            Numbers of arrays, of which 0 are the deviations, and their factors.
        """
        coefficients = np.array([constant, *(factor for _, factor in terms)])
        if self.room.narrow:
            sizes = np.abs(coefficients[1:])
            tiny = sizes < self.room.tiny
            if tiny.any():
                self.doubtful |= (tiny & (sizes > 0)).any(axis=0)
        added, on_first, *on_others = self.room.wide(coefficients)
        arrays = [self.arrays[number] for number, _ in terms]
        for out, first, *others in zip(self.results[result], *arrays, strict=True):
            height, width = out.shape
            product = self.room.scratch[: height * width].reshape(height, width)
            np.multiply(first, on_first[:width], out=out)
            if not others:
                np.add(out, added[:width], out=out)
            for number, array in enumerate(others):
                np.multiply(array, on_others[number][:width], out=product)
                if number == 0:
                    np.add(product, added[:width], out=product)
                np.add(out, product, out=out)


class _Room:
    """Memory for one block, and how panels are cut into blocks.

    In each row of a block as many samples lie side by side as there are lanes.
    """

    def __init__(self, samples: int, width: int, lanes: int, kinds: int, dtype: np.dtype[Any]) -> None:
        self.lanes, self.dtype, self.narrow = lanes, dtype, dtype == np.float32
        size = dtype.itemsize
        self.height, self.few, self.far, self.large = _BLOCK[size], _FEW[size], _FAR[size], _LARGE[size]
        self.tiny, self.leading = TINY[size], -1 << _LAST[size]
        height = min(self.height, max(samples // lanes, lanes))
        self.scratch = aligned((max(height, kinds * -(-height // _FEW_SQUARES)) * lanes * width,), dtype)
        if samples <= _SHORT:
            self.large = np.inf

    def blocks(self, array: Floats) -> list[Floats]:
        """Blocks of rows; the last ones have the samples that do not fill a row, one in each."""
        if self.lanes == 1 and len(array) <= self.height:
            return [array]
        whole = len(array) - len(array) % self.lanes
        rows = array[:whole].reshape(-1, self.lanes * array.shape[1]) if self.lanes > 1 else array
        step = self.height
        return [part[k : k + step] for part in (rows, array[whole:]) for k in range(0, len(part), step)]

    def short(self, estimate: Floats) -> Floats:
        """The same with the last digits zero."""
        digits: NDArray[np.signedinteger[Any]] = estimate.view(f"i{self.dtype.itemsize}")
        short: Floats = np.bitwise_and(digits, self.leading).view(self.dtype)
        return short

    def parts(self, arrays: Sequence[Floats], pairs: Pairs) -> Floats:
        """Sums of rows of a block: of products of the pairs, of the arrays, and of the squares of the first array.

        Of each there are at most _PARTS; the memory is used again by the next ones.
        """
        rows, width = arrays[0].shape
        groups_of_squares = -(-rows // _FEW_SQUARES)
        few = self.few if groups_of_squares > _PARTS else _FEW_SQUARES
        kinds, groups = len(pairs) + len(arrays) + 1, -(-rows // few)
        others = (kinds - 1) * groups
        memory = self.scratch[: (others + groups_of_squares) * width].reshape(-1, width)
        sums, squares = memory[: kinds * groups].reshape(kinds, groups, width), memory[others:]
        for number, (one, other) in enumerate(pairs):
            _add_rows(few, sums[number], arrays[one], arrays[other])
        for number, array in enumerate(arrays, len(pairs)):
            _add_rows(few, sums[number], array)
        _add_rows(_FEW_SQUARES, squares, arrays[0], arrays[0])
        _add_in_pairs(squares, groups)
        return _add_in_pairs(sums, _PARTS)

    def total(self, parts: Floats) -> Doubles:
        """The sums of the parts of each kind."""
        if self.narrow:
            return np.asarray(np.matmul(_ONES[8][: parts.shape[1]], parts.astype(np.float64)))
        return _sum_in_pairs(parts).astype(np.float64)

    def sum_of_blocks(self, sums: Doubles) -> Doubles:
        """The sums of each kind over lanes and blocks; their memory is used for it."""
        if self.narrow:
            return _sum_in_pairs(sums)
        return np.concatenate([_sum_in_pairs(sums[:-1]), precise_sum(sums[-1])[None]])

    def wide(self, vectors: Floats) -> Floats:
        """A number for each channel, once for each lane."""
        if self.lanes == 1:
            return vectors.astype(self.dtype)
        wide = np.empty((len(vectors), self.lanes, vectors.shape[1]), self.dtype)
        wide[...] = vectors[:, None]
        return wide.reshape(len(vectors), -1)


def panels(
    inputs: Sequence[Floats], results: Sequence[Floats], pairs: Pairs = ()
) -> Iterator[tuple[slice, Panel]]:
    """The channels in panels, each of which is good until the next one is asked for: then its results are in place.

    Panels of a wide batch are copied, if the cache then holds them, and so are short ones of float32, to float64.

    Parameters
    ----------
    inputs
        x, and the other arrays.
    results
        What is to be computed, at least one array.
    pairs
        Numbers of inputs whose products are averaged; 0 are the deviations of x.
    """
    samples, channels = inputs[0].shape
    given = inputs[0].dtype
    dtype = np.dtype(np.float64) if samples <= _SHORT else given
    width = min(max(channels, 1), _ROW_BYTES // dtype.itemsize)
    lanes = max(1, min(samples, _FILLED_BYTES // dtype.itemsize // max(channels, 1)))
    room = _Room(samples, width, lanes, len(pairs) + len(inputs) + 1, dtype)
    held = dtype != given or (width < channels and samples * width * dtype.itemsize <= _HELD)
    direct = int(dtype == given)  # x is read but once
    buffers = [aligned((samples * width,), dtype) for _ in (*inputs[direct:], *results)] if held else []
    for start in range(0, channels, width):
        at = slice(start, min(start + width, channels))
        there, back = [a[:, at] for a in inputs], [a[:, at] for a in results]
        if not held:
            yield at, Panel(there, back, pairs, room)
            continue
        copies = [b[: there[0].size].reshape(there[0].shape) for b in buffers]
        beside, made = copies[: len(inputs) - direct], copies[len(inputs) - direct :]
        for array, copy in zip(there[direct:], beside, strict=True):
            copy[...] = array
        yield at, Panel([*there[:direct], *beside], made, pairs, room)
        for array, copy in zip(back, made, strict=True):
            array[...] = copy


def _add_rows(few: int, out: Floats, *arrays: Floats) -> None:
    """Sums of so many rows one after the other, of an array or of the product of two."""
    rows, width = arrays[0].shape
    groups, left = divmod(rows, few)
    if groups:
        _add_groups(out[:groups], *(a[: rows - left].reshape(groups, few, width) for a in arrays))
    if left:
        _add_groups(out[groups : groups + 1], *(a[None, rows - left :] for a in arrays))


def _add_groups(out: Floats, one: Floats, other: Floats | None = None) -> None:
    if other is None:
        np.matmul(_ONES[one.itemsize][: one.shape[1]], one, out=out)
    else:
        np.einsum("kij,kij->kj", one, other, out=out)


def _sum_in_pairs(terms: NDArray[_Float]) -> NDArray[_Float]:
    """The sum over the last axis but one, whose memory is used for it."""
    return np.asarray(_add_in_pairs(terms, 1)[..., 0, :])


def _add_in_pairs(terms: NDArray[_Float], at_most: int) -> NDArray[_Float]:
    """Sums of terms along the last axis but one, not more than so many; a term meets a rounding at each halving."""
    count = terms.shape[-2]
    while count > at_most:
        half = count // 2
        terms[..., :half, :] += terms[..., count - half : count, :]
        count -= half
    return terms[..., :count, :]
