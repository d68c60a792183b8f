"""Sums, products and quotients of doubles together with what rounding takes from them.

All hold while nothing over- or underflows; callers divide their arguments by powers of two first.
"""

from __future__ import annotations

import numpy as np

from numeric.arrays import Doubles, aligned

_UPPER = np.int64(-(1 << 27))


def halves(x: Doubles) -> tuple[Doubles, Doubles]:
    """``x = high + low``, each short enough that products of halves are exact."""
    high: Doubles = ((x.view(np.int64) + (1 << 26)) & -(1 << 27)).view(np.float64)
    return high, x - high


def upper_half(x: Doubles, out: Doubles | None = None) -> Doubles:
    """The leading 26 bits of x; products of what is left with another upper half are exact, too."""
    memory = None if out is None else out.view(np.int64)
    upper: Doubles = np.bitwise_and(x.view(np.int64), _UPPER, out=memory).view(np.float64)
    return upper


def two_sum(x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
    """``x + y``, and its rounding error."""
    total, y_part, error = aligned((3, max(x.size, y.size)))
    np.add(x, y, out=total)
    np.subtract(total, x, out=y_part)
    np.subtract(x, np.subtract(total, y_part, out=error), out=error)
    error += np.subtract(y, y_part, out=y_part)
    return total, error


def precise_sum(terms: Doubles) -> Doubles:
    """The sum over the first axis, whose memory is used for it, as if in twice the precision and then rounded.

    Examples
    --------
    >>> precise_sum(np.array([[1e16, 1.0], [1.0, 2.0], [-1e16, 3.0]]))
    array([1., 6.])
    """
    count, lost = len(terms), np.zeros(terms.shape[1:])
    while count > 1:
        half = count // 2
        one, other = terms[:half], terms[count - half : count]
        total, error = two_sum(one.ravel(), other.ravel())
        one[...] = total.reshape(one.shape)
        lost += error.reshape(one.shape).sum(axis=0)
        count -= half
    return np.asarray(terms[0] + np.where(np.isfinite(lost), lost, 0.0))  # an infinite sum stays one


def two_product(x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
    """``x y``, and its rounding error.

    Examples
    --------
    >>> x = np.array([1 + 2.0**-30])
    >>> product, error = two_product(x, x)
    >>> float(error[0]) == 2.0**-60
    True
    """
    product = x * y
    (x_high, x_low), (y_high, y_low) = halves(x), halves(y)
    error = x_high * y_high
    error -= product
    error += x_high * y_low
    error += x_low * y_high
    error += x_low * y_low
    return product, error


def two_quotient(x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
    """The upper half of ``x / y``, and what is left."""
    inverse, y_upper = 1 / y, upper_half(y)
    upper, rest, product = aligned((3, max(x.size, y.size)))
    np.multiply(x, inverse, out=rest)
    upper_half(rest, out=upper)
    np.multiply(upper, y_upper, out=product)  # exact
    np.subtract(x, product, out=rest)
    rest -= np.multiply(upper, y - y_upper, out=product)
    rest *= inverse
    return upper, rest
