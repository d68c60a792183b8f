"""Running error analysis: floating-point numbers and arrays that carry a bound on their own error.

Every operation adds what it may have rounded to what its operands may be off by. What is assumed of the machine:
sums, products, quotients and square roots are rounded to nearest with gradual underflow, and NumPy's ``exp`` and
``log1p`` are within 4 units in the last place, which is more than NumPy's own tests allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from numeric.arrays import Doubles

Number: TypeAlias = float | Fraction  # an int is one, too, to a type checker
"""An exactly known number."""

UNIT = 2.0**-52
"""Twice the largest relative error of one rounding, which leaves room for the rounding of the bounds."""
SMALLEST = 2.0**-1070
"""More than what gradual underflow takes from one result."""
_OUTWARD = 1 + 2.0**-48  # a bound is itself the rounded sum of a few positive terms
_FUNCTION_UNITS = 4.0


@dataclass(frozen=True, eq=False, slots=True)
class Running:
    """A value and a bound on its error, element by element.

    Attributes
    ----------
    value
        What was computed, a number or an array.
    error
        Bound on the distance from the exact value, of the same shape or a number.

    Examples
    --------
    >>> third = Running(1.0, 0.0) / 3.0
    >>> third.value, bool(0 < third.error < 1e-16)
    (0.3333333333333333, True)
    """

    value: Doubles | float
    error: Doubles | float

    # NumPy arrays leave mixed operations to this class
    __array_ufunc__ = None

    def __add__(self, other: Running | Doubles | float) -> Running:
        y, e = _parts(other)
        value = self.value + y
        return Running(value, (self.error + e + UNIT * _modulus(value)) * _OUTWARD)

    __radd__ = __add__

    def __neg__(self) -> Running:
        return Running(-self.value, self.error)

    def __sub__(self, other: Running | Doubles | float) -> Running:
        y, e = _parts(other)
        value = self.value - y
        return Running(value, (self.error + e + UNIT * _modulus(value)) * _OUTWARD)

    def __mul__(self, other: Running | Doubles | float) -> Running:
        y, e = _parts(other)
        value = self.value * y
        error = _modulus(self.value) * e + (_modulus(y) + e) * self.error + UNIT * _modulus(value)
        return Running(value, error * _OUTWARD + SMALLEST)

    __rmul__ = __mul__

    def __truediv__(self, other: Running | Doubles | float) -> Running:
        y, e = _parts(other)
        least = _modulus(y) - e
        if not np.all(least > 0):
            raise ZeroDivisionError("division by a number that may be zero")
        value = self.value / y
        error = (self.error + _modulus(value) * e) / least + UNIT * _modulus(value)
        return Running(value, error * _OUTWARD + SMALLEST)

    def __abs__(self) -> Running:
        return Running(_modulus(self.value), self.error)

    def exp(self) -> Running:
        """The exponential function."""
        value = np.exp(self.value)
        return Running(value, value * (np.expm1(self.error) + _FUNCTION_UNITS * UNIT) * _OUTWARD + SMALLEST)

    def log1p(self) -> Running:
        """The logarithm of 1 plus a number that is not negative."""
        value = np.log1p(self.value)
        return Running(value, (self.error + _FUNCTION_UNITS * UNIT * value) * _OUTWARD + SMALLEST)

    def sqrt(self) -> Running:
        """The square root of a number whose bound excludes zero."""
        least = self.value - self.error
        if not np.all(least > 0):
            raise ValueError("the number must be positive beyond its error")
        value = np.sqrt(self.value)
        return Running(value, (self.error / np.sqrt(least) + UNIT * value) * _OUTWARD)

    def total(self) -> Running:
        """The sum of the elements, added in any order."""
        value, count = np.sum(self.value), np.size(self.value)
        rounding = count * UNIT * np.sum(np.abs(self.value))
        error = np.sum(np.broadcast_to(self.error, np.shape(self.value))) * (1 + count * UNIT)
        return Running(float(value), float(error + rounding) * _OUTWARD + SMALLEST)


def _modulus(x: Doubles | float) -> Doubles:
    modulus: Doubles = np.abs(x)
    return modulus


def _parts(other: Running | Doubles | float) -> tuple[Doubles | float, Doubles | float]:
    return (other.value, other.error) if isinstance(other, Running) else (other, 0.0)


def rounded(number: Number) -> Running:
    """A number as the nearest float, and by how much that may be off."""
    value = float(number)
    return Running(value, 0.0 if number == value else UNIT * abs(value) + SMALLEST)
