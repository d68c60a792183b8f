"""Sums, products and quotients of doubles together with what rounding takes from them.

All hold while nothing over- or underflows; callers divide their arguments by powers of two first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float64]


def halves(x: Block) -> tuple[Block, Block]:
    """``x = high + low``, each short enough that products of halves are exact."""
    high = ((x.view(np.int64) + (1 << 26)) & -(1 << 27)).view(np.float64)
    return high, x - high


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


def two_quotient(x: Block, y: Block) -> tuple[Block, Block]:
    """``x / y``, and its rounding error to half the digits of a double."""
    quotient = x / y
    (high, low), (y_high, y_low) = halves(quotient), halves(y)
    rest = x - high * y_high
    rest -= high * y_low
    rest -= low * y
    rest /= y
    return quotient, rest
