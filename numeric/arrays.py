"""Arrays of floats: their types by name, and memory on which vector instructions are fast."""

from __future__ import annotations

import math
from ctypes import addressof, c_char
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Doubles: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating[Any]]
"""Of float32 or float64."""

LINE = 64
"""Bytes of a line of the cache, and of the widest vectors."""

_KEPT = 1 << 22
"""Bytes, more than a kernel uses at a time."""


def aligned(shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """An uninitialised array that begins with a line of the cache: sums and products stored there take half the time.

    Examples
    --------
    >>> aligned((3, 5), np.float32).ctypes.data % LINE
    0
    """
    keep_what_is_freed()
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE - 1, np.uint8)
    start = -addressof(c_char.from_buffer(memory.data)) % LINE  # a third of the time of memory.ctypes.data
    return np.ndarray(shape, dtype, memory, start)


@cache  # once, when the first kernel runs: it holds for the whole process
def keep_what_is_freed() -> None:
    """Let the allocator keep some memory for the next block of numbers.

    The one of Linux (glibc) gives the end of its heap back at once, and a kernel pays for every page when it asks for
    it again: as long as for all its arithmetic. It keeps twice the size of the largest block that it has unmapped so
    far, of this one here.
    """
    np.empty(_KEPT, np.uint8)
