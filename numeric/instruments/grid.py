"""Step functions of one uniform variable, on an equidistant grid with a random shift.

Of N equidistant points, each interval holds its share but for one point: the discrepancy is at most 1/N for every
shift, so that the mean over the grid is within (total variation)/N of the expectation (Koksma). The shift makes it
unbiased; the bound does not need it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from numeric.arrays import Doubles
from numeric.evaluation.arguments import real, require_integer
from numeric.instruments.bounded import Bounded
from numeric.instruments.rounding import UNIT

_DISPLACED = 2.0**-44  # of a jump, by rounding in the inverse of a distribution function or in the grid
_BLOCK = 1 << 14
_ROUNDINGS = 40  # more than a term meets: NumPy adds 16 numbers in a row, and then pairs


def expectation(
    function: Callable[[Doubles], Doubles | NDArray[np.bool_]],
    variation: float,
    points: int,
    *,
    seed: int,
    stream: int,
) -> Bounded:
    """Expectation of a step function of a variable uniform on (0, 1).

    Parameters
    ----------
    function
        The step function; rounding inside of it may displace its jumps by 2^-44.
    variation
        Its total variation: the number of its jumps, each times its height.
    points
        Size of the grid, from 1 to 2^40.
    seed, stream
        As in :func:`numeric.sampling.engine.sample`.

    Raises
    ------
    ValueError
        When an argument is out of range, or the function does not return a number for each number that it is given.

    Examples
    --------
    >>> third = expectation(lambda u: u < 1 / 3, 1.0, 10_000, seed=0, stream=0)
    >>> third.refutes(1 / 3), third.refutes(1 / 3 + 3e-4)
    (False, True)
    """
    points = require_integer(
        "points", points, 1, 1 << 40
    )  # so that a displaced jump passes one point at most
    seed, stream = require_integer("seed", seed, 0), require_integer("stream", stream, 0)
    if not variation >= 0:
        raise ValueError(f"variation must be at least 0, got {variation}")
    shift = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,))).uniform()
    sums, sizes = [], []
    for start in range(0, points, _BLOCK):
        u = (np.arange(start, min(start + _BLOCK, points)) + shift) / points
        values = np.asarray(real("what function returns", function(u)), float)
        if values.shape != u.shape:
            raise ValueError(f"function must return an array of shape {u.shape}, got shape {values.shape}")
        sums.append(float(np.sum(values)))
        sizes.append(float(np.sum(np.abs(values))))
    rounding = _ROUNDINGS * UNIT * math.fsum(sizes) / points
    return Bounded(math.fsum(sums) / points, variation * (1 / points + 2 * _DISPLACED) + rounding, points)
