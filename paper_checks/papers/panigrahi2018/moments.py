"""Section 3.2.1 and appendix A: moments of a ReLU behind BatchNorm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import sympy as sp

from derivations import Antiderivative, Derivation, Domain, Phi, SplitIntegral, find, phi
from derivations.machinery.enclosure import decimal
from derivations.machinery.prover import FundamentalTheorem, Reflection
from derivations.relu import a, expectation, relu, z
from derivations.relu import beta as shift
from derivations.relu import gamma as scale
from numeric.experiments import relu as measured_relu
from numeric.sampling.engine import sample
from numeric.sampling.estimates import Moments
from paper_checks.claim import (
    AnyClaim,
    Cause,
    Claim,
    Trial,
)
from paper_checks.papers.panigrahi2018.symbols import (
    GAMMA_POSITIVE,
    NATURAL,
    NONNEGATIVE,
    POSITIVE,
    POSITIVE_RATIO,
    SCALED,
    Reversed,
    gamma,
    k,
    n,
    over,
    p,
    printed_mean,
    printed_square,
    through_weights,
    unit,
    v,
    w,
)
from paper_checks.transcription import from_catalogue


def _rectified(order: int) -> sp.Integral:
    """The moment of the output of the ReLU, with the factor gamma."""
    return expectation(relu(gamma * z + gamma * a) ** order)


def _scaled_moment(order: int, domain: Domain = SCALED) -> Derivation:
    """Mean or second moment of ReLU(gamma z + beta) with beta = gamma a, gamma > 0."""
    piece = sp.Integral(gamma**order * (z + a) ** order * phi(z), (z, -a, sp.oo))
    primitive = (a * Phi(z) - phi(z), (a**2 + 1) * Phi(z) - (z + 2 * a) * phi(z))[order - 1]
    closed = find(("relu.mean", "relu.second_moment")[order - 1]).closed_form
    return (
        Derivation.begin(_rectified(order), domain)
        .step("the ReLU is $\\gamma(z + a)$ for $z > -a$, else zero", piece, by=SplitIntegral())
        .step(
            "fundamental theorem, symmetry of the normal law",
            gamma**order * closed,
            by=Antiderivative(gamma**order * primitive, z),
        )
    )


@cache
def _drawn(at: float, seed: int, of_scale: float = 1.0) -> Moments:
    """Gate, ReLU(y) and its square, for ``y = gamma (z + a)``."""
    (moments,) = sample(measured_relu.ReluDraws(((of_scale, of_scale * at),)), 1 << 18, seed=seed)
    return moments


@cache
def _pieces(at: float, seed: int) -> Moments:
    """What pieces of the line add to the moments."""
    (moments,) = sample(measured_relu.PieceDraws(at), 1 << 18, seed=seed, stream=1)
    return moments


def moment_trials(name: str, symbol: sp.Symbol = a, **more: Any) -> Callable[[int], list[Trial]]:
    def trials(seed: int) -> list[Trial]:
        return [
            Trial({symbol: sp.Rational(at), **more}, measured_relu.estimates(_drawn(at, seed), 1.0)[name])
            for at in (0.5, 1.0, 3.0)
        ]

    return trials


def _piece_trials(name: str) -> Callable[[int], list[Trial]]:
    number = measured_relu.PieceDraws.names.index(name)

    def trials(seed: int) -> list[Trial]:
        found = {at: _pieces(at, seed).of(lambda t: float(t[number])) for at in (1.0, 2.0)}
        return [Trial({a: sp.Rational(at)}, estimate) for at, estimate in found.items()]

    return trials


def value_at(expr: sp.Expr, ratio: Any) -> float:
    return float(decimal(expr, {a: sp.S(ratio)}, 15))


def table_of(printed: Callable[[sp.Expr], sp.Expr], name: str) -> str:
    true = find(name)
    return "; ".join(
        f"a = {ratio}: {value_at(printed(a), ratio):.4f} printed, {float(true.evaluate(15, a=ratio)):.4f} true"
        for ratio in (0, sp.Rational(1, 2), 1, 2)
    )


def _mean_consequence() -> str:
    return (
        table_of(printed_mean, "relu.mean")
        + ". The piece -a < z < 0 adds a p(a) - (1 - exp(-a^2/2))/sqrt(2 pi), see (25). For small a the print is "
        "too low by "
        "a^4/(12 sqrt(2 pi)) only; for large a it grows as a/2 and not as a. No later equation uses the mean; the "
        "variance in (13) should."
    )


def _square_consequence() -> str:
    return (
        table_of(printed_square, "relu.second_moment")
        + ". The piece -a < z < 0 is put in as exp(-a^2/2) + p(a), neither what stands before it (see U5) nor the true "
        "(a^2 + 1) p(a) + a phi(a) - a sqrt(2/pi); at a = 0 it is 1 instead of 0, so E(y^2) is 3/2 and not 1/2. "
        "All of (13) to (22) rest on it: c1/c2 is 1/3 at a = 0, where 3.3 says that it is 1."
    )


def forward() -> tuple[AnyClaim, ...]:
    variances = Domain({n: NATURAL, w: sp.S.Reals, v: POSITIVE}, lengths={w: n, v: n})
    second = find("relu.second_moment").closed_form
    return (
        Claim(
            "8",
            "Mean of the output of the ReLU",
            r"E(\hat{y}_{L-1,i}) = \gamma_i \left( \frac{1}{\sqrt{2\pi}} + \frac{a}{2} + \frac{1}{\sqrt{2\pi}} "
            r"(1 - \exp(\frac{-a^2}{2})) \right)",
            gamma * printed_mean(a),
            _scaled_moment(1),
            cause=Cause.ALGEBRA,
            consequence=_mean_consequence,
            experiment=lambda seed: [
                Trial({gamma: 2, a: 1}, _drawn(1.0, seed, 2.0).of(lambda t: float(t[1]))),
            ],
            assumptions=(GAMMA_POSITIVE, "z is standard normal; a is not negative."),
        ),
        Claim(
            "9.1",
            "Second moment of the output of the ReLU, through that of ReLU(z + a)",
            r"E(\hat{y}_{L-1,i}^2) = E(y^2)",
            second,
            _scaled_moment(2),
            cause=Cause.MISPRINT,
            consequence=lambda: (
                "The factor gamma^2 is missing; (31) has it. At gamma = 2 the print is a quarter of the truth, at "
                "gamma = 1/2 four times it. In (13) gamma^2 of this layer's BatchNorm meets gamma^2 of the layer "
                "before in the denominator and cancels where the two are equal (all are 1 at initialisation); with "
                "gamma twice as large from layer to layer (13) as printed is off by 4 per layer."
            ),
            experiment=lambda seed: [
                Trial({gamma: 2, a: 1}, _drawn(1.0, seed, 2.0).of(lambda t: float(t[2]))),
            ],
            assumptions=(GAMMA_POSITIVE, "y = ReLU(z + a) as in appendix A; E(y^2) by its true value."),
        ),
        Claim(
            "9.2",
            "Second moment of ReLU(z + a)",
            r"E(y^2) = 0.5 + \sqrt{\frac{2}{\pi}} a + 0.5a^2 + \exp(\frac{-a^2}{2}) + p(a)",
            printed_square(a),
            from_catalogue("relu.second_moment", Domain({a: NONNEGATIVE}), {}),
            cause=Cause.ALGEBRA,
            consequence=_square_consequence,
            experiment=moment_trials("second_moment"),
            assumptions=("z is standard normal; a is not negative.",),
            sources=("panigrahi2018 (30)",),
        ),
        Claim(
            "10",
            "Variance across the batch after the convolution",
            r"Var(y_L) = W_L^2 Var(\hat{y}_{L-1})",
            over(w[k] ** 2 * v[k], k, n),
            Derivation.begin(through_weights(w, lambda index: v[index], n), variances),
            assumptions=(
                "One row of W; the entries of y^ are independent.",
                "The variance, not the second moment, of y^ stands on the right: (13) puts E(y^2) in its place.",
            ),
            sources=("sari2020 (6)",),
        ),
    )


def appendix_a() -> tuple[AnyClaim, ...]:
    def between(low: sp.Expr, high: sp.Expr, function: sp.Expr) -> sp.Integral:
        return sp.Integral(function * phi(z), (z, low, high))

    y = z + a
    zero, oo, half = sp.S.Zero, sp.oo, sp.Rational(1, 2)
    inner, inner2 = between(-a, zero, y), between(-a, zero, y**2)
    lower, lower2 = between(zero, a, z), between(zero, a, z**2)
    chance = between(zero, a, sp.S.One)
    positive, positive2 = between(zero, oo, y), between(zero, oo, y**2)
    half_mean = between(zero, oo, z)
    size, size2 = expectation(sp.Abs(z)), expectation((sp.Abs(z) + a) ** 2)
    square = expectation(z**2)
    root = sp.sqrt(2 / sp.pi)
    of_half_normal = FundamentalTheorem((half_mean, -phi(z)), (square, Phi(z) - z * phi(z)))
    first_moment = FundamentalTheorem((inner, a * Phi(z) - phi(z)))
    second_moment = FundamentalTheorem((inner2, (a**2 + 1) * Phi(z) - (z + 2 * a) * phi(z)))
    closed = zero  # y is 0 where z < -a: the first term of (24) and (28)
    ratio = sp.Symbol("a", positive=True)
    split = (closed + inner + positive).subs(a, ratio)
    return (
        Claim(
            "23",
            "The scale in front",
            r"\gamma z + \beta = \gamma(z + a)",
            scale * (z + shift / scale),
            Derivation.begin(
                scale * z + shift,
                Domain({scale: sp.S.Reals, shift: sp.S.Reals, z: sp.S.Reals}, (sp.Ne(scale, 0),)),
            ),
            assumptions=("gamma is not zero, of either sign.",),
        ),
        Claim(
            "24",
            "The mean by the three pieces of the line",
            r"E(y) = P(z < -a)E(y|z < -a) + P(-a < z < 0)E(y|-a < z < 0) + P(z > 0)E(y|z > 0)",
            split,
            Derivation.begin(
                expectation(relu(z + ratio)), Domain({ratio: POSITIVE}, (sp.StrictLessThan(0, ratio),))
            ).step(
                "the ReLU is $z + a$ for $z > -a$, else zero",
                between(-ratio, oo, z + ratio),
                by=SplitIntegral(),
            ),
            by=SplitIntegral(),
            assumptions=("a > 0.", "Probability times conditional mean is the integral over the piece."),
            experiment=moment_trials("mean", ratio),
        ),
        Claim(
            "U4",
            "Probability of the middle piece, reflected",
            r"P(0 < z < a) = \int_0^a \frac{1}{\sqrt{2\pi}} \exp\left(\frac{-z^2}{2}\right) dz",
            p(a),
            Derivation.begin(chance, POSITIVE_RATIO).step(
                "fundamental theorem", Phi(a) - half, by=Antiderivative(Phi(z), z)
            ),
            by=Antiderivative(-Phi(a * unit), unit),
            assumptions=("By symmetry the probability of -a < z < 0.",),
            experiment=_piece_trials("1 right"),
        ),
        Claim(
            "25.1",
            "What the middle piece adds to the mean",
            r"E(y; -a < z < 0) = \int_0^a z \frac{1}{\sqrt{2\pi}} \exp\left(\frac{-z^2}{2}\right) dz",
            lower,
            Derivation.begin(inner, POSITIVE_RATIO).step(
                "fundamental theorem", first_moment.apply, by=first_moment
            ),
            cause=Cause.ALGEBRA,
            consequence=lambda: (
                "There y is z + a, not -z: reflected, the integral of (a - z) phi from 0 to a, that is a p(a) minus "
                f"what is printed. At a = 1 it is {value_at(first_moment.apply(inner), 1):.4f}, printed "
                f"{value_at(lower, 1):.4f}; at a = 2 {value_at(first_moment.apply(inner), 2):.4f} and {value_at(lower, 2):.4f}. "
                "(27) and (8) inherit it."
            ),
            experiment=_piece_trials("y left"),
            assumptions=("a > 0.",),
        ),
        Claim(
            "25.2",
            "The integral itself",
            r"\int_0^a z \frac{1}{\sqrt{2\pi}} \exp\left(\frac{-z^2}{2}\right) dz = "
            r"\frac{1}{\sqrt{2\pi}} (1 - \exp(\frac{-a^2}{2}))",
            (1 - sp.exp(-(a**2) / 2)) / sp.sqrt(2 * sp.pi),
            Derivation.begin(lower, POSITIVE_RATIO).step(
                "fundamental theorem", phi(zero) - phi(a), by=Antiderivative(-phi(z), z)
            ),
            experiment=_piece_trials("z right"),
        ),
        Claim(
            "26.1",
            "Mean for positive z, through the half-normal law",
            r"E(y|z > 0) = E(|z|) + a",
            size + a,
            Derivation.begin(2 * positive, POSITIVE_RATIO).step(
                "$P(z > 0) = 1/2$", 2 * half_mean + a, by=Antiderivative(2 * a * Phi(z), z)
            ),
            by=Reversed(Reflection(z)),
            experiment=_piece_trials("y given positive"),
        ),
        Claim(
            "26.2",
            "The mean of the half-normal law",
            r"E(|z|) + a = \sqrt{\frac{2}{\pi}} + a",
            root + a,
            Derivation.begin(size + a, POSITIVE_RATIO)
            .step("both halves", Reflection(z).apply, by=Reflection(z))
            .step("fundamental theorem", of_half_normal.apply, by=of_half_normal),
            experiment=_piece_trials("size"),
        ),
        Claim(
            "27",
            "Mean of ReLU(z + a)",
            r"E(y) = \frac{1}{\sqrt{2\pi}} + \frac{a}{2} + \frac{1}{\sqrt{2\pi}} (1 - \exp(\frac{-a^2}{2}))",
            printed_mean(a),
            from_catalogue("relu.mean", POSITIVE_RATIO, {}),
            cause=Cause.ALGEBRA,
            consequence=_mean_consequence,
            experiment=moment_trials("mean"),
            assumptions=("a > 0.",),
            sources=("panigrahi2018 (8)",),
        ),
        Claim(
            "28",
            "The second moment by the three pieces of the line",
            r"E(y^2) = P(z < -a)E(y^2|z < -a) + P(-a < z < 0)E(y^2|-a < z < 0) + P(z > 0)E(y^2|0 < z < a)",
            closed + inner2 + half * between(zero, a, y**2) / chance,
            from_catalogue("relu.second_moment", POSITIVE_RATIO, {}),
            cause=Cause.MISPRINT,
            consequence=_third_piece,
            experiment=moment_trials("second_moment"),
            assumptions=("a > 0.", "Probability times conditional mean is the integral over the piece."),
        ),
        Claim(
            "U5.1",
            "What the middle piece adds to the second moment",
            r"E(y^2; -a < z < 0) = \int_0^a z^2 \frac{1}{\sqrt{2\pi}} \exp\left(\frac{-z^2}{2}\right) dz",
            lower2,
            Derivation.begin(inner2, POSITIVE_RATIO).step(
                "fundamental theorem", second_moment.apply, by=second_moment
            ),
            cause=Cause.ALGEBRA,
            consequence=lambda: (
                "There y is z + a, not -z: reflected, the integral of (a - z)^2 phi. At a = 1 it is "
                f"{value_at(second_moment.apply(inner2), 1):.4f}, printed {value_at(lower2, 1):.4f}; at a = 2 "
                f"{value_at(second_moment.apply(inner2), 2):.4f} and {value_at(lower2, 2):.4f}. (30) does not use this value but "
                "a third one."
            ),
            experiment=_piece_trials("y^2 left"),
            assumptions=("a > 0.",),
        ),
        Claim(
            "U5.2",
            "The integral itself",
            r"\int_0^a z^2 \frac{1}{\sqrt{2\pi}} \exp\left(\frac{-z^2}{2}\right) dz = \frac{-a}{\sqrt{2\pi}} "
            r"\exp\left(\frac{-a^2}{2}\right) - \int_0^a \frac{1}{\sqrt{2\pi}} \exp\left(\frac{-z^2}{2}\right) dz",
            -a * phi(a) - p(a),
            Derivation.begin(lower2, POSITIVE_RATIO).step(
                "fundamental theorem", Phi(a) - half - a * phi(a), by=Antiderivative(Phi(z) - z * phi(z), z)
            ),
            cause=Cause.ALGEBRA,
            consequence=lambda: (
                "By parts the last integral comes with a plus sign; as printed the integral of a square is negative: "
                f"{value_at(-a * phi(a) - p(a), 1):.4f} at a = 1, where it is {value_at(lower2, 1):.4f}. (30) uses "
                "neither: it has "
                "exp(-a^2/2) + p(a) in this place."
            ),
            experiment=_piece_trials("z^2 right"),
            assumptions=("a > 0.",),
        ),
        Claim(
            "29.1",
            "Second moment for positive z, through the half-normal law",
            r"E(y^2|z > 0) = E((|z| + a)^2)",
            size2,
            Derivation.begin(2 * positive2, POSITIVE_RATIO),
            by=Reversed(Reflection(z)),
            experiment=_piece_trials("y^2 given positive"),
        ),
        Claim(
            "29.2",
            "The square multiplied out",
            r"E((|z| + a)^2) = E(|z|^2) + a^2 + 2aE(|z|)",
            square + a**2 + 2 * a * size,
            Derivation.begin(size2, POSITIVE_RATIO),
            by=Antiderivative(a**2 * Phi(z), z),
            experiment=_piece_trials("size^2"),
        ),
        Claim(
            "29.3",
            "The moments of the half-normal law",
            r"E(|z|^2) + a^2 + 2aE(|z|) = a^2 + 2\sqrt{\frac{2}{\pi}}a + 1",
            a**2 + 2 * root * a + 1,
            Derivation.begin(square + a**2 + 2 * a * size, POSITIVE_RATIO).step(
                "fundamental theorem",
                1 + a**2 + 2 * a * root,
                by=_HalfNormal(),
            ),
            experiment=_piece_trials("size^2"),
        ),
        Claim(
            "30",
            "Second moment of ReLU(z + a)",
            r"E(y^2) = 0.5 + \sqrt{\frac{2}{\pi}}a + 0.5a^2 + \exp\left(\frac{-a^2}{2}\right) + p(a)",
            printed_square(a),
            from_catalogue("relu.second_moment", POSITIVE_RATIO, {}),
            cause=Cause.ALGEBRA,
            consequence=_square_consequence,
            experiment=moment_trials("second_moment"),
            assumptions=("a > 0.",),
            sources=("panigrahi2018 (9)",),
        ),
        *_any_scale(),
    )


@dataclass(frozen=True)
class _HalfNormal:
    """E|z| and E z^2: the integral over the half line, twice, and over the line."""

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the right side is the left one with both moments put in."""
        size, square = expectation(sp.Abs(z)), expectation(z**2)
        half = 2 * sp.Integral(z * phi(z), (z, 0, sp.oo))
        folded = Reflection(z).proves(size, half, domain)
        moment = Antiderivative(-2 * phi(z), z).proves(half, sp.sqrt(2 / sp.pi), domain)
        second = Antiderivative(Phi(z) - z * phi(z), z).proves(square, sp.S.One, domain)
        known = {size: sp.sqrt(2 / sp.pi), square: sp.S.One}
        return folded and moment and second and sp.expand(left.xreplace(known) - right) == 0


def _third_piece() -> str:
    def printed(ratio: float) -> float:
        inner = sp.Integral((z + a) ** 2 * phi(z), (z, -a, 0))
        third = sp.Integral((z + a) ** 2 * phi(z), (z, 0, a)) / sp.Integral(phi(z), (z, 0, a)) / 2
        return value_at(inner + third, ratio)

    true = find("relu.second_moment")
    shown = "; ".join(
        f"a = {ratio}: {printed(ratio):.4f} printed, {float(true.evaluate(15, a=ratio)):.4f} true"
        for ratio in (1, 2)
    )
    return f"The last condition is z > 0, which (29) uses: a misprint without effect on (30). As printed, {shown}."


def _any_scale() -> tuple[Claim, ...]:
    domain = Domain({shift: sp.S.Reals, scale: sp.S.Reals}, (sp.Ne(scale, 0),))
    ratio = shift / scale
    second = find("relu.c2")

    def trials(order: int) -> Callable[[int], list[Trial]]:
        def drawn(seed: int) -> list[Trial]:
            (found,) = sample(measured_relu.ReluDraws(((-1.0, 0.5),)), 1 << 18, seed=seed, stream=2)
            return [Trial({scale: -1, shift: sp.Rational(1, 2)}, found.of(lambda t: float(t[order])))]

        return drawn

    def consequence(name: str, power: int) -> Callable[[], str]:
        def text() -> str:
            ratios = (sp.Rational(1, 2), sp.Rational(-1, 2))
            true, printed = (find(name).evaluate(15, a=q) for q in ratios)
            gates = [float(find("relu.moment0").evaluate(15, a=q)) for q in ratios]
            return (
                "Right for gamma > 0 only. For gamma < 0 the ratio has to be a = beta/|gamma| and the factor "
                "|gamma|: at "
                f"gamma = -1, beta = 1/2 the true value is {float(true):.4f}, the printed one "
                f"{float((-1) ** power * printed):.4f}"
                + (", a negative mean of a number that is not negative" if power == 1 else "")
                + f". There c1 is {gates[0]:.4f}, by the print {gates[1]:.4f}; c1/c2 (variance) per layer is "
                f"{float(find('relu.ratio_variance').evaluate(15, a=sp.Rational(1, 2))):.4f}, with a of the wrong sign "
                f"{float(find('relu.ratio_variance').evaluate(15, a=sp.Rational(-1, 2))):.4f}. Nothing changes "
                "at initialisation, where gamma = 1; training may turn the sign."
            )

        return text

    without_restriction = (
        "gamma is any parameter that training may reach, except 0; for gamma > 0 the equation holds.",
        "E(y), E(y^2) by their definition, at a = beta/gamma. The text puts (27) and (30) in, which are wrong for either "
        "sign.",
    )
    return (
        Claim(
            "31a",
            "Mean of the output of the ReLU, for any scale",
            r"E(\text{ReLU}(\gamma z + \beta)) = \gamma E(y)",
            scale * expectation(relu(z + ratio)),
            from_catalogue("relu.mean_after_batchnorm", domain, {}),
            cause=Cause.ALGEBRA,
            consequence=consequence("relu.mean", 1),
            experiment=trials(1),
            assumptions=without_restriction,
        ),
        Claim(
            "31b",
            "Second moment of the output of the ReLU, for any scale",
            r"E((\text{ReLU}(\gamma z + \beta))^2) = \gamma^2 E(y^2)",
            scale**2 * expectation(relu(z + ratio) ** 2),
            Derivation.begin(expectation(relu(scale * z + shift) ** 2), domain).step(
                "relu.c2", scale**2 * second.closed_form, by=_TimesSquare(second.derivation)
            ),
            cause=Cause.ALGEBRA,
            consequence=consequence("relu.second_moment", 2),
            experiment=trials(2),
            assumptions=without_restriction,
        ),
    )


@dataclass(frozen=True)
class _TimesSquare:
    """A derived quotient by gamma^2, multiplied out."""

    derived: Derivation

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether both sides are gamma^2 times definition and conclusion."""
        return (
            sp.expand(left - scale**2 * self.derived.definition) == 0
            and sp.expand(right - scale**2 * self.derived.conclusion) == 0
        )
