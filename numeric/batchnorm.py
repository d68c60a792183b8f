"""BatchNorm on arrays: the forward pass, the backward pass, and the gradients of the backward pass.

Axis 0 is the batch; channels do not see each other. With the mean ``mu`` and the biased variance ``var`` of the batch,
``xhat = (x - mu)/sqrt(var + eps)`` and ``y = gamma xhat + beta``. Write ``<a>`` for the mean over the batch and
``s = 1/sqrt(var + eps)``. The derivatives of ``sum(g y)`` are

    grad_input = gamma s (g - <g> - <g xhat> xhat),    grad_gamma = sum(g xhat),    grad_beta = sum(g),

and those of ``sum(v grad_input)``, with ``c = <v g> - <v> <g> - <v xhat> <g xhat>``,

    in g:      gamma s (v - <v> - <v xhat> xhat)
    in gamma:  m s c
    in x:      -gamma s^2 (<g xhat> (v - <v>) + <v xhat> (g - <g>) + (c - 2 <v xhat> <g xhat>) xhat).

The catalogue derives them: ``batchnorm.grad_input``, ``batchnorm.double_grad_input`` and their neighbours.

A first estimate of the mean is subtracted from the inputs. The mean and the mean square of the differences give the
variance and correct the mean; where the estimate was far off it is improved, and the differences are taken again. An
offset common to a batch so costs only the digits that it took from the data. :mod:`numeric.evaluation.channels` says
how sums are rounded, and that samples which stand out cost time. Of a float32 batch, channels that leave the range of
float32 on the way are computed in float64, and all of them if there are 32 samples or fewer; of a float64 batch,
channels that might leave the range of float64 are computed once more, with x, g and v divided by powers of two.

Results are differences, so errors are given in units ("ulp") of 2^-52, or 2^-23 for float32, of the sizes of what is
added, not of what is left: ``|gamma| max |xhat| + |beta|`` for y, ``|gamma| s (max |g| + <|g xhat|> max |xhat|)`` for
grad_input, and alike for the others, second gradients among them; for the variance its own size. In grad_gamma the mean
in xhat adds to ``m <|g xhat|>``, which can be small: its unit is ``m (<|g xhat|> + |<g>| <|xhat|>)``. Of normal,
uniform, rising, heavy-tailed and sparse data, with an offset and with one outlier, ``benchmarks/batchnorm_accuracy.py``
finds at most 3.2 ulp in float64 and 1.95 in float32. Random searches among odder inputs (a few equal spikes, steps,
geometric sequences, g with heavy tails or spikes), of which ``benchmarks/search_batchnorm.py`` is one, found at most
5.0 and 3.5; a search that improved on the worst samples of one channel again and again, 9.2 and 10.2.

nan and infinities stay in their channel. A channel that is constant has ``xhat = 0``; if also ``eps = 0``,
then ``s`` counts as 0, as in PyTorch's ``native_batch_norm``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numeric.arrays import Doubles, Floats, aligned
from numeric.evaluation.arguments import in_one_type, real, shown
from numeric.evaluation.channels import TINY, panels

__all__ = ["Forward", "Gradients", "SecondGradients", "backward", "double_backward", "forward", "inference"]

_INVERTIBLE = 2.0**-1000  # and what is greater; the reciprocal of what is somewhat smaller is infinite
_ROOM = 1000  # powers of two that numbers of size 1 have on either side
_SMALLEST = 1e-24  # in float32, squares of deviations of a smaller variance lose digits


class Forward(NamedTuple):
    """Output, and the mean and biased variance of the batch in each channel."""

    y: Floats
    mean: Floats
    variance: Floats


class Gradients(NamedTuple):
    """Gradients of ``sum(g y)``; those in gamma and beta have one entry for each channel."""

    grad_input: Floats
    grad_gamma: Floats
    grad_beta: Floats


class SecondGradients(NamedTuple):
    """Gradients of ``sum(v grad_input) + sum(v_gamma grad_gamma) + sum(v_beta grad_beta)`` in x, g and gamma."""

    grad_input: Floats
    grad_g: Floats
    grad_gamma: Floats


# --- the passes ------------------------------------------------------------------------------------------------


def forward(x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, eps: float) -> Forward:
    """Output of BatchNorm in training, with the statistics of the batch.

    Parameters
    ----------
    x
        Batch, shape (m, channels), or (m,) for one channel; m is at least 2. It is computed in float32 where NumPy
        would compute in float32 or float16, else in float64.
    gamma, beta
        Scale and shift, shape (channels,) or scalar.
    eps
        What is added to the variance, at least 0.

    Returns
    -------
    Forward
        ``y`` of the shape of x; ``mean`` and the biased ``variance``, shape (channels,), or () for one channel.

    Raises
    ------
    ValueError
        A shape does not fit, an array does not hold real numbers, the batch has fewer than two samples, or eps is not a
        number that is at least 0 and finite.

    Examples
    --------
    >>> y, mean, variance = forward([[1.0, 5.0], [3.0, 5.0]], gamma=2.0, beta=0.5, eps=0.0)
    >>> y
    array([[-1.5,  0.5],
           [ 2.5,  0.5]])
    >>> mean, variance
    (array([2., 5.]), array([1., 0.]))
    """
    shape, (batch,) = _batches(x=x)
    scale, shift = _per_channel(batch, gamma=gamma, beta=beta)
    y, mean, variance = _in_range(_FORWARD, _checked(eps), batch, scale, shift)
    return Forward(y.reshape(shape), mean.reshape(shape[1:]), variance.reshape(shape[1:]))


def inference(
    x: ArrayLike, mean: ArrayLike, variance: ArrayLike, gamma: ArrayLike, beta: ArrayLike, eps: float
) -> Floats:
    """Output of BatchNorm with given statistics, as in inference: ``gamma (x - mean)/sqrt(variance + eps) + beta``.

    Parameters
    ----------
    x
        Inputs, shape (m, channels), or (m,) for one channel.
    mean, variance, gamma, beta
        Statistics, scale and shift, shape (channels,) or scalar; the variance is at least 0, and positive if eps is 0.
    eps
        What is added to the variance, at least 0.

    Returns
    -------
    ndarray
        Of the shape of x; float32 for float32, else float64.

    Raises
    ------
    ValueError
        A shape does not fit, an array does not hold real numbers, the variance is negative, or 0 where eps is 0, or eps
        is not a number that is at least 0 and finite.

    Examples
    --------
    >>> inference([1.0, 4.0], mean=2.0, variance=4.0, gamma=3.0, beta=0.5, eps=0.0)
    array([-1. ,  3.5])
    """
    shape, (batch,) = _batches(at_least=0, x=x)
    centre, spread, scale, shift = _per_channel(batch, mean=mean, variance=variance, gamma=gamma, beta=beta)
    added = _checked(eps)
    if np.any(spread < 0) or (added == 0 and np.any(spread == 0)):
        raise ValueError(f"variance must be non-negative, and positive when eps is 0, got {shown(variance)}")
    overflows: list[str] = []
    with np.errstate(all="ignore", over="call", call=lambda what, _: overflows.append(what)):
        scaled = scale / np.sqrt(spread + added)
        y = _affine(batch, centre, scaled, shift)
        if batch.dtype == np.float32:
            sizes = np.abs([np.where(a == 0, 1.0, a) for a in (centre, scaled, shift)])
            lost = ~((sizes > TINY[4]) & (sizes < 1 / TINY[4])).all(axis=0)
            if overflows:
                lost |= ~np.isfinite(y).all(axis=0)
            if lost.any():
                wide = batch[:, lost].astype(np.float64)
                y[:, lost] = _affine(wide, centre[lost], scaled[lost], shift[lost])
    return y.reshape(shape)


def _affine(x: Floats, centre: Doubles, scaled: Doubles, shift: Doubles) -> Floats:
    """``scaled (x - centre) + shift``."""
    near = centre.astype(x.dtype)
    y: Floats = x - near
    rest = np.where(near == centre, 0.0, centre - near)  # what the rounding of the mean left behind
    y *= scaled.astype(x.dtype)
    y += (shift - rest * scaled).astype(x.dtype)
    return y


def backward(x: ArrayLike, g: ArrayLike, gamma: ArrayLike, eps: float) -> Gradients:
    """Gradients of ``sum(g y)`` through BatchNorm in training; the statistics are computed here.

    Parameters
    ----------
    x
        Batch, shape (m, channels), or (m,) for one channel; m is at least 2. It is computed in float32 where NumPy
        would compute with x and g in float32 or float16, else in float64.
    g
        Upstream gradient, of the shape of x.
    gamma
        Scale, shape (channels,) or scalar.
    eps
        What is added to the variance, at least 0.

    Returns
    -------
    Gradients
        ``grad_input`` of the shape of x; ``grad_gamma`` and ``grad_beta``, shape (channels,), or () for one channel.

    Raises
    ------
    ValueError
        A shape does not fit, an array does not hold real numbers, the batch has fewer than two samples, or eps is not a
        number that is at least 0 and finite.

    Examples
    --------
    >>> backward([1.0, 2.0, 6.0], [1.0, 0.0, 0.0], gamma=1.0, eps=0.0).grad_input.round(4)
    array([ 0.1763, -0.2204,  0.0441])
    """
    shape, (batch, upstream) = _batches(x=x, g=g)
    (scale,) = _per_channel(batch, gamma=gamma)
    grad_input, *others, _ = _in_range(_BACKWARD, _checked(eps), batch, upstream, scale)
    return Gradients(grad_input.reshape(shape), *(grad.reshape(shape[1:]) for grad in others))


def double_backward(
    x: ArrayLike,
    g: ArrayLike,
    gamma: ArrayLike,
    eps: float,
    v: ArrayLike,
    v_gamma: ArrayLike = 0.0,
    v_beta: ArrayLike = 0.0,
) -> SecondGradients:
    """Gradients through the backward pass: those of what :func:`backward` returns, contracted with v.

    Parameters
    ----------
    x, g, gamma, eps
        As in :func:`backward`.
    v
        Upstream gradient of ``grad_input``, of the shape of x; its type counts as that of g does.
    v_gamma, v_beta
        Upstream gradients of ``grad_gamma`` and ``grad_beta``, shape (channels,) or scalar.

    Returns
    -------
    SecondGradients
        ``grad_input`` (the one in x) and ``grad_g`` of the shape of x; ``grad_gamma``, shape (channels,), or ().

    Raises
    ------
    ValueError
        A shape does not fit, an array does not hold real numbers, the batch has fewer than two samples, or eps is not a
        number that is at least 0 and finite.

    Examples
    --------
    >>> second = double_backward([1.0, 2.0, 6.0], [1.0, 0.0, 0.0], 1.0, 0.0, v=[0.0, 1.0, 0.0])
    >>> second.grad_g.round(4)  # the matrix dy/dx is symmetric
    array([-0.2204,  0.2755, -0.0551])
    """
    shape, (batch, upstream, second) = _batches(x=x, g=g, v=v)
    parameters = _per_channel(batch, gamma=gamma, v_gamma=v_gamma, v_beta=v_beta)
    grad_x, grad_g, grad_gamma, _ = _in_range(
        _DOUBLE_BACKWARD, _checked(eps), batch, upstream, second, *parameters
    )
    return SecondGradients(grad_x.reshape(shape), grad_g.reshape(shape), grad_gamma.reshape(shape[1:]))


class _Results(NamedTuple):
    """What has an entry for each element of the batch, and what has one for each channel."""

    of_samples: list[Floats]
    of_channels: Doubles  # the last row is the variance
    doubtful: NDArray[np.bool_]  # channels in which something may have been lost by underflow


# --- the formulas ----------------------------------------------------------------------------------------------


def _forward(x: Floats, gamma: Doubles, beta: Doubles, eps: Doubles) -> _Results:
    y = aligned(x.shape, x.dtype)
    mean, variance = of_channels = np.empty((2, x.shape[1]))
    doubtful = np.empty(x.shape[1], bool)
    for at, panel in panels([x], [y]):
        found = panel.moments()
        s, _ = _scales(found.variance, eps if eps.size == 1 else eps[at])
        scaled = gamma[at] * s
        panel.combine(0, beta[at] - found.offset * scaled, (0, scaled))
        mean[at], variance[at], doubtful[at] = found.mean, found.variance, panel.doubtful
    return _Results([y], of_channels, doubtful)


def _backward(x: Floats, g: Floats, gamma: Doubles, eps: Doubles) -> _Results:
    dx = aligned(x.shape, x.dtype)
    grad_gamma, grad_beta, variance = of_channels = np.empty((3, x.shape[1]))
    doubtful = np.empty(x.shape[1], bool)
    for at, panel in panels([x, g], [dx], [(1, 0)]):
        found = panel.moments()
        s, squared_s = _scales(found.variance, eps if eps.size == 1 else eps[at])
        (mean_g,), (product,) = found.means, found.products
        covariance = product - found.offset * mean_g
        scaled = gamma[at] * s
        on_x = -scaled * (squared_s * covariance)
        panel.combine(0, -scaled * mean_g - on_x * found.offset, (0, on_x), (1, scaled))
        grad_gamma[at], grad_beta[at] = len(x) * (s * covariance), len(x) * mean_g
        variance[at], doubtful[at] = found.variance, panel.doubtful
    return _Results([dx], of_channels, doubtful)


def _double_backward(
    x: Floats, g: Floats, v: Floats, gamma: Doubles, v_gamma: Doubles, v_beta: Doubles, eps: Doubles
) -> _Results:
    grad_x, grad_g = aligned(x.shape, x.dtype), aligned(x.shape, x.dtype)
    grad_gamma, variance = of_channels = np.empty((2, x.shape[1]))
    doubtful = np.empty(x.shape[1], bool)
    for at, panel in panels([x, g, v], [grad_x, grad_g], [(1, 0), (2, 0), (1, 2)]):
        found = panel.moments()
        s, squared_s = _scales(found.variance, eps if eps.size == 1 else eps[at])
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
        grad_gamma[at], variance[at], doubtful[at] = len(x) * s * c, found.variance, panel.doubtful
    return _Results([grad_x, grad_g], of_channels, doubtful)


def _scales(variance: Doubles, eps: Doubles) -> tuple[Doubles, Doubles]:
    """s and its square. In the root of a reciprocal two of three roundings count half; in that of a root, one."""
    added = variance + eps
    squared: Doubles = 1 / added
    s: Doubles = np.sqrt(squared)
    if eps.size > 1 or eps[0] < _INVERTIBLE:
        small = added < _INVERTIBLE
        s[small] = 1 / np.sqrt(added[small])  # the reciprocal can be infinite
        s[added == 0] = squared[added == 0] = 0.0
        np.minimum(squared, np.finfo(float).max, out=squared)  # times a covariance of 0
    return s, squared


# --- the range of float32 and of float64 -------------------------------------------------------------------------

_NUMBER, _X, _G, _V = np.array([0, 0, 0]), *np.eye(3, dtype=int)


@dataclass(frozen=True)
class _Pass:
    """A pass, and the units of its arguments and results: powers of those of x, g and v."""

    compute: Callable[..., _Results]
    arguments: tuple[NDArray[np.int_], ...]
    of_samples: tuple[NDArray[np.int_], ...]
    of_channels: tuple[NDArray[np.int_], ...]

    def rescaled(self, *arguments: Doubles) -> _Results:
        """With x, g and v divided by powers of two, one for each channel, so that nothing is far from 1 on the way."""
        powers = np.array([_power_of_two(array) for array in arguments if array.ndim == 2])
        half, eps = arguments[0] / 2, arguments[-1][0]
        spread = np.where(np.ptp(half, axis=0) > 0, _power_of_two(half - half[0]) + 1, -_ROOM)
        if eps > 0:  # s is to be about 1
            np.maximum(spread, (np.frexp(eps)[1] + 1) // 2, out=spread)
        np.maximum(spread, powers[0] - _ROOM, out=powers[0])  # a large mean remains finite

        def times(array: Floats, unit: NDArray[np.int_]) -> Doubles:
            return np.asarray(np.ldexp(array, unit[: len(powers)] @ powers))

        found = self.compute(*(times(a, -unit) for a, unit in zip(arguments, self.arguments, strict=True)))
        of_samples = [times(a, unit) for a, unit in zip(found.of_samples, self.of_samples, strict=True)]
        of_channels = [times(a, unit) for a, unit in zip(found.of_channels, self.of_channels, strict=True)]
        return _Results([*of_samples], np.array(of_channels), found.doubtful)


def _power_of_two(array: Doubles) -> NDArray[np.intc]:
    """The power of two that the largest number of each channel is about; 0 where there are infinities or nan."""
    largest = np.abs(array).max(axis=0)
    return np.asarray(np.frexp(np.where(np.isfinite(largest), largest, 1.0))[1])


_FORWARD = _Pass(_forward, (_X, _NUMBER, _NUMBER, 2 * _X), (_NUMBER,), (_X, 2 * _X))
_BACKWARD = _Pass(_backward, (_X, _G, _NUMBER, 2 * _X), (_G - _X,), (_G, _G, 2 * _X))
_DOUBLE_BACKWARD = _Pass(
    _double_backward,
    (_X, _G, _V, _NUMBER, _V - _X, _V - _X, 2 * _X),
    (_V + _G - 2 * _X, _V - _X),
    (_V + _G - _X, 2 * _X),
)


def _in_range(step: _Pass, eps: float, x: Floats, *arguments: Floats) -> list[Floats]:
    """Results in the precision of x; channels that leave its range on the way are computed once more.

    Then they are computed in float64, with rescaled numbers. There are no warnings of floating point, but it is noticed
    when an element overflows; of sums of products it is not, but what overflows there is in all rows of a result. And
    NumPy's buffer is small, so that it does not copy a row of channels into it for each row of the batch, which takes
    up to half as long again.
    """
    narrow, arguments = x.dtype == np.float32, (x, *arguments, np.full(1, eps))
    least, most = (_SMALLEST, np.inf) if narrow else (TINY[8], 1 / TINY[8])
    overflows: list[str] = []
    with np.errstate(all="ignore", over="call", call=lambda what, _: overflows.append(what)):
        np.setbufsize(16)  # restored with the rest
        of_samples, of_channels, lost = step.compute(*arguments)
        variance = of_channels[-1]
        smallest, largest = of_channels.min(initial=0.0), of_channels.max(initial=0.0)
        if not (variance.min(initial=np.inf) + eps >= least and -most < smallest and largest + eps < most):
            lost |= ~((variance + eps >= least) & (np.abs(of_channels).max(axis=0) + eps < most))
        for result in of_samples:
            lost |= ~(np.isfinite(result).all(axis=0) if overflows else np.isfinite(result[0]))
        if lost.any():
            at = slice(None) if lost.all() else np.flatnonzero(lost)
            some = [np.ascontiguousarray(a if a.size == 1 else a[..., at], np.float64) for a in arguments]
            again = step.rescaled(*some)
            of_channels[:, at] = again.of_channels
            for result, values in zip(of_samples, again.of_samples, strict=True):
                result[:, at] = values
        return [*of_samples, *of_channels.astype(x.dtype, copy=False)]


# --- arguments -------------------------------------------------------------------------------------------------


def _checked(eps: Any) -> float:
    added = real("eps", eps)
    if not (isinstance(added, float) or added.ndim == 0) or not 0 <= added < np.inf:
        raise ValueError(f"eps must be at least 0 and finite, got {shown(eps)}")
    return float(added)


def _batches(at_least: int = 2, **arrays: ArrayLike) -> tuple[tuple[int, ...], list[Floats]]:
    """The shape of the batch, and the arrays as contiguous ones of shape (m, channels) and of one precision."""
    given = {name: real(name, array) for name, array in arrays.items()}
    shape = np.shape(given["x"])
    if len(shape) not in (1, 2):
        raise ValueError(f"x must have shape (m,) or (m, channels), got {shape}")
    if shape[0] < at_least:
        raise ValueError(f"x must hold at least {at_least} samples along axis 0, got shape {shape}")
    for name, array in given.items():
        if np.shape(array) != shape:
            raise ValueError(f"{name} must have the shape of x, {shape}, got {np.shape(array)}")
    flat = (shape[0], shape[1] if len(shape) == 2 else 1)
    return shape, [np.ascontiguousarray(array).reshape(flat) for array in in_one_type([*given.values()])]


def _per_channel(batch: Floats, **parameters: ArrayLike) -> list[Doubles]:
    channels = batch.shape[1]
    found = []
    for name, parameter in parameters.items():
        array = np.asarray(real(name, parameter))
        if array.shape not in ((), (channels,)):
            raise ValueError(f"{name} must be a scalar or have shape ({channels},), got shape {array.shape}")
        with np.errstate(all="ignore"):
            found.append(array.astype(np.float64) if array.ndim else np.full(channels, float(array)))
    return found
