"""What every public function asks of its arguments."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_BITS = 32


def real_arrays(**arguments: Any) -> list[NDArray[Any]]:
    """The arguments as arrays of one type: float32 where NumPy would compute in float32 or float16, else float64.

    Python numbers take the type of the arrays that they meet, as in NumPy.

    Raises
    ------
    ValueError
        When one is not real, or their shapes do not fit.

    Examples
    --------
    >>> [x.dtype.name for x in real_arrays(mu=np.float32(1), sigma=2.0)]
    ['float32', 'float32']
    """
    kept = [_real(name, value) for name, value in arguments.items()]
    shapes = [np.shape(value) for value in kept]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        shown = ", ".join(map(str, shapes))
        raise ValueError(f"{', '.join(arguments)} must broadcast together, got shapes {shown}") from None
    dtype = np.float32 if np.result_type(*kept) in (np.float16, np.float32) else np.float64
    with np.errstate(all="ignore"):
        return [np.asarray(value).astype(dtype, copy=False) for value in kept]


def _real(name: str, value: Any) -> Any:
    """A number of Python as a float, which takes on the type of arrays; anything else as an array."""
    try:
        kept = float(value) if isinstance(value, int) else value
        if not isinstance(kept, float):
            kept = np.asarray(kept)
        if np.asarray(kept).dtype.kind in "buif":
            return kept
    except (OverflowError, ValueError):
        pass
    raise ValueError(f"{name} must be real numbers, got {value!r}")


def require_positive(name: str, values: NDArray[Any]) -> None:
    """Refuse anything but finite positive numbers; NaN passes, and gives NaN."""
    if not (values.min(initial=1) > 0 and values.max(initial=1) < np.inf):
        _refuse(name, values, (values <= 0) | np.isinf(values), "positive and finite")


def require_nonnegative(name: str, values: NDArray[Any]) -> None:
    """Refuse negative numbers; NaN passes, and gives NaN."""
    if not values.min(initial=0) >= 0:
        _refuse(name, values, values < 0, "at least 0")


def require_nonzero(name: str, values: NDArray[Any]) -> None:
    """Refuse zero and the infinities; NaN passes, and gives NaN."""
    _refuse(name, values, (values == 0) | np.isinf(values), "finite and not zero")


def require_bits(bits: int) -> int:
    """The number of bits as an ``int``."""
    try:
        count = operator.index(bits)
    except TypeError:
        count = 0
    if not 1 <= count <= MOST_BITS or isinstance(bits, bool):
        raise ValueError(f"bits must be an integer from 1 to {MOST_BITS}, got {bits!r}")
    return count


def require_one_of(name: str, value: Any, allowed: Iterable[str]) -> str:
    """Refuse any other name."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def _refuse(name: str, values: NDArray[Any], bad: Any, allowed: str) -> None:
    if bad.any():
        raise ValueError(f"{name} must be {allowed}, got {np.extract(bad, values)[0]}")
