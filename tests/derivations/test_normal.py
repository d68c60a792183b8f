import pickle

import mpmath
import pytest
import sympy as sp

from derivations.normal import Phi, phi

a = sp.Symbol("a", real=True)
z = sp.Symbol("z")


@pytest.mark.parametrize("x", ["-40", "-20", "-8.3", "-1", "-1/1000", "0", "0.7", "9", "40"])
@pytest.mark.parametrize("digits", [15, 50])
def test_values_agree_with_another_algorithm(x: str, digits: int) -> None:
    point = sp.Rational(x)
    with mpmath.workdps(digits + 400):  # the series of ncdf cancels; enough digits and it does not matter
        exact = mpmath.mpf(point.p) / point.q
        lower = mpmath.ncdf(exact)
        density = mpmath.npdf(exact)
        for ours, reference in ((Phi(point), lower), (phi(point), density)):
            value = mpmath.mpf(ours.evalf(digits)._mpf_)
            assert abs(value / reference - 1) < mpmath.mpf(10) ** (1 - digits)


def test_values_in_the_far_tail_keep_their_digits() -> None:
    assert sp.N(phi(30 * sp.sqrt(2)), 30) == sp.N(sp.exp(-900) / sp.sqrt(2 * sp.pi), 30)
    assert str(Phi(-10).evalf(20)) == "7.6198530241605260660e-24"
    moment = (phi(a) + a * Phi(a)).evalf(20, subs={a: -8})
    assert str(moment) == "7.5502624119464989137e-17"


def test_special_values() -> None:
    assert phi(0) == 1 / sp.sqrt(2 * sp.pi)
    assert phi(sp.oo) == phi(-sp.oo) == 0
    assert Phi(0) == sp.Rational(1, 2)
    assert Phi(sp.oo) == 1
    assert Phi(-sp.oo) == 0
    assert phi(sp.nan) is Phi(sp.nan) is sp.nan


def test_the_density_is_even_and_the_distribution_function_stays_as_written() -> None:
    assert phi(-a) == phi(a)
    assert Phi(-a).func is Phi
    assert Phi(-a).args == (-a,)


def test_derivatives() -> None:
    assert phi(a).diff(a) == -a * phi(a)
    assert Phi(a).diff(a) == phi(a)
    assert sp.expand(sp.diff((1 + a**2) * Phi(a) + a * phi(a), a) - 2 * phi(a) - 2 * a * Phi(a)) == 0
    assert Phi(a / 2).diff(a) == phi(a / 2) / 2
    with pytest.raises(sp.core.function.ArgumentIndexError):
        Phi(a).fdiff(2)


@pytest.mark.parametrize(
    ("expr", "at", "limit"),
    [
        (a * phi(a), sp.oo, 0),
        (phi(a) + a * Phi(a), -sp.oo, 0),
        (phi(a) + a * Phi(a) - a, sp.oo, 0),
        (a * Phi(a) / phi(a), -sp.oo, -1),
        ((1 + a**2) * Phi(a) + a * phi(a), -sp.oo, 0),
        ((Phi(a) - sp.Rational(1, 2)) / a, 0, 1 / sp.sqrt(2 * sp.pi)),
    ],
)
def test_limits(expr: sp.Expr, at: sp.Expr, limit: sp.Expr) -> None:
    assert sp.limit(expr, a, at) == limit


def test_assumptions() -> None:
    for function in (phi, Phi):
        assert function(a).is_positive
        assert function(a).is_real
        assert function(z).is_positive is None
        assert function(z).is_real is None


def test_rewriting() -> None:
    assert phi(a).rewrite(sp.exp) == sp.exp(-(a**2) / 2) / sp.sqrt(2 * sp.pi)
    assert Phi(a).rewrite(sp.erfc).has(sp.erfc)
    assert Phi(-10).rewrite(sp.erfc).evalf(10) == Phi(-10).evalf(10)
    assert sp.simplify(Phi(a).rewrite(sp.erf).diff(a) - phi(a).rewrite(sp.exp)) == 0


def test_latex() -> None:
    assert sp.latex(phi(a)) == r"\varphi\left(a\right)"
    assert sp.latex(Phi(a / 2)) == r"\Phi\left(\frac{a}{2}\right)"
    assert sp.latex(phi(a) ** 2) == r"\varphi^{2}\left(a\right)"


def test_symbolic_values_stay_and_expressions_pickle() -> None:
    assert Phi(a).evalf() == Phi(a)
    assert pickle.loads(pickle.dumps(Phi(a) * phi(a))) == Phi(a) * phi(a)
    assert sp.lambdify(a, Phi(a), "scipy")(-10.0) == pytest.approx(7.619853024160526e-24, rel=1e-12, abs=0)
