"""PACT against PyTorch: a straight-through rounding in float64, and the tie at x = alpha."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from derivations import pact

FORMULAS = {formula.name: formula for formula in pact.formulas()}
Clip = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class StraightThroughRound(torch.autograd.Function):
    """``torch.round`` forward, the identity backward."""

    @staticmethod
    def forward(ctx: Any, v: torch.Tensor) -> torch.Tensor:
        return torch.round(v)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient


def by_absolute_values(x: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    return (x.abs() - (x - alpha).abs() + alpha) / 2


def by_where(x: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    return torch.where(x < 0, torch.zeros_like(x), torch.where(x < alpha, x, alpha))


def by_clamp(x: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    return torch.clamp(x, torch.zeros_like(alpha), alpha)


def by_minimum(x: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    return torch.minimum(torch.relu(x), alpha)


CLIPS = (by_absolute_values, by_where, by_clamp, by_minimum)


def gradients(
    clip: Clip, x: np.ndarray, alpha: np.ndarray, bits: int, quantise: bool = True
) -> dict[str, np.ndarray]:
    steps = 2**bits - 1
    xs = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    levels = torch.tensor(alpha, dtype=torch.float64, requires_grad=True)
    out = clip(xs, levels)
    if quantise:
        out = levels * StraightThroughRound.apply(steps * out / levels) / steps
    out.sum().backward()
    assert xs.grad is not None
    assert levels.grad is not None
    return {"value": out.detach().numpy(), "x": xs.grad.numpy(), "alpha": levels.grad.numpy()}


def closed_form(name: str, x: np.ndarray, alpha: np.ndarray, bits: int) -> np.ndarray:
    """Exact at the doubles given: only the result is rounded."""
    expr = FORMULAS[name].closed_form.subs(pact.b, bits)
    exact = ({pact.x: sp.Rational(u), pact.alpha: sp.Rational(v)} for u, v in zip(x, alpha, strict=True))
    return np.array([float(expr.subs(point)) for point in exact])


def draw(bits: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(bits)
    alpha = rng.uniform(0.2, 4.0, 90)
    share = np.concatenate([rng.uniform(-2, 0, 20), rng.uniform(0, 1, 50), rng.uniform(1, 3, 20)])
    return share * alpha, alpha


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("clip", CLIPS)
def test_agrees_with_pytorch_on_every_piece(bits: int, clip: Clip) -> None:
    x, alpha = draw(bits)
    assert min((x < 0).sum(), ((x > 0) & (x < alpha)).sum(), (x > alpha).sum()) >= 20
    calibrated = gradients(clip, x, alpha, bits)
    original = gradients(clip, x, alpha, bits, quantise=False)
    references = {
        "pact.clip": original["value"],
        "pact.quantised": calibrated["value"],
        "pact.grad_alpha": calibrated["alpha"],
        "pact.grad_input": calibrated["x"],
        "pact.grad_alpha_original": original["alpha"],
        "pact.gradient_difference": calibrated["alpha"] - original["alpha"],
    }
    for name, reference in references.items():
        value = closed_form(name, x, alpha, bits)
        np.testing.assert_allclose(value, reference, rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize(
    ("clip", "to_x", "to_alpha"),
    [(by_absolute_values, 0.5, 0.5), (by_where, 0.0, 1.0), (by_clamp, 1.0, 0.0), (by_minimum, 0.5, 0.5)],
)
def test_tie_at_alpha_is_a_convention(bits: int, clip: Clip, to_x: float, to_alpha: float) -> None:
    alpha = np.array([0.5, 2.0])
    found = gradients(clip, alpha, alpha, bits)
    np.testing.assert_allclose(found["x"], to_x, atol=1e-12)
    np.testing.assert_allclose(found["alpha"], to_alpha, atol=1e-12)
    if clip is by_where:  # the convention of the closed forms
        np.testing.assert_array_equal(closed_form("pact.grad_alpha", alpha, alpha, bits), to_alpha)
        np.testing.assert_array_equal(closed_form("pact.grad_input", alpha, alpha, bits), to_x)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_kinks_lie_between_the_one_sided_values(bits: int) -> None:
    alpha = np.array([0.5, 2.0])
    for place, x in (("zero", 0 * alpha), ("alpha", alpha)):
        for variable, kind in (("x", "grad_input"), ("alpha", "grad_alpha")):
            sides = [
                float(FORMULAS[f"pact.{kind}_at_{place}_{side}"].closed_form) for side in ("plus", "minus")
            ]
            for clip in CLIPS:
                found = gradients(clip, x, alpha, bits)[variable]
                assert np.all((found >= min(sides) - 1e-12) & (found <= max(sides) + 1e-12))


def test_rounding_ties_go_to_even_as_in_torch() -> None:
    halves = np.arange(-9, 10, 2) / 2
    expected = torch.round(torch.tensor(halves, dtype=torch.float64)).numpy()
    found = [int(pact.Round(sp.Rational(v))) for v in halves]
    np.testing.assert_array_equal(found, expected)
