"""PACT from its forward pass: complex steps through the clip and the straight-through rounding."""

from __future__ import annotations

import numpy as np

_STEP = np.longdouble("1e-200")


def forward(x: np.clongdouble, alpha: np.clongdouble, bits: int) -> np.clongdouble:
    """The quantised activation; the rounding passes on its argument's infinitesimal part (straight through).

    Parameters
    ----------
    x
        Pre-activation.
    alpha
        Clipping level, positive.
    bits
        Number of bits, at least 1; there are ``2**bits - 1`` steps, ties go to even.
    """
    if not alpha.real > 0:
        raise ValueError(f"alpha must be positive, got {alpha.real}")
    if bits < 1:
        raise ValueError(f"bits must be at least 1, got {bits}")
    steps = 2**bits - 1
    clipped = np.clongdouble(0) if x.real < 0 else (x if x.real < alpha.real else alpha)
    scaled = steps * clipped / alpha
    rounded = np.rint(scaled.real) + np.clongdouble(1j) * scaled.imag
    return np.clongdouble(alpha * rounded / steps)


def grad_alpha(x: float, alpha: float, bits: int) -> float:
    """Straight-through derivative of the quantised activation in alpha, away from x = 0 and x = alpha."""
    return float(forward(np.clongdouble(x), np.clongdouble(alpha) + np.clongdouble(1j) * _STEP, bits).imag / _STEP)


def grad_input(x: float, alpha: float, bits: int) -> float:
    """Straight-through derivative of the quantised activation in x, away from x = 0 and x = alpha."""
    return float(forward(np.clongdouble(x) + np.clongdouble(1j) * _STEP, np.clongdouble(alpha), bits).imag / _STEP)
