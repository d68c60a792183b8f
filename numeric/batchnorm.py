"""BatchNorm from its forward pass alone: derivatives by complex steps in extended precision.

The forward pass is analytic in every argument, so ``Im f(x + ih)/h`` is the derivative without cancellation, for
a step far below the rounding unit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from numeric.monte_carlo import Array, Estimate, sample_means

_STEP = np.longdouble("1e-200")


def forward(
    x: NDArray[np.clongdouble],
    gamma: np.clongdouble | float,
    beta: np.clongdouble | float,
    eps: float,
    mean: np.clongdouble | None = None,
    variance: np.clongdouble | None = None,
) -> NDArray[np.clongdouble]:
    """Output of BatchNorm on one channel.

    Parameters
    ----------
    x
        The batch, shape (m,).
    gamma, beta, eps
        Scale, shift, and what is added to the variance.
    mean, variance
        Statistics to use instead of those of the batch; a variance that is not given is taken about the mean.
    """
    centre = x.mean() if mean is None else mean
    spread = ((x - centre) ** 2).mean() if variance is None else variance
    return np.asarray(gamma * (x - centre) / np.sqrt(spread + eps) + beta)


def _complex_step(function: Callable[[np.clongdouble], NDArray[np.clongdouble]], at: float) -> Array:
    point = np.clongdouble(at) + np.clongdouble(1j) * _STEP
    return np.asarray(function(point).imag / _STEP, dtype=np.float64)


def _with_entry(x: Array, index: int, value: np.clongdouble) -> NDArray[np.clongdouble]:
    changed = x.astype(np.clongdouble)
    changed[index] = value
    return changed


def jacobian(x: Array, gamma: float, beta: float, eps: float) -> Array:
    """The matrix ``dy_j/dx_i``, row i and column j, shape (m, m)."""
    rows = [_complex_step(lambda v, i=i: forward(_with_entry(x, i, v), gamma, beta, eps), x[i]) for i in range(x.size)]
    return np.array(rows)


def gradients(x: Array, g: Array, gamma: float, beta: float, eps: float) -> dict[str, Array]:
    """Gradients of ``sum_j g_j y_j`` in every argument of the forward pass.

    Parameters
    ----------
    x, g
        Batch and upstream gradients, shape (m,).
    gamma, beta, eps
        Parameters of the BatchNorm.

    Returns
    -------
    dict
        ``grad_gamma``, ``grad_beta``, ``grad_mean``, ``grad_variance``: shape (); ``grad_xhat`` and
        ``grad_input``: shape (m,).
    """
    z = x.astype(np.clongdouble)
    mean, variance = z.mean(), ((z - z.mean()) ** 2).mean()
    xhat = np.asarray((z - mean) / np.sqrt(variance + eps))

    def loss(y: NDArray[np.clongdouble]) -> NDArray[np.clongdouble]:
        return np.asarray((g * y).sum())

    def affine(index: int) -> Array:
        return _complex_step(
            lambda v: loss(gamma * _with_entry(xhat.real.astype(np.float64), index, v) + beta), float(xhat[index].real)
        )

    return {
        "grad_gamma": _complex_step(lambda v: loss(forward(z, v, beta, eps)), gamma),
        "grad_beta": _complex_step(lambda v: loss(forward(z, gamma, v, eps)), beta),
        "grad_mean": _complex_step(lambda v: loss(forward(z, gamma, beta, eps, mean=v)), float(mean.real)),
        "grad_variance": _complex_step(
            lambda v: loss(forward(z, gamma, beta, eps, variance=v)), float(variance.real)
        ),
        "grad_xhat": np.array([affine(i) for i in range(x.size)]),
        "grad_input": jacobian(x, gamma, beta, eps) @ g,
    }


def running_variance(m: int, mu: float, sigma: float, draws: int, *, seed: int, stream: int, jobs: int = 1) -> Estimate:
    """Mean over random Gaussian batches of the unbiased variance that enters the running variance.

    Parameters
    ----------
    m
        Batch size, at least 2.
    mu, sigma
        Mean and standard deviation of the inputs.
    draws, seed, stream, jobs
        As in :func:`numeric.monte_carlo.sample_means`; one draw is one batch.
    """
    if m < 2:
        raise ValueError(f"m must be at least 2, got {m}")

    def statistics(rng: np.random.Generator, n: int) -> Array:
        batch = mu + sigma * rng.standard_normal((m, n))
        batch -= batch.mean(axis=0)
        np.multiply(batch, batch, out=batch)
        return np.asarray(batch.sum(axis=0) / (m - 1))[None, :]

    return sample_means(statistics, draws, seed=seed, stream=stream, jobs=jobs).of(lambda t: float(t[0]))
