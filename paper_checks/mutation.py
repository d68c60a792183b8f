"""Small errors in an expression, each made at every place where it can be made.

An operator is an error that people make: a coefficient, a sign, an exponent, a term left out, the density for the
distribution function, n for n - 1. It sees one node and names what could stand there instead; the walk puts each of
these into the whole expression. Nothing here asks whether the result is wrong: some are equal to the original.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.core.relational import Relational

from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.domain import Domain
from derivations.machinery.roots import Minimiser, Root
from derivations.machinery.unspecified import Unspecified
from derivations.normal import Phi, phi
from derivations.pact import Round, StraightThrough

SMALL = sp.Rational(1, 50)
"""The relative size of the smallest errors."""

Ranges = Mapping[sp.Basic, sp.Expr]
"""The last value of each index; the first is 1."""


@dataclass(frozen=True)
class Mutant:
    """An expression with one error in it, and which one."""

    expression: sp.Expr
    operator: str


Changes = Iterator[tuple[str, Any]]


def mutants(expr: sp.Expr, domain: Domain | None = None) -> tuple[Mutant, ...]:
    """The expression with one error, for each error and each place; every result once, none the expression itself.

    Parameters
    ----------
    expr
        The expression.
    domain
        Where it is claimed: tells how far a free index runs.

    Examples
    --------
    >>> from derivations.normal import Phi
    >>> from paper_checks.mutation import mutants
    >>> import sympy as sp
    >>> for mutant in mutants(Phi(sp.Symbol("a", real=True))):
    ...     print(f"{mutant.operator}: {mutant.expression}")
    coefficient: 51*Phi(a)/50
    sign: -Phi(a)
    square: Phi(a)**2
    function: phi(a)
    coefficient: Phi(51*a/50)
    sign: Phi(-a)
    square: Phi(a**2)
    """
    sets = {} if domain is None else domain.sets
    ranges = {
        s: values.stop - 1
        for s, values in sets.items()
        if isinstance(values, sp.Range) and values.start == 1 and values.stop is not sp.oo
    }
    found: dict[sp.Expr, Mutant] = {}
    for operator, changed in _changes(expr, ranges):
        if changed != expr and changed not in found and not changed.has(sp.nan, sp.zoo, sp.I):
            found[changed] = Mutant(changed, operator)
    return tuple(found.values())


# --- the walk ------------------------------------------------------------------------------------------


def _changes(node: Any, ranges: Ranges) -> Changes:
    """What could stand in place of a node: errors of the node itself, then errors inside it."""
    for operator in _OPERATORS:
        yield from operator(node, ranges)
    yield from _inside(node, ranges)


def _inside(node: Any, ranges: Ranges) -> Changes:
    special = next((walk for kind, walk in _WALKS if isinstance(node, kind)), None)
    if special is not None:
        yield from special(node, ranges)
        return
    for place, argument in enumerate(node.args):
        if isinstance(argument, sp.Expr):
            yield from _at(node, place, _changes(argument, ranges))


def _at(node: Any, place: int, changes: Changes) -> Changes:
    """The node with one of its arguments changed."""
    for operator, changed in changes:
        yield operator, node.func(*node.args[:place], changed, *node.args[place + 1 :])


def _nowhere(node: Any, ranges: Ranges) -> Changes:
    return iter(())


def _in_power(node: sp.Pow, ranges: Ranges) -> Changes:
    yield from _at(node, 0, _changes(node.base, ranges))
    if not node.exp.is_Rational:
        yield from _at(node, 1, _changes(node.exp, ranges))


def _in_function_only(node: Any, ranges: Ranges) -> Changes:
    """The variable of a derivative is no place for an error."""
    yield from _at(node, 0, _changes(node.args[0], ranges))


def _below_scale(node: Any, ranges: Ranges) -> Changes:
    """A positive factor moves neither a root nor a step."""
    function = node.args[0]
    scaled = {function * (1 + SMALL), -function} if isinstance(node, Root) else {function * (1 + SMALL)}
    yield from _at(node, 0, (c for c in _changes(function, ranges) if c[1] not in scaled))


def _in_sum(node: sp.Sum, ranges: Ranges) -> Changes:
    function, *limits = node.args
    inner = {**ranges, **{index: high for index, low, high in limits if low == 1}}
    # the next index in every place is the same sum
    shifted = {function.xreplace({index: _following(index, inner)}) for index, *_ in limits if index in inner}
    yield from _at(node, 0, (change for change in _changes(function, inner) if change[1] not in shifted))
    for place, (index, low, high) in enumerate(limits, 1):
        yield "bound", node.func(*node.args[:place], (index, low + 1, high), *node.args[place + 1 :])
        yield "bound", node.func(*node.args[:place], (index, low, high - 1), *node.args[place + 1 :])


def _in_integral(node: sp.Integral, ranges: Ranges) -> Changes:
    yield from _at(node, 0, _changes(node.args[0], ranges))
    for place, (variable, *ends) in enumerate(node.limits, 1):
        for which, end in enumerate(ends):
            if end.is_infinite:
                continue
            for operator, changed in _changes(end, ranges):
                limit = (variable, *ends[:which], changed, *ends[which + 1 :])
                yield operator, node.func(*node.args[:place], limit, *node.args[place + 1 :])


def _in_piecewise(node: sp.Piecewise, ranges: Ranges) -> Changes:
    pieces = [tuple(pair) for pair in node.args]
    for place, (value, condition) in enumerate(pieces):
        before, after = pieces[:place], pieces[place + 1 :]
        for operator, changed in _changes(value, ranges):
            yield operator, sp.Piecewise(*before, (changed, condition), *after)
        for changed in _conditions(condition):
            yield "condition", sp.Piecewise(*before, (value, changed), *after)
        if after:
            (other, then), *rest = after
            yield "condition", sp.Piecewise(*before, *after)
            yield "condition", sp.Piecewise(*before, (other, condition), (value, then), *rest)


def _conditions(condition: Any) -> Iterator[Any]:
    """Another boundary, the boundary on the other side, the other direction; and for or."""
    if isinstance(condition, sp.And | sp.Or):
        yield (sp.Or if isinstance(condition, sp.And) else sp.And)(*condition.args)
        for place, part in enumerate(condition.args):
            for changed in _conditions(part):
                yield condition.func(*condition.args[:place], changed, *condition.args[place + 1 :])
    elif isinstance(condition, Relational) and type(condition) in _OTHER_SIDE:
        left, right = condition.lhs, condition.rhs
        yield _OTHER_SIDE[type(condition)](left, right)
        yield condition.func(right, left)
        for share in (SMALL, -SMALL):
            yield condition.func(left, right * (1 + share) if right != 0 else share)


_OTHER_SIDE: dict[type, type] = {
    sp.StrictLessThan: sp.LessThan,
    sp.LessThan: sp.StrictLessThan,
    sp.StrictGreaterThan: sp.GreaterThan,
    sp.GreaterThan: sp.StrictGreaterThan,
}

_WALKS: tuple[tuple[type | tuple[type, ...], Callable[[Any, Ranges], Changes]], ...] = (
    ((sp.Indexed, sp.KroneckerDelta, Abbreviation, sp.Symbol), _nowhere),
    (sp.Pow, _in_power),
    ((Root, Minimiser, sp.Heaviside), _below_scale),
    ((sp.Derivative, sp.Subs, StraightThrough), _in_function_only),
    (sp.Sum, _in_sum),
    (sp.Integral, _in_integral),
    (sp.Piecewise, _in_piecewise),
)


# --- operators -----------------------------------------------------------------------------------------


def _coefficient(node: Any, ranges: Ranges) -> Changes:
    """A number by a fiftieth, by one, twice; anything else times 51/50."""
    if not node.is_Rational:
        yield "coefficient", node * (1 + SMALL)
        return
    for changed in (node + SMALL, node + 1, node - 1, 2 * node, node / 2):
        yield "coefficient", changed


def _sign(node: Any, ranges: Ranges) -> Changes:
    yield "sign", -node


def _square(node: Any, ranges: Ranges) -> Changes:
    """A square that does not belong there."""
    if isinstance(node, sp.Symbol | sp.Indexed | sp.Function | sp.Sum | Abbreviation | sp.NumberSymbol):
        yield "square", node**2


def _exponent(node: Any, ranges: Ranges) -> Changes:
    """Moved by one or, for a root, by a half; on the other side of the fraction line."""
    if not (isinstance(node, sp.Pow) and node.exp.is_Rational):
        return
    base, power = node.args
    half = (sp.Rational(1, 2), -sp.Rational(1, 2)) if power.q == 2 else ()
    for changed in (power + 1, power - 1, *(power + h for h in half), -power):
        yield "exponent", base**changed


def _dropped(node: Any, ranges: Ranges) -> Changes:
    """One term or one factor less."""
    if isinstance(node, sp.Add | sp.Mul | sp.Max | sp.Min):
        for place in range(len(node.args)):
            yield "dropped", node.func(*node.args[:place], *node.args[place + 1 :])


def _function(node: Any, ranges: Ranges) -> Changes:
    """One function for another."""
    for kind, others in _FUNCTIONS.items():
        if isinstance(node, kind):
            yield from (("function", other(*node.args)) for other in others)  # type: ignore[attr-defined]
    if isinstance(node, Unspecified):
        slope = node.fdiff(1)
        if isinstance(slope, Unspecified):
            yield "function", slope


_HALF = sp.Rational(1, 2)

_FUNCTIONS: dict[type, tuple[Callable[..., sp.Expr], ...]] = {
    phi: (Phi, lambda u: -u * phi(u)),
    Phi: (phi,),
    sp.exp: (
        lambda u: sp.exp(u) - 1,
        lambda u: 1 + u,
        lambda u: (sp.exp(u) + sp.exp(-u)) / 2,
        lambda u: (sp.exp(u) - sp.exp(-u)) / 2,
    ),
    sp.Abs: (lambda u: u,),
    sp.Max: (sp.Min,),
    sp.Min: (sp.Max,),
    sp.sign: (lambda u: u, lambda u: sp.S.One),
    sp.Heaviside: (
        lambda u, at_zero: sp.Heaviside(u, 1 - at_zero),
        lambda u, at_zero: sp.Heaviside(u, _HALF),
        lambda u, at_zero: 1 - sp.Heaviside(u, at_zero),
        lambda u, at_zero: sp.Max(0, u),
    ),
    sp.floor: (lambda u: u, lambda u: -sp.floor(-u), Round),
    Round: (lambda u: u, sp.floor, lambda u: -sp.floor(-u), lambda u: sp.floor(u + _HALF)),
}


def _size(node: Any, ranges: Ranges) -> Changes:
    """n - 1 or n + 1 for n; in what has a name, n - 1 for n as in the unbiased variance."""
    if isinstance(node, sp.Symbol) and node.is_integer:
        yield "size", node - 1
        yield "size", node + 1
    elif isinstance(node, Abbreviation):
        yield from (("size", changed) for changed in _one_less(node.unfolded()))


def _one_less(node: Any) -> Iterator[Any]:
    """The number of terms of a sum, one less where it stands as a divisor."""
    if isinstance(node, sp.Pow) and node.base.is_Symbol and node.base.is_integer and node.exp.is_negative:
        yield (node.base - 1) ** node.exp
    elif not isinstance(node, sp.Indexed):
        for place, argument in enumerate(node.args):
            if isinstance(argument, sp.Expr):
                for changed in _one_less(argument):
                    yield node.func(*node.args[:place], changed, *node.args[place + 1 :])


def _index(node: Any, ranges: Ranges) -> Changes:
    """The next index, the first after the last one."""
    if not isinstance(node, sp.Indexed | sp.KroneckerDelta | Abbreviation):
        return
    for place, argument in enumerate(node.args):
        if argument in ranges:
            changed = _following(argument, ranges)
            yield "index", node.func(*node.args[:place], changed, *node.args[place + 1 :])
        elif isinstance(node, Abbreviation) and argument.is_Symbol and not argument.is_integer:
            yield "dropped", node.func(*node.args[:place], sp.S.Zero, *node.args[place + 1 :])


def _following(index: Any, ranges: Ranges) -> sp.Expr:
    return sp.Mod(index, ranges[index]) + 1


_OPERATORS: tuple[Callable[[Any, Ranges], Changes], ...] = (
    _coefficient,
    _sign,
    _square,
    _exponent,
    _dropped,
    _function,
    _size,
    _index,
)
