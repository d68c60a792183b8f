"""Independent standard normal numbers, and any statistics of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from numeric.arrays import Doubles
from numeric.evaluation.arguments import real, require_integer


class StandardNormalDraws:
    """Independent standard normal numbers; what is observed of them is for others to say."""

    source = "normal"

    def fill(self, rng: np.random.Generator, z: Doubles) -> None:
        rng.standard_normal(out=z)


@dataclass(frozen=True)
class NormalDraws(StandardNormalDraws):
    """Statistics of independent standard normal numbers.

    Parameters
    ----------
    dimension
        How many numbers they are statistics of.
    function
        Takes n draws, shape (dimension, n), which are read-only, and returns the statistic of each, shape (n,), or
        several, shape (statistics, n). For draws in several processes it has to be importable. It does not tell by
        its repr what it computes: a checkpoint refuses such draws.
    statistics
        How many there are.

    Raises
    ------
    ValueError
        When dimension or statistics is no integer of at least 1; in the run, when the function returns what is not
        real, or of another shape.

    Examples
    --------
    >>> from numeric.sampling.engine import mean_of
    >>> largest = mean_of(NormalDraws(2, lambda z: z.max(axis=0)), 10**6, seed=0)  # 1/sqrt(pi)
    >>> largest.refutes(0.5642, comparisons=1), largest.refutes(0.58, comparisons=1)
    (False, True)
    """

    dimension: int
    function: Callable[[Doubles], Doubles]
    statistics: int = 1
    points = 1

    def __post_init__(self) -> None:
        for name in ("dimension", "statistics"):
            object.__setattr__(self, name, require_integer(name, getattr(self, name), 1))

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        given = z.view()
        given.flags.writeable = False
        values = np.asarray(real("what function returns", self.function(given)))
        expected = out.shape if self.statistics > 1 else out.shape[1:]
        if values.shape != expected:
            raise ValueError(f"function must return an array of shape {expected}, got {values.shape}")
        out[:] = values
