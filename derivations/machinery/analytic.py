"""Is a function analytic on the whole line?  Only then may it be integrated, or be an antiderivative, without cuts."""

from __future__ import annotations

import sympy as sp

from derivations.machinery.unspecified import Unspecified
from derivations.normal import Phi, phi


def is_entire(function: sp.Expr, variable: sp.Symbol) -> bool:
    """Whether an expression, as a function of one variable, is put together from entire functions.

    Examples
    --------
    >>> import sympy as sp
    >>> from derivations.machinery.analytic import is_entire
    >>> v = sp.Symbol("v", real=True)
    >>> is_entire(v**2 * sp.exp(-v), v), is_entire(1 / v, v), is_entire(sp.Abs(v), v)
    (True, False, False)
    """
    if not function.has(variable) or function == variable:
        return True
    if isinstance(function, sp.Pow):
        exponent = function.exp
        whole = exponent.is_integer and exponent.is_nonnegative
        return bool(whole and is_entire(function.base, variable))
    entire = sp.Add | sp.Mul | sp.exp | sp.erf | sp.erfc | phi | Phi | Unspecified
    return isinstance(function, entire) and all(is_entire(arg, variable) for arg in function.args)
