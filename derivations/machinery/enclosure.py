"""The value of an expression at a point, as a ball that contains it (python-flint) or as a sample of 60 digits.

The evaluator reads definitions as they stand: a ``Derivative`` is evaluated by dual numbers, an ``Integral``
by rigorous quadrature with a bound for the tail, a ``Sum`` term by term. It shares no code with SymPy's
``diff``, ``integrate`` and ``simplify``, which it is there to control.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import sympy as sp

from derivations.machinery.analytic import is_entire
from derivations.machinery.arithmetic import (
    DIGITS,
    BallArithmetic,
    SampleArithmetic,
    Unevaluable,
    arithmetic,
)
from derivations.machinery.dual import Dual, level_of, slope_of, value_of
from derivations.machinery.unspecified import with_stand_ins
from derivations.normal import Phi, phi

if TYPE_CHECKING:
    from derivations.machinery.domain import Point

TAIL = 12  # the tail of an improper integral is cut where its bound is below exp(-TAIL**2)

Environment = Mapping[Any, Any]
Valued = Callable[[Environment], Any]
"""An expression as a function of the values of its symbols."""


class Evaluator:
    """Evaluates expressions over one arithmetic.

    An expression is evaluated at many points, and the terms of a sum or an integrand at many more: its tree is read
    once, and turned into functions of the values of its symbols. A SymPy class of one's own takes part through a method
    ``_enclose(self, evaluator, environment)``.
    """

    def __init__(self, numbers: BallArithmetic | SampleArithmetic | None = None) -> None:
        self.numbers = numbers if numbers is not None else arithmetic()
        self._valued: dict[sp.Expr, Valued] = {}
        self._sums: dict[Any, tuple[list[Any], Any]] = {}

    def at(self, expr: sp.Expr, point: Point) -> Any:
        """The value of the expression at a point of a domain."""
        return self.evaluate(with_stand_ins(expr), self.environment(point))

    def environment(self, point: Point) -> dict[Any, Any]:
        """The values of the symbols at a point, with the rational ones of scalars kept beside."""
        self.numbers.use()
        environment: dict[Any, Any] = {}
        for symbol, value in point.items():
            if isinstance(value, tuple):
                environment[symbol] = [self.numbers.rational(v.p, v.q) for v in map(sp.Rational, value)]
            elif sp.sympify(value).is_Rational:
                number = environment["exact", symbol] = sp.Rational(value)
                environment[symbol] = self.numbers.rational(number.p, number.q)
            else:
                environment[symbol] = self.evaluate(sp.sympify(value), {})
        return environment

    def evaluate(self, expr: sp.Expr, env: Environment) -> Any:
        """The value of the expression where the environment gives its symbols."""
        return self.valued(expr)(env)

    def valued(self, expr: sp.Expr) -> Valued:
        """The expression as a function of the environment; what has no value raises when it is called, not here."""
        known = self._valued.get(expr)
        if known is None:
            known = self._valued[expr] = self._read(expr)
        return known

    def _read(self, expr: sp.Expr) -> Valued:
        method = _METHODS.get(type(expr))
        if method is not None:
            return getattr(self, method)(expr)
        own = getattr(expr, "_enclose", None)
        if own is not None:
            return lambda env: own(self, env)
        if isinstance(expr, sp.Rational):
            return self._number(expr)
        if isinstance(expr, sp.Symbol):
            return self._symbol(expr)
        return _without_value(f"no way to evaluate {type(expr).__name__}: {expr}")

    def exactly(self, expr: sp.Expr, env: Environment) -> sp.Expr:
        """The expression with every symbol that has a rational value replaced by it."""
        if isinstance(expr, sp.Symbol):  # an index or a batch size, mostly
            return env.get(("exact", expr), expr)
        if isinstance(expr, sp.Rational):
            return expr
        return expr.subs({k[1]: v for k, v in env.items() if isinstance(k, tuple) and k[0] == "exact"})

    @staticmethod
    def bound(env: Environment, values: Mapping[sp.Symbol, Any]) -> dict[Any, Any]:
        """The environment with other values for some symbols."""
        stale = {("exact", symbol) for symbol in values}
        return {key: value for key, value in env.items() if key not in stale} | dict(values)

    def integer(self, expr: sp.Expr, env: Environment) -> int:
        """The exact value of an index or a bound of a sum."""
        value = self.exactly(expr, env)
        if not value.is_Integer:
            raise Unevaluable(f"{expr} is not an integer at this point")
        return int(value)

    def function(self, name: str, x: Any) -> Any:
        """A function of one argument, differentiated where the argument is a dual number."""
        if not isinstance(x, Dual):
            return self.numbers.apply(name, x)
        value = self.function(name, x.value)
        return Dual(value, x.slope * self._slope(name, x.value, value), x.level)

    def _slope(self, name: str, x: Any, value: Any) -> Any:
        if name == "exp":
            return value
        if name == "log":
            return self.power(x, -1)
        gaussian = self.function("exp", -(x * x)) * self.numbers.rational(2)
        gaussian = gaussian * self.power(self.numbers.pi(), -1, 2)
        if name in {"erf", "erfc"}:
            return gaussian if name == "erf" else -gaussian
        raise Unevaluable(f"no derivative known for {name}")

    def power(self, base: Any, p: int, q: int = 1) -> Any:
        """A power whose exponent is the ratio of two integers."""
        if isinstance(base, Dual):
            slope = (
                self.power(base.value, p - q, q) * self.numbers.rational(p, q) * base.slope
                if p != 0
                else base.slope * 0
            )
            return Dual(self.power(base.value, p, q), slope, base.level)
        if q == 1:
            return self._integer_power(base, p)
        if q == 2:
            return self._integer_power(self.numbers.apply("sqrt", base), p)
        return self.numbers.power(base, self.numbers.rational(p, q))

    def _integer_power(self, base: Any, exponent: int) -> Any:
        # By multiplication: a ball around zero to an integer power is nan in some versions of python-flint.
        if exponent < 0:
            return 1 / self._integer_power(base, -exponent)
        if exponent == 0:
            return self.numbers.rational(1)
        result = base if exponent % 2 else None
        square = base
        while exponent := exponent // 2:
            square = square * square
            if exponent % 2:
                result = square if result is None else result * square
        return result

    def sign(self, x: Any) -> int:
        """The sign of a value; that of a dual number is the sign of its value."""
        return self.sign(x.value) if isinstance(x, Dual) else self.numbers.sign(x)

    def sign_of(self, expr: sp.Expr) -> Callable[[Environment], int]:
        """The sign of an expression, as a function too; from exact values where a ball does not decide."""
        value = self.valued(expr)

        def sign(env: Environment) -> int:
            try:
                return self.sign(value(env))
            except Unevaluable:
                exact = self.exactly(expr, env)
                if not exact.is_Rational:
                    raise
                return int(sp.sign(exact))

        return sign

    def truth(self, condition: sp.Basic) -> Callable[[Environment], bool]:
        """Whether a relation holds, as a function of the environment too."""
        if condition == sp.true or condition == sp.false:
            return lambda env: bool(condition)
        if isinstance(condition, sp.And | sp.Or):
            parts, together = [self.truth(arg) for arg in condition.args], _QUANTIFIERS[type(condition)]
            return lambda env: together(part(env) for part in parts)
        if isinstance(condition, sp.Not):
            negated = self.truth(condition.args[0])
            return lambda env: not negated(env)
        compare = _RELATIONS.get(type(condition))
        if compare is None:
            return _without_value(f"no way to decide {type(condition).__name__}: {condition}")
        sign = self.sign_of(condition.lhs - condition.rhs)
        return lambda env: compare(sign(env), 0)

    # -- one method for each kind of node, which reads it ----------------------------------------------

    def _number(self, expr: sp.Rational) -> Valued:
        number = self.numbers.rational(expr.p, expr.q)
        return lambda env: number

    def _pi(self, expr: sp.Expr) -> Valued:
        number = self.numbers.pi()
        return lambda env: number

    def _e(self, expr: sp.Expr) -> Valued:
        number = self.numbers.apply("exp", self.numbers.rational(1))
        return lambda env: number

    def _symbol(self, expr: sp.Symbol) -> Valued:
        def value(env: Environment) -> Any:
            try:
                return env[expr]
            except KeyError:
                raise Unevaluable(f"no value for the symbol {expr}") from None

        return value

    def _add(self, expr: sp.Expr) -> Valued:
        first, *others = map(self.valued, expr.args)

        def total(env: Environment) -> Any:
            value = first(env)
            for other in others:
                value = value + other(env)
            return value

        return total

    def _mul(self, expr: sp.Expr) -> Valued:
        first, *others = map(self.valued, expr.args)

        def product(env: Environment) -> Any:
            value = first(env)
            for other in others:
                value = value * other(env)
            return value

        return product

    def _pow(self, expr: sp.Expr) -> Valued:
        base, exponent = self.valued(expr.base), expr.exp
        if exponent.is_Rational:
            p, q = int(exponent.p), int(exponent.q)
            return lambda env: self.power(base(env), p, q)
        if exponent.is_integer:
            return lambda env: self.power(base(env), self.integer(exponent, env))
        order = self.valued(exponent)
        return lambda env: self.function("exp", order(env) * self.function("log", base(env)))

    def _named(self, expr: sp.Expr) -> Valued:
        name, argument = type(expr).__name__, self.valued(expr.args[0])
        return lambda env: self.function(name, argument(env))

    def _phi(self, expr: sp.Expr) -> Valued:
        argument = self.valued(expr.args[0])
        minus_half = self.numbers.rational(-1, 2)
        scale = self.power(self.numbers.pi() * self.numbers.rational(2), -1, 2)

        def density(env: Environment) -> Any:
            x = argument(env)
            return self.function("exp", x * x * minus_half) * scale

        return density

    def _Phi(self, expr: sp.Expr) -> Valued:
        argument, half = self.valued(expr.args[0]), self.numbers.rational(1, 2)
        scale = self.power(self.numbers.rational(2), -1, 2)
        return lambda env: self.function("erfc", -(argument(env) * scale)) * half

    def _lambertw(self, expr: sp.Expr) -> Valued:
        branch = expr.args[1] if len(expr.args) == 2 else sp.S.Zero
        name, argument = "lambertw" if branch == 0 else "lambertw_minus1", self.valued(expr.args[0])
        return lambda env: self.numbers.apply(name, argument(env))

    def _abs(self, expr: sp.Expr) -> Valued:
        argument, sign_of = self.valued(expr.args[0]), self.sign_of(expr.args[0])

        def size(env: Environment) -> Any:
            x, sign = argument(env), sign_of(env)
            if isinstance(x, Dual) and sign == 0:
                raise Unevaluable("derivative of an absolute value at zero")
            return x * sign

        return size

    def _sign(self, expr: sp.Expr) -> Valued:
        sign = self.sign_of(expr.args[0])
        return lambda env: self.numbers.rational(sign(env))

    def _extremum(self, expr: sp.Expr) -> Valued:
        wanted = 1 if isinstance(expr, sp.Max) else -1
        first, *others = map(self.valued, expr.args)

        def extremum(env: Environment) -> Any:
            best = first(env)
            for other in others:
                value = other(env)
                if self.sign(value + -best) == wanted:
                    best = value
            return best

        return extremum

    def _heaviside(self, expr: sp.Expr) -> Valued:
        sign_of, at_zero = self.sign_of(expr.args[0]), self.valued(expr.args[1])

        def step(env: Environment) -> Any:
            sign = sign_of(env)
            return at_zero(env) if sign == 0 else self.numbers.rational(1 if sign > 0 else 0)

        return step

    def _floor(self, expr: sp.Expr) -> Valued:
        argument = self.valued(expr.args[0])
        return lambda env: self.numbers.floor(value_of(argument(env)))

    def _piecewise(self, expr: sp.Expr) -> Valued:
        pieces = [(self.valued(value), self.truth(condition)) for value, condition in expr.args]

        def value_of_piece(env: Environment) -> Any:
            for value, holds in pieces:
                if holds(env):
                    return value(env)
            raise Unevaluable(f"no piece holds at this point: {expr}")

        return value_of_piece

    def _indexed(self, expr: sp.Expr) -> Valued:
        base, position = expr.base, expr.indices[0]

        def entry(env: Environment) -> Any:
            entries, index = env[base], self.integer(position, env)
            if not 1 <= index <= len(entries):
                raise Unevaluable(f"index {index} outside 1..{len(entries)}")
            return entries[index - 1]

        return entry

    def _delta(self, expr: sp.Expr) -> Valued:
        first, second = expr.args
        return lambda env: self.numbers.rational(int(self.integer(first, env) == self.integer(second, env)))

    def _sum(self, expr: sp.Sum) -> Valued:
        # The statistics of a batch stand in every term of every sum over it: each is computed once. The key
        # says which symbol has which value, and the values are kept: none is mistaken for a later one at its address.
        used = {getattr(s, "label", s) for s in expr.free_symbols}
        term = self.valued(expr.function)

        def total(env: Environment) -> Any:
            relevant = [
                (s, v) for s, v in env.items() if getattr(s, "label", s) in used or isinstance(v, list)
            ]
            key = (expr, frozenset((symbol, id(value)) for symbol, value in relevant))
            if key not in self._sums:
                self._sums[key] = (relevant, self._sum_over(term, list(expr.limits), env))
            return self._sums[key][1]

        return total

    def _sum_over(self, term: Valued, limits: list[Any], env: Environment) -> Any:
        if not limits:
            return term(env)
        index, low, high = limits[-1]
        total = self.numbers.rational(0)
        inner = dict(env)
        for value in range(self.integer(low, env), self.integer(high, env) + 1):
            inner[index] = self.numbers.rational(value)
            inner["exact", index] = sp.Integer(value)
            total = total + self._sum_over(term, limits[:-1], inner)
        return total

    def _subs(self, expr: sp.Subs) -> Valued:
        points, inside = [self.valued(value) for value in expr.point], self.valued(expr.expr)

        def value(env: Environment) -> Any:
            values = (point(env) for point in points)
            return inside(self.bound(env, dict(zip(expr.variables, values, strict=True))))

        return value

    def _derivative(self, expr: sp.Derivative) -> Valued:
        if not all(count.is_Integer for _, count in expr.variable_count):
            return _without_value(f"only derivatives of a given order are evaluated: {expr}")
        variables = [v for v, count in expr.variable_count for _ in range(int(count))]
        function = self.valued(expr.expr)
        return lambda env: self._derivative_in(function, variables, env)

    def _derivative_in(self, function: Valued, variables: list[Any], env: Environment) -> Any:
        if not variables:
            return function(env)
        *rest, variable = variables
        level = 1 + max((level_of(v) for v in env.values()), default=0)
        one = self.numbers.rational(1)
        inner = dict(env)
        if isinstance(variable, sp.Indexed):
            entries = list(env[variable.base])
            index = self.integer(variable.indices[0], env) - 1
            entries[index] = Dual(entries[index], one, level)
            inner[variable.base] = entries
        else:
            inner[variable] = Dual(env[variable], one, level)
        value = self._derivative_in(function, rest, inner)
        if isinstance(value, Dual) and value.level == level:
            return value.slope
        return self.numbers.rational(0)

    def _integral(self, expr: sp.Integral) -> Valued:
        if len(expr.limits) != 1 or len(expr.limits[0]) != 3:
            return _without_value(f"only integrals over one interval are evaluated: {expr}")
        symbols = expr.free_symbols
        return lambda env: self._integral_at(expr, symbols, env)

    def _integral_at(self, expr: sp.Integral, symbols: set[sp.Basic], env: Environment) -> Any:
        levels = {level_of(env[s]) for s in symbols if s in env} - {0}
        rest = {key: value_of(value) for key, value in env.items()}
        if len(levels) > 1 or any(level_of(rest[s]) for s in symbols if s in rest):
            raise Unevaluable("of an integral only the first derivative in a number is evaluated")
        ((variable, _, _),) = expr.limits
        expr = expr.func(self._written_out(expr.function, variable, rest), *expr.limits)
        pieces, tails = self._pieces(expr, rest)
        total = self.numbers.rational(0)
        for smooth, (left, _), (right, _) in pieces:
            total = total + self._smooth_integral(smooth, variable, left, right, rest)
        for place, sign in tails:
            total = self.numbers.widen(total, self._tail_bound(expr, place, sign, rest))
        if not levels:
            return total
        return Dual(total, self._integral_slope(expr, pieces, tails, env, rest), levels.pop())

    def _written_out(self, function: sp.Expr, variable: Any, env: Environment) -> sp.Expr:
        """The function with the terms of its sums over places where it jumps."""

        def terms(term: sp.Expr, *limits: Any) -> sp.Expr:
            if len(limits) != 1 or not (term.has(variable) and term.has(*_SWITCHES)):
                return sp.Sum(term, *limits)
            ((index, low, high),) = limits
            numbers = range(self.integer(low, env), self.integer(high, env) + 1)
            return sp.Add(*[term.subs(index, number) for number in numbers])

        return function.replace(sp.Sum, terms) if function.has(sp.Sum) else function

    def _integral_slope(
        self, expr: sp.Integral, pieces: list[Any], tails: list[Any], env: Environment, rest: Environment
    ) -> Any:
        """The derivative of an integral, by Leibniz' rule: the integrand moves, and so do ends and kinks."""
        ((variable, _, _),) = expr.limits
        total = self.numbers.rational(0)
        for smooth, (left, start), (right, stop) in pieces:
            if smooth == 0:
                continue

            integrand = self._integrand(smooth, variable, env)
            total = total + self.numbers.integrate(lambda z: slope_of(integrand(z)), left, right)  # noqa: B023
            for place, edge, sign in ((right, stop, 1), (left, start, -1)):
                if edge is not None:  # a cut stays where it is
                    height = self.evaluate(smooth, self.bound(rest, {variable: place}))
                    total = total + height * slope_of(self.evaluate(edge, env)) * sign
        for place, sign in tails:
            total = self.numbers.widen(total, self._tail_bound(expr, place, sign, env))
        return total

    def _pieces(self, expr: sp.Integral, env: Environment) -> tuple[list[Any], list[Any]]:
        """Smooth pieces, each as (integrand, left, right), and where infinite intervals are cut.

        An end of a piece is its value and the expression that it is the value of; None for a cut.
        """
        ((variable, low, high),) = expr.limits
        kinks = [(self.evaluate(k, env), k) for k in _kinks(expr.function, variable)]
        first, last, tails = self._finite_ends(expr, env)
        inside = sorted(
            (k for k in kinks if self.sign(k[0] + -first) > 0 and self.sign(last + -k[0]) > 0),
            key=lambda k: float(self.numbers.text(k[0])),
        )
        if self.sign(last + -first) < 0:
            raise Unevaluable(f"the ends of an integral are in the wrong order: {expr}")
        ends = [(end, None if e.is_infinite else e) for end, e in ((first, low), (last, high))]
        pieces = []
        for left, right in pairwise([ends[0], *inside, ends[1]]):
            middle = self.numbers.midpoint(left[0], right[0])
            smooth = self._branch(expr.function, variable, self.bound(env, {variable: middle}))
            pieces.append((smooth, left, right))
        return pieces, tails

    def _smooth_integral(
        self, function: sp.Expr, variable: Any, low: Any, high: Any, env: Environment
    ) -> Any:
        if function == 0:
            return self.numbers.rational(0)
        if not is_entire(function, variable):  # across a branch point quadrature with balls is silently wrong
            raise Unevaluable(f"the integrand may not be analytic: {function}")
        return self.numbers.integrate(self._integrand(function, variable, env), low, high)

    def _integrand(self, function: sp.Expr, variable: Any, env: Environment) -> Callable[[Any], Any]:
        """The function of the variable alone: what does not depend on it gets a name, and is evaluated once."""
        inner = self.bound(env, {variable: None})

        def name(constant: sp.Expr) -> sp.Expr:
            symbol = sp.Dummy(real=True)
            inner[symbol] = self.evaluate(constant, env)
            return symbol

        def hold(node: sp.Expr) -> sp.Expr:
            if not node.has(variable):
                return name(node)
            if isinstance(node, sp.Add | sp.Mul):
                moving = [arg for arg in node.args if arg.has(variable)]
                constant = node.func(*[arg for arg in node.args if not arg.has(variable)])
                rest = [] if constant == node.identity else [name(constant)]
                return node.func(*rest, *map(hold, moving))
            if isinstance(node, sp.Pow) and (node.exp.is_Rational or node.exp.is_integer):
                order = node.exp if node.exp.is_Rational else self.integer(node.exp, env)
                return hold(node.base) ** order
            if isinstance(node, sp.exp | phi | Phi):
                return node.func(hold(node.args[0]))
            return node

        held = self.valued(hold(function))

        def value(at: Any) -> Any:
            inner[variable] = at
            return held(inner)

        return value

    def _branch(self, function: sp.Expr, variable: Any, env: Environment) -> sp.Expr:
        """The smooth expression that the integrand is around the point of the environment."""

        def resolve(node: sp.Expr) -> sp.Expr:
            if not node.args or not node.has(variable):
                return node
            if isinstance(node, sp.Piecewise):
                for value, condition in node.args:
                    if self.truth(condition)(env):
                        return resolve(value)
                raise Unevaluable(f"no piece holds: {node}")
            if isinstance(node, sp.Abs):
                return resolve(node.args[0]) * self.sign(self.evaluate(node.args[0], env))
            if isinstance(node, sp.sign):
                return sp.Integer(self.sign(self.evaluate(node.args[0], env)))
            if isinstance(node, sp.Heaviside):
                return sp.Integer((1 + self.sign(self.evaluate(node.args[0], env))) // 2)
            if isinstance(node, sp.Max | sp.Min):
                value = self.evaluate(node, env)
                return next(
                    resolve(arg)
                    for arg in node.args
                    if self.sign(self.evaluate(arg, env) + -value) == 0 or self.evaluate(arg, env) is value
                )
            return node.func(*[resolve(arg) for arg in node.args])

        return resolve(_max_as_abs(function, variable)) if _has_switches(function) else function

    def _finite_ends(self, expr: sp.Integral, env: Environment) -> tuple[Any, Any, list[Any]]:
        """Both ends, finite, and the cuts that made them so: places with the side that was cut off."""
        ((_, low, high),) = expr.limits
        ends: list[Any] = []
        tails: list[Any] = []
        for end, other, sign in ((low, high, -1), (high, low, 1)):
            if not end.is_infinite:
                ends.append(self.evaluate(end, env))
                continue
            start = self.numbers.rational(0) if other.is_infinite else self.evaluate(other, env)
            cut = self._cut(expr, sign, start, env)
            ends.append(cut * sign)
            tails.append((cut, sign))
        return ends[0], ends[1], tails

    def _cut(self, expr: sp.Integral, sign: int, start: Any, env: Environment) -> Any:
        """How far out an integral from a start to infinity is cut."""
        ((variable, _, _),) = expr.limits
        reach = self.numbers.rational(TAIL)
        for place in (start, *(self.evaluate(k, env) for k in _kinks(expr.function, variable))):
            reach = reach + place * self.sign(place)
        for _ in range(40):
            p, q = self._tail_polynomials(expr, reach, sign, env)
            exponent = self._polynomial(q, reach)
            if not p or (self.sign(exponent + TAIL**2) < 0 and self.sign(self._rate(p, q, reach)) > 0):
                return reach
            reach = reach * 3 / 2
        raise Unevaluable(f"no bound found for the tail of {expr.function}")

    def _tail_bound(self, expr: sp.Integral, reach: Any, sign: int, env: Environment) -> Any:
        """A bound for the integral beyond a cut, or for its derivative where a symbol is a dual number.

        Beyond the cut T the integrand is ``p(z) exp(q(z))`` with polynomials p and q, q concave. With
        p-bar the polynomial of absolute coefficients, ``p-bar(z) <= p-bar(T) exp((z - T) deg/T)`` and
        ``q(z) <= q(T) + q'(T) (z - T)``, so the tail is at most ``p-bar(T) exp(q(T)) / (-q'(T) - deg/T)``.
        The derivative in a symbol has ``p' + p q'`` in the place of p.
        """
        p, q = self._tail_polynomials(expr, reach, sign, env)
        if any(isinstance(c, Dual) for c in (*p, *q)):
            moving = [slope_of(c) for c in q]
            q = [value_of(c) for c in q]
            products = [[value_of(c) * d for d in moving] for c in p]
            p = [slope_of(c) for c in p] + [reach * 0] * (len(q) - 1)
            for k, row in enumerate(products):
                for j, product in enumerate(row):
                    p[k + j] = p[k + j] + product
        if not p:
            return self.numbers.rational(0)
        rate = self._rate(p, q, reach)
        if self.sign(rate) <= 0:
            raise Unevaluable(f"no bound found for the tail of {expr.function}")
        size = self._polynomial([c * self.sign_or_one(c) for c in p], reach)
        return size * self.numbers.apply("exp", self._polynomial(q, reach)) / rate

    def _tail_polynomials(
        self, expr: sp.Integral, reach: Any, sign: int, env: Environment
    ) -> tuple[list[Any], list[Any]]:
        """Coefficients of p and q where the integrand is ``p(t) exp(q(t))``; none where it is zero."""
        ((variable, _, _),) = expr.limits
        t = sp.Symbol("t_tail", positive=True)
        rest = {key: value_of(value) for key, value in env.items()}
        here = self.bound(rest, {variable: reach * sign})
        smooth = self._branch(expr.function, variable, here).subs(variable, sign * t)
        if smooth == 0:
            return [], [self.numbers.rational(0)]
        in_powers = set().union(*(power.exp.free_symbols for power in smooth.atoms(sp.Pow)))
        orders = ((s, env["exact", s]) for s in sorted(in_powers, key=str) if ("exact", s) in env)
        p, q = (
            [self.evaluate(c, env) for c in coefficients]
            for coefficients in _polynomial_times_exponential(smooth, t, tuple(orders))
        )
        if len(q) == 3 and self.sign(q[2]) > 0:
            raise Unevaluable("the integrand grows at infinity")
        return p, q

    def _rate(self, p: list[Any], q: list[Any], reach: Any) -> Any:
        """How fast the bound of a tail decays at the cut."""
        slope = self._polynomial([c * k for k, c in enumerate(q)][1:], reach)
        return -slope + -(self.numbers.rational(len(p) - 1) / reach)

    def _polynomial(self, coefficients: list[Any], at: Any) -> Any:
        return sum((c * at**k for k, c in enumerate(coefficients)), start=at * 0)

    def sign_or_one(self, x: Any) -> int:
        """The sign, or 1 for zero."""
        return self.sign(x) or 1


def decimal(expr: sp.Expr, point: Point, digits: int) -> sp.Float:
    """The value of an expression at a point, all its digits right.

    The working precision grows until they are; 0 is the answer where the value cannot be told from it.

    Raises
    ------
    ValueError
        Where there is no finite value, or none to so many digits.
    """
    before = None
    for factor in (1, 2, 4, 8, 16, 32):
        evaluator = Evaluator(arithmetic(factor * max(DIGITS, digits + 20)))
        try:
            value = evaluator.at(expr, point)
        except ZeroDivisionError:
            raise Unevaluable("there is no finite value at this point") from None
        if evaluator.numbers.settled(value, before, digits):
            return sp.Float(evaluator.numbers.text(value, digits), digits)
        before = value
    if evaluator.numbers.vanishes(value):
        return sp.Float(0, digits)
    raise Unevaluable(f"there is no finite value at this point, or none to {digits} digits")


def _without_value(reason: str) -> Valued:
    """What cannot be evaluated may stand where it is not: in a piece that does not hold."""

    def value(env: Environment) -> Any:
        raise Unevaluable(reason)

    return value


@lru_cache(maxsize=4096)
def _max_as_abs(function: sp.Expr, variable: Any) -> sp.Expr:
    """Two-armed ``Max`` and ``Min`` through ``Abs``, whose branch is one sign."""

    def two_armed(node: sp.Expr) -> sp.Expr:
        first, second = node.args
        size = sp.Abs(first - second)
        return (first + second + (size if isinstance(node, sp.Max) else -size)) / 2

    return function.replace(
        lambda e: isinstance(e, sp.Max | sp.Min) and len(e.args) == 2 and e.has(variable), two_armed
    )


_SWITCHES = (sp.Abs, sp.sign, sp.Heaviside, sp.Max, sp.Min, sp.Piecewise)


@lru_cache(maxsize=4096)  # the same at every point
def _has_switches(function: sp.Expr) -> bool:
    return bool(function.has(*_SWITCHES))


@lru_cache(maxsize=4096)
def _kinks(function: sp.Expr, variable: Any) -> tuple[sp.Expr, ...]:
    """Where a piecewise smooth integrand with linear switches is not smooth."""
    switches: set[sp.Expr] = set()
    for node in function.atoms(sp.Abs, sp.sign, sp.Heaviside):
        switches.add(node.args[0])
    for node in function.atoms(sp.Max, sp.Min):
        switches.update(a - b for k, a in enumerate(node.args) for b in node.args[k + 1 :])
    for node in function.atoms(sp.Piecewise):
        for _, condition in node.args:
            switches.update(r.lhs - r.rhs for r in condition.atoms(sp.core.relational.Relational))
    roots = []
    for switch in switches:
        if not switch.has(variable):
            continue
        inner = sorted(switch.atoms(sp.Abs), key=sp.default_sort_key)
        if any(a.args[0].has(sp.Abs) for a in inner):
            raise Unevaluable(f"an absolute value inside another: {switch}")
        variants = [
            switch.xreplace({a: s * a.args[0] for a, s in zip(inner, signs, strict=True)})
            for signs in product((1, -1), repeat=len(inner))
        ]
        for variant in variants:
            poly = sp.Poly(sp.expand(variant), variable)
            if poly.degree() > 1:
                raise Unevaluable(f"a switch that is not linear in {variable}: {switch}")
            if poly.degree() == 1:
                roots.append(-poly.coeff_monomial(1) / poly.coeff_monomial(variable))
    return tuple(roots)


@lru_cache(maxsize=4096)
def _polynomial_times_exponential(
    smooth: sp.Expr, t: sp.Symbol, orders: tuple[tuple[sp.Symbol, sp.Rational], ...]
) -> tuple[tuple[sp.Expr, ...], tuple[sp.Expr, ...]]:
    """Coefficients of p (bounded term by term) and q in ``p(t) exp(q(t))``, from the constant one on.

    ``orders`` holds symbols with rational values: a symbolic power of a linear function is a polynomial once its
    order is a number.
    """
    exponents = {f for a in smooth.atoms(phi) for f in (-(a.args[0] ** 2) / 2,) if f.has(t)}
    exponents |= {a.args[0] for a in smooth.atoms(sp.exp) if a.args[0].has(t)}
    q = sp.Add(*exponents)
    decaying = (phi, sp.exp)
    for term in sp.Add.make_args(sp.expand(smooth)):  # a term without the exponential does not decay
        if sum(isinstance(f, decaying) and f.has(t) for f in sp.Mul.make_args(term)) != 1:
            raise Unevaluable(f"no tail bound for {smooth}")
    flat = smooth.replace(
        lambda e: isinstance(e, phi) and e.has(t), lambda e: 1 / sp.sqrt(2 * sp.pi)
    ).replace(lambda e: isinstance(e, sp.exp) and e.has(t), lambda e: sp.S.One)
    flat = flat.subs({s: v for s, v in orders if any(p.exp.has(s) for p in flat.atoms(sp.Pow))})
    try:
        p_poly, q_poly = sp.Poly(sp.expand(flat), t), sp.Poly(sp.expand(q), t)
    except sp.PolynomialError as error:
        raise Unevaluable(f"no tail bound for {smooth}") from error
    if q_poly.degree() not in (1, 2) or len(exponents) != 1:
        raise Unevaluable(f"no tail bound for {smooth}")
    return tuple(p_poly.all_coeffs()[::-1]), tuple(q_poly.all_coeffs()[::-1])


_QUANTIFIERS: dict[type, Callable[[Iterable[bool]], bool]] = {sp.And: all, sp.Or: any}
_RELATIONS: dict[type, Callable[[int, int], bool]] = {
    sp.StrictLessThan: operator.lt,
    sp.LessThan: operator.le,
    sp.StrictGreaterThan: operator.gt,
    sp.GreaterThan: operator.ge,
    sp.Equality: operator.eq,
    sp.Unequality: operator.ne,
}
_METHODS: dict[type, str] = {  # by name: subclasses may read a node in their own way
    sp.Integer: "_number",
    sp.Rational: "_number",
    type(sp.S.One): "_number",
    type(sp.S.NegativeOne): "_number",
    type(sp.S.Half): "_number",
    type(sp.pi): "_pi",
    type(sp.E): "_e",
    sp.Symbol: "_symbol",
    sp.Dummy: "_symbol",
    sp.Add: "_add",
    sp.Mul: "_mul",
    sp.Pow: "_pow",
    sp.exp: "_named",
    sp.log: "_named",
    sp.erf: "_named",
    sp.erfc: "_named",
    phi: "_phi",
    Phi: "_Phi",
    sp.LambertW: "_lambertw",
    sp.Abs: "_abs",
    sp.sign: "_sign",
    sp.Max: "_extremum",
    sp.Min: "_extremum",
    sp.Heaviside: "_heaviside",
    sp.floor: "_floor",
    sp.Piecewise: "_piecewise",
    sp.Indexed: "_indexed",
    sp.KroneckerDelta: "_delta",
    sp.Sum: "_sum",
    sp.Subs: "_subs",
    sp.Derivative: "_derivative",
    sp.Integral: "_integral",
}
