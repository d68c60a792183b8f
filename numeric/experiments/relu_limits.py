r"""c1/c2 of a ReLU behind a BatchNorm, by draws at shifts so large that it has practically reached its limits.

Far to the right every gate is open. Far to the left hardly any is, and what is drawn is z given that its gate is: with
:math:`z^2 = t^2 + 2e` for the shift :math:`a = -t`, e has the density :math:`\varphi(t) e^{-e}/z`. Exponential numbers
that are twice as large, weighed with the ratio of the densities, resolve the limits from fewer draws.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from numeric.arrays import Doubles
from numeric.experiments.extrapolation import limit
from numeric.experiments.relu import rectify
from numeric.sampling.estimates import Estimate, Moments
from numeric.sampling.normal import StandardNormalDraws

FAR_RIGHT = 1e6
"""A shift at which a^2 c1/c2 = 1/(1 + 1/a^2) is off its limit by 1e-12, and the extrapolation of c1/c2 by 2.5e-25."""
ALL_OPEN = 40.0
"""A shift at which no gate is ever closed: the probability is less than 1e-300."""
FAR_LEFT = 1e4
"""Minus a shift at which every draw is off its limit by a share of 2e/t^2 at most, and their ratio by 5/t^2."""


def _shifted(z: Doubles, a: float, gate: Doubles, y: Doubles) -> None:
    np.add(z[0], a, out=y)
    np.greater(y, 0.0, out=gate, casting="unsafe")
    rectify(y, out=y)


class FarRightDraws(StandardNormalDraws):
    """Of each z: the open gate, and ReLU(z + a)^2, at ``a = FAR_RIGHT`` and at twice that."""

    dimension = 1
    points = 1
    statistics = 4

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        for times in (1, 2):
            gate, square = out[2 * times - 2 : 2 * times]
            _shifted(z, times * FAR_RIGHT, gate, square)
            np.square(square, out=square)


def far_right(moments: Moments, share: float = 1.0) -> Mapping[str, Estimate]:
    """The ``limit`` of c1/c2, and its ``rate``, that of a^2 c1/c2, from the moments of :class:`FarRightDraws`."""

    def extrapolated(t: Doubles) -> float:
        ratio = {FAR_RIGHT: t[0] / t[1], 2 * FAR_RIGHT: t[2] / t[3]}
        return float(limit(ratio.__getitem__, [*ratio]))

    return {
        "limit": moments.of(extrapolated, share),
        "rate": moments.of(lambda t: float(FAR_RIGHT**2 * t[0] / t[1]), share),
    }


class AllOpenDraws(StandardNormalDraws):
    """Of each z: the open gate, how far ReLU(z + a) is from a, and the square of that, at ``a = ALL_OPEN``."""

    dimension = 1
    points = 1
    statistics = 3

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        gate, off, square = out
        _shifted(z, ALL_OPEN, gate, off)
        np.subtract(off, ALL_OPEN, out=off)  # so that less cancels in the variance
        np.square(off, out=square)


def where_all_are_open(moments: Moments, share: float = 1.0) -> Estimate:
    """c1/c2 over the variance, from the moments of :class:`AllOpenDraws`."""
    return moments.of(lambda t: float(t[0] / (t[2] - t[1] ** 2)), share)


class FarLeftDraws:
    """Of each z whose gate is open at ``a = -t``, ``t = FAR_LEFT``: the gate and (t ReLU(z - t))^2, weighed.

    The means are P(z > t) and t^2 E ReLU(z - t)^2 in units of phi(t)/t.
    """

    source = "exponential"
    dimension = 1
    points = 1
    statistics = 2

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        rng.standard_exponential(out=z)

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        weight, square = out
        np.multiply(z[0], 4.0 / FAR_LEFT**2, out=square)  # e is twice what was drawn
        np.add(square, 1.0, out=square)
        np.sqrt(square, out=square)  # z/t
        np.negative(z[0], out=weight)
        np.exp(weight, out=weight)
        np.multiply(weight, 2.0, out=weight)
        np.divide(weight, square, out=weight)
        np.add(square, 1.0, out=square)
        np.divide(z[0], square, out=square)
        np.multiply(square, 4.0, out=square)  # t (z - t), without cancellation
        np.square(square, out=square)
        np.multiply(square, weight, out=square)


def far_left(moments: Moments, share: float = 1.0) -> Estimate:
    """The limit of c1/(a^2 c2), from the moments of :class:`FarLeftDraws`.

    With the variance in place of the second moment it is the same: the squared mean is a share of less than phi(t) of
    it, which is no double any more.
    """
    return moments.of(lambda t: float(t[0] / t[1]), share)
