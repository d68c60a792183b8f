"""Fast values against ball arithmetic of what was derived; and the measurement itself."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from numeric import pact, uniform_levels
from numeric.evaluation import error_free, normal_density, scaled_normal, truncated_moments
from paper_checks.accuracy import (
    LAWS,
    Subject,
    errors_at,
    in_balls,
    mean_square_of_levels,
    mills,
    mu,
    subjects,
    ulps,
    worst,
)

POINTS = 1200


@pytest.mark.parametrize("subject", subjects(), ids=lambda s: s.name)
def test_errors_are_within_what_the_docstring_states(subject: Subject) -> None:
    for dtype in (np.float64, np.float32):
        found = worst(subject, POINTS, np.dtype(dtype))
        assert found.points > POINTS // 2
        assert found.holds, found
        assert found.bound <= (4 if dtype == np.float64 else 2)


@pytest.mark.parametrize("law", LAWS)
def test_weights_of_8_bits_are_as_accurate_as_those_of_4(law: str) -> None:
    few = subject(f"uniform_levels.variance, {law}, 4 bits")
    many = replace(
        few,
        values=partial(uniform_levels.variance, bits=8, distribution=law),
        reference=partial(mean_square_of_levels, 8, law),
    )
    for dtype in (np.float64, np.float32):
        assert worst(many, 40, np.dtype(dtype)).holds


@pytest.mark.parametrize(
    ("name", "x", "sigma"),
    [
        ("relu.second_moment", -8.279497753749625, 0.6999999999991441),
        ("relu.variance", -0.04383796351123176, 0.014950884816938615),
        ("relu.variance_gradient in mu", 25.443961099882348, 1.4832975505801733),
        ("relu.gate_probability_gradient in sigma", -5.081714207160187e46, 1.5588511453610855e45),
        ("ternary.p_plus, uniform", 0.0197178613332748, 0.5984494548371035),
    ],
)
def test_where_a_rounding_after_every_step_adds_up_to_about_4(name: str, x: float, sigma: float) -> None:
    (error,) = errors_at(subject(name), (np.array([x]), np.array([sigma])), np.dtype(np.float64))
    assert error < 3


def subject(name: str) -> Subject:
    return next(s for s in subjects() if s.name == name)


def test_a_changed_coefficient_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(function: Any) -> Any:
        table = truncated_moments.table(function).copy()
        table[2] *= 1 + 1e-7
        return table

    monkeypatch.setattr(scaled_normal, "table", changed)
    for name in ("relu.mean", "relu.variance", "relu.ratio_variance"):
        assert not worst(subject(name), POINTS, np.dtype(np.float64)).holds


@pytest.mark.parametrize(
    ("module", "part", "name"),
    [
        (pact, "two_product", "pact.grad_alpha, 8 bits"),
        (uniform_levels, "two_quotient", "uniform_levels.variance, laplace, 2 bits"),
    ],
)
def test_dropping_what_rounding_took_is_noticed(
    monkeypatch: pytest.MonkeyPatch, module: Any, part: str, name: str
) -> None:
    original = getattr(error_free, part)
    monkeypatch.setattr(module, part, lambda x, y: (original(x, y)[0], 0.0 * x * y))
    assert not worst(subject(name), POINTS, np.dtype(np.float64)).holds


@pytest.mark.parametrize("name", ["relu.gate_probability", "relu.mean", "ternary.p_plus, laplace"])
def test_a_rounded_quotient_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(
        scaled_normal, "_quotient", lambda x, sigma: scaled_normal.nearest(x * sigma.inverse, False)
    )
    assert not worst(subject(name), POINTS, np.dtype(np.float64)).holds


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (scaled_normal, "relu.mean"),
        (normal_density, "relu.gate_probability_gradient in mu"),
        (normal_density, "relu.gate_probability_gradient in sigma"),
    ],
)
def test_products_with_all_digits_of_the_deviation_are_noticed(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    monkeypatch.setattr(module, "upper_half", lambda x, out=None: np.add(x, 0.0, out=out))
    assert not worst(subject(name), POINTS, np.dtype(np.float64)).holds


def test_errors_are_counted_in_spacings() -> None:
    ctx.prec = 200
    assert ulps(1.0, arb(1), np.float64) == 0
    assert ulps(float(np.nextafter(1.0, 2)), arb(1), np.float64) == pytest.approx(1)
    assert ulps(5e-324, arb(0), np.float64) == pytest.approx(1)
    assert ulps(float(np.spacing(np.float32(1)) + 1), arb(1), np.float32) == pytest.approx(1)
    assert ulps(float("inf"), arb(2) ** 1024, np.float64) == 0
    assert ulps(float("inf"), arb(2) ** 1000, np.float64) > 1e10
    assert not ulps(float("nan"), arb(1), np.float64) <= 4


def test_two_ways_to_the_mills_ratio_agree() -> None:
    function = in_balls(mills(mu), mu)
    ctx.prec = 2000
    for x in (-30.5, -35.0):
        below = arb(x)
        direct = (-below / arb(2).sqrt()).erfc() / 2 * (2 * arb.pi()).sqrt() * (below * below / 2).exp()
        assert abs(function(x) - direct) < arb(2) ** -1500
