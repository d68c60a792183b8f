"""The threshold of ternary weights, simulated: how the least error changes with it, and where that slope vanishes.

What is drawn is the share and the mean size of the weights that survive, and the density at the threshold; the slope
follows by the chain rule. That the error is least where it vanishes is not shown here.
"""

from __future__ import annotations

import numpy as np

from numeric.arrays import Doubles, aligned
from numeric.experiments.ternary import WIDENING, WeightDraws, reweigh
from numeric.sampling.estimates import Estimate, Moments

_LARGEST = {"uniform": 1.73, "gaussian": 6.0, "laplace": 12.0}
"""Thresholds, in standard deviations, below which weights survive in any sample of a block."""


class ThresholdDraws(WeightDraws):
    """Of each weight: whether it survives, its size if so, and what has minus the density f of sizes at delta as mean.

    That is how the share of survivors changes with the threshold. A flow V beyond delta, with ``V(delta) = 1`` and
    ``V f = 0`` at the end of the law, moves weights across it: ``-f(delta)`` is the integral of ``(V f)'``, hence the
    mean of ``V' + V (log f)'`` over the weights that survive. V is 1 for Laplace weights, linear for uniform ones,
    and an exponential for Gaussian ones. Weights are drawn from a wider law of their family, and reweighted.

    Parameters
    ----------
    distribution, parameters
        As in :class:`numeric.experiments.ternary.TernaryDraws`; thresholds are less than ``1.73 sigma`` for uniform
        weights, ``6 sigma`` for Gaussian and ``12 sigma`` for Laplace ones.

    Raises
    ------
    ValueError
        As there, and when a threshold is larger: few weights survive, or none.
    """

    statistics = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        for sigma, delta in self.parameters:
            largest = _LARGEST[self.distribution] * sigma
            if not delta < largest:
                raise ValueError(f"delta must be less than {largest:.4g} for these weights, got {delta}")

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        sigma, delta = self.parameters[point]
        survives, size, crosses = out
        widening = WIDENING[self.distribution]
        np.multiply(z[0], widening * sigma, out=size)
        np.abs(size, out=size)
        np.greater(size, delta, out=survives, casting="unsafe")
        if widening != 1:
            weight = crosses  # whose memory is free
            reweigh(z[0], self.distribution, widening, out=weight)
            survives *= weight
        if self.distribution == "uniform":  # V = (end - x) / (end - delta), f is constant
            np.divide(survives, delta - 3.0**0.5 * sigma, out=crosses)
        elif self.distribution == "laplace":  # V = 1, (log f)' = -sqrt(2)/sigma
            np.multiply(survives, -(2.0**0.5) / sigma, out=crosses)
        else:  # V = exp((delta - x)/sigma), (log f)' = -x/sigma^2
            flow = aligned(size.shape)
            np.subtract(delta, size, out=flow)
            flow /= sigma
            np.exp(flow, out=flow)
            flow *= survives
            np.divide(size, -sigma, out=crosses)
            crosses -= 1.0
            crosses *= flow
            crosses /= sigma
        size *= survives


def _slope(t: Doubles, delta: float) -> float:
    """Derivative of ``E w^2 - A^2/P``, the error at the best scale ``A/P``; A changes delta times as much as P."""
    survivors, size, crossing = t
    scale = size / survivors
    return float((scale**2 - 2 * scale * delta) * crossing)


def slope_of_least_error(moments: Moments, delta: float, share: float = 1.0) -> Estimate:
    """Derivative, in the threshold, of the error at its best scale.

    Parameters
    ----------
    moments
        Of :class:`ThresholdDraws` at this threshold.
    delta
        The threshold.
    share
        As in :class:`numeric.sampling.estimates.Estimate`.
    """
    return moments.of(lambda t: _slope(t, delta), share)


def threshold_of_least_error(
    moments: Moments, delta: float, curvature: float, share: float = 1.0
) -> Estimate:
    """Where that slope vanishes, by a step of Newton's from a threshold next to it.

    Parameters
    ----------
    moments, delta, share
        As in :func:`slope_of_least_error`.
    curvature
        Derivative of the slope there, positive.
    """
    if not 0 < curvature < np.inf:
        raise ValueError(f"curvature must be positive and finite, got {curvature}")
    return moments.of(lambda t: delta - _slope(t, delta) / curvature, share)
