"""LaTeX of expressions and derivations, for amsmath alone."""

from __future__ import annotations

import sympy as sp


def latex(expr: sp.Basic, order: str = "none") -> str:
    """LaTeX of an expression, terms in the order in which they stand, or as SymPy orders them ("lex").

    Examples
    --------
    >>> import sympy as sp
    >>> from derivations.machinery.latex import latex
    >>> latex(sp.sqrt(sp.Symbol("gamma")))
    '\\\\sqrt{\\\\gamma}'
    """
    return str(sp.latex(expr, order=order, inv_trig_style="full", symbol_names=_names(expr)))


def _names(expr: sp.Basic) -> dict[sp.Symbol, str]:
    names = {
        s: s.name.rstrip("_") for s in expr.atoms(sp.Symbol)
    }  # the underscore of a bound index is no letter
    letters = {"eps": r"\epsilon"}
    return {s: letters.get(name, name) for s, name in names.items() if name in letters or name != s.name}


def align(definition: sp.Expr, steps: list[tuple[sp.Expr, str]]) -> str:
    """An ``align`` environment: the definition, then one line for each step with its reason below it.

    The line of the result bears the number of the equation.
    """
    *before, (result, last_reason) = [(f"&= {latex(expression)}", reason) for expression, reason in steps]
    lines = [f"& {latex(definition)} \\notag"]
    for line, reason in before:
        lines += [f"{line} \\notag", _reason(reason)]
    lines += [result, _reason(last_reason)]
    return "\\begin{align}\n" + " \\\\\n".join(lines) + "\n\\end{align}"


def _reason(words: str) -> str:
    return f"&\\qquad \\text{{({words})}} \\notag"
