r"""Tables of the truncated moments of a normal law, and of what is built from them.

Definition: the moments of ReLU(z + a), z standard normal, are :math:`M_k(a) = \int_0^\infty u^k \varphi(u - a)\,du`.

Identity: with :math:`E = e^{-a^2/2}` and :math:`R_k(t) = \int_0^\infty u^k e^{-tu - u^2/2}\,du` they are
:math:`M_k(a) = E R_k(-a) / \sqrt{2\pi}`. Integration by parts gives :math:`R_1 = 1 - t R_0` and
:math:`R_{k+1} = k R_{k-1} - t R_k`, and :math:`R_k' = -R_{k+1}`: the Taylor coefficients of :math:`R_k(-a)` are
:math:`R_{k+j}(-a)/j!`, all positive.

Evaluation: at the centres ``c = i/64`` from -66 to 9, with ``a = c + r``, f is a polynomial in r times
:math:`e^{-c^- r - r^2/2}`, :math:`c^- = \min(c, 0)`: what is left, ``E(c) f/E`` where c < 0, is smooth. Beyond -66
even the largest double squared times f is zero, and beyond 9 the gate is 1 to the last bit. The coefficients are
computed on first use, in decimals: R_0(66) from its asymptotic series, the rest by Taylor sums from centre to centre,
in whose direction errors die out. The total mass, :math:`2 R_0(0) = \sqrt{2\pi}`, is found on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from functools import cache
from itertools import pairwise
from math import factorial, frexp, ldexp
from operator import mul
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from numeric.arrays import Doubles

PER_UNIT = 64
LEFT, RIGHT = -66, 9
DEGREE = 8
_NEGLIGIBLE = 2.0**-56  # share of the value that the last row of a table makes, at least somewhere
_NEGLIGIBLE_IN_FLOAT32 = 2.0**-31
_DIGITS = 60  # half of them are lost in the recurrence at t = 66
_TERMS = 28
SMALL = -30  # centres left of it have E below 1e-195


class Series:
    """A power series in ``a - centre``, cut off after the power DEGREE."""

    def __init__(self, coefficients: list[Decimal]) -> None:
        self.coefficients = coefficients

    def __add__(self, other: Series) -> Series:
        return Series([x + y for x, y in zip(self.coefficients, other.coefficients, strict=True)])

    def __sub__(self, other: Series) -> Series:
        return Series([x - y for x, y in zip(self.coefficients, other.coefficients, strict=True)])

    def __mul__(self, other: Series | Decimal) -> Series:
        x = self.coefficients
        if isinstance(other, Decimal):
            return Series([c * other for c in x])
        y = other.coefficients
        return Series([sum((x[i] * y[n - i] for i in range(n + 1)), Decimal()) for n in range(len(x))])

    def __truediv__(self, other: Series) -> Series:
        y, quotient = other.coefficients, list[Decimal]()
        for n, x in enumerate(self.coefficients):
            known = sum((quotient[i] * y[n - i] for i in range(n)), Decimal())
            quotient.append((x - known) / y[0])
        return Series(quotient)


class Piece(NamedTuple):
    """The series at one centre: ``r[k]`` is M_k/E, ``E`` is exp(-a^2/2), and ``c E`` is the density phi."""

    r: tuple[Series, Series, Series]
    E: Series
    c: Series


Function = Callable[[Piece], Series]


def gate(at: Piece) -> Series:
    """P(z + a > 0), over E."""
    return at.r[0]


def mean(at: Piece) -> Series:
    """E ReLU(z + a), over E."""
    return at.r[1]


def second_moment(at: Piece) -> Series:
    """E ReLU(z + a)^2, over E."""
    return at.r[2]


def variance(at: Piece) -> Series:
    """Variance of ReLU(z + a), over E."""
    return at.r[2] - at.E * at.r[1] * at.r[1]


def half_slope_of_variance(at: Piece) -> Series:
    """Half the derivative of the variance of ReLU(s z + a) in s at s = 1, Phi - M_1 phi, over E."""
    return at.r[0] - at.c * at.E * at.r[1]


def half_mean_slope_of_variance(at: Piece) -> Series:
    """Half the derivative of the variance of ReLU(z + a) in a, M_1(a) Phi(-a), over E."""
    return at.r[1] - at.E * at.r[0] * at.r[1]


def ratio(at: Piece) -> Series:
    """Gate over second moment."""
    return at.r[0] / at.r[2]


def ratio_variance(at: Piece) -> Series:
    """Gate over variance."""
    return at.r[0] / variance(at)


def inverse_mills(at: Piece) -> Series:
    """phi(a)/Phi(a)."""
    return at.c / at.r[0]


def two_sided(at: Piece) -> Series:
    """P(|z| < a), where a >= 0."""
    share = at.E * at.r[0] * Decimal(2)
    share.coefficients[0] = (share.coefficients[0] - 1).quantize(Decimal("1e-40"))  # exactly 0 at 0
    return share


PROPORTIONAL_TO_E = frozenset(
    {gate, mean, second_moment, variance, half_slope_of_variance, half_mean_slope_of_variance}
)


# --- the tables --------------------------------------------------------------------------------------------


@cache
def table(function: Function) -> Doubles:
    """Coefficients of a function: row j belongs to the power j of r, as far as that makes a difference.

    Column i belongs to the centre ``LEFT + i / PER_UNIT``. The first row has 26 binary digits, so that products with
    others of so many are exact; a last row holds the rest of it. What is proportional to E is multiplied by a power
    of two, see `exponents`.
    """
    with localcontext(Context(prec=_DIGITS)):
        columns = []
        for centre, exponent, piece in zip(_centres(), exponents().tolist(), _pieces(), strict=False):
            series = function(piece)
            if function in PROPORTIONAL_TO_E:
                at_centre = piece.E.coefficients[0]
                series = series * (at_centre * (1 << exponent))
                if centre > 0:
                    series = series * _exponential(-centre)
            first, *more = series.coefficients
            short = _first_digits(float(first))
            columns.append([short, *map(float, more), float(first - Decimal(short))])
    *rows, correction = np.transpose(columns)
    rows = list(rows)
    _drop_what_makes_less_than(_NEGLIGIBLE, rows)
    return np.array([*rows, correction])


def _drop_what_makes_less_than(share: float, rows: list[Doubles]) -> None:
    while np.all(np.abs(rows[-1]) <= share * np.abs(rows[0]) * (2.0 * PER_UNIT) ** (len(rows) - 1)):
        rows.pop()


@cache
def rounded_table(function: Function) -> Doubles:
    """The rows that matter in float32; the first one is not split."""
    *rows, correction = table(function)
    rows[0] = rows[0] + correction
    _drop_what_makes_less_than(_NEGLIGIBLE_IN_FLOAT32, rows)
    return np.array(rows)


def _first_digits(number: float) -> float:
    mantissa, exponent = frexp(number)
    return ldexp(int(mantissa * 2**26), exponent - 26)


@cache
def exponents() -> NDArray[np.intc]:
    """The powers of two that keep E(c) from underflow, about 1/E(c) where that is large, as far to both sides."""
    with localcontext(Context(prec=_DIGITS)):
        per_unit = 1 / (2 * Decimal(2).ln())
        left = [round(c * c * per_unit) if c < SMALL else 0 for c in _centres()[: -LEFT * PER_UNIT + 1]]
    return np.array([*left, *left[-2::-1]], np.intc)  # with longer integers np.ldexp takes ten times as long


@cache
def root_two_pi() -> Decimal:
    """The integral of exp(-z^2/2) over the line.

    Examples
    --------
    >>> float(root_two_pi() ** 2 / 2)
    3.141592653589793
    """
    with localcontext(Context(prec=_DIGITS)):
        return 2 * _moments()[-LEFT * PER_UNIT][0]


@cache
def logarithms() -> Doubles:
    """Logarithms of the density at the centres, and as far to the other side, times the powers of two of `exponents`.

    The first row has 30 binary places, so that sums with its numbers lose nothing but what rounding takes from them;
    the second has the rest.
    """
    centres = _centres()[: -LEFT * PER_UNIT + 1]
    left = [
        _logarithm(centre, exponent) for centre, exponent in zip(centres, exponents().tolist(), strict=False)
    ]
    return np.transpose([*left, *left[-2::-1]]).copy()


@cache
def logarithm_at_zero(exponent: int) -> tuple[float, float]:
    """The same at 0, times another power of two.

    Examples
    --------
    >>> large, rest = logarithm_at_zero(0)
    >>> (large * 2**30).is_integer(), round(large + rest, 12)
    (True, -0.918938533205)
    """
    return _logarithm(Decimal(0), exponent)


def _logarithm(centre: Decimal, exponent: int) -> tuple[float, float]:
    with localcontext(Context(prec=_DIGITS)):
        exact = exponent * _logarithm_of_two() - centre * centre / 2 - _logarithm_of_root()
        places = round(exact * 2**30)
        return places / 2**30, float(exact - Decimal(places) / 2**30)


@cache
def _logarithm_of_two() -> Decimal:
    with localcontext(Context(prec=_DIGITS)):
        return Decimal(2).ln()


@cache
def _logarithm_of_root() -> Decimal:
    with localcontext(Context(prec=_DIGITS)):
        return root_two_pi().ln()


@cache
def tail(function: Function, terms: int = 6) -> list[float]:
    """Coefficients in 1/a^2 of the expansion of a ratio for a -> -oo, without the power of -a that leads it."""
    with localcontext(Context(prec=_DIGITS)):
        r0, r1, r2 = (Series([_asymptotic(k, j) for j in range(terms)]) for k in range(3))
        one = Series([Decimal(int(j == 0)) for j in range(terms)])
        return [float(c) for c in function(Piece((r0, r1, r2), E=one - one, c=one)).coefficients]


def _asymptotic(k: int, j: int) -> Decimal:
    """Coefficient of t^-2j in the expansion of R_k(t) t^(k+1): exp(-u^2/2) integrated term by term."""
    size = Decimal(factorial(k + 2 * j)) / (factorial(j) << j)
    return -size if j % 2 else size


@cache
def _centres() -> list[Decimal]:
    return [Decimal(k) / PER_UNIT for k in range(LEFT * PER_UNIT, RIGHT * PER_UNIT + 1)]


@cache
def _moments() -> list[list[Decimal]]:
    """R_0, R_1, ... at ``-a`` for each centre a."""
    t = -_centres()[0]
    r0 = sum((_asymptotic(0, j) / t ** (2 * j + 1) for j in range(_TERMS)), Decimal())
    found = [_recurrence(t, r0)]
    for before, here in pairwise(_centres()):
        found.append(_recurrence(-here, _shifted(found[-1], here - before)))
    return found


def _recurrence(t: Decimal, r0: Decimal) -> list[Decimal]:
    r = [r0, 1 - t * r0]
    for k in range(1, _TERMS - 1):
        r.append(k * r[k - 1] - t * r[k])
    return r


def _shifted(moments: list[Decimal], step: Decimal) -> Decimal:
    """R_0 at ``-(a + step)``, by its Taylor sum at a."""
    return sum(map(mul, moments, _taylor_weights(step)), Decimal())


@cache
def _taylor_weights(step: Decimal) -> list[Decimal]:
    return [step**j / factorial(j) for j in range(_TERMS)]


@cache
def _pieces() -> list[Piece]:
    c = 1 / root_two_pi()
    constant = Series([c] + [Decimal()] * DEGREE)
    weights = [c * weight for weight in _taylor_weights(Decimal(1))[: DEGREE + 1]]
    pieces = []
    for centre, moments, e in zip(_centres(), _moments(), _gaussians(), strict=True):
        r0, r1, r2 = (Series(list(map(mul, moments[k:], weights))) for k in range(3))
        pieces.append(Piece((r0, r1, r2), _gaussian(centre, e), constant))
    return pieces


def _exponential(rate: Decimal) -> Series:
    """exp(rate r)."""
    return Series([rate**j / factorial(j) for j in range(DEGREE + 1)])


def _gaussians() -> list[Decimal]:
    """exp(-a^2/2) at each centre: its ratios from centre to centre have a constant ratio."""
    first, second = _centres()[:2]
    step = second - first
    ratio, constant = (-step * (first + second) / 2).exp(), (-step * step).exp()
    found = [(-first * first / 2).exp()]
    for _ in _centres()[1:]:
        found.append(found[-1] * ratio)
        ratio *= constant
    return found


def _gaussian(centre: Decimal, value: Decimal) -> Series:
    """exp(-a^2/2), from E' = -a E."""
    e = [value, -centre * value]
    for k in range(1, DEGREE):
        e.append(-(centre * e[k] + e[k - 1]) / (k + 1))
    return Series(e)
