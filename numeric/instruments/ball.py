"""The same expectations by ball arithmetic: an instrument that shares only the definition with the quadrature.

Needs python-flint, the optional extra ``rigorous``.
"""

from __future__ import annotations

import math
import numbers
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from numeric.instruments.bounded import Bounded
from numeric.instruments.laws import Laplace, Law, Logistic, Normal, Uniform
from numeric.instruments.quadrature import Piece
from numeric.instruments.rounding import SMALLEST, UNIT, Number

DIGITS = 40
"""Working precision."""
_ONE_AT_A_TIME = threading.RLock()  # a process has one precision


def _flint() -> Any:
    try:
        import flint
    except ImportError as missing:
        raise ImportError(
            "ball arithmetic needs python-flint: pip install 'normquant[rigorous]'"
        ) from missing
    return flint


@contextmanager
def _precision(flint: Any, digits: int) -> Iterator[None]:
    with _ONE_AT_A_TIME:
        before = flint.ctx.dps
        flint.ctx.dps = digits
        try:
            yield
        finally:
            flint.ctx.dps = before


def expectation(law: Law, pieces: Iterable[Piece]) -> Bounded:
    """Expectation of a piecewise polynomial of a drawn variable, by integrating balls.

    Parameters
    ----------
    law
        The law of the variable.
    pieces
        The polynomials and their intervals.

    Raises
    ------
    ImportError
        When python-flint is not installed.

    Examples
    --------
    >>> half = expectation(Normal(), [Piece(0.0, float("inf"), (0.0, 0.0, 1.0))])
    >>> half.refutes(0.5), half.refutes(0.5 + 1e-15)
    (False, True)
    """
    flint = _flint()
    with _precision(flint, DIGITS):
        measure = _Measure(flint, law)
        total = sum((measure.integral(piece) for piece in pieces), flint.arb(0))
        value = float(total.mid())
        bound = float((total - flint.arb(value)).abs_upper()) * (1 + UNIT) + SMALLEST  # float() rounds
    return Bounded(value, bound, measure.evaluations)


class _Measure:
    """A law in balls: its density, its support and its moments beyond a cut."""

    def __init__(self, flint: Any, law: Law) -> None:
        self.flint, self.law, self.evaluations = flint, law, 0
        self.sigma = flint.arb(law.sigma)
        self.drop = flint.arb(4 * DIGITS)

    def cut(self, nearest: Any) -> Any:
        """How far out an integral that begins at this distance from zero is taken; the end of a bounded support."""
        if isinstance(self.law, Normal):
            return (nearest**2 + 2 * self.drop * self.sigma**2).sqrt()
        if isinstance(self.law, Laplace | Logistic):
            return nearest + self.drop * self.sigma
        return self.flint.arb(3).sqrt() * self.sigma

    def ball(self, number: Number) -> Any:
        if isinstance(number, numbers.Rational):
            return self.flint.arb(self.flint.fmpq(int(number.numerator), int(number.denominator)))
        return self.flint.arb(float(number))

    def density(self, x: Any, analytic: bool) -> Any:
        flint = self.flint
        if isinstance(self.law, Normal):
            return (-((x / self.sigma) ** 2) / 2).exp() / (self.sigma * (2 * flint.arb.pi()).sqrt())
        if isinstance(self.law, Laplace):
            rate = flint.arb(2).sqrt() / self.sigma
            return (-rate * x.real_abs(analytic=analytic)).exp() * rate / 2
        if isinstance(self.law, Logistic):
            return 1 / ((x / self.sigma / 2).cosh() ** 2 * (4 * self.sigma))
        return 1 / (2 * flint.arb(3).sqrt() * self.sigma) + 0 * x

    def integral(self, piece: Piece) -> Any:
        """The integral of the piece times the density."""
        if piece.low == piece.high:
            return self.flint.arb(0)
        coefficients = [self.ball(c) for c in piece.coefficients]
        slope, intercept = self.ball(piece.slope), self.ball(piece.intercept)
        cut = self.cut(self.ball(max(piece.low, -piece.high, 0)))
        low, high = (self.ball(end).max(-cut).min(cut) for end in (piece.low, piece.high))

        def integrand(x: Any, analytic: bool) -> Any:
            self.evaluations += 1
            line = slope * x + intercept
            value = sum((c * line**j for j, c in enumerate(coefficients)), self.flint.acb(0))
            return value * self.density(x, analytic)

        # no absolute goal: far out the whole integral may be smaller than any that one would set
        found = self.flint.acb.integral(integrand, self.flint.acb(low), self.flint.acb(high), abs_tol=0).real
        sides = (not self.ball(piece.high) <= cut) + (not self.ball(piece.low) >= -cut)
        if isinstance(self.law, Uniform) or not sides:
            return found
        return found + self.flint.arb(0, sides * self.beyond(coefficients, slope, intercept, cut).upper())

    def beyond(self, coefficients: list[Any], slope: Any, intercept: Any, cut: Any) -> Any:
        """Integral from the cut on of the density times the sum of the moduli of all monomials."""
        flint = self.flint
        total = flint.arb(0)
        for j, c in enumerate(coefficients):
            for i in range(j + 1):
                monomial = abs(c) * math.comb(j, i) * abs(slope) ** i * abs(intercept) ** (j - i)
                total += monomial * self.moment_beyond(i, cut)
        return total

    def moment_beyond(self, i: int, cut: Any) -> Any:
        """``E[x^i; x > cut]``, an incomplete gamma function, or for the logistic law not less than it."""
        flint = self.flint
        if isinstance(self.law, Normal):
            upper = ((cut / self.sigma) ** 2 / 2).gamma_upper(flint.arb(i + 1) / 2)
            return self.sigma**i * flint.arb(2) ** (flint.arb(i) / 2 - 1) * upper / flint.arb.pi().sqrt()
        if isinstance(self.law, Logistic):  # the density is less than exp(-x/sigma)/sigma
            return self.sigma**i * (cut / self.sigma).gamma_upper(flint.arb(i + 1))
        rate = flint.arb(2).sqrt() / self.sigma
        return (rate * cut).gamma_upper(flint.arb(i + 1)) / (2 * rate**i)
