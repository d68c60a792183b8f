r"""Functions of a shift ratio ``a = mu/sigma`` as a value times a power of two, which neither under- nor overflow.

Definition: what stands in `numeric.evaluation.truncated_moments`, f(a) = E g(a) with :math:`E = e^{-a^2/2}`, where
a < 0.

Identity: with ``a = high + low``, high of half as many digits, ``a^2 = high^2 + low (a + high)``, the first product
exact; with ``a^2 = n ln 4 + r``, :math:`E = 2^{-n} e^{-r/2}`.

Evaluation: g by its table; every rounding that E would magnify by a^2, that of the quotient mu/sigma too, is carried
along and enters as a factor ``1 - rest``.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numeric.evaluation.error_free import halves, two_quotient
from numeric.evaluation.truncated_moments import (
    LEFT,
    PER_UNIT,
    PROPORTIONAL_TO_E,
    Function,
    root_two_pi,
    table,
)

Block = NDArray[np.float64]

with localcontext(prec=60):
    _LN4 = Decimal(4).ln()
    _LN4_HIGH = float(round(_LN4 * 2**40)) / 2**40  # times n < 2^12 it is exact
    _LN4_LOW = float(_LN4 - Decimal(_LN4_HIGH))
    _LOG2_ROOT_E = float(1 / _LN4)
_NEARLY_UNDERFLOW = 1400.0  # for the square of a
_NOTHING_IN_FLOAT32 = -450.0  # e to this power times the square of any float32 is zero in float32
FARTHEST = 1000.0  # where the functions here are zero, or what they tend to, for every sigma
_ROOM = 200  # powers of two that keep the quotient of a subnormal mu normal


class Ratio(NamedTuple):
    """``a = mu/sigma``, what rounding took from it, and ``sigma = mantissa 2^exponent``; a is cut off far out.

    The rest is None where it is of no consequence.
    """

    a: Block
    rest: Any
    mantissa: Block
    exponent: Any


class Scaled(NamedTuple):
    """``value 2^-exponent``."""

    value: Block
    exponent: Any

    def times(self, scale: Ratio, power: int) -> Block:
        """The product with a power of sigma."""
        value = self.value
        for _ in range(power):
            value = value * scale.mantissa
        if scale.rest is None:
            return value
        return np.asarray(np.ldexp(value, power * scale.exponent - self.exponent))

    def times_ratio(self, mu: Block, scale: Ratio) -> Block:
        """The product with ``mu/sigma``, which may itself be too small to be held; beyond some size it is cut off."""
        if scale.rest is None:
            return self.value * scale.a
        far = np.ldexp(FARTHEST, _ROOM)
        ratio = np.clip(np.ldexp(mu, _ROOM - scale.exponent), -far, far) / scale.mantissa
        return np.asarray(np.ldexp(self.value * ratio, -self.exponent - _ROOM))


def shift_ratio(mu: Block, sigma: Block, narrow: bool) -> Ratio:
    """``mu/sigma`` for any double and any positive one; the plain quotient where both come from float32."""
    if narrow:
        return Ratio(np.clip(mu / sigma, -FARTHEST, FARTHEST), None, sigma, 0)
    mantissa, exponent = np.frexp(sigma)
    mu = np.clip(np.ldexp(mu, -exponent), -FARTHEST, FARTHEST)
    if sigma.size == 1 and mantissa[0] == 0.5:  # a power of two
        return Ratio(2 * mu, 0.0, mantissa, exponent)
    return Ratio(*two_quotient(mu, mantissa), mantissa, exponent)


def value(function: Function, a: Block, rest: Any = 0.0) -> Scaled:
    """A tabulated function at ``a + rest``, a finite.

    From RIGHT on it is meaningless, and below LEFT too unless it is proportional to E, in which case it is so small
    that no power of sigma lifts it above zero.
    """
    x = a * PER_UNIT
    piece = np.floor(x)
    x -= piece
    x -= 0.5
    if rest is not None:
        x += PER_UNIT * rest
    polynomial = _polynomial(table(function), piece.astype(np.intp) - LEFT * PER_UNIT, x)
    if function not in PROPORTIONAL_TO_E:
        return Scaled(polynomial, 0)
    factor, exponent = _gaussian(np.minimum(a, 0.0), rest)
    polynomial *= factor
    return Scaled(polynomial, exponent)


def density(a: Block, rest: Any = 0.0) -> Scaled:
    """The standard normal density at ``a + rest``."""
    factor, exponent = _gaussian(a, rest)
    factor *= 1 / float(root_two_pi())
    return Scaled(factor, exponent)


def _polynomial(coefficients: Block, index: NDArray[np.intp], x: Block) -> Block:
    """The polynomials in x whose coefficients stand in a table of `numeric.evaluation.truncated_moments`."""
    first, *middle, last, rest = coefficients
    total: Block = last.take(index, mode="clip")
    for row in middle[::-1]:
        total *= x
        total += row.take(index, mode="clip")
    total *= x
    total += rest.take(index, mode="clip")
    total += first.take(index, mode="clip")
    return total


def _gaussian(a: Block, rest: Any) -> tuple[Block, Any]:
    """exp(-(a + rest)^2/2) as ``value 2^-n``."""
    if rest is None:
        return np.exp(np.maximum(-0.5 * (a * a), _NOTHING_IN_FLOAT32)), 0
    high, low = halves(a)
    low += rest
    low *= a + high
    high *= high
    square = high + low
    high -= square
    high += low  # what rounding took from the square
    exponent: Any = 0
    if not square.max(initial=0.0) < _NEARLY_UNDERFLOW:
        n = np.rint(square * _LOG2_ROOT_E)
        square -= n * _LN4_HIGH
        high -= n * _LN4_LOW
        exponent = n.astype(np.int32)
    square *= -0.5
    high *= 0.5
    factor = np.exp(square, out=square)
    factor -= factor * high
    return factor, exponent
