"""Ternary weights, simulated: draw w from its law, compare with the threshold, average."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from numeric.arrays import Doubles, aligned
from numeric.sampling.estimates import Estimate, Moments

SOURCES = {"uniform": "uniform", "gaussian": "normal", "laplace": "laplace"}
"""What is drawn for weights of each distribution, with variance 1."""
DISTRIBUTIONS = tuple(SOURCES)


def require(distribution: str, sigma: float, delta: float = 0.0) -> None:
    """Refuse what is no law, standard deviation or threshold."""
    if distribution not in DISTRIBUTIONS:
        raise ValueError(f"distribution must be one of {', '.join(DISTRIBUTIONS)}, got {distribution!r}")
    if not (np.isfinite(sigma) and sigma > 0):
        raise ValueError(f"sigma must be positive and finite, got {sigma}")
    if not delta >= 0:
        raise ValueError(f"delta must be at least 0, got {delta}")


def fill(rng: np.random.Generator, distribution: str, z: Doubles) -> None:
    """Weights of variance 1 in the first row of z; a Laplace number is a difference of two exponential ones."""
    if distribution == "gaussian":
        rng.standard_normal(out=z)
    elif distribution == "uniform":
        rng.random(out=z)
        z -= 0.5
        z *= 12.0**0.5
    else:
        rng.standard_exponential(out=z)
        z[0] -= z[1]
        z[0] /= 2.0**0.5


@dataclass(frozen=True)
class WeightDraws:
    """Weights, and parameters that begin with their standard deviation and the threshold."""

    distribution: str
    parameters: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if not self.parameters:
            raise ValueError("parameters must hold those of one point at least, got none")
        for sigma, delta, *_ in self.parameters:
            require(self.distribution, sigma, delta)

    @property
    def source(self) -> str:
        return SOURCES[self.distribution]

    @property
    def dimension(self) -> int:
        return 2 if self.distribution == "laplace" else 1

    @property
    def points(self) -> int:
        return len(self.parameters)

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        fill(rng, self.distribution, z)


def _ternarise(w: Doubles, delta: float, out: Doubles) -> None:
    """1 above the threshold, -1 below its negative, 0 between."""
    below = aligned(w.shape)
    np.less(w, -delta, out=below, casting="unsafe")
    np.greater(w, delta, out=out, casting="unsafe")
    out -= below


class TernaryDraws(WeightDraws):
    """Of each weight w: whether it becomes 1, what it becomes, and its size.

    Parameters
    ----------
    distribution
        ``"uniform"``, ``"gaussian"`` or ``"laplace"``.
    parameters
        Pairs of the standard deviation of the weights, positive, and the threshold, at least 0.

    Raises
    ------
    ValueError
        When the distribution is unknown, sigma is not positive, or delta is negative.
    """

    statistics = 3

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        sigma, delta = self.parameters[point]
        plus, ternary, size = out
        np.multiply(z[0], sigma, out=size)
        _ternarise(size, delta, out=ternary)
        np.greater(ternary, 0.0, out=plus, casting="unsafe")
        np.abs(size, out=size)


class ScaleDraws(WeightDraws):
    """Of each weight w: ``w tern(w)`` and ``tern(w)^2``, of which least squares needs the sums.

    Parameters
    ----------
    distribution, parameters
        As in :class:`TernaryDraws`.
    """

    statistics = 2

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        sigma, delta = self.parameters[point]
        product, square = out
        np.multiply(z[0], sigma, out=product)
        _ternarise(product, delta, out=square)
        product *= square
        square *= square


class SignDraws(WeightDraws):
    """Of each weight its sign, and the square of that; the threshold plays no part.

    Parameters
    ----------
    distribution, parameters
        As in :class:`TernaryDraws`.
    """

    statistics = 2

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        sign, square = out
        np.multiply(z[0], self.parameters[point][0], out=sign)
        np.sign(sign, out=sign)
        np.square(sign, out=square)


def variance_of_signs(moments: Moments, share: float = 1.0) -> Estimate:
    """Variance of the signs, from moments of :class:`SignDraws`."""
    return moments.of(lambda t: float(t[1] - t[0] ** 2), share)


def least_squares_scale(moments: Moments, share: float = 1.0) -> Estimate:
    """The scale s of least error ``sum (w - s tern(w))^2`` over the sample, from moments of :class:`ScaleDraws`."""
    return moments.of(lambda t: float(t[0] / t[1]), share)


def estimates(moments: Moments, share: float = 1.0) -> Mapping[str, Estimate]:
    """``p_plus``, ``p_zero``, ``variance`` and ``mean_abs`` from the moments of :class:`TernaryDraws`."""

    def occupied(t: Doubles) -> float:
        return float(2 * t[0] - t[1])  # P(+1) + P(-1), from P(+1) and P(+1) - P(-1)

    return {
        "p_plus": moments.of(lambda t: float(t[0]), share),
        "p_zero": moments.of(lambda t: 1.0 - occupied(t), share),
        "variance": moments.of(lambda t: occupied(t) - float(t[1]) ** 2, share),
        "mean_abs": moments.of(lambda t: float(t[2]), share),
    }


WIDENING = {"uniform": 1.0, "gaussian": 1.6, "laplace": 3.0}
"""Large weights matter most to errors and scales: drawn this much wider, and reweighted, fewer draws resolve them."""


def reweigh(z: Doubles, distribution: str, widening: float, out: Doubles) -> None:
    """Write the density of a weight of variance 1 at ``widening z`` over that of the wider law it was drawn from."""
    if distribution == "gaussian":  # densities proportional to exp(-z^2/2)
        np.square(z, out=out)
        out *= (1 - widening**2) / 2
    else:  # exp(-sqrt(2) |z|)
        np.abs(z, out=out)
        out *= 2.0**0.5 * (1 - widening)
    np.exp(out, out=out)
    out *= widening


@dataclass(frozen=True)
class ErrorDraws(WeightDraws):
    """The squared error ``(w - s tern(w))^2`` of a weight, by importance sampling from a wider law of its family.

    Parameters
    ----------
    distribution
        As in :class:`TernaryDraws`.
    parameters
        Standard deviation of the weights, threshold and scale s, together.
    plain
        Draw from the law itself instead.
    """

    plain: bool = False
    statistics = 1

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        sigma, delta, scale = self.parameters[point]
        widening = 1.0 if self.plain else WIDENING[self.distribution]
        w = out[0]
        np.multiply(z[0], widening * sigma, out=w)
        ternary = aligned(w.shape)
        _ternarise(w, delta, out=ternary)
        ternary *= scale
        w -= ternary
        np.square(w, out=w)
        if widening != 1:
            weight = ternary  # whose memory is free
            reweigh(z[0], self.distribution, widening, out=weight)
            w *= weight
