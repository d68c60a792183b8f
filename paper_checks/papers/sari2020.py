"""E. Sari, V. Partovi Nia: batch normalization in quantized networks.

The document's letters and ours: batch size B = m, dot product s_bk = x_i, standardised s^_bk = z_i, output z_bk = y_i,
width K_l of layer l, weights w^l, ternary weights w~, threshold Delta = delta. There is no eps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from derivations import Derivation, Domain, find
from derivations import batchnorm as bn
from derivations import ternary as tn
from derivations.machinery.prover import Lemmas
from derivations.machinery.unspecified import Differentiable, Slope
from derivations.relu import a, expectation, gate, relu, z
from numeric.experiments import batchnorm as measured_batchnorm
from numeric.experiments import layers
from numeric.sampling.engine import mean_of
from paper_checks.claim import Approximation, Cause, Claim, Inequality, Trial
from paper_checks.transcription import exact_point, from_catalogue

TITLE = "Batch normalization in quantized networks"
WHERE = "arXiv:2004.14214"
LABELS = (
    *("U1a", "U1b", "1", "U2a", "U2b", "P1", "U3", "2", "P2", "U4", "U5"),
    *("3", "4", "5", "P3", "P4", "6", "7", "8"),
)

# --- symbols -----------------------------------------------------------------------------------------

m, i, j, gamma, beta, eps = bn.m, bn.i, bn.j, bn.gamma, bn.beta, bn.eps
g, x = bn.g, bn.x
sigma = sp.sqrt(bn.VARIANCE)
xhat = bn.Xhat

_WIDTHS = K0, K1, K2 = sp.symbols("K_0 K_1 K_2", integer=True, positive=True)
_VARIANCES = V1, V2, V3, VX = sp.symbols("V_1 V_2 V_3 V_x", positive=True)
BELOW, ABOVE = sp.symbols("K_below K_above", integer=True, positive=True)
WEIGHT, GRADIENT = sp.symbols("V_weight V_gradient", positive=True)
"""Widths of the layers l - 1 and l + 1, variances of the weights and the gradient of layer l + 1."""
UPSTREAM = sp.IndexedBase("d", real=True)
"""Gradients in pre-activations."""
TERNARY = sp.Symbol("V_ternary", positive=True)
"""Variance of the ternary weights."""
K, delta = tn.K, tn.delta

LETTERS = {
    bn.m: "B",
    bn.i: "b",
    bn.j: "b'",
    bn.x: r"s",
    bn.g: r"(\nabla_{z} L)",
    bn.Xhat: r"\hat{s}",
    tn.K: "K_l",
    BELOW: "K_{l-1}",
    ABOVE: "K_{l+1}",
    WEIGHT: "V(w^{l+1})",
    UPSTREAM: r"(\nabla_{s} L)",
    TERNARY: r"V(\tilde{w}^l_t)",
    GRADIENT: r"V(\frac{\partial L}{\partial s^{l+1}})",
    VX: "V(x)",
    V1: "V(w^{1})",
    V2: "V(w^{2})",
    V3: "V(w^{3})",
    tn.delta: r"\Delta",
}
"""How the document writes our symbols."""

_POSITIVE = sp.Interval.open(0, sp.oo)
_NATURAL = sp.Range(1, sp.oo)
_REAL = {gamma: sp.S.Reals, beta: sp.S.Reals}


def _batch(*sequences: Any, index: bool) -> Domain:
    sets: dict[Any, sp.Set] = {m: sp.Range(2, sp.oo)}
    if index:
        sets[i] = sp.Range(1, m + 1)
    sets |= {**dict.fromkeys(sequences, sp.S.Reals), **_REAL}
    return Domain(sets, (sp.Ne(bn.VARIANCE, 0),), dict.fromkeys(sequences, m))


# --- section 2: the full-precision network -------------------------------------------------------------


class ActivationSlope(Slope):
    """The derivative of the activation function."""

    letter = "f'"


class Activation(Differentiable):
    """Any differentiable activation function f."""

    letter = "f"
    slope = ActivationSlope


def _next_layer() -> tuple[Claim, Claim]:
    """Through ``s^{l+1}_{k'} = rest_{k'} + w_{kk'} f(s_k)`` and ``s^l_b = rest_b + w f(s^{l-1}_b)``."""
    s, weight = sp.Symbol("s", real=True), sp.Symbol("w", real=True)
    rest, w = sp.IndexedBase("r", real=True), sp.IndexedBase("w", real=True)
    before = sp.IndexedBase("s", real=True)
    sets = {m: _NATURAL, s: sp.S.Reals, **dict.fromkeys((w, UPSTREAM, rest), sp.S.Reals)}
    backward = sp.Derivative(bn.total(UPSTREAM[j] * (rest[j] + w[j] * Activation(s)), j), s)
    through_activation = Derivation.begin(
        backward, Domain(sets, lengths=dict.fromkeys((w, UPSTREAM, rest), m))
    ).step("chain rule", ActivationSlope(s) * bn.total(w[j] * UPSTREAM[j], j))
    sets = {m: _NATURAL, weight: sp.S.Reals, **dict.fromkeys((before, UPSTREAM, rest), sp.S.Reals)}
    in_weight = sp.Derivative(bn.total(UPSTREAM[j] * (rest[j] + weight * Activation(before[j])), j), weight)
    weight_gradient = Derivation.begin(
        in_weight, Domain(sets, lengths=dict.fromkeys((before, UPSTREAM, rest), m))
    ).step("chain rule", bn.total(Activation(before[j]) * UPSTREAM[j], j))
    return (
        Claim(
            "U2a",
            "Gradient in a pre-activation, from the next layer",
            r"\frac{\partial L}{\partial s^l_{bk}} = f'(s^l_{bk}) \sum_{k'=1}^{K_{l+1}} w^{l+1}_{kk'} "
            r"\frac{\partial L}{\partial s^{l+1}_{bk'}}",
            ActivationSlope(s) * bn.total(w[j] * UPSTREAM[j], j),
            through_activation,
        ),
        Claim(
            "U2b",
            "Gradient in a weight",
            r"\frac{\partial L}{\partial w^l_{k'k}} = \sum_{b=1}^B s^{l-1}_{bk'} \frac{\partial L}{\partial s^l_{bk}}",
            bn.total(before[j] * UPSTREAM[j], j),
            weight_gradient,
            cause=Cause.MISPRINT,
            consequence=_weight_gradient_of_relu,
            experiment=lambda seed: _weight_gradient_trials(before, rest, weight, seed),
            assumptions=("f is the activation function between the layers, as in the equation beside it.",),
        ),
    )


def _weight_gradient_of_relu() -> str:
    share = find("relu.second_moment").evaluate(6, a=0)
    return (
        "The activation f(s) of the layer below is meant, not its pre-activation s; the two agree only where f is the "
        f"identity. For a ReLU of a standard normal number the mean square of this factor is {share}, not 1; a "
        "constant factor in every layer, so no conclusion on growth changes."
    )


def _weight_gradient_trials(before: Any, rest: Any, weight: sp.Symbol, seed: int) -> list[Trial]:
    """By a complex step of the forward pass, with the stand-in of the derivation for f."""
    from scipy.special import ndtr

    rng = np.random.default_rng(seed)
    s, r, gradients = rng.standard_normal((3, 4))
    step = 1e-150
    f = ndtr(s) + ndtr(s - 1)
    loss = (gradients * (r + (0.3 + 1j * step) * f)).sum()
    point = {m: 4, weight: 0.3, before: tuple(s), rest: tuple(r), UPSTREAM: tuple(gradients)}
    return [Trial(exact_point(point), float(loss.imag / step))]


def _forward_variance() -> Claim:
    """Three linear layers: ``s^l`` has gone through the weights 1, ..., l."""
    domain = Domain(
        {**dict.fromkeys(_WIDTHS, _NATURAL), **dict.fromkeys(_VARIANCES, _POSITIVE)},
    )
    k, l = bn.k, bn.l

    def layer(width: sp.Symbol, weight: sp.Expr, below: sp.Expr) -> sp.Expr:
        """Variance of a dot product: the moments of independent centred weights and inputs are deltas."""
        same = sp.KroneckerDelta(k, l)
        return sp.Sum(sp.Sum(weight * same * below * same, (k, 1, width)), (l, 1, width))

    truth = Derivation.begin(layer(K2, V3, layer(K1, V2, layer(K0, V1, VX))), domain).step(
        "the deltas contracted", K0 * V1 * K1 * V2 * K2 * V3 * VX
    )
    return Claim(
        "P1",
        "Variance of a pre-activation of a linear network, at l = 3",
        r"V(s^l_{bk}) = V(x) \prod_{l'=1}^{l-1} K_{l'} V(w^{l'})",
        VX * K1 * V1 * K2 * V2,
        truth,
        cause=Cause.MISPRINT,
        consequence=lambda: (
            "The layer l multiplies by its fan-in K_{l-1} and by V(w^l): the product runs over l' = 1, ..., l with "
            "K_{l'-1}. At equal widths one factor K V(w) is missing; it is 1 for V(w) = 1/K, and 2 (half) where "
            "V(w) = 2/K (1/(2K)). The products of the backward pass, which the document uses, are right."
        ),
        experiment=_forward_variance_trials,
        assumptions=("f is the identity.", "Weights and inputs are independent and centred."),
    )


def _forward_variance_trials(seed: int) -> list[Trial]:
    widths, variances = (5, 2, 3), (0.5, 1.5, 0.25)
    found = mean_of(layers.LinearNetworkDraws((*widths, 1), variances), 10**6, seed=seed)
    point = dict(zip((K0, K1, K2, V1, V2, V3, VX), (*widths, *variances, 1), strict=True))
    return [Trial(exact_point(point), found)]


def _backward_variance() -> Claim:
    k, l = bn.k, bn.l
    same = sp.KroneckerDelta(k, l)

    def layer(width: sp.Symbol, weight: sp.Expr, above: sp.Expr) -> sp.Expr:
        return sp.Sum(sp.Sum(weight * same * above * same, (k, 1, width)), (l, 1, width))

    domain = Domain({**dict.fromkeys((K1, K2), _NATURAL), **dict.fromkeys((V1, V2, VX), _POSITIVE)})
    truth = Derivation.begin(layer(K1, V1, layer(K2, V2, VX)), domain).step(
        "the deltas contracted", K1 * V1 * K2 * V2 * VX
    )
    return Claim(
        "U3",
        "Variance of a gradient of a linear network, two layers below the last",
        r"V(\frac{\partial L}{\partial s^l_{bk}}) = V(\frac{\partial L}{\partial s^L}) "
        r"\prod_{l'=l+1}^{L} K_{l'} V(w^{l'})",
        VX * K1 * V1 * K2 * V2,
        truth,
        assumptions=("f is the identity.", "Weights and gradients are independent and centred."),
    )


_GAIN = "batchnorm.grad_gain"


def _through_batchnorm() -> Claim:
    """Equation (2): the gain of BatchNorm times that of the linear layer above."""
    domain = _batch(x, index=False)
    sets = {**domain.sets, ABOVE: _NATURAL, WEIGHT: _POSITIVE, GRADIENT: _POSITIVE}
    domain = Domain(sets, domain.constraints, domain.lengths)
    gain = find(_GAIN)
    above = ABOVE * WEIGHT * GRADIENT
    lemma = Lemmas(gain.derivation, at={eps: 0})
    truth = Derivation.begin(above * gain.definition.subs(eps, 0), domain).step(
        _GAIN, above * gain.closed_form.subs(eps, 0), by=lemma
    )
    fourth = bn.total(xhat(bn.k, sp.S.Zero) ** 4, bn.k) / m
    return Claim(
        "2",
        "Variance of the gradient before BatchNorm, from that of the next layer",
        r"V(\frac{\partial L}{\partial s^l_{bk}}) = \left(\frac{\gamma^l_k}{B \hat\sigma^l_k}\right)^2 "
        r"\{B^2 + 2B - 1 + V(\hat s^{l\,2}_{bk})\} K_{l+1} V(w^{l+1}) V(\frac{\partial L}{\partial s^{l+1}})",
        (gamma / (m * sigma)) ** 2 * (m**2 + 2 * m - 1 + fourth - 1) * above,
        truth,
        cause=Cause.ALGEBRA,
        consequence=_growth_over_layers,
        experiment=_gain_trials,
        assumptions=(
            "The gradients that arrive are independent of each other and of the batch, centred, of equal variance; "
            "the variance is averaged over the batch.",
        ),
        sources=("jin2019 (S11)",),
    )


def _growth_over_layers() -> str:
    size, layers_ = 32, 50
    printed = sp.Rational((size + 1) ** 2, size**2)  # V(s^2) = 2 for a normal law
    true = 1 - sp.Rational(2, size)
    return (
        "BatchNorm removes the two directions 1 and s^ from the gradient: the bracket is B^2 - 2B. At B = 32 and "
        f"normal s^ a layer multiplies by {float(true):.4f}, not by {float(printed):.4f}: over {layers_} layers by "
        f"{float(true**layers_):.3g}, not by {float(printed**layers_):.3g}. The sign of the effect is reversed: "
        "at the standard deviation that the batch has, a finite batch damps the gradient. As B grows both tend to 1."
    )


def _gain_trials(seed: int) -> list[Trial]:
    rng = np.random.default_rng(seed)
    trials = []
    for size in (4, 32):
        batch = rng.standard_normal(size)
        jacobian = measured_batchnorm.jacobian(batch, 0.75, 0.0, 0.0)
        point = {m: size, x: tuple(batch), gamma: 0.75, beta: 0, ABOVE: 3, WEIGHT: 0.5, GRADIENT: 2}
        trials.append(Trial(exact_point(point), float((jacobian**2).sum() / size * 3 * 0.5 * 2)))
    return trials


# --- section 3: binary weights ---------------------------------------------------------------------------


def _binary() -> tuple[Claim, ...]:
    s, mu = sp.Symbol("s", real=True), sp.Symbol("mu", real=True)
    scale, width = sp.Symbol("gamma", positive=True), sp.Symbol("sigma", positive=True)
    unbiased = Domain({s: sp.S.Reals, mu: sp.S.Reals, scale: _POSITIVE, width: _POSITIVE, beta: sp.S.Reals})
    return (
        Claim(
            "P2",
            "The sign of BatchNorm is a sign with a bias",
            r"b_k = \mu_k - \frac{\hat\sigma_k}{\gamma_k} \beta_k",
            scale / width * (s - (mu - width / scale * beta)),
            Derivation.begin(scale * (s - mu) / width + beta, unbiased),
            assumptions=(
                "gamma > 0: there BN(s) is a positive multiple of s - b. For gamma < 0 its sign is that of b - s.",
            ),
        ),
        _without_batchnorm(),
        _large_batch(
            "U5",
            "Binary weights with BatchNorm: gain of a layer",
            r"V(\frac{\partial L}{\partial s^l_{bk}}) = \prod_{l'=l}^{L-1} \frac{K_{l'+1}}{K_{l'-1}} "
            r"V(\frac{\partial L}{\partial s^L}) + o\left(\frac{1}{B^{1-\varepsilon}}\right)",
            ABOVE / BELOW,
        ),
    )


def _without_batchnorm() -> Claim:
    k, l = bn.k, bn.l
    same = sp.KroneckerDelta(k, l)
    domain = Domain({K1: _NATURAL, VX: _POSITIVE})
    return Claim(
        "U4",
        "Binary weights without BatchNorm: gain of a layer",
        r"V(\frac{\partial L}{\partial s^l_{bk}}) = V(\frac{\partial L}{\partial s^L}) \prod_{l'=l+1}^L K_{l'}",
        K1 * VX,
        Derivation.begin(sp.Sum(sp.Sum(same * VX * same, (k, 1, K1)), (l, 1, K1)), domain),
        assumptions=(
            "Weights are independent signs: their variance is 1.",
            "The derivative of the activation is 1.",
        ),
    )


def _large_batch(label: str, about: str, printed: str, widths: sp.Expr) -> Claim:
    """The gain of BatchNorm in units of gamma/sigma, exactly, times a ratio of widths that does not depend on B."""
    batch = _batch(x, index=False)
    sets = {m: batch.sets[m], x: sp.S.Reals} | dict.fromkeys(sorted(widths.free_symbols, key=str), _NATURAL)
    domain = Domain(sets, batch.constraints, batch.lengths)
    gain = find(_GAIN)
    at = {gamma: sp.S.One, beta: sp.S.Zero, eps: sp.S.Zero}
    lemma = Lemmas(gain.derivation, at=at)
    definition = widths * bn.VARIANCE * gain.definition.subs(at)
    truth = Derivation.begin(definition, domain).step(_GAIN, lambda e: widths * (m - 2) / m, by=lemma)
    typical = {m: 32} | dict.fromkeys(widths.free_symbols, 512)
    return Claim(
        label,
        about,
        printed,
        widths,
        truth,
        approximation=Approximation(typical, m),
        assumptions=(
            "The factor 1 - 2/B of one layer is printed as 1 + o(1/B^(1 - e)), which is so for any e > 0.",
            "One layer, in units of the variance of the gradient above it, at the standard deviation that the batch has. "
            "For normal dot products its mean inverse square is B/(B - 3) times that of a large batch, which turns "
            "1 - 2/B into (B - 2)/(B - 3) on average: still 1 + O(1/B).",
        ),
    )


# --- section 4: ternary weights ----------------------------------------------------------------------------


def _ternary() -> tuple[Claim | Inequality, ...]:
    inside = find("ternary.uniform.variance").domain
    any_width = Domain({K: _POSITIVE})
    wide = sp.Symbol("K", integer=True, positive=True)
    seven = sp.Rational(7, 10)
    mean_size = find("ternary.uniform.mean_abs")
    variance = find("ternary.uniform.variance_at_0_7")
    return (
        Claim(
            "3",
            "Ternary weights",
            r"\mathrm{tern}(x) = -1 \text{ if } x < -\Delta,\; +1 \text{ if } x > \Delta,\; 0 \text{ if } "
            r"-\Delta \le x \le \Delta",
            sp.Piecewise((-1, tn.w < -delta), (1, tn.w > delta), (0, True)),
            Derivation.begin(tn.tern(tn.w), Domain({tn.w: sp.S.Reals, delta: sp.Interval(0, sp.oo)})),
            defines=True,
            assumptions=("Used in (4) with these strict and weak signs.",),
        ),
        Claim(
            "4",
            "Variance of ternary weights, uniform law",
            r"V(\tilde w^l_t) = 2 p_1 = 1 - \frac{\Delta}{\sqrt{6/K_l}}",
            1 - delta / sp.sqrt(6 / K),
            from_catalogue("ternary.uniform.variance", inside, {}),
            assumptions=("Delta is at most the end of the support.",),
        ),
        Claim(
            "5",
            "The threshold 0.7 E|w|, uniform law",
            r"\Delta_l = \frac{0.7}{2} \sqrt{\frac{6}{K_l}}",
            seven / 2 * sp.sqrt(6 / K),
            Derivation.begin(seven * mean_size.definition, any_width).step(
                mean_size.name, seven * mean_size.closed_form, by=Lemmas(mean_size.derivation)
            ),
        ),
        Claim(
            "P3",
            "Variance of ternary weights at that threshold",
            r"V(\tilde w^l_t) = 1 - \frac{0.7}{2} = 0.65",
            sp.Rational(65, 100),
            from_catalogue("ternary.uniform.variance_at_0_7", any_width, {}),
        ),
        Inequality(
            "P4",
            "That variance is larger than 2/K",
            r"V(\tilde w^l_t) > \frac{2}{K_l}",
            Derivation.begin(
                variance.definition.subs(K, wide + 3) - 2 / (wide + 3), Domain({wide: _NATURAL})
            ).step(
                variance.name,
                variance.closed_form - 2 / (wide + 3),
                by=Lemmas(variance.derivation, at={K: wide + 3}),
            ),
            strict=True,
            assumptions=(
                "K_l = K + 3 with K = 1, 2, ...: at least four neurons; with three, 2/3 is larger.",
            ),
        ),
        _statistics_of_ternary_layer(),
        _large_batch(
            "7",
            "Share of the gradient that BatchNorm lets pass",
            r"V(\frac{\partial L}{\partial s^l_{bk}}) = \left\{1 + o\left(\frac{1}{B^{1-\varepsilon}}\right)\right\}",
            sp.S.One,
        ),
        _gain_of_ternary_layer(),
    )


def _statistics_of_ternary_layer() -> Claim:
    """The standard deviation across the batch, as the document defines it, of a layer with ReLU inputs."""
    second, mean = expectation(relu(z) ** 2), expectation(relu(z))
    moments = Lemmas(find("relu.second_moment").derivation, find("relu.mean").derivation, at={a: 0})
    truth = Derivation.begin(
        BELOW * TERNARY * (second - mean**2), Domain({BELOW: _NATURAL, TERNARY: _POSITIVE})
    ).step("relu.second_moment and relu.mean at a = 0", lambda e: sp.simplify(moments.apply(e)), by=moments)
    return Claim(
        "6",
        "Variance across the batch of the dot products of a ternary layer",
        r"\hat\sigma_k^2 = K_{l-1} \frac{1}{2} V(\hat s^{l-1}_b) V(\tilde w^l_t) "
        r"= K_{l-1} \frac{1}{2} V(\tilde w^l_t)",
        BELOW * TERNARY / 2,
        truth,
        cause=Cause.CONCEPT,
        consequence=_mean_of_relu,
        experiment=lambda seed: [
            Trial(
                {BELOW: 4, TERNARY: sp.Rational(65, 100)},
                mean_of(layers.TernaryLayerDraws(4, 4), 10**6, seed=seed),
            ),
        ],
        assumptions=(
            "The document names no activation here; the factor 1/2 is what a ReLU of a standard normal number gives, "
            "E ReLU(z)^2. Section 2 assumes centred activations, which those of a ReLU are not.",
            "The standard deviation is that across the batch, as section 2 defines it; 1/2 would be right for the "
            "mean square of the dot product.",
        ),
        sources=("panigrahi2018 (10)",),
    )


def _mean_of_relu() -> str:
    second, variance = (find(f"relu.{name}").evaluate(6, a=0) for name in ("second_moment", "variance"))
    return (
        "BatchNorm subtracts the mean of the batch, so the inputs count with Var ReLU(z) = 1/2 - 1/(2 pi) = "
        f"{variance}, not with E ReLU(z)^2 = {float(second)}: the variance is overestimated by the factor "
        f"{float(second / variance):.4f}, and (8) inherits that."
    )


def _gain_of_ternary_layer() -> Claim:
    """Gate, linear layer above, and BatchNorm at the variance of (6), for a large batch."""
    variance = sp.Rational(65, 100)
    second, mean = expectation(relu(z) ** 2), expectation(relu(z))
    open_gate = expectation(gate(z))
    names = ("moment0", "second_moment", "mean")
    moments = Lemmas(*[find(f"relu.{name}").derivation for name in names], at={a: 0})
    definition = GRADIENT * open_gate * ABOVE * variance / (BELOW * variance * (second - mean**2))
    truth = Derivation.begin(
        definition, Domain(dict.fromkeys((BELOW, ABOVE), _NATURAL) | {GRADIENT: _POSITIVE})
    ).step(
        "relu.moment0, relu.second_moment and relu.mean at a = 0",
        lambda e: sp.simplify(moments.apply(e)),
        by=moments,
    )
    return Claim(
        "8",
        "Ternary weights with BatchNorm and ReLU: gain of a layer in a large batch",
        r"V(\frac{\partial L}{\partial s^l_{bk}}) = \frac{K_{l+1}}{K_{l-1}} V(\frac{\partial L}{\partial s^{l+1}})",
        ABOVE / BELOW * GRADIENT,
        truth,
        cause=Cause.CONCEPT,
        consequence=_explosion,
        experiment=_layer_trials,
        assumptions=(
            "The activation is a ReLU, as in (6): its gate is open half of the time.",
            "Gates and gradients are independent; wide layers.",
        ),
        sources=("panigrahi2018 (13)",),
    )


def _explosion() -> str:
    gain = float(find("relu.ratio_variance").evaluate(17, a=0))
    return (
        f"A layer multiplies the variance of the gradient by pi/(pi - 1) = {gain:.4f} at equal widths, not by 1: over "
        f"50 layers by {gain**50:.3g}. The conclusion that BatchNorm keeps the gradient from exploding is reversed for "
        "networks with ReLU at initialisation."
    )


def _layer_trials(seed: int) -> list[Trial]:
    """A real layer, in which gates, statistics and gradients are not independent."""
    before, after = 2048, 1024
    gains = [layers.gradient_gain((before, 256, after), 2048, seed=seed + k) for k in range(4)]
    # the spread over weights and tangents is 1 % here; the printed value is off by 32 %
    return [Trial({BELOW: before, ABOVE: after, GRADIENT: 1}, float(np.mean(gains)), tolerance=0.02)]


def claims() -> tuple[Claim | Inequality, ...]:
    """One claim for each label, in order of appearance."""
    at = {eps: sp.S.Zero}
    upstream, shifted = xhat(j, sp.S.Zero), xhat(i, sp.S.Zero)
    binary = _binary()
    return (
        Claim(
            "U1a",
            "Gradient in beta",
            r"\frac{\partial L}{\partial \beta_k} = \sum_{b=1}^B \frac{\partial L}{\partial z_{bk}}",
            bn.total(g[j], j),
            from_catalogue("batchnorm.grad_beta", _batch(x, g, index=False), at),
            sources=("li2023 (14)",),
        ),
        Claim(
            "U1b",
            "Gradient in gamma",
            r"\frac{\partial L}{\partial \gamma_k} = \sum_{b=1}^B \frac{\partial L}{\partial z_{bk}} \hat s_{bk}",
            bn.total(g[j] * upstream, j),
            from_catalogue("batchnorm.grad_gamma", _batch(x, g, index=False), at),
            sources=("li2023 (13)",),
        ),
        Claim(
            "1",
            "Gradient in the input of BatchNorm",
            r"\frac{\partial L}{\partial s_{bk}} = \frac{\gamma_k}{\hat\sigma_k} \left(-\frac{1}{B} \sum_{b'=1}^B "
            r"\frac{\partial L}{\partial z_{b'k}} - \frac{\hat s_{bk}}{B} \sum_{b'=1}^B "
            r"\frac{\partial L}{\partial z_{b'k}} \hat s_{b'k} + \frac{\partial L}{\partial z_{bk}}\right)",
            gamma / sigma * (-bn.total(g[j], j) / m - shifted / m * bn.total(g[j] * upstream, j) + g[i]),
            from_catalogue("batchnorm.grad_input", _batch(x, g, index=True), at),
            sources=("li2023 (44)", "panigrahi2018 (4)"),
        ),
        *_next_layer(),
        _forward_variance(),
        _backward_variance(),
        _through_batchnorm(),
        *binary,
        *_ternary(),
    )
