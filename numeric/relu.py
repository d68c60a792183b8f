r"""Moments of a ReLU after BatchNorm, as fast values.

Definition: y is normal with mean mu and standard deviation sigma, ``a = mu/sigma``; the functions below are
expectations of powers of ``ReLU(y) = max(0, y)``, and their derivatives.

Identity: with the standard moments :math:`M_0 = \Phi(a)`, :math:`M_1 = \varphi + a\Phi`,
:math:`M_2 = a\varphi + (1 + a^2)\Phi`,

===============  =================================  ==========================  ===============================
                 value                              derivative in mu            derivative in sigma
===============  =================================  ==========================  ===============================
gate             :math:`M_0`                        :math:`\varphi/\sigma`      :math:`-a\varphi/\sigma`
mean             :math:`\sigma M_1`                 :math:`\Phi(a)`             :math:`\varphi`
second moment    :math:`\sigma^2 M_2`               :math:`2\sigma M_1`         :math:`2\sigma\Phi`
variance         :math:`\sigma^2 (M_2 - M_1^2)`     :math:`2\sigma M_1\Phi(-a)` :math:`2\sigma(\Phi-M_1\varphi)`
===============  =================================  ==========================  ===============================

Evaluation: these forms cancel where a < 0, and the variance where a > 0, so that each is tabulated as it is
(`numeric.evaluation.truncated_moments`); where a >= 9 it is what it tends to. The gate of numbers from -1 to 1 is a
polynomial (`numeric.evaluation.central_share`), unless most of an array are others.

Arguments broadcast; float32 stays float32. NaN gives NaN. Infinite arguments give the limit, and NaN where there is
none, as of P(y > 0) where mu and sigma are infinite. A standard deviation that is not positive is refused with
ValueError. No error larger than what is stated was found by ``benchmarks/accuracy.py`` on its grids, nor by
``benchmarks/search_for_errors.py`` around their worst points, nor, but for that polynomial, by such searches a hundred
times as long. Within the errors a value may depend on what stands beside it in an array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numeric.arrays import Doubles
from numeric.evaluation import truncated_moments
from numeric.evaluation.arguments import real_arrays, require_nonzero, require_positive
from numeric.evaluation.central_share import central_ratio, lower_share
from numeric.evaluation.elementwise import blockwise, blockwise_into
from numeric.evaluation.normal_density import Rounded, density, rounded_density
from numeric.evaluation.scaled_normal import (
    Near,
    Numbers,
    Scale,
    nearest,
    scaled_density,
    shift_ratio,
    value,
    with_numbers,
)
from numeric.evaluation.truncated_moments import LEFT, RIGHT, Function, tail

__all__ = [
    "c1",
    "c2",
    "c2_variance",
    "gate_probability",
    "gate_probability_gradient",
    "mean",
    "mean_gradient",
    "ratio",
    "ratio_variance",
    "second_moment",
    "second_moment_gradient",
    "variance",
    "variance_gradient",
]

Limit = Callable[[Doubles, Doubles], Doubles]

_TINY = 2.0**-800  # a smaller mu over a small sigma may be too small to be held, and its slope large


# --- moments -------------------------------------------------------------------------------------------------


def gate_probability(mu: ArrayLike, sigma: ArrayLike = 1.0) -> Any:
    """P(y > 0).

    Error: at most 2.5 ulp (float32: 0.51).

    Parameters
    ----------
    mu, sigma
        Mean and standard deviation of y.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or sigma is not positive.

    Notes
    -----
    Catalogue: ``relu.gate_probability``, panigrahi2018 (12).

    Examples
    --------
    >>> float(gate_probability(0.0)), round(float(gate_probability(-30.0)) * 1e198, 12)
    (0.5, 4.906713927148)
    """
    return _of_normal(_gate_probability, mu, sigma, 0)


def mean(mu: ArrayLike, sigma: ArrayLike = 1.0) -> Any:
    """E ReLU(y).

    Error: at most 3 ulp (float32: 0.51).

    Parameters
    ----------
    mu, sigma
        Mean and standard deviation of y.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or sigma is not positive.

    Notes
    -----
    Catalogue: ``relu.mean_after_batchnorm``, panigrahi2018 (31).

    Examples
    --------
    >>> float(mean(-10.0)), float(mean(1e6))
    (7.474560254589328e-25, 1000000.0)
    """
    return _of_normal(_mean, mu, sigma, 1)


def second_moment(mu: ArrayLike, sigma: ArrayLike = 1.0) -> Any:
    """E ReLU(y)^2.

    Error: at most 4 ulp (float32: 0.51).

    Parameters
    ----------
    mu, sigma
        Mean and standard deviation of y.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or sigma is not positive.

    Notes
    -----
    Catalogue: ``relu.second_moment_after_batchnorm``.

    Examples
    --------
    >>> float(second_moment(0.0, 2.0))
    2.0
    """
    return _of_normal(_second_moment, mu, sigma, 2)


def variance(mu: ArrayLike, sigma: ArrayLike = 1.0) -> Any:
    """E ReLU(y)^2 - (E ReLU(y))^2.

    Error: at most 3.5 ulp (float32: 0.51).

    Parameters
    ----------
    mu, sigma
        Mean and standard deviation of y.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or sigma is not positive.

    Notes
    -----
    Catalogue: ``relu.variance_after_batchnorm``.

    Examples
    --------
    >>> float(variance(-38.0)) > 0, float(variance(1e9))
    (True, 1.0)
    """
    return _of_normal(_variance, mu, sigma, 2)


# --- their derivatives -----------------------------------------------------------------------------------------


def gate_probability_gradient(mu: ArrayLike, sigma: ArrayLike = 1.0) -> tuple[Any, Any]:
    """Derivatives of :func:`gate_probability` in mu and in sigma.

    Error: at most 4 ulp (float32: 0.51).

    Parameters
    ----------
    mu, sigma
        Mean and standard deviation of y.

    Returns
    -------
    tuple of ndarray or scalar
        The two derivatives, of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or sigma is not positive.

    Notes
    -----
    Catalogue: ``relu.gate_probability_in_beta`` and ``relu.gate_probability_in_gamma``.

    Examples
    --------
    >>> [round(float(slope), 12) for slope in gate_probability_gradient(0.0, 2.0)]
    [0.199471140201, 0.0]
    """
    mu, sigma = real_arrays(mu=mu, sigma=sigma)
    narrow = mu.dtype == np.float32
    if narrow and mu.size == 0:  # no block will be looked at
        require_positive("sigma", sigma)
    kernel = _rounded_gate_gradient if narrow else with_numbers(_gate_gradient, mu, sigma, -1)
    in_mu, in_sigma = blockwise_into(kernel, mu, sigma, outputs=2, of=mu.dtype)
    return in_mu, in_sigma


def mean_gradient(mu: ArrayLike, sigma: ArrayLike = 1.0) -> tuple[Any, Any]:
    """Derivatives of :func:`mean` in mu and in sigma.

    Error: at most 2.5 ulp (float32: 0.51).

    Parameters
    ----------
    mu, sigma
        Mean and standard deviation of y.

    Returns
    -------
    tuple of ndarray or scalar
        The two derivatives, of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or sigma is not positive.

    Notes
    -----
    Catalogue: ``relu.mean_in_beta`` and ``relu.mean_in_gamma``.

    Examples
    --------
    >>> [round(float(slope), 12) for slope in mean_gradient(0.0)]
    [0.5, 0.398942280401]
    """
    return _gradient(_mean_gradient, mu, sigma, 0)


def second_moment_gradient(mu: ArrayLike, sigma: ArrayLike = 1.0) -> tuple[Any, Any]:
    """Derivatives of :func:`second_moment` in mu and in sigma.

    Error: at most 3.5 ulp (float32: 0.51).

    Parameters
    ----------
    mu, sigma
        Mean and standard deviation of y.

    Returns
    -------
    tuple of ndarray or scalar
        The two derivatives, of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or sigma is not positive.

    Notes
    -----
    Catalogue: ``relu.second_moment_in_beta`` and ``relu.second_moment_in_gamma``.

    Examples
    --------
    >>> [round(float(slope), 12) for slope in second_moment_gradient(0.0)]
    [0.797884560803, 1.0]
    """
    return _gradient(_second_moment_gradient, mu, sigma, 1)


def variance_gradient(mu: ArrayLike, sigma: ArrayLike = 1.0) -> tuple[Any, Any]:
    """Derivatives of :func:`variance` in mu and in sigma.

    Error: at most 3.5 ulp (float32: 0.51).

    Parameters
    ----------
    mu, sigma
        Mean and standard deviation of y.

    Returns
    -------
    tuple of ndarray or scalar
        The two derivatives, of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or sigma is not positive.

    Notes
    -----
    Catalogue: ``relu.variance_in_beta`` and ``relu.variance_in_gamma``.

    Examples
    --------
    >>> [float(slope) for slope in variance_gradient(20.0)]  # doctest: +ELLIPSIS
    [1.1014496474...e-87, 2.0]
    """
    return _gradient(_variance_gradient, mu, sigma, 1)


# --- constants of gradient propagation -------------------------------------------------------------------------


def c1(gamma: ArrayLike, beta: ArrayLike) -> Any:
    """Factor of the gate on the second moment of a gradient, for a ReLU of ``gamma z + beta``; any sign of gamma.

    Error: at most 2.5 ulp (float32: 0.51).

    Parameters
    ----------
    gamma, beta
        Scale, of either sign but not zero, and shift of the BatchNorm.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or gamma is 0.

    Notes
    -----
    Catalogue: ``relu.c1``, panigrahi2018 (15).

    Examples
    --------
    >>> float(c1(-1.0, 0.0))
    0.5
    """
    return _of_affine(_gate_probability, gamma, beta)


def c2(gamma: ArrayLike, beta: ArrayLike) -> Any:
    """Second moment of ReLU(gamma z + beta) over gamma^2.

    Error: at most 2.5 ulp (float32: 0.51).

    Parameters
    ----------
    gamma, beta
        Scale, of either sign but not zero, and shift of the BatchNorm.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or gamma is 0.

    Notes
    -----
    Catalogue: ``relu.c2``, panigrahi2018 (16).

    Examples
    --------
    >>> float(c2(-2.0, 0.0))
    0.5
    """
    return _of_affine(_c2, gamma, beta)


def c2_variance(gamma: ArrayLike, beta: ArrayLike) -> Any:
    """Variance of ReLU(gamma z + beta) over gamma^2.

    Error: at most 2.5 ulp (float32: 0.51).

    Parameters
    ----------
    gamma, beta
        Scale, of either sign but not zero, and shift of the BatchNorm.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, or gamma is 0.

    Notes
    -----
    Catalogue: ``relu.c2_variance``, panigrahi2018 (8).

    Examples
    --------
    >>> round(float(c2_variance(3.0, 0.0)), 12)
    0.340845056908
    """
    return _of_affine(_c2_variance, gamma, beta)


def ratio(a: ArrayLike) -> Any:
    """c1/c2, the gate over the second moment, at ``a = beta/|gamma|``.

    Error: at most 2.5 ulp (float32: 0.51).

    Parameters
    ----------
    a
        Shift ratio, any real number.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When the argument is not real.

    Notes
    -----
    Catalogue: ``relu.ratio``, panigrahi2018 (13).

    Examples
    --------
    >>> float(ratio(0.0)), float(ratio(-1e5))
    (1.0, 5000000002.5)
    """
    (a,) = real_arrays(a=a)
    return blockwise(_ratio, a)


def ratio_variance(a: ArrayLike) -> Any:
    """c1/c2 with the variance as c2, at ``a = beta/|gamma|``.

    Error: at most 2.5 ulp (float32: 0.51).

    Parameters
    ----------
    a
        Shift ratio, any real number.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When the argument is not real.

    Notes
    -----
    Catalogue: ``relu.ratio_variance``, panigrahi2018 (13).

    Examples
    --------
    >>> float(ratio_variance(20.0))
    1.0
    """
    (a,) = real_arrays(a=a)
    return blockwise(_ratio_variance, a)


# --- evaluation --------------------------------------------------------------------------------------------------


def _of_normal(
    kernel: Callable[..., Any], mu: ArrayLike, sigma: ArrayLike, degree: int, outputs: int = 1
) -> Any:
    mu, sigma = real_arrays(mu=mu, sigma=sigma)
    return blockwise(with_numbers(kernel, mu, sigma, degree), mu, sigma, outputs=outputs)


def _gradient(kernel: Callable[..., Any], mu: ArrayLike, sigma: ArrayLike, degree: int) -> tuple[Any, Any]:
    in_mu, in_sigma = _of_normal(kernel, mu, sigma, degree, outputs=2)
    return in_mu, in_sigma


def _of_affine(kernel: Callable[..., Any], gamma: ArrayLike, beta: ArrayLike) -> Any:
    gamma, beta = real_arrays(gamma=gamma, beta=beta)
    require_nonzero("gamma", gamma)
    return _of_normal(kernel, beta, np.abs(gamma), 0)


def _replaced(values: Doubles, where: Any, by: Callable[[], Any]) -> Doubles:
    if where.any():
        np.copyto(values, by(), where=where)
    return values


@dataclass(frozen=True)
class _Tabulated:
    """A power of sigma times a function of a, its limit where mu/sigma is large, and the side that it stays on."""

    function: Function
    power: int
    limit: Limit
    stays: np.ufunc | None = None  # the minimum of both, or the maximum: roundings could pass the limit

    def __call__(self, mu: Doubles, sigma: Doubles, numbers: Numbers) -> Doubles:
        return self.at(*shift_ratio(mu, sigma, numbers), mu, sigma)

    def at(self, a: Near, scale: Scale, mu: Doubles, sigma: Doubles) -> Doubles:
        """The value at a shift ratio that is known."""
        values = value(self.function, a).times(scale, self.power)
        _replaced(values, a.centre >= RIGHT, lambda: self.limit(mu, sigma))
        return values if self.stays is None else self.stays(values, self.limit(mu, sigma), out=values)


_gate = _Tabulated(truncated_moments.gate, 0, lambda mu, sigma: np.ones_like(mu), np.minimum)
_mean = _Tabulated(truncated_moments.mean, 1, lambda mu, sigma: mu, np.maximum)
_second_moment = _Tabulated(truncated_moments.second_moment, 2, lambda mu, sigma: mu * mu + sigma * sigma)
_variance = _Tabulated(truncated_moments.variance, 2, lambda mu, sigma: sigma * sigma, np.minimum)
_half_slope = _Tabulated(truncated_moments.half_slope_of_variance, 1, lambda mu, sigma: sigma)
_sigma_gate = _Tabulated(truncated_moments.gate, 1, lambda mu, sigma: sigma, np.minimum)
_c2 = _Tabulated(truncated_moments.second_moment, 0, lambda mu, sigma: 1 + (mu / sigma) ** 2)
_c2_variance = _Tabulated(truncated_moments.variance, 0, lambda mu, sigma: np.ones_like(mu), np.minimum)


def _gate_probability(mu: Doubles, sigma: Doubles, numbers: Numbers) -> Doubles:
    narrow = numbers is Numbers.NARROW
    return central_ratio(
        mu, sigma, lambda a: lower_share(a, narrow), lambda mu, sigma: _gate(mu, sigma, numbers)
    )


def _rounded_gate_gradient(mu: Rounded, sigma: Rounded, narrow: bool, out: Sequence[Rounded]) -> None:
    rounded_density(mu, sigma, out)


def _gate_gradient(mu: Doubles, sigma: Doubles, numbers: Numbers, out: Sequence[Any]) -> None:
    if numbers is not Numbers.ANY and density(mu, sigma, out, _TINY if numbers is Numbers.MODERATE else 0.0):
        return
    a, scale = shift_ratio(mu, sigma, Numbers.ANY)
    at_zero = scaled_density(a, Numbers.ANY)
    out[0][...] = at_zero.over(scale)
    np.negative(at_zero.times_slope(mu, scale), out=out[1])


def _mean_gradient(mu: Doubles, sigma: Doubles, numbers: Numbers) -> tuple[Doubles, Doubles]:
    a, scale = shift_ratio(mu, sigma, numbers)
    return _gate.at(a, scale, mu, sigma), scaled_density(a, numbers).unscaled()


def _second_moment_gradient(mu: Doubles, sigma: Doubles, numbers: Numbers) -> tuple[Doubles, Doubles]:
    a, scale = shift_ratio(mu, sigma, numbers)
    return 2 * _mean.at(a, scale, mu, sigma), 2 * _sigma_gate.at(a, scale, mu, sigma)


def _variance_gradient(mu: Doubles, sigma: Doubles, numbers: Numbers) -> tuple[Doubles, Doubles]:
    a, scale = shift_ratio(mu, sigma, numbers)
    in_mu = value(truncated_moments.half_mean_slope_of_variance, a).times(scale, 1)
    _replaced(in_mu, a.centre >= RIGHT, lambda: value(truncated_moments.gate, -a).times_mean(mu, scale))
    return 2 * in_mu, 2 * _half_slope.at(a, scale, mu, sigma)


def _ratio(a: Doubles, narrow: bool) -> Doubles:
    return _of_ratios(
        truncated_moments.ratio, a, narrow, lambda: np.where(a < 1e8, 1 / (1 + a * a), 1 / a / a)
    )


def _ratio_variance(a: Doubles, narrow: bool) -> Doubles:
    return _of_ratios(truncated_moments.ratio_variance, a, narrow, lambda: np.ones_like(a))


def _of_ratios(function: Function, a: Doubles, narrow: bool, limit: Callable[[], Doubles]) -> Doubles:
    values = value(function, nearest(np.clip(a, LEFT, RIGHT), narrow)).unscaled()
    _replaced(values, a >= RIGHT, limit)
    expansion = np.polynomial.polynomial.polyval
    return _replaced(values, a < LEFT, lambda: a * (a * expansion(1 / (a * a), tail(function))))
