"""Functions of arrays, element by element, in blocks that stay in the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from numeric.arrays import Doubles, Floats, keep_what_is_freed

BLOCK = 3 << 15
"""Elements: large enough to hide what a call costs, small enough that the arrays of a kernel stay in the cache."""
_BYTES = 3 << 18
"""Of an array of kernels that have few: in float32 twice as many elements, for there calls cost more of the time."""


def blockwise(kernel: Callable[..., Any], *arguments: Floats, outputs: int = 1) -> Any:
    """Broadcast the arguments and apply a kernel of float64 blocks; results are rounded to the arguments' type once.

    An argument that is the same for a whole block comes to the kernel as an array of one element.

    Parameters
    ----------
    kernel
        Takes one-dimensional arrays and returns one, or a tuple of them when ``outputs`` is more than 1. Its keyword
        ``narrow`` says that arguments and results are float32, for which plain float64 is often precise enough.
    arguments
        Arrays of one type, float32 or float64.
    outputs
        Number of results.
    """

    def writing(*block: Doubles, narrow: bool, out: Sequence[Floats]) -> None:
        values = kernel(*block, narrow=narrow)
        for target, value in zip(out, values if outputs > 1 else (values,), strict=True):
            target[...] = value

    return _in_blocks(writing, arguments, outputs, np.float64, BLOCK)


def blockwise_into(
    kernel: Callable[..., Any], *arguments: Floats, outputs: int = 1, of: DTypeLike = np.float64
) -> Any:
    """The same with a kernel of blocks of some type that writes to the arrays in ``out``, of the arguments' type.

    It uses few arrays, and may use ``out`` as one of them.
    """
    return _in_blocks(kernel, arguments, outputs, of, _BYTES // np.dtype(of).itemsize)


def _in_blocks(
    kernel: Callable[..., Any], arguments: Sequence[Floats], outputs: int, of: DTypeLike, size: int
) -> Any:
    keep_what_is_freed()
    shape = np.broadcast_shapes(*[argument.shape for argument in arguments])
    results = [np.empty(shape, arguments[0].dtype) for _ in range(outputs)]
    count, narrow = len(arguments), arguments[0].dtype == np.float32
    access: Any = [["readonly"]] * count + [["writeonly"]] * outputs
    blocks: Any = np.nditer(
        [*arguments, *results],
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=access,
        op_dtypes=[of] * count + [arguments[0].dtype] * outputs,
        casting="same_kind",
        buffersize=size,
    )
    with np.errstate(all="ignore"), blocks:
        for block in blocks:
            kernel(
                *[x[:1] if x.strides == (0,) else x for x in block[:count]], narrow=narrow, out=block[count:]
            )
    finished = tuple(result[()] for result in results)
    return finished if outputs > 1 else finished[0]
