"""Weights rounded to 2^b levels: known values, the convention, and claims that must be rejected."""

from __future__ import annotations

import random

import mpmath
import pytest
import sympy as sp

from derivations.machinery.prover import Antidifference
from derivations.uniform_levels import (
    DELTA,
    THRESHOLDS,
    CutAtThresholds,
    ThresholdsPassed,
    b,
    c,
    formulas,
    j,
    w,
)

FORMULAS = {formula.name.removeprefix("uniform_levels."): formula for formula in formulas()}
DOMAIN = FORMULAS["uniform.variance"].domain


@pytest.mark.parametrize("law", ["uniform", "gaussian", "laplace"])
def test_one_bit_is_the_sign(law: str) -> None:
    scale = {} if law == "uniform" else {"sigma": sp.Rational(3, 7)}
    assert float(FORMULAS[f"{law}.variance"].evaluate(b=1, c=sp.Rational(5, 4), **scale)) == 25 / 16


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_uniform_weights_fall_on_every_inner_level_alike(bits: int) -> None:
    steps = 2**bits - 1  # with 2^b steps the variance would be another
    inner = sum(sp.Rational(2 * k - steps, steps) ** 2 for k in range(1, steps)) / steps
    value = FORMULAS["uniform.variance"].closed_form.subs({b: bits, c: 1})
    assert value == inner + sp.Rational(1, steps)  # the two outer cells are half as wide
    assert value != FORMULAS["uniform.variance"].closed_form.subs({2**b: 2**bits + 1, c: 1})


def test_many_bits_give_back_the_variance_of_clipped_weights() -> None:
    assert sp.limit(FORMULAS["uniform.variance"].closed_form, b, sp.oo) == c**2 / 3
    clipped = mpmath.quad(lambda v: min(v, 2) ** 2 * mpmath.npdf(v) * 2, [0, 2, mpmath.inf])
    found = FORMULAS["gaussian.variance"].evaluate(b=12, c=2, sigma=1)
    assert abs(float(found) - float(clipped)) < 1e-6


@pytest.mark.parametrize("law", ["gaussian", "laplace"])
def test_sum_over_cells(law: str) -> None:
    def above(v: float) -> mpmath.mpf:
        return mpmath.ncdf(-v) if law == "gaussian" else mpmath.exp(-mpmath.sqrt(2) * v) / 2

    delta = mpmath.mpf(2) * 1.5 / 15
    cells = [above(k * delta) - above((k + 1) * delta) for k in range(7)] + [above(7 * delta)]
    expected = 2 * sum(((k + 0.5) * delta) ** 2 * cell for k, cell in enumerate(cells))
    found = FORMULAS[f"{law}.variance"].evaluate(b=4, c=1.5, sigma=1)
    assert float(found) == pytest.approx(float(expected), rel=1e-13, abs=0)


def test_a_sum_of_other_steps_is_not_the_square() -> None:
    step = sp.Heaviside(sp.Abs(w) - j * DELTA, 0)

    def integral(constant: sp.Expr, term: sp.Expr, power: int = 1) -> sp.Integral:
        total = sp.Sum(term * step, (j, 1, THRESHOLDS))
        return sp.Integral((constant + total) ** power, (w, -c, c))

    square, half = integral(sp.S.Half, sp.S.One, 2), sp.Rational(1, 4)
    assert ThresholdsPassed().proves(square, integral(half, 2 * j), DOMAIN)
    for wrong in (integral(half, 2 * j - 1), integral(half, j), integral(sp.S.Half, 2 * j)):
        assert not ThresholdsPassed().proves(square, wrong, DOMAIN)
    not_nested = square.replace(sp.Heaviside, lambda *_: sp.Heaviside(j * DELTA - sp.Abs(w), 0))
    assert not ThresholdsPassed().proves(not_nested, integral(half, 2 * j), DOMAIN)


def test_thresholds_beyond_the_end_are_not_cut_at() -> None:
    inside = sp.Sum(sp.Heaviside(w - j * DELTA, 0), (j, 1, THRESHOLDS))
    for end, holds in ((c, True), (c / 2, False)):
        exchange = CutAtThresholds(end)
        integral = sp.Integral(inside, (w, 0, end))
        assert exchange.proves(integral, exchange.apply(integral), DOMAIN) is holds


def test_an_antidifference_must_grow_by_the_term() -> None:
    total = sp.Sum(j**2, (j, 1, THRESHOLDS))
    for primitive, holds in ((j * (j + 1) * (2 * j + 1) / 6, True), (j**3 / 3, False)):
        rule = Antidifference(total, primitive)
        assert rule.proves(total, rule.apply(total), DOMAIN) is holds


def test_points_are_drawn_where_sums_are_short_and_claimed_everywhere() -> None:
    rng = random.Random(0)
    assert max(DOMAIN.sample(rng)[b] for _ in range(50)) == 5
    assert DOMAIN.contains({b: sp.Integer(40), c: sp.S.One})
