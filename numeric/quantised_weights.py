r"""Weights of b bits, as fast values.

Definition: Q(w) is the nearest of ``2^b`` equally spaced levels from ``-clip`` to ``clip``; there are
``n = 2^b - 1`` steps of size :math:`\Delta = 2\,\mathrm{clip}/n`, and no level at 0. The law of w is symmetric, so that
Q has mean zero and its variance is :math:`E\,Q^2`.

Identity: the levels are :math:`\pm(j + 1/2)\Delta`, and w passes from one to the next at :math:`j\Delta`. From
:math:`(j + 1/2)^2 - (j - 1/2)^2 = 2j`, summed over the thresholds that \|w\| has passed,

.. math:: E\,Q^2 = \Delta^2 \Bigl(\tfrac14 + 4 \sum_{j=1}^{2^{b-1}-1} j\, P(w > j\Delta)\Bigr).

Evaluation: the sum as it stands, since every term is positive; its time is proportional to ``2^b``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numeric.evaluation.arguments import real_arrays, require_bits, require_positive
from numeric.evaluation.elementwise import blockwise
from numeric.evaluation.error_free import two_product, two_sum, upper_half
from numeric.evaluation.scaled_normal import FARTHEST, shift_ratio
from numeric.ternary import TAILS

Block = NDArray[np.float64]


def variance(sigma: ArrayLike, clip: ArrayLike, bits: int, distribution: str) -> Any:
    """Variance of weights of ``bits`` bits.

    Error: at most 4 ulp (float32: 0.51).

    Parameters
    ----------
    sigma, clip
        Standard deviation of w and the largest level, positive and finite.
    bits
        From 1 to 32.
    distribution
        ``"uniform"``, ``"gaussian"`` or ``"laplace"``.

    Examples
    --------
    >>> float(variance(0.3, 2.0, 1, "gaussian"))  # one bit: the sign, times clip
    4.0
    >>> float(variance(1.0, 6.0, 12, "gaussian"))  # many bits: the weights, and rounding, Delta^2/12
    1.0000007117557...
    """
    steps = 2 ** require_bits(bits) - 1
    if distribution not in TAILS:
        raise ValueError(f"distribution must be one of {', '.join(TAILS)}, got {distribution!r}")
    tail = TAILS[distribution]
    sigma, clip = real_arrays(sigma=sigma, clip=clip)
    require_positive("sigma", sigma)
    require_positive("clip", clip)

    def kernel(sigma: Block, clip: Block, narrow: bool) -> Block:
        if narrow:
            upper, lower = 2 * clip / (steps * sigma), None
        else:
            upper, lower = _step_over_sigma(sigma, clip, np.array([float(steps)]))
        total, rounding = np.zeros(1), np.zeros(1)
        for j in range(steps // 2, 0, -1):
            total, error = two_sum(total, j * tail(*_threshold(j, upper, lower)))
            rounding = rounding + error
        return clip * (clip * ((1 + 16 * (total + rounding)) / float(steps) ** 2))

    return blockwise(kernel, sigma, clip)


def _step_over_sigma(sigma: Block, clip: Block, steps: Block) -> tuple[Block, Block]:
    """The upper half of ``2 clip/(steps sigma)``, and what is left."""
    mantissa, exponent = np.frexp(sigma)
    product, rounding = two_product(mantissa, steps)
    at = shift_ratio(np.ldexp(clip, 1 - exponent), product, narrow=False)
    return at.a, at.rest - at.a * (rounding / product)


def _threshold(j: int, upper: Block, lower: Any) -> tuple[Block, Any]:
    """j steps over sigma, in two parts where the step is."""
    if lower is None:
        return np.minimum(j * upper, FARTHEST), None
    product = j * upper
    threshold = upper_half(np.minimum(product, FARTHEST))
    return threshold, (product - threshold) + j * lower
