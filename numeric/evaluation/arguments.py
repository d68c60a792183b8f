"""What every public function asks of its arguments."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numeric.arrays import Doubles, Floats

_SHOWN = 80  # characters of a value in a message
_DIMENSIONS = 32  # of what NumPy iterates over; arrays may have twice as many


def real_arrays(**arguments: Any) -> list[Floats]:
    """The arguments as arrays of one type (:func:`in_one_type`).

    Raises
    ------
    ValueError
        When one is not real, or beyond the range of that type, or has too many dimensions, or their shapes do not fit.

    Examples
    --------
    >>> [x.dtype.name for x in real_arrays(mu=np.float32(1), sigma=2.0)]
    ['float32', 'float32']
    """
    kept = {name: real(name, value) for name, value in arguments.items()}
    shapes = [np.shape(value) for value in kept.values()]
    for name, shape in zip(arguments, shapes, strict=True):
        if len(shape) > _DIMENSIONS:
            raise ValueError(f"{name} must have at most {_DIMENSIONS} dimensions, got {len(shape)}")
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        found = ", ".join(map(str, shapes))
        raise ValueError(f"{', '.join(arguments)} must broadcast together, got shapes {found}") from None
    return in_one_type(kept)


def in_one_type(values: Mapping[str, NDArray[Any] | float]) -> list[Floats]:
    """Arrays of one type: float32 where NumPy would compute in float32 or float16, else float64.

    Numbers of Python take the type of the arrays that they meet, as in NumPy, if it can hold them.
    """
    found = np.result_type(*values.values())
    dtype = np.float32 if found.kind == "f" and found.itemsize <= 4 else np.float64
    with np.errstate(all="ignore"):
        arrays: list[Floats] = [np.asarray(value).astype(dtype, copy=False) for value in values.values()]
    for (name, value), array in zip(values.items(), arrays, strict=True):
        if isinstance(value, float) and math.isfinite(value) and not np.isfinite(array):
            raise ValueError(f"{name} must be in the range of float32, as the arrays beside it, got {value}")
    return arrays


def real(name: str, value: Any) -> NDArray[Any] | float:
    """A number of Python as a float, which takes on the type of arrays; anything else as an array.

    Extended precision is rounded to float64.

    Raises
    ------
    ValueError
        When it is not real, larger than a double can be, or masked.
    """
    if _masked(value):  # the mask would be lost
        raise ValueError(f"{name} must be numbers without a mask, got {shown(value)}")
    try:
        if not hasattr(value, "dtype") and isinstance(value, numbers.Real):
            return _in_float64(np.array(value, object)).item()
        array = np.asarray(value)
        if array.dtype.kind == "f" and array.itemsize > 8:
            array = _in_float64(array)
        elif (
            array.dtype == object
            and array.size
            and all(isinstance(entry, numbers.Real) for entry in array.flat)
        ):
            array = _in_float64(array)  # large integers, for example
    except OverflowError:
        raise ValueError(f"{name} must be real numbers in the range of float64, got {shown(value)}") from None
    except (TypeError, ValueError, RuntimeError):  # ragged, or no array
        array = np.empty((), object)
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name} must be real numbers, got {shown(value)}")
    return array


def _in_float64(given: NDArray[Any]) -> Doubles:
    """Rounded; OverflowError where what is finite cannot be held."""
    with np.errstate(all="ignore"):
        array: Doubles = given.astype(np.float64)
    if (np.isinf(array) & (given != array)).any():
        raise OverflowError
    return array


def _masked(value: Any) -> bool:
    """Whether there is a masked array, also inside of lists."""
    if isinstance(value, list | tuple):
        return any(_masked(entry) for entry in value if not isinstance(entry, float | int))
    return isinstance(value, np.ma.MaskedArray)


def require_positive(name: str, values: Floats) -> None:
    """Refuse zero and negative numbers; NaN passes, and gives NaN."""
    if not values.min(initial=1) > 0:
        _refuse(name, values, values <= 0, "positive")


def require_nonnegative(name: str, values: Floats) -> None:
    """Refuse negative numbers; NaN passes, and gives NaN."""
    if not values.min(initial=0) >= 0:
        _refuse(name, values, values < 0, "at least 0")


def require_nonzero(name: str, values: Floats) -> None:
    """Refuse zero; NaN passes, and gives NaN."""
    _refuse(name, values, values == 0, "nonzero")


def require_integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """An integer in a range, as an ``int``.

    Examples
    --------
    >>> require_integer("bits", np.int8(4), 1, 32)
    4
    """
    try:
        count = least - 1 if isinstance(value, bool) or _masked(value) else operator.index(value)
    except TypeError:
        count = least - 1
    if count < least or (most is not None and count > most):
        allowed = f"an integer of at least {least}" if most is None else f"an integer from {least} to {most}"
        raise ValueError(f"{name} must be {allowed}, got {shown(value)}")
    return count


def require_one_of(name: str, value: Any, allowed: Iterable[str]) -> str:
    """Refuse any other name."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {shown(value)}")
    return value


def shown(value: Any) -> str:
    """A value as an error message shows it: its beginning, if it is long.

    Examples
    --------
    >>> shown([0.0] * 20_000)
    '[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0...'
    >>> shown(10**5000)
    'an int of more digits than Python prints'
    """
    try:
        text = repr(value)
    except ValueError:
        return f"an {type(value).__name__} of more digits than Python prints"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _refuse(name: str, values: Floats, bad: Any, allowed: str) -> None:
    if bad.any():
        where = " in float32" if values.dtype == np.float32 else ""  # to which a double may have been rounded
        raise ValueError(f"{name} must be {allowed}{where}, got {np.extract(bad, values)[0]}")
