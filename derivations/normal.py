r"""The standard normal density and distribution function as symbols of their own.

SymPy writes the distribution function with ``erf`` or ``erfc`` and replaces ``erfc(-x)`` by ``2 - erfc(x)``
as it is built, so a printed formula loses every digit in the lower tail. `phi` and `Phi` stay as they are
written: a closed form keeps the shape it has in the papers, differentiates by :math:`\varphi' = -x\varphi`
and :math:`\Phi' = \varphi`, and is evaluated through the complementary error function, which is accurate in
both tails.

Examples
--------
>>> from sympy import Symbol, diff, oo, limit
>>> a = Symbol("a", real=True)
>>> diff(phi(a) + a * Phi(a), a)
Phi(a)
>>> limit(a * phi(a), a, oo)
0
>>> Phi(-10).evalf()
7.61985302416053e-24
"""

from __future__ import annotations

from typing import Any

import mpmath
from sympy import Expr, Function, S, erf, erfc, exp, pi, sqrt
from sympy.core.function import ArgumentIndexError
from sympy.printing.precedence import PRECEDENCE

__all__ = ["Phi", "phi"]

_GUARD_BITS = 16


def _real_number(argument: Expr, precision: int) -> Any:
    """Give `argument` as an mpmath number, or None where it holds a free symbol.

    Bits are added for the size of the argument, since the relative error of both functions in a tail is that
    of the argument times its square.
    """
    if argument.free_symbols:
        return None
    rough = argument.evalf(15)
    if not rough.is_number or not rough.is_finite:
        return None
    size = max(0, int(mpmath.mag(rough._to_mpmath(53)))) if rough != 0 else 0
    try:
        return argument._to_mpmath(precision + _GUARD_BITS + 2 * size)
    except ValueError:
        return None


class phi(Function):
    r"""Standard normal density :math:`\varphi(x) = e^{-x^2/2} / \sqrt{2\pi}`.

    Parameters
    ----------
    x : Expr
        A real argument. A minus sign is taken out, since the density is even.

    Examples
    --------
    >>> from sympy import Symbol, exp
    >>> x = Symbol("x", real=True)
    >>> phi(x).diff(x)
    -x*phi(x)
    >>> phi(x).rewrite(exp)
    sqrt(2)*exp(-x**2/2)/(2*sqrt(pi))
    >>> phi(-x)
    phi(x)
    """

    nargs = 1

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        """Evaluate at 0 and at the infinities and take out a minus sign."""
        if x is S.NaN:
            return S.NaN
        if x.is_zero:
            return 1 / sqrt(2 * pi)
        if x in (S.Infinity, S.NegativeInfinity):
            return S.Zero
        if x.could_extract_minus_sign():
            return cls(-x)
        return None

    def fdiff(self, argindex: int = 1) -> Expr:
        """Derivative: minus the argument times the density."""
        if argindex != 1:
            raise ArgumentIndexError(self, argindex)
        return -self.args[0] * self

    def _eval_rewrite_as_exp(self, x: Expr, **_: Any) -> Expr:
        return exp(-(x**2) / 2) / sqrt(2 * pi)

    def _eval_rewrite_as_tractable(self, x: Expr, limitvar: Any = None, **_: Any) -> Expr:
        return exp(-(x**2) / 2) / sqrt(2 * pi)

    def _eval_nseries(self, x: Any, n: int, logx: Any, cdir: Any = 0) -> Expr:
        return self.rewrite(exp)._eval_nseries(x, n, logx, cdir)

    def _eval_as_leading_term(self, x: Any, logx: Any = None, cdir: Any = 0) -> Expr:
        return self.rewrite(exp).as_leading_term(x, logx=logx, cdir=cdir)

    def _eval_evalf(self, prec: int) -> Expr | None:
        value = _real_number(self.args[0], prec)
        if value is None:
            return None
        with mpmath.workprec(prec + _GUARD_BITS):
            density = mpmath.exp(-mpmath.fmul(value, value, exact=True) / 2) / mpmath.sqrt(2 * mpmath.pi)
        return Expr._from_mpmath(density, prec)

    def _eval_conjugate(self) -> Expr | None:
        return self if self.args[0].is_extended_real else None

    def _eval_is_real(self) -> bool | None:
        return True if self.args[0].is_extended_real else None

    _eval_is_extended_real = _eval_is_real
    _eval_is_finite = _eval_is_real
    _eval_is_nonnegative = _eval_is_real
    _eval_is_extended_nonnegative = _eval_is_real

    def _eval_is_positive(self) -> bool | None:
        return True if self.args[0].is_real else None

    _eval_is_extended_positive = _eval_is_positive

    def _eval_is_zero(self) -> bool | None:
        return False if self.args[0].is_real else None

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return _latex_call(r"\varphi", self, printer, exp)

    def _numpycode(self, printer: Any) -> str:
        return f"(0.3989422804014327*{printer._print(exp(-(self.args[0] ** 2) / 2))})"

    _torchcode = _jaxcode = _ccode = _numpycode


class Phi(Function):
    r"""Standard normal distribution function :math:`\Phi(x) = \int_{-\infty}^x \varphi(t)\,\mathrm{d}t`.

    `Phi` of a negated argument stays as it is: neither ``1 - Phi(x)`` nor anything else is put in its place.

    Parameters
    ----------
    x : Expr
        A real argument.

    Examples
    --------
    >>> from sympy import Symbol, oo
    >>> x = Symbol("x", real=True)
    >>> Phi(x).diff(x), Phi(-x), Phi(-oo), Phi(0)
    (phi(x), Phi(-x), 0, 1/2)
    >>> Phi(-38).evalf(5)
    2.8854e-316
    """

    nargs = 1

    @classmethod
    def eval(cls, x: Expr) -> Expr | None:
        """Evaluate at 0 and at the infinities."""
        if x is S.NaN:
            return S.NaN
        if x.is_zero:
            return S.Half
        if x is S.Infinity:
            return S.One
        if x is S.NegativeInfinity:
            return S.Zero
        return None

    def fdiff(self, argindex: int = 1) -> Expr:
        """Derivative: the density."""
        if argindex != 1:
            raise ArgumentIndexError(self, argindex)
        return phi(self.args[0])

    def _eval_rewrite_as_erfc(self, x: Expr, **_: Any) -> Expr:
        return erfc(-x / sqrt(2), evaluate=False) / 2

    def _eval_rewrite_as_erf(self, x: Expr, **_: Any) -> Expr:
        return (1 + erf(x / sqrt(2))) / 2

    def _eval_rewrite_as_tractable(self, x: Expr, limitvar: Any = None, **_: Any) -> Expr:
        return self.rewrite(erf).rewrite("tractable", deep=True, limitvar=limitvar)

    def _eval_nseries(self, x: Any, n: int, logx: Any, cdir: Any = 0) -> Expr:
        return self.rewrite(erf)._eval_nseries(x, n, logx, cdir)

    def _eval_as_leading_term(self, x: Any, logx: Any = None, cdir: Any = 0) -> Expr:
        return self.rewrite(erf).as_leading_term(x, logx=logx, cdir=cdir)

    def _eval_evalf(self, prec: int) -> Expr | None:
        value = _real_number(self.args[0], prec)
        if value is None:
            return None
        size = max(0, int(mpmath.mag(value))) if value else 0
        with mpmath.workprec(prec + _GUARD_BITS + 2 * size):
            probability = mpmath.erfc(-value / mpmath.sqrt(2)) / 2
        return Expr._from_mpmath(probability, prec)

    def _eval_conjugate(self) -> Expr | None:
        return self if self.args[0].is_extended_real else None

    def _eval_is_real(self) -> bool | None:
        return True if self.args[0].is_extended_real else None

    _eval_is_extended_real = _eval_is_real
    _eval_is_finite = _eval_is_real
    _eval_is_nonnegative = _eval_is_real
    _eval_is_extended_nonnegative = _eval_is_real

    def _eval_is_positive(self) -> bool | None:
        return True if self.args[0].is_real else None

    _eval_is_extended_positive = _eval_is_positive

    def _eval_is_zero(self) -> bool | None:
        return False if self.args[0].is_real else None

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return _latex_call(r"\Phi", self, printer, exp)

    def _numpycode(self, printer: Any) -> str:
        return f"{printer._module_format('scipy.special.ndtr')}({printer._print(self.args[0])})"

    def _torchcode(self, printer: Any) -> str:
        # torch.special.ndtr is (1 + erf(x / sqrt(2))) / 2, which is 0 from x = -8.3 down
        return _half_erfc(printer._module_format("torch.erfc"), self, printer)

    def _jaxcode(self, printer: Any) -> str:
        return f"{printer._module_format('jax.scipy.special.ndtr')}({printer._print(self.args[0])})"

    def _ccode(self, printer: Any) -> str:
        return _half_erfc("erfc", self, printer)


def _half_erfc(function: str, call: Expr, printer: Any) -> str:
    argument = printer.parenthesize(call.args[0], PRECEDENCE["Mul"])
    return f"(0.5*{function}(-0.7071067811865476*{argument}))"


def _latex_call(name: str, call: Expr, printer: Any, power: str | None) -> str:
    """Write ``name^{power}\\left(argument\\right)``."""
    raised = name if power is None else f"{name}^{{{power}}}"
    return rf"{raised}\left({printer._print(call.args[0])}\right)"
