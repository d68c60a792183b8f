"""BatchNorm from its forward pass alone: derivatives by complex steps in extended precision.

The forward pass is analytic in every argument, so ``Im f(x + ih)/h`` is the derivative without cancellation, for
a step far below the rounding unit. Second derivatives take such a step in one direction, on dual numbers that carry the
derivative in another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numeric.arrays import Doubles
from numeric.evaluation.arguments import require_integer
from numeric.instruments.batches import polynomial_expectation
from numeric.instruments.bounded import Bounded
from numeric.sampling.normal import StandardNormalDraws

_STEP = np.longdouble("1e-200")


class Dual(np.lib.mixins.NDArrayOperatorsMixin):
    """An array and its derivative in one direction, which the operations of the forward pass carry along."""

    def __init__(self, value: Any, slope: Any) -> None:
        self.value, self.slope = value, slope

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any) -> Dual:
        (a, da), (b, db) = [(q.value, q.slope) if isinstance(q, Dual) else (q, 0) for q in (*inputs, 0)[:2]]
        slopes: dict[np.ufunc, Callable[[Any], Any]] = {
            np.add: lambda f: da + db,
            np.subtract: lambda f: da - db,
            np.multiply: lambda f: da * b + a * db,
            np.true_divide: lambda f: (da - f * db) / b,
            np.power: lambda f: b * a ** (b - 1) * da,  # for a constant exponent
            np.sqrt: lambda f: da / (2 * f),
        }
        value = ufunc(*(q.value if isinstance(q, Dual) else q for q in inputs))
        return Dual(value, slopes[ufunc](value))

    def mean(self) -> Dual:
        """The mean of the entries."""
        return Dual(self.value.mean(), self.slope.mean())

    def sum(self) -> Dual:
        """The sum of the entries."""
        return Dual(self.value.sum(), self.slope.sum())


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
    if not eps >= 0:
        raise ValueError(f"eps must be at least 0, got {eps}")
    centre = x.mean() if mean is None else mean
    spread = ((x - centre) ** 2).mean() if variance is None else variance
    output: NDArray[np.clongdouble] = gamma * (x - centre) / np.sqrt(spread + eps) + beta
    return output


def _complex_step(function: Callable[[np.clongdouble], NDArray[np.clongdouble]], at: float) -> Doubles:
    point = np.clongdouble(at) + np.clongdouble(1j) * _STEP
    return np.asarray(function(point).imag / _STEP, dtype=np.float64)


def _with_entry(x: Doubles, index: int, value: np.clongdouble) -> NDArray[np.clongdouble]:
    changed = x.astype(np.clongdouble)
    changed[index] = value
    return changed


def jacobian(x: Doubles, gamma: float, beta: float, eps: float) -> Doubles:
    """The matrix ``dy_j/dx_i``, row i and column j, shape (m, m)."""

    def row(index: int) -> Doubles:
        return _complex_step(lambda v: forward(_with_entry(x, index, v), gamma, beta, eps), float(x[index]))

    return np.array([row(index) for index in range(x.size)])


def gradients(x: Doubles, g: Doubles, gamma: float, beta: float, eps: float) -> dict[str, Doubles]:
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

    def affine(index: int) -> Doubles:
        return _complex_step(
            lambda v: loss(gamma * _with_entry(xhat.real.astype(np.float64), index, v) + beta),
            float(xhat[index].real),
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


def second_gradients(
    x: Doubles, g: Doubles, v: Doubles, gamma: float, beta: float, eps: float
) -> dict[str, Doubles]:
    """Gradients of ``sum_n v_n dL/dx_n`` with ``L = sum_j g_j y_j``, the derivative of L along v.

    Parameters
    ----------
    x, g, v
        Batch, upstream gradients, and upstream gradients of the input gradient, shape (m,).
    gamma, beta, eps
        Parameters of the BatchNorm.

    Returns
    -------
    dict
        ``grad_input_dot_v``, the derivative itself, and its gradient ``double_grad_gamma``: shape (); its gradients
        ``double_grad_g`` and ``double_grad_input``: shape (m,).

    Examples
    --------
    >>> x, g = np.array([0.3, -1.2, 0.7, 2.0]), np.array([1.0, -0.4, 0.25, 0.6])
    >>> second = second_gradients(x, g, np.ones(4), 1.0, 0.0, 0.1)  # nothing depends on a common shift
    >>> np.abs(second["double_grad_input"]).max() < 1e-15
    np.True_
    """
    along = x.astype(np.clongdouble) + np.clongdouble(1j) * _STEP * v

    def derivative(value: Any) -> Doubles:
        return np.asarray(value.imag / _STEP, dtype=np.float64)

    def mixed(inputs: Any, scale: Any) -> Doubles:
        return derivative((g * forward(inputs, scale, beta, eps)).sum().slope)

    y = forward(along, gamma, beta, eps)
    return {
        "grad_input_dot_v": derivative((g * y).sum()),
        "double_grad_g": derivative(y),  # the loss is linear in g
        "double_grad_gamma": mixed(along, Dual(np.clongdouble(gamma), np.clongdouble(1))),
        "double_grad_input": np.array([mixed(Dual(along, unit), gamma) for unit in np.eye(x.size)]),
    }


def statistics_gradients(x: Doubles) -> tuple[Doubles, Doubles]:
    """Derivatives of the batch mean and of the biased batch variance in each input, each of shape (m,)."""

    def mean(index: int, value: np.clongdouble) -> NDArray[np.clongdouble]:
        return np.asarray(_with_entry(x, index, value).mean())

    def variance(index: int, value: np.clongdouble) -> NDArray[np.clongdouble]:
        z = _with_entry(x, index, value)
        return np.asarray(((z - z.mean()) ** 2).mean())

    def gradient(statistic: Callable[[int, np.clongdouble], NDArray[np.clongdouble]]) -> Doubles:
        return np.array([_complex_step(partial(statistic, i), float(x[i])) for i in range(x.size)])

    return gradient(mean), gradient(variance)


def spectrum(x: Doubles, gamma: float, eps: float) -> tuple[Doubles, int]:
    """Eigenvalues of the Jacobian ``dy_j/dx_i`` in ascending order of their real parts, and its numerical rank.

    Parameters
    ----------
    x
        Batch, shape (m,).
    gamma, eps
        Parameters of the BatchNorm.

    Examples
    --------
    >>> spectrum(np.array([0.3, -1.2, 0.7, 2.0]), 1.0, 0.0)[1]
    2
    """
    matrix = jacobian(x, gamma, 0.0, eps)
    singular = np.linalg.svd(matrix, compute_uv=False)
    rank = int(np.sum(singular > 1e-12 * max(float(singular[0]), np.finfo(float).tiny)))
    return np.sort(np.linalg.eigvals(matrix).real), rank


def across_batch(x: Doubles, g: Doubles, gamma: float, eps: float) -> dict[str, float]:
    """What the gradient of ``sum_j g_j y_j`` in the inputs adds up to across the batch.

    Parameters
    ----------
    x, g
        Batch and upstream gradients, shape (m,).
    gamma, eps
        Parameters of the BatchNorm.

    Returns
    -------
    dict
        ``sum``, ``mean``, ``variance`` (biased) of the input gradient, and ``dot_xhat``, its inner product with the
        normalised inputs.
    """
    gradient = gradients(x, g, gamma, 0.0, eps)["grad_input"].astype(np.longdouble)
    z = x.astype(np.longdouble)
    xhat = (z - z.mean()) / np.sqrt(z.var() + eps)
    return {
        "sum": float(gradient.sum()),
        "mean": float(gradient.mean()),
        "variance": float(((gradient - gradient.mean()) ** 2).mean()),
        "dot_xhat": float((gradient * xhat).sum()),
    }


@dataclass(frozen=True)
class BatchDraws(StandardNormalDraws):
    """Of each random Gaussian batch: the unbiased variance that enters the running variance.

    Parameters
    ----------
    m
        Batch size, at least 2.
    mu, sigma
        Mean and standard deviation of the inputs; sigma is positive.

    Raises
    ------
    ValueError
        When one is out of its range.
    """

    m: int
    mu: float
    sigma: float
    points = 1
    statistics = 1

    def __post_init__(self) -> None:
        require_integer("m", self.m, 2)
        if not np.isfinite(self.mu):
            raise ValueError(f"mu must be finite, got {self.mu}")
        if not 0 < self.sigma < np.inf:
            raise ValueError(f"sigma must be positive and finite, got {self.sigma}")

    @property
    def dimension(self) -> int:
        return self.m

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        batch = self.mu + self.sigma * z
        batch -= batch.mean(axis=0)
        np.square(batch, out=batch)
        np.divide(batch.sum(axis=0), self.m - 1, out=out[0])


@dataclass(frozen=True)
class GradientDraws(StandardNormalDraws):
    """Of independent standard normal upstream gradients of one batch: the mean square of the input gradient.

    Parameters
    ----------
    x
        The batch.
    gamma, eps
        Scale, and what is added to the variance.
    """

    x: tuple[float, ...]
    gamma: float
    eps: float
    points = 1
    statistics = 1

    def __post_init__(self) -> None:
        if len(self.x) < 2:
            raise ValueError(f"x must hold at least 2 samples, got {self.x}")

    @property
    def dimension(self) -> int:
        return len(self.x)

    def observe(self, z: Doubles, point: int, out: Doubles) -> None:
        # not by BLAS, whose order of summation depends on its threads
        gradient = np.einsum("ij,jn->in", _jacobian_of(self.x, self.gamma, self.eps), z)
        np.square(gradient, out=gradient)
        gradient.mean(axis=0, out=out[0])


@cache
def _jacobian_of(x: tuple[float, ...], gamma: float, eps: float) -> Doubles:
    return jacobian(np.array(x), gamma, 0.0, eps)


def running_variance(m: int, mu: float, sigma: float) -> Bounded:
    """Mean over Gaussian batches of the unbiased variance, by a cubature rule for batches.

    Parameters
    ----------
    m
        Batch size, at least 2.
    mu, sigma
        Mean and standard deviation of the inputs.

    Examples
    --------
    >>> running_variance(32, 0.3, 1.1).resolution < 1e-10
    True
    """
    return polynomial_expectation(
        lambda batch: batch.var(axis=0, ddof=1), require_integer("m", m, 2), 2, mu=mu, sigma=sigma
    )
