"""Ternary weights: the sign of a weight where it exceeds a threshold, zero elsewhere.

The weights are independent with a symmetric law of density f. ``tern(w)`` is 1 for ``w > delta``, -1 for
``w < -delta`` and 0 between; by symmetry its mean is zero, so that its variance V is the probability that a weight is
not set to zero. The error of ternary weights with scale s is ``E(w - s tern(w))^2``. Three laws of given variance are
worked out: uniform on ``(-sqrt(6/K), sqrt(6/K))``, Gaussian, and Laplace.

Source: sari2020, (3)-(6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import sympy as sp

from derivations.machinery.derivation import Derivation
from derivations.machinery.domain import Domain
from derivations.machinery.formula import Formula, Source
from derivations.machinery.prover import FundamentalTheorem, Instance, Lemmas, is_zero
from derivations.machinery.roots import Minimiser, Root
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
        The symbol that sets its variance.
    primitives
        Antiderivatives in w of ``density``, ``w density`` and ``w^2 density`` for w > 0.
    """

    name: str
    density: sp.Expr
    end: sp.Expr
    scale: sp.Symbol
    primitives: tuple[sp.Expr, sp.Expr, sp.Expr]

    def domain(self, *symbols: sp.Symbol, some_survive: bool = False) -> Domain:
        """The domain of a formula in the scale and further symbols, the threshold in the support.

        Where ``some_survive``, the end of the support is left out: there every weight is set to zero.
        """
        sets = {self.scale: _POSITIVE, delta: sp.Interval(0, sp.oo), s: sp.S.Reals, t: sp.Interval(0, sp.oo)}
        inside: tuple[sp.Basic, ...] = ()
        if self.end != sp.oo and delta in symbols:
            inside = (delta < self.end if some_survive else delta <= self.end,)
        if self.end != sp.oo and t in symbols:
            inside = (t <= 2,)  # delta = t E|w| stays in the support
        return Domain({symbol: sets[symbol] for symbol in (self.scale, *symbols)}, constraints=inside)

    def partial_moment(self, order: int, low: sp.Expr, high: sp.Expr) -> sp.Integral:
        """The integral of ``w^order f(w)`` between two positive ends."""
        return sp.Integral(w**order * self.density, (w, low, high))

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


# --- definitions: halves of the real line, by symmetry -----------------------------------------------------


def probability_plus(law: Law, threshold: sp.Expr = delta) -> sp.Expr:
    """P(tern(w) = 1)."""
    return law.partial_moment(0, threshold, law.end)


def probability_zero(law: Law, threshold: sp.Expr = delta) -> sp.Expr:
    """P(tern(w) = 0): the share of zeros."""
    return 2 * law.partial_moment(0, sp.S.Zero, threshold)


def variance(law: Law, threshold: sp.Expr = delta) -> sp.Expr:
    """E tern(w)^2, from w > delta and w < -delta."""
    return 2 * law.partial_moment(0, threshold, law.end)


def mean_abs(law: Law) -> sp.Expr:
    """E|w|."""
    return 2 * law.partial_moment(1, sp.S.Zero, law.end)


def error(law: Law) -> sp.Expr:
    """E(w - s tern(w))^2: w^2 below the threshold, (|w| - s)^2 above it."""
    above = sp.Integral(sp.expand((w - s) ** 2) * law.density, (w, delta, law.end))
    return 2 * law.partial_moment(2, sp.S.Zero, delta) + 2 * above


# --- derivations -------------------------------------------------------------------------------------------


def _evaluated(definition: sp.Expr, law: Law, domain: Domain) -> Derivation:
    theorem = FundamentalTheorem(*[(i, law.primitive(i)) for i in definition.atoms(sp.Integral)])
    return (
        Derivation.begin(definition, domain)
        .step("fundamental theorem", theorem.apply, by=theorem)
        .step("simplified", _tidy)
    )


def _tidy(expr: sp.Expr) -> sp.Expr:
    half_width = sp.Symbol("h", positive=True)  # roots of K cancel once they are rational in h
    expr = sp.simplify(sp.expand(expr.subs(K, 6 / half_width**2)))
    if expr.has(half_width):
        expr = sp.factor(expr)
    return sp.factor_terms(expr).subs(half_width, _half_width)


@cache
def _derived(quantity: Callable[[Law], sp.Expr], law: Law, *symbols: sp.Symbol) -> Derivation:
    return _evaluated(quantity(law), law, law.domain(*symbols))


@cache
def _at_ratio(quantity: Callable[..., sp.Expr], law: Law, ratio: sp.Expr) -> Derivation:
    """A quantity at the threshold ``ratio E|w|``."""
    general, mean = _derived(quantity, law, delta), _derived(mean_abs, law)
    half_line = law.partial_moment(1, sp.S.Zero, law.end)
    threshold = Lemmas((half_line, mean.conclusion / 2))
    value = ratio * mean.conclusion
    domain = law.domain(t) if ratio == t else law.domain()
    return (
        Derivation.begin(quantity(law, ratio * mean.definition), domain)
        .step("the mean absolute weight", threshold.apply, by=threshold)
        .step(
            "the general formula at this threshold",
            general.conclusion.subs(delta, value),
            by=Instance(general.definition, general.conclusion, {delta: value}),
        )
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
        """Whether the function is that quadratic and its derivative vanishes at the claimed place."""
        if not isinstance(left, Minimiser):
            return False
        function, variable = left.args[:2]
        return is_zero(sp.diff(function, variable, 2) - 2 * self.leading, domain) and is_zero(
            sp.diff(function, variable).subs(variable, right), domain
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
        if law is GAUSSIAN:
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
        if self.law is GAUSSIAN:
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
        )


@cache
def _minimal_error(law: Law) -> Derivation:
    """The least error at the threshold of least error."""
    threshold, error_at = _optimal_threshold(law), _least_error(law)
    value = error_at.subs(delta, threshold.conclusion)
    optimum = Lemmas((threshold.definition, threshold.conclusion))
    derivation = (
        Derivation.begin(sp.Subs(error_at, delta, threshold.definition), law.domain())
        .step("the optimal threshold", optimum.apply, by=optimum)
        .step("put in", value)
    )
    if law is GAUSSIAN:
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
    """The limit of no threshold: binary sign weights."""
    general = {"variance": _derived(variance, law, delta), "scale": _optimal_scale(law)}
    if which == "error":
        loss = _derived(error, law, delta, s)
        scale = _optimal_scale(law).conclusion.subs(delta, 0)
        start = loss.definition.subs({delta: sp.S.Zero}).subs(s, scale)
        end = loss.conclusion.subs({delta: sp.S.Zero}).subs(s, scale)
        rule = Instance(loss.definition, loss.conclusion, {delta: sp.S.Zero, s: scale})
    else:
        start, end = (e.subs(delta, 0) for e in (general[which].definition, general[which].conclusion))
        rule = Instance(general[which].definition, general[which].conclusion, {delta: sp.S.Zero})
    return (
        Derivation.begin(start, law.domain())
        .step("at threshold zero", end, by=rule)
        .step("simplified", _tidy)
    )


# --- the formulas ------------------------------------------------------------------------------------------


def _of(law: Law) -> tuple[Formula, ...]:
    name = f"ternary.{law.name}"
    printed = law is UNIFORM
    seven_tenths = sp.Rational(7, 10)
    in_words = f"{law.name} weights"
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
        ),
        Formula(
            f"{name}.optimal_threshold",
            f"Threshold of least error, {in_words}",
            _optimal_threshold(law),
            notes=(
                "The threshold is half the optimal scale. The least error falls before it and rises after it.",
                *(("Root of the stated equation; no closed form is known.",) if law is GAUSSIAN else ()),
            ),
        ),
        Formula(
            f"{name}.minimal_error",
            f"Mean squared error at the optimal threshold and scale, {in_words}",
            _minimal_error(law),
            related=(f"{name}.optimal_threshold", f"{name}.optimal_scale", f"{name}.binary_error"),
        ),
        Formula(f"{name}.binary_variance", f"Variance of sign weights, {in_words}", _binary(law, "variance")),
        Formula(
            f"{name}.binary_scale", f"Scale of least error of sign weights, {in_words}", _binary(law, "scale")
        ),
        Formula(f"{name}.binary_error", f"Least error of sign weights, {in_words}", _binary(law, "error")),
    )


def formulas() -> tuple[Formula, ...]:
    """All formulas of this subject.

    Examples
    --------
    >>> from derivations.ternary import formulas
    >>> [f.closed_form for f in formulas() if f.name == "ternary.uniform.variance_at_0_7"]
    [13/20]
    """
    return tuple(formula for law in LAWS for formula in _of(law))
