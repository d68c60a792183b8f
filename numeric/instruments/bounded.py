"""Numerical values with a bound on their error that holds without exception: no probability is involved."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

from numeric.instruments.rounding import UNIT, Running, rounded


@dataclass(frozen=True)
class Bounded:
    """A value, and how far the truth can be from it at most.

    Sums, differences, products and quotients, also with numbers, carry the bounds on; evaluations are added up, those
    of an operand that is used twice as well.

    Attributes
    ----------
    value
        The value.
    bound
        ``|true value - value| <= bound``.
    evaluations
        Number of evaluations of integrands or statistics that it took.

    Examples
    --------
    >>> third = Bounded(0.333, 0.001, 1)
    >>> third.refutes(1 / 3), third.refutes(0.3345)
    (False, True)
    >>> (3 * third).bound < 0.0031
    True
    """

    value: float
    bound: float
    evaluations: int = 0

    def refutes(self, closed_form: float) -> bool:
        """Whether a claimed value, correct to a unit in its last place, lies outside the bound."""
        if not math.isfinite(closed_form):
            return True
        return not abs(self.value - closed_form) <= self.bound * (1 + 4 * UNIT) + 2 * UNIT * abs(closed_form)

    @property
    def resolution(self) -> float:
        """Relative error of a claimed value from which on it is refuted with certainty.

        Truth and claim may lie on opposite ends of the bound, so it is twice the bound over the least size that the
        truth can have; infinite where the bound does not exclude zero.
        """
        least = abs(self.value) - self.bound
        if not (least > 0 and math.isfinite(self.value)):
            return math.inf
        return (2 * self.bound + 6 * UNIT * abs(self.value)) / least

    def __add__(self, other: Bounded | float) -> Bounded:
        return _bounded(_running(self) + _running(other), self, other)

    __radd__ = __add__

    def __sub__(self, other: Bounded | float) -> Bounded:
        return _bounded(_running(self) - _running(other), self, other)

    def __rsub__(self, other: float) -> Bounded:
        return _bounded(_running(other) - _running(self), self)

    def __mul__(self, other: Bounded | float) -> Bounded:
        return _bounded(_running(self) * _running(other), self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Bounded | float) -> Bounded:
        return _bounded(_running(self) / _running(other), self, other)

    def __rtruediv__(self, other: float) -> Bounded:
        return _bounded(_running(other) / _running(self), self)


def _running(number: Any) -> Running:
    if isinstance(number, Bounded):
        return Running(number.value, number.bound)
    if not isinstance(number, numbers.Real):
        raise TypeError(f"a bounded value is combined with real numbers, got {number!r}")
    return rounded(number)  # type: ignore[arg-type]  # what a number of Python can be compared with


def _bounded(result: Running, *operands: Bounded | float) -> Bounded:
    evaluations = sum(o.evaluations for o in operands if isinstance(o, Bounded))
    return Bounded(float(result.value), float(result.error), evaluations)
