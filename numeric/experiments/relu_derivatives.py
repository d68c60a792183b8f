"""How the moments of a ReLU behind a BatchNorm move with its scale and shift: differences of the definition.

The moments at neighbouring scales and shifts are averages over the same draws, or integrals; nothing is known of what
they are equal to, nor is a derivative taken inside an expectation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from numeric.arrays import Doubles
from numeric.experiments.extrapolation import derivative
from numeric.experiments.relu import rectify
from numeric.experiments.relu_integrals import relu_quantities
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
class DerivativeDraws:
    """Of each z: ReLU(gamma z + beta), and central differences of it and of its square in beta or in gamma.

    The values on either side of a difference belong to the same z.

    Parameters
    ----------
    symbol
        ``"gamma"`` or ``"beta"``.
    affine
        Pairs of gamma and beta, which share the draws; gamma is not zero.
    """

    symbol: str
    affine: tuple[tuple[float, float], ...]
    source = "normal"
    dimension = 1
    statistics = 3

    def __post_init__(self) -> None:
        _require_symbol(self.symbol)
        if any(gamma == 0 for gamma, _ in self.affine):
            raise ValueError("gamma must not be 0")

    @property
    def points(self) -> int:
        return len(self.affine)

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        rng.standard_normal(out=z)

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


def derivative_by_quadrature(name: str, symbol: str, gamma: float, beta: float) -> float:
    """Derivative of a quantity of :func:`numeric.experiments.relu_integrals.relu_quantities` in ``gamma`` or ``beta``.

    Central differences of quadratures, extrapolated to a step of zero: for the gate too, whose derivative on every
    draw is zero.

    Examples
    --------
    >>> round(derivative_by_quadrature("mean_after_batchnorm", "beta", -0.7, 0.0), 9)
    0.5
    """
    _require_symbol(symbol)

    def moved(by: float) -> float:
        at = (gamma + by, beta) if symbol == "gamma" else (gamma, beta + by)
        return relu_quantities(*at)[name].value

    return derivative(moved, 0.0, 0.1 * abs(gamma), halvings=4)
