"""BatchNorm with numbers of all sizes, against power series of the forward pass in ball arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from flint import arb, arb_series, ctx

from numeric.batchnorm import backward, double_backward, forward, inference

Column = tuple[float, ...]


class Channel(NamedTuple):
    """One channel: x, g, v; gamma, beta, and the upstream gradients of their gradients; eps."""

    x: Column
    g: Column
    v: Column
    parameters: Column
    eps: float


SMALLEST, LARGEST = 5e-324, np.finfo(np.float64).max
ORDINARY = (1.1, -3.0, 2.6)
# where digits are lost, or all of them, unless what is added is brought to a size of about 1
FOUND = [
    Channel(
        (8.8e236, 1e237, 9.5e236),
        (4e166, -4.8e165, 1e166),
        (8.7e-121, 3.8e-120, 1e-120),
        (-1.3e-184, -3e218, 7e240, 1.7e83),
        1.2e-226,
    ),
    Channel(
        (-1.9e292, -6e291, -2.4e292),
        (6e222, -6e223, 1e222),
        (2.4e-287, 1.6e-287, 0.0),
        (2.9e73, -2e-276, -1.5e-112, 2.8e162),
        1.2e-226,
    ),
    Channel(
        (-9.9e-323, 2.4e-322, -4.4e-323),
        (5e-31, -5e-31, 0.0),
        (6e-87, -2e-87, 1e-87),
        (2.3e211, -1e-129, 2.5e252, -3e-269),
        4.9e-81,
    ),
    Channel(
        (LARGEST,) * 3,
        (-5e-170, 8e-170, 1e-170),
        (-1e-30, 8e-31, 0.0),
        (3.8e282, -3e-43, -5e189, -2e-149),
        4.9e-81,
    ),
    Channel(
        (-3.9, 5.2, -20.9),
        (5.4e247, 3.8e247, -2e247),
        (2.5e138, 1.9e139, 0.0),
        (-8e-311, 3.9e296, 4.9e109, -1.8e277),
        4.9e-81,
    ),
    Channel(
        (3e-189, 4.4e-190, -4.5e-190),
        (-2.3e296, 3.5e296, 1e296),
        (9.7e-214, -3e-214, 0.0),
        (1.9e-316, -3.3e14, -3.6e-285, 4.6e277),
        0.0,
    ),
    Channel(
        (6.92684e-290, 6.92682e-290),
        (-4.5e214, -1.5e214),
        (26.0, 12.0),
        (1.4e253, 4e-264, -2.6e175, -1.7e-83),
        2.4e162,
    ),
    Channel(
        (1.9e-310, 1e-311, 7e-311),
        (-4e-255, -2.5e-255, 1e-255),
        (7e37, -4e38, 0.0),
        (-9.2e28, 1e-317, -7.6e-53, 1.7e146),
        1.9e-75,
    ),
    Channel(
        (-SMALLEST,) * 2,
        (1.3e177, -2.3e177),
        (-5.7e289, -3.4e289),
        (-2.6e92, 1.2e101, 1.6e-276, -4.9e134),
        3e45,
    ),
    Channel(
        (2.1e-322, 2.2e-322),
        (4.2e112, 2.6e113),
        (1.5e290, 4.3e289),
        (1.8e-283, -5.7e-75, -1.1e-40, 5.9e227),
        1.3e-282,
    ),
    Channel(
        (0.0, 0.0, SMALLEST),
        (1.2e193, -4.3e194, 1e193),
        (1.8e-122, -2.4e-122, 0.0),
        (-8e152, -9.9e-243, -3.3e-104, 3.2e-291),
        1.5e88,
    ),
    Channel(
        (2.2707e-320, 2.2707e-320, 2.2712e-320),
        (-1.8e24, 1e25, 1e24),
        (-1e-91, -7e-91, 0.0),
        (-4.2e209, 7.3e72, 1.6e233, 2.3e-303),
        0.0,
    ),
    Channel((3.0,) * 3, ORDINARY, (1e100, -2e100, 0.0), (1e300, 1e-300, 1e200, 3e-300), 0.0),
    Channel((0.0, 0.0, SMALLEST), ORDINARY, ORDINARY, (1e30, 1e-270, 1e20, 1e-280), 1e-70),
    Channel((1e30, 2e30, 4e30), (1e50, -3e50, 2e50), (1e49, 0.0, -3e49), (1.1e-300, 0.0, 0.0, 0.0), 1e-5),
    Channel((1e30, 2e30, 4e30), ORDINARY, ORDINARY, (0.0, 0.0, 1.3e-300, 0.0), 1e-5),
    Channel(
        (1e45, 2e45, 3e45), (3e-134, -9e-134, 6e-134), (1e250, -2e250, 1e249), (1e-240, 0.0, 0.0, 0.0), 0.0
    ),
    Channel(
        (1e44, 2e44, 3e44), (3e-134, -9e-134, 6e-134), (1e240, -2e240, 1e239), (1e-150, 0.0, 0.0, 0.0), 0.0
    ),
    Channel((-2.0, 1.0, 1.0), (0.0,) * 3, (0.0, 1.7e308, 0.0), (2.0, 0.0, 0.0, 0.0), 0.0),
    Channel((LARGEST,) * 3, ORDINARY, (1.0, -2.0, 0.5), (1.0,) * 4, SMALLEST),
    Channel((5.14445193e-250,) * 5, (1.0,) * 5, (1.0,) * 5, (-6e74, -8e-181, 1e-210, 4e262), 2.7e-53),
]


def anywhere(seed: int) -> Iterator[Channel]:
    """Every quantity has a size of its own."""
    rng = np.random.default_rng(seed)
    for _ in range(60):
        m = int(rng.integers(2, 6))
        sizes = 10 ** rng.uniform(-310, 307, 8)
        x, g, v, parameters = (
            tuple(map(float, rng.standard_normal(n) * size))
            for n, size in ((m, sizes[0]), (m, sizes[1]), (m, sizes[2]), (4, sizes[3:7]))
        )
        yield Channel(x, g, v, parameters, float(sizes[7] * rng.integers(0, 2)))


def along(channel: Channel, shares: list[arb], of_scale: arb, of_shift: arb) -> tuple[arb_series, list[Any]]:
    """The loss and the outputs as series in t, where t times these numbers is added to x, gamma and beta."""
    gamma, beta, *_ = map(arb, channel.parameters)
    x = [arb_series([arb(a), share]) for a, share in zip(channel.x, shares, strict=True)]
    mean = sum(x) / len(x)
    variance = sum((a - mean) ** 2 for a in x) / len(x) + arb(channel.eps)
    constant = variance[0] == 0  # then xhat is 0
    s = arb_series([0]) if constant else variance.rsqrt()
    y = [arb_series([gamma, of_scale]) * (a - mean) * s + arb_series([beta, of_shift]) for a in x]
    return sum(arb(g) * out for g, out in zip(channel.g, y, strict=True)), y


def derivatives(channel: Channel) -> dict[str, list[arb]]:
    """All results, from coefficients of such series; mixed derivatives by polarisation."""
    zeros, one, m = [arb(0)] * len(channel.x), arb(1), len(channel.x)
    units = [[arb(int(i == j)) for j in range(m)] for i in range(m)]
    v, (v_gamma, v_beta) = [arb(a) for a in channel.v], map(arb, channel.parameters[2:])
    loss, y = along(channel, v, v_gamma, v_beta)

    def mixed(unit: list[arb], of_scale: arb) -> arb:
        both = [a + b for a, b in zip(v, unit, strict=True)]
        together, alone = (
            along(channel, both, v_gamma + of_scale, v_beta),
            along(channel, unit, of_scale, arb(0)),
        )
        return together[0][2] - loss[2] - alone[0][2]

    return {
        "y": [out[0] for out in y],
        "grad_input": [along(channel, unit, arb(0), arb(0))[0][1] for unit in units],
        "grad_gamma": [along(channel, zeros, one, arb(0))[0][1]],
        "grad_beta": [along(channel, zeros, arb(0), one)[0][1]],
        "second grad_input": [mixed(unit, arb(0)) for unit in units],
        "second grad_g": [out[1] for out in y],
        "second grad_gamma": [mixed(zeros, one)],
    }


def sizes(channel: Channel) -> dict[str, arb]:
    """Of what is added."""
    x, g, v = ([arb(a) for a in column] for column in channel[:3])
    gamma, beta, v_gamma, v_beta = (abs(arb(a)) for a in channel.parameters)
    m, mean = len(x), sum(x) / len(x)
    added = sum((a - mean) ** 2 for a in x) / m + arb(channel.eps)
    s = arb(0) if added == 0 else added.rsqrt()
    xhat = [abs(a - mean) * s for a in x]

    def of(a: list[arb], b: list[arb]) -> arb:
        return sum(abs(p) * abs(q) for p, q in zip(a, b, strict=True)) / m

    ones = [arb(1)] * m
    top, top_g, top_v = (max(map(abs, column)) for column in (xhat, g, v))
    of_g, of_v = of(g, xhat), of(v, xhat)
    c = of(v, g) + of(v, ones) * of(g, ones) + of_v * of_g
    return {
        "y": gamma * top + beta,
        "grad_input": gamma * s * (top_g + of_g * top),
        "grad_gamma": m * (of_g + abs(sum(g)) / m * of(xhat, ones)),
        "grad_beta": m * of(g, ones),
        "second grad_input": v_gamma * s * (top_g + of_g * top)
        + gamma * s**2 * (of_g * top_v + of_v * top_g + (c + 2 * of_v * of_g) * top),
        "second grad_g": gamma * s * (top_v + of_v * top) + v_gamma * top + v_beta,
        "second grad_gamma": m * s * c,
    }


def computed(channel: Channel, beside: int = 0) -> dict[str, Any]:
    """What is found; there may be ordinary channels on the right."""
    rng = np.random.default_rng(0)
    x, g, v = (
        np.column_stack([column, rng.standard_normal((len(column), beside))]) for column in channel[:3]
    )
    gamma, beta, v_gamma, v_beta = (np.r_[a, np.ones(beside)] for a in channel.parameters)
    first = backward(x, g, gamma, channel.eps)
    second = double_backward(x, g, gamma, channel.eps, v, v_gamma, v_beta)
    results = {
        "y": forward(x, gamma, beta, channel.eps).y,
        **first._asdict(),
        **{f"second {name}": value for name, value in second._asdict().items()},
    }
    return {name: value[..., 0].reshape(-1) for name, value in results.items()}


@pytest.fixture(autouse=True)
def _precision() -> Iterator[None]:
    before = ctx.prec, ctx.cap
    ctx.prec, ctx.cap = 12_000, 3
    yield
    ctx.prec, ctx.cap = before


def within(found: float, true: arb, unit: arb) -> bool:
    """Whether it is at most 4 units away; what is larger than any double may be infinite."""
    if np.isinf(found):
        return bool(int(np.sign(found)) * true + 4 * unit > arb(LARGEST))
    return bool(abs(arb(found) - true) < 4 * unit)  # never for nan


@pytest.mark.parametrize("channels", [FOUND, [*anywhere(0)], [*anywhere(1)]])
def test_no_result_is_lost_on_the_way(channels: list[Channel]) -> None:
    ulp, tiny = arb(2) ** -52, arb(SMALLEST)
    for channel in channels:
        found, true, size = computed(channel), derivatives(channel), sizes(channel)
        for name, values in found.items():
            unit = max(ulp * size[name], tiny)
            for value, ball in zip(values.tolist(), true[name], strict=True):
                assert within(value, ball, unit), (name, value, float(ball), channel)


@pytest.mark.parametrize("channel", FOUND)
def test_what_stands_beside_does_not_matter(channel: Channel) -> None:
    alone, beside = computed(channel), computed(channel, 3)
    for name, values in alone.items():
        np.testing.assert_array_equal(values, beside[name])


@pytest.mark.parametrize(
    ("x", "mean", "variance", "gamma", "eps"),
    [
        (1e308, -1e308, 4e300, 1e-200, 0.0),
        (1e308, -1e308, 1e100, 1e-30, 0.0),
        (3e-200, 1e-200, 1e200, 1e300, 1.0),
        (LARGEST, LARGEST, 1.0, 1e300, 0.0),
        (SMALLEST, 0.0, 1e308, 1e200, 1e308),
        (1e300, 0.0, 1e308, 1e-200, 1e308),
        (1e300, 1e-300, 1e300, 1e-180, 0.0),
    ],
)
@pytest.mark.parametrize("beta", [0.0, 3e-5])
def test_inference_over_the_range(
    x: float, mean: float, variance: float, gamma: float, beta: float, eps: float
) -> None:
    product = arb(gamma) * (arb(x) - arb(mean)) * (arb(variance) + arb(eps)).rsqrt()
    unit = max((abs(product) + arb(beta)) * arb(2) ** -52, arb(SMALLEST))
    found = inference([mean, x], mean, variance, gamma, beta, eps)
    assert within(float(found[1]), product + arb(beta), unit)
