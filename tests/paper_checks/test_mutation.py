"""Each operator makes its error, at every place, and nothing twice."""

from __future__ import annotations

import pytest
import sympy as sp

from derivations import Domain, Phi, find, phi
from derivations import batchnorm as bn
from derivations.machinery.roots import Root
from derivations.pact import Round
from derivations.ternary import Density, Distribution
from paper_checks.mutation import mutants

a, b = sp.symbols("a b", real=True)
m, i, j = bn.m, bn.i, bn.j
x, g = bn.x, bn.g
BATCH = Domain({m: sp.Range(2, sp.oo), i: sp.Range(1, m + 1), x: sp.S.Reals}, lengths={x: m})
_next = sp.Mod(i, m) + 1


@pytest.mark.parametrize(
    ("operator", "original", "wrong"),
    [
        ("coefficient", 3 * a, [sp.Rational(151, 50) * a, 4 * a, 2 * a, 6 * a, 3 * a / 2]),
        ("coefficient", sp.S.Zero, [sp.Rational(1, 50), sp.S.One, -sp.S.One]),
        ("coefficient", a + b, [sp.Rational(51, 50) * a + b]),
        ("sign", a - b, [b - a, a + b, -a - b]),
        ("sign", sp.exp(-a), [sp.exp(a)]),
        ("exponent", a**2, [a**3, a, a**-2]),
        ("exponent", 1 / sp.sqrt(a), [sp.sqrt(a), 1 / a, a ** sp.Rational(-3, 2)]),
        ("exponent", sp.sqrt(a), [a]),
        ("square", a * b, [a**2 * b, a * b**2]),
        ("dropped", a + b, [a, b]),
        ("dropped", a * b, [a, b]),
        ("dropped", sp.Max(a, b, 0), [sp.Max(a, b)]),
        ("dropped", bn.Xhat(i), [bn.Xhat(i, sp.S.Zero)]),
        ("function", Phi(a), [phi(a)]),
        ("function", phi(a), [Phi(a), -a * phi(a)]),
        ("function", sp.exp(a), [sp.exp(a) - 1, (sp.exp(a) - sp.exp(-a)) / 2]),
        ("function", sp.Abs(a), [a]),
        ("function", sp.Max(a, b), [sp.Min(a, b)]),
        ("function", sp.Heaviside(a, 0), [sp.Heaviside(a, 1), sp.Heaviside(a, sp.Rational(1, 2))]),
        ("function", Round(a), [sp.floor(a), sp.floor(a + sp.Rational(1, 2)), a]),
        ("function", Distribution(a), [Density(a)]),
        ("size", a / m, [a / (m - 1), a / (m + 1)]),
        ("size", 2**m - 1, [2 ** (m - 1) - 1]),
        ("dropped", 2**m - 1, [2**m]),
        ("index", x[i], [x[_next]]),
        ("index", sp.KroneckerDelta(i, 1), [sp.KroneckerDelta(_next, 1)]),
        ("index", bn.Xhat(i), [bn.Xhat(_next)]),
        ("bound", sp.Sum(x[j], (j, 1, m)), [sp.Sum(x[j], (j, 2, m)), sp.Sum(x[j], (j, 1, m - 1))]),
        ("sign", sp.Integral(a, (a, -b, sp.oo)), [sp.Integral(a, (a, b, sp.oo))]),
        ("exponent", sp.Derivative(a**2, a), [sp.Derivative(a**3, a)]),
        (
            "condition",
            sp.Piecewise((a, a < b), (b, True)),
            [
                sp.Piecewise((a, a <= b), (b, True)),
                sp.Piecewise((a, b < a), (b, True)),
                sp.Piecewise((b, a < b), (a, True)),
                sp.Piecewise((a, a < sp.Rational(51, 50) * b), (b, True)),
                b,
            ],
        ),
    ],
)
def test_operator(operator: str, original: sp.Expr, wrong: list[sp.Expr]) -> None:
    made = {mutant.expression for mutant in mutants(original, BATCH) if mutant.operator == operator}
    assert set(wrong) <= made


def test_the_unbiased_variance_stands_for_the_biased_one() -> None:
    made = [mutant.expression for mutant in mutants(bn.VARIANCE) if mutant.operator == "size"]
    assert sp.Sum((x[bn.l] - bn.batch_mean()) ** 2, (bn.l, 1, m)) / (m - 1) in made


def test_a_positive_factor_moves_neither_a_root_nor_a_step() -> None:
    changed = sp.Rational(51, 50)
    root, step = Root(sp.exp(a) - 2, a, sp.S.Zero, sp.S.One), sp.Heaviside(a, 0)
    made = {mutant.expression for expr in (root, step) for mutant in mutants(expr)}
    assert Root(changed * (sp.exp(a) - 2), a, sp.S.Zero, sp.S.One) not in made
    assert sp.Heaviside(changed * a, 0) not in made


def test_a_sum_over_all_next_indices_is_the_same_sum() -> None:
    assert not any(mutant.operator == "index" for mutant in mutants(sp.Sum(x[j] ** 2, (j, 1, m)), BATCH))
    assert any(mutant.operator == "index" for mutant in mutants(sp.Sum(x[j] * g[j], (j, 1, m)), BATCH))


@pytest.mark.parametrize("name", ["batchnorm.grad_input", "relu.c2_variance", "pact.grad_alpha"])
def test_every_mutant_is_made_once_and_none_is_the_original(name: str) -> None:
    formula = find(name)
    made = [mutant.expression for mutant in mutants(formula.closed_form, formula.domain)]
    assert len(made) == len(set(made))
    assert formula.closed_form not in made
