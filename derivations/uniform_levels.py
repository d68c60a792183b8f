"""Weights rounded to the nearest of 2^b equally spaced levels.

The levels run from -c to c, both included: there are ``2^b - 1`` steps of width ``Delta = 2 c/(2^b - 1)``, and zero is
not a level. Those of positive sign are ``Delta/2, 3 Delta/2, ..., c``. Midway between levels lie thresholds, the
multiples of Delta: each one that ``|w|`` exceeds lifts the size of the rounded weight by Delta, and beyond the last of
them it is c. One bit gives ``c sign(w)``.

Conventions: DoReFa rounds weights that were clamped to (-1, 1), so that c = 1, and PACT rounds activations, both in
``2^b - 1`` steps. With ``2^b`` steps, as in fixed-point numbers, the variances below are others. Where a weight lies on
a threshold does not matter, since the law has a density.

Source: jin2019, (8) and (9).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import sympy as sp

from derivations.machinery.abbreviation import Abbreviation, unfold
from derivations.machinery.derivation import Derivation
from derivations.machinery.domain import Domain
from derivations.machinery.formula import Formula
from derivations.machinery.prover import Antidifference, FundamentalTheorem, Reflection, is_zero
from derivations.ternary import ANY, GAUSSIAN, LAPLACE, Law, sigma, w

# --- symbols -------------------------------------------------------------------------------------------

c = sp.Symbol("c", positive=True)
b = sp.Symbol("b", integer=True, positive=True)
j = sp.Symbol("j", integer=True, positive=True)

_POSITIVE = sp.Interval.open(0, sp.oo)
_SETS = {sigma: _POSITIVE, c: _POSITIVE, b: sp.Range(1, sp.oo)}
_FEW_BITS = {b: sp.Range(1, 6)}


class StepWidth(Abbreviation):
    """The distance between neighbouring levels."""

    is_positive = True

    def unfolded(self) -> sp.Expr:
        """The width written out."""
        return 2 * c / (2**b - 1)

    def _latex(self, printer: Any) -> str:
        return r"\Delta"

    def _sympystr(self, printer: Any) -> str:
        return "Delta"


DELTA = StepWidth()
THRESHOLDS = 2**b / 2 - 1
"""The number of thresholds above zero."""

UNIFORM = Law("uniform", 1 / (2 * c), c, c, (w / (2 * c),))
"""Weights that fill the range of the levels."""


# --- definitions ---------------------------------------------------------------------------------------


def rounded(weight: sp.Expr) -> sp.Expr:
    """The nearest level."""
    passed = sp.Sum(sp.Heaviside(sp.Abs(weight) - j * DELTA, 0), (j, 1, THRESHOLDS))
    return DELTA * sp.sign(weight) * (sp.S.Half + passed)


def variance(law: Law) -> sp.Expr:
    """E Q(w)^2 - (E Q(w))^2, Q the rounding."""
    return law.expectation(rounded(w) ** 2) - law.expectation(rounded(w)) ** 2


# --- sums over thresholds --------------------------------------------------------------------------------


def _square_of_levels(expr: sp.Expr) -> sp.Expr:
    """``(1/2 + m)^2 = 1/4 + 2 + 4 + ... + 2 m``, with m thresholds passed."""
    level = sp.S.Half + _passed(sp.Abs(w), sp.S.One)
    return expr.xreplace({level**2: sp.Rational(1, 4) + 2 * _passed(sp.Abs(w), j)})


@dataclass(frozen=True)
class ThresholdsPassed:
    """Of increasing thresholds the first m are passed: a sum over those passed ends at m.

    Two integrands are equal if they are for every m. The sum up to m is known by being 0 for m = 0 and growing with m
    by its last term.
    """

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether both sides agree when every sum over thresholds is cut off at m."""
        m = sp.Symbol("m_", integer=True, nonnegative=True)
        sums = left.atoms(sp.Sum) | right.atoms(sp.Sum)
        if not all(_is_over_thresholds(total) for total in sums):
            return False
        up_to_m = {total: self._up_to(m, total) for total in sums}
        if None in up_to_m.values():
            return False

        def named(integral: sp.Integral) -> sp.Expr:
            return sp.Integral(sp.factor(integral.function.xreplace(up_to_m)), *integral.limits)

        left, right = (side.replace(lambda e: isinstance(e, sp.Integral), named) for side in (left, right))
        return is_zero(left - right, domain)

    def _up_to(self, m: sp.Symbol, total: sp.Sum) -> sp.Expr | None:
        term = total.function.subs(sp.Heaviside(sp.Abs(w) - j * DELTA, 0), 1)
        value = sp.summation(term, (j, 1, m))
        grows = sp.expand(value - value.subs(m, m - 1) - term.subs(j, m)) == 0
        return value if grows and value.subs(m, 0) == 0 else None


def _passed(size: sp.Expr, term: sp.Expr) -> sp.Sum:
    """Sum of a term over the thresholds that a size exceeds."""
    return sp.Sum(term * sp.Heaviside(size - j * DELTA, 0), (j, 1, THRESHOLDS))


def _is_over_thresholds(total: sp.Sum) -> bool:
    steps = total.function.atoms(sp.Heaviside)
    return total.limits == ((j, 1, THRESHOLDS),) and steps in (
        {sp.Heaviside(size - j * DELTA, 0)} for size in (w, sp.Abs(w))
    )


@dataclass(frozen=True)
class CutAtThresholds:
    """A finite sum and an integral from 0 change places, and the integral of a term begins at its threshold.

    Attributes
    ----------
    end
        The end of the integrals.
    """

    end: sp.Expr

    def apply(self, expr: sp.Expr) -> sp.Expr:
        """The expression with every integral exchanged with the sums inside."""

        def terms(integral: sp.Integral) -> sp.Expr:
            return sp.Add(*[self._exchanged(term) for term in sp.Add.make_args(sp.expand(integral.function))])

        return expr.replace(lambda e: isinstance(e, sp.Integral), terms)

    def _exchanged(self, term: sp.Expr) -> sp.Expr:
        constant, varying = term.as_independent(w, as_Add=False)
        sums = [factor for factor in sp.Mul.make_args(varying) if isinstance(factor, sp.Sum)]
        if not sums:
            return constant * sp.Integral(varying, (w, 0, self.end))
        factor, _ = sums[0].function.as_independent(w, as_Add=False)
        beyond = sp.Integral(varying / sums[0], (w, j * DELTA, self.end))
        return constant * sp.Sum(factor * beyond, (j, 1, THRESHOLDS))

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the right side is the left one exchanged, all thresholds between 0 and the end."""
        sums = left.atoms(sp.Sum)
        if not all(i.limits == ((w, 0, self.end),) for i in left.atoms(sp.Integral)):
            return False
        if not all(_is_over_thresholds(s) and s.has(w) and not s.has(sp.Abs) for s in sums):
            return False
        k = sp.Symbol("k_", integer=True, nonnegative=True)  # 2^(b - 1) - 1 = j + k
        room = unfold(self.end - j * DELTA).subs(2**b, 2 * (1 + j + k))
        if self.end != sp.oo and not sp.factor(room).is_positive:
            return False
        return is_zero(self.apply(left) - right, domain)


# --- derivations -------------------------------------------------------------------------------------------


@cache
def _variance(law: Law) -> Derivation:
    sets = {symbol: _SETS[symbol] for symbol in ((sigma,) if law.scale == sigma else ()) + (c, b)}
    symmetry, exchange = Reflection(w), CutAtThresholds(law.end)
    cut = (
        Derivation.begin(variance(law), Domain(sets, drawn=_FEW_BITS))
        .step(
            "$(1/2 + m)^2 = 1/4 + 2 + 4 + ... + 2 m$ with $m$ thresholds passed",
            _square_of_levels,
            by=ThresholdsPassed(),
        )
        .step("the law is symmetric: $w$ and $-w$ together", symmetry.apply, by=symmetry)
        .step("sum and integral exchanged, cut at the thresholds", exchange.apply, by=exchange)
    )
    theorem = FundamentalTheorem(*[(i, law.primitive(i)) for i in cut.conclusion.atoms(sp.Integral)])
    return cut.step("fundamental theorem", theorem.apply, by=theorem).step("like terms", _like_terms)


def _like_terms(expr: sp.Expr) -> sp.Expr:
    """Constants out of the sums, common factors in front."""

    def pulled_out(term: sp.Expr, limits: sp.Tuple) -> sp.Expr:
        constant, varying = term.as_independent(j, as_Add=False)
        return constant * sp.Sum(varying, limits)

    return sp.factor_terms(sp.expand_mul(expr.replace(sp.Sum, pulled_out)))


@cache
def _summed(law: Law) -> Derivation:
    """The variance with its sum in closed form."""
    before = _variance(law)
    (total,) = before.conclusion.atoms(sp.Sum)
    rule = Antidifference(total, _antidifference(total.function))
    derivation = before.step("the sum by its antidifference", rule.apply, by=rule)
    return derivation if total.has(sp.exp) else derivation.step("by powers of the number of steps", _in_steps)


def _antidifference(term: sp.Expr) -> sp.Expr:
    """A function of j that grows by the term, a polynomial in j times ``q^j``."""
    decays = term.atoms(sp.exp)
    q = sp.Symbol("q", positive=True)
    base = sp.exp(sp.expand(next(iter(decays)).args[0] / j)) if decays else sp.S.One
    i = sp.Symbol("i", integer=True, positive=True)
    powers = term.replace(sp.exp, lambda _: q**j) if decays else term
    total = sp.summation(powers.subs(j, i), (i, 1, j))
    if isinstance(total, sp.Piecewise):  # the first piece is that of q = 1
        total = total.args[-1].expr
    last = sp.Symbol("last", positive=True)
    total = sp.expand(total).subs(q**j, last)
    forever = sp.factor(total.subs(last, 0))
    total = forever * (1 - last) + sp.factor(total - forever * (1 - last))
    total = total.replace(lambda e: e.is_Pow and e.base == q - 1, lambda e: (1 - q) ** e.exp * (-1) ** e.exp)
    return total.subs(last, q**j).subs(q, base)


def _in_steps(expr: sp.Expr) -> sp.Expr:
    """The expression by powers of the number of steps."""
    steps = sp.Symbol("n", positive=True)
    expr = sp.apart(sp.factor(unfold(expr).subs(2**b, steps + 1)), steps)
    return sp.factor_terms(expr).subs(steps, 2**b - 1)


# --- the formulas ------------------------------------------------------------------------------------------


def formulas() -> tuple[Formula, ...]:
    """All formulas of this subject.

    Examples
    --------
    >>> from derivations.uniform_levels import formulas
    >>> [f.closed_form for f in formulas() if f.name == "uniform_levels.uniform.variance"]
    [c**2*(1 + 2/(2**b - 1)**2)/3]
    """
    notes = (
        "The levels run from -c to c in 2^b - 1 steps Delta; a weight beyond c is rounded to c.",
        "The mean is zero by symmetry.",
        "b = 1: the weights are c sign(w), and the variance is c^2.",
    )
    one = "uniform_levels.variance"
    return (
        Formula(
            one,
            "Variance of weights rounded to 2^b levels, any symmetric law",
            _variance(ANY),
            notes=(
                "For every symmetric law with density f and distribution function F; the three laws are instances.",
                *notes,
            ),
        ),
        Formula(
            "uniform_levels.uniform.variance",
            "Variance of weights rounded to 2^b levels, uniform weights",
            _summed(UNIFORM),
            related=(one,),
            notes=(
                "The weights are uniform on (-c, c), the range of the levels; before rounding their variance is c^2/3.",
                *notes,
            ),
        ),
        *(
            Formula(
                f"uniform_levels.{law.name}.variance",
                f"Variance of weights rounded to 2^b levels, {law.name} weights",
                derivation,
                related=(one,),
                notes=("sigma is the standard deviation of the weights before rounding.", *notes),
            )
            for law, derivation in ((GAUSSIAN, _variance(GAUSSIAN)), (LAPLACE, _summed(LAPLACE)))
        ),
    )
