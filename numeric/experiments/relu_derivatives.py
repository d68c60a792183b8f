r"""How the moments of a ReLU behind a BatchNorm move with its scale and shift; nothing is known of what they equal.

On draws there are differences: the moments at neighbouring scales and shifts, averaged over the same draws. Where that
leaves nothing, because every draw's gate is a step, and in integrals, the density is differentiated, the only factor
that depends on gamma and beta once the variable is chosen for it:

- of :math:`y = \gamma z + \beta` the density is :math:`\varphi((y - \beta)/\gamma)/|\gamma|`; its logarithm moves
  with beta by :math:`z/\gamma`, with gamma by :math:`(z^2 - 1)/\gamma`;
- the gate is that of :math:`\gamma x` with :math:`x = z + \beta/\gamma`; the logarithm of the density of x,
  :math:`\varphi(x - \beta/\gamma)`, moves with beta by :math:`z/\gamma`, with gamma by :math:`-\beta z/\gamma^2`.

The derivative of an expectation is the expectation of the function times such a factor, the score. The score itself has
the expectation zero: a constant may be taken from the function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from numeric.arrays import Doubles
from numeric.experiments.relu import AffineDraws, rectify
from numeric.experiments.relu_integrals import relu_power
from numeric.instruments import quadrature
from numeric.instruments.bounded import Bounded
from numeric.instruments.laws import Normal
from numeric.instruments.quadrature import Instrument, Piece, product_of
from numeric.instruments.rounding import Number
from numeric.sampling.estimates import Estimate, Moments

STEP = 1e-3
"""Step of the central differences of draws, in units of ``|gamma|``.

Their bias is a sixth of the squared step times a third derivative. In these units the third derivatives of the first
two moments are below 1 for ``|beta/gamma| <= 1``: the bias is below 2e-7.
"""


def _require_symbol(symbol: str) -> None:
    if symbol not in ("gamma", "beta"):
        raise ValueError(f"symbol must be 'gamma' or 'beta', got {symbol!r}")


@dataclass(frozen=True)
class _Scaled(AffineDraws):
    """Pairs whose gamma is not zero."""

    def __post_init__(self) -> None:
        if any(gamma == 0 for gamma, _ in self.affine):
            raise ValueError("gamma must not be 0")


@dataclass(frozen=True)
class DerivativeDraws(_Scaled):
    """Of each z: ReLU(gamma z + beta), and central differences of it and of its square in beta or in gamma.

    The values on either side of a difference belong to the same z.

    Parameters
    ----------
    affine
        Pairs of gamma and beta; gamma is not zero.
    symbol
        ``"gamma"`` or ``"beta"``.
    """

    symbol: str
    statistics = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_symbol(self.symbol)

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        gamma, beta = self.affine[point]
        step = STEP * abs(gamma)

        def relu(scale: float, shift: float, into: Doubles) -> None:
            np.multiply(z[0], scale, out=into)
            np.add(into, shift, out=into)
            rectify(into, out=into)

        d_gamma, d_beta = (step, 0.0) if self.symbol == "gamma" else (0.0, step)
        below, difference, of_squares = out
        relu(gamma + d_gamma, beta + d_beta, difference)
        relu(gamma - d_gamma, beta - d_beta, below)
        np.add(difference, below, out=of_squares)
        np.subtract(difference, below, out=difference)
        np.multiply(difference, 0.5 / step, out=difference)
        np.multiply(of_squares, difference, out=of_squares)
        relu(gamma, beta, out[0])


def estimates(moments: Moments, share: float = 1.0) -> Mapping[str, Estimate]:
    """Derivatives of ``mean``, ``second_moment`` and ``variance`` from the moments of :class:`DerivativeDraws`."""
    functions: Mapping[str, Callable[[Doubles], float]] = {
        "mean": lambda t: float(t[1]),
        "second_moment": lambda t: float(t[2]),
        "variance": lambda t: float(t[2] - 2 * t[0] * t[1]),
    }
    return {name: moments.of(function, share) for name, function in functions.items()}


class GateDerivativeDraws(_Scaled):
    """Of each z: the open gate less 1/2, which scatters less than the gate, times z; see :func:`gate_estimates`.

    Parameters
    ----------
    affine
        Pairs of gamma and beta; gamma is not zero.
    """

    statistics = 1

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        gamma, beta = self.affine[point]
        product = out[0]
        np.multiply(z[0], gamma, out=product)
        np.greater(product, -beta, out=product, casting="unsafe")
        np.subtract(product, 0.5, out=product)
        np.multiply(product, z[0], out=product)


def gate_estimates(moments: Moments, gamma: float, beta: float, share: float = 1.0) -> Mapping[str, Estimate]:
    """Derivatives of the gate probability, by symbol, from the moments of :class:`GateDerivativeDraws`."""
    functions: Mapping[str, Callable[[Doubles], float]] = {
        "beta": lambda t: float(t[0]) / gamma,
        "gamma": lambda t: float(t[0]) * -beta / gamma**2,
    }
    return {symbol: moments.of(function, share) for symbol, function in functions.items()}


def derivatives(
    symbol: str, gamma: float, beta: float, integrate: Instrument = quadrature.expectation
) -> Mapping[str, Bounded]:
    """Derivatives of ``gate_probability``, ``mean``, ``second_moment`` and ``variance``, with a bound, by name.

    Parameters
    ----------
    symbol
        ``"gamma"`` or ``"beta"``.
    gamma, beta
        Scale and shift of the BatchNorm; gamma is not zero.
    integrate
        The instrument.

    Examples
    --------
    >>> found = derivatives("beta", -0.7, 0.0)["mean"]
    >>> found.refutes(0.5), found.refutes(0.5 + 1e-12)
    (False, True)
    """
    _require_symbol(symbol)

    def moved(pieces: list[Piece]) -> Bounded:
        return integrate(Normal(), [_times(piece, _score(symbol, gamma)) for piece in pieces])

    # less its value where the ReLU is open and z is 0: a constant, and with it go the digits that would cancel
    centre = max(beta, 0.0)
    shifted, square = (relu_power(order, gamma, beta, centre) for order in (1, 2))
    gate = -1.0 * moved(relu_power(0, -gamma, -beta)) if beta > 0 else moved(relu_power(0, gamma, beta))
    mean, of_square = moved(shifted), moved(square)
    return {
        "gate_probability": gate,
        "mean": mean,
        "second_moment": of_square + 2 * centre * mean,
        "variance": of_square - 2 * integrate(Normal(), shifted) * mean,
    }


def _score(symbol: str, gamma: float) -> tuple[Fraction, ...]:
    """Coefficients of the derivative of the logarithm of the density of gamma z + beta, as a polynomial in z."""
    inverse = 1 / Fraction(gamma)
    return (Fraction(0), inverse) if symbol == "beta" else (-inverse, Fraction(0), inverse)


def _times(piece: Piece, factor: tuple[Fraction, ...]) -> Piece:
    """The product with a polynomial in the drawn variable."""
    slope, intercept = Fraction(piece.slope), Fraction(piece.intercept)
    if slope == 0:
        (constant,) = _composed(piece.coefficients, (intercept,))
        return Piece(piece.low, piece.high, tuple(constant * c for c in factor))
    inverse = (-intercept / slope, 1 / slope)
    return replace(piece, coefficients=product_of(piece.coefficients, _composed(factor, inverse)))


def _composed(outer: Sequence[Number], inner: Sequence[Number]) -> tuple[Fraction, ...]:
    """Coefficients of a polynomial of a polynomial, by Horner's rule."""
    found: tuple[Fraction, ...] = (Fraction(0),)
    for coefficient in reversed(outer):
        constant, *more = product_of(found, inner)
        found = (constant + Fraction(coefficient), *more)
    return found
