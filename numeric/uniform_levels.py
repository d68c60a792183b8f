r"""Weights of b bits, as fast values.

Definition: Q(w) is the nearest of ``2^b`` equally spaced levels from ``-clip`` to ``clip``; there are
``n = 2^b - 1`` steps of size :math:`\Delta = 2\,\mathrm{clip}/n`, and no level at 0. The law of w is symmetric, so that
Q has mean zero and its variance is :math:`E\,Q^2`.

Identity: the levels are :math:`\pm(j + 1/2)\Delta`, and w passes from one to the next at :math:`j\Delta`. From
:math:`(j + 1/2)^2 - (j - 1/2)^2 = 2j`, summed over the thresholds that \|w\| has passed,

.. math:: E\,Q^2 = \Delta^2 \Bigl(\tfrac14 + 4 \sum_{j=1}^{2^{b-1}-1} j\, P(w > j\Delta)\Bigr).

Evaluation: the sum as it stands, since every term is positive, times the square of the step, both in two doubles;
thresholds over sigma, too, unless the law is Gaussian and the quotient at most 1. The time is proportional to ``2^b``.
No error larger than what is stated was found by ``benchmarks/accuracy.py`` on its grids (1, 2 and 4 bits), nor by
``benchmarks/search_for_errors.py`` around their worst points.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from numeric.arrays import Doubles, aligned
from numeric.evaluation.arguments import (
    real_arrays,
    require_integer,
    require_one_of,
    require_positive,
)
from numeric.evaluation.central_share import centrally, lower_share
from numeric.evaluation.elementwise import blockwise
from numeric.evaluation.error_free import two_quotient, two_sum
from numeric.evaluation.scaled_normal import FARTHEST, Near, nearest, nearest_to_sum
from numeric.ternary import LOWER_TAILS

__all__ = ["variance"]

_MOST_BITS = 16  # which takes seconds
_MODERATE = 2.0**400  # neither the square of a level nor its ratio to _LARGE leaves the range
_LARGE = 2.0**600  # a ratio of scales beyond which nothing changes


def variance(sigma: ArrayLike, clip: ArrayLike, bits: SupportsIndex, distribution: str) -> Any:
    """Variance of weights of ``bits`` bits.

    Error: at most 3.5 ulp (float32: 0.51).

    Parameters
    ----------
    sigma, clip
        Standard deviation of w and the largest level, positive; infinite ones give the limit.
    bits
        An integer from 1 to 16.
    distribution
        ``"uniform"``, ``"gaussian"`` or ``"laplace"``.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, sigma or clip is not positive, bits are out of range, or
        the law is unknown.

    Notes
    -----
    Catalogue: ``uniform_levels.uniform.variance``, and so for the other laws.

    Examples
    --------
    >>> float(variance(0.3, 2.0, 1, "gaussian"))  # one bit: the sign, times clip
    4.0
    >>> float(variance(1.0, 6.0, 12, "gaussian"))  # doctest: +ELLIPSIS
    1.0000007117557...
    """
    steps = 2 ** require_integer("bits", bits, 1, _MOST_BITS) - 1
    tail = LOWER_TAILS[require_one_of("distribution", distribution, LOWER_TAILS)]
    sigma, clip = real_arrays(sigma=sigma, clip=clip)
    require_positive("sigma", sigma)
    require_positive("clip", clip)
    sigma, clip = (np.minimum(a, np.finfo(a.dtype).max) for a in (sigma, clip))  # which has the limit already

    def kernel(sigma: Doubles, clip: Doubles, narrow: bool) -> Doubles:
        if steps == 1:  # no threshold: sigma does not matter, but nan stays nan
            return clip * clip + 0 * sigma
        if narrow:
            bracket = sum(j * tail(ratio) for j, ratio in _rounded_thresholds(sigma, clip, steps)) + 1 / 16
            return clip * (clip * (bracket * (16 / float(steps) ** 2)))
        exponent = np.zeros(1, np.intc)
        if not (clip.size == 1 and 1 / _MODERATE < clip[0] < _MODERATE):
            clip, exponent = np.frexp(clip)
            sigma = np.ldexp(sigma, -exponent)
        sigma = np.clip(sigma, 1 / _LARGE, _LARGE)
        step, rest = two_quotient(2 * clip, np.array([float(steps)]))
        total, rounding = _sum_of(_tails(distribution, sigma, step, rest, steps))
        square, more = 4 * step * step, 4 * rest * (2 * step + rest)  # the first is exact
        left = more * total
        if rounding.any():
            left += rounding * square
        found = np.multiply(total, square, out=total)
        found += left
        found += (square + more) / 16
        return np.asarray(np.ldexp(found, 2 * exponent) if exponent.any() else found)

    return blockwise(kernel, sigma, clip)


def _sum_of(tails: Iterator[tuple[int, Doubles]]) -> tuple[Doubles, Doubles]:
    """``E Q^2 / (4 Delta^2)`` less 1/16, and its rounding error."""
    rounding: Doubles = np.zeros(1)
    j, total = next(tails)
    if j > 1:
        total *= j
    for j, term in tails:
        term *= j
        total, error = two_sum(total, term)
        rounding = np.add(error, rounding, out=error)
    return total, rounding


def _rounded_thresholds(sigma: Doubles, clip: Doubles, steps: int) -> Iterator[tuple[int, Near]]:
    """Every j > 0 with the lower threshold, minus j steps over sigma; the farthest first."""
    step = -2 * clip / (steps * sigma)
    for j in range(steps // 2, 0, -1):
        yield j, nearest(np.maximum(j * step, -FARTHEST), narrow=True)


def _tails(
    distribution: str, sigma: Doubles, step: Doubles, rest: Doubles, steps: int
) -> Iterator[tuple[int, Doubles]]:
    """Every j > 0 with the share of weights beyond j steps, from the step in two doubles; the smallest share first."""
    ratio_of_all = cache(lambda: _step_over(sigma, step, rest))

    def tail(j: int, at: Any) -> Doubles:
        all_of_them = isinstance(at, slice)
        upper, lower = ratio_of_all() if all_of_them else _step_over(sigma[at], step, rest)
        threshold, more = j * upper, j * lower
        if not threshold.min() > -FARTHEST:
            more *= threshold > -FARTHEST
            np.maximum(threshold, -FARTHEST, out=threshold)
        return LOWER_TAILS[distribution](nearest_to_sum(threshold, more))

    for j in range(steps // 2, 0, -1):
        if distribution == "gaussian" and step.size == 1:
            ratio = np.divide(-j * (step + rest), sigma, out=aligned((sigma.size,)))
            yield j, centrally(ratio, partial(lower_share, narrow=False), partial(tail, j))
        else:
            yield j, tail(j, slice(None))


def _step_over(sigma: Doubles, step: Doubles, rest: Doubles) -> tuple[Doubles, Doubles]:
    """``-(step + rest)/sigma``, in two doubles."""
    upper, lower = two_quotient(-step, sigma)
    lower -= rest / sigma
    return upper, lower
