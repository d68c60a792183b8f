"""Sums, products and quotients of doubles together with what rounding takes from them.

All hold while nothing over- or underflows; callers divide their arguments by powers of two first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float64]


def halves(x: Block) -> tuple[Block, Block]:
    """``x = high + low``, each short enough that products of halves are exact."""
    high: Block = ((x.view(np.int64) + (1 << 26)) & -(1 << 27)).view(np.float64)
    return high, x - high


def upper_half(x: Block) -> Block:
    """The leading 26 bits of x."""
    upper: Block = (x.view(np.int64) & -(1 << 27)).view(np.float64)
    return upper


def two_sum(x: Block, y: Block) -> tuple[Block, Block]:
    """``x + y``, and its rounding error."""
    total = x + y
    y_part = total - x
    return total, (x - (total - y_part)) + (y - y_part)


def two_product(x: Block, y: Block) -> tuple[Block, Block]:
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


def two_quotient(x: Block, y: Block, halves_of_y: tuple[Block, Block]) -> tuple[Block, Block]:
    """The upper half of ``x / y``, and what is left."""
    upper, (y_high, y_low) = upper_half(x / y), halves_of_y
    rest = x - upper * y_high
    rest -= upper * y_low
    rest /= y
    return upper, rest
