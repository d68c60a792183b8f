"""c1/c2 far out, at shifts near enough for its integrals to differ from the limits."""

from __future__ import annotations

import pytest
from scipy.stats import norm

from numeric.experiments import relu_limits
from numeric.experiments.extrapolation import limit
from numeric.experiments.relu_integrals import relu_quantities
from numeric.sampling.engine import sample
from numeric.sampling.estimates import Estimate

COMPARISONS = 20
RESOLUTION = 1e-3


def agrees(found: Estimate, truth: float, apart: float) -> None:
    assert not found.refutes(truth, COMPARISONS)
    assert found.refutes(truth * (1 + apart), COMPARISONS)
    assert found.refutes(truth * (1 - apart), COMPARISONS)


@pytest.mark.parametrize("t", [0.5, 3.0])
def test_far_to_the_left_draws_are_those_of_open_gates(t: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relu_limits, "FAR_LEFT", t)
    (moments,) = sample(relu_limits.FarLeftDraws(), 4_000_000, seed=0)
    agrees(relu_limits.far_left(moments), relu_quantities(1.0, -t)["ratio"].value / t**2, 0.01)
    gate = moments.of(lambda m: float(m[0]))
    agrees(gate, relu_quantities(1.0, -t)["moment0"].value * t / norm.pdf(t), 0.01)


def test_far_to_the_right_two_shifts_are_extrapolated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relu_limits, "FAR_RIGHT", 1.5)
    (moments,) = sample(relu_limits.FarRightDraws(), 4_000_000, seed=0)
    found = relu_limits.far_right(moments)
    near, far = (relu_quantities(1.0, a)["ratio"].value for a in (1.5, 3.0))
    agrees(found["rate"], 1.5**2 * near, 0.01)
    agrees(found["limit"], (4 * far - near) / 3, 0.05)


def test_where_gates_are_open_the_variance_is_that_of_what_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relu_limits, "ALL_OPEN", 0.8)
    (moments,) = sample(relu_limits.AllOpenDraws(), 4_000_000, seed=0)
    agrees(relu_limits.where_all_are_open(moments), relu_quantities(1.0, 0.8)["ratio_variance"].value, 0.01)


def test_shifts_are_far_enough() -> None:
    """What the limits differ by is far less than what draws resolve."""
    a, t = relu_limits.FAR_RIGHT, relu_limits.FAR_LEFT
    (moments,) = sample(relu_limits.FarRightDraws(), 10**8, seed=0)
    extrapolated = limit(lambda a: 1 / (1 + a**2), [a, 2 * a])
    assert abs(extrapolated) < 0.01 * relu_limits.far_right(moments)["limit"].margin(1)
    assert 1 / (1 + a**-2) == pytest.approx(1, abs=1e-11)
    off = 30**2 * abs(relu_quantities(1.0, -30.0)["ratio"].value / 30**2 / 0.5 - 1)  # falls as 1/t^2
    assert off == pytest.approx(5, rel=0.05)
    assert off / t**2 < 1e-3 * RESOLUTION
    assert norm.sf(relu_limits.ALL_OPEN) == 0
    assert norm.pdf(t) == 0  # of the squared mean over the second moment
