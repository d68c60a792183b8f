"""Values at a point: what is enclosed contains the truth, and what cannot be enclosed is refused."""

from __future__ import annotations

import mpmath
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from derivations import find
from derivations.machinery.arithmetic import Unevaluable
from derivations.machinery.enclosure import Evaluator, decimal
from derivations.normal import Phi, phi
from derivations.pact import Round

v = sp.Symbol("v", real=True)
a = sp.Symbol("a", real=True)


@pytest.mark.parametrize(
    ("integral", "expected"),
    [
        (sp.Integral(phi(v), (v, -sp.oo, sp.oo)), 1),
        (sp.Integral(v**4 * phi(v), (v, -sp.oo, sp.oo)), 3),
        (sp.Integral(sp.Abs(v) * sp.exp(-2 * sp.Abs(v - 1)), (v, -sp.oo, sp.oo)), 1 + sp.exp(-2) / 2),
        (sp.Integral(sp.Max(0, v - 1) * phi(v), (v, -sp.oo, sp.oo)), phi(1) - Phi(-1)),
        (sp.Integral(sp.Heaviside(sp.Abs(v) - 1, 0) * sp.sign(v) * v, (v, -2, 2)), 3),
        (sp.Integral(sp.Piecewise((v**2, v < 1), (1, True)), (v, 0, 2)), sp.Rational(4, 3)),
    ],
)
def test_integrals_with_kinks_and_tails(integral: sp.Integral, expected: sp.Expr) -> None:
    evaluator = Evaluator()
    found, wanted = evaluator.at(integral, {}), evaluator.at(sp.sympify(expected), {})
    assert evaluator.numbers.agree(found, wanted)
    assert not evaluator.numbers.agree(found, wanted + evaluator.numbers.rational(1, 10**40))


@pytest.mark.parametrize(
    ("function", "low", "expected"),
    [
        (phi(v), a, -phi(a)),  # an end moves
        (sp.Heaviside(v - a, 0) * phi(v), -sp.oo, -phi(a)),  # a jump moves
        (sp.Max(0, a * v - 1) * phi(v), -sp.oo, phi(1 / a)),  # a kink moves, and the integrand
        (v * sp.exp(-a * v), 0, -2 / a**3),  # the decay changes, and with it the tail
        (sp.Heaviside(v - a, 0) * phi(v), 2, sp.S.Zero),  # a jump outside
    ],
)
def test_derivatives_of_integrals(function: sp.Expr, low: sp.Expr, expected: sp.Expr) -> None:
    evaluator, point = Evaluator(), {a: sp.Rational(5, 7)}
    derivative = sp.Derivative(sp.Integral(function, (v, low, sp.oo)), a)
    found, wanted = evaluator.at(derivative, point), evaluator.at(expected, point)
    assert evaluator.numbers.agree(found, wanted)
    assert not evaluator.numbers.agree(found, wanted + evaluator.numbers.rational(1, 10**40))


def test_second_derivatives_of_integrals_are_refused() -> None:
    integral = sp.Integral(phi(v), (v, a, sp.oo))
    with pytest.raises(Unevaluable, match="only the first derivative"):
        Evaluator().at(sp.Derivative(integral, a, a), {a: sp.S.One})


@pytest.mark.parametrize(
    "integral",
    [
        sp.Integral(sp.sqrt(v), (v, -1, 1)),
        sp.Integral(1 / v, (v, -1, 2)),
        sp.Integral(sp.Abs(v**2 - 1), (v, -2, 2)),
        sp.Integral(1 / (1 + v**2), (v, -sp.oo, sp.oo)),
        sp.Integral(sp.exp(v**2), (v, -sp.oo, sp.oo)),
    ],
)
def test_integrals_that_are_not_bounded_rigorously_are_refused(integral: sp.Integral) -> None:
    with pytest.raises(Unevaluable):
        Evaluator().at(integral, {})


@given(st.fractions(-30, 30, max_denominator=999), st.integers(1, 40))
def test_decimals_agree_with_mpmath(x: object, digits: int) -> None:
    point = sp.Rational(x)
    with mpmath.workdps(150):
        at = mpmath.mpf(int(point.p)) / int(point.q)
        expected = at * mpmath.erfc(-at / mpmath.sqrt(2)) / 2 + mpmath.npdf(at)
        found = mpmath.mpf(str(decimal(a * Phi(a) + phi(a), {a: point}, digits)))
        assert abs(found / expected - 1) < mpmath.mpf(10) ** (1 - digits)


def test_derivatives_share_nothing_with_sympy_diff(monkeypatch: pytest.MonkeyPatch) -> None:
    expr = sp.Derivative(a**2 * Phi(a) / sp.sqrt(a**2 + 1), a)
    expected = decimal(expr.doit(), {a: sp.Rational(2, 3)}, 30)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("SymPy was asked for a derivative")

    monkeypatch.setattr(sp.Expr, "diff", fail)
    monkeypatch.setattr(sp.Derivative, "doit", fail)
    found = decimal(expr, {a: sp.Rational(2, 3)}, 30)
    assert abs(found - expected) < sp.Float(10) ** -28


def test_powers_with_huge_exponents_take_no_time() -> None:
    assert str(find("pact.difference_bound").evaluate(3, b=10**400)).startswith("6.18e-30102999566398")


def test_values_that_only_hundreds_of_digits_tell_from_zero() -> None:
    tail = find("relu.mean").evaluate(3, a=-(10**200))
    assert 0 < tail < sp.Rational(1, 10) ** 1000


def test_a_sum_is_not_mistaken_for_the_one_with_two_values_exchanged() -> None:
    i, j, k, n = sp.symbols("i j k n", integer=True, positive=True)
    x, y = sp.symbols("x y", real=True)
    z = sp.IndexedBase("z", real=True)
    inner = sp.Sum(i + 10 * j + k, (k, 1, 2))
    either = [sp.Sum(i * inner, *limits) for limits in (((j, 1, 2), (i, 1, 2)), ((i, 1, 2), (j, 1, 2)))]
    cubic = sp.Sum((z[k] - z[i]) ** 2 * (z[k] - 2 * z[j]), (k, 1, n))
    both = [sp.Sum(z[i] * cubic, *limits) for limits in (((j, 1, n), (i, 1, n)), ((i, 1, n), (j, 1, n)))]
    powers = sp.Sum(x**k * y, (k, 1, 2))
    evaluator, point = (
        Evaluator(),
        {n: sp.Integer(3), z: (sp.Rational(1, 3), sp.Integer(2), sp.S.NegativeOne)},
    )
    for expr, expected in (
        (either[0] + 3 * either[1], 872),
        (both[0] - both[1], 0),
        (sp.Subs(powers, (x, y), (2, 3)) + 5 * sp.Subs(powers, (y, x), (2, 3)), 138),
    ):
        assert evaluator.numbers.agree(evaluator.at(expr, point), evaluator.numbers.rational(expected))


def test_a_rounded_value_that_balls_do_not_decide_is_found_exactly() -> None:
    third, half = {v: sp.Rational(1, 3), a: sp.Rational(1, 3)}, {v: sp.Rational(1, 3), a: sp.Rational(5, 2)}
    evaluator = Evaluator()
    clipped = Round(sp.Rational(5, 2) * sp.Max(-1, sp.Min(1, v / a)))
    for expr, point in ((clipped, third), (Round(sp.floor(3 * v) * a), half)):
        assert evaluator.numbers.agree(evaluator.at(expr, point), evaluator.numbers.rational(2))


@pytest.mark.parametrize(
    ("relation", "values"),
    [
        (a < 1, [1, 0, 0]),
        (a <= 1, [1, 1, 0]),
        (a > 1, [0, 0, 1]),
        (a >= 1, [0, 1, 1]),
        (sp.Eq(a, 1), [0, 1, 0]),
        (sp.Ne(a, 1), [1, 0, 1]),
        (sp.And(a >= 1, a <= 1), [0, 1, 0]),
        (sp.Or(a < 1, a > 1), [1, 0, 1]),
        (sp.Not(sp.Or(a < 1, a > 1), evaluate=False), [0, 1, 0]),
    ],
)
def test_a_relation_decides_below_at_and_above_a_place(relation: sp.Basic, values: list[int]) -> None:
    evaluator, piecewise = Evaluator(), sp.Piecewise((1, relation), (0, True), evaluate=False)
    places = (sp.Rational(2, 3), sp.S.One, sp.Rational(4, 3))
    assert [float(evaluator.at(piecewise, {a: place})) for place in places] == values


@pytest.mark.parametrize(
    ("without", "condition", "message"),
    [
        (sp.gamma(a), sp.true, "no way to evaluate gamma"),
        (sp.Derivative(phi(a), (a, sp.Symbol("n", integer=True, positive=True))), sp.true, "a given order"),
        (a, sp.Contains(a, sp.S.Rationals, evaluate=False), "no way to decide Contains"),
    ],
)
def test_what_has_no_value_may_stand_where_it_is_not(
    without: sp.Expr, condition: sp.Basic, message: str
) -> None:
    piecewise = sp.Piecewise((a, a < 1), (without, condition), evaluate=False)
    assert decimal(piecewise, {a: sp.Rational(1, 2)}, 5) == sp.Float("0.5", 5)
    with pytest.raises(Unevaluable, match=message):
        decimal(piecewise, {a: sp.S(2)}, 5)
