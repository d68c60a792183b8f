"""A ReLU behind a BatchNorm, simulated: draw z, form ``y = gamma z + beta``, rectify, average."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from numeric.arrays import Doubles
from numeric.sampling.estimates import Estimate, Moments
from numeric.sampling.normal import StandardNormalDraws


def rectify(y: Doubles, out: Doubles) -> None:
    """Write ReLU(y) into out. `numpy.maximum` with a number takes twice as long.

    Examples
    --------
    >>> y = np.array([-1.0, 2.0])
    >>> rectify(y, out=y)
    >>> y
    array([0., 2.])
    """
    y.clip(0.0, np.inf, out=out)


@dataclass(frozen=True)
class AffineDraws(StandardNormalDraws):
    """Standard normal numbers z, shared by several pairs of gamma and beta, of ``y = gamma z + beta``.

    Parameters
    ----------
    affine
        The pairs, at least one.

    Raises
    ------
    ValueError
        When there is none, or one is not finite.
    """

    affine: tuple[tuple[float, float], ...]
    dimension = 1

    def __post_init__(self) -> None:
        if not self.affine or not np.isfinite(self.affine).all():
            raise ValueError(f"affine must be pairs of finite numbers, at least one, got {self.affine}")

    @property
    def points(self) -> int:
        return len(self.affine)


class ReluDraws(AffineDraws):
    """Of each z: the open gate, ReLU(y) and ReLU(y)^2."""

    statistics = 3

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        gamma, beta = self.affine[point]
        gate, y, square = out
        np.multiply(z[0], gamma, out=y)
        np.add(y, beta, out=y)
        np.greater(y, 0.0, out=gate, casting="unsafe")
        rectify(y, out=y)
        np.square(y, out=square)


@dataclass(frozen=True)
class PieceDraws(StandardNormalDraws):
    """What pieces of the line add to the moments of ReLU(z + a), and moments of the half-normal law.

    By name, in the order of :attr:`names`: z + a and its square from -a to 0; 1, z and z^2 from 0 to a; z + a and its
    square where z is positive, given that it is; and ``|z| + a`` and its square.
    """

    a: float
    dimension = 1
    names = (
        "y left",
        "y^2 left",
        "1 right",
        "z right",
        "z^2 right",
        "y given positive",
        "y^2 given positive",
        "size",
        "size^2",
    )
    statistics = len(names)
    points = 1

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        normal = z[0]
        y, size = normal + self.a, np.abs(normal) + self.a
        left, positive = (normal > -self.a) & (normal < 0), normal > 0
        right = positive & (normal < self.a)
        out[:2] = y * left, y**2 * left
        out[2:5] = right, normal * right, normal**2 * right
        out[5:] = 2 * y * positive, 2 * y**2 * positive, size, size**2


def estimates(moments: Moments, gamma: float, share: float = 1.0) -> Mapping[str, Estimate]:
    """The quantities of a ReLU after BatchNorm, by name, from the moments of :class:`ReluDraws`.

    ``moment0``, ``mean``, ``second_moment`` and ``variance`` are those of y/|gamma|.
    """
    s = abs(gamma)

    def variance(t: Doubles) -> float:
        return float(t[2] - t[1] ** 2)

    functions: Mapping[str, Callable[[Doubles], float]] = {
        "gate_probability": lambda t: float(t[0]),
        "mean_after_batchnorm": lambda t: float(t[1]),
        "second_moment_after_batchnorm": lambda t: float(t[2]),
        "variance_after_batchnorm": variance,
        "moment0": lambda t: float(t[0]),
        "mean": lambda t: float(t[1]) / s,
        "second_moment": lambda t: float(t[2]) / s**2,
        "variance": lambda t: variance(t) / s**2,
        "c1": lambda t: float(t[0]),
        "c2": lambda t: float(t[2]) / gamma**2,
        "c2_variance": lambda t: variance(t) / gamma**2,
        "ratio": lambda t: float(t[0] / (t[2] / gamma**2)),
        "ratio_variance": lambda t: float(t[0] / (variance(t) / gamma**2)),
    }
    return {name: moments.of(function, share) for name, function in functions.items()}
