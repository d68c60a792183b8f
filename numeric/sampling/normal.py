"""Any statistic of independent standard normal numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from numeric.arrays import Doubles


@dataclass(frozen=True)
class NormalDraws:
    """A statistic of independent standard normal numbers.

    Parameters
    ----------
    dimension
        How many numbers it is a statistic of.
    function
        Takes n draws, shape (dimension, n), which it leaves as they are, and returns the statistic of each, shape
        (n,). For draws in several processes it has to be importable.

    Examples
    --------
    >>> from numeric.sampling.engine import mean_of
    >>> largest = mean_of(NormalDraws(2, lambda z: z.max(axis=0)), 10**6, seed=0)  # 1/sqrt(pi)
    >>> largest.refutes(0.5642, comparisons=1), largest.refutes(0.58, comparisons=1)
    (False, True)
    """

    dimension: int
    function: Callable[[Doubles], Doubles]
    source = "normal"
    points = 1
    statistics = 1

    def __post_init__(self) -> None:
        if self.dimension < 1:
            raise ValueError(f"dimension must be at least 1, got {self.dimension}")

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        rng.standard_normal(out=z)

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        out[0] = self.function(z)
