"""The gradient of a PACT activation in its clipping level.

PACT clips a pre-activation x to ``(0, alpha)`` and rounds it to ``n = 2^b - 1`` equal steps. Rounding has derivative
zero almost everywhere, so training uses a *rule* instead: the straight-through rule treats ``Round(u)`` as if its
derivative were 1. It is a definition, not a fact about rounding, and a derivative by this rule is written
``StraightThrough``. The calibrated gradient follows from the rule; the original one drops the quantisation error.

Conventions: ties round to even, as in ``torch.round``; at ``x = alpha`` the gradient goes to alpha; the clip has
kinks at ``x = 0`` and ``x = alpha``, where the one-sided derivatives are given.

Source: jin2019, (11)-(13) and S4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp

from derivations.machinery.arithmetic import Unevaluable
from derivations.machinery.derivation import Derivation
from derivations.machinery.domain import Case, Domain
from derivations.machinery.dual import Dual
from derivations.machinery.formula import Formula, Source
from derivations.machinery.prover import is_zero

# --- symbols -------------------------------------------------------------------------------------------

x = sp.Symbol("x", real=True)
alpha = sp.Symbol("alpha", positive=True)
b = sp.Symbol("b", integer=True, positive=True)
n = 2**b - 1
"""The number of steps."""
u = sp.Symbol("u", real=True)

_p, _q = sp.symbols("p_ q_", positive=True)
_SETS = {x: sp.S.Reals, alpha: sp.Interval.open(0, sp.oo), b: sp.Range(1, sp.oo)}
_BELOW = Case(x < 0, {x: -_p})
_BETWEEN = Case((x > 0) & (x < alpha), {x: _p, alpha: _p + _q})
_ABOVE = Case(x > alpha, {x: _p + _q, alpha: _p})
_AT_ZERO = Case(sp.Eq(x, 0), {x: sp.S.Zero})
_AT_ALPHA = Case(sp.Eq(x, alpha), {x: alpha})

EVERYWHERE = Domain(_SETS, cases=(_BELOW, _AT_ZERO, _BETWEEN, _AT_ALPHA, _ABOVE))
OFF_THE_KINKS = Domain(_SETS, constraints=(sp.Ne(x, 0), sp.Ne(x, alpha)), cases=(_BELOW, _BETWEEN, _ABOVE))
LEVEL_AND_BITS = Domain({alpha: _SETS[alpha], b: _SETS[b]})


# --- rounding, and the rule -------------------------------------------------------------------------------


class Round(sp.Function):
    """The nearest integer, ties to even, as ``torch.round``; its derivative is zero almost everywhere.

    Examples
    --------
    >>> from sympy import Rational
    >>> from derivations.pact import Round
    >>> Round(Rational(1, 2)), Round(Rational(3, 2)), Round(Rational(5, 2))
    (0, 2, 2)
    """

    nargs = 1

    @classmethod
    def eval(cls, v: sp.Expr) -> sp.Expr | None:
        """An integer stays what it is; a number is rounded."""
        if v.is_integer:
            return v
        if v.is_Rational:
            return sp.Integer(round(v))
        return None

    def _eval_is_real(self) -> bool:
        return True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The true derivative: zero almost everywhere."""
        return sp.S.Zero

    def _enclose(self, evaluator: Any, env: Any) -> Any:
        try:
            v = evaluator.evaluate(self.args[0], env)
            while isinstance(v, Dual):
                v = v.value
            return evaluator.numbers.round_half_even(v)
        except Unevaluable:  # at a tie no ball decides
            exact = evaluator.exactly(self.args[0], env)
            if not exact.is_Rational:
                raise
            return evaluator.numbers.rational(int(Round(exact)))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"\operatorname{{round}}{power}\left({printer._print(self.args[0])}\right)"

    def _numpycode(self, printer: Any) -> str:
        return f"{printer._module_format('numpy.rint')}({printer._print(self.args[0])})"

    def _torchcode(self, printer: Any) -> str:
        return f"{printer._module_format('torch.round')}({printer._print(self.args[0])})"

    def _jaxcode(self, printer: Any) -> str:
        return f"{printer._module_format('jax.numpy.rint')}({printer._print(self.args[0])})"

    def _ccode(self, printer: Any) -> str:
        return f"rint({printer._print(self.args[0])})"


class _PassesThrough(Round):
    """Rounding whose derivative is 1: the straight-through rule."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """One, by the rule."""
        return sp.S.One

    def _enclose(self, evaluator: Any, env: Any) -> Any:
        rounded = super()._enclose(evaluator, env)
        v = evaluator.evaluate(self.args[0], env)
        return Dual(rounded, v.slope, v.level) if isinstance(v, Dual) else rounded


class StraightThrough(sp.Expr):
    """Derivative of an expression in a variable, by the straight-through rule.

    Examples
    --------
    >>> from derivations.pact import Round, StraightThrough, x
    >>> StraightThrough(Round(3 * x), x).doit()
    3
    """

    is_rule_of_differentiation = True

    def __new__(cls, expr: sp.Expr, variable: sp.Symbol) -> Any:
        return super().__new__(cls, expr, variable)

    def doit(self, **_: Any) -> sp.Expr:
        """The rule applied."""
        expr, variable = self.args
        return expr.replace(Round, _PassesThrough).diff(variable).replace(_PassesThrough, Round)

    def _enclose(self, evaluator: Any, env: Any) -> Any:
        expr, variable = self.args
        return evaluator.evaluate(sp.Derivative(expr.replace(Round, _PassesThrough), variable), env)

    def _latex(self, printer: Any) -> str:
        expr, variable = (printer._print(arg) for arg in self.args)
        return rf"\left.\frac{{\partial}}{{\partial {variable}}}\right|_{{\mathrm{{STE}}}} {expr}"


class OneSided(sp.Expr):
    """Straight-through derivative at a kink ``x = place``, towards larger (+1) or smaller (-1) ``variable``."""

    is_rule_of_differentiation = True

    def __new__(cls, expr: sp.Expr, variable: sp.Symbol, place: sp.Expr, side: int) -> Any:
        return super().__new__(cls, expr, variable, sp.sympify(place), sp.Integer(side))

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """The symbols besides x, which has a value."""
        return set((self.args[0].free_symbols - {x}) | self.args[2].free_symbols)

    def branch(self) -> sp.Expr:
        """The expression on that side of the kink, where it is smooth up to rounding."""
        expr, variable, place, side = self.args

        def resolve(argument: sp.Expr) -> sp.Expr:
            here = argument.subs(x, place)
            sign = side * sp.sign(sp.diff(argument, variable)) if here == 0 else sp.sign(here)
            return sign * argument

        return expr.replace(sp.Abs, resolve)

    def doit(self, **_: Any) -> sp.Expr:
        """The rule applied on that side, at the kink."""
        _, variable, place, _ = self.args
        return sp.simplify(StraightThrough(self.branch(), variable).doit().subs(x, place))

    def _enclose(self, evaluator: Any, env: Any) -> Any:
        # beside the kink: on that side the derivative by the rule changes by at most 2/alpha per unit, up to
        # the distance h at which it is taken
        expr, variable, place, side = self.args
        if expr != quantised():
            raise Unevaluable(f"how fast the derivative changes beside the kink is not known: {expr}")
        numbers = evaluator.numbers
        h = numbers.rational(1, 10**50)
        here = evaluator.bound(env, {x: evaluator.evaluate(place, env)})
        here = evaluator.bound(here, {variable: here[variable] + h * int(side)})
        slope = evaluator.evaluate(sp.Derivative(expr.replace(Round, _PassesThrough), variable), here)
        return numbers.widen(slope, h * 4 / env[alpha])

    def _latex(self, printer: Any) -> str:
        expr, variable, place, side = self.args
        sign = "+" if side == 1 else "-"
        return (
            rf"\left.\frac{{\partial}}{{\partial {printer._print(variable)}^{{{sign}}}}}"
            rf"\right|_{{\mathrm{{STE}},\; x = {printer._print(place)}}} {printer._print(expr)}"
        )


# --- definitions -------------------------------------------------------------------------------------------


def clip() -> sp.Expr:
    """The clip to (0, alpha), as PACT writes it."""
    return (sp.Abs(x) - sp.Abs(x - alpha) + alpha) / 2


def quantised() -> sp.Expr:
    """The quantised activation."""
    return alpha * Round(n * clip() / alpha) / n


# --- operations --------------------------------------------------------------------------------------------


def _piece(expr: sp.Expr, sign_x: int, sign_gap: int) -> sp.Expr:
    """The expression where x and x - alpha have these signs."""
    known = {
        sp.Abs(x): sign_x * x,
        sp.Abs(x - alpha): sign_gap * (x - alpha),
        sp.Abs(alpha - x): sign_gap * (x - alpha),
        sp.sign(x): sp.Integer(sign_x),
        sp.sign(x - alpha): sp.Integer(sign_gap),
        sp.sign(alpha - x): sp.Integer(-sign_gap),
    }
    resolved = expr.xreplace(known).replace(Round, lambda v: Round(sp.cancel(v)))
    apart = sp.expand(sp.cancel(resolved))
    return sp.Add(*[sp.factor(term) for term in sp.Add.make_args(sp.collect(apart, x))])


def _piecewise(expr: sp.Expr) -> sp.Expr:
    """Piece by piece, equal neighbours joined by SymPy."""
    below, between, above = (_piece(expr, *signs) for signs in ((-1, -1), (1, -1), (1, 1)))
    return sp.Piecewise((below, x < 0), (between, x < alpha), (above, True))


def _by_the_rule(expr: sp.Expr) -> sp.Expr:
    """Every derivative by the straight-through rule carried out."""
    return expr.replace(lambda e: isinstance(e, StraightThrough | OneSided), lambda e: e.doit())


def _by_pieces(definition: sp.Expr) -> Derivation:
    return Derivation.begin(definition, EVERYWHERE).step("piece by piece", _piecewise)


def _gradient(definition: sp.Expr) -> Derivation:
    return (
        Derivation.begin(definition, OFF_THE_KINKS)
        .step("product rule and the straight-through rule", _by_the_rule)
        .step("piece by piece", _piecewise)
    )


def _at_kink(variable: sp.Symbol, place: sp.Expr, side: int) -> Derivation:
    return Derivation.begin(OneSided(quantised(), variable, place, side), LEVEL_AND_BITS).step(
        "the rule on that side of the kink", _by_the_rule
    )


# --- the bound of the quantisation error -----------------------------------------------------------------------


class Largest(sp.Expr):
    """The largest value of ``|Round(n u)/n - u|`` for u from 0 to 1."""

    def __new__(cls, steps: sp.Expr) -> Any:
        return super().__new__(cls, steps)

    def _enclose(self, evaluator: Any, env: Any) -> Any:
        # linear between the places where rounding jumps: the largest value is at one of them or at an end
        steps = evaluator.integer(self.args[0], env)
        candidates = [sp.Rational(k, 2 * steps) for k in range(2 * steps + 1)]
        largest = max(abs(Round(steps * v) / steps - v) for v in candidates)
        return evaluator.numbers.rational(largest.p, largest.q)

    def _latex(self, printer: Any) -> str:
        steps = printer._print(self.args[0])
        return (
            rf"\max_{{0 \le u \le 1}} \left|\frac{{\operatorname{{round}}\left(\left({steps}\right) u\right)}}"
            rf"{{{steps}}} - u\right|"
        )


@dataclass(frozen=True)
class NearestInteger:
    """``|Round(v) - v| <= 1/2`` by the meaning of rounding, with equality at ``v = 1/2``, which is in reach."""

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the right side is the value that is attained at half a step."""
        if not isinstance(left, Largest):
            return False
        return is_zero(_at_half_a_step(left) - right, domain)


def _at_half_a_step(largest: Largest) -> sp.Expr:
    half = sp.Rational(1, 2)
    return sp.Abs(Round(half) - half) / largest.args[0]


class LargestDifference(sp.Expr):
    """The supremum over x, off the kinks, of the size of a difference of gradients in alpha."""

    def __new__(cls, difference: sp.Expr) -> Any:
        return super().__new__(cls, difference)

    @property
    def free_symbols(self) -> set[sp.Basic]:
        """The symbols besides x, which is bound."""
        return set(self.args[0].free_symbols - {x})

    def _enclose(self, evaluator: Any, env: Any) -> Any:
        # Between kinks and half-way points the difference is linear in x with slope -1/alpha or 0: the supremum
        # is within h/alpha of the largest value at a distance h on either side of these. Moving x by a step inside
        # (0, alpha) moves round(n x/alpha) and n x/alpha by one, so steps far from both ends repeat each other.
        if self.args[0] != StraightThrough(quantised(), alpha) - StraightThrough(clip(), alpha):
            raise Unevaluable(f"where this difference is largest is not known: {self.args[0]}")
        numbers = evaluator.numbers
        steps = evaluator.integer(n, env)
        h = numbers.rational(1, 10**50)
        largest = numbers.rational(0)
        for k in sorted({*range(2 * steps + 1)[:32], *range(2 * steps + 1)[-32:]}):
            place = env[alpha] * numbers.rational(k, 2 * steps)
            for side in (-1, 1):
                size = abs(evaluator.evaluate(self.args[0], evaluator.bound(env, {x: place + h * side})))
                largest = (largest + size + abs(largest - size)) / 2  # the larger of the two
        return numbers.widen(largest, h * 2 / env[alpha])

    def _latex(self, printer: Any) -> str:
        return rf"\sup_{{x \ne 0,\, \alpha}} \left|{printer._print(self.args[0])}\right|"


@dataclass(frozen=True)
class InUnitsOfAlpha:
    """The difference is zero outside ``(0, alpha)`` and the rounding error of ``u = x/alpha`` inside.

    ``u`` runs through the open interval from 0 to 1; at its ends the rounding error is zero.
    """

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the difference is that on every piece."""
        if not isinstance(left, LargestDifference) or right != Largest(n):
            return False
        (difference,) = left.args
        error = Round(sp.expand(n * x / alpha)) / n - x / alpha
        outside = Domain(_SETS, (_BELOW.condition | _ABOVE.condition,), cases=(_BELOW, _ABOVE))
        inside = Domain(_SETS, (_BETWEEN.condition,), cases=(_BETWEEN,))
        return is_zero(difference, outside) and is_zero(difference - error, inside)


def _bound(difference: sp.Expr) -> Derivation:
    return (
        Derivation.begin(LargestDifference(difference), LEVEL_AND_BITS)
        .step("zero outside; inside the error of rounding x/alpha", lambda _: Largest(n), by=InUnitsOfAlpha())
        .step(
            "rounding moves by at most half a step; attained at half a step",
            _at_half_a_step,
            by=NearestInteger(),
        )
    )


# --- the formulas ------------------------------------------------------------------------------------------


def formulas() -> tuple[Formula, ...]:
    """All formulas of this subject.

    Examples
    --------
    >>> from derivations.pact import formulas
    >>> next(f.closed_form for f in formulas() if f.name == "pact.grad_input")
    Piecewise((0, x < 0), (1, alpha > x), (0, True))
    """
    kinks = (
        "At x = alpha the one-sided values are 0 (larger alpha) and 1 (smaller alpha); the closed form takes 1: the "
        "tie goes to alpha. Autograd gives 1/2 for the clip written with absolute values or torch.minimum, 1 for "
        "torch.where with x < alpha, 0 for torch.clamp.",
        "At x = 0 the gradient in alpha is 0 on both sides.",
    )
    calibrated = StraightThrough(quantised(), alpha)
    sides = ((1, "plus", "larger"), (-1, "minus", "smaller"))
    at_kinks = tuple(
        Formula(
            f"pact.{kind}_at_{name}_{word}",
            f"One-sided derivative by the straight-through rule at x = {place}, towards {direction} {variable}",
            _at_kink(variable, place, side),
        )
        for kind, variable in (("grad_alpha", alpha), ("grad_input", x))
        for name, place in (("zero", sp.S.Zero), ("alpha", alpha))
        for side, word, direction in sides
    )
    return (
        Formula("pact.clip", "The clip to (0, alpha)", _by_pieces(clip()), (Source("jin2019", "11a"),)),
        Formula(
            "pact.quantised",
            "The quantised activation",
            _by_pieces(quantised()),
            (Source("jin2019", "11b"),),
            notes=("Ties round to even. The pieces join at x = 0 and x = alpha.",),
        ),
        Formula(
            "pact.grad_alpha",
            "Calibrated gradient of the quantised activation in alpha, by the straight-through rule",
            _gradient(calibrated),
            (Source("jin2019", "13"),),
            ("pact.grad_alpha_original",),
            kinks,
        ),
        Formula(
            "pact.grad_input",
            "Gradient of the quantised activation in x, by the straight-through rule",
            _gradient(StraightThrough(quantised(), x)),
            (Source("jin2019", "12"),),
            notes=(
                "By the rule the derivative goes from 0 to 1 at x = 0 and from 1 to 0 at x = alpha: see "
                "pact.grad_input_at_zero_plus and its like.",
            ),
        ),
        Formula(
            "pact.grad_alpha_original",
            "Original PACT gradient in alpha: that of the clip, without the quantisation error",
            _gradient(StraightThrough(clip(), alpha)),
            (Source("jin2019", "13"),),
        ),
        Formula(
            "pact.gradient_difference",
            "Calibrated minus original gradient in alpha: the quantisation error over alpha",
            _gradient(calibrated - StraightThrough(clip(), alpha)),
            related=("pact.difference_bound",),
        ),
        Formula(
            "pact.difference_bound",
            "Largest difference of calibrated and original gradient",
            _bound(calibrated - StraightThrough(clip(), alpha)),
            notes=("Attained at x = alpha/(2 (2^b - 1)), where it is negative: -1/2 for b = 1.",),
        ),
        *at_kinks,
    )
