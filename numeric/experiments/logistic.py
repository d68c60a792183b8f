"""The logistic law: symmetric, and none of those that formulas are worked out for.

What is claimed for every symmetric law is tested with it. Its scale is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from numeric.arrays import Doubles
from numeric.sampling.estimates import Estimate, Moments


def distribution(w: float) -> float:
    """The distribution function.

    Examples
    --------
    >>> distribution(0.0)
    0.5
    """
    return float(1 / (1 + np.exp(-w)))


def fill(rng: np.random.Generator, z: Doubles) -> None:
    """Independent draws in the first row of z."""
    z[0] = rng.logistic(size=z.shape[1])


@dataclass(frozen=True)
class TernaryDraws:
    """Of each weight: whether it becomes 1, and whether it becomes -1.

    Parameters
    ----------
    delta
        Threshold, at least 0.
    """

    delta: float
    source = "logistic"
    dimension = 1
    points = 1
    statistics = 2

    def __post_init__(self) -> None:
        _require(self.delta)

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        fill(rng, z)

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        np.greater(z[0], self.delta, out=out[0], casting="unsafe")
        np.less(z[0], -self.delta, out=out[1], casting="unsafe")


def _require(delta: float) -> None:
    if not delta >= 0:
        raise ValueError(f"delta must be at least 0, got {delta}")


Shares = Callable[[Sequence[float]], float]

QUANTITIES: Mapping[str, Shares] = {
    "p_plus": lambda t: t[0],
    "p_zero": lambda t: 1 - t[0] - t[1],
    "mean": lambda t: t[0] - t[1],
    "variance": lambda t: t[0] + t[1] - (t[0] - t[1]) ** 2,
}
"""What follows from the shares of 1 and of -1."""


def estimates(moments: Moments, share: float = 1.0) -> Mapping[str, Estimate]:
    """The ``QUANTITIES`` from the moments of :class:`TernaryDraws`."""
    return {
        name: moments.of(lambda t, quantity=quantity: float(quantity(t)), share)  # type: ignore[misc]
        for name, quantity in QUANTITIES.items()
    }
