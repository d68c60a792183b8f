"""Names for subexpressions, so that a formula reads like the page: ``xhat(i)`` for the whole quotient."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy as sp


class Abbreviation(sp.Expr):
    """A name that stands for an expression; subclasses say for which in ``unfolded``.

    Differentiation, evaluation, proofs and code see the unfolded expression.
    """

    def unfolded(self) -> sp.Expr:
        """What the name stands for."""
        raise NotImplementedError

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """The symbols of what the name stands for."""
        return set(_unfolded(self).free_symbols)

    def _eval_derivative(self, symbol: sp.Basic) -> sp.Expr:
        return self.unfolded().diff(symbol)

    def _enclose(self, evaluator: Any, environment: Any) -> Any:
        return evaluator.evaluate(_unfolded(self), environment)

    def _eval_is_commutative(self) -> bool:
        return True


@lru_cache(maxsize=4096)
def _unfolded(name: Abbreviation) -> sp.Expr:
    return name.unfolded()


def unfold(expr: sp.Expr) -> sp.Expr:
    """The expression with every abbreviation written out."""
    while expr.has(Abbreviation):
        expr = expr.replace(lambda e: isinstance(e, Abbreviation), _unfolded)
    return expr
