"""A. Panigrahi, Y. Chen, C.-C. J. Kuo: gradient propagation in batch normalized residual networks.

A layer is BatchNorm, ReLU and a linear map W of n inputs to n' outputs. The document's letters and ours: gradient
Delta x~ = g upstream of BatchNorm, features y = x, normalised z, shift ratio a = beta/gamma, output y^ of the ReLU.
There is no eps. The scale gamma is positive wherever nothing else is said: (31) is about its sign.

The factor c1/c2 of a layer stands in (13) to (40). In truths of residual networks c1 and c2 are letters for what
(12) and (10) ask for, the probability of an open gate and the variance of a ReLU over gamma^2; (16) is held against
that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from derivations import Antiderivative, Case, Derivation, Domain, Phi, SplitIntegral, find, phi
from derivations import batchnorm as bn
from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.enclosure import decimal
from derivations.machinery.limits import ComparisonOfGrowth, LimitAtInfinity
from derivations.machinery.prover import Certificate, FundamentalTheorem, Lemmas, Reflection
from derivations.machinery.unspecified import Unspecified
from derivations.relu import a, expectation, gate, relu, z
from derivations.relu import beta as shift
from derivations.relu import gamma as scale
from numeric import deep_network
from numeric import relu as measured_relu
from numeric.monte_carlo import Array, Means, sample_means
from paper_checks.claim import (
    AnyClaim,
    Approximation,
    Cause,
    Claim,
    Definition,
    Inequality,
    Observation,
    Table,
    Trial,
)
from paper_checks.transcription import exact_point, from_catalogue

TITLE = "Analysis on gradient propagation in batch normalized residual networks"
WHERE = "arXiv:1812.00342"
_SECTION_5 = ("Fig 5", "Fig 6", "Fig 7", "Fig 8", "Tab 1", "Fig 9", "Fig 10", "Fig 11", "Fig 12")

LABELS = (
    *("1", "2", "3", "4", "5a", "5b", "6", "7a", "7b", "8", "9.1", "9.2", "10", "11a", "11b", "12a.1"),
    *("12a.2", "12b", "13", "U1", "U2", "U3.1", "U3.2", "14.1", "14.2", "P1", "P2", "P3", "15", "16"),
    *("17", "18", "19", "20", "21", "P4", "22", *_SECTION_5),
    *("23", "24", "U4", "25.1", "25.2", "26.1", "26.2", "27", "28", "U5.1", "U5.2"),
    *("29.1", "29.2", "29.3", "30", "31a", "31b", "U6", "U7", "U8", "32", "33"),
    *("34", "U9", "35", "U10", "U11", "36", "37", "38", "39", "U12", "40"),
    *("U13", "U14", "U15", "P5", "U16", "U17", "Fig 13", "Fig 14", "Fig 15"),
)

# --- symbols -----------------------------------------------------------------------------------------

m, i, j, k, l, eps, g, x = bn.m, bn.i, bn.j, bn.k, bn.l, bn.eps, bn.g, bn.x
sigma = sp.sqrt(bn.VARIANCE)

gamma = sp.Symbol("gamma", positive=True)
_unit = sp.Symbol("t", real=True)
n, n_out, widening, blocks = sp.symbols("n n' k N", integer=True, positive=True)
c1, c2, c, d, V, V_L, V_hat, V_tilde, V_bar = sp.symbols(
    r"c_1 c_2 c d V V_L \hat{V} \tilde{V} \bar{V}", positive=True
)
s1, s2 = sp.symbols("s_1 s_2", nonnegative=True)
t1, t2 = sp.symbols("t_1 t_2", nonnegative=True)
w, u, v = (sp.IndexedBase(name, real=True) for name in "wuv")
r = sp.IndexedBase("r", positive=True)
law = sp.IndexedBase("X", positive=True)

LETTERS = {
    bn.x: "x",
    bn.g: r"\Delta\tilde{x}",
    n: "n_{L-1}",
    n_out: "n'_{L}",
    w: "W_{L}",
    u: "W_{L-1}",
    v: r"Var(\Delta y_{L})",
    r: r"(\hat{W}^{2} I)",
    V_bar: r"\bar{W}_1^2 I",
    widening: "k",
}
"""How the document writes our symbols."""

_POSITIVE, _NONNEGATIVE = sp.Interval.open(0, sp.oo), sp.Interval(0, sp.oo)
_NATURAL = sp.Range(1, sp.oo)
_REAL = {bn.gamma: sp.S.Reals, bn.beta: sp.S.Reals}
_SHIFT_RATIO = Domain({a: sp.S.Reals})
_POSITIVE_RATIO = Domain({a: _POSITIVE})
_SCALED = Domain({gamma: _POSITIVE, a: _NONNEGATIVE})

_GAMMA_POSITIVE = "gamma > 0; for gamma < 0 see (31)."
_BY_ROWS = (
    "The vector of ones has as many entries as the matrix before it has columns, or there is no product."
)
_GAMMA_ONE = "gamma = 1 throughout, as at initialisation; otherwise gamma^2 of the last BatchNorm is missing."


def p(ratio: sp.Expr) -> sp.Integral:
    """The integral of the normal density from 0 to the ratio, over ``ratio t`` so that the ratio may be negative."""
    return sp.Integral(ratio * phi(ratio * _unit), (_unit, 0, 1))


def printed_mean(ratio: sp.Expr) -> sp.Expr:
    """E(y) as in (8) and (27)."""
    root = 1 / sp.sqrt(2 * sp.pi)
    return root + ratio / 2 + root * (1 - sp.exp(-(ratio**2) / 2))


def printed_square(ratio: sp.Expr) -> sp.Expr:
    """E(y^2) as in (9), (13), (14), (16) and (30)."""
    half = sp.Rational(1, 2)
    return half + sp.sqrt(2 / sp.pi) * ratio + half * ratio**2 + sp.exp(-(ratio**2) / 2) + p(ratio)


def printed_constant(ratio: sp.Expr) -> sp.Expr:
    """The last factor of (13) and (14)."""
    return (sp.Rational(1, 2) + p(ratio)) / printed_square(ratio)


def over(summand: sp.Expr, index: sp.Symbol, count: sp.Expr) -> sp.Sum:
    """The sum over neurons."""
    return sp.Sum(summand, (index, 1, count))


def through_weights(weights: Any, variances: Callable[[sp.Symbol], sp.Expr], count: sp.Expr) -> sp.Expr:
    """Variance of a dot product with given weights: the covariances of independent entries are deltas."""
    same = sp.KroneckerDelta(k, l)
    return over(over(weights[k] * weights[l] * same * variances(k), k, count), l, count)


def through_layer(count: sp.Expr, weight: sp.Expr, below: sp.Expr) -> sp.Expr:
    """Expected variance of a dot product with independent centred weights of that variance."""
    same = sp.KroneckerDelta(i, l)
    return over(over(weight * same * below * same, i, count), l, count)


@dataclass(frozen=True)
class Reversed:
    """A certificate read from right to left."""

    by: Certificate

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the certificate establishes the equality with its sides exchanged."""
        return self.by.proves(right, left, domain)


def _batch(*sequences: Any, index: bool = False, parameters: bool = True) -> Domain:
    sets: dict[Any, sp.Set] = {m: sp.Range(2, sp.oo)}
    if index:
        sets[i] = sp.Range(1, m + 1)
    sets |= {**dict.fromkeys(sequences, sp.S.Reals), **(_REAL if parameters else {})}
    return Domain(sets, (sp.Ne(bn.VARIANCE, 0),), dict.fromkeys(sequences, m))


# --- 3.1: BatchNorm ------------------------------------------------------------------------------------


def _batchnorm() -> tuple[AnyClaim, ...]:
    normalised = bn.Xhat(i, sp.S.Zero)
    upstream = bn.Xhat(j, sp.S.Zero)
    mean, correlation = bn.total(g[j], j) / m, bn.total(g[j] * upstream, j) / m
    variance = bn.total(g[j] ** 2, j) / m - mean**2
    at = {eps: sp.S.Zero}
    no_eps = ("Without eps, as everywhere in the document; the batch is not constant.",)
    return (
        Claim(
            "1",
            "Normalised input",
            r"x_k^{new} = \frac{x_k - E(x_k)}{\sqrt{Var(x_k)}}",
            (x[i] - bn.MEAN) / sigma,
            Derivation.begin(bn.normalised(i, sp.S.Zero), _batch(x, index=True, parameters=False)),
            defines=True,
            assumptions=("E and Var are taken across the batch, Var biased: (4) holds with these only.",),
        ),
        Claim(
            "2",
            "Scale and shift",
            r"z_k = \gamma_k x_k^{new} + \beta_k",
            bn.gamma * normalised + bn.beta,
            Derivation.begin(bn.output(i).subs(eps, 0), _batch(x, index=True)),
            defines=True,
            assumptions=("From (4) on z is the normalised input, here the output.",),
        ),
        Definition(
            "3",
            "BatchNorm as a map",
            r"\tilde{\mathbf{x}} = BN(\mathbf{x})",
            (
                "Input x and output x~ are those of the gradient (4), which is confirmed for the map of (1) and (2) "
                "with the letters changed.",
            ),
        ),
        Claim(
            "4",
            "Gradient in the input of BatchNorm",
            r"\Delta x_i = \frac{\gamma}{Std(x_i)} ((\Delta\tilde{x}_i - E(\Delta\tilde{x}_i)) "
            r"- z_i E(\Delta\tilde{x}_i z_i))",
            bn.gamma / sigma * ((g[i] - mean) - normalised * correlation),
            from_catalogue("batchnorm.grad_input", _batch(x, g, index=True), at),
            assumptions=(
                *no_eps,
                "i runs over the batch of one feature.",
            ),
            sources=("sari2020 (1)", "li2023 (12)"),
        ),
        Claim(
            "5a",
            "Mean of that gradient across the batch",
            r"E(\Delta x_i) = 0",
            sp.S.Zero,
            from_catalogue("batchnorm.grad_input_mean", bn.WHOLE_BATCH, {}),
            assumptions=("Also with eps > 0.",),
        ),
        Claim(
            "5b",
            "Variance of that gradient across the batch",
            r"Var(\Delta x_i) = \frac{\gamma^2}{Var(x_i)} (Var(\Delta\tilde{x}_i) - (E(\Delta\tilde{x}_i z_i))^2)",
            bn.gamma**2 / bn.VARIANCE * (variance - correlation**2),
            from_catalogue("batchnorm.grad_input_variance", _batch(x, g), at),
            assumptions=no_eps,
        ),
        Definition(
            "6",
            "A layer: BatchNorm, ReLU, convolution",
            r"\tilde{\mathbf{y}}_{L-1} = BN(\mathbf{y}_{L-1}),\quad \hat{\mathbf{y}}_{L-1} = "
            r"ReLU(\tilde{\mathbf{y}}_{L-1}),\quad \mathbf{y}_L = CONV(\hat{\mathbf{y}}_{L-1})",
            (
                "Kept in (7) to (13). In the residual blocks of section 4 the same accents mean other things: y~_L and "
                "y^_L are there the outputs of the first and of the second layer of a block.",
                "The convolution is treated as a matrix, (10) and (11).",
            ),
        ),
        Claim(
            "7a",
            "Mean of the output of BatchNorm",
            r"E(\tilde{y}_{L-1,i}) = \beta_i",
            bn.beta,
            Derivation.begin(bn.total(bn.gamma * upstream + bn.beta, j) / m, _batch(x)),
            assumptions=("Exact for every batch and either sign of gamma.",),
        ),
        Claim(
            "7b",
            "Variance of the output of BatchNorm",
            r"Var(\tilde{y}_{L-1,i}) = \gamma_i^2",
            bn.gamma**2,
            Derivation.begin(bn.total((bn.gamma * upstream + bn.beta - bn.beta) ** 2, j) / m, _batch(x)),
            assumptions=(*no_eps, "With eps it is gamma^2 var/(var + eps)."),
        ),
    )


# --- 3.2.1 and appendix A: moments of the ReLU -------------------------------------------------------------


def _rectified(order: int) -> sp.Integral:
    """The moment of the output of the ReLU, with the factor gamma."""
    return expectation(relu(gamma * z + gamma * a) ** order)


def _scaled_moment(order: int, domain: Domain = _SCALED) -> Derivation:
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
def _drawn(at: float, seed: int, of_scale: float = 1.0) -> Means:
    """Gate, ReLU(y) and its square, for ``y = gamma (z + a)``."""
    return measured_relu.moments(of_scale, of_scale * at, 1 << 18, seed=seed, stream=0)


@cache
def _pieces(at: float, seed: int) -> Means:
    """What z between -a and 0, and between 0 and a, adds to the moments."""

    def statistics(rng: np.random.Generator, size: int) -> Array:
        normal = rng.standard_normal(size)
        left = (normal > -at) & (normal < 0)
        y = np.maximum(normal + at, 0.0)
        return np.array([y * left, y**2 * left, normal**2 * ((normal > 0) & (normal < at))])

    return sample_means(statistics, 1 << 18, seed=seed, stream=1)


def _moment_trials(name: str, **more: Any) -> Callable[[int], list[Trial]]:
    def trials(seed: int) -> list[Trial]:
        return [
            Trial({a: sp.Rational(at), **more}, measured_relu.estimates(_drawn(at, seed), 1.0)[name])
            for at in (0.5, 1.0, 3.0)
        ]

    return trials


def _piece_trials(number: int) -> Callable[[int], list[Trial]]:
    def trials(seed: int) -> list[Trial]:
        found = {at: _pieces(at, seed).of(lambda t: float(t[number])) for at in (1.0, 2.0)}
        return [Trial({a: sp.Rational(at)}, estimate) for at, estimate in found.items()]

    return trials


def _at(expr: sp.Expr, ratio: Any) -> float:
    return float(decimal(expr, {a: sp.S(ratio)}, 15))


def _table_of(printed: Callable[[sp.Expr], sp.Expr], name: str) -> str:
    true = find(name)
    return "; ".join(
        f"a = {ratio}: {_at(printed(a), ratio):.4f} printed, {float(true.evaluate(15, a=ratio)):.4f} true"
        for ratio in (0, sp.Rational(1, 2), 1, 2)
    )


def _mean_consequence() -> str:
    return (
        _table_of(printed_mean, "relu.mean")
        + ". The piece -a < z < 0 adds a p(a) - (1 - exp(-a^2/2))/sqrt(2 pi), see (25). For small a the print is "
        "too low by "
        "a^4/(12 sqrt(2 pi)) only; for large a it grows as a/2 and not as a. No later equation uses the mean; the "
        "variance in (13) should."
    )


def _square_consequence() -> str:
    return (
        _table_of(printed_square, "relu.second_moment")
        + ". The piece -a < z < 0 is put in as exp(-a^2/2) + p(a), neither what stands before it (see U5) nor the true "
        "(a^2 + 1) p(a) + a phi(a) - a sqrt(2/pi); at a = 0 it is 1 instead of 0, so E(y^2) is 3/2 and not 1/2. "
        "All of (13) to (22) rest on it: c1/c2 is 1/3 at a = 0, where 3.3 says that it is 1."
    )


def _forward() -> tuple[AnyClaim, ...]:
    variances = Domain({n: _NATURAL, w: sp.S.Reals, v: _POSITIVE}, lengths={w: n, v: n})
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
            assumptions=(_GAMMA_POSITIVE, "z is standard normal; a is not negative."),
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
            assumptions=(_GAMMA_POSITIVE, "y = ReLU(z + a) as in appendix A; E(y^2) by its true value."),
        ),
        Claim(
            "9.2",
            "Second moment of ReLU(z + a)",
            r"E(y^2) = 0.5 + \sqrt{\frac{2}{\pi}} a + 0.5a^2 + \exp(\frac{-a^2}{2}) + p(a)",
            printed_square(a),
            from_catalogue("relu.second_moment", Domain({a: _NONNEGATIVE}), {}),
            cause=Cause.ALGEBRA,
            consequence=_square_consequence,
            experiment=_moment_trials("second_moment"),
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


def _appendix_a() -> tuple[AnyClaim, ...]:
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
                expectation(relu(z + ratio)), Domain({ratio: _POSITIVE}, (sp.StrictLessThan(0, ratio),))
            ).step(
                "the ReLU is $z + a$ for $z > -a$, else zero",
                between(-ratio, oo, z + ratio),
                by=SplitIntegral(),
            ),
            by=SplitIntegral(),
            assumptions=("a > 0.", "Probability times conditional mean is the integral over the piece."),
        ),
        Claim(
            "U4",
            "Probability of the middle piece, reflected",
            r"P(0 < z < a) = \int_0^a \frac{1}{\sqrt{2\pi}} \exp\left(\frac{-z^2}{2}\right) dz",
            p(a),
            Derivation.begin(chance, _POSITIVE_RATIO).step(
                "fundamental theorem", Phi(a) - half, by=Antiderivative(Phi(z), z)
            ),
            by=Antiderivative(-Phi(a * _unit), _unit),
            assumptions=("By symmetry the probability of -a < z < 0.",),
        ),
        Claim(
            "25.1",
            "What the middle piece adds to the mean",
            r"E(y; -a < z < 0) = \int_0^a z \frac{1}{\sqrt{2\pi}} \exp\left(\frac{-z^2}{2}\right) dz",
            lower,
            Derivation.begin(inner, _POSITIVE_RATIO).step(
                "fundamental theorem", first_moment.apply, by=first_moment
            ),
            cause=Cause.ALGEBRA,
            consequence=lambda: (
                "There y is z + a, not -z: reflected, the integral of (a - z) phi from 0 to a, that is a p(a) minus "
                f"what is printed. At a = 1 it is {_at(first_moment.apply(inner), 1):.4f}, printed "
                f"{_at(lower, 1):.4f}; at a = 2 {_at(first_moment.apply(inner), 2):.4f} and {_at(lower, 2):.4f}. "
                "(27) and (8) inherit it."
            ),
            experiment=_piece_trials(0),
            assumptions=("a > 0.",),
        ),
        Claim(
            "25.2",
            "The integral itself",
            r"\int_0^a z \frac{1}{\sqrt{2\pi}} \exp\left(\frac{-z^2}{2}\right) dz = "
            r"\frac{1}{\sqrt{2\pi}} (1 - \exp(\frac{-a^2}{2}))",
            (1 - sp.exp(-(a**2) / 2)) / sp.sqrt(2 * sp.pi),
            Derivation.begin(lower, _POSITIVE_RATIO).step(
                "fundamental theorem", phi(zero) - phi(a), by=Antiderivative(-phi(z), z)
            ),
        ),
        Claim(
            "26.1",
            "Mean for positive z, through the half-normal law",
            r"E(y|z > 0) = E(|z|) + a",
            size + a,
            Derivation.begin(2 * positive, _POSITIVE_RATIO).step(
                "$P(z > 0) = 1/2$", 2 * half_mean + a, by=Antiderivative(2 * a * Phi(z), z)
            ),
            by=Reversed(Reflection(z)),
        ),
        Claim(
            "26.2",
            "The mean of the half-normal law",
            r"E(|z|) + a = \sqrt{\frac{2}{\pi}} + a",
            root + a,
            Derivation.begin(size + a, _POSITIVE_RATIO)
            .step("both halves", Reflection(z).apply, by=Reflection(z))
            .step("fundamental theorem", of_half_normal.apply, by=of_half_normal),
        ),
        Claim(
            "27",
            "Mean of ReLU(z + a)",
            r"E(y) = \frac{1}{\sqrt{2\pi}} + \frac{a}{2} + \frac{1}{\sqrt{2\pi}} (1 - \exp(\frac{-a^2}{2}))",
            printed_mean(a),
            from_catalogue("relu.mean", _POSITIVE_RATIO, {}),
            cause=Cause.ALGEBRA,
            consequence=_mean_consequence,
            experiment=_moment_trials("mean"),
            assumptions=("a > 0.",),
            sources=("panigrahi2018 (8)",),
        ),
        Claim(
            "28",
            "The second moment by the three pieces of the line",
            r"E(y^2) = P(z < -a)E(y^2|z < -a) + P(-a < z < 0)E(y^2|-a < z < 0) + P(z > 0)E(y^2|0 < z < a)",
            closed + inner2 + half * between(zero, a, y**2) / chance,
            from_catalogue("relu.second_moment", _POSITIVE_RATIO, {}),
            cause=Cause.MISPRINT,
            consequence=_third_piece,
            experiment=_moment_trials("second_moment"),
            assumptions=("a > 0.", "Probability times conditional mean is the integral over the piece."),
        ),
        Claim(
            "U5.1",
            "What the middle piece adds to the second moment",
            r"E(y^2; -a < z < 0) = \int_0^a z^2 \frac{1}{\sqrt{2\pi}} \exp\left(\frac{-z^2}{2}\right) dz",
            lower2,
            Derivation.begin(inner2, _POSITIVE_RATIO).step(
                "fundamental theorem", second_moment.apply, by=second_moment
            ),
            cause=Cause.ALGEBRA,
            consequence=lambda: (
                "There y is z + a, not -z: reflected, the integral of (a - z)^2 phi. At a = 1 it is "
                f"{_at(second_moment.apply(inner2), 1):.4f}, printed {_at(lower2, 1):.4f}; at a = 2 "
                f"{_at(second_moment.apply(inner2), 2):.4f} and {_at(lower2, 2):.4f}. (30) does not use this value but "
                "a third one."
            ),
            experiment=_piece_trials(1),
            assumptions=("a > 0.",),
        ),
        Claim(
            "U5.2",
            "The integral itself",
            r"\int_0^a z^2 \frac{1}{\sqrt{2\pi}} \exp\left(\frac{-z^2}{2}\right) dz = \frac{-a}{\sqrt{2\pi}} "
            r"\exp\left(\frac{-a^2}{2}\right) - \int_0^a \frac{1}{\sqrt{2\pi}} \exp\left(\frac{-z^2}{2}\right) dz",
            -a * phi(a) - p(a),
            Derivation.begin(lower2, _POSITIVE_RATIO).step(
                "fundamental theorem", Phi(a) - half - a * phi(a), by=Antiderivative(Phi(z) - z * phi(z), z)
            ),
            cause=Cause.ALGEBRA,
            consequence=lambda: (
                "By parts the last integral comes with a plus sign; as printed the integral of a square is negative: "
                f"{_at(-a * phi(a) - p(a), 1):.4f} at a = 1, where it is {_at(lower2, 1):.4f}. (30) uses "
                "neither: it has "
                "exp(-a^2/2) + p(a) in this place."
            ),
            experiment=_piece_trials(2),
            assumptions=("a > 0.",),
        ),
        Claim(
            "29.1",
            "Second moment for positive z, through the half-normal law",
            r"E(y^2|z > 0) = E((|z| + a)^2)",
            size2,
            Derivation.begin(2 * positive2, _POSITIVE_RATIO),
            by=Reversed(Reflection(z)),
        ),
        Claim(
            "29.2",
            "The square multiplied out",
            r"E((|z| + a)^2) = E(|z|^2) + a^2 + 2aE(|z|)",
            square + a**2 + 2 * a * size,
            Derivation.begin(size2, _POSITIVE_RATIO),
            by=Antiderivative(a**2 * Phi(z), z),
        ),
        Claim(
            "29.3",
            "The moments of the half-normal law",
            r"E(|z|^2) + a^2 + 2aE(|z|) = a^2 + 2\sqrt{\frac{2}{\pi}}a + 1",
            a**2 + 2 * root * a + 1,
            Derivation.begin(square + a**2 + 2 * a * size, _POSITIVE_RATIO).step(
                "fundamental theorem",
                1 + a**2 + 2 * a * root,
                by=_HalfNormal(),
            ),
        ),
        Claim(
            "30",
            "Second moment of ReLU(z + a)",
            r"E(y^2) = 0.5 + \sqrt{\frac{2}{\pi}}a + 0.5a^2 + \exp\left(\frac{-a^2}{2}\right) + p(a)",
            printed_square(a),
            from_catalogue("relu.second_moment", _POSITIVE_RATIO, {}),
            cause=Cause.ALGEBRA,
            consequence=_square_consequence,
            experiment=_moment_trials("second_moment"),
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
        return _at(inner + third, ratio)

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
            found = measured_relu.moments(-1.0, 0.5, 1 << 18, seed=seed, stream=2)
            return [Trial({scale: -1, shift: sp.Rational(1, 2)}, found.of(lambda t: float(t[order])))]

        return drawn

    def consequence(name: str, power: int) -> Callable[[], str]:
        def text() -> str:
            true, printed = (find(name).evaluate(15, a=q) for q in (sp.Rational(1, 2), sp.Rational(-1, 2)))
            return (
                "Right for gamma > 0 only. For gamma < 0 the ratio has to be a = beta/|gamma| and the factor "
                "|gamma|: at "
                f"gamma = -1, beta = 1/2 the true value is {float(true):.4f}, the printed one "
                f"{float((-1) ** power * printed):.4f}"
                + (", a negative mean of a number that is not negative" if power == 1 else "")
                + ". There c1 is 0.6915, by the print 0.3085; c1/c2 (variance) per layer is "
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


# --- 3.2.2 and appendix B: one layer backward ------------------------------------------------------------

_OPEN = expectation(gate(z + a))
_OPEN_SQUARED = expectation(gate(z + a) ** 2)
_SPREAD = expectation(relu(z + a) ** 2) - expectation(relu(z + a)) ** 2
_HALF = sp.Rational(1, 2)


def _moments() -> Lemmas:
    names = ("moment0", "mean", "second_moment")
    return Lemmas(*[find(f"relu.{name}").derivation for name in names])


@dataclass(frozen=True)
class PrintedProbability:
    """``1/2 + p(a)`` is ``Phi(a)``, whatever both are multiplied by."""

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the sides agree once p(a) is replaced, which its antiderivative allows."""
        known = Phi(a) - _HALF
        shown = Antiderivative(Phi(a * _unit), _unit).proves(p(a), known, domain)
        return shown and sp.expand(left - right.xreplace({p(a): known})) == 0


def _gated(domain: Domain, factor: sp.Expr, squared: bool) -> Derivation:
    opened = _OPEN_SQUARED if squared else _OPEN
    return (
        Derivation.begin(opened * factor, domain)
        .step("the gate is 0 or 1: its square is the gate", _OPEN * factor, by=_SquareOfGate())
        .step("relu.moment0", Phi(a) * factor, by=_moments())
    )


@dataclass(frozen=True)
class _SquareOfGate:
    """The square of a gate is the gate."""

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the sides agree once squares of gates are gates."""
        opened = left.replace(
            lambda e: isinstance(e, sp.Pow) and isinstance(e.base, sp.Heaviside) and e.exp == 2,
            lambda e: e.base,
        )
        return bool(opened == right)


def _backward() -> tuple[AnyClaim, ...]:
    mu = sp.Symbol("mu", real=True)
    outputs = {n_out: _NATURAL, w: sp.S.Reals}
    zero_mean = find("batchnorm.grad_input_mean")
    bn_mean = zero_mean.definition.subs(eps, 0)
    sets = {**outputs, **_batch(x, g).sets}
    both = Domain(sets, (sp.Ne(bn.VARIANCE, 0),), {w: n_out, x: m, g: m})
    independent = "The gate and the gradient are independent."
    ratio_and = Domain({a: sp.S.Reals, mu: sp.S.Reals})
    return (
        Claim(
            "11a",
            "Mean of the gradient before the convolution",
            r"E(\Delta\hat{y}_{L-1}) = W_L^T E(\Delta\mathbf{y}_L) = 0",
            sp.S.Zero,
            Derivation.begin(over(w[l], l, n_out) * bn_mean, both).step(
                "batchnorm.grad_input_mean",
                sp.S.Zero,
                by=Lemmas(zero_mean.derivation, at={eps: sp.S.Zero}),
            ),
            assumptions=(
                "Every feature of y_L goes into a BatchNorm, as (5) needs; one batch stands for all features.",
            ),
        ),
        Claim(
            "11b",
            "Variance of the gradient before the convolution",
            r"Var(\Delta\hat{y}_{L-1}) = (W_L^T)^2 Var(\Delta y_L)",
            over(w[k] ** 2 * v[k], k, n_out),
            Derivation.begin(
                through_weights(w, lambda index: v[index], n_out),
                Domain({**outputs, v: _POSITIVE}, lengths={w: n_out, v: n_out}),
            ),
            assumptions=("One column of W; the gradients of different features are independent.",),
        ),
        Claim(
            "12a.1",
            "Mean of the gradient before the ReLU",
            r"E(\Delta\tilde{y}_{L-1,i}) = (0.5 + p(a))E(\Delta\hat{y}_{L-1,i})",
            (_HALF + p(a)) * mu,
            _gated(ratio_and, mu, squared=False),
            by=PrintedProbability(),
            assumptions=(independent, _GAMMA_POSITIVE),
            sources=("panigrahi2018 (U8)",),
        ),
        Claim(
            "12a.2",
            "It is zero",
            r"(0.5 + p(a))E(\Delta\hat{y}_{L-1,i}) = 0.0",
            sp.S.Zero,
            Derivation.begin((_HALF + p(a)) * bn_mean, _with_ratio(_batch(x, g))).step(
                "batchnorm.grad_input_mean",
                sp.S.Zero,
                by=Lemmas(zero_mean.derivation, at={eps: sp.S.Zero}),
            ),
            assumptions=("One feature of y_L stands for the sum over features in (11).",),
        ),
        Claim(
            "12b",
            "Variance of the gradient before the ReLU",
            r"Var(\Delta\tilde{y}_{L-1,i}) = (0.5 + p(a))Var(\Delta\hat{y}_{L-1,i})",
            (_HALF + p(a)) * V,
            _gated(Domain({a: sp.S.Reals, V: _POSITIVE}), V, squared=True),
            by=PrintedProbability(),
            assumptions=(
                independent,
                "The gradient is centred, (11); with a mean M, p(1 - p) M^2 is to be added for p = 0.5 + p(a).",
                _GAMMA_POSITIVE,
            ),
        ),
        _layer(),
    )


def _with_ratio(domain: Domain) -> Domain:
    return Domain({**domain.sets, a: sp.S.Reals}, domain.constraints, domain.lengths)


_WEIGHTS = {n_out: _NATURAL, n: _NATURAL, w: sp.S.Reals, v: _POSITIVE, u: _POSITIVE}
_LENGTHS = {w: n_out, v: n_out, u: n}


def _layer() -> Claim:
    """Equation (13), from the gate, the weights and the variance across the batch by which BatchNorm divides."""
    domain = Domain({a: _NONNEGATIVE, **_WEIGHTS}, lengths=_LENGTHS)
    above = through_weights(w, lambda index: v[index], n_out)
    contracted = over(w[k] ** 2 * v[k], k, n_out)
    below = _SPREAD * through_weights(u, lambda _: sp.S.One, n)
    rows = over(u[k] ** 2, k, n)
    lemma = _moments()
    truth = (
        Derivation.begin(_OPEN * above / below, domain)
        .step("the deltas contracted", _OPEN * contracted / (_SPREAD * rows))
        .step("relu.moment0, relu.mean, relu.second_moment", lemma.apply, by=lemma)
    )
    return Claim(
        "13",
        "Variance of the gradient before a layer, from that before the next",
        r"Var(\Delta y_{L-1,i}) = \frac{\sum_{j=1}^{n'_L} W_{L,j}^2 Var(\Delta y_{L,j})}"
        r"{\sum_{j=1}^{n_{L-1}} W_{L-1,ij}^2} \frac{0.5 + p(a)}"
        r"{0.5 + \sqrt{\frac{2}{\pi}} a + 0.5a^2 + \exp(\frac{-a^2}{2}) + p(a)}",
        contracted / rows * printed_constant(a),
        truth,
        cause=Cause.CONCEPT,
        consequence=_constant_consequence,
        experiment=_network_trials,
        assumptions=(
            "The gate is independent of the gradient, z of the gradient (the last term of (5) is zero), the entries of "
            "y^ of each other.",
            "gamma > 0 and a are the same in both layers; a is not negative.",
            "A large batch: at batch size m the factor is (m - 2)/m.",
            "In deep networks of width 512 and batch 256, where none of this is exact, the experiment finds the true "
            "constant to 1 %.",
        ),
        sources=("sari2020 (8)",),
    )


def _constants(ratio: Any) -> tuple[float, float, float]:
    """The factor of a layer: as printed, with the second moment, with the variance."""
    raw, variance = (
        float(find(f"relu.{name}").evaluate(15, a=ratio)) for name in ("ratio", "ratio_variance")
    )
    return _at(printed_constant(a), ratio), raw, variance


def _constant_consequence() -> str:
    shown = [
        f"a = {ratio}: {p:.4f} printed, {r:.4f} with the second moment, {t:.4f} with the variance across the batch, by "
        f"which BatchNorm divides; over 50 layers {p**50:.2g}, {r**50:.2g}, {t**50:.2g}"
        for ratio, (p, r, t) in ((q, _constants(q)) for q in (0, 1))
    ]
    return (
        ". ".join(shown)
        + ". Two things are wrong: the value of E(y^2), see (30), and its use for Var(y^) = E(y^2) - E(y)^2 in (10). "
        "The conclusion is reversed: gradients neither shrink by 3 per layer, as (13) says, nor stay, as 3.3 says; at "
        "initialisation they grow by pi/(pi - 1) per layer without residual branches."
    )


@cache
def _growth(ratio: float, seed: int) -> float:
    return deep_network.growth_per_layer(ratio, width=512, batch=256, depth=10, seed=seed)


def _network_trials(seed: int) -> list[Trial]:
    """Networks with equal widths and weight variances: the weights cancel, one neuron with weight 1 tells all."""
    alone = {n_out: 1, n: 1, w: (1,), v: (1,), u: (1,)}
    # finite batch and width move the growth by 1 %, the print is off by a factor 3
    return [
        Trial(exact_point({a: ratio, **alone}), _growth(ratio, seed), tolerance=0.02) for ratio in (0.0, 1.0)
    ]


# --- the bounds of 3.2.2 and appendix E -------------------------------------------------------------------


class Mean(Abbreviation):
    """The mean of X, by name."""

    is_positive = True

    def unfolded(self) -> sp.Expr:
        """X takes m values, each as often."""
        return bn.total(law[j], j) / m

    def _sympystr(self, printer: Any) -> str:
        return "E(X)"


class Inside(Abbreviation):
    """``E((X - c)(d - X)/X)``, not negative since X lies between c and d."""

    is_nonnegative = True

    def unfolded(self) -> sp.Expr:
        """The mean of a number that is not negative."""
        return bn.total((law[j] - c) * (d - law[j]) / law[j], j) / m

    def _sympystr(self, printer: Any) -> str:
        return "E((X - c)(d - X)/X)"


class Dispersion(Abbreviation):
    """``E((X - E X)^2/X)``, not negative since X is positive."""

    is_nonnegative = True

    def unfolded(self) -> sp.Expr:
        """The mean of a number that is not negative."""
        mean = bn.total(law[k], k) / m
        return bn.total((law[j] - mean) ** 2 / law[j], j) / m

    def _sympystr(self, printer: Any) -> str:
        return "E((X - E(X))^2/X)"


_EX, _INSIDE, _DISPERSION = Mean(), Inside(), Dispersion()
_MEAN = bn.total(law[j], j) / m
_RECIPROCAL = bn.total(1 / law[j], j) / m
_VARYING = sp.Ne(_DISPERSION, 0)  # equality is not decided by balls
_ANY_LAW = ("X takes finitely many values, each with the same probability; any law is a limit of such.",)


def _bounded(extra: dict[Any, sp.Set] | None = None, *constraints: sp.Basic) -> Domain:
    sets = {c: _POSITIVE, d: sp.Interval.open(c, sp.oo), m: _NATURAL, law: sp.Interval.open(c, d)}
    return Domain({**sets, **(extra or {})}, constraints, {law: m})


def _kantorovich(label: str) -> Inequality:
    gap = Derivation.begin((c + d) ** 2 / (4 * c * d) - _RECIPROCAL * _MEAN, _bounded()).step(
        "$E((X - c)(d - X)/X) = c + d - E(X) - cd\\,E(1/X)$",
        ((_EX - (c + d) / 2) ** 2 + _EX * _INSIDE) / (c * d),
    )
    return Inequality(
        label,
        "Kantorovich's inequality",
        r"E\left(\frac{1}{X}\right)E(X) \leq \frac{(c+d)^2}{4cd}",
        gap,
        assumptions=_ANY_LAW,
        sources=() if label == "U1" else ("panigrahi2018 (U1)",),
    )


def _quotients() -> tuple[Inequality, ...]:
    """The bounds of a quotient: the numerator is independent of the row sum X, whose mean is n times a variance."""
    row_variance = _EX / n
    numerator = through_layer(n_out, V_L, V)
    bound = n_out / n * V_L / row_variance * V
    extra: dict[Any, sp.Set] = {n: _NATURAL, n_out: _NATURAL, V_L: _POSITIVE, V: _POSITIVE}
    domain = _bounded(extra)
    constant = (c + d) ** 2 / (4 * c * d)
    printed = (
        r"\frac{n'_L}{n_{L-1}} \frac{Var(W_L)}{Var(W_{L-1})} E(Var(\Delta y_{L,i})) \leq "
        r"E\left(\frac{\sum_{j=1}^{n'_L} W_{L,j}^2 Var(\Delta y_{L,j})}{\sum_{j=1}^{n_{L-1}} W_{L-1,j}^2}\right)",
        r"E\left(\frac{\sum_{j=1}^{n'_L} W_{L,j}^2 Var(\Delta y_{L,j})}{\sum_{j=1}^{n_{L-1}} W_{L-1,j}^2}\right) \leq "
        r"K \frac{n'_L}{n_{L-1}} \frac{Var(W_L)}{Var(W_{L-1})} E(Var(\Delta y_{L,i}))",
    )
    independent = (
        "The weights of the two layers and the variances of the gradients are independent, the weights centred.",
        *_ANY_LAW,
    )
    return (
        Inequality(
            "U3.1",
            "Lower bound of the mean quotient",
            printed[0],
            Derivation.begin(numerator * _RECIPROCAL - bound, _bounded(extra, _VARYING)).step(
                "$E(1/X) - 1/E(X) = E((X - E(X))^2/X)/E(X)^2$", n_out * V_L * V * _DISPERSION / _EX**2
            ),
            assumptions=independent,
        ),
        Inequality(
            "U3.2",
            "Upper bound of the mean quotient",
            printed[1],
            Derivation.begin(constant * bound - numerator * _RECIPROCAL, domain).step(
                "Kantorovich's inequality",
                n_out * V_L * V / _EX * ((_EX - (c + d) / 2) ** 2 + _EX * _INSIDE) / (c * d),
            ),
            assumptions=(*independent, "K = (c + d)^2/(4cd) for row sums X between c and d."),
        ),
    )


_KAPPA = 1 + s1
_BOUND = 1 + s1 + t1
_BOUNDS = (
    "E(1/X) E(X) is 1 + s_1 with s_1 >= 0 by Jensen's inequality (U2) for the row sum X, and K = 1 + s_1 + t_1 any "
    "number that is at least that."
)


def _layer_bounds() -> tuple[Inequality, ...]:
    extra = {n: _NATURAL, n_out: _NATURAL, V_hat: _POSITIVE, V_L: _POSITIVE, V: _POSITIVE}
    slack = {s1: _NONNEGATIVE, t1: _NONNEGATIVE}
    widths = n_out / n * V_L / V_hat * V
    open_gate, spread = (e.subs(a, 0) for e in (_OPEN, _SPREAD))
    at_zero = Lemmas(*_moments().derivations, at={a: sp.S.Zero})
    true_at_zero = open_gate * through_layer(n_out, V_L, V) * _KAPPA / (n * V_hat * spread)
    third = printed_constant(a).subs(a, 0).doit()
    printed = (
        r"E(Var(\Delta y_{L,i})) \frac{n'_L}{n_{L-1}} \frac{Var(W_{L,\cdot})}{Var(W_{L-1,\cdot})} "
        r"\frac{0.5 + p(a)}{0.5 + \sqrt{\frac{2}{\pi}}a + 0.5a^2 + \exp(\frac{-a^2}{2}) + p(a)}"
    )
    pi = sp.pi
    return (
        Inequality(
            "14.1",
            "Lower bound for a layer, at a = 0",
            printed + r" \leq E(Var(\Delta y_{L-1,i}))",
            Derivation.begin(true_at_zero - widths * third, Domain({**extra, s1: _NONNEGATIVE})).step(
                "relu.moment0, relu.mean, relu.second_moment at a = 0",
                widths * (pi / (pi - 1) * s1 + pi / (pi - 1) - sp.Rational(1, 3)),
                by=at_zero,
            ),
            assumptions=(
                "At a = 0, initialisation. It holds for a > 0 too, as the variance of ReLU(z + a) is at most 1 and the "
                "printed denominator at least 3/2.",
                "As a bound it is weak: 1/3 in the place of pi/(pi - 1) = 1.467.",
                _BOUNDS,
            ),
        ),
        Inequality(
            "14.2",
            "Upper bound for a layer",
            r"E(Var(\Delta y_{L-1,i})) \leq K " + printed,
            Derivation.begin(
                _BOUND * widths * printed_constant(a)
                - _OPEN * through_layer(n_out, V_L, V) * _KAPPA / (n * V_hat * _SPREAD),
                Domain({a: _NONNEGATIVE, **extra, **slack}),
            ),
            corrected=_true_upper_bound(widths),
            cause=Cause.CONCEPT,
            consequence=lambda: (
                "The constant of (13) is too small, so the bound is none: at a = 0 and K = 1 (wide layers) it allows "
                "{:.4f} where the truth is {:.4f}, at a = 1 {:.4f} and {:.4f}. ".format(
                    *(_constants(q)[which] for q in (0, 1) for which in (0, 2))
                )
                + "The true value exceeds the bound unless K is at least 4.40 at a = 0, that is row sums of squared "
                "weights that differ by a factor of 15 and more; over 50 layers the bound says 1.4e-24 and the "
                "truth is "
                "2.1e8."
            ),
            experiment=_upper_bound_trials,
            assumptions=(_BOUNDS, "As for (13)."),
        ),
    )


def _true_upper_bound(widths: sp.Expr) -> Inequality:
    sets = {n: _NATURAL, n_out: _NATURAL, **dict.fromkeys((V_hat, V_L, V, c1, c2), _POSITIVE)}
    domain = Domain({**sets, s1: _NONNEGATIVE, t1: _NONNEGATIVE})
    true = c1 * through_layer(n_out, V_L, V) * _KAPPA / (n * V_hat * c2)
    return Inequality(
        "14.2",
        "Upper bound for a layer, c1 and c2 = probability of the gate and variance of the ReLU",
        r"E(Var(\Delta y_{L-1,i})) \leq K E(Var(\Delta y_{L,i})) \frac{n'_L}{n_{L-1}} "
        r"\frac{Var(W_{L,\cdot})}{Var(W_{L-1,\cdot})} \frac{\Phi(a)}"
        r"{(a^2 + 1) \Phi(a) + a \varphi(a) - (a \Phi(a) + \varphi(a))^2}",
        Derivation.begin(_BOUND * widths * c1 / c2 - true, domain).step(
            "the deltas contracted", t1 * widths * c1 / c2
        ),
    )


def _upper_bound_trials(seed: int) -> list[Trial]:
    """Wide layers with equal weight variances, where K = 1."""
    ones = dict.fromkeys((n, n_out, V_hat, V_L, V), 1)
    bound = 0.5 / (0.5 + 1.0)
    point = exact_point({a: 0.0, **ones, s1: 0, t1: 0})
    return [Trial(point, bound - _growth(0.0, seed), tolerance=0.02)]


def _appendix_e() -> tuple[Inequality, ...]:
    line = (c + d) / (c * d)
    total = _RECIPROCAL + _MEAN / (c * d)
    product = _RECIPROCAL * _MEAN / (c * d)
    values = (0.9, 0.6)

    def trials(gap: Callable[[float, float, float, float], float]) -> Callable[[int], list[Trial]]:
        def at(_: int) -> list[Trial]:
            low, high = 0.5, 1.0
            mean, reciprocal = float(np.mean(values)), float(np.mean(1 / np.array(values)))
            point = exact_point({c: low, d: high, m: 2, law: values})
            return [Trial(point, gap(low, high, mean, reciprocal))]

        return at

    inverse, scaled = _Reciprocal(), _EX / (c * d)
    corrected = r"4 E\left(\frac{1}{X}\right)\frac{1}{cd}E(X)"
    means = Inequality(
        "P5",
        "Arithmetic and geometric mean",
        r"\left(E\left(\frac{1}{X}\right) + \frac{1}{cd}E(X)\right)^2 \geq " + corrected,
        Derivation.begin(total**2 - 4 * product, _bounded()).step("a square", (inverse - scaled) ** 2),
    )
    together = Inequality(
        "U16",
        "The two together",
        corrected + r" \leq \left(\frac{c+d}{cd}\right)^2",
        Derivation.begin(line**2 - 4 * product, _bounded()).step(
            "(U15) and the square", _INSIDE / (c * d) * (line + inverse + scaled) + (inverse - scaled) ** 2
        ),
    )
    return (
        _kantorovich("U13"),
        Inequality(
            "U14",
            "The chord lies above the curve",
            r"E\left(\frac{1}{X}\right) \leq \frac{-1}{cd}E(X) + \frac{c+d}{cd}",
            Derivation.begin(-_MEAN / (c * d) + line - _RECIPROCAL, _bounded()).step(
                "$1/X - (c + d - X)/(cd) = -(X - c)(d - X)/(cd X)$", _INSIDE / (c * d)
            ),
            assumptions=_ANY_LAW,
        ),
        Inequality(
            "U15",
            "Both sides squared",
            r"\left(E\left(\frac{1}{X}\right) + \frac{1}{cd}E(X)\right)^2 \leq \left(\frac{c+d}{cd}\right)^2",
            Derivation.begin(line**2 - total**2, _bounded())
            .step("a difference of squares", _INSIDE / (c * d) * (2 * line - _INSIDE / (c * d)), by=None)
            .step(
                "the second factor is the sum of both sides",
                _INSIDE / (c * d) * (line + _Reciprocal() + _EX / (c * d)),
            ),
            assumptions=_ANY_LAW,
        ),
        Inequality(
            "P5",
            "Arithmetic and geometric mean",
            r"\left(E\left(\frac{1}{X}\right) + \frac{1}{cd}E(X)\right)^2 \geq "
            r"4\left(E\left(\frac{1}{X}\right)\frac{1}{cd}E(X)\right)^2",
            Derivation.begin(total**2 - 4 * product**2, _bounded()),
            corrected=means,
            cause=Cause.MISPRINT,
            consequence=lambda: (
                "The right side is not to be squared: (p + q)^2 >= 4pq. As printed the sides have different units; at "
                "X = 0.9 or 0.6 between c = 0.5 and d = 1 the left side is "
                f"{_squares()[0]:.4f}, the right one {_squares()[1]:.4f} (not squared {_squares()[2]:.4f}). The "
                "result U17 "
                "follows from the correct form and is true."
            ),
            experiment=trials(
                lambda low, high, mean, inverse: (
                    (inverse + mean / (low * high)) ** 2 - 4 * (inverse * mean / (low * high)) ** 2
                )
            ),
            assumptions=_ANY_LAW,
        ),
        Inequality(
            "U16",
            "The two together",
            r"4\left(E\left(\frac{1}{X}\right)\frac{1}{cd}E(X)\right)^2 \leq \left(\frac{c+d}{cd}\right)^2",
            Derivation.begin(line**2 - 4 * product**2, _bounded()),
            corrected=together,
            cause=Cause.MISPRINT,
            consequence=lambda: (
                f"At X = 0.9 or 0.6 between c = 0.5 and d = 1 the left side is {_squares()[1]:.4f}, the right one "
                f"{(1.5 / 0.5) ** 2:.4f}; without the square the left side is {_squares()[2]:.4f}. The next "
                "line, U17, is "
                "what follows without the square."
            ),
            experiment=trials(
                lambda low, high, mean, inverse: (
                    ((low + high) / (low * high)) ** 2 - 4 * (inverse * mean / (low * high)) ** 2
                )
            ),
            assumptions=_ANY_LAW,
        ),
        _kantorovich("U17"),
    )


class _Reciprocal(Abbreviation):
    """The mean of 1/X, by name."""

    is_positive = True

    def unfolded(self) -> sp.Expr:
        """X takes m values, each as often."""
        return _RECIPROCAL

    def _sympystr(self, printer: Any) -> str:
        return "E(1/X)"


def _squares() -> tuple[float, float, float]:
    """Left side, right side as printed, and not squared, at the point of the experiments."""
    mean, reciprocal, area = 0.75, (1 / 0.9 + 1 / 0.6) / 2, 0.5
    product = reciprocal * mean / area
    return (reciprocal + mean / area) ** 2, 4 * product**2, 4 * product


# --- 3.3: values of the constant ---------------------------------------------------------------------------


def _values() -> tuple[AnyClaim, ...]:
    t = sp.Symbol("t", positive=True)
    nowhere = Domain({})
    ratio = find("relu.ratio_variance").closed_form
    reading = "The constant is c1/c2 with the variance across the batch, by which BatchNorm divides: (13)."

    def network(ratio: float) -> Callable[[int], list[Trial]]:
        return lambda seed: [Trial({}, _growth(ratio, seed), tolerance=0.02)]

    def at_zero() -> str:
        printed, raw, true = _constants(0)
        return (
            f"The printed expression gives {printed:.4f} at a = 0, not 1; with the right second moment it is "
            f"{raw:.4f}, "
            f"which 3.3 states; with the variance it is pi/(pi - 1) = {true:.4f}. Over 50 layers {true**50:.3g} "
            "and not "
            "1: gradients of a plain network are not maintained at initialisation, and the conclusion that BatchNorm "
            "alone keeps them in range is reversed."
        )

    return (
        Claim(
            "P1",
            "The constant of a layer at a = 0",
            r"\frac{c_1}{c_2} = 1 \text{ at } a = 0",
            sp.S.One,
            from_catalogue("relu.ratio_variance_at_0", nowhere),
            cause=Cause.CONCEPT,
            consequence=at_zero,
            experiment=network(0.0),
            assumptions=(reading,),
            sources=("sari2020 (8)",),
        ),
        Table(
            "P2",
            "The constant of a layer at a = 1",
            r"\frac{c_1}{c_2} \approx 0.33 \text{ at } a = 1",
            (("a = 1", "0.33", from_catalogue("relu.ratio_variance_at_1", nowhere)),),
            cause=Cause.CONCEPT,
            consequence=lambda: (
                "At a = 1 the printed expression gives {:.4f}, with the right second moment {:.4f}, with the variance "
                "{:.4f}; 0.33 is the printed expression at a = 0. Between a = 0 and 1 the true constant goes "
                "from 1.467 to "
                "1.120, and is never below 1 for a >= 0: gradients grow.".format(*_constants(1))
            ),
            experiment=lambda seed: {"a = 1": _growth(1.0, seed)},
            assumptions=(reading,),
        ),
        Claim(
            "P3",
            "The constant of a layer as a tends to 0",
            r"\lim_{a \to 0} \frac{c_1}{c_2} = 1.0",
            sp.S.One,
            Derivation.begin(LimitAtInfinity(ratio.subs(a, 1 / t**2), t, sp.oo), nowhere).step(
                "the limit", sp.pi / (sp.pi - 1), by=ComparisonOfGrowth()
            ),
            cause=Cause.CONCEPT,
            consequence=at_zero,
            experiment=network(0.0),
            assumptions=(reading, "a = 1/t^2 with t to infinity."),
        ),
        Claim(
            "15",
            "The constant of the gate",
            r"c_1 = 0.5 + p(a)",
            _HALF + p(a),
            from_catalogue("relu.moment0", _SHIFT_RATIO),
            by=PrintedProbability(),
            defines=True,
            assumptions=("Held against the probability of an open gate, which (12) needs.", _GAMMA_POSITIVE),
        ),
        Claim(
            "16",
            "The constant of the forward pass",
            r"c_2 = 0.5 + \sqrt{\frac{2}{\pi}} a + 0.5a^2 + p(a) + \exp\left(\frac{-a^2}{2}\right)",
            printed_square(a),
            from_catalogue("relu.variance", Domain({a: _NONNEGATIVE})),
            cause=Cause.CONCEPT,
            consequence=lambda: (
                _table_of(printed_square, "relu.variance")
                + ". (19), (34) and (38) use c2 for the variance across the batch of the output of the ReLU over "
                "gamma^2. "
                "c1/c2, and its square in (40), are too small: (c1/c2)^2 is 0.111 printed and 2.152 true at a = 0."
            ),
            experiment=_moment_trials("variance"),
            assumptions=(
                "Printed as a definition; held against the variance, for which (19), (34) and (38) use it by (10). "
                "Read as the second moment of (9), it is wrong as (30) is.",
            ),
        ),
    )


# --- section 4, appendices C and D: residual networks ------------------------------------------------------------


class Branch(Unspecified):
    """What the convolution branch of a block computes."""

    stand_in = Phi
    letter = "F"

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Its derivative."""
        return BranchSlope(self.args[0])


class BranchSlope(Unspecified):
    """The derivative of the convolution branch."""

    stand_in = phi
    letter = "F'"


def _independent_sum() -> Derivation:
    """Variance of a sum, over all pairs of one value of x and one of g: that is what independence means."""
    size = n
    pairs = sp.Sum((x[k] + g[l]) ** 2, (k, 1, m), (l, 1, size)) / (m * size)
    mean = sp.Sum(x[k] + g[l], (k, 1, m), (l, 1, size)) / (m * size)
    domain = Domain({m: _NATURAL, size: _NATURAL, x: sp.S.Reals, g: sp.S.Reals}, lengths={x: m, g: size})
    return Derivation.begin(pairs - mean**2, domain)


def _own_variances() -> sp.Expr:
    def of(sequence: Any, count: sp.Symbol) -> sp.Expr:
        return over(sequence[j] ** 2, j, count) / count - (over(sequence[j], j, count) / count) ** 2

    return of(x, m) + of(g, n)


@cache
def _scale(widened: int, seed: int) -> deep_network.Scale:
    return deep_network.residual_scale(3, widened, width=512, batch=512, seed=seed)


_ROWS = {c2: _POSITIVE, V_bar: _POSITIVE, blocks: sp.Range(2, sp.oo), r: _POSITIVE}


def _scale_variance() -> Derivation:
    """Of the shortcut of block 1 and the branches of all blocks; ``r[J]`` are row sums of squared weights."""
    same = sp.KroneckerDelta(j, l)
    further = sp.Sum(sp.Sum(c2 * r[j] * same, (j, 2, blocks)), (l, 2, blocks))
    return Derivation.begin(c2 * V_bar + c2 * r[1] + further, Domain(_ROWS, lengths={r: blocks})).step(
        "independent branches", c2 * (sp.Sum(r[j], (j, 2, blocks)) + V_bar + r[1])
    )


def _scale_trials(seed: int) -> list[Trial]:
    found = _scale(2, seed)
    point = {c2: found.relu_variance, V_bar: found.shortcut, blocks: 3, r: found.second_layer}
    # c2 is measured in the same network: the layers differ from their mean by 1 %, the print by a third
    return [Trial(_rounded({widening: 2, **point}), found.variance[-1], tolerance=0.01)]


def _rounded(point: dict[Any, Any]) -> dict[Any, Any]:
    """What was measured, to five digits."""

    def number(value: float) -> sp.Rational:
        return sp.Rational(f"{value:.5g}")

    return {s: tuple(map(number, q)) if isinstance(q, tuple) else number(q) for s, q in point.items()}


def _residual_forward() -> tuple[AnyClaim, ...]:
    base = _scale_variance()
    widened = Domain({widening: _NATURAL, **_ROWS}, lengths={r: blocks})
    truth = Derivation.begin(base.definition, widened).step("independent branches", base.conclusion)
    further = sp.Sum(r[j], (j, 2, blocks))
    return (
        Definition(
            "17",
            "Output of a block",
            r"y_L = \bar{y}_L + \hat{y}_L",
            (
                "Shortcut plus convolution branch; kept in (18), (34) to (37) and, as the chain rule, in (20).",
                "Here y^_L is the output of the second layer; in (6) it is the output of a ReLU.",
            ),
        ),
        Claim(
            "18",
            "Variance of the output of a block",
            r"Var(y_{L,i}) = Var(\bar{y}_{L,i}) + Var(\hat{y}_{L,i})",
            _own_variances(),
            _independent_sum(),
            assumptions=(
                "The shortcut takes m values and the branch n; independence is that all pairs are as frequent.",
                "In a network they are not independent, but random centred weights of the second layer make the "
                "covariance zero on average: the variances simulated for (19) agree to 1 %.",
            ),
        ),
        Claim(
            "19",
            "Variance of the output of block N of a scale",
            r"Var(y_N) = c_2 \left( \sum_{J=2}^N \hat{W}_J^2 I_{n_J} + \frac{1}{k} (\bar{W}_1^2 I_{n_1} + "
            r"\hat{W}_1^2 I_{n_1}) \right)",
            c2 * (further + (V_bar + r[1]) / widening),
            truth,
            cause=Cause.ALGEBRA,
            consequence=_first_block,
            experiment=_scale_trials,
            assumptions=(
                _GAMMA_ONE,
                "For k = 1 it is right.",
                "r_J stands for the row sum of W^_J^2 and V_bar for that of W-bar_1^2, over the columns that the "
                "matrix "
                "has.",
                "If n_1 is the width of this scale for both terms, 1/k is right on average for the shortcut, which has "
                "n_1/k columns, but not for W^_1, whose inputs come from the first layer of the block and are n_1.",
            ),
            sources=("panigrahi2018 (37)",),
        ),
        _two_paths(),
    )


def _first_block() -> str:
    rows = []
    for count in (1, 5, 33):
        rows.append(f"N = {count}: {count - 0.25} printed, {count + 0.5} true")
    return (
        "(37) has no 1/k. The second layer of the first block has the width of the scale as fan-in, so its term is not "
        "divided by k; the shortcut has a k times smaller fan-in, which its row sum shows already. With k = 2 "
        "and equal "
        "variances of weights, in units of c2 n Var(W): "
        + ", ".join(rows)
        + ". Three quarters of a layer, whatever N: no conclusion on growth with N changes; (21), (39) and (40) inherit it as a too "
        "large upper bound."
    )


def _two_paths() -> Claim:
    s, upstream = sp.symbols("s D", real=True)
    truth = Derivation.begin(
        sp.Derivative(upstream * (s + Branch(s)), s), Domain({s: sp.S.Reals, upstream: sp.S.Reals})
    ).step("chain rule", upstream + upstream * BranchSlope(s))
    return Claim(
        "20",
        "Gradient before a block",
        r"\Delta y_{L-1} = \hat{\Delta}_L + \Delta_L",
        upstream + upstream * BranchSlope(s),
        truth,
        assumptions=("L > 1: the shortcut is the identity. One feature stands for all.",),
    )


class FurtherBlocks(Abbreviation):
    """The sum of the weight variances of the second layers of the blocks 2 to L - 1."""

    is_nonnegative = True

    def unfolded(self) -> sp.Expr:
        """The sum, empty at L = 2: one block stands before block 2."""
        return sp.Sum(r[j], (j, 2, blocks))

    def _sympystr(self, printer: Any) -> str:
        return "Sum(Var(W_J), (J, 2, L - 1))"


_FURTHER = FurtherBlocks()
_PRINTED_BELOW = _FURTHER + (V_bar + r[1]) / widening
_TRUE_BELOW = _FURTHER + V_bar / widening + r[1]


def _block_domain() -> Domain:
    scalars = (c1, c2, V, V_hat, V_tilde, V_bar)
    sets: dict[Any, sp.Set] = dict.fromkeys(scalars, _POSITIVE)
    sets |= {n: _NATURAL, widening: _NATURAL, blocks: _NATURAL, r: _POSITIVE}
    sets |= dict.fromkeys((s1, s2, t1, t2), _NONNEGATIVE)
    return Domain(sets, lengths={r: blocks})


_K1, _K2, _J1, _J2 = 1 + s1 + t1, 1 + s2 + t2, 1 + s1, 1 + s2
_RESIDUAL = (
    "L - 1 blocks stand before block L, here N = L - 1; r_J = Var(W^_J).",
    "E(1/X) E(X) is 1 + s for the row sums X of either layer, K^ and K~ any numbers 1 + s + t that are at least that.",
    "c1 and c2 stand for the probability of an open gate and the variance of the ReLU; see (16).",
    "The variance of y_{L-1} is the true one, see (19).",
)


def _second_layer() -> sp.Expr:
    """Mean variance of the gradient between the two layers of a block."""
    return c1 * through_layer(n, V_hat, V) * _J1 / through_layer(n, V_tilde, c2)


def _both_layers() -> sp.Expr:
    """Mean variance of the gradient that comes out of the convolution branch."""
    return c1 * through_layer(n, V_tilde, _second_layer()) * _J2 / through_layer(n, _TRUE_BELOW, c2)


def _residual_backward() -> dict[str, Inequality]:
    domain = _block_domain()
    gain = (c1 / c2) ** 2 * V_hat
    loose = sp.expand(_K1 * _K2 - _J1 * _J2) / _TRUE_BELOW
    loose += _K1 * _K2 * r[1] * (widening - 1) / (widening * _PRINTED_BELOW * _TRUE_BELOW)
    first = c1 / c2 * V_tilde * V
    below = r"{\sum_{J=2}^{L-1} Var(\hat{W}_{J,.}) + \frac{1}{k} (Var(\bar{W}_{1,.}) + Var(\hat{W}_{1,.}))}"
    left = r"E(Var(\Delta y_{L-1,i})) \leq K_L "
    return {
        "21": Inequality(
            "21",
            "Upper bound of the gradient before a block",
            left + r"\left( 1 + \frac{c_1}{c_2} \frac{Var(\tilde{W}_{L,.})}" + below + r"\right) "
            r"E(Var(\Delta y_{L,i}))",
            Derivation.begin(
                _K1 * _K2 * (1 + c1 / c2 * V_tilde / _PRINTED_BELOW) * V - V - _both_layers(), domain
            ),
            corrected=_true_block_bound(left, domain),
            cause=Cause.MISPRINT,
            consequence=_block_consequence,
            experiment=_block_trials,
            assumptions=_RESIDUAL,
            sources=("panigrahi2018 (40)",),
        ),
        "38": Inequality(
            "38",
            "Upper bound of the gradient between the two layers of a block",
            r"E(Var(\Delta \tilde{y}_{L,i})) \leq \hat{K}_L \frac{c_1 Var(\hat{W}_{L,\cdot})}"
            r"{c_2 Var(\tilde{W}_{L,\cdot})} E(Var(\Delta y_{L,i}))",
            Derivation.begin(_K1 * c1 * V_hat / (c2 * V_tilde) * V - _second_layer(), domain).step(
                "the deltas contracted", t1 * c1 * V_hat / (c2 * V_tilde) * V
            ),
            assumptions=(_RESIDUAL[1], _RESIDUAL[2]),
        ),
        "39": Inequality(
            "39",
            "Upper bound of the gradient before the convolution branch",
            r"E(Var(\Delta_{L,i})) \leq \tilde{K}_L \frac{c_1 Var(\tilde{W}_{L,\cdot})}{c_2 \left("
            + below[1:-1]
            + r"\right)} E(Var(\Delta \tilde{y}_{L,i}))",
            Derivation.begin(
                _K2 * first / _PRINTED_BELOW
                - c1 * through_layer(n, V_tilde, V) * _J2 / through_layer(n, _TRUE_BELOW, c2),
                domain,
            ).step(
                "the deltas contracted",
                first
                * (
                    t2 / _TRUE_BELOW + _K2 * r[1] * (widening - 1) / (widening * _PRINTED_BELOW * _TRUE_BELOW)
                ),
            ),
            assumptions=(
                *_RESIDUAL,
                "Not tight for k > 1: Var(W^_1) should not be divided by k, see (19). c2 multiplies the whole sum.",
                "V is the mean variance that arrives at the first layer.",
            ),
        ),
        "40": Inequality(
            "40",
            "Upper bound of the gradient before a block",
            left
            + r"\left( 1 + \left( \frac{c_1}{c_2} \right)^2 \frac{Var(\hat{W}_{L,\cdot})}"
            + below
            + r"\right) E(Var(\Delta y_{L,i}))",
            Derivation.begin(_K1 * _K2 * (1 + gain / _PRINTED_BELOW) * V - V - _both_layers(), domain).step(
                "the product of both layers", V * (sp.expand(_K1 * _K2) - 1 + gain * loose)
            ),
            assumptions=(
                *_RESIDUAL,
                "Shortcut and branch bring the gradient back independently; the variance of what comes through the "
                "shortcut is that of Delta y_L (the text beside U12 equates the two branches by a slip).",
                "Not tight for k > 1, as (39).",
            ),
        ),
    }


def _true_block_bound(left: str, domain: Domain) -> Inequality:
    gain = (c1 / c2) ** 2 * V_hat / _TRUE_BELOW
    slack = sp.expand(_K1 * _K2 - _J1 * _J2)
    return Inequality(
        "21",
        "Upper bound of the gradient before a block",
        left + r"\left( 1 + \left(\frac{c_1}{c_2}\right)^2 \frac{Var(\hat{W}_{L,.})}"
        r"{\sum_{J=2}^{L-1} Var(\hat{W}_{J,.}) + \frac{1}{k} Var(\bar{W}_{1,.}) + Var(\hat{W}_{1,.})}\right) "
        r"E(Var(\Delta y_{L,i}))",
        Derivation.begin(_K1 * _K2 * (1 + gain) * V - V - _both_layers(), domain).step(
            "the product of both layers", V * (sp.expand(_K1 * _K2) - 1 + gain * slack)
        ),
    )


def _block_consequence() -> str:
    ratio = _constants(0)[2]
    rows = []
    for block in (2, 3, 5):  # k = 1: the blocks before it and the shortcut of the first are L equal terms
        printed, true = 1 + ratio / block, 1 + ratio**2 / block
        rows.append(f"L = {block}: {printed:.4f} printed, {true:.4f} true")
    return (
        "(40) has the square of c1/c2 and the weights of the second layer, W^, and follows from (38) and (39); in (21) "
        "both are lost. With equal variances of weights, k = 1, K = 1 and a = 0 (c1/c2 = 1.467): "
        + ", ".join(rows)
        + ". The bound is exceeded; over the blocks 2 to 6 of a scale the true product is "
        f"{_product(ratio**2, 5):.3g}, the printed bound {_product(ratio, 5):.3g}. That growth per block falls as 1/L "
        "stays true. The correction has the 1/k of (19) mended too."
    )


def _product(gain: float, count: int) -> float:
    return float(np.prod([1 + gain / block for block in range(2, count + 2)]))


def _block_trials(seed: int) -> list[Trial]:
    """The second block of a scale of equal widths and weight variances, wide enough for K = 1."""
    found = [_scale(1, seed + number) for number in range(3)]
    variance = float(np.mean([f.relu_variance for f in found]))
    growth = float(np.mean([f.growth[0] for f in found]))
    ones = dict.fromkeys((n, widening, blocks, V, V_hat, V_tilde, V_bar), 1)
    point = {c1: 0.5, c2: variance, **ones, **dict.fromkeys((s1, s2, t1, t2), 0), r: (1.0,)}
    bound = 1 + 0.5 / variance / 2
    return [Trial(_rounded(point), bound - growth, tolerance=0.03)]


def _simplified() -> Claim:
    """The corrected bound of one block, at equal weight variances and k = 2, over K."""
    L = sp.Symbol("L", integer=True, positive=True)
    q, K = sp.symbols("q K_L", positive=True)
    arriving = sp.Symbol(r"E(Var(\Delta y_{L,i}))", positive=True)
    below = sp.Sum(V, (j, 2, L - 1)) + V / 2 + V
    domain = Domain({L: sp.Range(2, sp.oo), **dict.fromkeys((q, V, K, arriving), _POSITIVE)})
    truth = Derivation.begin(K * (1 + q**2 * V / below) * arriving, domain).step(
        "equal terms", K * (1 + 2 * q**2 / (2 * L - 1)) * arriving
    )
    return Claim(
        "22",
        "Upper bound of a block, simplified",
        r"Upperbound(E(Var(\Delta y_{L-1,i}))) \propto K_L \frac{L}{L-1} E(Var(\Delta y_{L,i}))",
        K * L / (L - 1) * arriving,
        truth,
        approximation=Approximation({L: 5, q: sp.pi / (sp.pi - 1)}, L),
        consequence=_over_a_scale,
        assumptions=(
            "q = c1/c2; the left side is the corrected bound (40), see (21).",
            "Both tend to 1 for large L; even (21) gives L/(L - 1) for c1/c2 = 1 only.",
        ),
    )


def _over_a_scale() -> str:
    square = _constants(0)[2] ** 2
    rows = []
    for count in (5, 33):
        true = float(np.prod([1 + square / (size - 0.5) for size in range(2, count + 1)]))
        rows.append(f"{count} blocks: {count} printed, {true:.3g} true")
    return (
        f"What is added to 1 is about 1/L printed and (c1/c2)^2/L true, with (c1/c2)^2 = {square:.3f} at a = 0. "
        "Over the "
        "blocks 2 to N of a scale the print multiplies to N, the truth grows as N to the power 2.15: "
        + ", ".join(rows)
        + ". With the printed constants (1/3 squared) it would be N to the power 0.11. Still polynomial and not "
        "exponential: that the change per block is small for large L stands."
    )


def _appendix_c() -> tuple[AnyClaim, ...]:
    same_gamma = (_GAMMA_ONE, _BY_ROWS)
    row = Domain({n: _NATURAL, c2: _POSITIVE, w: sp.S.Reals}, lengths={w: n})
    both = Domain(
        {n: _NATURAL, n_out: _NATURAL, c2: _POSITIVE, w: sp.S.Reals, u: sp.S.Reals}, lengths={w: n_out, u: n}
    )
    further = Domain({n: _NATURAL, c2: _POSITIVE, V: _POSITIVE, w: sp.S.Reals}, lengths={w: n})
    branch = through_weights(w, lambda _: c2, n)
    squares = c2 * over(w[k] ** 2, k, n)

    def of_layer(label: str, about: str, printed: str, *more: str) -> Claim:
        truth = Derivation.begin(branch, row)
        return Claim(label, about, printed, squares, truth, assumptions=(*same_gamma, *more))

    recursion = Derivation.begin(V + branch, further)
    shortcut = through_weights(w, lambda _: c2, n_out) + through_weights(u, lambda _: c2, n)
    return (
        of_layer(
            "34",
            "Variance of the shortcut of block 1",
            r"Var(\bar{y}_1) = c_2 \bar{W}_1^2 I_{n_1}",
            "W-bar_1 has n_1/k columns where n_1 is the width of the scale.",
        ),
        of_layer(
            "U9",
            "Variance of the convolution branch of block 1",
            r"Var(\hat{y}_1) = c_2 \hat{W}_1^2 I_{n_1}",
            "W^_1 has n_1 columns: its inputs come from the first layer of the block.",
        ),
        Claim(
            "35",
            "Variance of the output of block 1",
            r"Var(y_1) = c_2 (\bar{W}_1^2 I_{n_1} + \hat{W}_1^2 I_{n_1})",
            c2 * (over(w[k] ** 2, k, n_out) + over(u[k] ** 2, k, n)),
            Derivation.begin(shortcut, both),
            assumptions=(
                *same_gamma,
                "n' columns of the shortcut's weights w, n of u = W^_1; for k > 1 they differ.",
            ),
        ),
        Definition(
            "U10",
            "The identity shortcut of the other blocks",
            r"Var(\bar{y}_{N,i}) = Var(y_{N-1,i})",
            ("Follows from y-bar_L = y_{L-1} in 4.2; used so in (36).",),
        ),
        of_layer(
            "U11",
            "Variance of the convolution branch of block N",
            r"Var(\hat{y}_N) = c_2 \hat{W}_N^2 I_{n_{N-1}}",
        ),
        Claim(
            "36",
            "Variance of the output of block N",
            r"Var(y_N) = Var(y_{N-1}) + c_2 \hat{W}_N^2 I_{n_{N-1}}",
            V + squares,
            recursion,
            assumptions=(*same_gamma, "Shortcut and branch are independent, (18)."),
        ),
        Claim(
            "37",
            "Variance of the output of block N of a scale",
            r"Var(y_N) = c_2 \left( \sum_{J=2}^N \hat{W}_J^2 I_{n_J} + \bar{W}_1^2 I_{n_1} + \hat{W}_1^2 I_{n_1} "
            r"\right)",
            c2 * (sp.Sum(r[j], (j, 2, blocks)) + V_bar + r[1]),
            _scale_variance(),
            experiment=_scale_trials,
            assumptions=(
                *same_gamma,
                "The index of I is N - 1 in (36) and J here; within a scale the widths are equal.",
                "r_J stands for the row sum of W^_J^2 and V_bar for that of W-bar_1^2.",
            ),
            sources=("panigrahi2018 (19)",),
        ),
    )


# --- appendix B -----------------------------------------------------------------------------------------------


def _appendix_b() -> tuple[AnyClaim, ...]:
    upstream, y, mu = sp.symbols("D y mu", real=True)
    q = sp.Symbol("p_", positive=True)
    kink = Domain(
        {upstream: sp.S.Reals, y: sp.S.Reals},
        (sp.Ne(y, 0),),
        cases=(Case(y > 0, {y: q}), Case(y < 0, {y: -q})),
    )
    gain = find("batchnorm.grad_gain")
    batch = Domain(
        {m: sp.Range(2, sp.oo), x: sp.S.Reals, V: _POSITIVE, **_REAL}, (sp.Ne(bn.VARIANCE, 0),), {x: m}
    )
    ratio = Domain(
        {a: sp.S.Reals, gamma: _POSITIVE, V: _POSITIVE, n_out: _NATURAL, w: sp.S.Reals, v: _POSITIVE},
        lengths={w: n_out, v: n_out},
    )
    summed = over(w[k] ** 2 * v[k], k, n_out)
    return (
        Claim(
            "U6",
            "What the ReLU does to a gradient",
            r"F(\Delta y) = \Delta y I_{y>0}",
            sp.Piecewise((upstream, y > 0), (0, True)),
            Derivation.begin(sp.Derivative(upstream * relu(y), y), kink),
            defines=True,
            assumptions=("y is not 0, where the ReLU has no derivative.",),
        ),
        Claim(
            "U7",
            "Probability of an open gate",
            r"P(\tilde{y}_{L-1,i} > 0) = 0.5 + p(a)",
            _HALF + p(a),
            _open_gate(),
            by=PrintedProbability(),
            assumptions=(_GAMMA_POSITIVE,),
        ),
        Claim(
            "U8",
            "Mean of the gradient before the ReLU",
            r"E(\Delta\tilde{y}_{L-1,i}) = (0.5 + p(a)) E(\Delta\hat{y}_{L-1,i})",
            (_HALF + p(a)) * mu,
            _gated(Domain({a: sp.S.Reals, mu: sp.S.Reals}), mu, squared=False),
            by=PrintedProbability(),
            assumptions=("The gate and the gradient are independent.", _GAMMA_POSITIVE),
            sources=("panigrahi2018 (12)",),
        ),
        Claim(
            "32",
            "Variance of the gradient before BatchNorm",
            r"Var(\Delta y_{L-1,i}) = \frac{\gamma_i^2}{Var(y_{L-1,i})} Var(\Delta\tilde{y}_{L-1,i})",
            bn.gamma**2 / bn.VARIANCE * V * (m - 1) / m,
            Derivation.begin(V * gain.definition.subs(eps, 0), batch).step(
                "batchnorm.grad_gain",
                V * bn.gamma**2 * (m - 2) / (m * bn.VARIANCE),
                by=Lemmas(gain.derivation, at={eps: sp.S.Zero}),
            ),
            approximation=Approximation({m: 128}, m),
            assumptions=(
                "The gradients that arrive are independent of each other and of z, centred, of variance V; means over "
                "them: their variance across the batch is (m - 1)/m V.",
                "E(z g) is zero for independent z and g, but its square in (5) is 1/m on average.",
            ),
            sources=("sari2020 (7)",),
        ),
        Claim(
            "33",
            "The gate and the weights put in",
            r"Var(\Delta y_{L-1,i}) = \frac{\gamma_i^2}{Var(y_{L-1,i})} (0.5 + p(a)) \sum_{j=1}^{n'_L} W_{L,j}^2 "
            r"Var(\Delta y_{L,j})",
            gamma**2 / V * (_HALF + p(a)) * summed,
            Derivation.begin(
                gamma**2 / V * _OPEN_SQUARED * through_weights(w, lambda index: v[index], n_out), ratio
            )
            .step(
                "the gate is 0 or 1: its square is the gate",
                gamma**2 / V * _OPEN * through_weights(w, lambda index: v[index], n_out),
                by=_SquareOfGate(),
            )
            .step("the deltas contracted", gamma**2 / V * _OPEN * summed)
            .step("relu.moment0", gamma**2 / V * Phi(a) * summed, by=_moments()),
            by=PrintedProbability(),
            assumptions=(
                "As for (11), (12) and (32), in a large batch. V is Var(y_{L-1,i}).",
                _GAMMA_POSITIVE,
            ),
        ),
    )


def _open_gate() -> Derivation:
    """The gate of ``gamma (z + a)``, gamma > 0."""
    opened = sp.Integral(phi(z), (z, -a, sp.oo))
    return (
        Derivation.begin(expectation(gate(gamma * z + gamma * a)), Domain({gamma: _POSITIVE, a: sp.S.Reals}))
        .step("the gate is open for $z > -a$", opened, by=SplitIntegral())
        .step("fundamental theorem", 1 - Phi(-a), by=Antiderivative(Phi(z), z))
        .step("symmetry of the normal law", Phi(a))
    )


def _two_branches() -> Claim:
    return Claim(
        "U12",
        "Mean variance of the sum of both gradients",
        r"E(Var(\Delta_{y_{L-1,i}})) = E(Var(\Delta_{L,i})) + E(Var(\hat{\Delta}_{L,i}))",
        _own_variances(),
        _independent_sum(),
        assumptions=(
            "One branch takes m values and the other n; independence is that all pairs are as frequent.",
            "The text before it equates the variances of the two branches; (40) needs, and uses, that the one through "
            "the identity shortcut is Var(Delta y_L).",
        ),
    )


# --- what only training shows ------------------------------------------------------------------------------------


def _three_sigma() -> Table:
    value = sp.Integral(phi(z), (z, -3, 3))
    percent = Derivation.begin(100 * value, Domain({})).step(
        "fundamental theorem", 100 * (Phi(3) - Phi(-3)), by=Antiderivative(100 * Phi(z), z)
    )
    return Table(
        "P4",
        "Probability of three standard deviations, in per cent",
        r"P(|\Delta| < 3 Std(\Delta)) = 99.7\%",
        (("within three", "99.7", percent),),
        assumptions=("A normal law.",),
    )


def _figures() -> dict[str, Observation]:
    def along_a_scale(blocks_: int) -> Callable[[int], tuple[str, ...]]:
        def found(seed: int) -> tuple[str, ...]:
            scale_ = deep_network.residual_scale(blocks_, 2, width=128, batch=128, seed=seed)
            factors = [f"{value:.2f}" for value in scale_.growth]
            return (
                "Not trained. Simulated at initialisation: factors of the gradient variance through the blocks "
                "2, 3, ... "
                f"of a scale {', '.join(factors)}; 1 + (c1/c2)^2/(L - 1/2) says "
                + ", ".join(
                    f"{1 + _constants(0)[2] ** 2 / (size - 0.5):.2f}" for size in range(2, blocks_ + 1)
                )
                + ".",
            )

        return found

    def plain(seed: int) -> tuple[str, ...]:
        layer = deep_network.growth_per_layer(0.0, width=128, batch=128, depth=8, seed=seed)
        return (
            "Not trained. Simulated at initialisation: without shortcuts the gradient variance grows by "
            f"{layer:.3f} per layer, {layer**2:.3f} for the two layers of a block, in every block; with shortcuts by "
            "factors that tend to 1 (figure 5). That it stays in a range without shortcuts is not so at "
            "initialisation.",
        )

    def accuracy(_: int) -> tuple[str, ...]:
        return (
            "Not run: training accuracy on CIFAR-10 needs the data set and training; what can be computed of these "
            "models is under figures 9 and 12.",
        )

    def explosion(seed: int) -> tuple[str, ...]:
        factor = deep_network.variance_without_batchnorm(15, width=128, batch=128, seed=seed)
        return (
            "Not trained. Simulated without BatchNorm, weights of variance 1/fan-in (Xavier): the mean square of the "
            f"activations grows by {factor:.3f} per residual block, over 15 blocks by {factor**15:.3g}. The expected "
            "factor is 1 + 1/4: exponential, as the figure has it, but over 15 blocks initialisation alone does "
            "not explain "
            "a loss that is undefined.",
        )

    def shift_ratios(_: int) -> tuple[str, ...]:
        low, middle, high = (_constants(ratio) for ratio in (-1, 0, 1))
        return (
            "Not trained. Section 3.3 refers to figure 14 where this one, 13, is meant. The true c1/c2 is "
            f"{low[2]:.4f} at a = -1, {middle[2]:.4f} at 0 and {high[2]:.4f} at 1; as printed {low[0]:.4f}, "
            f"{middle[0]:.4f} and {high[0]:.4f}. The average of |a| hides the sign, on which it depends.",
        )

    def batch_sizes(seed: int) -> tuple[str, ...]:
        sizes = (128, 256, 512)
        factors = [
            deep_network.growth_per_layer(0.0, width=128, batch=size, depth=8, seed=seed) for size in sizes
        ]
        return (
            "Simulated, gradient growth per layer at batch sizes 128, 256, 512: "
            + ", ".join(f"{factor:.3f}" for factor in factors)
            + ". Exactly, BatchNorm multiplies by 1 - 2/m: 0.984, 0.992, 0.996, so (14) depends on the batch size, but "
            "little.",
        )

    def weight_scales(seed: int) -> tuple[str, ...]:
        factors = [
            deep_network.growth_per_layer(0.0, width=128, batch=128, depth=8, seed=seed, weight_scale=value)
            for value in (0.1, 1.0, 10.0)
        ]
        return (
            "Simulated, gradient growth per layer with weights 0.1, 1 and 10 times as large in every layer: "
            + ", ".join(f"{factor:.6f}" for factor in factors)
            + ". Only quotients of weight variances enter (13).",
        )

    return {
        "Fig 5": Observation(
            "Fig 5",
            "Gradient variance along a residual network of 15 blocks",
            r"\text{Fig 5}",
            along_a_scale(5),
        ),
        "Fig 6": Observation(
            "Fig 6", "Norm of the gradient along the same network", r"\text{Fig 6}", along_a_scale(5)
        ),
        "Fig 8": Observation("Fig 8", "Training accuracy of the three models", r"\text{Fig 8}", accuracy),
        **{
            label: Observation(
                label, "Gradient variance with and without shortcuts", rf"\text{{{label}}}", plain
            )
            for label in ("Fig 9", "Fig 10", "Fig 11")
        },
        "Fig 7": Observation(
            "Fig 7", "The same with 99 blocks, 33 in each scale", r"\text{Fig 7}", along_a_scale(8)
        ),
        "Tab 1": Observation(
            "Tab 1",
            "Test accuracy with BatchNorm and shortcuts, without shortcuts, without BatchNorm",
            r"92.5\%,\; 90.6\%,\; 9.09\%",
            lambda _: (
                "Not trained. Of ten classes guessing finds 10 %: 9.09 % without BatchNorm is no more than that. "
                "Without shortcuts, 30 layers multiply the variance of the gradient by 1.467^30 = "
                f"{_constants(0)[2] ** 30:.3g} at initialisation, by (13) corrected; a network may train to 90.6 % all "
                "the same.",
            ),
        ),
        "Fig 12": Observation(
            "Fig 12", "Explosion of gradients without BatchNorm", r"\text{Fig 12}", explosion
        ),
        "Fig 13": Observation(
            "Fig 13",
            "Mean |beta/gamma| of each layer stays below 1",
            r"|a| \leq 1.0",
            shift_ratios,
        ),
        "Fig 14": Observation(
            "Fig 14", "Gradient variance at batch sizes 128, 256, 512", r"\text{Fig 14}", batch_sizes
        ),
        "Fig 15": Observation(
            "Fig 15", "Gradient variance for two scales of the weights", r"\text{Fig 15}", weight_scales
        ),
    }


def claims() -> tuple[AnyClaim, ...]:
    """One claim for each label, in order of appearance."""
    jensen = Inequality(
        "U2",
        "Jensen's inequality for 1/X",
        r"E\left(\frac{1}{X}\right)E(X) \geq 1",
        Derivation.begin(_RECIPROCAL * _MEAN - 1, _bounded({}, _VARYING)).step(
            "$E((X - E(X))^2/X) = E(X)^2 E(1/X) - E(X)$", _DISPERSION / _EX
        ),
        assumptions=_ANY_LAW,
    )
    backward = _residual_backward()
    figures = _figures()
    forward = _residual_forward()
    found: list[AnyClaim] = [
        *_batchnorm(),
        *_forward(),
        *_backward(),
        _kantorovich("U1"),
        jensen,
        *_quotients(),
        *_layer_bounds(),
        *_values(),
        *forward,
        backward["21"],
        _three_sigma(),
        _simplified(),
        *(figures[label] for label in _SECTION_5),
        *_appendix_a(),
        *_appendix_b(),
        *_appendix_c(),
        backward["38"],
        backward["39"],
        _two_branches(),
        backward["40"],
        *_appendix_e(),
        *(figures[label] for label in ("Fig 13", "Fig 14", "Fig 15")),
    ]
    return tuple(found)
