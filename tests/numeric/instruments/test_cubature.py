"""Two normal variables: the product rule against what is known, and its bound."""

from __future__ import annotations

import math

import flint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numeric.experiments.relu_integrals import relu_moment, relu_power
from numeric.instruments import cubature
from numeric.instruments.cubature import expectation_of_product
from numeric.instruments.quadrature import Piece, gauss_legendre

RELU = relu_power(1, 1.0, 0.0)


def _inside(found: object, true: flint.arb) -> bool:
    return bool(abs(flint.arb(found.value) - true) <= flint.arb(found.bound))  # type: ignore[attr-defined]


@pytest.mark.parametrize("correlation", [-0.95, -0.5, 0.0, 0.3, 0.9])
def test_product_of_correlated_relus(correlation: float) -> None:
    found = expectation_of_product(RELU, RELU, correlation)
    assert _inside(found, _kernel(correlation))
    assert found.resolution < 1e-6


@pytest.mark.parametrize("correlation", [-0.5, 0.7])
def test_quadrant_probability(correlation: float) -> None:
    gate = relu_power(0, 1.0, 0.0)
    true = flint.arb(1) / 4 + flint.arb(correlation).asin() / (2 * flint.arb.pi())
    assert _inside(expectation_of_product(gate, gate, correlation), true)


def _kernel(correlation: float) -> flint.arb:
    r = flint.arb(correlation)
    return ((1 - r**2).sqrt() + r * (flint.arb.pi() - r.acos())) / (2 * flint.arb.pi())


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.9])
@pytest.mark.parametrize("n", [5, 7, 10])
def test_with_few_nodes_the_bound_grows_and_holds(
    monkeypatch: pytest.MonkeyPatch, correlation: float, n: int
) -> None:
    rule = gauss_legendre(n)
    monkeypatch.setattr(cubature, "gauss_legendre", lambda: rule)
    found = expectation_of_product(RELU, RELU, correlation)
    assert _inside(found, _kernel(correlation))
    assert found.bound > 1e-9


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.9])
def test_with_an_early_cut_the_bound_grows_and_holds(
    monkeypatch: pytest.MonkeyPatch, correlation: float
) -> None:
    monkeypatch.setattr(cubature, "_DROP", 3.0)
    found = expectation_of_product(RELU, RELU, correlation)
    assert _inside(found, _kernel(correlation))
    assert found.bound > 1e-3


@settings(max_examples=8)
@given(st.floats(-0.9, 0.9), st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_a_line_times_a_parabola_with_no_kink_has_the_moments_of_the_pair(r: float, c: list[float]) -> None:
    line = [Piece(-math.inf, math.inf, (c[0], 1.0))]
    parabola = [Piece(-math.inf, math.inf, (1.0, c[1], c[2]))]
    a, b, d = (flint.arb(x) for x in c)
    assert _inside(expectation_of_product(line, parabola, r), a * (1 + d) + flint.arb(r) * b)


@settings(max_examples=8)
@given(st.floats(-2, 2), st.floats(-4, 2))
def test_without_correlation_it_is_the_product_of_two_expectations(a: float, b: float) -> None:
    found = expectation_of_product(relu_power(2, -1.0, a), relu_power(1, 1.0, b), 0.0)
    product = relu_moment(2, -1.0, a) * relu_moment(1, 1.0, b)
    assert abs(found.value - product.value) <= found.bound + product.bound
    assert found.resolution < 1e-6


@pytest.mark.parametrize("correlation", [-1.0, 1.0, 2.0, math.nan])
def test_a_correlation_out_of_range_is_named(correlation: float) -> None:
    with pytest.raises(ValueError, match="correlation must lie between -1 and 1"):
        expectation_of_product(RELU, RELU, correlation)
