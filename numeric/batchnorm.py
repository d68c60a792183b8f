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
channels that might leave the range of float64 are computed once more, with all numbers divided by powers of two
(:mod:`numeric.evaluation.batch_passes`).

Results are differences, so errors are given in units ("ulp") of 2^-52, or 2^-23 for float32, of the sizes of what is
added, not of what is left: ``|gamma| max |xhat| + |beta|`` for y, ``|gamma| s (max |g| + <|g xhat|> max |xhat|)`` for
grad_input, and alike for the others, second gradients among them; for the variance its own size. In grad_gamma the mean
in xhat adds to ``m <|g xhat|>``, which can be small: its unit is ``m (<|g xhat|> + |<g>| <|xhat|>)``. No unit is less
than the smallest subnormal number.

With numbers of all sizes, from subnormal ones to the largest, ``benchmarks/batchnorm_over_the_range.py`` finds at most
2.2 ulp in float64 and 1.7 in float32, against ball arithmetic. Of normal, uniform, rising, heavy-tailed and sparse
data, with an offset and with one outlier, ``benchmarks/batchnorm_accuracy.py`` finds at most 3.0 and 1.7, and of odder
inputs (a few equal spikes, steps, two values, g with heavy tails or spikes) ``benchmarks/search_batchnorm.py`` 3.7 and
2.5. Batches that are worse are made by ``benchmarks/worst_batches.py``. Where one sample holds most of g, grad_beta is
off by up to 3 in float32 (3.4 was seen; to look for that would take a twentieth of the time). Improving on random
batches again and again gives 3.9 and 2.0, and in longer searches 5.6 and 3.8. And the units leave out that the first
estimate of the mean may be off by up to half a standard deviation, if the first 256 samples (float32: 128) are unlike
the others: what is made of that cancels, which costs digits where g or v are large only where xhat is nearly 0. The
error of grad_gamma is then any number of units, but a small part of an ulp of ``m <|g|>``, which is far larger there;
in the second gradient in x 63 and 11 ulp were found so.

nan and infinities stay in their channel; one infinite parameter gives the infinite limit. A channel that is constant
has ``xhat = 0``; if also ``eps = 0``, then ``s`` counts as 0, as in PyTorch's ``native_batch_norm``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from numeric.arrays import Doubles, Floats
from numeric.evaluation.arguments import in_one_type, real, shown
from numeric.evaluation.batch_passes import affine_pass, backward_pass, double_backward_pass, forward_pass

__all__ = ["Forward", "Gradients", "SecondGradients", "backward", "double_backward", "forward", "inference"]


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
    y, mean, variance = forward_pass(_checked(eps), batch, scale, shift)
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
    wrong = spread < 0 if added else spread <= 0
    if wrong.any():
        raise ValueError(f"variance must be non-negative, and positive when eps is 0, got {spread[wrong][0]}")
    return affine_pass(added, batch, centre, spread, scale, shift).reshape(shape)


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
    grad_input, *others, _ = backward_pass(_checked(eps), batch, upstream, scale)
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
    grad_x, grad_g, grad_gamma, _ = double_backward_pass(_checked(eps), batch, upstream, second, *parameters)
    return SecondGradients(grad_x.reshape(shape), grad_g.reshape(shape), grad_gamma.reshape(shape[1:]))


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
    return shape, [np.ascontiguousarray(array).reshape(flat) for array in in_one_type(given)]


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
