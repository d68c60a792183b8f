r"""The share of a normal law below a number, and on either side of zero, within one standard deviation.

Definition: :math:`\Phi(a) = \int_{-\infty}^a \varphi(z)\,dz`, where :math:`|a| \le 1`.

Identity: the integral of the Taylor series of the density,
:math:`\Phi(a) = \frac12 + \frac1{\sqrt{2\pi}} \sum_k \frac{(-1)^k a^{2k+1}}{2^k k! (2k+1)}`. Its last terms
are replaced by what Chebyshev polynomials leave of them on the interval: eleven terms do for what sixteen did.

Evaluation: ``a = centre + rest``, where the centre is a multiple of 2^-26 and so short that its product with the
leading 26 digits of :math:`\varphi(0)`, and the sum with 1/2, are exact. What is left is small, and rounded once with
it. That takes half the time of the tables for all numbers (:mod:`numeric.evaluation.scaled_normal`).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from functools import cache
from math import factorial
from typing import Any

import numpy as np

from numeric.arrays import Doubles, aligned
from numeric.evaluation.error_free import upper_half
from numeric.evaluation.truncated_moments import root_two_pi

_SHIFT = 1.5 * 2.0**26  # a sum with it is a multiple of 2^-26
_FIRST = 64  # numbers that are looked at before all are
_FEW = 1 / 3  # the share of a block that may lie elsewhere
_TERMS, _ROUNDED_TERMS = 11, 7  # all others together are less than 2^-62 and 2^-37
_TAYLOR = 24


def centrally(
    a: Doubles, central: Callable[[Doubles], Doubles], elsewhere: Callable[[Any], Doubles]
) -> Doubles:
    """Values of a block, where a is at most 1 in size by one function of it, elsewhere by another one.

    Parameters
    ----------
    a
        The numbers; where one is nan the value is, too.
    central
        Takes a; what it gives elsewhere does not matter.
    elsewhere
        Takes the places of the other numbers, or all if these are many. It is called first.
    """
    if np.count_nonzero(np.abs(a[:_FIRST]) > 1) > 2 * _FEW * min(_FIRST, a.size):
        return elsewhere(slice(None))
    if a.min() >= -1 and a.max() <= 1:
        return central(a)
    outside = np.flatnonzero(np.abs(a) > 1)
    if not outside.size:  # but nan
        return central(a)
    if outside.size > _FEW * a.size:
        return elsewhere(slice(None))
    others = elsewhere(outside)
    values = central(a)
    values[outside] = others
    return values


def central_ratio(
    mu: Doubles,
    sigma: Doubles,
    central: Callable[[Doubles], Doubles],
    everywhere: Callable[[Doubles, Doubles], Doubles],
) -> Doubles:
    """The same of ``mu/sigma``; the other function takes mu and sigma."""

    def elsewhere(at: Any) -> Doubles:
        return everywhere(*(x if x.size == 1 else x[at] for x in (mu, sigma)))

    a = np.divide(mu, sigma, out=aligned((max(mu.size, sigma.size),)))
    return centrally(a, central, elsewhere)


def lower_share(a: Doubles, narrow: bool) -> Doubles:
    """Phi(a); precise enough for float32 where that is all that is wanted."""
    if narrow:
        share = _less_half(a, _ROUNDED_TERMS)
        return np.add(share, 0.5, out=share)
    centre, rest = _parts(a)
    return lower_share_of_parts(a, centre, rest)


def lower_share_of_parts(a: Doubles, centre: Doubles, rest: Doubles) -> Doubles:
    """Phi(centre + rest), which is about a; the memory of the parts is used. The centre is a multiple of 2^-26."""
    upper, lower = _at_zero()
    small = _series(a, _TERMS)
    small += lower
    small *= a
    rest *= upper
    small += rest
    centre *= upper
    centre += 0.5  # exact, as is the product
    return np.add(centre, small, out=small)


def two_sided_share(a: Doubles, narrow: bool) -> Doubles:
    """P(|z| < a), where a is not negative: nothing cancels."""
    share = _less_half(a, _ROUNDED_TERMS if narrow else _TERMS)
    return np.multiply(share, 2.0, out=share)


def _less_half(a: Doubles, terms: int) -> Doubles:
    """Phi(a) - 1/2."""
    share = _series(a, terms)
    share += float(_coefficients(terms)[0])
    return np.multiply(share, a, out=share)


def _parts(a: Doubles) -> tuple[Doubles, Doubles]:
    centre, rest = aligned((2, a.size))
    np.add(a, _SHIFT, out=centre)
    centre -= _SHIFT
    np.subtract(a, centre, out=rest)
    return centre, rest


def _series(a: Doubles, terms: int) -> Doubles:
    """All terms over a, but the first."""
    series, square = aligned((2, a.size))
    np.multiply(a, a, out=square)
    last, *others = map(float, _coefficients(terms)[:0:-1])
    np.multiply(square, last, out=series)
    for coefficient in others:
        series += coefficient
        series *= square
    return np.asarray(series)


@cache
def _coefficients(terms: int) -> list[Decimal]:
    """Of the powers of a^2 from 0 on, of ``(Phi(a) - 1/2)/a``."""
    with localcontext(Context(prec=60)):
        found = [
            Decimal((-1) ** k) / (2**k * factorial(k) * (2 * k + 1)) / root_two_pi() for k in range(_TAYLOR)
        ]
        for polynomial in _chebyshev()[: terms - 1 : -1]:
            share = found.pop() / polynomial[-1]
            found = [c - share * t for c, t in zip(found, polynomial, strict=False)]
        return found


def _chebyshev() -> list[list[int]]:
    """Coefficients of the Chebyshev polynomials on the interval from 0 to 1, of each degree."""
    found = [[1], [-1, 2]]
    while len(found) < _TAYLOR:
        before, last = found[-2:]
        doubled = [-2 * c for c in last] + [0]
        for power, c in enumerate(last):
            doubled[power + 1] += 4 * c
        found.append([c - b for c, b in zip(doubled, [*before, 0, 0], strict=True)])
    return found


@cache
def _at_zero() -> tuple[float, float]:
    """The leading 26 digits of phi(0), and the rest of the first coefficient."""
    exact = _coefficients(_TERMS)[0]
    upper = float(upper_half(np.array([float(exact)]))[0])
    with localcontext(Context(prec=40)):
        return upper, float(exact - Decimal(upper))
