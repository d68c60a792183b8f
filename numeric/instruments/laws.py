"""The laws that are drawn from, as densities that are analytic on either side of zero."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from numeric.arrays import Doubles
from numeric.instruments.rounding import UNIT, Running

DROP = 45.0
"""Of the exponent, from where a piece of an integral begins to where it is cut."""


_MODERATE = 1e50
_PANEL, _PANELS = 2.0, 30  # length in scales of the logistic law, and number on each side
_BESIDE = 3.0  # in scales, to the side: soon after, at i pi, its density has a pole


@dataclass(frozen=True)
class Law:
    """A symmetric law with mean zero; its density is ``constant * exp(exponent(x))``.

    Attributes
    ----------
    sigma
        Standard deviation, from 1e-50 to 1e50: fourth powers neither over- nor underflow.

    Raises
    ------
    ValueError
        When sigma is not.
    """

    sigma: float = 1.0

    def __post_init__(self) -> None:
        if not 1 / _MODERATE <= self.sigma <= _MODERATE:
            raise ValueError(f"sigma must be from {1 / _MODERATE:g} to {_MODERATE:g}, got {self.sigma}")

    @property
    def kinks(self) -> tuple[float, ...]:
        """Where the density is not analytic, or an integral is worth dividing."""
        return (0.0,)

    @property
    def constant(self) -> Running:
        """What the exponential is multiplied by."""
        raise NotImplementedError

    def exponent(self, x: Running) -> Running:
        """Logarithm of the density up to the constant, inside the support."""
        raise NotImplementedError

    def log_majorant(self, centre: Doubles | float, reach: Doubles, height: Doubles) -> Doubles:
        """At least the real part of the exponent at x + iy where ``|x - centre| <= reach``, ``|y| <= height``.

        The exponent is continued from the side of zero on which the centre lies.
        """
        raise NotImplementedError

    def cut(self, nearest: float, drop: float = DROP) -> float:
        """How far out an integral that begins at this distance from zero is taken."""
        raise NotImplementedError

    def decay(self, distance: float) -> float:
        """A rate of decay from this distance on: ``exponent(distance + t) <= exponent(distance) - rate t``."""
        raise NotImplementedError


@dataclass(frozen=True)
class Normal(Law):
    """The normal law."""

    @cached_property
    def constant(self) -> Running:
        return Running(1.0, 0.0) / (Running(2 * np.pi, 2 * np.pi * UNIT).sqrt() * self.sigma)

    def exponent(self, x: Running) -> Running:
        scaled = x / self.sigma
        return scaled * scaled * -0.5

    def log_majorant(self, centre: Doubles | float, reach: Doubles, height: Doubles) -> Doubles:
        nearest = np.maximum(np.abs(centre) - reach, 0.0)
        return np.asarray((height - nearest) * (height + nearest) / (2 * self.sigma**2))

    def cut(self, nearest: float, drop: float = DROP) -> float:
        return float(self.sigma * np.hypot(nearest / self.sigma, (2 * drop) ** 0.5))

    def decay(self, distance: float) -> float:
        return distance / self.sigma**2


@dataclass(frozen=True)
class Laplace(Law):
    """The Laplace law."""

    @cached_property
    def _rate(self) -> Running:
        return Running(2.0, 0.0).sqrt() / self.sigma

    @cached_property
    def constant(self) -> Running:
        return self._rate / 2.0

    def exponent(self, x: Running) -> Running:
        return -(abs(x) * self._rate)

    def log_majorant(self, centre: Doubles | float, reach: Doubles, height: Doubles) -> Doubles:
        return np.asarray((reach - np.abs(centre)) * self.decay(0.0))

    def cut(self, nearest: float, drop: float = DROP) -> float:
        return nearest + drop / self.decay(0.0)

    def decay(self, distance: float) -> float:
        return float(self._rate.value)


@dataclass(frozen=True)
class Uniform(Law):
    """The uniform law."""

    @cached_property
    def constant(self) -> Running:
        return Running(0.5, 0.0) / self._half_width

    @cached_property
    def _half_width(self) -> Running:
        return Running(3.0, 0.0).sqrt() * self.sigma

    def exponent(self, x: Running) -> Running:
        return Running(np.zeros_like(x.value), 0.0)

    def log_majorant(self, centre: Doubles | float, reach: Doubles, height: Doubles) -> Doubles:
        return np.zeros_like(reach)

    def cut(self, nearest: float, drop: float = DROP) -> float:
        return float(self._half_width.value)

    def decay(self, distance: float) -> float:
        return np.inf


@dataclass(frozen=True)
class Logistic(Law):
    """The logistic law; sigma is its scale, of which the standard deviation is pi/sqrt(3) times as much.

    With u = x/sigma the density is ``1/(2 sigma (cosh u + 1))``, analytic but for ``u = i pi`` and its odd multiples.
    """

    @property
    def kinks(self) -> tuple[float, ...]:
        """Panels as long as the density is analytic to the sides."""
        return tuple(self.sigma * _PANEL * k for k in range(-_PANELS, _PANELS + 1))

    @cached_property
    def constant(self) -> Running:
        return Running(1.0, 0.0) / self.sigma

    def exponent(self, x: Running) -> Running:
        u = abs(x) / self.sigma
        return -u - (-u).exp().log1p() * 2.0

    def log_majorant(self, centre: Doubles | float, reach: Doubles, height: Doubles) -> Doubles:
        # |cosh u + 1| at u = p + iq is 2 |cosh(u/2)|^2 = cosh p + cos q, and not less than cosh p - 1
        p = np.maximum(np.abs(centre) - reach, 0.0) / self.sigma
        q, decaying = height / self.sigma, np.exp(-p)
        beside = np.log1p(decaying * (2 * np.cos(np.minimum(q, _BESIDE)) + decaying))
        with np.errstate(divide="ignore"):  # infinite where a pole may lie
            beyond = 2 * np.log(-np.expm1(-p))
        return np.asarray(-p - np.where(q <= _BESIDE, beside, beyond))

    def cut(self, nearest: float, drop: float = DROP) -> float:
        return nearest + drop * self.sigma

    def decay(self, distance: float) -> float:
        return float(np.tanh(distance / (2 * self.sigma))) / self.sigma * (1 - 2.0**-40)
