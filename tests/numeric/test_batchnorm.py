"""BatchNorm on arrays against PyTorch in float64, ball arithmetic, and the laws it obeys."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from typing import Any

import flint
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from numeric.batchnorm import backward, double_backward, forward, inference

Array = NDArray[Any]
SHAPES = [
    (2, 1),
    (2, 3),
    (3, 5),
    (17, 7),
    (64, 16),
    (65, 1024),
    (130, 2050),
    (1000, 3),
    (4099, 512),
    (128, 4100),
]


def batch(seed: int, shape: tuple[int, ...], dtype: type = np.float64) -> tuple[Array, ...]:
    """x, g, v and gamma, beta, v_gamma, v_beta; gammas of both signs."""
    rng = np.random.default_rng((seed, *shape))
    x, g, v = (rng.standard_normal(shape) * scale + at for scale, at in ((2.0, 0.7), (1.0, -0.3), (0.5, 0.2)))
    return tuple(a.astype(dtype) for a in (x, g, v, *rng.standard_normal((4, *shape[1:]))))


def by_pytorch(arrays: tuple[Array, ...], eps: float) -> list[list[Array]]:
    """Output, gradients, and second gradients of PyTorch in float64."""
    x, g, v, gamma, beta, v_gamma, v_beta = (torch.tensor(np.float64(a), requires_grad=True) for a in arrays)
    y = torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)
    first = torch.autograd.grad(y, (x, gamma, beta), g, create_graph=True)
    second = torch.autograd.grad(first, (x, g, gamma), (v, v_gamma, v_beta))
    return [[t.detach().numpy() for t in tensors] for tensors in ((y,), first, second)]


def by_us(arrays: tuple[Array, ...], eps: float) -> list[list[Array]]:
    x, g, v, gamma, beta, v_gamma, v_beta = arrays
    return [
        [forward(x, gamma, beta, eps).y],
        list(backward(x, g, gamma, eps)),
        list(double_backward(x, g, gamma, eps, v, v_gamma, v_beta)),
    ]


@pytest.mark.parametrize(
    ("shape", "eps"),
    # of two samples hardly anything is left without eps; see the errors in units of the terms below
    [(shape, eps) for shape in SHAPES for eps in (1e-5, 0.3) if shape[0] > 2 or eps == 0.3],
)
def test_every_pass_agrees_with_pytorch(shape: tuple[int, int], eps: float) -> None:
    arrays = batch(1, shape)
    for ours, theirs in zip(by_us(arrays, eps), by_pytorch(arrays, eps), strict=True):
        for value, reference in zip(ours, theirs, strict=True):
            assert value.shape == reference.shape
            assert np.abs(value - reference).max() <= 1e-12 * np.abs(reference).max()


@pytest.mark.parametrize("shape", [(8, 3), (4099, 40), (20, 4100)])
def test_float32_stays_float32_and_is_as_near_to_float64_as_it_can_be(shape: tuple[int, int]) -> None:
    arrays = batch(2, shape, np.float32)
    exact = by_us(tuple(a.astype(np.float64) for a in arrays), 1e-5)
    for ours, theirs in zip(by_us(arrays, 1e-5), exact, strict=True):
        for value, reference in zip(ours, theirs, strict=True):
            assert value.dtype == np.float32
            assert np.abs(value - reference).max() <= 8 * np.finfo(np.float32).eps * np.abs(reference).max()


def test_statistics_are_those_of_the_batch_and_inference_uses_given_ones() -> None:
    x, _, _, gamma, beta, *_ = batch(3, (50, 4))
    y, mean, variance = forward(x, gamma, beta, 1e-3)
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(variance, x.var(axis=0), rtol=1e-14)  # biased
    np.testing.assert_allclose(inference(x, mean, variance, gamma, beta, 1e-3), y, rtol=0, atol=1e-14)
    reference = torch.nn.functional.batch_norm(
        *(torch.tensor(a) for a in (x, beta, gamma**2, gamma, beta)), training=False, eps=1e-3
    )
    np.testing.assert_allclose(inference(x, beta, gamma**2, gamma, beta, 1e-3), reference, atol=1e-12)


# --- accuracy ------------------------------------------------------------------------------------------------


BETA = 0.3


def exactly(x: Array, g: Array, v: Array, gamma: float, eps: float) -> tuple[list[Any], list[Any]]:
    """Backward, double backward and forward of one channel in ball arithmetic, and the sizes of what is added."""
    flint.ctx.dps = 60
    xs, gs, vs = ([flint.arb(float(e)) for e in a] for a in (x, g, v))
    m, scale = len(xs), flint.arb(gamma)

    def mean(a: list[Any], b: list[Any] | None = None) -> Any:
        return sum((p * q for p, q in zip(a, b, strict=True)) if b else a, flint.arb(0)) / m

    mu = mean(xs)
    deviations = [e - mu for e in xs]
    s = 1 / (mean(deviations, deviations) + flint.arb(eps)).sqrt()
    h = [s * d for d in deviations]
    gh, vh, vg = mean(gs, h), mean(vs, h), mean(vs, gs)
    mg, mv = mean(gs), mean(vs)
    c = vg - mg * mv - vh * gh
    sizes, values = [], []
    k = abs(scale) * s
    largest = lambda parts: max(abs(p) for p in parts)  # noqa: E731
    gh_size, vh_size = (mean([abs(p) for p in a], [abs(q) for q in h]) for a in (gs, vs))
    vg_size = mean([abs(p) for p in vs], [abs(q) for q in gs])
    top = largest(h)
    values.append([scale * s * (e - mg - gh * q) for e, q in zip(gs, h, strict=True)])
    sizes.append(k * (largest(gs) + gh_size * top))
    values.append([m * gh])
    sizes.append(m * gh_size)
    values.append(
        [-scale * s * s * (gh * (w - mv) + vh * (e - mg) + (c - 2 * vh * gh) * q)
         for w, e, q in zip(vs, gs, h, strict=True)]
    )  # fmt: skip
    sizes.append(
        k * s * (gh_size * largest(vs) + vh_size * largest(gs) + (vg_size + vh_size * gh_size) * top)
    )
    values.append([scale * s * (w - mv - vh * q) for w, q in zip(vs, h, strict=True)])
    sizes.append(k * (largest(vs) + vh_size * top))
    values.append([m * s * c])
    sizes.append(m * s * (vg_size + vh_size * gh_size))
    values.append([scale * q + flint.arb(BETA) for q in h])
    sizes.append(abs(scale) * top + abs(flint.arb(BETA)))
    return values, sizes


@pytest.mark.parametrize("offset", [0.0, 1e8])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("m", [2, 5, 64, 1000])
def test_errors_in_units_of_the_largest_term(m: int, dtype: type, offset: float) -> None:
    x, g, v, *_ = batch(4, (m,), dtype)
    x = (x * (100 if dtype is np.float32 and offset else 1) + dtype(offset)).astype(dtype)
    values, sizes = exactly(x, g, v, -0.7, 1e-5)
    second = double_backward(x, g, -0.7, 1e-5, v)
    first = backward(x, g, -0.7, 1e-5)
    ours = [first.grad_input, first.grad_gamma, second.grad_input, second.grad_g, second.grad_gamma]
    ours.append(forward(x, -0.7, BETA, 1e-5).y)
    unit = flint.arb(float(np.finfo(dtype).eps))
    for value, reference, size in zip(ours, values, sizes, strict=True):
        for computed, ball in zip(np.atleast_1d(value), reference, strict=True):
            assert abs(flint.arb(float(computed)) - ball) < 2 * unit * size


def error_of_variance(x: Array) -> float:
    """In units in the last place."""
    errors = []
    for channel, found in zip(x.T, forward(x, 1.0, 0.0, 1e-5).variance, strict=True):
        mean = sum(samples := [Fraction(float(e)) for e in channel]) / len(samples)
        exact = sum((e - mean) ** 2 for e in samples) / len(samples)
        errors.append(abs(Fraction(float(found)) - exact) / exact / Fraction(float(np.finfo(x.dtype).eps)))
    return float(max(errors))


@pytest.mark.parametrize(("dtype", "stated"), [(np.float64, 4), (np.float32, 2)])
@pytest.mark.parametrize("m", [32, 128, 1000])
def test_roundings_of_many_equal_terms_do_not_add_up(m: int, dtype: type, stated: float) -> None:
    """Sums over 32 rows one after the other are off by up to 16 units: each rounding goes the same way."""
    x = np.zeros((m, 100), dtype)
    x[0] = np.random.default_rng(0).standard_normal(100)
    assert error_of_variance(x) < stated


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("m", "share"), [(500, 0.02), (2000, 0.005)])
def test_zeros_beside_equal_samples_do_not_round_the_same_way(m: int, share: float, dtype: type) -> None:
    """The mean is off by 2 to 4 units if multiples of its first estimate, or of a better one, are rounded."""
    rng = np.random.default_rng(0)
    x = np.where(rng.random((m, 1024)) < share, rng.uniform(0.5, 1.5, 1024), 0).astype(dtype)
    exact = np.array([math.fsum(channel) / m for channel in x.T])
    errors = np.abs(forward(x, 1.0, 0.0, 1e-5).mean - exact) - np.finfo(dtype).eps * 1.6 * exact
    assert errors.max() <= 0


def test_sums_of_squares_which_one_sample_decides_are_precise() -> None:
    """Sums in pairs are off by 2.1 to 2.5 units here; of these, the deviations and their squares take up to 1.5."""
    x = np.random.default_rng(0).standard_normal((65, 300))
    x[0] *= 1000
    assert error_of_variance(x) < 2


@pytest.mark.parametrize(("m", "dtype"), [(4000, np.float64), (1000, np.float32)])
def test_where_few_samples_stand_out_the_estimate_of_the_mean_is_near_to_the_others(
    m: int, dtype: type
) -> None:
    """The first estimate is not: it is made of the samples that stand out and some others."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal(300) * rng.uniform(0.3, 0.99, 300) ** np.arange(m)[:, None]
    x, g = x.astype(dtype), np.broadcast_to(rng.standard_normal(300).astype(dtype), (m, 300))
    errors = np.abs(backward(x, g, 1.0, 0.0).grad_input / g) * x.std(axis=0)  # the exact gradient vanishes
    assert errors.max() < 2 * 3 * np.finfo(dtype).eps  # 3 as max |xhat| <|xhat|> is 2


def test_the_last_samples_are_in_the_first_estimate_where_there_are_few() -> None:
    """Of five samples three fill a row; from their mean alone the variance loses a digit."""
    rng = np.random.default_rng(0)
    x = 0.01 * rng.standard_normal((5, 300))
    x[3:] += 1
    assert error_of_variance(x) < 2.5


def test_an_unlucky_first_estimate_of_the_mean_is_improved() -> None:
    x, g, v, *_ = batch(5, (4000, 1024))
    x[:128] += 1e9  # half of the rows of which the first estimate is made
    ours = backward(x, g, 1.3, 0.0)
    for channel in range(3):
        values, sizes = exactly(x[:, channel], g[:, channel], v[:, channel], 1.3, 0.0)
        error = abs(flint.arb(float(ours.grad_gamma[channel])) - values[1][0])
        assert float(error / sizes[1]) < 2 * np.finfo(np.float64).eps
        errors = [
            abs(flint.arb(float(o)) - b) for o, b in zip(ours.grad_input[:, channel], values[0], strict=True)
        ]
        assert max(float(e / sizes[0]) for e in errors) < 2 * np.finfo(np.float64).eps


@pytest.mark.parametrize("scale", [1e-22, 1e-15, 1e18, 1e25])
def test_float32_far_from_one_is_computed_in_float64(scale: float) -> None:
    x, g, v, *_ = batch(6, (100, 3), np.float32)
    x[:, 1] *= np.float32(scale)
    assert np.isfinite(x).all()
    exact = by_us((*(a.astype(np.float64) for a in (x, g, v)), *np.ones((4, 3))), 0.0)
    single = by_us((x, g, v, *np.ones((4, 3))), 0.0)
    for ours, theirs in zip(single[:2], exact[:2], strict=True):  # second derivatives leave the range
        for value, reference in zip(ours, theirs, strict=True):
            error = np.abs(value - reference).reshape(-1, 3).max(axis=0)
            assert (error <= 1e-6 * np.abs(reference).reshape(-1, 3).max(axis=0)).all()


@pytest.mark.parametrize("scale", [1e-154, 1e-155, 1e-157])
def test_output_survives_a_variance_whose_reciprocal_overflows(scale: float) -> None:
    x = np.array([1.0, 2.0, 6.0, -3.0])
    np.testing.assert_allclose(forward(x * scale, 1.0, 0.0, 0.0).y, forward(x, 1.0, 0.0, 0.0).y, rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-90, 1e-80, 1e78, 1e88])
def test_products_of_three_may_be_as_large_and_as_small_as_float64_allows(scale: float) -> None:
    x, g, v, *_ = batch(11, (50, 1))
    at_one, scaled = (double_backward(a * x, a * g, 1.0, 0.0, a * v) for a in (1.0, scale))
    np.testing.assert_allclose(scaled.grad_gamma / scale, at_one.grad_gamma, rtol=1e-13)
    np.testing.assert_allclose(scaled.grad_input, at_one.grad_input, rtol=1e-10)


@pytest.mark.parametrize("m", [2, 9, 32])
def test_short_batches_of_float32_are_those_of_float64_rounded_once(m: int) -> None:
    arrays = batch(12, (m, 5000), np.float32)
    arrays[0][1] *= 1000
    exact = by_us([a.astype(np.float64) for a in arrays], 1e-5)
    for single, double in zip(by_us(arrays, 1e-5), exact, strict=True):
        for ours, reference in zip(single, double, strict=True):
            np.testing.assert_array_equal(ours, reference.astype(np.float32))


# --- cases ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [3, 49, 200])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_constant_channel_has_no_gradient_without_eps_and_the_centred_one_with_it(
    m: int, dtype: type
) -> None:
    _, g, v, gamma, beta, *_ = batch(7, (m, 2), dtype)
    x = np.full((m, 2), 0.1, dtype=dtype)  # the mean of which is rounded
    assert (forward(x, gamma, beta, 0.0).y == beta.astype(dtype)).all()
    assert (forward(x, gamma, beta, 0.0).variance == 0).all()
    first, second = backward(x, g, gamma, 0.0), double_backward(x, g, gamma, 0.0, v)
    for value in (first.grad_input, first.grad_gamma, *second):
        assert not value.any()
    expected = gamma / np.sqrt(1e-4) * (g - g.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(backward(x, g, gamma, 1e-4).grad_input, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("m", [7, 3000])
@pytest.mark.parametrize("constant", [1e172, -1e300])
def test_a_constant_channel_may_be_large(constant: float, m: int) -> None:
    y, mean, variance = forward(np.full(m, constant), 1.0, 0.5, 1e-5)
    assert (y == 0.5).all()
    assert (mean, variance) == (pytest.approx(constant), 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("m", [2, 3, 40, 300])
def test_a_constant_channel_may_have_any_size(m: int, dtype: type) -> None:
    limits = np.finfo(dtype)
    sizes = np.linspace(np.log2(limits.smallest_subnormal), np.log2(limits.max), 20_000, endpoint=False)
    x = np.broadcast_to(np.exp2(sizes).astype(dtype), (m, sizes.size))
    g = np.broadcast_to(np.eye(m, 1, dtype=dtype), x.shape)
    assert not forward(x, 1.0, 0.0, 1e-5).variance.any()
    alone, first = backward(np.ones(m), g[:, 0], 1.0, 1e-5), backward(x, g, 1.0, 1e-5)
    np.testing.assert_allclose(
        first.grad_input, np.broadcast_to(alone.grad_input[:, None], x.shape), rtol=1e-6
    )
    assert not first.grad_gamma.any()


def test_subnormal_upstream_gradients_of_a_constant_channel_keep_their_digits() -> None:
    least = np.finfo(float).smallest_subnormal
    found = backward(np.ones(1000), np.repeat([least, 0.0], [499, 501]), 1.0, 1e-5)
    assert found.grad_beta == 499 * least
    found = backward(np.ones(3), np.array([2 * least, 0.0, 0.0]), 2.0**200, 1e-60)
    expected = 2.0**200 * 1e30 * least * (np.array([6.0, 0.0, 0.0]) - 2) / 3
    np.testing.assert_allclose(found.grad_input, expected, rtol=4 * np.finfo(float).eps)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_limits_of_infinite_parameters(dtype: type) -> None:
    x, g = np.array([1.0, 2.0, 4.0], dtype), np.array([1.0, 0.0, 0.0], dtype)
    assert forward(x, np.inf, 1.0, 1e-5).y.tolist() == [-np.inf, -np.inf, np.inf]
    assert forward(x, -np.inf, 1.0, 1e-5).y.tolist() == [np.inf, np.inf, -np.inf]
    assert forward(x, 2.0, -np.inf, 1e-5).y.tolist() == [-np.inf] * 3
    assert np.isnan(forward(x, np.inf, -np.inf, 1e-5).y[2])  # no limit
    assert forward(np.array([1.0, np.inf], dtype), 1.0, 0.0, 1e-5).mean == np.inf
    one, infinite = (backward(x, g, gamma, 1e-5) for gamma in (1.0, np.inf))
    assert (infinite.grad_input == one.grad_input * np.inf).all()
    assert infinite.grad_gamma == one.grad_gamma
    one = double_backward(x, g, 1.0, 1e-5, x**2, 3.0, -np.inf)
    assert (one.grad_g == -np.inf).all()
    assert (one.grad_input == double_backward(x, g, 1.0, 1e-5, x**2, 3.0).grad_input).all()
    infinite = double_backward(x, g, np.inf, 1e-5, x**2, 3.0)
    second = double_backward(x, g, 1.0, 1e-5, x**2)
    assert (infinite.grad_input == second.grad_input * np.inf).all()
    assert infinite.grad_gamma == one.grad_gamma == second.grad_gamma


def test_the_reciprocal_of_a_small_eps_does_not_meet_a_covariance_of_zero() -> None:
    found = backward(np.full(3, 0.1), np.array([1.0, 2.0, 6.0]), 1.0, 1e-309)
    np.testing.assert_allclose(found.grad_input * 1e-309**0.5, [-2.0, -1.0, 3.0], rtol=1e-6)


def test_zero_variance_and_zero_eps_are_as_in_pytorch() -> None:
    x = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 4.0]])
    g, gamma, beta = x[::-1] + x, np.array([2.0, -1.0]), np.array([0.5, 0.25])
    tensors = [torch.tensor(a) for a in (x, gamma, beta, g)]
    y, mean, root = torch.native_batch_norm(*tensors[:3], None, None, True, 0.1, 0.0)
    np.testing.assert_allclose(forward(x, gamma, beta, 0.0).y, y, atol=1e-15)
    gradients = torch.ops.aten.native_batch_norm_backward(
        tensors[3], *tensors[:2], None, None, mean, root, True, 0.0, [True] * 3
    )
    for ours, theirs in zip(backward(x, g, gamma, 0.0), gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nan_stays_in_its_channel_and_nothing_warns(bad: float, dtype: type) -> None:
    arrays = batch(8, (70, 5), dtype)
    clean = list(chain(*by_us(arrays, 1e-5)))
    arrays[0][69, 2] = bad
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dirty = list(chain(*by_us(arrays, 1e-5)))
    others = np.arange(5) != 2
    for number, (before, after) in enumerate(zip(clean, dirty, strict=True)):
        assert (before[..., others] == after[..., others]).all()
        if number != 3:  # the gradient in beta is the sum of g
            assert np.isnan(after[..., 2]).all()


def test_scalars_stand_for_every_channel_and_one_axis_for_one_channel() -> None:
    x, g, v, *_ = batch(9, (30, 4))
    one, many = backward(x, g, 2.0, 0.1), backward(x, g, np.full(4, 2.0), 0.1)
    assert all((a == b).all() for a, b in zip(one, many, strict=True))
    single = double_backward(x[:, 1], g[:, 1], 2.0, 0.1, v[:, 1])
    assert [a.shape for a in single] == [(30,), (30,), ()]
    both = double_backward(x, g, 2.0, 0.1, v)
    for alone, among in zip(single, both, strict=True):
        np.testing.assert_allclose(alone, among[..., 1], rtol=1e-12, atol=1e-14)
    assert forward(x[:, 1], 1.0, 0.0, 0.1).mean.shape == ()


def test_no_channels_give_empty_results() -> None:
    nothing = np.empty((5, 0))
    assert forward(nothing, 1.0, 0.0, 0.1).y.shape == (5, 0)
    assert [a.shape for a in backward(nothing, nothing, np.empty(0), 0.1)] == [(5, 0), (0,), (0,)]
    assert double_backward(nothing, nothing, 1.0, 0.1, nothing).grad_gamma.shape == (0,)


def test_strides_byte_orders_and_read_only_memory_do_not_matter() -> None:
    x, g, *_ = batch(10, (12, 6))
    expected = backward(x[::2, ::-1].copy(), g[::2, ::-1].copy(), 1.5, 0.1)
    x.setflags(write=False)
    for a, b in ((x[::2, ::-1], g[::2, ::-1]), (np.asfortranarray(x)[::2, ::-1], g.astype(">f8")[::2, ::-1])):
        for ours, reference in zip(backward(a, b, 1.5, 0.1), expected, strict=True):
            assert (ours == reference).all()


def test_integers_and_mixed_precisions_are_computed_in_float64() -> None:
    x = np.array([[1, 2], [3, 5], [4, 4]])
    assert forward(x, 1, 0, 0).y.dtype == np.float64
    assert backward(x.astype(np.float32), x, 1.0, 0.0).grad_input.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_channel_has_no_second_gradient_for_the_smallest_eps(dtype: type) -> None:
    x, g, v = np.array([[1, 1, 1], [1, 2, 6], [1, 0, 0]], dtype)
    for eps in (1e-210, 1e-300):
        assert double_backward(x, g, 1.0, eps, v).grad_input.tolist() == [0, 0, 0]


def test_settings_of_numpy_are_left_as_they_were() -> None:
    before = np.getbufsize(), np.geterr()
    backward(np.ones((3, 2)), np.ones((3, 2)), 1.0, 0.0)
    assert (np.getbufsize(), np.geterr()) == before


X = np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: forward(X[:1], 1.0, 0.0, 0.1), r"x must hold at least 2 samples along axis 0, got shape \(1, 2\)"),
        (lambda: forward(3.0, 1.0, 0.0, 0.1), r"x must have shape \(m,\) or \(m, channels\), got \(\)"),
        (lambda: forward(X, 1.0, 0.0, -0.5), "eps must be at least 0 and finite, got -0.5"),
        (lambda: forward(X, 1.0, 0.0, np.nan), "eps must be at least 0 and finite, got nan"),
        (lambda: forward([[1.0], [2.0, 3.0]], 1.0, 0.0, 0.1), r"x must be real numbers, got \[\[1.0\], \[2.0, 3.0\]\]"),
        (lambda: forward(X * 1j, 1.0, 0.0, 0.1), r"x must be real numbers, got array\(\[\[0.\+0.j"),
        (lambda: forward(X, 1.0, np.ones(3), 0.1), r"beta must be a scalar or have shape \(2,\), got shape \(3,\)"),
        (lambda: backward(X, X[:2], 1.0, 0.1), r"g must have the shape of x, \(3, 2\), got \(2, 2\)"),
        (lambda: backward(X, X, np.ones((2, 1)), 0.1), r"gamma must be a scalar or have shape \(2,\), got shape"),
        (lambda: double_backward(X, X, 1.0, 0.1, X.T), r"v must have the shape of x, \(3, 2\), got \(2, 3\)"),
        (lambda: double_backward(X, X, 1.0, 0.1, X, v_beta=[1.0]), r"v_beta must be a scalar or have shape"),
        (lambda: inference(X, 0.0, -1.0, 1.0, 0.0, 2.0), "variance must be non-negative, .* got -1.0"),
        (lambda: inference(X, 0.0, 0.0, 1.0, 0.0, 0.0), "positive when eps is 0, got 0.0"),
        (lambda: inference(X, 0.0, [4.0, -1.0], 1.0, 0.0, 2.0), "variance must be non-negative, .* got -1.0"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


POWERS = (-960, -530, -300, 100, 520, 1000)


@pytest.mark.parametrize("eps", [0.0, 0.3])
@pytest.mark.parametrize("of_x", POWERS)
def test_units_of_powers_of_two_change_no_digit_over_the_whole_range(of_x: int, eps: float) -> None:
    x, g, v = np.random.default_rng(0).standard_normal((3, 40, 5))
    gamma, beta, v_gamma, v_beta = np.random.default_rng(1).standard_normal((4, 5))
    eps_there = float(np.ldexp(eps, 2 * of_x)) if abs(of_x) < 500 else 0.0
    eps = eps if eps_there else 0.0
    with np.errstate(over="ignore"):  # a variance may be infinite
        y, mean, variance = forward(x, gamma, beta, eps)
        expected = y, np.ldexp(mean, of_x), np.ldexp(variance, 2 * of_x)
        same(forward(np.ldexp(x, of_x), gamma, beta, eps_there), expected)
        dx, dgamma, dbeta = backward(x, g, gamma, eps)
        for of_g in (of_x, *POWERS):
            expected = np.ldexp(dx, of_g - of_x), np.ldexp(dgamma, of_g), np.ldexp(dbeta, of_g)
            same(backward(np.ldexp(x, of_x), np.ldexp(g, of_g), gamma, eps_there), expected)
        there = [
            np.ldexp(a, power) for a, power in ((x, of_x), (g, 600), (v, of_x), (v_gamma, 0), (v_beta, 0))
        ]
        second = double_backward(there[0], there[1], gamma, eps_there, *there[2:])
        in_x, in_g, in_gamma = double_backward(x, g, gamma, eps, v, v_gamma, v_beta)
        same(second, (np.ldexp(in_x, 600 - of_x), in_g, np.ldexp(in_gamma, 600)))


def same(found: Iterable[Array], expected: Iterable[Array]) -> None:
    """Equal to the last digit, unless that is subnormal."""
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-307)


# --- laws ----------------------------------------------------------------------------------------------------

shapes = st.tuples(st.integers(3, 150), st.integers(1, 5))
seeds = st.integers(0, 2**32)
UNIT = np.finfo(np.float64).eps


def size(x: Array, g: Array, gamma: Array, eps: float) -> Array:
    """Of the terms of the input gradient, for each channel."""
    top = np.abs(g).max(axis=0)
    xhat = np.abs(x - x.mean(axis=0)).max(axis=0) / np.sqrt(x.var(axis=0) + eps)
    return np.asarray(np.abs(gamma) / np.sqrt(x.var(axis=0) + eps) * top * (1 + xhat))


@settings(max_examples=60)
@given(seeds, shapes, st.sampled_from([0.0, 1e-5, 0.3]))
def test_input_gradient_sums_to_zero_and_without_eps_is_orthogonal_to_xhat(
    seed: int, shape: tuple[int, int], eps: float
) -> None:
    x, g, _, gamma, *_ = batch(seed, shape)
    gradient = backward(x, g, gamma, eps).grad_input
    bound = 8 * UNIT * shape[0] * size(x, g, gamma, eps)
    assert (np.abs(gradient.sum(axis=0)) <= bound).all()
    xhat = forward(x, 1.0, 0.0, eps).y
    along = np.abs((gradient * xhat).sum(axis=0))
    if eps == 0:
        assert (along <= bound * np.abs(xhat).max(axis=0)).all()
    elif eps == 0.3:
        assert (along > bound).any()


@settings(max_examples=60)
@given(seeds, shapes, st.integers(-10, 10))
def test_shift_and_scale_of_the_batch(seed: int, shape: tuple[int, int], power: int) -> None:
    x, g, v, gamma, *_ = batch(seed, shape)
    x, c = np.round(x * 2**20) / 2**20, 2.0**power
    bound = 16 * UNIT * size(x, g, gamma, 0.0)
    here = backward(x, g, gamma, 0.0).grad_input
    assert (np.abs(backward(x + 3.0, g, gamma, 0.0).grad_input - here) <= bound).all()  # exact shift
    assert (backward(c * x, g, gamma, 0.0).grad_input == here / c).all()
    second, scaled = (double_backward(a * x, g, gamma, 0.0, v).grad_input for a in (1.0, c))
    assert (scaled == second / c**2).all()


@settings(max_examples=60)
@given(seeds, shapes, st.floats(-5, 5), st.sampled_from([0.0, 1e-5, 0.3]))
def test_gradients_are_linear_in_g_and_the_matrix_is_symmetric(
    seed: int, shape: tuple[int, int], c: float, eps: float
) -> None:
    x, g, v, gamma, *_ = batch(seed, shape)
    first, other, both = (backward(x, a, gamma, eps).grad_input for a in (g, v, g + c * v))
    bound = 16 * UNIT * (size(x, g, gamma, eps) + (1 + abs(c)) * size(x, v, gamma, eps))
    assert (np.abs(first + c * other - both) <= bound).all()
    np.testing.assert_allclose(double_backward(x, g, gamma, eps, v).grad_g, other, atol=bound.max())


@settings(max_examples=60)
@given(seeds, shapes, st.floats(-100, 100))
def test_a_constant_upstream_gradient_is_annihilated(seed: int, shape: tuple[int, int], c: float) -> None:
    x, _, _, gamma, *_ = batch(seed, shape)
    g = np.full(shape, c)
    first = backward(x, g, gamma, 1e-5)
    assert (np.abs(first.grad_input) <= 8 * UNIT * size(x, g, gamma, 1e-5)).all()
    np.testing.assert_allclose(first.grad_beta, shape[0] * c, rtol=4 * UNIT)


@pytest.mark.parametrize("eps", [0.0, 1e-5])
@pytest.mark.parametrize(
    ("of_x", "of_g"),
    [(-37, 37), (-34, 34), (-28, 28), (-25, 20), (-11, -28), (-5, -30), (15, -15), (18, -16)],
)
def test_float32_far_from_one_is_as_near_to_float64(of_x: int, of_g: int, eps: float) -> None:
    x, g, v, *_ = batch(8, (50, 40), np.float32)
    x, g, v = x * np.float32(10.0**of_x), g * np.float32(10.0**of_g), v * np.float32(10.0**of_g)
    narrow = [*forward(x, 2.0, 0.5, eps), *backward(x, g, 2.0, eps), *double_backward(x, g, 2.0, eps, v)]
    x, g, v = x.astype(float), g.astype(float), v.astype(float)
    wide = [*forward(x, 2.0, 0.5, eps), *backward(x, g, 2.0, eps), *double_backward(x, g, 2.0, eps, v)]
    for value, reference in zip(narrow, wide, strict=True):
        with np.errstate(all="ignore"):
            rounded = reference.astype(np.float32)
        if np.isfinite(rounded).all():
            kind = np.finfo(np.float32)
            allowed = 8 * kind.eps * np.abs(reference).max() + kind.smallest_subnormal
            assert np.abs(value - reference).max() <= allowed


def test_what_fits_into_float32_does_not_overflow() -> None:
    x, g = np.float32([0, -1, 1, 3]), np.float32([0, 1.5e38, -1.5e38, 1e37])
    found = backward(x, g, 4.0, 0.0).grad_input
    exact = backward(x.astype(float), g.astype(float), 4.0, 0.0).grad_input
    fits = np.abs(exact) < np.finfo(np.float32).max
    assert fits.sum() == 3
    assert found[fits] == pytest.approx(exact[fits], rel=1e-6, abs=0)


@pytest.mark.parametrize(
    ("x", "mean", "variance", "gamma", "beta", "expected"),
    [
        (1.0, 1.0, 1e-80, 1.0, 0.5, 0.5),
        (3e38, -3e38, 1e76, 1.0, 0.0, 6.0),
        (1e38, 0.0, 1e70, 1e-8, 0.0, 1e-5),
        (1e30, 0.0, 1.0, 1e-41, 0.0, 1e-11),
        (1.0, np.inf, 1.0, 1.0, 0.0, -np.inf),
        (
            -1.1646394384917008e24,
            -1.1646393942275166e24,
            3.5367204357314956e14,
            9.495491335103404e28,
            0.0,
            -2.23495890e38,
        ),
    ],
)
def test_inference_in_float32_far_from_one(
    x: float, mean: float, variance: float, gamma: float, beta: float, expected: float
) -> None:
    (y,) = inference(np.float32([x]), mean, variance, gamma, beta, 0.0)
    assert y.dtype == np.float32
    assert y == pytest.approx(expected, rel=1e-6, abs=0)


def test_other_byte_orders_stay_float32() -> None:
    assert forward(np.array([1, 2], ">f4"), 1.0, 0.0, 0.0).y.dtype == np.float32


@pytest.mark.parametrize("eps", ["a", "1e-5", b"1", None, [1.0, 2.0], np.inf, -1.0, 10**400])
def test_eps_is_a_finite_number(eps: Any) -> None:
    with pytest.raises(ValueError, match=r"^eps must be .*, got"):
        forward([1.0, 2.0], 1.0, 0.0, eps)
