"""Is this difference zero for all symbols in their domains?  Yes, or not known.

Nothing here evaluates numerically and nothing here trusts SymPy to integrate or to take a limit that the
certificate does not name: an integral is accepted on the derivative of its antiderivative. Where a side has no
value, as a quotient at a zero of its denominator, nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import sympy as sp

from derivations.machinery.abbreviation import unfold
from derivations.machinery.analytic import is_entire
from derivations.machinery.domain import Domain
from derivations.machinery.field import is_zero_in_field
from derivations.machinery.sums import expand_sums
from derivations.machinery.unspecified import Unspecified
from derivations.normal import Phi, phi


class Certificate(Protocol):
    """Why two expressions are equal, where plain algebra does not show it."""

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the certificate establishes ``left == right`` on the domain."""
        ...


@dataclass(frozen=True)
class Antiderivative:
    """The fundamental theorem of calculus: integrals are settled by differentiating ``primitive``.

    ``left - right`` must be a linear combination of integrals over one interval, plus a remainder. It is zero
    when ``primitive`` differentiates to the combined integrand and its boundary values cancel the remainder.
    """

    primitive: sp.Expr
    variable: sp.Symbol

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether derivative and boundary values of the primitive fit ``left - right``."""
        combined = _combine_integrals(sp.expand(left - right), self.variable)
        if combined is None:
            return False
        integrand, (low, high), remainder = combined
        if not is_entire(self.primitive, self.variable):  # a primitive with a jump or a pole proves nothing
            return False
        if not is_zero(sp.diff(self.primitive, self.variable) - integrand, domain):
            return False
        boundary = boundary_value(self.primitive, self.variable, high) - boundary_value(
            self.primitive, self.variable, low
        )
        return is_zero(boundary + remainder, domain)


@dataclass(frozen=True, init=False)
class FundamentalTheorem:
    """Each integral as the difference of the boundary values of its antiderivative.

    Parameters
    ----------
    *primitives
        Pairs (integral, antiderivative of its integrand in its variable).
    """

    primitives: tuple[tuple[sp.Integral, sp.Expr], ...]

    def __init__(self, *primitives: tuple[sp.Integral, sp.Expr]) -> None:
        object.__setattr__(self, "primitives", primitives)

    def apply(self, expr: sp.Expr) -> sp.Expr:
        """The expression with every listed integral replaced."""
        values = {}
        for integral, primitive in self.primitives:
            ((variable, low, high),) = integral.limits
            upper, lower = boundary_value(primitive, variable, high), boundary_value(primitive, variable, low)
            values[integral] = upper - lower
        return expr.xreplace(values)

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether each antiderivative differentiates to its integrand, and the values are those."""
        for integral, primitive in self.primitives:
            ((variable, _, _),) = integral.limits
            if not is_entire(primitive, variable):
                return False
            if not is_zero(sp.diff(primitive, variable) - integral.function, domain):
                return False
        return is_zero(self.apply(left) - right, domain)


@dataclass(frozen=True)
class Antidifference:
    """A finite sum as the difference of two values of a function that grows by the term of the sum.

    Attributes
    ----------
    sum
        The sum.
    primitive
        A function of its index; its value less the one at the index before is the term.
    """

    sum: sp.Sum
    primitive: sp.Expr

    def apply(self, expr: sp.Expr) -> sp.Expr:
        """The expression with the sum replaced."""
        ((index, low, high),) = self.sum.limits
        return expr.xreplace(
            {self.sum: self.primitive.subs(index, high) - self.primitive.subs(index, low - 1)}
        )

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the primitive grows by the term, and the value is that."""
        ((index, _, _),) = self.sum.limits
        growth = self.primitive - self.primitive.subs(index, index - 1)
        return is_zero(growth - self.sum.function, domain) and sp.expand(self.apply(left) - right) == 0


class Derived(Protocol):
    """A chain of equal expressions: what a derivation is to one that builds on it."""

    @property
    def definition(self) -> sp.Expr:
        """Where it begins."""
        ...

    @property
    def expressions(self) -> tuple[sp.Expr, ...]:
        """All its expressions, the definition first."""
        ...

    @property
    def conclusion(self) -> sp.Expr:
        """Where it ends."""
        ...


@dataclass(frozen=True, init=False)
class Lemmas:
    """Equalities derived elsewhere: what a derivation begins with is replaced by what it ends with.

    Parameters
    ----------
    *derivations
        Derivations, each a formula of the catalogue and checked there. Wherever their definition stands, or an
        integral of a later step, their conclusion is put.
    at
        What is put in for their symbols.
    """

    derivations: tuple[Derived, ...]
    at: Mapping[sp.Symbol, sp.Expr]

    def __init__(self, *derivations: Derived, at: Mapping[sp.Symbol, sp.Expr] | None = None) -> None:
        object.__setattr__(self, "derivations", derivations)
        object.__setattr__(self, "at", {} if at is None else at)

    def apply(self, expr: sp.Expr) -> sp.Expr:
        """The expression with every known left side replaced."""
        known = {
            left.subs(self.at): derivation.conclusion.subs(self.at)
            for derivation in self.derivations
            for left in derivation.expressions
            if left == derivation.definition or isinstance(left, sp.Integral)
        }
        return expr.xreplace(known)

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the two sides agree after replacement."""
        return is_zero(self.apply(left) - right, domain)


@dataclass(frozen=True)
class Reflection:
    """An integral from -c to c is that of ``h(v) + h(-v)`` from 0 to c.

    Attributes
    ----------
    variable
        The variable v of the integrals.
    """

    variable: sp.Symbol

    def apply(self, expr: sp.Expr) -> sp.Expr:
        """The expression with every integral over a symmetric interval folded, like terms together."""

        def tidied(integral: sp.Integral) -> sp.Expr:
            function = sp.factor_terms(sp.expand(integral.function))
            constant, varying = function.as_independent(self.variable, as_Add=False)
            return constant * sp.Integral(varying, *integral.limits) if function != 0 else sp.S.Zero

        return self._folded(expr).replace(lambda e: isinstance(e, sp.Integral), tidied)

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the right side is the left one folded, integrals compared term by term."""
        if not all(domain.orders(sp.S.Zero, i.limits[0][2]) for i in left.atoms(sp.Integral)):
            return False
        return is_zero(self._by_linearity(self._folded(left)) - self._by_linearity(right), domain)

    def _folded(self, expr: sp.Expr) -> sp.Expr:
        positive = sp.Symbol("v_", positive=True)  # so that signs and absolute values resolve

        def fold(integral: sp.Integral) -> sp.Expr:
            ((variable, low, high),) = integral.limits
            if variable != self.variable or low != -high:
                return integral
            both = sp.Add(*[integral.function.subs(variable, sign * positive) for sign in (1, -1)])
            return sp.Integral(both.subs(positive, variable), (variable, 0, high))

        return expr.replace(lambda e: isinstance(e, sp.Integral), fold)

    def _by_linearity(self, expr: sp.Expr) -> sp.Expr:
        def terms(integral: sp.Integral) -> sp.Expr:
            parts = [
                term.as_independent(self.variable, as_Add=False)
                for term in sp.Add.make_args(sp.expand(integral.function))
            ]
            return sp.Add(*[c * sp.Integral(f, *integral.limits) for c, f in parts])

        return expr.replace(lambda e: isinstance(e, sp.Integral), terms)


@dataclass(frozen=True)
class SplitIntegral:
    """Additivity over adjacent intervals: the pieces cover the interval and agree with the integrand on it.

    On each piece the variable is written through a positive fresh symbol, so that ``Max``, ``Abs``,
    ``Heaviside`` and ``Piecewise`` resolve by their own rules.
    """

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the integrals on the right are the one on the left, cut in pieces (zero pieces left out)."""
        whole = left.atoms(sp.Integral)
        if len(whole) != 1:
            return False
        (integral,) = whole
        ((variable, low, high),) = integral.limits
        factor = left.coeff(integral) if left != integral else sp.S.One
        if sp.expand(left - factor * integral) != 0 or factor.has(variable):
            return False
        pieces = []
        for term in sp.Add.make_args(right):
            inside = [a for a in sp.Mul.make_args(term) if isinstance(a, sp.Integral)]
            if len(inside) != 1 or inside[0].limits[0][0] != variable:
                return False
            scale = term / inside[0]
            if scale.has(variable):
                return False
            pieces.append((inside[0].limits[0][1], inside[0].limits[0][2], scale * inside[0].function))
        return _cover(pieces, low, high, variable, factor * integral.function, domain)


def _cover(
    pieces: list[tuple[sp.Expr, sp.Expr, sp.Expr]],
    low: sp.Expr,
    high: sp.Expr,
    variable: sp.Symbol,
    integrand: sp.Expr,
    domain: Domain,
) -> bool:
    at = low
    remaining = list(pieces)
    while at != high:
        piece = next((p for p in remaining if sp.expand(p[0] - at) == 0 or p[0] == at), None)
        if piece is None:  # a gap: allowed only where the integrand vanishes
            upper = [p[0] for p in remaining if p[0] != at]
            stop = upper[0] if upper else high
            piece = (at, stop, sp.S.Zero)
        else:
            remaining.remove(piece)
        start, stop, claimed = piece
        if not domain.orders(start, stop):
            return False
        if not is_zero(resolve_between(integrand - claimed, variable, start, stop), domain):
            return False
        at = stop
    return not remaining


def resolve_between(expr: sp.Expr, variable: sp.Symbol, low: sp.Expr, high: sp.Expr) -> sp.Expr:
    """The expression for ``low < variable < high``, in terms of positive fresh symbols (interval non-empty)."""
    t, width = sp.Symbol("t_", positive=True), sp.Symbol("w_", positive=True)
    if low == -sp.oo and high == sp.oo:
        return expr
    if high == sp.oo:
        return sp.expand_mul(expr.subs(variable, low + t)) if expr.has(variable) else expr
    if low == -sp.oo:
        return expr.subs(variable, high - t)
    # variable = low + t, high = low + t + width: put in for a symbol in which the ends are linear
    gap = high - low - t - width
    linear = [q for q in sorted(gap.free_symbols - {t, width}, key=str) if sp.diff(gap, q).is_number]
    if linear:
        return expr.subs(variable, low + t).subs(linear[0], sp.solve(gap, linear[0])[0])
    between = (low + high * t) / (1 + t)
    return expr.subs(variable, between).replace(
        lambda e: isinstance(e, sp.Abs | sp.sign | sp.Heaviside | sp.Max | sp.Min),
        lambda e: e.func(*[sp.factor(argument) for argument in e.args]),
    )


def boundary_value(primitive: sp.Expr, variable: sp.Symbol, end: sp.Expr) -> sp.Expr:
    """Value or limit of a primitive at an end of the interval.

    At infinity each term is either a multiple of ``Phi``, or decays because a Gaussian or an exponential
    outgrows every power; a term of any other kind goes to ``sympy.limit``.
    """
    if end.is_finite is not False and end not in (sp.oo, -sp.oo):
        return primitive.subs(variable, end)
    total = sp.S.Zero
    for term in sp.Add.make_args(sp.expand_mul(primitive)):
        constant, varying = term.as_independent(variable, as_Add=False)
        factors = sp.Mul.make_args(varying)
        if any(_decays(f, variable, end) for f in factors) and all(
            _decays(f, variable, end) or _grows_at_most_as_power(f, variable) for f in factors
        ):
            continue
        if isinstance(varying, Phi | Unspecified):
            total += constant * varying.func(sp.limit(varying.args[0], variable, end))
        else:
            total += constant * sp.limit(varying, variable, end)
    return total


def _decays(factor: sp.Expr, variable: sp.Symbol, end: sp.Expr) -> bool:
    if isinstance(factor, phi):
        return bool(sp.degree(factor.args[0], variable) == 1)
    if isinstance(factor, sp.exp) and factor.args[0].is_polynomial(variable):
        poly = sp.Poly(factor.args[0], variable)
        sign = 1 if end == sp.oo or poly.degree() % 2 == 0 else -1
        return bool(poly.degree() >= 1 and (sign * poly.LC()).is_negative)
    return False


def _grows_at_most_as_power(factor: sp.Expr, variable: sp.Symbol) -> bool:
    if isinstance(factor, Phi):
        return True
    base, exponent = factor.as_base_exp()
    return bool(base.is_polynomial(variable) and not exponent.has(variable))


def _combine_integrals(
    difference: sp.Expr, variable: sp.Symbol
) -> tuple[sp.Expr, tuple[sp.Expr, sp.Expr], sp.Expr] | None:
    integrand, remainder = sp.S.Zero, sp.S.Zero
    interval: tuple[sp.Expr, sp.Expr] | None = None
    for term in sp.Add.make_args(difference):
        integrals = [a for a in sp.Mul.make_args(term) if isinstance(a, sp.Integral)]
        if not integrals:
            remainder += term
            continue
        ((inner, low, high),) = integrals[0].limits
        if len(integrals) > 1 or (interval is not None and interval != (low, high)):
            return None
        if (term / integrals[0]).has(variable):  # the symbol is taken: outside it means something else
            return None
        interval = (low, high)
        integrand += (term / integrals[0]) * integrals[0].function.subs(inner, variable)
    return None if interval is None else (integrand, interval, remainder)


def prove(left: sp.Expr, right: sp.Expr, domain: Domain, by: Certificate | None = None) -> bool:
    """Whether ``left == right`` is shown on the whole domain, by algebra or by the certificate given."""
    if by is not None:
        return by.proves(left, right, domain)
    return is_zero(left - right, domain)


def is_positive(expr: sp.Expr, domain: Domain) -> bool:
    """Whether an expression is positive, by the signs of its symbols and one strict constraint of the domain."""
    if expr.is_positive or sp.simplify(expr).is_positive:
        return True
    gap = sp.Symbol("gap_", positive=True)
    for constraint in domain.constraints:
        if isinstance(constraint, sp.StrictLessThan) and constraint.lhs.is_Symbol:
            inside = sp.factor(sp.expand(expr.subs(constraint.lhs, constraint.rhs - gap)))
            if inside.is_positive:
                return True
    return False


def is_zero(expr: sp.Expr, domain: Domain) -> bool:
    """Whether algebra reduces the expression to zero, in every case of the domain."""
    if expr == 0:
        return True
    if not _deltas_in_range(expr, domain):
        return False
    if not domain.cases:
        return _reduces_to_zero(expr)
    expr = _differentiate(unfold(expr))  # before a case puts a value in for a variable
    return all(_reduces_to_zero(expr.subs(case.substitution)) for case in domain.cases)


def _deltas_in_range(expr: sp.Expr, domain: Domain) -> bool:
    """Whether each free index of a delta runs through the range of the sums over it, so that one term is hit."""
    summed = {limit[0] for summation in expr.atoms(sp.Sum) for limit in summation.limits}
    for summation in expr.atoms(sp.Sum):
        free = {q for delta in summation.atoms(sp.KroneckerDelta) for q in delta.free_symbols} - summed
        for _, low, high in summation.limits:
            if any(domain.sets.get(q) != sp.Range(low, high + 1) for q in free):
                return False
    return True


def _reduces_to_zero(expr: sp.Expr) -> bool:
    expr = _resolve_relations(expand_sums(_differentiate(unfold(expr))))
    expr = _named(expr, (sp.Integral,))  # algebra has no business inside
    if not expr.has(*_NOT_ALGEBRAIC):
        return _as_field_element(expr)  # decides: nothing else would find more
    return any(attempt(expr) for attempt in _ATTEMPTS)


def _differentiate(expr: sp.Expr) -> sp.Expr:
    expr = expr.replace(lambda e: isinstance(e, sp.Derivative), lambda e: e.doit(deep=False))
    expr = expr.replace(lambda e: getattr(e, "is_rule_of_differentiation", False), lambda e: e.doit())
    return expr.replace(
        lambda e: isinstance(e, sp.Subs),
        lambda e: e.expr.subs(dict(zip(e.variables, e.point, strict=True)), simultaneous=True),
    )


def _resolve_relations(expr: sp.Expr) -> sp.Expr:
    if not expr.has(sp.Piecewise):
        return expr
    return sp.piecewise_fold(expr)


def _named(expr: sp.Expr, kinds: tuple[type, ...]) -> sp.Expr:
    """The expression with a symbol for each node of these kinds, equal nodes by one symbol."""
    names: dict[sp.Expr, sp.Symbol] = {}

    def walk(node: sp.Expr) -> sp.Expr:
        if isinstance(node, kinds):
            return names.setdefault(node, sp.Dummy("N", real=True))
        return node.func(*map(walk, node.args)) if node.has(*kinds) else node

    return walk(expr)


def _as_field_element(expr: sp.Expr) -> bool:
    """Zero as an element of the field generated by its atoms, its functions and its radicals."""
    return is_zero_in_field(_named(expr, _NOT_ALGEBRAIC))


def _with_densities_written_out(expr: sp.Expr) -> bool:
    written = expr.rewrite(sp.exp).rewrite(sp.erfc) if expr.has(phi, Phi) else expr
    return bool(sp.simplify(sp.expand(sp.powsimp(sp.expand(written)))) == 0)


def _by_simplify(expr: sp.Expr) -> bool:
    return bool(sp.simplify(expr) == 0)


_NOT_ALGEBRAIC = (
    phi,
    Phi,
    sp.exp,
    sp.log,
    sp.Abs,
    sp.sign,
    sp.Max,
    sp.Min,
    sp.Piecewise,
    sp.Heaviside,
    sp.LambertW,
)

_ATTEMPTS: tuple[Callable[[sp.Expr], bool], ...] = (
    _as_field_element,
    _with_densities_written_out,
    _by_simplify,
)
