r"""PACT activations and their gradients, as fast values.

Definition: x is clipped to (0, alpha) and rounded to one of ``n = 2^bits - 1`` equal steps, ties to even. Gradients
are those of the straight-through rule, under which rounding has derivative 1.

Identity: with :math:`q = \mathrm{round}(n x/\alpha)` where 0 <= x < alpha,

===================  =======  ============================================  ===========
                     x < 0    0 <= x < alpha                                x >= alpha
===================  =======  ============================================  ===========
quantised            0        :math:`\alpha q/n`                            alpha
grad_alpha           0        :math:`q/n - x/\alpha`                        1
grad_input           0        1                                             0
grad_alpha_original  0        0                                             1
===================  =======  ============================================  ===========

Evaluation: the remainder :math:`q\alpha - nx` is formed without rounding error. It decides ties, and divided by
:math:`n\alpha` it is the gradient, which as a difference of quotients would have lost its digits.

Arguments broadcast; float32 stays float32. NaN gives NaN. Infinite arguments give the limit, and NaN where there is
none, which is where x and alpha are infinite. An alpha that is not positive, and bits that are not an integer from 1 to
32, are refused with ValueError. No error larger than what is stated was found by ``benchmarks/accuracy.py`` on its
grids, nor by ``benchmarks/search_for_errors.py`` around their worst points.
"""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from numeric.arrays import Doubles, Floats, aligned
from numeric.evaluation.arguments import real_arrays, require_integer, require_positive
from numeric.evaluation.elementwise import blockwise, blockwise_into
from numeric.evaluation.error_free import two_product

__all__ = ["grad_alpha", "grad_alpha_original", "grad_input", "quantised"]

_MOST_BITS = 32
_ROUNDINGS = 1.25
"""Spacings of 1: more than two roundings of a quotient of at most 1, and that of the bound itself, take."""
_FEW_DOUBTFUL = 16
"""Bits up to which few places between the levels are in doubt when they are computed in float32."""
_MODERATE = 2.0**80
"""The number of steps over such a clipping level neither over- nor underflows, in float32 either."""
_ROOM = 500
"""Alpha is brought to about 2^500, so that the smallest quotient x/alpha stays normal on the way."""


def quantised(x: ArrayLike, alpha: ArrayLike, bits: SupportsIndex) -> Any:
    """The quantised activation.

    Error: at most 1.5 ulp (float32: 1.5).

    Parameters
    ----------
    x, alpha
        Pre-activation, and clipping level, positive.
    bits
        An integer from 1 to 32.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, alpha is not positive, or bits are out of range.

    Notes
    -----
    Catalogue: ``pact.quantised``, jin2019 (11b).

    Examples
    --------
    >>> quantised([-1.0, 0.5, 1.5, 9.0], 3.0, 2).tolist()  # 0.5 and 1.5 are half-way: to the even level
    [0.0, 0.0, 2.0, 3.0]
    """
    bits = require_integer("bits", bits, 1, _MOST_BITS)
    steps = 2.0**bits - 1

    def kernel(x: Floats, alpha: Floats, narrow: bool, out: Any = None) -> Floats:
        place, level = aligned((2, max(x.size, alpha.size)), x.dtype)
        np.clip(x, 0.0, alpha, out=place)
        if alpha.size == 1 and 1 / _MODERATE < alpha[0] < _MODERATE:
            place *= steps / alpha
        else:
            place /= alpha
            place *= steps
        np.rint(place, out=level)
        place -= level
        decided = _decided(steps, place.dtype)
        np.abs(place, out=place)
        if not place.max() <= decided:
            at = np.flatnonzero(place > decided)
            there = _there(x, at), _there(alpha, at), steps
            level[at] = (
                _nearest_of_float32(*there) if level.dtype == np.float32 else _nearest_level(*there)[0]
            )
        if narrow and level.dtype == np.float64:  # takes less time, and is precise enough for float32
            level *= 1 / steps
        else:
            level /= steps
        quantised: Floats = np.multiply(level, alpha, out=level if out is None else out[0])
        return quantised

    x, alpha = _checked(x, alpha)
    if x.dtype == np.float32 and bits > _FEW_DOUBTFUL:
        return blockwise(kernel, x, alpha)
    return blockwise_into(kernel, x, alpha, of=x.dtype)


def grad_alpha(x: ArrayLike, alpha: ArrayLike, bits: SupportsIndex) -> Any:
    """Calibrated gradient of the quantised activation in alpha.

    Error: at most 3 ulp (float32: 0.51).

    Parameters
    ----------
    x, alpha
        Pre-activation, and clipping level, positive.
    bits
        An integer from 1 to 32.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, alpha is not positive, or bits are out of range.

    Notes
    -----
    Catalogue: ``pact.grad_alpha``, jin2019 (13).

    Examples
    --------
    >>> grad_alpha([-1.0, 1.25, 3.0], 3.0, 2).tolist()
    [0.0, -0.08333333333333333, 1.0]
    """
    steps = 2.0 ** require_integer("bits", bits, 1, _MOST_BITS) - 1

    def kernel(x: Doubles, alpha: Doubles, narrow: bool) -> Doubles:
        _, remainder, scaled = _nearest_level(x, alpha, steps)
        remainder /= steps * scaled
        remainder += x >= alpha
        return remainder

    return blockwise(kernel, *_checked(x, alpha))


def grad_alpha_original(x: ArrayLike, alpha: ArrayLike) -> Any:
    """Original PACT gradient in alpha, that of the clip alone.

    Error: at most 0 ulp (float32: 0).

    Parameters
    ----------
    x, alpha
        Pre-activation, and clipping level, positive.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or alpha is not positive.

    Notes
    -----
    Catalogue: ``pact.grad_alpha_original``, jin2019 (13).

    Examples
    --------
    >>> grad_alpha_original([-1.0, 1.25, 3.0], 3.0).tolist()
    [0.0, 0.0, 1.0]
    """

    x, alpha = _checked(x, alpha)
    return _or_nan(x >= alpha, x, alpha)


def grad_input(x: ArrayLike, alpha: ArrayLike) -> Any:
    """Gradient of the quantised activation in x.

    Error: at most 0 ulp (float32: 0).

    Parameters
    ----------
    x, alpha
        Pre-activation, and clipping level, positive.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or alpha is not positive.

    Notes
    -----
    Catalogue: ``pact.grad_input``, jin2019 (12).

    Examples
    --------
    >>> grad_input([-1.0, 0.0, 1.25, 3.0], 3.0).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """

    x, alpha = _checked(x, alpha)
    return _or_nan((x >= 0) & (x < alpha), x, alpha)


# --- evaluation --------------------------------------------------------------------------------------------------


def _checked(x: ArrayLike, alpha: ArrayLike) -> list[Floats]:
    x, alpha = real_arrays(x=x, alpha=alpha)
    require_positive("alpha", alpha)
    if not alpha.max(initial=1) < np.inf:
        infinite = np.isinf(alpha)
        below = np.where(x < np.inf, np.minimum(x, 0), np.nan)  # all other x are as good as 0
        x, alpha = np.where(infinite, below, x), np.where(infinite, 1, alpha)
    return [x, alpha]


def _or_nan(holds: Any, *arguments: Floats) -> Any:
    """1 or 0 in the arguments' type, NaN where one of them is."""
    values = np.asarray(holds, arguments[0].dtype)
    for argument in arguments:
        if np.isnan(argument.min(initial=0)):
            np.copyto(values, np.nan, where=np.isnan(argument))
    return values[()]


def _decided(steps: float, dtype: DTypeLike) -> float:
    """The distance from a level within which its place, rounded twice, leaves no doubt that it is the nearest."""
    return 0.5 - steps * _ROUNDINGS * float(np.finfo(dtype).eps)


def _nearest_level(x: Doubles, alpha: Doubles, steps: float) -> tuple[Doubles, Doubles, Doubles]:
    """The level q nearest to the clipped x, and ``q alpha - n x`` and alpha, both divided by a power of two."""
    mantissa, exponent = np.frexp(alpha)
    alpha_scaled = np.ldexp(mantissa, _ROOM)
    x = np.ldexp(np.clip(x, 0.0, alpha), _ROOM - exponent)
    product, rounding = two_product(x, np.array([steps]))
    level = np.rint(product / alpha_scaled)
    high, low = _remainder(level, alpha_scaled, product, rounding)
    doubtful = np.abs(high) > _decided(steps, np.float64) * alpha_scaled
    if doubtful.any():
        at = np.flatnonzero(doubtful)
        alpha_there = np.broadcast_to(alpha_scaled, x.shape)[at]
        level[at] -= _overshoot(level[at], high[at], low[at], alpha_there)
        high[at], low[at] = _remainder(level[at], alpha_there, product[at], rounding[at])
    high += low
    return level, high, alpha_scaled


def _there(argument: Floats, at: NDArray[np.intp]) -> Doubles:
    """What stands in some places, or the number that is the same in all."""
    return (argument if argument.size == 1 else argument[at]).astype(np.float64)


def _nearest_of_float32(x: Doubles, alpha: Doubles, steps: float) -> Doubles:
    """The level nearest to the clipped x, where x and alpha have 24 binary digits and steps at most 26.

    ``n x`` is exact, and the quotient unless it is rounded: then it is as far from the middle between two levels as
    a fraction of the denominator ``2 alpha`` or, over the quotient itself, of ``2 n x`` is from zero, more than 2^-51.
    """
    place = np.clip(x, 0.0, alpha)
    place *= steps
    place /= alpha
    return np.rint(place, out=place)


def _remainder(
    level: Doubles, alpha: Doubles, product: Doubles, rounding: Doubles
) -> tuple[Doubles, Doubles]:
    """``level alpha - (product + rounding)`` in two parts, both exact."""
    back, back_rounding = two_product(level, alpha)
    return back - product, back_rounding - rounding


def _overshoot(level: Doubles, high: Doubles, low: Doubles, alpha: Doubles) -> Doubles:
    """1 or -1 where the level is not the nearest, or at a tie not the even one."""
    side = np.sign(high)
    excess = (np.abs(high) - 0.5 * alpha) + side * low
    return np.asarray(side * ((excess > 0) | ((excess == 0) & (level % 2 == 1))))
