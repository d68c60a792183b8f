r"""The density of a normal law at zero, and its product with the mean in standard deviations.

Definition: y is normal with mean mu and standard deviation sigma, and ``n = -mu/sigma``. The density at 0 is
:math:`\varphi(n)/\sigma`, the derivative of P(y > 0) in mu; n times that is its derivative in sigma.

Evaluation: ``n = centre + rest``, where the centre is a multiple of 2^-21. Its square is exact, and so is the sum of
``-centre^2/2`` with the leading places of :math:`\log\varphi(0)`, whose exponential is taken. What is left of the
exponent is small, and enters by the first terms of the exponential series.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from numeric.arrays import Doubles, aligned
from numeric.evaluation.arguments import require_positive
from numeric.evaluation.error_free import upper_half
from numeric.evaluation.scaled_normal import DEEP, FARTHEST, LIFT
from numeric.evaluation.truncated_moments import logarithm_at_zero, root_two_pi

Rounded = NDArray[np.float32]

_PLACES = 21  # the largest number for which squares have room: below 45 in size, where the density is zero
_SHIFT = 1.5 * 2.0 ** (52 - _PLACES)  # a sum with it is a multiple of 2^-_PLACES
_LINEAR = (
    -0.5 - (39 * 2.0**-_PLACES) ** 2 / 64
)  # of the series, with what is most like the cubic term up to n = 39
_NEAR = 32.0  # in size; the density is normal, also over sigma
_ROUNDED_FARTHEST = 37.0  # phi is normal there, but less than 2^-900: zero in float32 over any sigma


def density(mu: Doubles, sigma: Doubles, out: Sequence[Doubles], least: float) -> bool:
    """The density at 0, and n times that, for sigma between 2^-100 and 2^100, and mu of at least this size.

    False, and nothing of use, where a mu is smaller.
    """
    memory = aligned((4, max(mu.size, sigma.size)))
    centre, rest, n, value = memory
    series, left = (target[: n.size] for target in out)  # whose memory is free until the end
    _quotient(mu, sigma, memory)
    np.multiply(centre, centre, out=value)
    if least and not value.min() > 0 and not np.abs(mu).min() >= least:
        return False
    farthest = value.max()
    if not farthest < FARTHEST**2:
        end = FARTHEST * sigma
        _quotient(np.maximum(np.minimum(mu, end), -end), sigma, memory)
        np.multiply(centre, centre, out=value)
    near = farthest < _NEAR**2

    log_large, log_small = logarithm_at_zero(0 if near else LIFT)
    value *= -0.5
    value += log_large
    if not near:
        value.clip(DEEP, np.inf, out=value)
    np.exp(value, out=value)
    value /= sigma

    np.add(centre, n, out=left)  # of the exponent, times -2
    left *= rest
    left -= 2 * log_small
    np.multiply(left, 1 / 8, out=series)
    series += _LINEAR
    series *= left
    n *= series  # what is left enters before n is rounded, not after
    n += rest
    n += centre
    series *= value
    if near:
        np.multiply(n, value, out=out[1])
        np.add(value, series, out=out[0])
    else:
        n *= value
        value += series
        np.multiply(value, 2.0**-LIFT, out=out[0])
        np.multiply(n, 2.0**-LIFT, out=out[1])
    return True


def _quotient(mu: Doubles, sigma: Doubles, memory: NDArray[np.float64]) -> None:
    """Write centre, rest and their sum to the first three rows of the memory; the fourth is used."""
    centre, rest, n, inverse = memory
    np.divide(-1.0, sigma, out=inverse)
    np.multiply(mu, inverse, out=centre)
    centre += _SHIFT
    centre -= _SHIFT
    upper = upper_half(sigma, out=n)
    np.multiply(centre, upper, out=rest)  # exact
    rest += mu
    lower = np.subtract(sigma, upper, out=n)
    lower *= centre
    rest += lower
    rest *= inverse
    np.add(centre, rest, out=n)


def rounded_density(mu: Rounded, sigma: Rounded, out: Sequence[Rounded]) -> None:
    """The same in float32, as ``exp(-pi b^2)/(root sigma)`` where ``b = -n/root``, in float64 and rounded once.

    A sigma that is not positive is refused with ValueError; where it is infinite both are 0.
    """
    root = float(root_two_pi())
    over_sigma = aligned(sigma.shape)
    b, value = aligned((2, max(mu.size, sigma.size)))
    over_sigma[...] = sigma  # a number over an array of float32 is computed in float32, whatever `out` is
    np.divide(1 / root, over_sigma, out=over_sigma)
    b[...] = mu
    b *= over_sigma
    np.multiply(b, b, out=value)
    farthest, end = value.max(), _ROUNDED_FARTHEST / root
    if not (over_sigma.min() > 0 and farthest < np.inf):  # one is enough where sigma is 0
        require_positive("sigma", sigma)
        np.copyto(b, 0.0, where=np.isinf(sigma) & ~np.isnan(mu))  # infinity times 0 where mu is infinite, too
        np.multiply(b, b, out=value)
        b.clip(-end, end, out=b)
    if not farthest < end**2:
        value.clip(0.0, end**2, out=value)
    value *= -math.pi / math.log(2)
    np.exp2(value, out=value)
    value *= over_sigma
    b *= -root
    b *= value
    out[0][...], out[1][...] = value, b
