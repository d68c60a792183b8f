"""Dual numbers, by which the evaluator differentiates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Dual:
    """A value and its derivative; ``level`` tells nested derivatives apart."""

    value: Any
    slope: Any
    level: int

    def _parts(self, other: Any) -> tuple[Any, Any]:
        if isinstance(other, Dual) and other.level == self.level:
            return other.value, other.slope
        return other, 0

    def _yields(self, other: Any) -> bool:
        return isinstance(other, Dual) and other.level > self.level

    def __add__(self, other: Any) -> Any:
        if self._yields(other):
            return other.__radd__(self)
        value, slope = self._parts(other)
        return Dual(self.value + value, self.slope + slope, self.level)

    __radd__ = __add__

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.slope, self.level)

    def __mul__(self, other: Any) -> Any:
        if self._yields(other):
            return other.__rmul__(self)
        value, slope = self._parts(other)
        return Dual(self.value * value, self.slope * value + self.value * slope, self.level)

    __rmul__ = __mul__


def level_of(value: Any) -> int:
    """The level of a dual number, the highest of a list; 0 for a number."""
    if isinstance(value, Dual):
        return value.level
    if isinstance(value, list):
        return max((level_of(v) for v in value), default=0)
    return 0


def value_of(x: Any) -> Any:
    """The value of a dual number; a number itself."""
    return x.value if isinstance(x, Dual) else x


def slope_of(x: Any) -> Any:
    """The derivative of a dual number; 0 for a number."""
    return x.slope if isinstance(x, Dual) else x * 0
