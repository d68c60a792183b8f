"""LaTeX of expressions and derivations, for amsmath alone."""

from __future__ import annotations

import sympy as sp


def latex(expr: sp.Basic) -> str:
    """LaTeX of an expression, terms in the order in which they stand.

    Examples
    --------
    >>> import sympy as sp
    >>> from derivations.machinery.latex import latex
    >>> latex(sp.sqrt(sp.Symbol("gamma")))
    '\\\\sqrt{\\\\gamma}'
    """
    return str(sp.latex(expr, order="none", inv_trig_style="full", symbol_names=_names(expr)))


def _names(expr: sp.Basic) -> dict[sp.Symbol, str]:
    names = {s: s.name.rstrip("_") for s in expr.atoms(sp.Symbol)}  # the underscore of a bound index is no letter
    letters = {"eps": r"\epsilon"}
    return {s: letters.get(name, name) for s, name in names.items() if name in letters or name != s.name}


def align(definition: sp.Expr, steps: list[tuple[sp.Expr, str]]) -> str:
    """An ``align*`` environment: the definition, then one line for each step with its reason below it."""
    lines = [f"& {latex(definition)}"]
    lines += [f"&= {latex(expression)} \\\\\n&\\qquad \\text{{({reason})}}" for expression, reason in steps]
    body = " \\\\\n".join(lines)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"
