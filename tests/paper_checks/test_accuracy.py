"""Fast values against ball arithmetic of what was derived; and the measurement itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from numeric import pact
from numeric.evaluation import error_free, scaled_normal, truncated_moments
from paper_checks.accuracy import Subject, in_balls, mills, mu, subjects, ulps, worst

POINTS = 1200


@pytest.mark.parametrize("subject", subjects(), ids=lambda s: s.name)
def test_errors_are_within_what_the_docstring_states(subject: Subject) -> None:
    for dtype in (np.float64, np.float32):
        found = worst(subject, POINTS, np.dtype(dtype))
        assert found.points > POINTS // 2
        assert found.holds, found
        assert found.bound <= (4 if dtype == np.float64 else 2)


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


def _without(part: str) -> Callable[..., Any]:
    original = getattr(error_free, part)
    return lambda *args: (original(*args)[0], 0.0 * args[0])


@pytest.mark.parametrize(
    ("module", "part", "name"),
    [
        (scaled_normal, "two_quotient", "relu.gate_probability"),
        (scaled_normal, "two_quotient", "ternary.p_plus, laplace"),
        (pact, "two_product", "pact.grad_alpha, 8 bits"),
    ],
)
def test_dropping_what_rounding_took_is_noticed(
    monkeypatch: pytest.MonkeyPatch, module: Any, part: str, name: str
) -> None:
    monkeypatch.setattr(module, part, _without(part))
    assert not worst(subject(name), POINTS, np.dtype(np.float64)).holds


def test_dropping_the_split_of_the_square_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaled_normal, "halves", lambda a: (a, 0.0 * a))
    assert not worst(subject("relu.mean"), POINTS, np.dtype(np.float64)).holds


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
