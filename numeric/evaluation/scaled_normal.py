r"""Functions of a shift ratio ``a = mu/sigma`` as a value times a power of two, which neither under- nor overflow.

Definition: what stands in `numeric.evaluation.truncated_moments`.

Evaluation: ``a = centre + rest``, where the centre is a multiple of 1/64, so that products with it are exact and what
rounding took from the quotient stays in the rest; at the centre a table has the polynomial in the rest. Its value is a
sum of two numbers, the first of few binary digits, of which products are exact too: what follows is rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numeric.arrays import Doubles, Floats, aligned
from numeric.evaluation.arguments import require_positive
from numeric.evaluation.elementwise import BLOCK
from numeric.evaluation.error_free import two_quotient, upper_half
from numeric.evaluation.truncated_moments import (
    LEFT,
    PER_UNIT,
    PROPORTIONAL_TO_E,
    RIGHT,
    SMALL,
    Function,
    exponents,
    logarithm_at_zero,
    logarithms,
    rounded_table,
    table,
)

_SHIFT = 1.5 * 2.0**52 / PER_UNIT  # a sum with it is a multiple of 1/PER_UNIT, and its last bits count these
_ZERO = int(np.float64(_SHIFT).view(np.int64))  # 0 + _SHIFT in bits; the next multiple is one more
_FEW = 1 / 32  # the share of a block which it does not pay to keep from what takes long
_MODERATE = 2.0**100  # neither this nor its inverse, nor a few factors between them, over- or underflow
FARTHEST = 1000.0  # where the functions here are zero, or what they tend to, for every sigma
LIFT = 400  # powers of two that keep from underflow what over a moderate sigma is not zero
DEEP = -560.0  # exponents that are less make zero, lifted or not; processors take long over what underflows
_UNDERFLOW = -1400  # and no product that is rounded here is as large as 2^300
_ROOM = 200  # powers of two that keep the quotient of a subnormal mu normal


class Near(NamedTuple):
    """Numbers ``a = centre + rest``, the centre a multiple of 1/PER_UNIT, which has a column in the tables.

    The last bits of ``place`` count these multiples; ``least`` and ``largest`` are about the extremes of the numbers.
    Where a is nan these are too, and the place is far beyond all others, on either side. Of ``narrow`` numbers values
    are wanted in float32.
    """

    place: NDArray[np.int64]
    centre: Doubles
    rest: Doubles
    least: float
    largest: float
    narrow: bool = False

    def columns(self, left: int, right: int) -> NDArray[np.int64]:
        """The columns of a table from left to right, for `numpy.take` with ``mode="clip"``: it takes long to clip."""
        column: NDArray[np.int64] = aligned(self.place.shape, np.int64)
        np.subtract(self.place, _ZERO + left * PER_UNIT, out=column)
        beyond_left = 0 if self.least > left else np.count_nonzero(self.centre < left)
        beyond_right = 0 if self.largest < right else np.count_nonzero(self.centre > right)
        if beyond_left + beyond_right > _FEW * column.size:
            np.clip(column, 0, (right - left) * PER_UNIT, out=column)
        return column

    def part(self, at: Any) -> Near:
        """The numbers at some places."""
        return self._replace(place=self.place[at], centre=self.centre[at], rest=self.rest[at])

    def __neg__(self) -> Near:
        """The numbers ``-a``."""
        place = _ZERO - (self.place - _ZERO)
        return Near(place, -self.centre, -self.rest, -self.largest, -self.least, self.narrow)


class Scale(NamedTuple):
    """A standard deviation, ``mantissa 2^exponent``, and 1/mantissa; the exponent is an array or 0."""

    mantissa: Doubles
    inverse: Doubles
    exponent: Any

    @property
    def is_one(self) -> bool:
        """Whether it is the number 1."""
        return self.mantissa.size == 1 and float(self.mantissa[0]) == 1 and isinstance(self.exponent, int)

    def to_the(self, power: int) -> tuple[Doubles, Doubles, Doubles]:
        """The mantissa or its square: rounded, its first 26 binary digits, and the rest."""
        upper = upper_half(self.mantissa)
        lower = self.mantissa - upper
        if power == 1:
            return self.mantissa, upper, lower
        square = self.mantissa * self.mantissa
        lower *= self.mantissa + upper
        upper *= upper  # exact
        first = upper_half(square)
        lower += np.subtract(upper, first, out=upper)
        return square, first, lower


class Scaled(NamedTuple):
    """``(first + rest) growth 2^-exponent``, where the first has 26 binary digits; the exponent is an array or 0.

    The sum is rounded when it has been multiplied, not before; without a first part, when that has been done. The
    memory is used for what is asked for.
    """

    first: Doubles | None
    rest: Doubles
    exponent: Any
    growth: Doubles | None = None

    def unscaled(self) -> Doubles:
        """The value."""
        value = self.rest if self.first is None else np.add(self.first, self.rest, out=self.rest)
        if self.growth is not None:
            value *= self.growth
        return _ldexp(value, -self.exponent)

    def times(self, sigma: Scale, power: int) -> Doubles:
        """The product with a power of sigma, 0 to 2."""
        if power == 0 or sigma.is_one:
            return self.unscaled()
        if self.first is None:  # nor is there an exponent
            return np.multiply(self.unscaled(), sigma.mantissa**power, out=self.rest)
        return _ldexp(self._product(*sigma.to_the(power)), power * sigma.exponent - self.exponent)

    def times_mean(self, mu: Doubles, sigma: Scale) -> Doubles:
        """The product with mu where that is positive; far out it is cut off."""
        mu = np.minimum(np.ldexp(mu, -sigma.exponent), FARTHEST * sigma.mantissa)
        if self.first is None:
            return self.unscaled() * mu
        upper = upper_half(mu)
        return _ldexp(self._product(mu, upper, mu - upper), sigma.exponent - self.exponent)

    def over(self, sigma: Scale) -> Doubles:
        """The quotient."""
        assert self.first is not None
        return _ldexp((self.first + self.rest) / sigma.mantissa, -self.exponent - sigma.exponent)

    def times_slope(self, mu: Doubles, sigma: Scale) -> Doubles:
        """The product with ``mu/sigma^2``, where ``mu/sigma`` may be too small to be held; far out it is cut off."""
        far = np.ldexp(FARTHEST, _ROOM)
        upper, lower = two_quotient(np.clip(np.ldexp(mu, _ROOM - sigma.exponent), -far, far), sigma.mantissa)
        product = self._product(upper + lower, upper, lower)
        np.divide(product, sigma.mantissa, out=product)
        return _ldexp(product, -self.exponent - _ROOM - sigma.exponent)

    def _product(self, factor: Doubles, upper: Doubles, lower: Doubles) -> Doubles:
        """The product with a factor, ``upper + lower``, of which the upper part has 26 binary digits."""
        assert self.first is not None
        rest, more = self.rest, aligned(self.first.shape)
        if self.growth is not None:
            growth = np.subtract(self.growth, 1.0, out=self.growth)  # exact as a rule, and small
            growth *= np.add(self.first, rest, out=more)
            rest += growth
        rest *= factor
        rest += np.multiply(self.first, lower, out=more)
        rest += np.multiply(self.first, upper, out=more)  # exact
        return rest


class Numbers(Enum):
    """What is known of a block of standard deviations, and of what comes with it."""

    NARROW = "from float32: rounded quotients are precise enough, and nothing over- or underflows"
    MODERATE = "may be multiplied and divided without a thought of over- and underflow"
    LARGE = "moderate, and at least 1/2: what is too small to be held stays so after a division"
    ANY = "any double"
    INFINITE = "some are infinite"


def with_numbers(kernel: Callable[..., Any], x: Floats, sigma: Floats, degree: int) -> Callable[..., Any]:
    """A kernel of blocks that refuses sigma unless positive, and tells another one of which kind it is, always finite.

    What the other one computes is homogeneous, ``f(t x, t sigma) = t^degree f(x, sigma)``, which gives the limits.
    """
    if x.size == 0:  # no block will be looked at
        require_positive("sigma", sigma)
    of_all = numbers_of(sigma, sigma.dtype == np.float32) if 0 < sigma.size <= BLOCK else None

    def informed(x: Doubles, sigma: Doubles, narrow: bool, **more: Any) -> Any:
        numbers = of_all or numbers_of(sigma, narrow)
        if numbers is Numbers.INFINITE:
            return _with_limits(kernel, degree, x, sigma, narrow, **more)
        return kernel(x, sigma, numbers, **more)

    return informed


def _with_limits(
    kernel: Callable[..., Any], degree: int, x: Doubles, sigma: Doubles, narrow: bool, **more: Any
) -> Any:
    """The values, and where sigma is infinite ``inf^degree f(x/inf, 1)``; nan where that depends on an infinite x."""
    infinite = np.isinf(sigma)
    x = np.where(infinite & np.isfinite(x), 0.0, x)
    sigma = np.where(infinite, 1.0, sigma)
    values = kernel(x, sigma, numbers_of(sigma, narrow), **more)
    factor = np.inf**degree if degree else 1 + 0 * x
    for target in more.get("out", values if isinstance(values, tuple) else (values,)):
        np.multiply(target, factor, out=target, where=infinite)
    return values


def numbers_of(sigma: Floats, narrow: bool) -> Numbers:
    """Of which kind standard deviations are; refused with ValueError unless positive."""
    least, largest = sigma.min(), sigma.max()
    if not (least > 0 and largest < np.inf):
        require_positive("sigma", sigma)
        if np.isinf(sigma).any():
            return Numbers.INFINITE
    if narrow:
        return Numbers.NARROW
    if not (least > 1 / _MODERATE and largest < _MODERATE):
        return Numbers.ANY
    return Numbers.LARGE if least >= 0.5 else Numbers.MODERATE


def shift_ratio(mu: Doubles, sigma: Doubles, numbers: Numbers) -> tuple[Near, Scale]:
    """``mu/sigma``, cut off far out."""
    if numbers is Numbers.ANY:
        mantissa, exponent = np.frexp(sigma)
        scale = Scale(mantissa, _reciprocal(mantissa), exponent)
        return _quotient(np.ldexp(mu, -exponent), scale), scale
    scale = Scale(sigma, _reciprocal(sigma), 0)
    if numbers is Numbers.NARROW:
        return nearest(np.clip(mu * scale.inverse, -FARTHEST, FARTHEST), narrow=True), scale
    if scale.is_one:
        return nearest(mu.clip(-FARTHEST, FARTHEST), narrow=False), scale
    return _quotient(mu, scale), scale


def _reciprocal(sigma: Doubles) -> Doubles:
    inverse: Doubles = aligned(sigma.shape)
    return np.divide(1.0, sigma, out=inverse)


def nearest(a: Doubles, narrow: bool) -> Near:
    """A double."""
    shifted, centre, rest = aligned((3, a.size))
    np.add(a, _SHIFT, out=shifted)
    np.subtract(shifted, _SHIFT, out=centre)
    np.subtract(a, centre, out=rest)
    return Near(shifted.view(np.int64), centre, rest, a.min(), a.max(), narrow)


def nearest_to_sum(a: Doubles, more: Doubles) -> Near:
    """The sum of two numbers, the second much the smaller one."""
    near = nearest(a, narrow=False)
    np.add(near.rest, more, out=near.rest)
    return near


def _quotient(x: Doubles, sigma: Scale) -> Near:
    """``x / sigma.mantissa``, cut off far out."""
    size = max(x.size, sigma.mantissa.size)
    shifted, centre, rest = aligned((3, size))
    upper, product = aligned((2, size))  # apart from what is kept
    np.multiply(x, sigma.inverse, out=shifted)
    least, largest = shifted.min(), shifted.max()
    if not (least > -FARTHEST and largest < FARTHEST):
        x = _cut_off(x, sigma.mantissa)
        np.multiply(x, sigma.inverse, out=shifted)
    shifted += _SHIFT
    np.subtract(shifted, _SHIFT, out=centre)
    upper = upper_half(sigma.mantissa, out=upper[: sigma.mantissa.size])
    np.multiply(centre, upper, out=product)  # exact
    np.subtract(x, product, out=rest)
    lower = np.subtract(sigma.mantissa, upper, out=upper)
    rest -= np.multiply(centre, lower, out=product)
    if _not_far(least, largest):
        rest *= sigma.inverse
    else:  # one rounding less, which `scaled_density` then has more
        rest /= sigma.mantissa
    return Near(shifted.view(np.int64), centre, rest, least, largest)


def _not_far(least: float, largest: float) -> bool:
    """Whether the density of numbers between the two, over a moderate sigma, does not underflow."""
    return least > SMALL and largest < -SMALL


def _cut_off(x: Doubles, sigma: Doubles) -> Doubles:
    """``x``, at most FARTHEST sigma in size."""
    end = FARTHEST * sigma
    within = np.minimum(x, end)
    return np.maximum(within, np.negative(end, out=end), out=within)


def value(function: Function, a: Near) -> Scaled:
    """A tabulated function at a finite number.

    Beyond the ends of the table it is meaningless, on the left only where it is not proportional to E: otherwise it is
    so small there that no power of sigma lifts it above zero.
    """
    rest, entry, growth = aligned((3, a.centre.size))
    columns = a.columns(LEFT, RIGHT)
    if a.narrow:
        first, *others, last = rounded_table(function)
        others.insert(0, first)
    else:
        first, *others, last, correction = table(function)
        others.insert(0, correction)
    last.take(columns, mode="clip", out=rest)
    for row in others[::-1]:
        rest *= a.rest
        rest += row.take(columns, mode="clip", out=entry)
    grows = function in PROPORTIONAL_TO_E
    if grows:
        growth = _from_centre(a.centre.clip(-np.inf, 0.0, out=entry), a.rest, growth)
    exponent = exponents().take(columns, mode="clip") if grows and not a.least > SMALL else 0
    part = None if a.narrow else first.take(columns, mode="clip", out=entry)
    return Scaled(part, rest, exponent, growth if grows else None)


def scaled_density(a: Near, numbers: Numbers) -> Scaled:
    """The standard normal density at a finite number.

    The exponential of ``large + small``: what rounding takes from this sum is exact, since large, which is the
    logarithm of the density at the centre, has few binary places.
    """
    total, small, large = aligned((3, a.centre.size))
    near = _not_far(a.least, a.largest)
    exponent: Any = 0 if near else LIFT
    np.multiply(a.rest, -0.5, out=small)
    small -= a.centre
    small *= a.rest
    if near or numbers is not Numbers.ANY:
        at_zero, rest_at_zero = logarithm_at_zero(exponent)
        np.multiply(a.centre, a.centre, out=large)
        large *= -0.5
        large += at_zero
        small += rest_at_zero
    else:
        columns = a.columns(LEFT, -LEFT)
        at_centre, rest_at_centre = logarithms()
        small += rest_at_centre.take(columns, mode="clip", out=large)
        at_centre.take(columns, mode="clip", out=large)
        exponent = exponents().take(columns, mode="clip")
    np.add(large, small, out=total)
    np.subtract(total, large, out=large)
    excess = np.subtract(large, small, out=small)
    if not near:
        total.clip(DEEP, np.inf, out=total)
    excess *= np.exp(total, out=total)
    first = upper_half(total, out=large)
    total -= first
    total -= excess
    return Scaled(first, total, exponent)


def _from_centre(centre: Doubles, rest: Doubles, power: Doubles) -> Doubles:
    """``E(centre + rest) / E(centre)``, in the memory of the power."""
    np.multiply(rest, -0.5, out=power)
    power -= centre
    power *= rest
    return np.exp(power, out=power)


def _ldexp(value: Doubles, exponent: Any) -> Doubles:
    """``value 2^exponent``, in the memory of the value. Processors take long over what underflows."""
    if isinstance(exponent, int):
        return np.multiply(value, 2.0**exponent, out=value) if exponent else value
    vanishing = exponent < _UNDERFLOW
    if np.count_nonzero(vanishing) > _FEW * vanishing.size:
        value *= ~vanishing
    np.ldexp(value, exponent, out=value)
    return value
