r"""Ternary and sign weights, as fast values.

Definition: w has a symmetric law of standard deviation sigma (``"uniform"``, ``"gaussian"`` or ``"laplace"``), and
``tern(w) = sign(w)`` where ``|w| > delta``, else 0; its variance is the probability that w is not set to zero.

Identity: with the half width :math:`h = \sqrt3\sigma` of the uniform law,

===================  ===============================  ===========================  =================================
                     uniform, delta <= h              Gaussian                     Laplace
===================  ===============================  ===========================  =================================
P(tern(w) = 1)       :math:`(h - \delta)/(2h)`        :math:`\Phi(-\delta/\sigma)` :math:`e^{-\sqrt2\delta/\sigma}/2`
E\|w\|               :math:`h/2`                      :math:`\sqrt{2/\pi}\sigma`   :math:`\sigma/\sqrt2`
===================  ===============================  ===========================  =================================

Evaluation: the differences are formed in two or three doubles, and so are ratios, which are divided into a multiple
of 1/64 and a rest. There the Gaussian tail has a table of polynomials (`numeric.evaluation.truncated_moments`), or a
single one where delta is at most sigma (`numeric.evaluation.central_share`), and the Laplace tail a table of values.

Arguments broadcast; float32 stays float32. NaN gives NaN. Infinite arguments give the limit, and NaN where there is
none. A sigma that is not positive, a negative delta or t and an unknown law are refused with ValueError. No error
larger than what is stated was found by ``benchmarks/accuracy.py`` on its grids, nor by
``benchmarks/search_for_errors.py`` around their worst points. Within the errors a value may depend on what stands
beside it in an array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from numeric.arrays import Doubles, aligned
from numeric.evaluation import truncated_moments
from numeric.evaluation.arguments import (
    real_arrays,
    require_nonnegative,
    require_one_of,
    require_positive,
)
from numeric.evaluation.central_share import (
    central_ratio,
    centrally,
    lower_share,
    lower_share_of_parts,
    two_sided_share,
)
from numeric.evaluation.elementwise import blockwise
from numeric.evaluation.error_free import halves, two_product, two_sum, upper_half
from numeric.evaluation.scaled_normal import (
    Near,
    Numbers,
    nearest,
    nearest_to_sum,
    shift_ratio,
    value,
    with_numbers,
)
from numeric.evaluation.truncated_moments import LEFT, PER_UNIT, RIGHT, root_two_pi, tail

__all__ = ["binary_error", "mean_abs", "optimal_scale", "p_plus", "p_zero", "variance", "variance_at_ratio"]

Kernel = Callable[..., Doubles]

with localcontext(Context(prec=60)):
    _ROOT_2, _ROOT_3 = Decimal(2).sqrt(), Decimal(3).sqrt()
_FAR_BEYOND = 2.0**200  # the end of every uniform law of moderate sigma
_LAPLACE_LEFT = -528  # further to the left the share of a Laplace law is no more than zero


def p_plus(delta: ArrayLike, sigma: ArrayLike, distribution: str) -> Any:
    """P(tern(w) = 1).

    Error: at most 4 ulp (float32: 0.51).

    Parameters
    ----------
    delta, sigma
        Threshold, at least 0, and standard deviation of w.
    distribution
        ``"uniform"``, ``"gaussian"`` or ``"laplace"``.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, sigma is not positive, delta is negative, or the law is
        unknown.

    Notes
    -----
    Catalogue: ``ternary.uniform.p_plus``, and so for the other laws.

    Examples
    --------
    >>> round(float(p_plus(30.0, 1.0, "gaussian")) * 1e198, 12)
    4.906713927148
    """
    return _of_threshold(_P_PLUS, delta, sigma, distribution, 0)


def p_zero(delta: ArrayLike, sigma: ArrayLike, distribution: str) -> Any:
    """Share of zeros, P(tern(w) = 0).

    Error: at most 4 ulp (float32: 0.51).

    Parameters
    ----------
    delta, sigma
        Threshold, at least 0, and standard deviation of w.
    distribution
        ``"uniform"``, ``"gaussian"`` or ``"laplace"``.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, sigma is not positive, delta is negative, or the law is
        unknown.

    Notes
    -----
    Catalogue: ``ternary.uniform.p_zero``, and so for the other laws.

    Examples
    --------
    >>> float(p_zero(1e-300, 2.0, "laplace")) > 0
    True
    """
    return _of_threshold(_P_ZERO, delta, sigma, distribution, 0)


def variance(delta: ArrayLike, sigma: ArrayLike, distribution: str) -> Any:
    """Variance of ternary weights, 2 P(tern(w) = 1).

    Error: at most 4 ulp (float32: 1).

    Parameters
    ----------
    delta, sigma
        Threshold, at least 0, and standard deviation of w.
    distribution
        ``"uniform"``, ``"gaussian"`` or ``"laplace"``.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, sigma is not positive, delta is negative, or the law is
        unknown.

    Notes
    -----
    Catalogue: ``ternary.uniform.variance``, and so for the other laws, sari2020 (4).

    Examples
    --------
    >>> float(variance(0.0, 1.0, "uniform"))
    1.0
    """
    return 2 * p_plus(delta, sigma, distribution)


def variance_at_ratio(t: ArrayLike, distribution: str) -> Any:
    """Variance of ternary weights at the threshold ``delta = t E|w|``.

    Error: at most 3.5 ulp (float32: 0.51).

    Parameters
    ----------
    t
        Threshold in units of E\\|w\\|, at least 0.
    distribution
        ``"uniform"``, ``"gaussian"`` or ``"laplace"``.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When t is not real, or negative, or the law is unknown.

    Notes
    -----
    Catalogue: ``ternary.uniform.variance_at_ratio``, and so for the other laws.

    Examples
    --------
    >>> float(variance_at_ratio(0.7, "uniform"))
    0.65
    """
    kernel = _of_law(_VARIANCE_AT_RATIO, distribution)
    (t,) = real_arrays(t=t)
    require_nonnegative("t", t)
    return blockwise(kernel, t)


def optimal_scale(delta: ArrayLike, sigma: ArrayLike, distribution: str) -> Any:
    """Scale of least error at a threshold, mean of \\|w\\| where \\|w\\| > delta; NaN beyond all uniform weights.

    Error: at most 2 ulp (float32: 0.51).

    Parameters
    ----------
    delta, sigma
        Threshold, at least 0, and standard deviation of w.
    distribution
        ``"uniform"``, ``"gaussian"`` or ``"laplace"``.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When an argument is not real, the shapes do not fit, sigma is not positive, delta is negative, or the law is
        unknown.

    Notes
    -----
    Catalogue: ``ternary.uniform.optimal_scale``, and so for the other laws.

    Examples
    --------
    >>> float(optimal_scale(1e6, 1.0, "gaussian"))
    1000000.0000010001
    """
    return _of_threshold(_OPTIMAL_SCALE, delta, sigma, distribution, 1)


def mean_abs(sigma: ArrayLike, distribution: str) -> Any:
    """E\\|w\\|: the scale of least error of sign weights.

    Error: at most 1.5 ulp (float32: 0.51).

    Parameters
    ----------
    sigma
        Standard deviation of w.
    distribution
        ``"uniform"``, ``"gaussian"`` or ``"laplace"``.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When sigma is not real, or not positive, or the law is unknown.

    Notes
    -----
    Catalogue: ``ternary.uniform.mean_abs``, and so for the other laws.

    Examples
    --------
    >>> round(float(mean_abs(1.0, "gaussian")), 12)
    0.797884560803
    """
    factor = float(_of_law(_mean_abs(), distribution))
    return _of_sigma(lambda sigma, narrow: sigma * factor, sigma)


def binary_error(sigma: ArrayLike, distribution: str) -> Any:
    """Least error of sign weights, E(w - s sign(w))^2 at the scale s = E\\|w\\|: sigma^2 - (E\\|w\\|)^2.

    Error: at most 2 ulp (float32: 0.51).

    Parameters
    ----------
    sigma
        Standard deviation of w.
    distribution
        ``"uniform"``, ``"gaussian"`` or ``"laplace"``.

    Returns
    -------
    ndarray or scalar
        Of the shape of the arguments together; float32 for float32 and float16, else float64.

    Raises
    ------
    ValueError
        When sigma is not real, or not positive, or the law is unknown.

    Notes
    -----
    Catalogue: ``ternary.uniform.binary_error``, and so for the other laws.

    Examples
    --------
    >>> float(binary_error(2.0, "uniform"))
    1.0
    """
    factor = _of_law(_binary_error(), distribution)
    return _of_sigma(lambda sigma, narrow: sigma * (sigma * factor), sigma)


# --- evaluation --------------------------------------------------------------------------------------------------


def _of_law(table: Mapping[str, Any], distribution: str) -> Any:
    return table[require_one_of("distribution", distribution, table)]


def _of_threshold(
    kernels: Mapping[str, Kernel], delta: ArrayLike, sigma: ArrayLike, distribution: str, degree: int
) -> Any:
    kernel = _of_law(kernels, distribution)
    delta, sigma = real_arrays(delta=delta, sigma=sigma)
    require_nonnegative("delta", delta)
    return blockwise(with_numbers(kernel, delta, sigma, degree), delta, sigma)


def _of_sigma(kernel: Kernel, sigma: ArrayLike) -> Any:
    (sigma,) = real_arrays(sigma=sigma)
    require_positive("sigma", sigma)
    return blockwise(kernel, sigma)


@cache
def _parts(number: Decimal, count: int) -> list[Doubles]:
    """A number as a sum of so many doubles, each the rest of those before it."""
    parts: list[Doubles] = []
    with localcontext(Context(prec=60)):
        for _ in range(count):
            parts.append(np.array([float(number)]))
            number -= Decimal(float(number))
    return parts


@cache
def _in_halves(number: Decimal) -> tuple[float, float]:
    """A number as a double of 26 bits or less, and the rest."""
    upper = float(halves(np.array([float(number)]))[0][0])
    with localcontext(Context(prec=60)):
        return upper, float(number - Decimal(upper))


@cache
def _excess(number: Decimal) -> float:
    """By what share a number becomes larger when it is rounded to a double."""
    with localcontext(Context(prec=60)):
        return float(Decimal(float(number)) / number - 1)


@cache
def _mean_abs() -> dict[str, Decimal]:
    """E|w|/sigma."""
    with localcontext(Context(prec=60)):
        return {"uniform": _ROOT_3 / 2, "gaussian": 2 / root_two_pi(), "laplace": 1 / _ROOT_2}


@cache
def _binary_error() -> dict[str, float]:
    """1 - (E|w|/sigma)^2."""
    with localcontext(Context(prec=60)):
        return {law: float(1 - mean_size * mean_size) for law, mean_size in _mean_abs().items()}


def _uniform_p_plus(delta: Doubles, sigma: Doubles, numbers: Numbers) -> Doubles:
    if numbers is Numbers.ANY:
        sigma, exponent = np.frexp(sigma)
        delta = np.ldexp(delta, -exponent)
    if numbers is Numbers.NARROW:
        return _beyond_in_float32(delta, sigma)
    if sigma.size == 1:  # what is done to the one number takes no time
        beyond = _close_to_the_end(delta, sigma)
        return beyond.clip(0.0, 0.5, out=beyond)
    if not delta.max() < _FAR_BEYOND:
        delta = np.minimum(delta, _FAR_BEYOND)
    return _beyond(delta, sigma)


def _beyond_in_float32(delta: Doubles, sigma: Doubles) -> Doubles:
    """For arguments that come from float32."""
    beyond, room = aligned((2, max(delta.size, sigma.size)))
    np.divide(delta, sigma * -float(2 * _ROOT_3), out=beyond)
    beyond += 0.5
    return _without_cancellation(beyond, delta, sigma, room)


def _beyond(delta: Doubles, sigma: Doubles) -> Doubles:
    """With the half width in two parts, of which the first is exact.

    The width is divided by as the product with a rounded number; what is wrong with that is put right above the line.
    """
    upper, lower = _in_halves(_ROOT_3)
    excess = _excess(2 * _ROOT_3)
    beyond, rest, room = aligned((3, max(delta.size, sigma.size)))
    sigma_upper = upper_half(sigma, out=beyond)
    np.subtract(sigma, sigma_upper, out=rest)
    rest *= float(_ROOT_3)
    rest += np.multiply(sigma_upper, lower + excess * float(_ROOT_3), out=room)
    rest -= np.multiply(delta, excess, out=room)
    beyond *= upper
    beyond -= delta
    beyond += rest
    beyond /= np.multiply(sigma, float(2 * _ROOT_3), out=room)
    return _without_cancellation(beyond, delta, sigma, room)


def _without_cancellation(beyond: Doubles, delta: Doubles, sigma: Doubles, room: Doubles) -> Doubles:
    """From 0 to 1/2, computed once more where the end of the law is so close that nearly all digits cancel."""
    doubtful = np.abs(beyond, out=room) < 2.0**-20
    if doubtful.any():
        at = np.flatnonzero(doubtful)
        delta, sigma = (np.broadcast_to(argument, beyond.shape)[at] for argument in (delta, sigma))
        beyond[at] = _close_to_the_end(delta, sigma)
    return beyond.clip(0.0, 0.5, out=beyond)


def _close_to_the_end(delta: Doubles, sigma: Doubles) -> Doubles:
    """With the half width in more parts than can cancel; negative beyond the end."""
    first, second, third = _parts(_ROOT_3, 3)
    width, rest = two_product(sigma, first)
    more, least = two_product(sigma, second)
    rest, rounding = two_sum(rest, more)
    beyond = width - delta  # exact where it is small
    beyond += rest
    beyond += rounding + least + sigma * third
    beyond /= 2 * (width + rest)
    return beyond


def _gaussian_p_plus(delta: Doubles, sigma: Doubles, numbers: Numbers) -> Doubles:
    narrow = numbers is Numbers.NARROW

    def tabulated(mu: Doubles, sigma: Doubles) -> Doubles:
        return value(truncated_moments.gate, shift_ratio(mu, sigma, numbers)[0]).unscaled()

    return central_ratio(-delta, sigma, lambda a: lower_share(a, narrow), tabulated)


def _laplace_p_plus(delta: Doubles, sigma: Doubles, numbers: Numbers) -> Doubles:
    if numbers is Numbers.NARROW:
        exponent = delta * (-float(_ROOT_2) / sigma)
        return np.multiply(np.exp(exponent, out=exponent), 0.5, out=exponent)
    return _laplace_tail(shift_ratio(-delta, sigma, numbers)[0])


def _uniform_tail(ratio: Near) -> Doubles:
    first, second = _parts(_ROOT_3, 2)
    beyond = first + ratio.centre
    beyond += second + ratio.rest
    beyond /= 2 * first
    return beyond.clip(0.0, 0.5, out=beyond)


def _gaussian_tail(ratio: Near) -> Doubles:
    """The memory of the ratio is used."""

    def central(a: Doubles) -> Doubles:
        return lower_share(a, True) if ratio.narrow else lower_share_of_parts(a, ratio.centre, ratio.rest)

    def tabulated(at: Any) -> Doubles:
        return value(truncated_moments.gate, ratio.part(at)).unscaled()

    return centrally(ratio.centre + ratio.rest, central, tabulated)


def _laplace_tail(ratio: Near) -> Doubles:
    from_centre, at_centre = aligned((2, ratio.rest.size))
    np.multiply(ratio.rest, float(_ROOT_2), out=from_centre)
    np.exp(from_centre, out=from_centre)
    _laplace_at_centres().take(ratio.columns(_LAPLACE_LEFT, 0), mode="clip", out=at_centre)
    share: Doubles = from_centre * at_centre
    return share


@cache
def _laplace_at_centres() -> Doubles:
    """P(w < a sigma) at the multiples a of 1/PER_UNIT from _LAPLACE_LEFT to 0."""
    with localcontext(Context(prec=60)):
        step, found = (-_ROOT_2 / PER_UNIT).exp(), [Decimal("0.5")]
        for _ in range(-_LAPLACE_LEFT * PER_UNIT):
            found.append(found[-1] * step)
    return np.array(found[::-1], np.float64)


def _uniform_p_zero(delta: Doubles, sigma: Doubles, numbers: Numbers) -> Doubles:
    return np.minimum(delta / sigma / float(_ROOT_3), 1.0)


def _gaussian_p_zero(delta: Doubles, sigma: Doubles, numbers: Numbers) -> Doubles:
    narrow = numbers is Numbers.NARROW

    def tabulated(delta: Doubles, sigma: Doubles) -> Doubles:
        ratio, _ = shift_ratio(delta, sigma, numbers)
        share = value(truncated_moments.two_sided, ratio).unscaled()
        np.copyto(share, 1.0, where=ratio.centre >= RIGHT)
        return share.clip(0.0, 1.0, out=share)

    return central_ratio(delta, sigma, lambda a: two_sided_share(a, narrow), tabulated)


def _laplace_p_zero(delta: Doubles, sigma: Doubles, numbers: Numbers) -> Doubles:
    return -np.expm1(delta / sigma * -float(_ROOT_2))


def _gaussian_variance_at_ratio(t: Doubles, narrow: bool) -> Doubles:
    first, second = _parts(_mean_abs()["gaussian"], 2)

    def tabulated(at: Any) -> Doubles:
        ratio = np.minimum(t[at], -LEFT)
        delta, rounding = two_product(ratio, first)
        near = nearest(-delta, narrow) if narrow else -nearest_to_sum(delta, rounding + ratio * second)
        return value(truncated_moments.gate, near).unscaled()

    share = centrally(t * -first, lambda a: lower_share(a, narrow), tabulated)
    return np.multiply(share, 2.0, out=share)


def _uniform_optimal_scale(delta: Doubles, sigma: Doubles, numbers: Numbers) -> Doubles:
    scale = 0.5 * delta + sigma * float(_mean_abs()["uniform"])
    scale[np.broadcast_to(_uniform_p_plus(delta, sigma, numbers) == 0, scale.shape)] = np.nan
    return scale


def _gaussian_optimal_scale(delta: Doubles, sigma: Doubles, numbers: Numbers) -> Doubles:
    a, scale = shift_ratio(-delta, sigma, numbers)
    optimal = value(truncated_moments.inverse_mills, a).times(scale, 1)
    far = a.centre <= LEFT
    if far.any():
        expansion = np.polynomial.polynomial.polyval(
            (sigma / delta) ** 2, tail(truncated_moments.inverse_mills)
        )
        np.copyto(optimal, delta * expansion, where=far)
    return np.maximum(optimal, delta, out=optimal)


LOWER_TAILS: dict[str, Callable[[Near], Doubles]] = {
    "uniform": _uniform_tail,
    "gaussian": _gaussian_tail,
    "laplace": _laplace_tail,
}
"""P(w < ratio sigma) of blocks, by the name of the law; the ratio from -FARTHEST to 0."""
_P_PLUS: dict[str, Kernel] = {
    "uniform": _uniform_p_plus,
    "gaussian": _gaussian_p_plus,
    "laplace": _laplace_p_plus,
}
_P_ZERO: dict[str, Kernel] = {
    "uniform": _uniform_p_zero,
    "gaussian": _gaussian_p_zero,
    "laplace": _laplace_p_zero,
}
_VARIANCE_AT_RATIO: dict[str, Kernel] = {
    "uniform": lambda t, narrow: np.maximum(1 - 0.5 * t, 0.0),
    "gaussian": _gaussian_variance_at_ratio,
    "laplace": lambda t, narrow: np.exp(-t),
}
_OPTIMAL_SCALE: dict[str, Kernel] = {
    "uniform": _uniform_optimal_scale,
    "gaussian": _gaussian_optimal_scale,
    "laplace": lambda delta, sigma, numbers: delta + sigma * float(_mean_abs()["laplace"]),
}
