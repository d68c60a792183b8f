"""How the moments of a ReLU behind a BatchNorm move with its scale and shift: differences of the definition.

The moments at neighbouring scales and shifts are averages over the same draws, or integrals; nothing is known of what
they are equal to, nor is a derivative taken inside an expectation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from numeric.experiments.extrapolation import derivative
from numeric.experiments.relu import moment_by_quadrature
from numeric.monte_carlo import Array, Estimate, sample_means

STEP = 1e-3
"""Step of the central differences of draws, in units of ``|gamma|``.

Their bias is a sixth of the squared step times a third derivative. In these units the third derivatives of the first
two moments are below 1 for ``|beta/gamma| <= 1``: the bias is below 2e-7.
"""


def estimates(
    gamma: float, beta: float, draws: int, *, seed: int, stream: int, jobs: int = 1
) -> Mapping[str, Estimate]:
    """First and second moment and variance of ReLU(gamma z + beta), and their derivatives, from plain draws.

    Parameters
    ----------
    gamma, beta
        Scale and shift of the BatchNorm; gamma is not zero.
    draws, seed, stream, jobs
        As in :func:`numeric.monte_carlo.sample_means`.

    Returns
    -------
    Mapping
        ``mean``, ``second_moment`` and ``variance``, and each of them with ``_in_beta`` and ``_in_gamma``.
    """
    if gamma == 0:
        raise ValueError("gamma must not be 0")
    step = STEP * abs(gamma)

    def statistics(rng: np.random.Generator, n: int) -> Array:
        z = rng.standard_normal(n)
        out = np.empty((6, n))

        def rectified(scale: float, shift: float) -> Array:
            y = scale * z
            y += shift
            return np.asarray(np.maximum(y, 0.0, out=y))

        np.copyto(out[0], rectified(gamma, beta))
        np.multiply(out[0], out[0], out=out[1])
        for row, (d_gamma, d_beta) in ((2, (0.0, step)), (4, (step, 0.0))):
            up, down = rectified(gamma + d_gamma, beta + d_beta), rectified(gamma - d_gamma, beta - d_beta)
            np.subtract(up, down, out=out[row])
            out[row] /= 2 * step
            up += down
            np.multiply(out[row], up, out=out[row + 1])  # the difference of the squares
        return out

    means = sample_means(statistics, draws, seed=seed, stream=stream, jobs=jobs)
    return {
        "mean": means.of(lambda t: float(t[0])),
        "second_moment": means.of(lambda t: float(t[1])),
        "variance": means.of(lambda t: float(t[1] - t[0] ** 2)),
        "mean_in_beta": means.of(lambda t: float(t[2])),
        "second_moment_in_beta": means.of(lambda t: float(t[3])),
        "variance_in_beta": means.of(lambda t: float(t[3] - 2 * t[0] * t[2])),
        "mean_in_gamma": means.of(lambda t: float(t[4])),
        "second_moment_in_gamma": means.of(lambda t: float(t[5])),
        "variance_in_gamma": means.of(lambda t: float(t[5] - 2 * t[0] * t[4])),
    }


def quantity_by_quadrature(name: str, gamma: float, beta: float) -> float:
    """``gate_probability``, ``mean``, ``second_moment`` or ``variance`` of ReLU(gamma z + beta).

    Examples
    --------
    >>> round(quantity_by_quadrature("gate_probability", -0.7, 0.0), 12)
    0.5
    """
    orders = {"gate_probability": 0, "mean": 1, "second_moment": 2, "variance": 2}
    if name not in orders:
        raise ValueError(f"name must be one of {', '.join(orders)}, got {name!r}")
    found = moment_by_quadrature(orders[name], gamma, beta)
    return found - moment_by_quadrature(1, gamma, beta) ** 2 if name == "variance" else found


def derivative_by_quadrature(name: str, symbol: str, gamma: float, beta: float) -> float:
    """Derivative of a quantity of :func:`quantity_by_quadrature` in ``gamma`` or ``beta``.

    Central differences of quadratures, extrapolated to a step of zero: for the gate too, whose derivative on every
    draw is zero.

    Examples
    --------
    >>> round(derivative_by_quadrature("mean", "beta", -0.7, 0.0), 9)
    0.5
    """
    if symbol not in ("gamma", "beta"):
        raise ValueError(f"symbol must be 'gamma' or 'beta', got {symbol!r}")

    def moved(by: float) -> float:
        if symbol == "gamma":
            return quantity_by_quadrature(name, gamma + by, beta)
        return quantity_by_quadrature(name, gamma, beta + by)

    return derivative(moved, 0.0, 0.1 * abs(gamma), halvings=4)
