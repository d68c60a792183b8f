"""Numbers that are defined by what they solve or minimise, unevaluated."""

from __future__ import annotations

from typing import Any

import sympy as sp

from derivations.machinery.arithmetic import Unevaluable
from derivations.machinery.enclosure import Evaluator

_PLACES = 24


class _Solution(sp.Expr):
    """A number between two ends at which a derivative or a function changes sign; at neither end it is zero."""

    def __new__(cls, function: sp.Expr, variable: sp.Symbol, low: sp.Expr, high: sp.Expr) -> Any:
        return super().__new__(cls, sp.sympify(function), variable, sp.sympify(low), sp.sympify(high))

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """The symbols of function and ends, without the bound variable."""
        function, variable, low, high = self.args
        return (function.free_symbols - {variable}) | low.free_symbols | high.free_symbols

    def evalf(self, n: int = 15, **_: Any) -> sp.Expr:
        """The number, where there are no symbols."""
        evaluator = Evaluator()
        return sp.Float(evaluator.numbers.text(self._enclose(evaluator, {}), 45), n)

    def _sign_changing(self) -> sp.Expr:
        raise NotImplementedError

    def _enclose(self, evaluator: Any, env: Any) -> Any:
        # Bisection on the sign: at the end the interval itself is the enclosure.
        _, variable, low, high = self.args
        left, right = evaluator.evaluate(low, env), evaluator.evaluate(high, env)
        target = self._sign_changing()

        def sign(at: Any) -> int:
            return int(evaluator.sign(evaluator.evaluate(target, evaluator.bound(env, {variable: at}))))

        at_left = sign(left)
        if at_left * sign(right) >= 0:
            raise Unevaluable(f"no sign change between the ends of {self}")
        half = evaluator.numbers.rational(1, 2)
        for _ in range(180):
            middle = evaluator.numbers.exact_midpoint(left, right, half)
            at_middle = sign(middle)
            if at_middle == 0:
                return middle
            left, right = (middle, right) if at_middle == at_left else (left, middle)
        return evaluator.numbers.widen((left + right) * half, (right - left) * half)


class Minimiser(_Solution):
    """The place between two ends where a function is least: its derivative goes from minus to plus there.

    That no other place between the ends does better is looked at, not proved, when it is evaluated.
    """

    def _sign_changing(self) -> sp.Expr:
        return sp.Derivative(self.args[0], self.args[1])

    def _enclose(self, evaluator: Any, env: Any) -> Any:
        function, variable, low, high = self.args
        found = super()._enclose(evaluator, env)
        left, right = evaluator.evaluate(low, env), evaluator.evaluate(high, env)

        def value(at: Any) -> Any:
            return evaluator.evaluate(function, evaluator.bound(env, {variable: at}))

        least = value(found)
        for k in range(1, _PLACES):
            share = evaluator.numbers.rational(k, _PLACES)
            elsewhere = value(left + (right - left) * share)
            if evaluator.numbers.below(elsewhere, least):
                raise Unevaluable(f"a place where the derivative vanishes, but not the least value: {self}")
        return found

    def _latex(self, printer: Any) -> str:
        function, variable, low, high = (printer._print(arg) for arg in self.args)
        return rf"\operatorname*{{arg\,min}}_{{{low} < {variable} < {high}}} {function}"


class Root(_Solution):
    """The zero of a function strictly between two ends: one at an end does not count."""

    def _sign_changing(self) -> sp.Expr:
        return self.args[0]

    def _latex(self, printer: Any) -> str:
        function, variable, low, high = (printer._print(arg) for arg in self.args)
        return rf"\operatorname{{root}}_{{{low} < {variable} < {high}}} \left({function}\right)"
