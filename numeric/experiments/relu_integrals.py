"""Moments of a ReLU behind a BatchNorm, with a bound: only the definition and the normal law are known here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

from numeric.instruments import quadrature
from numeric.instruments.bounded import Bounded
from numeric.instruments.laws import Normal
from numeric.instruments.quadrature import Instrument, Piece, monomial
from numeric.instruments.rounding import Number


def relu_power(order: int, gamma: float, beta: float, centre: float = 0.0) -> list[Piece]:
    """The power of ``ReLU(gamma z + beta) - centre`` as pieces in z; power 0 is the open gate.

    Parameters
    ----------
    order
        The power, at least 0.
    gamma, beta
        Scale and shift of the BatchNorm; gamma is not zero.
    centre
        Zero, or beta: what is subtracted without rounding.

    Raises
    ------
    ValueError
        When an argument is out of its range.
    """
    if order < 0:
        raise ValueError(f"order must be at least 0, got {order}")
    if not (math.isfinite(gamma) and gamma != 0):
        raise ValueError(f"gamma must be finite and not 0, got {gamma}")
    if not math.isfinite(beta / gamma):
        raise ValueError(f"beta must be finite, and so must beta/gamma, got {beta}")
    if centre not in (0.0, beta):
        raise ValueError(f"centre must be 0 or beta, got {centre}")
    kink = -Fraction(beta) / Fraction(gamma)
    ends: list[Number] = [-math.inf, kink, math.inf]
    (closed_from, closed_to), (open_from, open_to) = sorted(pairwise(ends), reverse=gamma < 0)
    pieces = [Piece(open_from, open_to, monomial(order), gamma, beta - centre)]
    if centre:
        pieces.append(Piece(closed_from, closed_to, monomial(order), 0.0, -centre))
    return pieces


def relu_moment(
    order: int, gamma: float, beta: float, integrate: Instrument = quadrature.expectation
) -> Bounded:
    """Expectation of the gate (order 0) or of a power of ``ReLU(gamma z + beta)``, z standard normal.

    Examples
    --------
    >>> relu_moment(2, -1.5, 0.0).refutes(1.125)
    False
    """
    return integrate(Normal(), relu_power(order, gamma, beta))


def relu_quantities(
    gamma: float, beta: float, integrate: Instrument = quadrature.expectation
) -> Mapping[str, Bounded]:
    """The quantities of :func:`numeric.experiments.relu.estimates`, and ``third_moment``, by name.

    Parameters
    ----------
    gamma, beta
        Scale and shift of the BatchNorm; gamma is not zero.
    integrate
        The instrument.

    Examples
    --------
    >>> relu_quantities(1.0, 0.0)["second_moment"].resolution < 1e-12
    True
    """
    gate, first, second, third = (relu_moment(k, gamma, beta, integrate) for k in range(4))
    centre = max(beta, 0.0)  # a variance does not depend on it, the digits that cancel do
    shifted, square = (integrate(Normal(), relu_power(k, gamma, beta, centre)) for k in (1, 2))
    variance = square - shifted * shifted
    s = abs(gamma)
    c2, c2_variance = second / s / s, variance / s / s
    return {
        "gate_probability": gate,
        "mean_after_batchnorm": first,
        "second_moment_after_batchnorm": second,
        "variance_after_batchnorm": variance,
        "moment0": gate,
        "mean": first / s,
        "second_moment": c2,
        "third_moment": third / s / s / s,
        "variance": c2_variance,
        "c1": gate,
        "c2": c2,
        "c2_variance": c2_variance,
        "ratio": gate / c2,
        "ratio_variance": gate / c2_variance,
    }


def pooled_second_moment(
    shift: float, kernel: int, integrate: Instrument = quadrature.expectation
) -> Bounded:
    """Second moment of the average of ``ReLU(z + shift)`` over a window, z independent and standard normal.

    The moments of a sum of one more independent variable follow from those of the sum so far and its own.

    Parameters
    ----------
    shift
        Shift of the normal numbers.
    kernel
        Side of the window, at least 1.
    integrate
        The instrument.
    """
    if kernel < 1:
        raise ValueError(f"kernel must be at least 1, got {kernel}")
    mean, square = (relu_moment(k, 1.0, shift, integrate) for k in (1, 2))
    total, total_square = mean, square
    for _ in range(kernel**2 - 1):
        total_square = total_square + 2 * total * mean + square
        total = total + mean
    return total_square / float(kernel**4)
