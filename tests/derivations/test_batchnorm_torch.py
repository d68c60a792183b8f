"""The backward pass of BatchNorm against PyTorch, and against brute force at small batch sizes."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from derivations import find


def closed_form(name: str) -> Any:
    """The NumPy function of a formula, called with arrays x and g."""
    namespace: dict[str, Any] = {}
    exec(find(name).code("numpy"), namespace)
    return namespace[name.replace(".", "_")]


@pytest.mark.parametrize("m", [2, 3, 17, 256, 4096])
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_gradients_agree_with_pytorch(m: int, eps: float) -> None:
    rng = np.random.default_rng(m)
    x, g = rng.standard_normal(m), rng.standard_normal(m)
    gamma, beta = -1.3, 0.4
    tensors = [
        torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (x[:, None], [gamma], [beta])
    ]
    y = torch.nn.functional.batch_norm(tensors[0], None, None, tensors[1], tensors[2], training=True, eps=eps)
    y.backward(torch.tensor(g[:, None]))
    expected = dict(
        zip(("grad_input", "grad_gamma", "grad_beta"), (t.grad.numpy().ravel() for t in tensors), strict=True)
    )
    everything = {"x": x, "g": g, "gamma": gamma, "beta": beta, "eps": eps}
    for name, reference in expected.items():
        formula = f"batchnorm.{name}"
        function = closed_form(formula)
        value = np.atleast_1d(function(**{n: everything[n] for n in inspect.signature(function).parameters}))
        assert value.shape == reference.shape
        error = np.abs(value - reference).max() / np.abs(reference).max()
        # for m = 2 and small eps the input gradient is a small difference of large terms
        scale = 1 + abs(gamma) * np.abs(g).max() / np.sqrt(x.var() + eps) / np.abs(reference).max()
        assert error <= 1e-12 * (scale if m == 2 else 1), (name, error)


@pytest.mark.parametrize("m", [2, 3, 4, 5, 6])
def test_input_gradient_agrees_with_brute_force(m: int) -> None:
    x, g = sp.symbols(f"x1:{m + 1}", real=True), sp.symbols(f"g1:{m + 1}", real=True)
    gamma, eps = sp.symbols("gamma eps", positive=True)
    mean = sum(x) / sp.Integer(m)
    variance = sum((v - mean) ** 2 for v in x) / sp.Integer(m)
    loss = sum(u * gamma * (v - mean) / sp.sqrt(variance + eps) for u, v in zip(g, x, strict=True))
    at = {v: sp.Rational((7 * k * k + 3) % 11 - 5, 3) for k, v in enumerate(x)}
    up = {u: sp.Rational((5 * k * k + 2) % 7 - 3, 4) for k, u in enumerate(g)}
    for index in range(m):
        brute = sp.diff(loss, x[index]).subs({**at, **up, gamma: sp.Rational(-3, 2), eps: sp.Rational(1, 7)})
        value = find("batchnorm.grad_input").evaluate(
            30,
            m=m,
            i=index + 1,
            x=tuple(at.values()),
            g=tuple(up.values()),
            gamma=sp.Rational(-3, 2),
            eps="1/7",
        )
        # evaluation carries 20 digits
        assert abs(sp.N(brute, 40) - value) < sp.Float("1e-17")


def test_batch_of_one_and_zero_scale_have_no_input_gradient() -> None:
    formula = find("batchnorm.grad_input")
    symbols = {str(s): s for s in formula.domain.sets}
    assert formula.closed_form.subs(symbols["gamma"], 0) == 0
    from derivations.machinery.abbreviation import unfold

    single = unfold(formula.closed_form).subs({symbols["m"]: 1, symbols["i"]: 1}).doit()
    assert sp.simplify(single) == 0


def test_spectrum_of_the_jacobian_for_zero_and_positive_eps() -> None:
    from numeric import batchnorm

    x = np.array([0.3, -1.2, 0.7, 2.0, -0.1])
    for eps, rank in ((0.0, 3), (0.5, 4)):
        scale = 1 / np.sqrt(x.var() + eps)
        eigenvalues = np.linalg.eigvalsh(batchnorm.jacobian(x, 1.0, 0.0, eps)) / scale
        assert np.sum(np.abs(eigenvalues) > 1e-12) == rank
        expected = sorted([0.0, eps / (x.var() + eps), 1.0, 1.0, 1.0])
        np.testing.assert_allclose(eigenvalues, expected, atol=1e-14)
