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
    # a trailing underscore marks a bound index; it is no letter
    return {s: s.name.rstrip("_") for s in expr.atoms(sp.Symbol) if s.name.endswith("_")}


def align(definition: sp.Expr, steps: list[tuple[sp.Expr, str]]) -> str:
    """An ``align*`` environment: the definition, then one line for each step with its reason below it."""
    lines = [f"& {latex(definition)}"]
    lines += [f"&= {latex(expression)} \\\\\n&\\qquad \\text{{({reason})}}" for expression, reason in steps]
    body = " \\\\\n".join(lines)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"
