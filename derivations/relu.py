"""Moments of a ReLU after BatchNorm.

BatchNorm hands the ReLU ``y = gamma z + beta``. The assumption throughout is that z is standard normal (a large
batch of a Gaussian pre-activation). With the shift ratio ``a = beta/|gamma|`` everything depends on a alone, up
to a power of ``|gamma|``: z and -z have the same law, so the sign of gamma does not matter, and ``beta/gamma``
in its place would be wrong for every negative gamma.

The constants of gradient propagation are c1, by which the ReLU's gate multiplies the second moment of a
gradient, and c2, by which the ReLU multiplies the variance ``gamma^2`` that BatchNorm gave it. Two readings of c2
are in use: the raw second moment, and the variance across the batch.

Source: panigrahi2018, (7), (8), (12), (13), (15), (16) and Appendix A.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import sympy as sp

from derivations.machinery.arithmetic import Unevaluable
from derivations.machinery.derivation import Derivation
from derivations.machinery.domain import Case, Domain
from derivations.machinery.enclosure import Evaluator
from derivations.machinery.formula import Formula, Source
from derivations.machinery.limits import ComparisonOfGrowth, LimitAtInfinity
from derivations.machinery.prover import Antiderivative, Lemmas, SplitIntegral, boundary_value, is_zero
from derivations.normal import Phi, phi

# --- symbols -------------------------------------------------------------------------------------------

z = sp.Symbol("z", real=True)
a = sp.Symbol("a", real=True)
gamma = sp.Symbol("gamma", real=True)
beta = sp.Symbol("beta", real=True)
k = sp.Symbol("k", integer=True, positive=True)

_p = sp.Symbol("p_", positive=True)

SHIFT = Domain({a: sp.S.Reals})
SHIFT_AND_ORDER = Domain({a: sp.S.Reals, k: sp.Range(1, sp.oo)})
AFFINE = Domain(
    {gamma: sp.S.Reals, beta: sp.S.Reals},
    constraints=(sp.Ne(gamma, 0),),
    cases=(Case(gamma > 0, {gamma: _p}), Case(gamma < 0, {gamma: -_p})),
)
OFFSET = Domain(
    {beta: sp.S.Reals},
    cases=(Case(beta > 0, {beta: _p}), Case(sp.Eq(beta, 0), {beta: sp.S.Zero}), Case(beta < 0, {beta: -_p})),
)
AT_A_POINT = Domain({})


# --- definitions ---------------------------------------------------------------------------------------


def expectation(function_of_z: sp.Expr) -> sp.Integral:
    """The expectation over a standard normal z, unevaluated."""
    return sp.Integral(function_of_z * phi(z), (z, -sp.oo, sp.oo))


def relu(x: sp.Expr) -> sp.Expr:
    """max(0, x)."""
    return sp.Max(0, x)


def gate(x: sp.Expr) -> sp.Expr:
    """The derivative of the ReLU: 1 where x > 0, else 0 (at the kink too, as in PyTorch)."""
    return sp.Heaviside(x, 0)


def truncated_moment(order: sp.Expr) -> sp.Integral:
    """The integral of ``(z + a)^order phi(z)`` over ``z > -a``."""
    return sp.Integral((z + a) ** order * phi(z), (z, -a, sp.oo))


# --- operations that the steps consist of ----------------------------------------------------------------


def _split_at_kink(expr: sp.Expr) -> sp.Expr:
    """Each expectation of a function of relu(z + a), restricted to z > -a where it is not zero."""

    def positive_part(integral: sp.Integral) -> sp.Expr:
        smooth = integral.function.xreplace({relu(z + a): z + a}).replace(sp.Heaviside, lambda *_: sp.S.One)
        return sp.Integral(smooth, (z, -a, sp.oo))

    return expr.replace(lambda e: isinstance(e, sp.Integral), positive_part)


def _reflect(expr: sp.Expr) -> sp.Expr:
    """``Phi(-a) = 1 - Phi(a)`` and ``phi(-a) = phi(a)``, then like terms together."""
    expr = expr.subs({Phi(-a): 1 - Phi(a), phi(-a): phi(a)})
    return sp.collect(sp.expand(expr), (Phi(a), phi(a)))


def _between_limits(primitive: sp.Expr) -> Callable[[sp.Expr], sp.Expr]:
    """The integral over (-a, oo) as the difference of the boundary values of a primitive."""
    value = boundary_value(primitive, z, sp.oo) - boundary_value(primitive, z, -a)
    return lambda expr: expr.replace(lambda e: isinstance(e, sp.Integral), lambda e: value)


def _square_of_gate(expr: sp.Expr) -> sp.Expr:
    return expr.replace(
        lambda e: isinstance(e, sp.Pow) and isinstance(e.base, sp.Heaviside), lambda e: e.base
    )


@dataclass(frozen=True)
class ZeroOrOne:
    """Integrands that agree whether the gate is open or closed."""

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the integrands of two integrals agree for either value of their one gate."""
        if not (isinstance(left, sp.Integral) and isinstance(right, sp.Integral)):
            return False
        difference = left.function - right.function
        gates = difference.atoms(sp.Heaviside)
        return bool(left.limits == right.limits and len(gates) == 1) and all(
            is_zero(difference.xreplace(dict.fromkeys(gates, value)), domain)
            for value in (sp.S.Zero, sp.S.One)
        )


@dataclass(frozen=True)
class Symmetry:
    """Substitution of ``sign(gamma) z`` for z: the law of z is symmetric."""

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the integrands agree after the substitution, for either sign of gamma."""
        before, after = _integrals(left), _integrals(right)
        if len(before) != len(after):
            return False
        names = [sp.Dummy("I") for _ in before]
        matched = all(
            is_zero(old.function.subs(z, sp.sign(gamma) * z) - new.function, domain)
            and old.limits == new.limits == ((z, -sp.oo, sp.oo),)
            for old, new in zip(before, after, strict=True)
        )
        left, right = (
            e.xreplace(dict(zip(i, names, strict=True))) for e, i in ((left, before), (right, after))
        )
        return matched and is_zero(left - right, domain)


def _integrals(expr: sp.Expr) -> list[sp.Integral]:
    """The integrals of an expression, each once, in the order in which they stand."""
    return list(dict.fromkeys(e for e in sp.preorder_traversal(expr) if isinstance(e, sp.Integral)))


def _flip_sign_of_z(expr: sp.Expr) -> sp.Expr:
    return expr.replace(lambda e: e == gamma * z, lambda e: sp.Abs(gamma) * z)


def _scale_out(expr: sp.Expr) -> sp.Expr:
    """``relu(|gamma| z + beta) = |gamma| relu(z + a)``, and the gate does not see a positive factor."""
    shifted = z + beta / sp.Abs(gamma)
    expr = expr.xreplace({gate(sp.Abs(gamma) * z + beta): gate(shifted)})
    expr = expr.xreplace({relu(sp.Abs(gamma) * z + beta): sp.Abs(gamma) * relu(shifted)})

    def pull_out(integral: sp.Integral) -> sp.Expr:
        constant, inside = sp.powdenest(integral.function).as_independent(z, as_Add=False)
        return constant * sp.Integral(inside, *integral.limits)

    return expr.replace(lambda e: isinstance(e, sp.Integral), pull_out)


@dataclass(frozen=True)
class Homogeneity:
    """Dividing the argument of gate and ReLU by ``|gamma| > 0`` takes a power of it out of the integral."""

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether each integral on the left is a power of ``|gamma|`` times one on the right."""
        scaled: dict[sp.Expr, sp.Expr] = {}
        for before in _integrals(left):
            for after in _integrals(right):
                for power in range(3):
                    factor = sp.Abs(gamma) ** power
                    same = before.limits == after.limits
                    if same and self._agree(before.function, factor * after.function, domain):
                        scaled[before] = factor * after
        return is_zero(left.xreplace(scaled) - right, domain)

    def _agree(self, before: sp.Expr, after: sp.Expr, domain: Domain) -> bool:
        """Whether two integrands agree on either side of the kink, for either sign of gamma."""
        if _differ(before, after, domain):  # most pairs, for which algebra would try everything it has
            return False
        kink = -beta / sp.Abs(gamma)
        t = sp.Symbol("t_", positive=True)

        def decided(side: int, case: Case) -> sp.Expr:
            expr = (before - after).subs(z, kink + side * t).subs(case.substitution)
            return expr.replace(
                lambda e: isinstance(e, sp.Max | sp.Heaviside),
                lambda e: e.func(*[sp.expand(x) for x in e.args]),
            )

        return all(is_zero(decided(side, case), SHIFT) for side in (1, -1) for case in domain.cases)


def _differ(one: sp.Expr, other: sp.Expr, domain: Domain) -> bool:
    """Whether two integrands certainly have different values at a point where the gate is open."""
    point = domain.sample(random.Random(0))
    evaluator = Evaluator()
    try:
        left, right = (
            evaluator.at(e, {**point, z: abs(point[beta] / point[gamma]) + 1}) for e in (one, other)
        )
    except Unevaluable:
        return False
    return evaluator.numbers.below(left, right) or evaluator.numbers.below(right, left)


# --- the moments of relu(z + a) ----------------------------------------------------------------------------


@cache
def _moment_recurrence() -> Derivation:
    primitive = -((z + a) ** k) * phi(z)

    def split_power(expr: sp.Expr) -> sp.Expr:
        return sp.Integral((z * (z + a) ** k + a * (z + a) ** k) * phi(z), *expr.limits)

    def by_parts(expr: sp.Expr) -> sp.Expr:
        # z phi(z) is the derivative of -phi(z); the boundary terms vanish
        lowered = sp.Integral(sp.diff((z + a) ** k, z) * phi(z), *expr.limits)
        lowered = k * sp.Integral(sp.simplify(lowered.function / k), *expr.limits)
        return a * truncated_moment(k) + lowered

    return (
        Derivation.begin(truncated_moment(k + 1), SHIFT_AND_ORDER)
        .step("one factor $z + a$ multiplied out", split_power, by=SameIntegrand())
        .step(
            "integration by parts, $z\\varphi(z) = -\\varphi'(z)$", by_parts, by=Antiderivative(primitive, z)
        )
    )


@dataclass(frozen=True)
class SameIntegrand:
    """Two integrals over one interval with equal integrands."""

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether interval and integrand are the same."""
        if not (isinstance(left, sp.Integral) and isinstance(right, sp.Integral)):
            return False
        return bool(left.limits == right.limits) and is_zero(
            sp.expand(left.function - right.function), domain
        )


@cache
def _moment0() -> Derivation:
    return (
        Derivation.begin(expectation(gate(z + a)), SHIFT)
        .step("the gate is open for $z > -a$", _split_at_kink, by=SplitIntegral())
        .step(
            "fundamental theorem, $\\Phi' = \\varphi$", _between_limits(Phi(z)), by=Antiderivative(Phi(z), z)
        )
        .step("symmetry of the normal law", _reflect)
    )


@cache
def _mean() -> Derivation:
    primitive = a * Phi(z) - phi(z)
    return (
        Derivation.begin(expectation(relu(z + a)), SHIFT)
        .step("the ReLU is $z + a$ for $z > -a$, else zero", _split_at_kink, by=SplitIntegral())
        .step(
            "fundamental theorem, $\\varphi' = -z\\varphi$",
            _between_limits(primitive),
            by=Antiderivative(primitive, z),
        )
        .step("symmetry of the normal law", _reflect)
    )


@cache
def _second_moment() -> Derivation:
    recurrence = _moment_recurrence().conclusion.subs(k, 1)
    lemmas = Lemmas(_mean(), _moment0())
    return (
        Derivation.begin(expectation(relu(z + a) ** 2), SHIFT)
        .step("the ReLU is $z + a$ for $z > -a$, else zero", _split_at_kink, by=SplitIntegral())
        .step(
            "the recurrence at $k = 1$",
            lambda e: e.xreplace({truncated_moment(2): recurrence}),
            by=Antiderivative(-(z + a) * phi(z), z),
        )
        .step("the moments of order 1 and 0", lemmas.apply, by=lemmas)
        .step("like terms", lambda e: sp.collect(sp.expand(e), (Phi(a), phi(a))))
    )


def _moments_lemma() -> Lemmas:
    return Lemmas(_moment0(), _mean(), _second_moment())


@cache
def _variance() -> Derivation:
    lemma = _moments_lemma()
    return Derivation.begin(expectation(relu(z + a) ** 2) - expectation(relu(z + a)) ** 2, SHIFT).step(
        "second moment and mean", lemma.apply, by=lemma
    )


# --- any gamma and beta ---------------------------------------------------------------------------------------


def _in_shift_ratio(definition: sp.Expr, known: Callable[[], Derivation]) -> Derivation:
    """From an expectation of ``gamma z + beta`` to one of ``z + a``, and its value."""
    ratio = beta / sp.Abs(gamma)
    lemma = Lemmas(known(), _mean(), at={a: ratio})
    return (
        Derivation.begin(definition, AFFINE)
        .step("the gate is 0 or 1: its square is the gate", _square_of_gate, by=ZeroOrOne())
        .step(
            "$z$ and $-z$ have the same law: $\\gamma z$ becomes $|\\gamma| z$",
            _flip_sign_of_z,
            by=Symmetry(),
        )
        .step("$|\\gamma| > 0$ taken out, $a = \\beta/|\\gamma|$", _scale_out, by=Homogeneity())
        .step("the moment of $\\mathrm{ReLU}(z + a)$", lemma.apply, by=lemma)
        .step("multiplied out", lambda e: _like_terms(e, ratio))
    )


def _like_terms(expr: sp.Expr, ratio: sp.Expr) -> sp.Expr:
    expanded = sp.expand(expr).subs(gamma**2 / sp.Abs(gamma), sp.Abs(gamma))
    return sp.collect(expanded, (Phi(ratio), phi(ratio)))


@cache
def _after_batchnorm(power: int) -> Derivation:
    """The gate (power 0) or a power of ReLU(gamma z + beta)."""
    y = gamma * z + beta
    known = (_moment0, _mean, _second_moment)[power]
    return _in_shift_ratio(expectation(relu(y) ** power if power else gate(y)), known)


@cache
def _variance_after_batchnorm() -> Derivation:
    mean, second = _after_batchnorm(1), _after_batchnorm(2)
    lemma = Lemmas(mean, second)
    return Derivation.begin(second.definition - mean.definition**2, AFFINE).step(
        "second moment and mean", lemma.apply, by=lemma
    )


# --- derivatives in gamma and beta -----------------------------------------------------------------------------


def _in(symbol: sp.Symbol, known: Derivation) -> Derivation:
    """The derivative of an expectation in the scale or in the shift."""
    lemma = Lemmas(known)
    return (
        Derivation.begin(sp.Derivative(known.definition, symbol), AFFINE)
        .step("the expectation", lemma.apply, by=lemma)
        .step("chain rule, $\\Phi' = \\varphi$ and $\\varphi'(a) = -a\\varphi(a)$", lambda e: e.doit())
        .step("simplified", _factored)
        .step("symmetry of the normal law", _upper_tail)
    )


def _factored(expr: sp.Expr) -> sp.Expr:
    """The expression factored, with ``gamma = sign(gamma) |gamma|`` and ``sign(gamma)^2 = 1``."""
    size, sign = sp.Symbol("size_", positive=True), sp.Symbol("sign_", real=True)
    expr = expr.subs({sp.sign(gamma): sign, sp.Abs(gamma): size}).subs(gamma, sign * size)
    expr = sp.expand(expr).replace(lambda e: e.is_Pow and e.base == sign, lambda e: sign ** (e.exp % 2))
    expr = sp.factor(expr).subs(sign * size, gamma)
    return expr.subs({sign: sp.sign(gamma), size: sp.Abs(gamma)})


def _upper_tail(expr: sp.Expr) -> sp.Expr:
    """``1 - Phi(a) = Phi(-a)`` where that is a factor."""
    ratio = beta / sp.Abs(gamma)
    return expr.xreplace({Phi(ratio) - 1: -Phi(-ratio)})


@cache
def _zero_scale(which: Callable[[sp.Expr], sp.Expr]) -> Derivation:
    constant = which(beta)
    return Derivation.begin(expectation(constant), OFFSET).step(
        "the integrand is a constant times a density",
        lambda e: constant,
        by=Antiderivative(constant * Phi(z), z),
    )


# --- ratios ---------------------------------------------------------------------------------------------------


@cache
def _ratio(variance: bool) -> Derivation:
    lemma = _moments_lemma()
    forward = expectation(relu(z + a) ** 2)
    if variance:
        forward = forward - expectation(relu(z + a)) ** 2
    return Derivation.begin(expectation(gate(z + a)) / forward, SHIFT).step(
        "the moments of the gate and of the ReLU", lemma.apply, by=lemma
    )


@dataclass(frozen=True)
class SpecialValue:
    """A formula for all a, taken at one value of a."""

    general: Derivation
    value: sp.Expr

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the two sides are definition and conclusion of the general formula at that value."""
        return left == self.general.definition.subs(a, self.value) and is_zero(
            right - self.general.conclusion.subs(a, self.value), domain
        )


def _at(general: Derivation, value: sp.Expr) -> Derivation:
    return (
        Derivation.begin(general.definition.subs(a, value), AT_A_POINT)
        .step(
            f"the general formula at $a = {value}$",
            general.conclusion.subs(a, value),
            by=SpecialValue(general, value),
        )
        .step("simplified", lambda e: sp.factor(sp.simplify(e)))
    )


@cache
def _limit(variance: bool, end: sp.Expr, scale: sp.Expr) -> Derivation:
    """The limit of a ratio times a power of a."""
    return Derivation.begin(LimitAtInfinity(scale * _ratio(variance).conclusion, a, end), AT_A_POINT).step(
        "rates of growth compared", lambda e: e.doit(), by=ComparisonOfGrowth()
    )


# --- the formulas -----------------------------------------------------------------------------------------------


def _derivatives() -> tuple[Formula, ...]:
    no_scale = {
        beta: "gamma = 0: y = beta is constant; there is no derivative at beta = 0, where the gate opens.",
        gamma: "gamma = 0: a function of |gamma|; at beta = 0 moments of order 1 have a kink there.",
    }
    quantities = {
        "gate_probability": ("Probability that gamma z + beta is positive", _after_batchnorm(0)),
        "mean": ("Mean of ReLU(gamma z + beta)", _after_batchnorm(1)),
        "second_moment": ("Second moment of ReLU(gamma z + beta)", _after_batchnorm(2)),
        "variance": ("Variance of ReLU(gamma z + beta)", _variance_after_batchnorm()),
    }
    of_moments = {
        "mean_in_beta": "The probability of an open gate: relu.gate_probability.",
        "second_moment_in_beta": "Twice the mean: relu.mean_after_batchnorm.",
        "second_moment_in_gamma": "Twice gamma times the probability of an open gate.",
    }
    return tuple(
        Formula(
            f"relu.{name}_in_{symbol}",
            f"{title}: derivative in {'the shift beta' if symbol == beta else 'the scale gamma'}",
            _in(symbol, known),
            related=(f"relu.{name}" if known is _after_batchnorm(0) else f"relu.{name}_after_batchnorm",),
            notes=(*filter(None, [of_moments.get(f"{name}_in_{symbol}")]), no_scale[symbol]),
        )
        for name, (title, known) in quantities.items()
        for symbol in (beta, gamma)
    )


def formulas() -> tuple[Formula, ...]:
    """All formulas of this subject.

    Examples
    --------
    >>> from derivations.relu import formulas
    >>> [f.closed_form for f in formulas() if f.name == "relu.second_moment"]
    [a*phi(a) + (a**2 + 1)*Phi(a)]
    """
    y = gamma * z + beta
    one = sp.S.One
    zero_scale = "gamma = 0: y = beta is constant, see relu.mean_at_zero_scale and relu.gate_at_zero_scale."
    undefined = "gamma = 0: undefined, since gamma^2 divides."
    in_a = "z is standard normal, and a = beta/|gamma|."
    appendix = Source("panigrahi2018", "Appendix A")
    return (
        Formula(
            "relu.moment_recurrence",
            "Moment of order k + 1 of ReLU(z + a) from those of order k and k - 1",
            _moment_recurrence(),
            related=("relu.moment0", "relu.mean", "relu.second_moment"),
            notes=("For k >= 1, the moment of order j is the integral of (z + a)^j phi(z) over z > -a.",),
        ),
        Formula(
            "relu.moment0",
            "Moment of order 0 of ReLU(z + a): the open gate",
            _moment0(),
            (appendix,),
            notes=(in_a,),
        ),
        Formula(
            "relu.mean",
            "Mean of ReLU(z + a)",
            _mean(),
            (Source("panigrahi2018", "7"), appendix),
            notes=(in_a,),
        ),
        Formula(
            "relu.second_moment", "Second moment of ReLU(z + a)", _second_moment(), (appendix,), notes=(in_a,)
        ),
        Formula(
            "relu.variance",
            "Variance of ReLU(z + a)",
            _variance(),
            (Source("panigrahi2018", "8"),),
            notes=(in_a,),
        ),
        Formula(
            "relu.gate_probability",
            "Probability that gamma z + beta is positive",
            _after_batchnorm(0),
            (Source("panigrahi2018", "12"),),
            ("relu.c1",),
            (zero_scale,),
        ),
        Formula(
            "relu.mean_after_batchnorm",
            "Mean of ReLU(gamma z + beta)",
            _after_batchnorm(1),
            (Source("panigrahi2018", "31"),),
            ("relu.mean",),
            (zero_scale,),
        ),
        Formula(
            "relu.second_moment_after_batchnorm",
            "Second moment of ReLU(gamma z + beta)",
            _after_batchnorm(2),
            related=("relu.second_moment", "relu.c2"),
            notes=(zero_scale,),
        ),
        Formula(
            "relu.variance_after_batchnorm",
            "Variance of ReLU(gamma z + beta)",
            _variance_after_batchnorm(),
            related=("relu.variance", "relu.c2_variance"),
            notes=(zero_scale,),
        ),
        Formula(
            "relu.c1",
            "Gradient gate: factor on the second moment of a gradient through the ReLU",
            _in_shift_ratio(expectation(gate(y) ** 2), _moment0),
            (Source("panigrahi2018", "15"),),
            ("relu.gate_probability", "relu.ratio"),
            (zero_scale, "Assumes that the upstream gradient is independent of the gate."),
        ),
        Formula(
            "relu.c2",
            "Forward constant, raw reading: second moment of ReLU(gamma z + beta) over gamma^2",
            _in_shift_ratio(expectation(relu(y) ** 2) / gamma**2, _second_moment),
            (Source("panigrahi2018", "16"),),
            ("relu.second_moment", "relu.c2_variance"),
            (undefined,),
        ),
        Formula(
            "relu.c2_variance",
            "Forward constant, variance reading: variance of ReLU(gamma z + beta) over gamma^2",
            _in_shift_ratio(
                (expectation(relu(y) ** 2) - expectation(relu(y)) ** 2) / gamma**2, _second_moment
            ),
            (Source("panigrahi2018", "8"),),
            ("relu.variance", "relu.c2"),
            (undefined,),
        ),
        Formula("relu.mean_at_zero_scale", "Mean of ReLU(gamma z + beta) at gamma = 0", _zero_scale(relu)),
        Formula(
            "relu.gate_at_zero_scale",
            "Probability that gamma z + beta is positive at gamma = 0",
            _zero_scale(gate),
        ),
        Formula(
            "relu.ratio",
            "c1/c2 with c2 the second moment",
            _ratio(variance=False),
            (Source("panigrahi2018", "13"),),
            ("relu.c1", "relu.c2"),
            (
                in_a,
                "Tends to 0 as 1/a^2 for a -> oo, and to oo as a^2/2 for a -> -oo: see relu.ratio_limit.",
            ),
        ),
        Formula(
            "relu.ratio_variance",
            "c1/c2 with c2 the variance",
            _ratio(variance=True),
            (Source("panigrahi2018", "13"),),
            ("relu.c1", "relu.c2_variance"),
            (
                in_a,
                "Tends to 1 for a -> oo, and to oo as a^2/2 for a -> -oo: see relu.ratio_variance_limit.",
            ),
        ),
        Formula("relu.ratio_at_0", "c1/c2 at a = 0, raw second moment", _at(_ratio(False), sp.S.Zero)),
        Formula("relu.ratio_at_1", "c1/c2 at a = 1, raw second moment", _at(_ratio(False), sp.S.One)),
        Formula("relu.ratio_variance_at_0", "c1/c2 at a = 0, variance", _at(_ratio(True), sp.S.Zero)),
        Formula("relu.ratio_variance_at_1", "c1/c2 at a = 1, variance", _at(_ratio(True), sp.S.One)),
        Formula(
            "relu.ratio_limit", "Limit of c1/c2 for a -> oo, raw second moment", _limit(False, sp.oo, one)
        ),
        Formula(
            "relu.ratio_limit_rate",
            "Limit of a^2 c1/c2 for a -> oo, raw second moment",
            _limit(False, sp.oo, a**2),
        ),
        Formula(
            "relu.ratio_limit_negative",
            "Limit of c1/c2 / a^2 for a -> -oo, raw second moment",
            _limit(False, -sp.oo, 1 / a**2),
        ),
        Formula(
            "relu.ratio_variance_limit", "Limit of c1/c2 for a -> oo, variance", _limit(True, sp.oo, one)
        ),
        Formula(
            "relu.ratio_variance_limit_negative",
            "Limit of c1/c2 / a^2 for a -> -oo, variance",
            _limit(True, -sp.oo, 1 / a**2),
        ),
        *_derivatives(),
    )
