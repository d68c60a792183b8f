r"""Functions of a shift ratio ``a = mu/sigma`` as a value times a power of two, which neither under- nor overflow.

Definition: what stands in `numeric.evaluation.truncated_moments`.

Evaluation: ``a = centre + rest``, where the centre is a multiple of 1/64, so that products with it are exact and what
rounding took from the quotient stays in the rest; at the centre a table has the polynomial in the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numeric.evaluation.arguments import require_positive
from numeric.evaluation.elementwise import BLOCK
from numeric.evaluation.error_free import upper_half
from numeric.evaluation.truncated_moments import (
    LEFT,
    PER_UNIT,
    PROPORTIONAL_TO_E,
    SMALL,
    Function,
    exponents,
    root_two_pi,
    split_logarithm,
    table,
)
from numeric.memory import aligned

Block = NDArray[np.float64]

_MODERATE_E = (SMALL - LEFT) * PER_UNIT  # right of this column E times moderate numbers does not underflow
_MIRRORED_E = -2 * LEFT * PER_UNIT - _MODERATE_E
_SHIFT = 1.5 * 2.0**52 / PER_UNIT  # a sum with it is a multiple of 1/PER_UNIT, and its last bits count these
_ORIGIN = int(np.float64(_SHIFT).view(np.int64)) + LEFT * PER_UNIT
_MODERATE = 2.0**100  # neither this nor its inverse, nor a few factors between them, over- or underflow
FARTHEST = 1000.0  # where the functions here are zero, or what they tend to, for every sigma
_FAR = (int(FARTHEST) + LEFT) * PER_UNIT  # columns of this size belong to centres within FARTHEST
_ROOM = 200  # powers of two that keep the quotient of a subnormal mu normal


class Near(NamedTuple):
    """Numbers ``a = centre + rest``, the centre a multiple of 1/PER_UNIT, which has a column in the tables.

    The first and the last column are kept too. Of nan the column is far beyond all others, on either side.
    """

    column: NDArray[np.intp]
    centre: Block
    rest: Block
    first: int
    last: int

    @classmethod
    def at(cls, column: NDArray[np.intp], centre: Block, rest: Block) -> Near:
        """The numbers whose columns, centres and rests these are."""
        return cls(column, centre, rest, int(column.min()), int(column.max()))

    def __neg__(self) -> Near:
        """The numbers ``-a``."""
        columns = (-2 * LEFT * PER_UNIT - column for column in (self.last, self.first))
        return Near(-2 * LEFT * PER_UNIT - self.column, -self.centre, -self.rest, *columns)

    def rounded(self) -> Block:
        """The number as one double."""
        return self.centre + self.rest


class Scale(NamedTuple):
    """A standard deviation, ``mantissa 2^exponent``, and 1/mantissa; the exponent is an array or 0."""

    mantissa: Block
    inverse: Block
    exponent: Any


class Scaled(NamedTuple):
    """``value 2^-exponent``; the exponent is an array or 0."""

    value: Block
    exponent: Any

    def unscaled(self) -> Block:
        """The value."""
        return _ldexp(self.value, -self.exponent)

    def times(self, sigma: Scale, power: int) -> Block:
        """The product with a power of sigma."""
        value = self.value
        for _ in range(power):
            value = value * sigma.mantissa
        return _ldexp(value, power * sigma.exponent - self.exponent)

    def over(self, sigma: Scale) -> Scaled:
        """The quotient."""
        return Scaled(self.value / sigma.mantissa, self.exponent + sigma.exponent)

    def times_ratio(self, mu: Block, sigma: Scale) -> Block:
        """The product with ``mu/sigma``, which may itself be too small to be held; beyond some size it is cut off."""
        if isinstance(sigma.exponent, int):
            return _ldexp(self.value / sigma.mantissa * mu, -self.exponent)
        far = np.ldexp(FARTHEST, _ROOM)
        ratio = np.clip(np.ldexp(mu, _ROOM - sigma.exponent), -far, far) / sigma.mantissa
        return _ldexp(self.value * ratio, -self.exponent - _ROOM)


class Numbers(Enum):
    """What is known of a block of standard deviations, and of what comes with it."""

    NARROW = "from float32: rounded quotients are precise enough, and nothing over- or underflows"
    MODERATE = "may be multiplied and divided without a thought of over- and underflow"
    ANY = "any double"


def with_numbers(kernel: Callable[..., Any], sigma: NDArray[Any]) -> Callable[..., Any]:
    """A kernel of blocks that refuses sigma unless positive and finite, and tells another one of which kind it is."""
    if 0 < sigma.size <= BLOCK:  # once for all blocks
        numbers = numbers_of(sigma, sigma.dtype == np.float32)
        return lambda x, sigma, narrow: kernel(x, sigma, numbers)
    return lambda x, sigma, narrow: kernel(x, sigma, numbers_of(sigma, narrow))


def numbers_of(sigma: NDArray[Any], narrow: bool) -> Numbers:
    """Of which kind standard deviations are; refused with ValueError unless positive and finite."""
    least, largest = sigma.min(), sigma.max()
    if not (least > 0 and largest < np.inf):
        require_positive("sigma", sigma)
    if narrow:
        return Numbers.NARROW
    return Numbers.MODERATE if least > 1 / _MODERATE and largest < _MODERATE else Numbers.ANY


def shift_ratio(mu: Block, sigma: Block, numbers: Numbers) -> tuple[Near, Scale]:
    """``mu/sigma``, cut off far out."""
    if numbers is not Numbers.ANY:
        scale = Scale(sigma, _reciprocal(sigma), 0)
        if numbers is Numbers.NARROW:
            return nearest(np.clip(mu * scale.inverse, -FARTHEST, FARTHEST)), scale
        ratio = _quotient(mu, scale)
        if ratio.first > -_FAR and ratio.last < _FAR:
            return ratio, scale
    mantissa, exponent = np.frexp(sigma)
    scale = Scale(mantissa, _reciprocal(mantissa), exponent)
    return _quotient(np.clip(np.ldexp(mu, -exponent), -FARTHEST, FARTHEST), scale), scale


def _reciprocal(sigma: Block) -> Block:
    inverse: Block = aligned(sigma.shape)
    return np.divide(1.0, sigma, out=inverse)


def nearest(a: Block) -> Near:
    """A double."""
    centre, rest = aligned((2, a.size))
    column = _to_grid(np.add(a, _SHIFT, out=centre))
    np.subtract(a, centre, out=rest)
    return Near.at(column, centre, rest)


def nearest_to_sum(a: Block, more: Block) -> Near:
    """The sum of two numbers, the second much the smaller one."""
    near = nearest(a)
    np.add(near.rest, more, out=near.rest)
    return near


def _quotient(x: Block, sigma: Scale) -> Near:
    """``x / sigma.mantissa``, where that is not large."""
    centre, rest, upper, product = aligned((4, max(x.size, sigma.mantissa.size)))
    np.multiply(x, sigma.inverse, out=centre)
    centre += _SHIFT
    column = _to_grid(centre)
    upper = upper_half(sigma.mantissa, out=upper[: sigma.mantissa.size])
    np.multiply(centre, upper, out=product)  # exact
    np.subtract(x, product, out=rest)
    lower = np.subtract(sigma.mantissa, upper, out=upper)
    rest -= np.multiply(centre, lower, out=product)
    rest *= sigma.inverse
    return Near.at(column, centre, rest)


def _to_grid(shifted: Block) -> NDArray[np.intp]:
    """The column of a shifted number, which is shifted back to the multiple that it was rounded to."""
    column = shifted.view(np.int64) - _ORIGIN
    shifted -= _SHIFT
    return column.astype(np.intp, copy=False)


def value(function: Function, a: Near) -> Scaled:
    """A tabulated function at a finite number.

    Beyond the ends of the table it is meaningless, on the left only where it is not proportional to E: otherwise it is
    so small there that no power of sigma lifts it above zero.
    """
    total, entry, power = aligned((3, a.centre.size))
    first, *middle, last, correction = table(function)
    last.take(a.column, mode="clip", out=total)
    for row in (*middle[::-1], correction):
        total *= a.rest
        total += row.take(a.column, mode="clip", out=entry)
    total += first.take(a.column, mode="clip", out=entry)
    if function not in PROPORTIONAL_TO_E:
        return Scaled(total, 0)
    total *= _from_centre(np.minimum(a.centre, 0.0, out=entry), a.rest, power)
    return Scaled(total, _exponent(a, a.first > _MODERATE_E))


class Density(NamedTuple):
    """The standard normal density, as ``(value + value more) 2^-exponent``.

    ``more`` is what rounding took from the exponent of the exponential. A product can take it along to its last
    rounding.
    """

    value: Block
    more: Block
    exponent: Any

    def scaled(self) -> Scaled:
        """The density, rounded."""
        return Scaled(self.value + self.value * self.more, self.exponent)


def normal_density(a: Near) -> Density:
    """The standard normal density at a finite number.

    The exponential of ``large + small``: ``-(centre^2/2 + ln sqrt(2 pi))``, up to the last bits of the logarithm, is
    exact, and so is what rounding takes from the sum.
    """
    large, small, total, more = aligned((4, a.centre.size))
    exponent = _exponent(a, a.first > _MODERATE_E and a.last < _MIRRORED_E)
    root, root_rest = split_logarithm(root_two_pi())
    np.multiply(a.centre, a.centre, out=large)
    large *= -0.5
    large -= root
    np.multiply(a.rest, -0.5, out=small)
    small -= a.centre
    small *= a.rest
    small -= root_rest
    if not isinstance(exponent, int):
        two, two_rest = split_logarithm(Decimal(2))
        large += exponent * two
        small += exponent * two_rest
    np.add(large, small, out=total)
    np.subtract(total, large, out=more)
    np.subtract(small, more, out=more)
    return Density(np.exp(total, out=total), more, exponent)


def _from_centre(centre: Block, rest: Block, power: Block) -> Block:
    """``E(centre + rest) / E(centre)``, in the memory of the power."""
    np.multiply(rest, -0.5, out=power)
    power -= centre
    power *= rest
    return np.exp(power, out=power)


def _exponent(a: Near, moderate: bool) -> Any:
    """The powers of two that columns of the tables were multiplied by."""
    return 0 if moderate else exponents().take(a.column, mode="clip")


def _ldexp(value: Block, exponent: Any) -> Block:
    return value if isinstance(exponent, int) else np.asarray(np.ldexp(value, exponent))
