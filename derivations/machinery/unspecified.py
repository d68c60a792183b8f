"""Functions of which only some properties are known, such as the density of an arbitrary symmetric law."""

from __future__ import annotations

from typing import Any, ClassVar

import sympy as sp

from derivations.normal import Phi, phi


class Unspecified(sp.Function):
    """A function that is not specified; subclasses give its known properties through SymPy's hooks.

    Attributes
    ----------
    letter
        How it is written.
    """

    nargs = 1
    letter: ClassVar[str]

    @staticmethod
    def stand_in(x: sp.Expr) -> sp.Expr:
        """The value of a function with these properties and no others.

        What is claimed for all of them must hold for it, so a step is evaluated with it; proofs never see it.
        """
        raise NotImplementedError

    def _eval_is_real(self) -> bool:
        return True

    def _sympystr(self, printer: Any) -> str:
        return f"{self.letter}({printer._print(self.args[0])})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"{self.letter}{power}\left({printer._print(self.args[0])}\right)"


class Slope(Unspecified):
    """The derivative of a function of which no more is known than that it has one."""

    @staticmethod
    def stand_in(x: sp.Expr) -> sp.Expr:
        return phi(x) + phi(x - 1)


class Differentiable(Unspecified):
    """A function of which no more is known than that it has a derivative.

    Attributes
    ----------
    slope
        The derivative.
    """

    slope: ClassVar[type[Slope]]

    @staticmethod
    def stand_in(x: sp.Expr) -> sp.Expr:
        return Phi(x) + Phi(x - 1)  # its derivative is neither even nor odd

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Its derivative."""
        return self.slope(self.args[0])


def with_stand_ins(expr: sp.Expr) -> sp.Expr:
    """The expression with every unspecified function replaced by one that has its properties."""
    if not expr.has(Unspecified):
        return expr
    return expr.replace(lambda e: isinstance(e, Unspecified), lambda e: e.stand_in(e.args[0]))
