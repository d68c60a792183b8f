r"""Functions of a shift ratio ``a = mu/sigma`` as a value times a power of two, which neither under- nor overflow.

Definition: what stands in `numeric.evaluation.truncated_moments`, f(a) = E g(a) with :math:`E = e^{-a^2/2}`,
where a < 0.

Identity: with ``a = upper + rest``, upper of half as many digits, ``a^2 = upper^2 + rest (2 upper + rest)``, the first
product exact; with ``a^2 = n ln 4 + r``, :math:`E = 2^{-n} e^{-r/2}`.

Evaluation: g by its table; a stays in two parts, since E would magnify its rounding by a^2, and what rounding takes
from the square enters as a factor ``1 - error``. Powers of two are split off only in blocks that need it.
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
_NEARLY_UNDERFLOW = 1000.0  # for the square of a: from there E times moderate numbers may
_MODERATE = 2.0**100  # neither this nor its inverse, nor a few factors between them, over- or underflow
_NOTHING_IN_FLOAT32 = -450.0  # e to this power times the square of any float32 is zero in float32
FARTHEST = 1000.0  # where the functions here are zero, or what they tend to, for every sigma
_ROOM = 200  # powers of two that keep the quotient of a subnormal mu normal


class Ratio(NamedTuple):
    """``mu/sigma = a + rest``, a of half as many digits, and ``sigma = mantissa 2^exponent``; a is cut off far out.

    Where the rest is None, it is of no consequence, and a is the plain quotient.
    """

    a: Block
    rest: Any
    mantissa: Block
    exponent: Any

    def whole(self) -> Block:
        """``mu/sigma``, cut off far out."""
        return self.a if self.rest is None else self.a + self.rest


class Scaled(NamedTuple):
    """``value 2^-exponent``; the exponent is an array or 0."""

    value: Block
    exponent: Any

    def unscaled(self) -> Block:
        """The value."""
        return _ldexp(self.value, -self.exponent)

    def times(self, scale: Ratio, power: int) -> Block:
        """The product with a power of sigma."""
        value = self.value
        for _ in range(power):
            value = value * scale.mantissa
        return _ldexp(value, power * scale.exponent - self.exponent)

    def times_ratio(self, mu: Block, scale: Ratio) -> Block:
        """The product with ``mu/sigma``, which may itself be too small to be held; beyond some size it is cut off."""
        if scale.rest is None:
            return self.value * scale.a
        if isinstance(scale.exponent, int):
            return _ldexp(self.value / scale.mantissa * mu, -self.exponent)
        far = np.ldexp(FARTHEST, _ROOM)
        ratio = np.clip(np.ldexp(mu, _ROOM - scale.exponent), -far, far) / scale.mantissa
        return _ldexp(self.value * ratio, -self.exponent - _ROOM)


def shift_ratio(mu: Block, sigma: Block, narrow: bool) -> Ratio:
    """``mu/sigma`` for any double and any positive one; the plain quotient where both come from float32."""
    if narrow:
        return Ratio(np.clip(mu / sigma, -FARTHEST, FARTHEST), None, sigma, 0)
    if moderate(sigma):
        a, rest = _quotient(mu, sigma)
        if a.min() > -FARTHEST and a.max() < FARTHEST:
            return Ratio(a, rest, sigma, 0)
    mantissa, exponent = np.frexp(sigma)
    mu = np.clip(np.ldexp(mu, -exponent), -FARTHEST, FARTHEST)
    return Ratio(*_quotient(mu, mantissa), mantissa, exponent)


def moderate(sigma: Block) -> bool:
    """Whether positive numbers may be multiplied and divided without a thought of over- and underflow."""
    return bool(sigma.min() > 1 / _MODERATE and sigma.max() < _MODERATE)


def _quotient(mu: Block, sigma: Block) -> tuple[Block, Block]:
    if sigma.size == 1 and np.frexp(sigma[0])[0] == 0.5:  # a power of two
        return halves(mu / sigma)
    return two_quotient(mu, sigma, halves(sigma))


def value(function: Function, a: Block, rest: Any = None) -> Scaled:
    """A tabulated function at ``a + rest``, a finite and, where there is a rest, of half as many digits.

    From RIGHT on it is meaningless, and below LEFT too unless it is proportional to E, in which case it is so small
    that no power of sigma lifts it above zero.
    """
    x = a * PER_UNIT
    piece = np.floor(x)
    x -= piece
    x -= 0.5
    if rest is not None:
        x += PER_UNIT * rest
    index = piece.astype(np.intp) - LEFT * PER_UNIT
    if function not in PROPORTIONAL_TO_E:
        return Scaled(_polynomial(table(function), index, x), 0)
    if not a.max() <= 0:
        a = np.minimum(a, 0.0)
        rest = None if rest is None else np.where(a < 0, rest, 0.0)
    factor, error, exponent = _gaussian(a, rest)
    polynomial = _polynomial(table(function), index, x, error)
    polynomial *= factor
    return Scaled(polynomial, exponent)


def density(a: Block, rest: Any = None) -> Scaled:
    """The standard normal density at ``a + rest``, as above."""
    factor, error, exponent = _gaussian(a, rest)
    if error is not None:
        factor -= factor * error
    factor *= 1 / float(root_two_pi())
    return Scaled(factor, exponent)


def _polynomial(coefficients: Block, index: NDArray[np.intp], x: Block, error: Any = None) -> Block:
    """The polynomials in x whose coefficients stand in a table of `numeric.evaluation.truncated_moments`.

    With an error, times ``1 - error``, which is rounded with the last sum.
    """
    first, *middle, last, rest = coefficients
    total: Block = last.take(index, mode="clip")
    for row in middle[::-1]:
        total *= x
        total += row.take(index, mode="clip")
    total *= x
    total += rest.take(index, mode="clip")
    lead = first.take(index, mode="clip")
    if error is not None:
        error *= lead + total
        total -= error
    total += lead
    return total


def _gaussian(a: Block, rest: Any) -> tuple[Block, Any, Any]:
    """exp(-(a + rest)^2/2) as ``value (1 - error) 2^-n``; the error is None where it is of no consequence."""
    if rest is None:
        return np.exp(np.maximum(-0.5 * (a * a), _NOTHING_IN_FLOAT32)), None, 0
    upper, lower = a * a, 2 * a
    lower += rest
    lower *= rest
    square = upper + lower
    upper -= square
    upper += lower  # what rounding took from the square
    exponent: Any = 0
    if not square.max(initial=0.0) < _NEARLY_UNDERFLOW:
        n = np.rint(square * _LOG2_ROOT_E)
        square -= n * _LN4_HIGH
        upper -= n * _LN4_LOW
        exponent = n.astype(np.int32)
    square *= -0.5
    upper *= 0.5
    return np.exp(square, out=square), upper, exponent


def _ldexp(value: Block, exponent: Any) -> Block:
    return value if isinstance(exponent, int) else np.asarray(np.ldexp(value, exponent))
