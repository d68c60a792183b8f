"""Both instruments for one drawn variable: the truth is inside the bound, and the bound is narrow."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from typing import Any

import flint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numeric.experiments.relu_integrals import relu_moment
from numeric.instruments import ball, quadrature
from numeric.instruments.bounded import Bounded
from numeric.instruments.laws import Laplace, Law, Logistic, Normal, Uniform
from numeric.instruments.quadrature import Piece, monomial

DIGITS = 400  # far more than cancels in the worst example below


def exact(law: Law, pieces: Iterable[Piece]) -> flint.arb:
    """From antiderivatives of monomials: no quadrature is involved."""
    return sum((_piece(law, p) for p in pieces), flint.arb(0))


def _ball(x: float | Fraction) -> flint.arb:
    fraction = Fraction(x)
    return flint.arb(flint.fmpq(fraction.numerator, fraction.denominator))


def _piece(law: Law, piece: Piece) -> flint.arb:
    if piece.low == piece.high:
        return flint.arb(0)
    line = flint.fmpq_poly([_rational(piece.intercept), _rational(piece.slope)])
    polynomial = sum((_rational(c) * line**j for j, c in enumerate(piece.coefficients)), flint.fmpq_poly([0]))
    sigma = _ball(law.sigma)
    total = flint.arb(0)
    for k, c in enumerate(polynomial.coeffs()):
        between = _moment(law, k, sigma, piece.low, True) - _moment(law, k, sigma, piece.high, False)
        total += flint.arb(c) * sigma**k * between
    return total


def _rational(x: float | Fraction) -> flint.fmpq:
    fraction = Fraction(x)
    return flint.fmpq(fraction.numerator, fraction.denominator)


def _moment(law: Law, k: int, sigma: flint.arb, end: float | Fraction, low: bool) -> flint.arb:
    """``E[x^k; x > end]`` of the law of sigma 1, from the truncated moments of its positive half."""
    if math.isinf(end):
        return flint.arb(0) if end > 0 else _half(law, k, flint.arb(0)) * (1 + (-1) ** k)
    x = _ball(end) / sigma
    if x >= 0:
        return _half(law, k, x)
    return _half(law, k, flint.arb(0)) * (1 + (-1) ** k) - (-1) ** k * _half(law, k, -x)


def _half(law: Law, k: int, x: flint.arb) -> flint.arb:
    if isinstance(law, Normal):
        density = (-(x**2) / 2).exp() / (2 * flint.arb.pi()).sqrt()
        found = [(x / flint.arb(2).sqrt()).erfc() / 2, density]
        for j in range(2, k + 1):
            found.append((j - 1) * found[j - 2] + x ** (j - 1) * density)
        return found[k]
    if isinstance(law, Laplace):
        rate = flint.arb(2).sqrt()
        found = [(-rate * x).exp() / 2]
        for j in range(1, k + 1):
            found.append(x**j * found[0] + j * found[j - 1] / rate)
        return found[k]
    if isinstance(law, Logistic):  # by parts, then the geometric series of 1/(1 + e^x) term by term
        z = -(-x).exp()
        beyond = sum(
            (
                math.perm(k - 1, i) * x ** (k - 1 - i) * -(z.polylog(i + 1) if i else -(1 - z).log())
                for i in range(k)
            ),
            flint.arb(0),
        )
        return x**k / (1 + x.exp()) + k * beyond
    end = flint.arb(3).sqrt()
    return (end ** (k + 1) - x.min(end) ** (k + 1)) / ((k + 1) * 2 * end)


def contains(found: Bounded, law: Law, pieces: list[Piece]) -> bool:
    before, flint.ctx.dps = flint.ctx.dps, DIGITS
    try:
        distance = exact(law, pieces) - flint.arb(found.value)
        assert distance.rad() <= max(found.bound, sys.float_info.min) * 1e-3, (
            "the truth is not known well enough"
        )
        return bool(abs(distance) <= flint.arb(found.bound))
    finally:
        flint.ctx.dps = before


moderate = st.floats(-50, 50)
sizes = st.floats(-3, 3).map(lambda e: 10.0**e)
laws = st.builds(
    lambda kind, sigma: kind(sigma), st.sampled_from((Normal, Laplace, Logistic, Uniform)), sizes
)
ends = st.one_of(moderate, st.just(0.0), st.fractions(-30, 30, max_denominator=1000))


@st.composite
def pieces(draw: st.DrawFn) -> list[Piece]:
    cuts = [-math.inf, *sorted(draw(st.lists(ends, max_size=3))), math.inf]
    found = []
    for low, high in pairwise(cuts):
        coefficients = tuple(draw(st.lists(moderate, min_size=1, max_size=6)))
        slope = draw(st.one_of(moderate, st.fractions(-3, 3, max_denominator=255)))
        found.append(Piece(low, high, coefficients, slope, draw(moderate)))
    return found


Instrument = Callable[[Law, Iterable[Piece]], Bounded]


@settings(max_examples=800)
@given(laws, pieces())
def test_quadrature_contains_the_truth(law: Law, definition: list[Piece]) -> None:
    assert contains(quadrature.expectation(law, definition), law, definition)


@settings(max_examples=12)
@given(laws, pieces())
def test_balls_contain_the_truth(law: Law, definition: list[Piece]) -> None:
    assert contains(ball.expectation(law, definition), law, definition)


@pytest.mark.parametrize("law", [Normal(1.3), Laplace(0.9), Logistic(0.9), Uniform(0.6)])
@pytest.mark.parametrize("instrument", [quadrature.expectation, ball.expectation])
def test_a_value_off_by_three_bounds_is_refuted(instrument: Instrument, law: Law) -> None:
    found = instrument(law, [Piece(-math.inf, 0.2, (1.0, 0.5)), Piece(0.2, math.inf, (0.0, 0.0, 1.0))])
    assert found.resolution < 1e-10
    for sign in (-1, 1):
        assert found.refutes(found.value + sign * max(3 * found.bound, 1e-15))


@settings(max_examples=100)
@given(st.integers(0, 4), st.floats(-36, 1000), sizes, st.sampled_from((-1, 1)))
def test_moments_of_a_relu_are_resolved_far_into_the_tail(
    order: int, a: float, size: float, sign: int
) -> None:
    gamma, beta = sign * size, a * size
    found = relu_moment(order, gamma, beta)
    kink = -Fraction(beta) / Fraction(gamma)
    interval = (kink, math.inf) if gamma > 0 else (-math.inf, kink)
    assert contains(found, Normal(), [Piece(*interval, (0,) * order + (1,), gamma, beta)])
    assert found.resolution < 1e-9


@pytest.mark.parametrize("shift", [-45.0, -38.3, -37.9, 1e8, -1e5])
def test_bounds_hold_where_floats_underflow_or_the_gate_never_closes(shift: float) -> None:
    for order in range(5):
        definition = [Piece(-shift, math.inf, (0,) * order + (1,), 1.0, shift)]
        found = quadrature.expectation(Normal(), definition)
        assert contains(found, Normal(), definition)
        assert found.value >= 0


def test_a_density_that_is_not_split_at_its_kink_breaks_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    law, definition = Laplace(1.0), [Piece(-1.0, 2.0, (0.0, 0.0, 1.0))]
    assert contains(quadrature.expectation(law, definition), law, definition)
    monkeypatch.setattr(Laplace, "kinks", ())
    assert not contains(quadrature.expectation(law, definition), law, definition)


def test_a_ball_that_ignores_the_kink_of_the_density_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    law, definition = Laplace(1.0), [Piece(-1.0, 2.0, (1.0,))]
    density = ball._Measure.density
    assert contains(ball.expectation(law, definition), law, definition)
    monkeypatch.setattr(ball._Measure, "density", lambda self, x, analytic: density(self, x, False))
    assert not contains(ball.expectation(law, definition), law, definition)


SECOND_MOMENT_ABOVE = [Piece(Fraction(1, 10), math.inf, (0.0, 0.0, 1.0))]


@pytest.mark.parametrize(
    ("law", "n"), [(law, n) for law in (Normal(1.3), Laplace(0.9)) for n in (8, 16)] + [(Logistic(0.7), 6)]
)
def test_with_few_nodes_the_bound_grows_and_holds(monkeypatch: pytest.MonkeyPatch, law: Law, n: int) -> None:
    rule = quadrature.gauss_legendre(n)
    monkeypatch.setattr(quadrature, "gauss_legendre", lambda: rule)
    found = quadrature.expectation(law, SECOND_MOMENT_ABOVE)
    assert contains(found, law, SECOND_MOMENT_ABOVE)
    assert found.bound > 1e-9


@pytest.mark.parametrize("law", [Normal(1.3), Laplace(0.9), Logistic(0.7)])
def test_with_an_early_cut_the_bound_grows_and_holds(monkeypatch: pytest.MonkeyPatch, law: Law) -> None:
    monkeypatch.setattr(type(law), "cut", lambda self, nearest, drop=0.0: nearest + 4 * self.sigma)
    found = quadrature.expectation(law, SECOND_MOMENT_ABOVE)
    assert contains(found, law, SECOND_MOMENT_ABOVE)
    assert found.bound > 1e-5


def test_a_rule_with_a_wrong_weight_costs_what_it_is_wrong_by(monkeypatch: pytest.MonkeyPatch) -> None:
    leggauss = quadrature.np.polynomial.legendre.leggauss

    def wrong(n: int) -> tuple[object, object]:
        nodes, weights = leggauss(n)
        weights[3] *= 1 + 1e-6
        return nodes, weights

    with monkeypatch.context() as patch:
        patch.setattr(quadrature.np.polynomial.legendre, "leggauss", wrong)
        rule = quadrature.gauss_legendre.__wrapped__(32)
    monkeypatch.setattr(quadrature, "gauss_legendre", lambda: rule)
    found = quadrature.expectation(Normal(), SECOND_MOMENT_ABOVE)
    assert contains(found, Normal(), SECOND_MOMENT_ABOVE)
    assert 1e-8 < found.bound < 1e-5


def test_cancellation_inside_the_polynomial_is_in_the_bound() -> None:
    definition = [Piece(1.0, 1.0 + 1e-7, (0.0, 1.0), 1e8, -1e8)]
    for law in (Normal(), Laplace(), Logistic(), Uniform()):
        found = quadrature.expectation(law, definition)
        assert contains(found, law, definition)
        assert 1e-9 < found.resolution < 1e-6


def test_rounding_of_the_ends_is_in_the_bound() -> None:
    definition = [Piece(Fraction(1, 3), Fraction(1, 3) + Fraction(1, 10**10), (1.0,))]
    for law in (Normal(), Laplace(), Logistic(), Uniform()):
        found = quadrature.expectation(law, definition)
        assert contains(found, law, definition)
        assert 1e-7 < found.resolution < 1e-3


def test_ball_arithmetic_without_flint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ImportError, match=r"normquant\[rigorous\]"):
        ball.expectation(Normal(), [Piece(0.0, 1.0, (1.0,))])


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="low must be at most high, got 1"):
        Piece(1.0, 0.0, (1.0,))
    with pytest.raises(ValueError, match="must be finite"):
        Piece(0.0, 1.0, (math.nan,))
    with pytest.raises(ValueError, match=r"sigma must be from 1e-50 to 1e\+50, got 0"):
        Normal(0.0)


@pytest.mark.parametrize("instrument", [quadrature.expectation, ball.expectation])
def test_intervals_that_are_subnormal_and_integers_that_no_float_holds(instrument: Any) -> None:
    narrow = [Piece(0.0, 5e-324, (1e300,))]
    true = Fraction(1e300) * Fraction(5e-324) / 2  # over sqrt(3)
    found = instrument(Uniform(), narrow)
    assert abs(float(true) / 3**0.5 - found.value) <= found.bound * (1 + 1e-9)
    apart = [Piece(-math.inf, math.inf, (n,)) for n in (2**53 + 1, -(2**53))]
    assert not instrument(Uniform(), apart).refutes(1.0)


def test_pieces_without_coefficients_are_refused() -> None:
    with pytest.raises(ValueError, match="coefficients must be at least one, got none"):
        Piece(0.0, 1.0, ())
    with pytest.raises(ValueError, match="order must be an integer of at least 0, got -1"):
        monomial(-1)


def test_balls_from_many_threads_leave_the_precision_as_it_was() -> None:
    before = flint.ctx.dps
    pieces = [Piece(0.0, math.inf, (0.0, 1.0))]
    expected = ball.expectation(Normal(), pieces)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: ball.expectation(Normal(), pieces), range(40)))
    finally:
        sys.setswitchinterval(0.005)
    assert flint.ctx.dps == before
    assert set(found) == {expected}
