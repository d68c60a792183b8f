"""The backward pass of BatchNorm against PyTorch, and against brute force at small batch sizes."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch
from numpy.typing import NDArray

from derivations import find
from derivations.machinery.abbreviation import unfold

Array = NDArray[np.float64]


def closed_form(name: str) -> Any:
    """The NumPy function of a formula, called with arrays x and g."""
    namespace: dict[str, Any] = {}
    exec(find(name).code("numpy"), namespace)
    return namespace[name.replace(".", "_")]


@pytest.mark.parametrize("m", [2, 3, 5, 17, 256, 4096])
@pytest.mark.parametrize("eps", [1e-5, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_gradients_agree_with_pytorch(m: int, eps: float, seed: int) -> None:
    rng = np.random.default_rng((seed, m))
    x, g = rng.standard_normal(m), rng.standard_normal(m)
    gamma, beta = rng.standard_normal(2)
    tensors = [
        torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (x[:, None], [gamma], [beta])
    ]
    y = torch.nn.functional.batch_norm(tensors[0], None, None, tensors[1], tensors[2], training=True, eps=eps)
    y.backward(torch.tensor(g[:, None]))
    everything = {"x": x, "g": g, "gamma": gamma, "beta": beta, "eps": eps}
    for name, tensor in zip(("grad_input", "grad_gamma", "grad_beta"), tensors, strict=True):
        assert tensor.grad is not None
        reference = tensor.grad.numpy().ravel()
        function = closed_form(f"batchnorm.{name}")
        value = np.atleast_1d(function(**{n: everything[n] for n in inspect.signature(function).parameters}))
        assert value.shape == reference.shape
        assert np.abs(value - reference).max() <= 1e-12 * size(name, x, g, gamma, eps, reference)


@pytest.mark.parametrize("m", [3, 5, 17, 256])
@pytest.mark.parametrize("eps", [1e-5, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_double_backward_agrees_with_pytorch(m: int, eps: float, seed: int) -> None:
    rng = np.random.default_rng((seed, m, 2))
    x, g, v = rng.standard_normal((3, m))
    gamma = rng.standard_normal()
    leaves = [torch.tensor(a, requires_grad=True) for a in (x[:, None], g[:, None], np.array([gamma]))]
    y = torch.nn.functional.batch_norm(leaves[0], None, None, leaves[2], training=True, eps=eps)
    (first,) = torch.autograd.grad(y, leaves[0], leaves[1], create_graph=True)
    along = (first * torch.tensor(v[:, None])).sum()
    references = [along, *torch.autograd.grad(along, leaves)]
    everything = {"x": x, "g": g, "v": v, "gamma": gamma, "eps": eps}
    names = ("grad_input_dot_v", "double_grad_input", "double_grad_g", "double_grad_gamma")
    xhat = np.abs(x - x.mean()).max() / np.sqrt(x.var() + eps)
    for name, tensor in zip(names, references, strict=True):
        reference = tensor.detach().numpy().ravel()
        function = closed_form(f"batchnorm.{name}")
        value = np.atleast_1d(function(**{n: everything[n] for n in inspect.signature(function).parameters}))
        assert value.shape == reference.shape
        # of three samples little more than rounding may be left
        terms = np.abs(g).max() * np.abs(v).max() * (1 + xhat) ** 3 / (x.var() + eps)
        scale = max(np.abs(reference).max(), terms if m == 3 else 0.0)
        assert np.abs(value - reference).max() <= 1e-12 * scale


@pytest.mark.parametrize("m", [2, 3, 5])
@pytest.mark.parametrize("eps", [0, sp.Rational(1, 7)])
def test_double_backward_agrees_with_brute_force(m: int, eps: sp.Expr) -> None:
    x, g = sp.symbols(f"x1:{m + 1}", real=True), sp.symbols(f"g1:{m + 1}", real=True)
    gamma = sp.Symbol("gamma", real=True)
    mean = sum(x) / sp.Integer(m)
    root = sp.sqrt(sum((q - mean) ** 2 for q in x) / sp.Integer(m) + eps)
    loss = sum(u * gamma * (q - mean) / root for q, u in zip(x, g, strict=True))
    v = [sp.Rational((3 * k * k + 1) % 7 - 2, 5) for k in range(m)]
    along = sum(u * sp.diff(loss, q) for q, u in zip(x, v, strict=True))
    point = {q: sp.Rational((7 * k * k + 3) % 11 - 5, 3) for k, q in enumerate(x)}
    point |= {u: sp.Rational((5 * k * k + 2) % 7 - 3, 4) for k, u in enumerate(g)} | {
        gamma: sp.Rational(-3, 2)
    }
    values = {"m": m, "gamma": point[gamma], "eps": eps, "beta": 0, "v": v}
    values |= {"x": [point[q] for q in x], "g": [point[u] for u in g]}
    assert agrees("grad_input_dot_v", along.subs(point), values)
    assert agrees("double_grad_gamma", sp.diff(along, gamma).subs(point), values)
    for k in range(m):
        at = {**values, "i": k + 1}
        assert agrees("double_grad_g", sp.diff(along, g[k]).subs(point), at)
        assert agrees("double_grad_input", sp.diff(along, x[k]).subs(point), at)


def size(name: str, x: Array, g: Array, gamma: float, eps: float, reference: Array) -> float:
    """The largest gradient; for two or three samples that of the terms of which it is a small difference.

    There PyTorch itself is off: by 3e-12 of the gradient at m = 2 and eps = 1e-5.
    """
    terms = abs(gamma) * np.abs(g).max() / np.sqrt(x.var() + eps)
    few = name == "grad_input" and x.size <= 3 and eps == 1e-5
    return float(terms if few else np.abs(reference).max())


@pytest.mark.parametrize("m", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("eps", [0, sp.Rational(1, 7)])
def test_every_gradient_agrees_with_brute_force(m: int, eps: sp.Expr) -> None:
    x, g = sp.symbols(f"x1:{m + 1}", real=True), sp.symbols(f"g1:{m + 1}", real=True)
    gamma, beta, mu, v = sp.symbols("gamma beta mu v", real=True)
    mean = sum(x) / sp.Integer(m)

    def spread(centre: sp.Expr) -> sp.Expr:
        return sum((q - centre) ** 2 for q in x) / sp.Integer(m)

    def outputs(centre: sp.Expr, variance: sp.Expr) -> list[sp.Expr]:
        return [gamma * (q - centre) / sp.sqrt(variance + eps) + beta for q in x]

    y = outputs(mean, spread(mean))
    loss = sum(u * out for u, out in zip(g, y, strict=True))
    point = {q: sp.Rational((7 * k * k + 3) % 11 - 5, 3) for k, q in enumerate(x)}
    point |= {u: sp.Rational((5 * k * k + 2) % 7 - 3, 4) for k, u in enumerate(g)}
    point |= {gamma: sp.Rational(-3, 2), beta: sp.Rational(2, 5)}
    statistics = {mu: mean.subs(point), v: spread(mean).subs(point)}
    moving_mean = sum(u * out for u, out in zip(g, outputs(mu, spread(mu)), strict=True))
    moving_variance = sum(u * out for u, out in zip(g, outputs(mean, v), strict=True))

    jacobian = sp.Matrix(m, m, lambda row, column: sp.diff(y[column], x[row]).subs(point))
    gradient = jacobian * sp.Matrix([u.subs(point) for u in g])
    xhat = sp.Matrix([((out - beta) / gamma).subs(point) for out in y])
    average = sum(gradient) / sp.Integer(m)
    expected: dict[str, sp.Expr] = {
        "grad_gamma": sp.diff(loss, gamma).subs(point),
        "grad_beta": sp.diff(loss, beta).subs(point),
        "grad_mean": sp.diff(moving_mean, mu).subs({**statistics, **point}),
        "grad_variance": sp.diff(moving_variance, v).subs({**statistics, **point}),
        "grad_input_sum": sum(gradient),
        "grad_input_mean": average,
        "grad_input_variance": sum((q - average) ** 2 for q in gradient) / sp.Integer(m),
        "grad_input_dot_xhat": gradient.dot(xhat),
        "jacobian_trace": jacobian.trace(),
        "xhat_norm": xhat.dot(xhat),
    }
    values: dict[str, Any] = {"m": m, "gamma": point[gamma], "beta": point[beta], "eps": eps}
    values |= {"x": [point[q] for q in x], "g": [point[u] for u in g]}
    for name, brute in expected.items():
        assert agrees(name, brute, values), name
    entries = {"jacobian": jacobian, "jacobian_squared": jacobian * jacobian}
    for name, matrix in entries.items():
        for row, column in ((0, 0), (0, m - 1), (m - 1, 0)):
            assert agrees(name, matrix[row, column], {**values, "i": row + 1, "j": column + 1}), name
    for index in range(m):
        at = {**values, "i": index + 1}
        assert agrees("grad_input", gradient[index], at)
        assert agrees("variance_derivative", sp.diff(spread(mean), x[index]).subs(point), at)


def agrees(name: str, brute: sp.Expr, values: dict[str, Any]) -> bool:
    formula = find(f"batchnorm.{name}")
    symbols = {str(getattr(symbol, "label", symbol)) for symbol in formula.domain.sets}
    value = formula.evaluate(30, **{label: v for label, v in values.items() if label in symbols})
    return bool(abs(value - sp.N(brute, 50)) <= sp.Float("1e-27"))


def test_batch_of_one_and_zero_scale_have_no_input_gradient() -> None:
    formula = find("batchnorm.grad_input")
    symbols = {str(s): s for s in formula.domain.sets}
    assert formula.closed_form.subs(symbols["gamma"], 0) == 0
    single = unfold(formula.closed_form).subs({symbols["m"]: 1, symbols["i"]: 1}).doit()
    assert sp.simplify(single) == 0


def test_spectrum_of_the_jacobian_for_zero_and_positive_eps() -> None:
    from numeric.experiments import batchnorm

    x = np.array([0.3, -1.2, 0.7, 2.0, -0.1])
    for eps, rank in ((0.0, 3), (0.5, 4)):
        scale = 1 / np.sqrt(x.var() + eps)
        eigenvalues = np.linalg.eigvalsh(batchnorm.jacobian(x, 1.0, 0.0, eps)) / scale
        assert np.sum(np.abs(eigenvalues) > 1e-12) == rank
        expected = sorted([0.0, eps / (x.var() + eps), 1.0, 1.0, 1.0])
        np.testing.assert_allclose(eigenvalues, expected, atol=1e-14)
