"""PACT from its forward pass: complex steps through the clip and the straight-through rounding."""

from __future__ import annotations

import numpy as np

from numeric.evaluation.arguments import require_integer

_STEP = np.longdouble("1e-200")


def clip(x: np.clongdouble, alpha: np.clongdouble, side: int = 1) -> np.clongdouble:
    """0 below 0, alpha above alpha, x between; nan where x is nan.

    Parameters
    ----------
    x
        Pre-activation.
    alpha
        Clipping level, positive.
    side
        Which piece holds at x = 0 and x = alpha: that to the left, -1, or to the right, 1.
    """
    if not alpha.real > 0:
        raise ValueError(f"alpha must be positive, got {alpha.real}")
    if side not in (-1, 1):
        raise ValueError(f"side must be -1 or 1, got {side}")
    if np.isnan(x.real):
        return np.clongdouble(complex(np.nan, np.nan))
    if side == 1:
        below, inside = x.real < 0, x.real < alpha.real
    else:
        below, inside = x.real <= 0, x.real <= alpha.real
    return np.clongdouble(0) if below else (x if inside else alpha)


def forward(x: np.clongdouble, alpha: np.clongdouble, bits: int, side: int = 1) -> np.clongdouble:
    """The quantised activation; the rounding passes on its argument's infinitesimal part (straight through).

    Parameters
    ----------
    x, alpha, side
        As in :func:`clip`.
    bits
        Number of bits, at least 1; there are ``2**bits - 1`` steps, ties go to even.
    """
    steps = 2 ** require_integer("bits", bits, 1) - 1
    clipped = clip(x, alpha, side)
    # a complex quotient is a product with a reciprocal, which misses ties
    rounded = np.rint(steps * clipped.real / alpha.real) + np.clongdouble(1j) * (steps * clipped / alpha).imag
    return np.clongdouble(alpha * rounded / steps)


def grad_alpha(x: float, alpha: float, bits: int, side: int = 1) -> float:
    """Straight-through derivative of the quantised activation in alpha; ``side`` tells the piece at a kink."""
    return float(
        forward(np.clongdouble(x), np.clongdouble(alpha) + np.clongdouble(1j) * _STEP, bits, side).imag
        / _STEP
    )


def grad_input(x: float, alpha: float, bits: int, side: int = 1) -> float:
    """Straight-through derivative of the quantised activation in x; ``side`` tells the piece at a kink."""
    return float(
        forward(np.clongdouble(x) + np.clongdouble(1j) * _STEP, np.clongdouble(alpha), bits, side).imag
        / _STEP
    )


def grad_alpha_original(x: float, alpha: float, side: int = 1) -> float:
    """Derivative of the clip alone in alpha, with rounding left out; ``side`` tells the piece at a kink."""
    return float(
        clip(np.clongdouble(x), np.clongdouble(alpha) + np.clongdouble(1j) * _STEP, side).imag / _STEP
    )


def largest_difference(alpha: float, bits: int, points: int = 2000) -> float:
    """Largest difference between the calibrated and the original gradient in alpha, over x.

    Parameters
    ----------
    alpha, bits
        Clipping level and number of bits.
    points
        Points of the grid on ``[-alpha/2, 3 alpha/2]``; to them come both sides of every half-way point.

    Examples
    --------
    >>> round(largest_difference(1.5, 1), 6)
    0.5
    """
    points = require_integer("points", points, 1)
    steps = 2 ** require_integer("bits", bits, 1) - 1
    halfway = (np.arange(steps) + 0.5) * alpha / steps
    x = np.concatenate(
        [
            np.linspace(-alpha / 2, 3 * alpha / 2, points),
            halfway * (1 - 1e-12),
            halfway,
            halfway * (1 + 1e-12),
        ]
    )
    return max(abs(grad_alpha(float(v), alpha, bits) - grad_alpha_original(float(v), alpha)) for v in x)
