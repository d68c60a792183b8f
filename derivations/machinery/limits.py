"""Limits at infinity, unevaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp

from derivations.machinery.arithmetic import Unevaluable, arithmetic
from derivations.machinery.domain import Domain
from derivations.machinery.enclosure import Evaluator
from derivations.machinery.prover import is_zero

_FAR = 10**24
_RATE = 10
_MODERATE = sp.Integer(100)


class LimitAtInfinity(sp.Expr):
    """Limit of an expression in one variable, the difference from which is at most ``10/v^2`` where ``|v| > 10^24``.

    That is so where the expression has an expansion in ``1/v^2`` with moderate coefficients, up to terms that
    decay faster, as ratios of Gaussian moments do (the expansion of the Mills ratio).

    Examples
    --------
    >>> import sympy as sp
    >>> from derivations.machinery.limits import LimitAtInfinity
    >>> from derivations.normal import Phi, phi
    >>> x = sp.Symbol("x", real=True)
    >>> LimitAtInfinity(x * Phi(-x) / phi(x), x, sp.oo).doit()
    1
    """

    def __new__(cls, expr: sp.Expr, variable: sp.Symbol, end: sp.Expr) -> Any:
        return super().__new__(cls, expr, variable, end)

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """The symbols besides the variable, which is bound."""
        return set(self.args[0].free_symbols - {self.args[1]})

    def doit(self, **_: Any) -> sp.Expr:
        """The limit by SymPy, which compares rates of growth (Gruntz).

        That of the reciprocal is taken: SymPy fails where a sum of decaying terms is a denominator.
        """
        expr, variable, end = self.args
        return 1 / sp.limit(1 / expr, variable, end)

    def _enclose(self, evaluator: Any, env: Any) -> Any:
        expr, variable, end = self.args
        numbers = [abs(n) for n in expr.atoms(sp.Rational) if n != 0]
        if self.free_symbols or not all(1 / _MODERATE <= n <= _MODERATE for n in numbers):
            raise Unevaluable(f"how fast this limit is approached is not known: {expr}")
        place = sp.Integer(_FAR if end == sp.oo else -_FAR)
        # exp(-10^48/2) needs 48 digits more; the precision of balls belongs to the process and is set back
        value = Evaluator(arithmetic(4 * evaluator.numbers.digits)).at(expr, {variable: place})
        evaluator.numbers.use()
        return evaluator.numbers.widen(value, evaluator.numbers.rational(_RATE, _FAR**2))

    def _latex(self, printer: Any) -> str:
        expr, variable, end = (printer._print(arg) for arg in self.args)
        return rf"\lim_{{{variable} \to {end}}} {expr}"


@dataclass(frozen=True)
class ComparisonOfGrowth:
    """The limit by comparing rates of growth (Gruntz's algorithm), as SymPy does it."""

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the left side is a limit and the right side its value."""
        return isinstance(left, LimitAtInfinity) and is_zero(left.doit() - right, domain)
