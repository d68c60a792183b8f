r"""c1/c2 of a ReLU behind a BatchNorm, with a shift so large that hardly anything is left of its way to the limit.

Far to the right every gate is open. Far to the left hardly any is, and what is drawn is z given that its gate is: with
:math:`z^2 = t^2 + 2e` for the shift :math:`a = -t`, e has the density :math:`\varphi(t) e^{-e}/z`. Exponential numbers
that are twice as large, weighed with the ratio of the densities, resolve the limits from fewer draws. Each draw
contributes what it does in the limit, but for a share of less than :math:`3e/t^2`.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, pi, sqrt

import numpy as np

from numeric.arrays import Doubles
from numeric.experiments.extrapolation import limit
from numeric.experiments.relu import rectify
from numeric.sampling.estimates import Estimate, Moments
from numeric.sampling.normal import StandardNormalDraws

FAR = 1e6
"""A shift to the right. Terms that the rate, and the extrapolated limit, leave out are 1e-12 and 1e-24 of theirs."""
OPEN = 40.0
"""A shift to the right at which no gate is ever closed: the probability is less than 1e-300."""
T = 1e4
"""Minus a shift to the left."""


class FarRightDraws(StandardNormalDraws):
    """Of each z: the open gate, and ReLU(z + a)^2, at ``a = FAR`` and at twice that."""

    dimension = 1
    points = 1
    statistics = 4

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        for a, gate, square in ((FAR, out[0], out[1]), (2 * FAR, out[2], out[3])):
            np.add(z[0], a, out=square)
            np.greater(square, 0.0, out=gate, casting="unsafe")
            rectify(square, out=square)
            np.square(square, out=square)


def far_right(moments: Moments, share: float = 1.0) -> Mapping[str, Estimate]:
    """The ``limit`` of c1/c2, and its ``rate``, that of a^2 c1/c2, from the moments of :class:`FarRightDraws`."""

    def ratio(t: Doubles, a: float) -> float:
        return float(t[0] / t[1] if a == FAR else t[2] / t[3])

    return {
        "limit": moments.of(lambda t: limit(lambda a: ratio(t, a), [FAR, 2 * FAR]), share),
        "rate": moments.of(lambda t: FAR**2 * ratio(t, FAR), share),
    }


class OpenDraws(StandardNormalDraws):
    """Of each z: the open gate, how far ReLU(z + a) is from a, and the square of that, at ``a = OPEN``."""

    dimension = 1
    points = 1
    statistics = 3

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        gate, off, square = out
        np.add(z[0], OPEN, out=off)
        np.greater(off, 0.0, out=gate, casting="unsafe")
        rectify(off, out=off)
        np.subtract(off, OPEN, out=off)  # less than that cancels in the variance
        np.square(off, out=square)


def where_every_gate_is_open(moments: Moments, share: float = 1.0) -> Estimate:
    """c1/c2 over the variance, from the moments of :class:`OpenDraws`."""
    return moments.of(lambda t: float(t[0] / (t[2] - t[1] ** 2)), share)


class FarLeftDraws:
    """Of each z whose gate is open: the gate, t ReLU(z - t) and its square, weighed; in units of phi(t)/t."""

    source = "exponential"
    dimension = 1
    points = 1
    statistics = 3

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        rng.standard_exponential(out=z)

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        weight, shifted, square = out
        np.multiply(z[0], 4.0 / T**2, out=square)  # e is twice what was drawn
        np.add(square, 1.0, out=square)
        np.sqrt(square, out=square)  # z/t
        np.negative(z[0], out=weight)
        np.exp(weight, out=weight)
        np.multiply(weight, 2.0, out=weight)
        np.divide(weight, square, out=weight)
        np.add(square, 1.0, out=square)
        np.divide(z[0], square, out=shifted)
        np.multiply(shifted, 4.0, out=shifted)  # t (z - t), without cancellation
        np.square(shifted, out=square)
        np.multiply(shifted, weight, out=shifted)
        np.multiply(square, weight, out=square)


def far_left(moments: Moments, share: float = 1.0) -> Mapping[str, Estimate]:
    """Limits of c1/(a^2 c2) and of the same over the variance, from the moments of :class:`FarLeftDraws`."""
    unit = exp(-(T**2) / 2) / sqrt(2 * pi) / T  # phi(t)/t

    def of_variance(t: Doubles) -> float:
        return float(t[0] / (t[2] - unit * t[1] ** 2))

    return {
        "limit": moments.of(lambda t: float(t[0] / t[2]), share),
        "variance limit": moments.of(of_variance, share),
    }
