"""Ternary weights: the sign of a weight where it exceeds a threshold, zero elsewhere.

The weights are independent with a symmetric law of density f. ``tern(w)`` is 1 for ``w > delta``, -1 for
``w < -delta`` and 0 between. For every symmetric law its mean is zero and its variance V is the probability that a
weight is not set to zero. The error of ternary weights with scale s is ``E(w - s tern(w))^2``. Three laws of given
variance are worked out: uniform on ``(-sqrt(6/K), sqrt(6/K))``, Gaussian, and Laplace.

Source: sari2020, (3)-(6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import sympy as sp

from derivations.machinery.derivation import Derivation
from derivations.machinery.domain import Domain
from derivations.machinery.formula import Formula, Source
from derivations.machinery.prover import (
    FundamentalTheorem,
    Lemmas,
    Reflection,
    SplitIntegral,
    is_positive,
    is_zero,
)
from derivations.machinery.roots import Minimiser, Root
from derivations.machinery.unspecified import Unspecified
from derivations.normal import Phi, phi

# --- symbols -------------------------------------------------------------------------------------------

w = sp.Symbol("w", real=True)
delta = sp.Symbol("delta", nonnegative=True)
sigma = sp.Symbol("sigma", positive=True)
K = sp.Symbol("K", positive=True)
t = sp.Symbol("t", nonnegative=True)
s = sp.Symbol("s", real=True)
r = sp.Symbol("r", positive=True)

_POSITIVE = sp.Interval.open(0, sp.oo)


# --- laws --------------------------------------------------------------------------------------------------


class Density(Unspecified):
    """The density f of a symmetric law that is not specified."""

    letter = "f"

    @staticmethod
    def stand_in(x: sp.Expr) -> sp.Expr:
        return phi(x)

    @classmethod
    def eval(cls, v: sp.Expr) -> sp.Expr | None:
        """Symmetric: a minus sign or an absolute value is taken out."""
        if isinstance(v, sp.Abs):
            return cls(v.args[0])
        return cls(-v) if v.could_extract_minus_sign() else None


class Distribution(Unspecified):
    """The distribution function F of a symmetric law that is not specified: its derivative is the density."""

    letter = "F"

    @staticmethod
    def stand_in(x: sp.Expr) -> sp.Expr:
        return Phi(x)

    @classmethod
    def eval(cls, v: sp.Expr) -> sp.Expr | None:
        """Half at zero by symmetry, 0 and 1 at the ends."""
        return {sp.S.Zero: sp.S.Half, sp.oo: sp.S.One, -sp.oo: sp.S.Zero}.get(v)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The density."""
        return Density(self.args[0])


@dataclass(frozen=True)
class Law:
    """A symmetric law of weights.

    Attributes
    ----------
    name
        As in the names of the formulas.
    density
        Its density where w > 0.
    end
        The end of its support.
    scale
        The symbol that sets its variance; None where the law is not specified.
    primitives
        Antiderivatives in w of ``density``, ``w density``, ``w^2 density`` for w > 0, as far as they are known.
    """

    name: str
    density: sp.Expr
    end: sp.Expr
    scale: sp.Symbol | None
    primitives: tuple[sp.Expr, ...]

    def domain(self, *symbols: sp.Symbol, some_survive: bool = False) -> Domain:
        """The domain of a formula in the scale and further symbols, the threshold in the support.

        Where ``some_survive``, the end of the support is left out: there every weight is set to zero.
        """
        sets = {delta: sp.Interval(0, sp.oo), s: sp.S.Reals, t: sp.Interval(0, sp.oo), self.scale: _POSITIVE}
        inside: tuple[sp.Basic, ...] = ()
        if self.end != sp.oo and delta in symbols:
            inside = (delta < self.end if some_survive else delta <= self.end,)
        if self.end != sp.oo and t in symbols:
            inside = (t <= 2,)  # delta = t E|w| stays in the support
        scale = () if self.scale is None else (self.scale,)
        return Domain({symbol: sets[symbol] for symbol in (*scale, *symbols)}, constraints=inside)

    def expectation(self, function: sp.Expr) -> sp.Integral:
        """The expectation of a function of w, unevaluated."""
        return sp.Integral(function * self.density.subs(w, sp.Abs(w)), (w, -self.end, self.end))

    def primitive(self, integral: sp.Integral) -> sp.Expr:
        """An antiderivative of the integrand, put together from those of its powers."""
        polynomial = sp.Poly(sp.cancel(integral.function / self.density), w)
        return sp.Add(*[c * self.primitives[k] for (k,), c in polynomial.terms()])


_half_width = sp.sqrt(6 / K)

UNIFORM = Law(
    "uniform",
    1 / (2 * _half_width),
    _half_width,
    K,
    (w / (2 * _half_width), w**2 / (4 * _half_width), w**3 / (6 * _half_width)),
)
GAUSSIAN = Law(
    "gaussian",
    phi(w / sigma) / sigma,
    sp.oo,
    sigma,
    (-Phi(-w / sigma), -sigma * phi(w / sigma), -(sigma**2) * Phi(-w / sigma) - sigma * w * phi(w / sigma)),
)
_decay = sp.sqrt(2) / sigma
LAPLACE = Law(
    "laplace",
    _decay / 2 * sp.exp(-_decay * w),
    sp.oo,
    sigma,
    (
        -sp.exp(-_decay * w) / 2,
        -(w + 1 / _decay) * sp.exp(-_decay * w) / 2,
        -(w**2 + 2 * w / _decay + 2 / _decay**2) * sp.exp(-_decay * w) / 2,
    ),
)
LAWS = (UNIFORM, GAUSSIAN, LAPLACE)

ANY = Law("any", Density(w), sp.oo, None, (Distribution(w),))
"""A symmetric law of which nothing else is known."""


# --- definitions -------------------------------------------------------------------------------------------


def tern(weight: sp.Expr) -> sp.Expr:
    """1 above the threshold, -1 below minus the threshold, 0 between."""
    return sp.sign(weight) * above_threshold(sp.Abs(weight))


def above_threshold(weight: sp.Expr) -> sp.Expr:
    """1 where the weight exceeds the threshold, else 0."""
    return sp.Heaviside(weight - delta, 0)


def probability_plus(law: Law) -> sp.Expr:
    """P(tern(w) = 1)."""
    return law.expectation(above_threshold(w))


def probability_zero(law: Law) -> sp.Expr:
    """P(tern(w) = 0): the share of zeros."""
    return law.expectation(1 - above_threshold(sp.Abs(w)))


def mean(law: Law) -> sp.Expr:
    """E tern(w)."""
    return law.expectation(tern(w))


def variance(law: Law) -> sp.Expr:
    """E tern(w)^2 - (E tern(w))^2."""
    return law.expectation(tern(w) ** 2) - mean(law) ** 2


def mean_abs(law: Law) -> sp.Expr:
    """E|w|."""
    return law.expectation(sp.Abs(w))


def error(law: Law) -> sp.Expr:
    """E(w - s tern(w))^2."""
    return law.expectation((w - s * tern(w)) ** 2)


# --- derivations -------------------------------------------------------------------------------------------


def _cut_at_threshold(expr: sp.Expr) -> sp.Expr:
    """Each integral over a half line as those below and above the threshold, zeros left out."""

    def pieces(integral: sp.Integral) -> sp.Expr:
        ((_, low, high),) = integral.limits
        below, above = (integral.function.replace(sp.Heaviside, lambda *_, v=v: v) for v in (0, sp.S.One))
        both = ((sp.factor_terms(below), low, delta), (sp.factor_terms(above), delta, high))
        return sp.Add(*[sp.Integral(f, (w, start, stop)) for f, start, stop in both if f != 0])

    cut = expr.replace(lambda e: isinstance(e, sp.Integral) and e.has(sp.Heaviside), pieces)
    return sp.expand_mul(cut, deep=False)


def _tidy(expr: sp.Expr) -> sp.Expr:
    half_width = sp.Symbol("h", positive=True)  # roots of K cancel once they are rational in h
    expr = sp.simplify(sp.expand(expr.doit().subs(K, 6 / half_width**2)))
    if expr.has(half_width):
        expr = sp.factor(expr)
    return sp.factor_terms(expr).subs(half_width, _half_width)


@cache
def _derived(quantity: Callable[[Law], sp.Expr], law: Law, *symbols: sp.Symbol) -> Derivation:
    """An expectation over the whole line, by the symmetry of the law and the fundamental theorem."""
    symmetry = Reflection(w)
    halved = (
        Derivation.begin(quantity(law), law.domain(*symbols))
        .step("the law is symmetric: $w$ and $-w$ together", symmetry.apply, by=symmetry)
        .step("cut at the threshold", _cut_at_threshold, by=SplitIntegral())
    )
    theorem = FundamentalTheorem(*[(i, law.primitive(i)) for i in halved.conclusion.atoms(sp.Integral)])
    return halved.step("fundamental theorem", theorem.apply, by=theorem).step("simplified", _tidy)


@cache
def _at_ratio(quantity: Callable[[Law], sp.Expr], law: Law, ratio: sp.Expr) -> Derivation:
    """A quantity at the threshold ``ratio E|w|``."""
    general, mean_size = _derived(quantity, law, delta), _derived(mean_abs, law)
    threshold = Lemmas(mean_size)
    closed_form = Lemmas(general)
    domain = law.domain(t) if ratio == t else law.domain()
    return (
        Derivation.begin(sp.Subs(general.definition, delta, ratio * mean_size.definition), domain)
        .step("the mean absolute weight", threshold.apply, by=threshold)
        .step("the formula for any threshold", closed_form.apply, by=closed_form)
        .step("simplified", _tidy)
    )


@cache
def _optimal_scale(law: Law) -> Derivation:
    loss = _derived(error, law, delta, s).conclusion
    bound = 8 * (sigma if law.scale == sigma else 1 / sp.sqrt(K)) + 2 * delta
    return Derivation.begin(Minimiser(loss, s, 0, bound), law.domain(delta, some_survive=True)).step(
        "the error is quadratic in s: zero of its derivative",
        lambda e: _tidy(sp.solve(sp.diff(loss, s), s)[0]),
        by=UpwardParabola(_derived(variance, law, delta).conclusion),
    )


@dataclass(frozen=True)
class UpwardParabola:
    """A quadratic function with a positive leading coefficient is least where its derivative vanishes.

    Attributes
    ----------
    leading
        The coefficient of the square: the probability of a weight above the threshold, positive where some
        weights survive.
    """

    leading: sp.Expr

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the function is that quadratic, opens upwards, and has derivative zero at the claimed place."""
        if not isinstance(left, Minimiser):
            return False
        function, variable = left.args[:2]
        return (
            is_positive(self.leading, domain)
            and is_zero(sp.diff(function, variable, 2) - 2 * self.leading, domain)
            and is_zero(sp.diff(function, variable).subs(variable, right), domain)
        )


def _least_error(law: Law) -> sp.Expr:
    """The error at the optimal scale, as a function of the threshold."""
    return _derived(error, law, delta, s).conclusion.subs(s, _optimal_scale(law).conclusion)


@cache
def _threshold_condition(law: Law) -> Derivation:
    """The derivative of the least error; the optimal threshold is where it vanishes."""
    return (
        Derivation.begin(sp.Derivative(_least_error(law), delta), law.domain(delta, some_survive=True))
        .step("chain rule", lambda e: e.doit())
        .step("common factors", _tidy)
    )


def _standardised_condition() -> sp.Expr:
    """Half the optimal scale is the threshold: for the Gaussian, with ``r = delta/sigma``."""
    gap = 2 * delta - _optimal_scale(GAUSSIAN).conclusion
    return sp.simplify(gap.subs(delta, sigma * r) / sigma)


@cache
def _optimal_threshold(law: Law) -> Derivation:
    minimiser = Minimiser(_least_error(law), delta, 0, 2 * sigma if law.end == sp.oo else law.end)
    gap = sp.together(2 * delta - _optimal_scale(law).conclusion)

    def zero_of_gap(_: sp.Expr) -> sp.Expr:
        if law == GAUSSIAN:
            return sigma * Root(_standardised_condition(), r, 0, 1)
        solutions = sp.solve(sp.numer(gap), delta)
        return sp.simplify(
            next(x for x in solutions if x.is_positive and not sp.simplify(x - law.end).is_zero)
        )

    return Derivation.begin(minimiser, law.domain()).step(
        "half the optimal scale is the optimal threshold", zero_of_gap, by=HalfScale(gap, law)
    )


@dataclass(frozen=True)
class HalfScale:
    """The least error falls up to the threshold at which ``2 delta`` is the optimal scale, and rises beyond.

    With A and P the integrals of w f and of f over ``w > delta``, the least error is ``E w^2 - 2 A^2/P`` and its
    derivative ``2 f A/P (2 delta - A/P)``: it has the sign of the last factor, the gap. The gap of the uniform and
    the Laplace law increases. For the Gaussian the gap is ``-delta h/Phi(-x)`` with ``x = delta/sigma`` and
    ``h(x) = phi(x)/x - 2 Phi(-x)``, ``h'(x) = phi(x) (1 - 1/x^2)``: h falls from infinity on (0, 1) and rises to 0
    beyond, so that its one zero lies in (0, 1), with h positive before it and negative after it.
    """

    gap: sp.Expr
    law: Law

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the derivative factors through the gap, which changes from minus to plus at the claimed place."""
        if not isinstance(left, Minimiser):
            return False
        function, variable = left.args[:2]
        f, scale = self.law.density.subs(w, delta), _optimal_scale(self.law).conclusion
        survivors = self.law.domain(delta, some_survive=True)
        if not is_zero(sp.diff(function, variable) - 2 * f * scale * self.gap, survivors):
            return False
        if not is_positive(f * scale, survivors):
            return False
        if self.law == GAUSSIAN:
            return self._only_zero_of_the_gaussian_gap(right / sigma, domain)
        increasing = sp.simplify(sp.diff(self.gap, delta)).is_positive
        return bool(increasing) and is_zero(self.gap.subs(delta, right), domain)

    def _only_zero_of_the_gaussian_gap(self, root: sp.Expr, domain: Domain) -> bool:
        if not isinstance(root, Root) or root.args[1:] != (r, 0, 1):
            return False
        h = phi(r) / r - 2 * Phi(-r)
        gap = (self.gap / sigma).subs(delta, sigma * r)
        return (
            is_zero(root.args[0] - gap, domain)
            and is_zero(gap * Phi(-r) + r * h, domain)
            and is_zero(sp.diff(h, r) - phi(r) * (1 - 1 / r**2), domain)
            and sp.limit(h, r, 0) == sp.oo
            and sp.limit(h, r, sp.oo) == 0
        )


@cache
def _minimal_error(law: Law) -> Derivation:
    """The least error at the threshold of least error."""
    threshold, error_at = _optimal_threshold(law), _least_error(law)
    value = error_at.subs(delta, threshold.conclusion)
    optimum = Lemmas(threshold)
    derivation = (
        Derivation.begin(sp.Subs(error_at, delta, threshold.definition), law.domain())
        .step("the optimal threshold", optimum.apply, by=optimum)
        .step("put in", value)
    )
    if law == GAUSSIAN:
        (root,) = threshold.conclusion.atoms(Root)
        rule = AtRoot(root, phi(r))
        derivation = derivation.step("the equation of the optimal threshold", rule.apply, by=rule)
    return derivation.step("simplified", _tidy)


@dataclass(frozen=True)
class AtRoot:
    """At a root its equation holds, and gives one term of it by the others.

    Attributes
    ----------
    root
        The root.
    term
        The term that the equation is solved for, in the variable of the root.
    """

    root: Root
    term: sp.Expr

    def apply(self, expr: sp.Expr) -> sp.Expr:
        """The expression with the term at the root replaced."""
        return self._in_variable(expr).subs(self.root.args[1], self.root)

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the two sides agree, in the variable of the root, once the term is replaced."""
        return is_zero(self._in_variable(left) - self._in_variable(right), domain)

    def _in_variable(self, expr: sp.Expr) -> sp.Expr:
        function, variable = self.root.args[:2]
        (solved,) = sp.solve(function, self.term)
        return expr.xreplace({self.root: variable}).subs(self.term, solved)


@cache
def _binary(law: Law, which: str) -> Derivation:
    """Binary sign weights: no threshold."""
    scale = _optimal_scale(law)
    general, at = {
        "variance": (_derived(variance, law, delta), {delta: sp.S.Zero}),
        "scale": (scale, {delta: sp.S.Zero}),
        "error": (_derived(error, law, delta, s), {delta: sp.S.Zero, s: scale.conclusion.subs(delta, 0)}),
    }[which]
    closed_form = Lemmas(general)
    return (
        Derivation.begin(sp.Subs(general.definition, tuple(at), tuple(at.values())), law.domain())
        .step("the formula for any threshold", closed_form.apply, by=closed_form)
        .step("at threshold zero", _tidy)
    )


# --- the formulas ------------------------------------------------------------------------------------------


def _words(formula: Formula) -> tuple[str, ...]:
    """What the symbols of a definition mean."""
    meanings = {
        K: "The weights are uniform on (-sqrt(6/K), sqrt(6/K)); their variance is 2/K.",
        sigma: "sigma is the standard deviation of the weights.",
        t: "The threshold delta is t E|w|.",
        sp.Heaviside: "tern(w) = sign(w) where |w| > delta, else 0.",
    }
    return tuple(words for meaning, words in meanings.items() if formula.definition.has(meaning))


def _of_any_law() -> tuple[Formula, ...]:
    holds = (
        "For every symmetric law with density f and distribution function F; the three laws are instances.",
    )
    return tuple(
        Formula(f"ternary.{name}", f"{title}, any symmetric law", _derived(quantity, ANY, delta), notes=holds)
        for name, title, quantity in (
            ("p_plus", "P(tern(w) = 1)", probability_plus),
            ("p_zero", "Share of zeros", probability_zero),
            ("mean", "Mean of ternary weights", mean),
            ("variance", "Variance of ternary weights", variance),
        )
    )


def _of(law: Law) -> tuple[Formula, ...]:
    name = f"ternary.{law.name}"
    printed = law == UNIFORM
    seven_tenths = sp.Rational(7, 10)
    in_words = f"{law.name} weights"
    limit = ("The closed form for any threshold is continuous at delta = 0: also the limit delta -> 0.",)
    return (
        Formula(f"{name}.p_plus", f"P(tern(w) = 1), {in_words}", _derived(probability_plus, law, delta)),
        Formula(f"{name}.p_zero", f"Share of zeros, {in_words}", _derived(probability_zero, law, delta)),
        Formula(
            f"{name}.variance",
            f"Variance of ternary weights, {in_words}",
            _derived(variance, law, delta),
            (Source("sari2020", "4"),) if printed else (),
            notes=("The mean is zero by symmetry.",),
        ),
        Formula(f"{name}.mean_abs", f"E|w|, {in_words}", _derived(mean_abs, law)),
        Formula(
            f"{name}.variance_at_ratio",
            f"Variance at delta = t E|w|, {in_words}",
            _at_ratio(variance, law, t),
        ),
        Formula(
            f"{name}.p_zero_at_ratio",
            f"Share of zeros at delta = t E|w|, {in_words}",
            _at_ratio(probability_zero, law, t),
        ),
        Formula(
            f"{name}.variance_at_0_7",
            f"Variance at delta = 0.7 E|w|, {in_words}",
            _at_ratio(variance, law, seven_tenths),
            (Source("sari2020", "5"),) if printed else (),
        ),
        Formula(
            f"{name}.p_zero_at_0_7",
            f"Share of zeros at delta = 0.7 E|w|, {in_words}",
            _at_ratio(probability_zero, law, seven_tenths),
        ),
        Formula(
            f"{name}.error",
            f"Mean squared error E(w - s tern(w))^2, {in_words}",
            _derived(error, law, delta, s),
        ),
        Formula(
            f"{name}.optimal_scale",
            f"Scale of least error at a given threshold, {in_words}",
            _optimal_scale(law),
            notes=("The mean of |w| over the weights that are not set to zero.",),
        ),
        Formula(
            f"{name}.threshold_condition",
            f"Derivative of the least error in the threshold, {in_words}",
            _threshold_condition(law),
            notes=("At delta = 0 the derivative from the right.",),
        ),
        Formula(
            f"{name}.optimal_threshold",
            f"Threshold of least error, {in_words}",
            _optimal_threshold(law),
            notes=(
                "The threshold is half the optimal scale. The least error falls before it and rises after it.",
                *(("Root of the stated equation; no closed form is known.",) if law == GAUSSIAN else ()),
            ),
        ),
        Formula(
            f"{name}.minimal_error",
            f"Mean squared error at the optimal threshold and scale, {in_words}",
            _minimal_error(law),
            related=(f"{name}.optimal_threshold", f"{name}.optimal_scale", f"{name}.binary_error"),
        ),
        *(
            Formula(
                f"{name}.binary_{which}",
                f"{title} of sign weights, {in_words}",
                _binary(law, which),
                notes=limit,
            )
            for which, title in (
                ("variance", "Variance"),
                ("scale", "Scale of least error"),
                ("error", "Least error"),
            )
        ),
    )


def formulas() -> tuple[Formula, ...]:
    """All formulas of this subject.

    Examples
    --------
    >>> from derivations.ternary import formulas
    >>> [f.closed_form for f in formulas() if f.name == "ternary.uniform.variance_at_0_7"]
    [13/20]
    """
    every = (*_of_any_law(), *(formula for law in LAWS for formula in _of(law)))
    return tuple(replace(formula, notes=(*_words(formula), *formula.notes)) for formula in every)
