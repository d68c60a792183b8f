"""Weights rounded to the nearest of 2^b equally spaced levels, simulated: draw, clip, round, average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numeric.arrays import Doubles
from numeric.evaluation.arguments import require_integer
from numeric.experiments import logistic, ternary
from numeric.sampling.estimates import Estimate, Moments


def nearest_level(weights: Doubles, largest: float, bits: int, out: Doubles | None = None) -> Doubles:
    """The nearest of ``2**bits`` levels from ``-largest`` to ``largest``; beyond the ends, the end; ties go to even.

    Parameters
    ----------
    weights
        Of any shape.
    largest
        The largest level, positive.
    bits
        Number of bits, at least 1.
    out
        Where the result is written.

    Examples
    --------
    >>> nearest_level(np.array([-7.0, -0.1, 0.1, 0.7]), 1.5, 2)
    array([-1.5, -0.5,  0.5,  0.5])
    """
    if not 0 < largest < np.inf:
        raise ValueError(f"largest must be positive and finite, got {largest}")
    half_steps = (2 ** require_integer("bits", bits, 1) - 1) / 2
    place = np.divide(weights, largest, out=np.empty(np.shape(weights)) if out is None else out)
    np.clip(place, -1.0, 1.0, out=place)
    place += 1.0
    place *= half_steps
    np.rint(place, out=place)
    place *= largest / half_steps
    place -= largest
    return place


@dataclass(frozen=True)
class LevelDraws:
    """Of each weight: the level that it is rounded to, and its square.

    Parameters
    ----------
    distribution
        One of :data:`numeric.experiments.ternary.DISTRIBUTIONS`, or ``"logistic"``, of scale 1.
    sigma
        Standard deviation of the weights; 1 for the logistic law of scale 1.
    largest
        The largest level, positive.
    bits
        Numbers of bits, at least 1 each, which share the draws.

    Raises
    ------
    ValueError
        When the distribution is unknown, there are no bits, or a number is out of its range.
    """

    distribution: str
    sigma: float
    largest: float
    bits: tuple[int, ...]
    statistics = 2

    def __post_init__(self) -> None:
        if self.distribution != "logistic":
            ternary.require(self.distribution, self.sigma)
        elif self.sigma != 1:
            raise ValueError(f"sigma must be 1 for the logistic law of scale 1, got {self.sigma}")
        if not 0 < self.largest < np.inf:
            raise ValueError(f"largest must be positive and finite, got {self.largest}")
        if not self.bits:
            raise ValueError("bits must be one number at least, got none")
        for bits in self.bits:
            require_integer("bits", bits, 1)

    @property
    def source(self) -> str:
        return ternary.SOURCES.get(self.distribution, self.distribution)

    @property
    def dimension(self) -> int:
        return 2 if self.distribution == "laplace" else 1

    @property
    def points(self) -> int:
        return len(self.bits)

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        if self.distribution == "logistic":
            logistic.fill(rng, z)
        else:
            ternary.fill(rng, self.distribution, z)

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        np.multiply(z[0], self.sigma, out=out[0])
        nearest_level(out[0], self.largest, self.bits[point], out[0])
        np.square(out[0], out=out[1])


def variance(moments: Moments, share: float = 1.0) -> Estimate:
    """Variance of the rounded weights, from the moments of :class:`LevelDraws`; with one bit nothing varies."""
    return moments.of(lambda t: float(t[1] - t[0] ** 2), share)
