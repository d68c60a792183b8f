"""The passes of BatchNorm over arrays of shape (m, channels), and how they stay in the range of floats.

The formulas are those of :mod:`numeric.batchnorm`; arguments have been checked. A pass of a float32 or float64 batch is
tried as it is. Channels in which something has left the range, or might have, are computed once more in float64, with
x, g, v and the parameters divided by powers of two, channel by channel, so that what is added is about 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from numeric.arrays import Doubles, Floats, aligned
from numeric.evaluation.channels import TINY, Panel, panels

Powers: TypeAlias = NDArray[np.int_]

_ROOM = 1000  # powers of two by which a number of size 1 can be multiplied or divided
_STILL = 2.0**-1000  # the mean of deviations of a smaller variance may be subnormal, and lose digits
_SMALL = 2.0**-400  # squares of what rounding leaves of a smaller number may underflow
_NEGLIGIBLE = 200  # a term that is smaller by so many powers of two does not change a sum
_NONE = -100_000  # the exponent of zero: less than those of any products
_LEAST = 2.0**-250  # of a parameter, so that no product with what ``TINY`` allows underflows
_SMALLEST = 1e-24  # in float32, squares of deviations of a smaller variance lose digits


# --- the passes ------------------------------------------------------------------------------------------------


def forward_pass(eps: float, x: Floats, gamma: Doubles, beta: Doubles) -> list[Floats]:
    """Output, mean and variance."""
    return _in_range(_forward, _forward_again, eps, x, gamma, beta)


def backward_pass(eps: float, x: Floats, g: Floats, gamma: Doubles) -> list[Floats]:
    """Gradients in x, gamma and beta, and the variance."""
    return _in_range(_backward, _backward_again, eps, x, g, gamma)


def double_backward_pass(
    eps: float, x: Floats, g: Floats, v: Floats, gamma: Doubles, v_gamma: Doubles, v_beta: Doubles
) -> list[Floats]:
    """Second gradients in x, g and gamma, and the variance."""
    return _in_range(_double_backward, _double_backward_again, eps, x, g, v, gamma, v_gamma, v_beta)


def affine_pass(
    eps: float, x: Floats, centre: Doubles, spread: Doubles, scale: Doubles, shift: Doubles
) -> Floats:
    """``scale (x - centre)/sqrt(spread + eps) + shift``."""
    overflows: list[str] = []
    with np.errstate(all="ignore", over="call", call=lambda what, _: overflows.append(what)):
        scaled = scale / np.sqrt(spread + eps)
        y = _affine(x, centre, scaled, shift)
        least = TINY[x.itemsize]
        factors = [scaled, centre, shift] if x.dtype == np.float32 else [scaled]
        sizes = np.abs([np.where(a == 0, 1.0, a) for a in factors])
        lost = ~((sizes > least) & (sizes < 1 / least)).all(axis=0) | ((scaled == 0) & (scale != 0))
        if overflows:
            lost |= ~np.isfinite(y).all(axis=0)
        if lost.any():
            of_channels = (a[lost] for a in (centre, spread, scale, shift))
            y[:, lost] = _affine_again(eps, x[:, lost].astype(np.float64), *of_channels)
    return y


class _Results(NamedTuple):
    """What has an entry for each element of the batch, and what has one for each channel."""

    of_samples: list[Floats]
    of_channels: Doubles  # the last row is the variance
    doubtful: NDArray[np.bool_]  # channels in which something may have been lost by underflow

    def times(self, of_samples: list[Powers], of_channels: list[Powers]) -> _Results:
        """Times powers of two, which each channel has its own of."""
        every = [np.ldexp(a, power) for a, power in zip(self.of_samples, of_samples, strict=True)]
        return _Results(every, np.ldexp(self.of_channels, np.array(of_channels)), self.doubtful)


def _in_range(
    compute: Callable[..., _Results],
    again: Callable[..., _Results],
    eps: float,
    x: Floats,
    *arguments: Floats,
) -> list[Floats]:
    """Results in the precision of x; channels that leave its range on the way are computed once more.

    Then they are computed in float64, in units of their own. There are no warnings of floating point, but it is noticed
    when an element overflows; of sums of products it is not, but what overflows there is in all rows of a result. And
    NumPy's buffer is small, so that it does not copy a row of channels into it for each row of the batch, which takes
    up to half as long again.
    """
    narrow = x.dtype == np.float32
    least, most = (_SMALLEST, np.inf) if narrow else (TINY[8], 1 / TINY[8])
    overflows: list[str] = []
    with np.errstate(all="ignore", over="call", call=lambda what, _: overflows.append(what)):
        np.setbufsize(16)  # restored with the rest
        of_samples, of_channels, lost = compute(_Added(np.full(1, eps)), x, *arguments)
        variance = of_channels[-1]
        smallest, largest = of_channels.min(initial=0.0), of_channels.max(initial=0.0)
        lowest = variance.min(initial=np.inf)
        if not (lowest + eps >= least and -most < smallest and largest + eps < most):
            lost |= ~((variance + eps >= least) & (np.abs(of_channels).max(axis=0) + eps < most))
        if not lowest >= _STILL:  # lost, unless constant, so large that the mean has been found, or zero
            still = variance < _STILL
            size = np.abs(x[0, still])
            lost[still] |= (x[:, still] != x[0, still]).any(axis=0) | (size < _SMALL) & (size > 0)
        for result in of_samples:
            lost |= ~(np.isfinite(result).all(axis=0) if overflows else np.isfinite(result[0]))
        if lost.any():
            at = slice(None) if lost.all() else np.flatnonzero(lost)
            better = again(eps, *(np.ascontiguousarray(a[..., at], np.float64) for a in (x, *arguments)))
            of_channels[:, at] = better.of_channels
            for result, values in zip(of_samples, better.of_samples, strict=True):
                result[:, at] = values
            infinite = np.flatnonzero(sum(np.isinf(a).astype(int) for a in arguments if a.ndim == 1) == 1)
            if infinite.size:
                limits = _limits(compute, again, eps, *(a[..., infinite] for a in (x, *arguments)))
                for result, limit in zip(of_samples, limits, strict=False):
                    found = result[:, infinite]  # finite where that parameter is no factor
                    result[:, infinite] = np.where(np.isnan(found), limit, found)
        return [*of_samples, *of_channels.astype(x.dtype, copy=False)]


def _limits(
    compute: Callable[..., _Results], again: Callable[..., _Results], eps: float, *arguments: Floats
) -> list[Floats]:
    """Results, in which parameters are linear, where one is infinite: infinite too, with the sign of its term."""
    signs = [a if a.ndim == 2 else np.where(np.isinf(a), np.sign(a), 0.0) for a in arguments]
    return [np.inf * limit for limit in _in_range(compute, again, eps, *signs)]


# --- the formulas ----------------------------------------------------------------------------------------------


def _affine(x: Floats, centre: Doubles, scaled: Doubles, shift: Doubles) -> Floats:
    """``scaled (x - centre) + shift``."""
    near = centre.astype(x.dtype)
    y: Floats = x - near
    rest = np.where(near == centre, 0.0, centre - near)  # what the rounding of the mean left behind
    y *= scaled.astype(x.dtype)
    y += (shift - rest * scaled).astype(x.dtype)
    return y


def _forward(added: _Added, x: Floats, gamma: Doubles, beta: Doubles) -> _Results:
    y = aligned(x.shape, x.dtype)
    mean, variance = of_channels = np.empty((2, x.shape[1]))
    doubtful = np.empty(x.shape[1], bool)
    for at, panel in panels([x], [y]):
        found = panel.moments()
        s, _ = added.scales(found.variance, at)
        scaled = gamma[at] * s
        panel.combine(0, beta[at] - found.offset * scaled, (0, scaled))
        mean[at], variance[at], doubtful[at] = found.mean, found.variance, _doubtful(x, panel, gamma[at])
    return _Results([y], of_channels, doubtful)


def _backward(added: _Added, x: Floats, g: Floats, gamma: Doubles) -> _Results:
    dx = aligned(x.shape, x.dtype)
    grad_gamma, grad_beta, variance = of_channels = np.empty((3, x.shape[1]))
    doubtful = np.empty(x.shape[1], bool)
    for at, panel in panels([x, g], [dx], [(1, 0)]):
        found = panel.moments()
        s, squared_s = added.scales(found.variance, at)
        (mean_g,), (product,) = found.means, found.products
        covariance = product - found.offset * mean_g
        scaled = gamma[at] * s
        on_x = -scaled * (squared_s * covariance)
        panel.combine(0, -scaled * mean_g - on_x * found.offset, (0, on_x), (1, scaled))
        grad_gamma[at], grad_beta[at] = len(x) * (s * covariance), len(x) * mean_g
        variance[at], doubtful[at] = found.variance, _doubtful(x, panel, gamma[at])
    return _Results([dx], of_channels, doubtful)


def _double_backward(
    added: _Added, x: Floats, g: Floats, v: Floats, gamma: Doubles, v_gamma: Doubles, v_beta: Doubles
) -> _Results:
    grad_x, grad_g = aligned(x.shape, x.dtype), aligned(x.shape, x.dtype)
    grad_gamma, variance = of_channels = np.empty((2, x.shape[1]))
    doubtful = np.empty(x.shape[1], bool)
    for at, panel in panels([x, g, v], [grad_x, grad_g], [(1, 0), (2, 0), (1, 2)]):
        found = panel.moments()
        s, squared_s = added.scales(found.variance, at)
        mean_g, mean_v = found.means
        with_g, with_v = found.products[:2] - found.offset * found.means  # covariances with x
        c = found.products[2] - mean_g * mean_v - squared_s * with_g * with_v
        scaled = gamma[at] * s
        on_x, on_v = s * (v_gamma[at] - gamma[at] * (squared_s * with_v)), scaled
        panel.combine(1, v_beta[at] - on_v * mean_v - on_x * found.offset, (0, on_x), (2, on_v))
        on_g, on_v = on_x, -scaled * (squared_s * with_g)
        on_x = -squared_s * (scaled * (c - 2 * (squared_s * with_v * with_g)) + v_gamma[at] * (s * with_g))
        constant = -on_v * mean_v - on_g * mean_g - on_x * found.offset
        panel.combine(0, constant, (0, on_x), (1, on_g), (2, on_v))
        grad_gamma[at], variance[at] = len(x) * s * c, found.variance
        doubtful[at] = _doubtful(x, panel, gamma[at], v_gamma[at])
    return _Results([grad_x, grad_g], of_channels, doubtful)


@dataclass(frozen=True)
class _Added:
    """eps; or, for each channel, ``eps 4^-power`` where s and its square are wanted without ``2^-power``."""

    eps: Doubles
    power: Powers | None = None

    def scales(self, variance: Doubles, at: slice) -> tuple[Doubles, Doubles]:
        """s and its square. In the root of a reciprocal two of three roundings count half; in that of a root, one."""
        in_units = variance if self.power is None else np.ldexp(variance, -2 * self.power[at])
        added = in_units + (self.eps if self.eps.size == 1 else self.eps[at])
        squared: Doubles = 1 / added
        s: Doubles = np.sqrt(squared)
        if self.power is not None:
            s[added == 0] = squared[added == 0] = 0.0  # constant, and eps = 0
            squared = np.ldexp(squared, -2 * self.capped()[at])
        return s, squared

    def capped(self) -> Powers:
        """The power that the square comes in: beyond some size no more matters."""
        assert self.power is not None
        return np.clip(self.power, -_NEGLIGIBLE, _NEGLIGIBLE)


def _doubtful(x: Floats, panel: Panel, *factors: Doubles) -> NDArray[np.bool_]:
    """Channels of a panel that are in doubt, also since products with a factor may underflow in float64.

    In float32 such products are nothing, or are found in doubt when they are rounded.
    """
    found = panel.doubtful
    for factor in factors if x.dtype == np.float64 else ():
        size = np.abs(factor)
        found = found | (size < _LEAST) & (size > 0) | (size > 1 / _LEAST)
    return found


# --- the formulas once more -------------------------------------------------------------------------------------
#
# With numbers of about 1, which are multiples of powers of two: the deviations d of x of 2^p, s of 2^-(p + k) and
# xhat = s d of 2^-k; k is 0 unless eps is larger than the variance. Then in g - <g> - s^2 <g d> d the last term, a
# multiple of 4^-k, is small, and from some k on it does not matter how small: ``_Added`` gives s^2 as a multiple of
# 4^-(k - capped k), and what is multiplied by s^2 alone has to make up for that.


def _forward_again(eps: float, x: Doubles, gamma: Doubles, beta: Doubles) -> _Results:
    x, added, of_x, _, of_xhat = _in_own_units(x, eps)
    unit = np.maximum(_exponent(gamma) + of_xhat, _exponent(beta))
    found = _forward(added, x, np.ldexp(gamma, of_xhat - unit), np.ldexp(beta, -unit))
    mean = found.of_channels[0]
    np.copyto(mean, x.mean(axis=0), where=np.isnan(mean))  # infinite where a sample is
    return found.times([unit], [of_x, 2 * of_x])


def _backward_again(eps: float, x: Doubles, g: Doubles, gamma: Doubles) -> _Results:
    x, added, of_x, of_s, of_xhat = _in_own_units(x, eps)
    of_g, of_gamma = _exponent(g), _exponent(gamma)
    found = _backward(added, x, np.ldexp(g, -of_g), np.ldexp(gamma, -of_gamma))
    return found.times([of_gamma + of_s + of_g], [of_g + of_xhat, of_g, 2 * of_x])


def _double_backward_again(
    eps: float, x: Doubles, g: Doubles, v: Doubles, gamma: Doubles, v_gamma: Doubles, v_beta: Doubles
) -> _Results:
    x, added, of_x, of_s, of_xhat = _in_own_units(x, eps)
    of_g, of_v = _exponent(g), _exponent(v)
    g, v = np.ldexp(g, -of_g), np.ldexp(v, -of_v)

    def with_parameters(shift: Doubles, *powers: Powers) -> tuple[_Results, Powers]:
        """With the parameters times powers of two and over their largest product, and what that is a multiple of."""
        factors = list(zip((gamma, v_gamma, shift), (*powers, np.zeros_like(of_x)), strict=True))
        unit = np.max([_exponent(factor) + power for factor, power in factors], axis=0)
        scaled = [np.ldexp(factor, power - unit) for factor, power in factors]
        return _double_backward(added, x, g, v, *scaled), unit

    # in g: gamma s (v - ...) + v_gamma xhat + v_beta
    in_g, unit_of_g = with_parameters(v_beta, of_s + of_v, of_xhat)
    # in x: -gamma s^2 (<g xhat> (v - ...) + ...) + v_gamma s (g - ...), with s <g d> v times s^2 for <g xhat> v times s
    of_gamma = 2 * of_s + of_g + of_xhat + of_v + 2 * added.capped()
    in_x, unit_of_x = with_parameters(np.zeros_like(v_beta), of_gamma, of_s + of_g)
    both = _Results([in_x.of_samples[0], in_g.of_samples[1]], in_x.of_channels, in_x.doubtful)
    return both.times([unit_of_x, unit_of_g], [of_s + of_v + of_g, 2 * of_x])


def _affine_again(
    eps: float, x: Doubles, centre: Doubles, spread: Doubles, scale: Doubles, shift: Doubles
) -> Doubles:
    """``scale (x - centre)/sqrt(spread + eps) + shift``, with powers of two taken out of all of them."""
    root = (np.frexp(np.maximum(spread, eps))[1] + 1) // 2
    of_x, of_scale = np.maximum(_exponents(x), _exponents(centre)), _exponents(scale)
    y = np.ldexp(x, -of_x) - np.ldexp(centre, -of_x)
    product = of_scale + of_x + _exponents(y) - root
    unit = np.maximum(product, _exponents(shift))
    y = np.ldexp(y, -_exponents(y))
    y *= np.ldexp(scale, -of_scale) / np.sqrt(np.ldexp(spread, -2 * root) + np.ldexp(eps, -2 * root))
    y = np.ldexp(y, product - unit) + np.ldexp(shift, -unit)
    return np.asarray(np.ldexp(y, unit))


def _in_own_units(x: Doubles, eps: float) -> tuple[Doubles, _Added, Powers, Powers, Powers]:
    """x over 2^p, what is added to the variance, and the powers of x, of s and of xhat, which may be zero."""
    size = _exponent(x)
    near_one = np.ldexp(x, -size)  # where differences neither overflow nor become subnormal
    varies = (near_one != near_one[0]).any(axis=0)
    p = np.where(varies, size + _exponent(near_one - near_one[0]), -_ROOM)
    np.maximum(p, size - _ROOM, out=p)  # a large mean remains finite
    k = (np.frexp(eps)[1] + 1) // 2 - p if eps > 0 else np.zeros_like(p)
    k = np.where(varies, np.maximum(k, 0), k)
    added = _Added(np.ldexp(eps, -2 * (p + k)), k)
    of_s, of_xhat = np.where(varies | (eps > 0), -p - k, _NONE), np.where(varies, -k, _NONE)
    return np.ldexp(x, -p), added, p, of_s, of_xhat


def _exponent(array: Doubles) -> Powers:
    """The exponents of the largest number of each channel."""
    return _exponents(np.abs(array) if array.ndim == 1 else np.abs(array).max(axis=0))


def _exponents(array: Doubles) -> Powers:
    """The least power of two that is larger than the size of a number; 0 for infinities and nan."""
    powers = np.frexp(np.where(np.isfinite(array), array, 0.5))[1]
    return np.where(array == 0, _NONE, powers.astype(int))
