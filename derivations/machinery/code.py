"""Source text of functions that compute a formula, for NumPy, PyTorch, JAX and C99.

The printers are SymPy's own, with what their output lacks when it is run: numbers are evaluated before they
are printed (``torch.sqrt(2)`` fails), conditions broadcast, a branch of a `Piecewise` never sees a point at
which it is singular (else its gradient is nan also where it is not taken), sums run over whole arrays, the
lower tail of `Phi` keeps its digits (``torch.special.ndtr(-10)`` is 0), and C needs no constants beyond C99.

Examples
--------
>>> from sympy import Symbol
>>> from derivations.machinery.code import code
>>> from derivations.normal import Phi, phi
>>> a = Symbol("a", real=True)
>>> print(code(phi(a) + a * Phi(a), "torch", "relu_mean", [a]))
import torch
<BLANKLINE>
<BLANKLINE>
def relu_mean(a):
    return a*(0.5*torch.erfc(-0.7071067811865476*a)) + (0.3989422804014327*torch.exp(-1/2*a**2))
<BLANKLINE>
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Sequence
from typing import Any

import sympy as sp
from sympy.core.numbers import Float, NumberSymbol
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom
from sympy.printing.c import C99CodePrinter
from sympy.printing.numpy import NumPyPrinter
from sympy.printing.pycode import AbstractPythonCodePrinter

from derivations.machinery.abbreviation import unfold
from derivations.machinery.roots import Root
from derivations.machinery.sums import INDEX, contract
from derivations.normal import Phi, phi

__all__ = ["TARGETS", "code"]

TARGETS = ("numpy", "torch", "jax", "c")

_ELEMENTARY = (
    *("exp", "log", "erf", "erfc", "Abs", "sign", "floor", "ceiling"),
    *("sin", "cos", "tan", "sinh", "cosh", "tanh", "atan"),
)
_NODES: tuple[type, ...] = (
    sp.Symbol, sp.Indexed, sp.IndexedBase, sp.Idx, sp.Rational, Float, NumberSymbol, sp.Add, sp.Mul, sp.Pow,
    sp.Max, sp.Min, sp.Heaviside, sp.Piecewise, ExprCondPair, sp.core.relational.Relational, sp.And, sp.Or,
    sp.Not, BooleanAtom, phi, Phi, sp.LambertW, sp.KroneckerDelta, sp.Sum, sp.Tuple,
    type(sp.oo), type(-sp.oo), *(getattr(sp, name) for name in _ELEMENTARY),
)  # fmt: skip


def code(
    expr: sp.Expr, target: str, name: str = "f", arguments: Sequence[sp.Symbol | sp.IndexedBase] | None = None
) -> str:
    """Source text of a function that computes an expression.

    The array targets take arrays (torch: tensors) and broadcast. An indexed quantity ``x[i]`` is an array
    whose first axis is the index. A free index is no argument: the result holds the value at every index,
    with one axis for each free index in the order of `arguments`. Nor is the upper limit of a sum over
    arrays, which is their length. float32 arrays give float32 results.

    The C function computes one number in double precision: arrays are ``const double *``, and indices
    (counted from 1, as in the formula) and lengths are ``int``.

    Parameters
    ----------
    expr
        The expression; its sums have the form ``Sum(f, (j, 1, m))``.
    target
        ``"numpy"``, ``"torch"``, ``"jax"`` or ``"c"``.
    name
        Name of the function.
    arguments
        Its arguments in order; by default all symbols, sorted by name.

    Raises
    ------
    ValueError
        The target is unknown, the expression holds something that has no counterpart in it (which is named),
        or a symbol is missing from `arguments`.

    Examples
    --------
    >>> import sympy as sp
    >>> from derivations.machinery.code import code
    >>> i, j, m = sp.symbols("i j m", integer=True, positive=True)
    >>> x = sp.IndexedBase("x", real=True)
    >>> centred = x[i] - sp.Sum(x[j], (j, 1, m)) / m
    >>> print(code(centred, "numpy", "centred", [x, i, m]))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def centred(x):
        m = x.shape[0]
        sum_1 = np.sum(x, axis=0)
        return x - sum_1/m
    <BLANKLINE>
    >>> print(code(centred, "c", "centred", [x, i, m]))
    #include <math.h>
    <BLANKLINE>
    double centred(const double *x, int i, int m)
    {
        double sum_1 = 0.0;
        for (int j = 1; j <= m; ++j) {
            sum_1 += x[j - 1];
        }
        return x[i - 1] - sum_1/(double)m;
    }
    <BLANKLINE>
    """
    if target not in TARGETS:
        raise ValueError(f"target must be one of {', '.join(map(repr, TARGETS))}, got {target!r}")
    expr = unfold(sp.sympify(expr))
    # a root without symbols is a number
    expr = expr.replace(lambda e: isinstance(e, Root) and not e.free_symbols, lambda e: e.evalf(40))
    for node in sp.preorder_traversal(expr):
        own = hasattr(node, "_ccode") and isinstance(node, sp.Function)
        if not own and not isinstance(node, _NODES) and not (isinstance(node, sp.Basic) and node.is_Symbol):
            raise ValueError(f"{type(node).__name__} cannot be written as code: {node}")
        if isinstance(node, sp.Indexed) and len(node.indices) != 1:
            raise ValueError(f"{node} has {len(node.indices)} indices; only one can be written as code")
    if target != "numpy" and expr.has(sp.LambertW):
        raise ValueError(f"LambertW has no counterpart in {target}; the target 'numpy' has one")
    plan = _Plan(_prepared(expr), arguments)
    return _c_function(plan, name) if target == "c" else _array_function(plan, target, name)


class _Plan:
    """An expression ready to print, and what each of its symbols stands for."""

    def __init__(self, expr: sp.Expr, arguments: Sequence[Any] | None) -> None:
        self.expr = expr
        sums = expr.atoms(sp.Sum)
        indexed = expr.atoms(sp.Indexed)
        self.arrays = sorted({str(x.base.label) for x in indexed})
        bound = {limit[0] for s in sums for limit in s.limits}
        self.sizes = {limit[2] for s in sums for limit in s.limits if isinstance(limit[2], sp.Symbol)}
        used = {s for x in indexed for s in x.indices[0].free_symbols}
        if indexed:
            used |= {s for d in expr.atoms(sp.KroneckerDelta) for s in d.free_symbols}
        self.indices = used | bound
        labels = {x.base.label for x in indexed}
        scalars = {s for s in expr.free_symbols if isinstance(s, sp.Symbol) and s not in labels}
        by_name = {str(s): s for s in scalars} | {str(label): label for label in labels}
        if arguments is None:
            self.arguments = [by_name[key] for key in sorted(by_name)]
        else:
            names = [str(getattr(a, "label", a)) for a in arguments]
            missing = sorted(set(by_name) - set(names))
            if missing:
                raise ValueError(f"the arguments {', '.join(names)} lack {', '.join(missing)}")
            self.arguments = [by_name.get(key, sp.Symbol(key)) for key in names]
        self.free = [s for s in self.arguments if s in used & scalars]
        self.names = {s: _identifier(str(s)) for s in {*self.arguments, *bound}}
        if len(set(self.names.values())) != len({str(s) for s in self.names}):
            raise ValueError(f"two symbols would have one name in code: {sorted(map(str, self.names))}")
        self.taken = set(self.names.values())

    def new_name(self, stem: str) -> str:
        """A name not yet in use."""
        for number in itertools.count(1):
            name = f"{stem}_{number}"
            if name not in self.taken:
                self.taken.add(name)
                return name
        raise AssertionError

    def name(self, symbol: sp.Symbol) -> str:
        """The identifier of a symbol."""
        return self.names.get(symbol) or _identifier(str(symbol))


def _identifier(text: str) -> str:
    return re.sub(r"_+", "_", re.sub(r"\W", "_", text, flags=re.ASCII)) if not text.isidentifier() else text


# Preparation: the same expression in a form that prints well.


def _prepared(expr: sp.Expr) -> sp.Expr:
    if expr.has(sp.KroneckerDelta) and expr.has(sp.Sum):
        expr = contract(expr)
    return _literals(_separated(expr))


def _rebuilt(expr: sp.Basic, args: Sequence[sp.Basic]) -> sp.Basic:
    if all(new is old for new, old in zip(args, expr.args, strict=True)):
        return expr
    if isinstance(expr, sp.erf | sp.erfc):  # erfc(-x) would become 2 - erfc(x)
        return expr.func(*args, evaluate=False)
    return expr.func(*args)


def _separated(expr: sp.Basic) -> sp.Basic:
    """Sums over one index each, with what does not depend on that index taken out of them."""
    if not expr.args or isinstance(expr, sp.Indexed):
        return expr
    if not isinstance(expr, sp.Sum):
        return _rebuilt(expr, [_separated(arg) for arg in expr.args])
    if len(expr.limits) > 1:
        return _separated(sp.Sum(sp.Sum(expr.function, *expr.limits[:-1]), expr.limits[-1]))
    ((index, low, high),) = expr.limits
    if low.is_Integer and high.is_Integer:
        return _separated(sp.Add(*[expr.function.subs(index, k) for k in range(int(low), int(high) + 1)]))
    if low.is_Integer and not expr.has(sp.Indexed) and not isinstance(high, sp.Symbol):
        return sp.Sum(_separated(expr.function), (index, low, high))
    if low != 1 or not isinstance(high, sp.Symbol):
        raise ValueError(f"a sum must run from 1 to a symbol, got {expr}")
    function = _separated(expr.function)
    if index not in function.free_symbols:
        return function * high
    if any(index == inner.limits[0][0] for inner in function.atoms(sp.Sum)):  # one name, two indices
        renamed = next(
            n for n in map(f"{index.name}{{}}".format, itertools.count(1)) if not _names(function, n)
        )
        fresh = sp.Symbol(renamed, integer=True, positive=True)
        index, function = fresh, function.subs(index, fresh)
    indices = {s for x in function.atoms(sp.Indexed) for s in x.indices[0].free_symbols} - {index}
    if not indices & function.free_symbols:
        return sp.Sum(function, (index, low, high))
    terms = []
    for term in sp.Add.make_args(sp.expand_mul(function)):
        outside, inside = term.as_independent(index, as_Add=False)
        terms.append(outside * (high if inside == 1 else sp.Sum(inside, (index, low, high))))
    return sp.Add(*terms)


def _names(expr: sp.Expr, name: str) -> bool:
    return any(symbol.name == name for symbol in expr.atoms(sp.Symbol))


def _literals(expr: sp.Basic) -> sp.Basic:
    """Numbers that are not rational replaced by the nearest doubles."""
    if isinstance(expr, sp.Rational | Float | sp.Indexed | sp.Symbol | BooleanAtom) or expr in (
        sp.oo,
        -sp.oo,
    ):
        return expr
    if isinstance(expr, sp.Expr) and not expr.free_symbols:
        return _double(expr)
    if isinstance(expr, sp.Sum):
        return sp.Sum(_literals(expr.function), *expr.limits)
    if isinstance(expr, sp.Add | sp.Mul):
        numbers = [arg for arg in expr.args if not arg.free_symbols]
        if any(not isinstance(number, sp.Rational) for number in numbers):
            rest = [_literals(arg) for arg in expr.args if arg.free_symbols]
            return expr.func(_double(expr.func(*numbers)), *rest)
    return _rebuilt(expr, [_literals(arg) for arg in expr.args])


def _double(number: sp.Expr) -> sp.Expr:
    value = number.evalf(40)
    if value in (sp.oo, -sp.oo) or isinstance(number, sp.Rational):
        return value if not isinstance(number, sp.Rational) else number
    if not value.is_Float:
        raise ValueError(f"{number} is not a real number")
    return Float(float(value))


# Singular branches: where a branch is not taken, its variables are set to a point at which it is smooth.


def _singular_nodes(branch: sp.Expr) -> list[sp.Expr]:
    found = []
    for node in sp.preorder_traversal(branch):
        if not getattr(node, "free_symbols", None):
            continue
        power = isinstance(node, sp.Pow) and not (node.exp.is_Integer and node.exp.is_nonnegative)
        positive = isinstance(node, sp.Pow | sp.log) and node.args[0].is_positive
        tame = isinstance(node, sp.exp) and node.args[0].is_nonpositive
        if (power or isinstance(node, sp.log | sp.exp | sp.LambertW)) and not positive and not tame:
            found.append(node)
    return found


def _is_smooth(node: sp.Expr, point: dict[sp.Expr, sp.Expr]) -> bool:
    value = node.args[0].subs(point)
    if not (value.is_number and value.is_extended_real and value.is_finite):
        return False
    if isinstance(node, sp.Pow):
        exponent = node.exp.subs(point)
        return bool(value > 0) or bool(value != 0 and exponent.is_Integer)
    if isinstance(node, sp.exp):
        return bool(abs(value) <= 20)
    if isinstance(node, sp.LambertW) and len(node.args) > 1:
        return bool(value < 0) and bool(value > -0.36)
    return bool(value > 0) if isinstance(node, sp.log) else bool(value > -0.36)


def _smooth_point(branch: sp.Expr, sizes: set[sp.Symbol]) -> dict[sp.Expr, sp.Expr]:
    """Values for the variables of the singular parts at which these are smooth; empty without such parts."""
    nodes = _singular_nodes(branch)
    indexed = {x for node in nodes for x in node.atoms(sp.Indexed)}
    hidden = {s for x in indexed for s in x.free_symbols if s != x} | sizes
    variables = sorted({s for node in nodes for s in node.free_symbols if s not in hidden} | indexed, key=str)
    if not variables:
        return {}
    generator = random.Random(0)
    constants = [sp.Rational(*pair) for pair in ((1, 1), (1, 2), (2, 1), (-1, 1), (0, 1), (-1, 2), (-2, 1))]
    tries = itertools.chain(
        ([c] * len(variables) for c in constants),
        ([sp.Rational(generator.randint(-32, 32), 8) for _ in variables] for _ in range(300)),
    )
    for values in tries:
        point = dict(zip(variables, values, strict=True))
        full = point | dict.fromkeys(sizes, sp.Integer(3))
        if all(_is_smooth(node, full) for node in nodes):
            return point
    raise ValueError(f"no point was found at which {branch} is smooth")


def _key(expr: sp.Sum) -> sp.Sum:
    """The sum under one name of its index, so that equal sums are computed once."""
    ((index, low, high),) = expr.limits
    return sp.Sum(expr.function.xreplace({index: INDEX}), (INDEX, low, high))


def _steps(expr: sp.Heaviside) -> sp.Expr:
    argument, at_zero = expr.args
    return sp.Piecewise((0, argument < 0), (at_zero, sp.Eq(argument, 0)), (1, True))


# Array targets.

_MODULE = {"numpy": "np", "torch": "torch", "jax": "jnp"}
_IMPORT = {"numpy": "import numpy as np", "torch": "import torch", "jax": "import jax.numpy as jnp"}
_SPECIAL = {"numpy": "scipy.special", "torch": "torch", "jax": "jax.scipy.special"}
_RENAMED = {"Abs": "abs", "ceiling": "ceil"}


class _ArrayPrinter(NumPyPrinter):
    """NumPy's printer for the array libraries; it collects the statements that come before the result."""

    def __init__(self, plan: _Plan, target: str) -> None:
        super().__init__({"fully_qualified_modules": True})
        self.plan = plan
        self.target = target
        self.printmethod = f"_{target}code"
        self.module = _MODULE[target]
        self.imports = {_IMPORT[target]}
        self.lines: list[str] = []
        self.axes: tuple[sp.Symbol, ...] = tuple(plan.free) if plan.arrays else ()
        self.sums: dict[sp.Sum, str] = {}
        self.along = "dim" if target == "torch" else "axis"
        self.first_array = plan.name(sp.Symbol(plan.arrays[0])) if plan.arrays else ""

    def _module_format(self, fqn: str, register: bool = True) -> str:
        module, _, function = fqn.rpartition(".")
        if module in ("scipy.special", "jax.scipy.special"):
            self.imports.add(f"from {module} import {function}")
            return function
        if module in ("numpy", "jax.numpy"):
            return f"{self.module}.{function}"
        if module == "math":
            self.imports.add("import math")
        return fqn

    def _varies(self, expr: sp.Basic) -> bool:
        """Whether an expression is an array; else it is a Python number."""
        return bool(expr.free_symbols - self.plan.sizes)

    def _print_elementary(self, expr: sp.Expr) -> str:
        kind = type(expr).__name__
        function = _RENAMED.get(kind, kind)
        argument = self._print(expr.args[0])
        if not self._varies(expr) and hasattr(math, function):
            return f"{self._module_format('math.' + function)}({argument})"
        if kind in ("erf", "erfc"):
            return f"{self._module_format(f'{_SPECIAL[self.target]}.{kind}')}({argument})"
        if kind == "atan" and self.target != "torch":
            function = "arctan"
        return f"{self.module}.{function}({argument})"

    def _print_LambertW(self, expr: sp.Expr) -> str:
        arguments = ", ".join(self._print(arg) for arg in expr.args)
        return f"{self._module_format('scipy.special.lambertw')}({arguments}).real"

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        if expr in self.axes:
            array = self.first_array
            device = f", device={array}.device" if self.target == "torch" else ""
            numbers = f"{self.module}.arange(1, {array}.shape[0] + 1, dtype={array}.dtype{device})"
            return self._along(numbers, expr)
        return self.plan.name(expr)

    def _along(self, text: str, index: sp.Symbol) -> str:
        if len(self.axes) < 2:
            return text
        return f"{text}[{', '.join(':' if axis == index else 'None' for axis in self.axes)}]"

    def _print_Indexed(self, expr: sp.Indexed) -> str:
        (index,) = expr.indices
        array = self.plan.name(expr.base.label)
        if index in self.axes:
            return self._along(array, index)
        if index.is_Integer:
            return f"{array}[{int(index) - 1}]"
        raise ValueError(f"the index of {expr} must be a symbol or a number")

    def _print_Float(self, expr: Float) -> str:
        return repr(float(expr))

    def _print_Infinity(self, expr: sp.Expr) -> str:
        return "float('inf')"

    def _print_NegativeInfinity(self, expr: sp.Expr) -> str:
        return "float('-inf')"

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        root = f"{self.module}.sqrt" if self._varies(expr.base) else "math.sqrt"
        return str(self._hprint_Pow(expr, rational=rational, sqrt=root))

    def _print_Sum(self, expr: sp.Sum) -> str:
        ((index, low, high),) = expr.limits
        if not self.plan.arrays or not isinstance(high, sp.Symbol):  # the index is a number
            term, first, last = map(self._print, (expr.function, low, high))
            return f"sum({term} for {self._print(index)} in range({first}, int({last}) + 1))"
        outer = self.axes
        inner_indices = set(outer) & expr.function.free_symbols
        self.axes = (*outer, index) if inner_indices else (index,)
        if not inner_indices:
            key = _key(expr)
            if key not in self.sums:
                text = f"{self.module}.sum({self._print(expr.function)}, {self.along}=0)"
                self.sums[key] = self.plan.new_name("sum")
                self.lines.append(f"{self.sums[key]} = {text}")
            self.axes = outer
            return self.sums[key]
        text = f"{self.module}.sum({self._print(expr.function)}, {self.along}=-1)"
        self.axes = outer
        return text

    def _print_KroneckerDelta(self, expr: sp.KroneckerDelta) -> str:
        if not set(expr.args) & set(self.axes):
            return self._print(sp.Piecewise((1, sp.Eq(*expr.args)), (0, True)))
        left, right = (self._print(arg) for arg in expr.args)
        cast = "to" if self.target == "torch" else "astype"
        return f"({left} == {right}).{cast}({self.first_array}.dtype)"

    def _print_Heaviside(self, expr: sp.Heaviside) -> str:
        return self._print(_steps(expr))

    def _extremum(self, expr: sp.Expr, bound: str, function: str, builtin: str) -> str:
        fixed = [self._print(arg) for arg in expr.args if not self._varies(arg)]
        arrays = [self._print(arg) for arg in expr.args if self._varies(arg)]
        number = f"{builtin}({', '.join(fixed)})" if len(fixed) > 1 else "".join(fixed)
        if not arrays:
            return number
        text = arrays[0]
        for other in arrays[1:]:
            text = f"{self.module}.{function}({text}, {other})"
        if not fixed:
            return text
        if self.target == "torch":
            return f"torch.clamp({text}, {bound}={number})"
        return f"{self.module}.{function}({text}, {number})"

    def _print_Max(self, expr: sp.Max) -> str:
        return self._extremum(expr, "min", "maximum", "max")

    def _print_Min(self, expr: sp.Min) -> str:
        return self._extremum(expr, "max", "minimum", "min")

    def _print_Relational(self, expr: sp.Rel) -> str:
        return str(AbstractPythonCodePrinter._print_Relational(self, expr))

    def _print_And(self, expr: sp.And) -> str:
        return "(" + " & ".join(self._print(arg) for arg in expr.args) + ")"

    def _print_Or(self, expr: sp.Or) -> str:
        return "(" + " | ".join(self._print(arg) for arg in expr.args) + ")"

    def _print_Not(self, expr: sp.Not) -> str:
        return f"(~{self._print(expr.args[0])})"

    def _print_Piecewise(self, expr: sp.Piecewise) -> str:
        pairs = list(expr.args)
        pieces: list[tuple[str, str, bool]] = []
        earlier: list[sp.Basic] = []
        for branch, condition in pairs:
            valid = sp.And(*(sp.Not(c) for c in earlier), condition)
            earlier.append(condition)
            pieces.append((self._guarded(branch, valid), self._print(condition), self._varies(condition)))
        constant = not any(self._varies(branch) for branch, _ in pairs)
        varying = next((self._sample(c) for _, c in pairs if self._varies(c)), None)
        text = pieces.pop()[0] if pairs[-1].cond == sp.true else "float('nan')"
        if constant and varying is not None:
            text = self._constant(text, varying)
        for branch, condition, varies in reversed(pieces):
            text = (
                f"{self.module}.where({condition}, {branch}, {text})"
                if varies
                else f"({branch} if {condition} else {text})"
            )
        return text

    def _sample(self, condition: sp.Basic) -> str:
        indexed = sorted(condition.atoms(sp.Indexed), key=str)
        if indexed:
            return self.plan.name(indexed[0].base.label)
        symbols = [s for s in condition.free_symbols - self.plan.sizes if isinstance(s, sp.Symbol)]
        return self._print(min(symbols, key=str))

    def _constant(self, number: str, like: str) -> str:
        """A number in the precision of an array, where nothing else in the result has one."""
        if self.target == "torch":
            return f"{like}.new_tensor({number})"
        return f"{self.module}.asarray({number}, dtype={self.module}.result_type({like}, 0.0))"

    def _guarded(self, branch: sp.Expr, valid: sp.Basic) -> str:
        if valid == sp.true or not self._varies(valid):
            return self._print(branch)
        branch = self._sums_named(branch)
        replaced = {}
        for variable, value in _smooth_point(branch, self.plan.sizes).items():
            stem = self.plan.name(variable.base.label if isinstance(variable, sp.Indexed) else variable)
            name = self.plan.new_name(f"{stem}_inside")
            self.lines.append(
                f"{name} = {self.module}.where({self._print(valid)}, {self._print(variable)}, {float(value)})"
            )
            replaced[variable] = sp.Symbol(name, **_assumptions(variable))
        return self._print(branch.xreplace(replaced))

    def _sums_named(self, branch: sp.Expr) -> sp.Expr:
        plain = {
            s: sp.Symbol(self._print(s), real=True)
            for s in branch.atoms(sp.Sum)
            if not s.free_symbols & self.plan.indices
        }
        return branch.xreplace(plain)


for _name in _ELEMENTARY:
    setattr(_ArrayPrinter, f"_print_{_name}", _ArrayPrinter._print_elementary)


def _assumptions(variable: sp.Expr) -> dict[str, bool]:
    return {key: True for key in ("positive", "nonnegative", "real") if getattr(variable, f"is_{key}")}


def _array_function(plan: _Plan, target: str, name: str) -> str:
    printer = _ArrayPrinter(plan, target)
    if plan.arrays and len(plan.sizes) > 1:
        raise ValueError(
            f"arrays of several lengths, {', '.join(sorted(map(str, plan.sizes)))}, are not supported"
        )
    result = printer._print(plan.expr)
    dropped = set(printer.axes) | (plan.sizes if plan.arrays else set())
    parameters = ", ".join(plan.name(s) for s in plan.arguments if s not in dropped)
    body = [*printer.lines, f"return {result}"]
    if plan.arrays:
        for size in plan.sizes:
            if any(re.search(rf"\b{plan.name(size)}\b", line) for line in body):
                body.insert(0, f"{plan.name(size)} = {printer.first_array}.shape[0]")
    imports = sorted(printer.imports, key=lambda line: (line.startswith("from scipy"), line))
    lines = [*imports, "", "", f"def {name}({parameters}):", *(f"    {line}" for line in body)]
    return "\n".join(lines) + "\n"


# C.


class _CPrinter(C99CodePrinter):
    """SymPy's C99 printer with loops for sums; it collects the statements that come before the result."""

    def __init__(self, plan: _Plan) -> None:
        super().__init__({"math_macros": {}})
        self.plan = plan
        self.integers = plan.indices | plan.sizes
        self.lines: list[str] = []
        self.scope: set[sp.Symbol] = set(plan.arguments)
        self.sums: dict[sp.Sum, str] = {}
        self.whole = False

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        name = self.plan.name(expr)
        return f"(double){name}" if expr in self.integers and not self.whole else name

    def _integer(self, expr: sp.Expr) -> str:
        self.whole, before = True, self.whole
        text = str(self._print(expr))
        self.whole = before
        return text

    def _print_Integer(self, expr: sp.Integer) -> str:
        return str(expr) if abs(int(expr)) < 2**31 else repr(float(expr))

    def _print_Float(self, expr: Float) -> str:
        return repr(float(expr))

    def _print_Infinity(self, expr: sp.Expr) -> str:
        return "INFINITY"

    def _print_NegativeInfinity(self, expr: sp.Expr) -> str:
        return "-INFINITY"

    def _print_Indexed(self, expr: sp.Indexed) -> str:
        return f"{self.plan.name(expr.base.label)}[{self._integer(expr.indices[0] - 1)}]"

    def _print_sign(self, func: sp.Expr) -> str:
        argument = self._print(func.args[0])
        return f"(double)(({argument} > 0) - ({argument} < 0))"

    def _print_Heaviside(self, expr: sp.Heaviside) -> str:
        return self._print(_steps(expr))

    def _print_KroneckerDelta(self, expr: sp.KroneckerDelta) -> str:
        left, right = (self._print(arg) for arg in expr.args)
        return f"(({left}) == ({right}) ? 1.0 : 0.0)"

    def _print_Piecewise(self, expr: sp.Piecewise) -> str:
        pairs = list(expr.args)
        text = self._branch(pairs.pop().expr) if pairs[-1].cond == sp.true else "NAN"
        for branch, condition in reversed(pairs):
            text = f"(({self._print(condition)}) ? {self._branch(branch)} : {text})"
        return text

    def _branch(self, branch: sp.Expr) -> str:
        """A branch as a double: a choice between whole numbers would divide as whole numbers do."""
        return repr(float(branch)) if branch.is_Integer else str(self._print(branch))

    def _print_Sum(self, expr: sp.Sum) -> str:
        key = _key(expr)
        if key in self.sums:
            return self.sums[key]
        ((index, low, high),) = expr.limits
        name = self.plan.new_name("sum")
        function = expr.function
        for inner in sorted(function.atoms(sp.Sum), key=sp.count_ops, reverse=True):
            names = {s for s in inner.free_symbols if isinstance(s, sp.Symbol)}
            if index not in names and names <= self.scope and function.has(inner):
                function = function.xreplace({inner: sp.Symbol(self._print(inner), real=True)})
        outer_lines, outer_scope, outer_sums = self.lines, self.scope, dict(self.sums)
        self.lines, self.scope = [], {*outer_scope, index}
        summand = self._print(function)
        body = [*self.lines, f"{name} += {summand};"]
        self.lines, self.scope, self.sums = outer_lines, outer_scope, outer_sums
        counter = self.plan.name(index)
        self.lines += [
            f"double {name} = 0.0;",
            f"for (int {counter} = {self._integer(low)}; {counter} <= {self._integer(high)}; ++{counter}) {{",
            *(f"    {line}" for line in body),
            "}",
        ]
        self.sums[key] = name
        return name


def _c_function(plan: _Plan, name: str) -> str:
    printer = _CPrinter(plan)
    result = printer._print(plan.expr)
    parameters = []
    for symbol in plan.arguments:
        kind = "int " if symbol in printer.integers else "double "
        parameters.append(("const double *" if str(symbol) in plan.arrays else kind) + plan.name(symbol))
    body = [*printer.lines, f"return {result};"]
    head = f"double {name}({', '.join(parameters) or 'void'})"
    return "\n".join(["#include <math.h>", "", head, "{", *(f"    {line}" for line in body), "}"]) + "\n"
