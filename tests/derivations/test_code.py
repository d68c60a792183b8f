"""Generated code is run, and compared with SymPy's own evaluation."""

import ctypes
import itertools
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

from derivations import catalog
from derivations.machinery.code import TARGETS, code
from derivations.machinery.unspecified import Unspecified
from derivations.normal import Phi, phi

a, b = sp.symbols("a b", real=True)
K, v, eps, gamma = sp.symbols("K v epsilon gamma", positive=True)
i, j, k, m = sp.symbols("i j k m", integer=True, positive=True)
x, g = (sp.IndexedBase(name, real=True) for name in "xg")


def over(expr: sp.Expr, index: sp.Symbol = j) -> sp.Sum:
    return sp.Sum(expr, (index, 1, m))


SCALAR = {
    "mean": phi(a) + a * Phi(a),
    "second moment": (1 + a**2) * Phi(a) + a * phi(a),
    "Mills ratio": Phi(-a) / phi(a) + phi(a) ** 2 / 3,
    "fan-in": sp.sqrt(6 / K) + K ** sp.Rational(-3, 2) + K ** sp.Rational(1, 3),
    "ratio of steps": sp.Piecewise((1, a < 0), (2, True)) / sp.Piecewise((3, b < 0), (4, True)),
    "clip": sp.Piecewise((0, a < 0), (v, a > v), (a, True)),
    "constant branches": sp.Piecewise((sp.Rational(1, 3), (a > 0) & (b < 1)), (sp.pi, a > b), (0, True)),
    "singular branch": sp.Piecewise((sp.log(a) * sp.sqrt(a - b), (a > b) & (a > 0)), (a * b, True)),
    "numbers": sp.sqrt(2) * a / sp.sqrt(sp.pi) - sp.exp(1) ** 2 + sp.pi * sp.Rational(10**12, 7) * b,
    "extrema": sp.Max(a, b, -1) + sp.Min(a, b) - sp.Max(0, sp.Min(1, a)),
    "steps": sp.sign(a) / sp.sign(b) + sp.floor(3 * a) + sp.Heaviside(b) + sp.Heaviside(a - b, 0) * a,
    "error functions": sp.erf(a) - a * sp.erfc(b) + sp.erfc(-a / sp.sqrt(2), evaluate=False),
    "absolute value": sp.Abs(a) ** 3 + sp.exp(-sp.Abs(b)) + 2**K,
    "delta of scalars": sp.KroneckerDelta(sp.floor(a), sp.floor(b)) + a,
}
mean = over(x[j]) / m
variance = over((x[j] - over(x[k], k) / m) ** 2) / m
xhat = (x[i] - mean) / sp.sqrt(variance + eps)
INDEXED = {
    "centred": x[i] - mean,
    "grad_input": gamma / sp.sqrt(v + eps) * (g[i] - over(g[j]) / m - x[i] * over(g[j] * x[j]) / m),
    "normalised": gamma * xhat,
    "inside": over((x[i] - x[j]) * g[j]) + over(sp.exp(x[i] * x[j])),
    "contracted": over(g[j] * (sp.KroneckerDelta(i, j) - 1 / m - x[i] * x[j] / m)),
    "index as a number": i * x[i] + over(j * x[j]) + (m - 1) / m + sp.sqrt(m) + sp.log(m),
    "branch": sp.Piecewise((sp.log(x[i]), x[i] > 0), (x[i], True)) + over(sp.Max(x[j], 0)),
    "one name for two indices": over(g[j] * x[j] / (1 + over(x[j] ** 2))),
    "scalar": over(g[j] * sp.Piecewise((1 / x[j], sp.Abs(x[j]) > sp.Rational(1, 10)), (0, True))),
}


def compiled(source: str, name: str, folder: Path) -> Any:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    (folder / "f.c").write_text(source)
    library = folder / "f.so"
    flags = ["-std=c99", "-Wall", "-Werror", "-O1", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "f.c", "-o", str(library), "-lm"], cwd=folder, check=True)
    function = getattr(ctypes.CDLL(str(library)), name)
    function.restype = ctypes.c_double
    return function


def library(target: str) -> Any:
    if target == "numpy":
        return np
    if target == "torch":
        return pytest.importorskip("torch", reason="PyTorch is not installed")
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jax.config.update("jax_enable_x64", True)
    return jax.numpy


def defined(source: str, name: str = "f") -> Callable[..., Any]:
    space: dict[str, Any] = {}
    exec(source, space)
    function: Callable[..., Any] = space[name]
    return function


def converter(target: str) -> Callable[[Any], Any]:
    module = library(target)
    if target == "torch":
        return lambda value: module.tensor(value, dtype=module.float64)
    return lambda value: module.asarray(value, dtype=float)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", SCALAR)
def test_scalar_formulas(name: str, target: str, tmp_path: Path) -> None:
    expr = SCALAR[name]
    arguments = sorted(expr.free_symbols, key=str)
    source = code(expr, target, "f", arguments)
    generator = random.Random(name)
    points = []
    for _ in range(40):
        points.append(
            [generator.uniform(0.1, 3) if s.is_positive else generator.uniform(-4, 3) for s in arguments]
        )
    exact = [sp.Rational(value) for point in points for value in point]
    rows = [exact[n : n + len(arguments)] for n in range(0, len(exact), len(arguments))]
    expected = [float(expr.subs(dict(zip(arguments, row, strict=True))).evalf(20)) for row in rows]
    if target == "c":
        function = compiled(source, "f", tmp_path)
        got = [function(*map(ctypes.c_double, point)) for point in points]
    else:
        columns = list(map(converter(target), map(list, zip(*points, strict=True))))
        got = np.asarray(defined(source)(*columns))
    np.testing.assert_allclose(got, expected, rtol=2e-13, atol=1e-15)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", INDEXED)
def test_formulas_with_indices(name: str, target: str, tmp_path: Path) -> None:
    expr = INDEXED[name]
    size = 5
    generator = random.Random(name)
    arrays = {q: [generator.uniform(-2, 2) for _ in range(size)] for q in (x, g)}
    scalars = {v: 0.7, eps: 0.25, gamma: 1.3}
    order = [x, g, v, eps, gamma, i, m]
    symbols = expr.free_symbols
    arguments = [s for s in order if getattr(s, "label", s) in symbols or (s == m and expr.has(sp.Sum))]
    source = code(expr, target, "f", arguments)

    def value(row: int) -> float:
        """The formula at one index, from its definition: sums expanded one index after the other."""
        full = expr.subs(m, size)
        full = full.replace(sp.Sum, lambda f, *limits: sp.Sum(f, *limits).doit())
        full = full.subs(i, row)
        entries = {q[n + 1]: sp.Rational(arrays[q][n]) for q in (x, g) for n in range(size)}
        return float(full.subs(entries).subs({s: sp.Rational(c) for s, c in scalars.items()}).evalf(20))

    has_index = i in symbols
    expected = [value(row) for row in (range(1, size + 1) if has_index else [1])]
    if target == "c":
        function = compiled(source, "f", tmp_path)
        got = []
        for row in range(1, len(expected) + 1):
            values: dict[Any, Any] = {q: (ctypes.c_double * size)(*arrays[q]) for q in (x, g)}
            values |= {s: ctypes.c_double(c) for s, c in scalars.items()} | {i: row, m: size}
            got.append(function(*(values[s] for s in arguments)))
    else:
        convert = converter(target)
        given = [convert(arrays.get(s, scalars.get(s))) for s in arguments if s not in (i, m)]
        got = np.atleast_1d(np.asarray(defined(source)(*given)))
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("target", ["numpy", "torch", "jax"])
def test_two_free_indices_give_a_matrix(target: str) -> None:
    jacobian = sp.KroneckerDelta(i, k) - x[i] * x[k] / 3 + over(x[j] ** 2) * g[k]
    convert = converter(target)
    entries = [0.5, -1.0, 2.0], [3.0, 1.0, 0.25]
    got = np.asarray(defined(code(jacobian, target, "f", [x, g, i, k, m]))(*map(convert, entries)))
    xs, gs = map(np.array, entries)
    np.testing.assert_allclose(got, np.eye(3) - np.outer(xs, xs) / 3 + np.sum(xs**2) * gs, rtol=1e-14)


@pytest.mark.parametrize("target", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("name", [*SCALAR, *INDEXED])
def test_single_precision_stays_single(name: str, target: str) -> None:
    expr = (SCALAR | INDEXED)[name]
    bases = {t.base for t in expr.atoms(sp.Indexed)}
    labels = {q.label for q in bases}
    scalars = [s for s in expr.free_symbols if isinstance(s, sp.Symbol) and s not in labels | {i, m}]
    extra = [q for q in (i, m) if bases and q in expr.free_symbols]
    arguments = [*sorted(bases, key=str), *sorted(scalars, key=str)]
    module = library(target)
    values = [module.ones(4, dtype=module.float32) for _ in arguments]
    got = defined(code(expr, target, "f", [*arguments, *extra]))(*values)
    assert str(got.dtype).endswith("float32")


SINGULAR = [
    sp.Piecewise((sp.sqrt(a), a > 0), (0, True)),
    sp.Piecewise((0, a <= 0), (sp.log(a) / a, True)),
    sp.Piecewise((sp.sin(a) / a, sp.Ne(a, 0)), (1, True)),
    sp.Piecewise((sp.exp(a), a < 0), (1 + a, True)),
    sp.Piecewise((sp.sqrt(1 - a**2), sp.Abs(a) < 1), (a, True)),
]
POINTS = [-2000.0, -1.5, -0.5, 0.0, 0.5, 1.0, 1.5, 2000.0]


@pytest.mark.parametrize("expr", SINGULAR, ids=str)
def test_gradients_through_singular_branches(expr: sp.Expr) -> None:
    torch = library("torch")
    points = torch.tensor(POINTS, dtype=torch.float64, requires_grad=True)
    defined(code(expr, "torch", "f", [a]))(points).sum().backward()
    assert torch.isfinite(points.grad).all()
    jnp = library("jax")
    import jax

    function = defined(code(expr, "jax", "f", [a]))
    assert all(jnp.isfinite(jax.grad(function)(point)) for point in POINTS)
    kinks = {0.0, 1.0}
    for point, ours in zip(POINTS, points.grad.tolist(), strict=True):
        if point not in kinks:
            assert ours == pytest.approx(
                float(expr.diff(a).subs(a, sp.Rational(point)).evalf()), rel=1e-12, abs=0
            )


def test_gradients_of_tails() -> None:
    torch = library("torch")
    points = torch.tensor([-10.0, 0.0, 3.0], dtype=torch.float64, requires_grad=True)
    defined(code(phi(a) + a * Phi(a), "torch", "f", [a]))(points).sum().backward()
    expected = [float(Phi(int(point)).evalf()) for point in (-10, 0, 3)]
    np.testing.assert_allclose(points.grad.tolist(), expected, rtol=1e-9)


def test_the_lower_tail_is_right_in_every_target(tmp_path: Path) -> None:
    expected = float(Phi(-10).evalf())
    for target in ("numpy", "torch", "jax"):
        got = float(defined(code(Phi(a), target, "f", [a]))(converter(target)(-10.0)))
        assert got == pytest.approx(expected, rel=1e-12, abs=0)
    got = compiled(code(Phi(a), "c", "f", [a]), "f", tmp_path)(ctypes.c_double(-10.0))
    assert got == pytest.approx(expected, rel=1e-12, abs=0)


def test_lambert_w() -> None:
    expr = sp.LambertW(a) + sp.LambertW(-1 / K, -1)
    got = defined(code(expr, "numpy", "f", [a, K]))(np.array([0.5, 2.0]), np.array([4.0, 9.0]))
    exact = [(sp.Rational(1, 2), 4), (2, 9)]
    expected = [float(expr.subs({a: p, K: q}).evalf(20)) for p, q in exact]
    np.testing.assert_allclose(got, expected, rtol=1e-13)
    with pytest.raises(ValueError, match="LambertW has no counterpart in torch"):
        code(expr, "torch")


def test_an_array_may_have_further_axes() -> None:
    batch = np.random.default_rng(0).normal(size=(6, 3))
    got = defined(code(x[i] - mean, "numpy", "f", [x, i, m]))(batch)
    np.testing.assert_allclose(got, batch - batch.mean(axis=0), atol=1e-15)


CATALOGUE = sorted(
    name for name, formula in catalog().items() if not formula.closed_form.has(sp.Integral, Unspecified)
)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_formula_of_the_catalogue(name: str, target: str, tmp_path: Path) -> None:
    formula = catalog()[name]
    source = formula.code(target)
    size, row, column = 4, 3, 2
    batch, upstream = [0.5, -1.25, 2.0, 0.75], [0.375, 1.5, -0.625, 0.25]
    labels = {str(getattr(s, "label", s)): s for s in formula.domain.sets}
    used = {str(s) for s in formula.closed_form.free_symbols}
    numbers: dict[str, Any] = {"m": size, "i": row, "j": column, "b": 3, "n": 3, "k": 2}
    values: dict[str, Any] = {}
    for position, (label, symbol) in enumerate(labels.items()):
        if isinstance(symbol, sp.IndexedBase):
            values[label] = upstream if label == "g" else batch
        elif symbol.is_integer and label in numbers:
            values[label] = numbers[label]
        else:
            values[label] = 0.25 + 0.125 * position
    values = {label: value for label, value in values.items() if label in used | {"m"} & set(labels)}
    try:
        expected = float(formula.evaluate(**values))
    except ValueError as error:
        pytest.skip(f"the point is outside the domain: {error}")
    function_name = name.replace(".", "_")
    if target == "c":
        function = compiled(source, function_name, tmp_path)
        head = source.split("(", 1)[1].split(")", 1)[0]
        given: list[Any] = []
        for parameter in head.split(", ") if head != "void" else []:
            value = values[parameter.split()[-1].lstrip("*")]
            if isinstance(value, list):
                given.append((ctypes.c_double * size)(*value))
            else:
                given.append(value if parameter.startswith("int") else ctypes.c_double(value))
        got = function(*given)
    else:
        convert = converter(target)
        function = defined(source, function_name)
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        got = np.asarray(function(*(convert(values[label]) for label in names)))
        for label in ("i", "j"):
            if label in values and got.ndim and label not in names:
                got = got[values[label] - 1]
    assert float(got) == pytest.approx(expected, rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("bits", [0, 3])
def test_sums_over_numbers(bits: int, target: str, tmp_path: Path) -> None:
    source = code(K * sp.Sum(k * Phi(-k * v), (k, 1, 2**K - 1)), target, "f", [K, v])
    expected = bits * sum(n * float(Phi(sp.Rational(-n, 4)).evalf()) for n in range(1, 2**bits))
    if target == "c":
        got = compiled(source, "f", tmp_path)(ctypes.c_double(bits), ctypes.c_double(0.25))
    else:
        got = np.asarray(defined(source)(*map(converter(target), (float(bits), [0.25, 0.25]))))
    np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_equal_sums_are_computed_once() -> None:
    for target in TARGETS:
        for expr in (xhat, catalog()["batchnorm.jacobian"].closed_form):
            source = code(expr, target)
            assert "sum_2" in source
            assert "sum_3" not in source


def test_errors() -> None:
    with pytest.raises(ValueError, match="target must be one of 'numpy', 'torch', 'jax', 'c', got 'fortran'"):
        code(a, "fortran")
    for target, node in itertools.product(TARGETS, (sp.zeta(a), sp.Integral(sp.exp(a), (a, 0, b)), sp.I * a)):
        with pytest.raises(ValueError, match=r"zeta|Integral|ImaginaryUnit"):
            code(node, target)
    with pytest.raises(ValueError, match="the arguments a lack b"):
        code(a + b, "numpy", "f", [a])
    with pytest.raises(ValueError, match="a sum must run from 1 to a symbol"):
        code(sp.Sum(x[j], (j, 2, m)), "numpy")


def test_no_branch_is_left_out() -> None:
    half = sp.Piecewise((sp.sqrt(a), a > 0))
    got = defined(code(half, "numpy", "f", [a]))(np.array([4.0, -1.0]))
    assert got[0] == 2
    assert np.isnan(got[1])
