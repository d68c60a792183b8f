"""Finite sums over an index, in the one form in which equal sums look equal.

``Sum.doit`` turns sums over a Kronecker delta into piecewise expressions, or fails on them; here an index that
runs over a whole batch meets only indices of the same batch, and the delta is simply contracted.
"""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

INDEX = sp.Symbol("j_", integer=True, positive=True)


def expand_sums(expr: sp.Expr) -> sp.Expr:
    """The expression with every finite sum expanded to sums of monomials, constants pulled out.

    Parameters
    ----------
    expr
        Any expression; its sums have the form ``Sum(f, (j, 1, m))``.

    Returns
    -------
    Expr
        Equal to ``expr`` provided that each free index lies in the range of the sums that contract it.

    Examples
    --------
    >>> import sympy as sp
    >>> from derivations.machinery.sums import expand_sums
    >>> i, j, m = sp.symbols("i j m", integer=True, positive=True)
    >>> x = sp.IndexedBase("x", real=True)
    >>> expand_sums(sp.Sum((x[j] - 1) * sp.KroneckerDelta(i, j), (j, 1, m)))
    x[i] - 1
    """
    if not expr.args or isinstance(expr, sp.Indexed):
        return expr
    if isinstance(expr, sp.Sum):
        function = expand_sums(expr.function)
        for index, low, high in expr.limits:  # the inner ones first
            function = _expand_sum(function, index, low, high)
        return function
    if isinstance(expr, sp.Integral | sp.Derivative):
        return expr
    args = [expand_sums(arg) if isinstance(arg, sp.Expr) else arg for arg in expr.args]
    rebuilt = expr.func(*args)
    if isinstance(rebuilt, sp.Pow) and isinstance(rebuilt.base, sp.Add):
        return sp.Pow(sp.expand(rebuilt.base), rebuilt.exp)
    return rebuilt


def _expand_sum(function: sp.Expr, index: sp.Symbol, low: sp.Expr, high: sp.Expr) -> sp.Expr:
    return sp.Add(*[_sum_term(term, index, low, high) for term in sp.Add.make_args(sp.expand(function))])


def _sum_term(term: sp.Expr, index: sp.Symbol, low: sp.Expr, high: sp.Expr) -> sp.Expr:
    factors = sp.Mul.make_args(term)
    constant = sp.Mul(*[factor for factor in factors if index not in _free_symbols(factor)])
    varying = sp.Mul(*[factor for factor in factors if index in _free_symbols(factor)])
    for factor in sp.Mul.make_args(varying):
        delta, power = factor.as_base_exp()
        if not isinstance(delta, sp.KroneckerDelta) or power.is_positive is not True:
            continue
        other = [arg for arg in delta.args if arg != index]
        if len(other) == 1:
            # where the delta is not zero it is one, wherever else it stands
            return constant * varying.xreplace({delta: sp.S.One}).subs(index, other[0])
    if varying == 1:
        return constant * (high - low + 1)
    name = INDEX
    while varying.has(name) and name != index:  # the index of an inner sum
        name = sp.Symbol(f"{name}_", integer=True, positive=True)
    return constant * sp.Sum(varying.subs(index, name), (name, low, high))


@lru_cache(maxsize=4096)  # the same factors stand in many terms, and SymPy looks through their sums each time
def _free_symbols(factor: sp.Expr) -> frozenset[sp.Basic]:
    return frozenset(factor.free_symbols)


def contract(expr: sp.Expr) -> sp.Expr:
    """Sums over a Kronecker delta contracted, other sums left as they are written.

    Examples
    --------
    >>> import sympy as sp
    >>> from derivations.machinery.sums import contract
    >>> i, j, m = sp.symbols("i j m", integer=True, positive=True)
    >>> g = sp.IndexedBase("g", real=True)
    >>> contract(sp.Sum(g[j] * (sp.KroneckerDelta(i, j) - 1 / m), (j, 1, m)))
    g[i] + Sum(-g[j]/m, (j, 1, m))
    """
    if not expr.args or isinstance(expr, sp.Indexed):
        return expr
    if not isinstance(expr, sp.Sum) or len(expr.limits) != 1:
        args = [contract(arg) if isinstance(arg, sp.Expr) else arg for arg in expr.args]
        return expr.func(*args)
    ((index, low, high),) = expr.limits
    function = contract(expr.function)
    if not function.has(sp.KroneckerDelta):
        return sp.Sum(function, (index, low, high))
    collapsed, kept = [], []
    for term in sp.Add.make_args(sp.expand_mul(function)):
        if any(index in delta.args for delta in term.atoms(sp.KroneckerDelta)):
            collapsed.append(_sum_term(term, index, low, high))
        else:
            kept.append(term)
    remaining = sp.Sum(sp.Add(*kept), (index, low, high)) if kept else sp.S.Zero
    return sp.Add(*collapsed, remaining)
