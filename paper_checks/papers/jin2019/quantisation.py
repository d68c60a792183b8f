"""Weights by DoReFa, activations by PACT: sections 3.3 to 4, and S1.2 to S7 of the supplement."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from scipy.special import expit

from derivations import Derivation, Domain, Phi, find, pact, phi
from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.domain import Case
from derivations.machinery.prover import FundamentalTheorem
from derivations.pact import OFF_THE_KINKS, Round, StraightThrough, alpha, b, clip, n, u, x
from numeric import dorefa
from numeric import pact as measured_pact
from numeric.monte_carlo import Array, Estimate
from paper_checks.claim import (
    AnyClaim,
    Approximation,
    Cause,
    Claim,
    Definition,
    Observation,
    Table,
    Trial,
)
from paper_checks.transcription import exact_point, from_catalogue

# --- symbols -------------------------------------------------------------------------------------------

_POSITIVE = sp.Interval.open(0, sp.oo)
_NATURAL = sp.Range(1, sp.oo)

w = sp.Symbol("w", real=True)
largest = sp.Symbol("M", positive=True)
n_out = sp.Symbol("n_out", positive=True)
size = sp.Symbol("N", integer=True, positive=True)
weights, originals = sp.IndexedBase("W", real=True), sp.IndexedBase("W_0", real=True)
i, j, k = sp.symbols("i j k", integer=True, positive=True)

U, V = sp.IndexedBase("U", real=True), sp.IndexedBase("V", real=True)
probability = sp.IndexedBase("p", positive=True)
outcomes = sp.Symbol("m", integer=True, positive=True)
mu, nu = sp.symbols("mu_U mu_V", positive=True)
rho = sp.Symbol("rho", real=True)
snr = sp.Symbol("s", positive=True)
z = sp.Symbol("z", real=True)

gamma, beta = sp.symbols("gamma_i beta_i", real=True)
product = sp.Symbol("r", real=True)
out_level = sp.Symbol("alpha_out", positive=True)

LETTERS: dict[Any, str] = {
    mu: r"\mathbb{E}[U]",
    nu: r"\mathbb{E}[V]",
    product: "(Qq)_i",
    out_level: r"\widetilde\alpha",
}
"""How the document writes our symbols."""

MAIN = (
    *("5", "P1", "6", "P2", "Fig 2a", "7", "P3", "8", "9", "P4", "10", "P5"),
    *("11a", "11b", "12", "13", "P6", "Tab 1", "Tab 2", "Tab 3", "Tab 4"),
)
SUPPLEMENT = (
    *("Fig S1", "Tab S1.1", "Tab S1.2", "S17a", "S17b"),
    *("S18a", "S18b", "S19a", "S19b", "S20a", "S20b", "S20c", "S21"),
    *("S22a", "S22b", "S22c", "S22d", "P7", "Fig S3", "S23", "P8", "Fig S4"),
    *("S24a", "S24b", "S24c", "S25", "S26a", "S26b", "S26c", "S26d", "S26e", "S26f", "Tab S2"),
    *("S27", "S28a", "S28b", "S28c", "S28d"),
)


def _q(v: sp.Expr) -> sp.Expr:
    """The quantiser of equation (8)."""
    return Round(n * v) / n


# --- section 3.3: weights --------------------------------------------------------------------------------


def _tanh(v: sp.Expr) -> sp.Expr:
    return (sp.exp(2 * v) - 1) / (sp.exp(2 * v) + 1)


def _weights() -> tuple[AnyClaim, ...]:
    return (
        Definition(
            "5",
            "Clamped weights",
            r"\widetilde{W}_{ij} = \frac{1}{2} \left(\frac{\tanh(W_{ij})}{\max_{r,s} |\tanh(W_{rs})|} + 1 \right)",
            (
                "It lies between 0 and 1 and attains 0 or 1 at the weight of largest size; (6) is odd in W.",
                "Compared with (6), which undoes the shift, and with (8), which needs a number between 0 and 1: "
                "consistent.",
                "A layer whose weights are all zero has no clamped weights: 0/0.",
            ),
        ),
        Observation(
            "P1",
            "Clamping contracts large weights and makes the weights more uniform",
            r"\widetilde{W}_{ij} \text{ is distributed more uniformly in } [0, 1]",
            _uniformity,
        ),
        Claim(
            "6",
            "Effective weights: clamped ones brought back to between -1 and 1",
            r"\widehat{W}_{ij} = 2\widetilde{W}_{ij} - 1",
            sp.Mul(2, (_tanh(w) / largest + 1) / 2, evaluate=False) - 1,
            Derivation.begin(_tanh(w) / largest, Domain({w: sp.S.Reals, largest: _POSITIVE})),
            defines=True,
            assumptions=("M is the largest size of tanh(W) in the layer; with (5).",),
        ),
        Observation(
            "P2",
            "For many neurons clamping multiplies the variance of the weights by tens",
            r"\mathbb{VAR}[\widehat{W}] / \mathbb{VAR}[W] \sim \text{tens}",
            _tens,
        ),
        Observation(
            "Fig 2a",
            "Variance of clamped over original weights, against the number of neurons",
            r"\mathbb{VAR}[\widehat{W}] / \mathbb{VAR}[W] \text{ against the number of neurons}",
            _ratio_by_neurons,
        ),
        Definition(
            "7",
            "Constant rescaling of clamped weights",
            r"W_{ij}^* = \frac{1}{\sqrt{\widehat{n}\mathbb{VAR}[\widehat{W}_{rs}]}}\widehat{W}_{ij}",
            (
                "VAR is by the text the mean square of the elements, not that around their mean: P3 holds for that "
                "reading only.",
                "Compared with (S6), the variance 1/n^ of the original weights, which is restored in expectation, and "
                "with (S23) in Fig S4.",
                "n^ is the number of output channels times the kernel area (S13b); for the last layer it is the number "
                "of classes.",
            ),
        ),
        _restored(
            "P3",
            "Constant rescaling restores the variance 1/n",
            r"\mathbb{VAR}[W_{rs}^*] = \frac{1}{\widehat{n}}",
            ("Stated in words; VAR is the mean square.", "Not all weights are zero."),
        ),
        Definition(
            "8",
            "Rounding to b bits",
            r"q_k(x) = \frac{1}{a} \left\lfloor ax \right\rceil",
            (
                "a = 2^b - 1 steps, 2^b levels; at b = 1, a = 1 and the threshold is 1/2, so (9) is the sign of W.",
                "Compared with (11b), (S24c), (S27) and (S28a): the same rounding with the same a. The k of q_k is "
                "the b of the text.",
                "Ties are left open. a is odd, so a/2 is a tie for every b: a weight 0 becomes 1/a or -1/a in (9), "
                "by the rule for ties (even: -1/a for b = 1, 1/a for b > 1). Other ties have probability zero.",
            ),
        ),
        Definition(
            "9",
            "Quantised weights",
            r"Q_{ij} = 2q_k(\widetilde{W}_{ij}) - 1",
            (
                "The levels are (2 r - a)/a, r = 0, ..., a: symmetric, and zero is not one of them; b = 1 gives the "
                "binary weights -1 and 1.",
                "Compared with (6), of which it is the rounded form, with (10) and with the Q of (S28a): consistent.",
            ),
        ),
        Observation(
            "P4",
            "Above 3 bits quantised weights have nearly the variance of clamped ones, at 1 and 2 bits not",
            r"\mathbb{VAR}[Q] \approx \mathbb{VAR}[\widehat{W}] \text{ for } b > 3",
            _bits,
        ),
        Definition(
            "10",
            "Constant rescaling of quantised weights",
            r"Q_{ij}^* = \frac{1}{\sqrt{n_{\text{out}} \mathbb{VAR}[Q_{rs}]}} Q_{ij}",
            (
                "It is (7) for Q, and P3 holds for it with n_out in the place of n^: the mean square is 1/n_out.",
                "n_out is not introduced. Where it is the number of outputs that (7) calls n^, the two agree; if it "
                "were the number of output channels, a 3x3 convolution would get a 9 times larger variance than by "
                "(7). For the fully-connected layer there is no difference.",
                "For b = 1, Q is -1 or 1 and the factor is 1/sqrt(n_out) without any statistics.",
            ),
            sources=("jin2019 (7)",),
        ),
        _positive_factor(),
    )


def _restored(
    label: str, about: str, printed: str, assumptions: tuple[str, ...], of_originals: bool = False
) -> Claim:
    """Mean square of rescaled weights."""
    here = sp.Sum(weights[k] ** 2, (k, 1, size)) / size
    original = sp.Sum(originals[k] ** 2, (k, 1, size)) / size
    aim = original if of_originals else 1 / n_out
    entries = (weights, originals) if of_originals else (weights,)
    sets = {size: _NATURAL, **({} if of_originals else {n_out: _POSITIVE})}
    domain = Domain(
        {**sets, **dict.fromkeys(entries, sp.Interval(-sp.oo, sp.oo))},
        lengths=dict.fromkeys(entries, size),
    )
    rescaled = sp.Sum((weights[j] * sp.sqrt(aim / here)) ** 2, (j, 1, size)) / size
    return Claim(label, about, printed, aim, Derivation.begin(rescaled, domain), assumptions=assumptions)


def _positive_factor() -> Claim:
    scale = sp.Symbol("c", positive=True)
    bias = sp.Symbol("bias", real=True)
    domain = Domain({scale: _POSITIVE, product: sp.S.Reals, bias: sp.S.Reals})
    return Claim(
        "P5",
        "The scaling factor of the last layer can be discarded after training if the bias is modified",
        r"c\,(Qx)_i + b_i = c \left((Qx)_i + \frac{b_i}{c}\right)",
        scale * (product + bias / scale),
        Derivation.begin(scale * product + bias, domain),
        assumptions=(
            "Stated in words; c is the factor of (10).",
            "The class of the largest logit is kept, since c > 0; the logits are divided by c, so the "
            "confidences change.",
        ),
    )


def _uniformity(seed: int) -> tuple[str, ...]:
    """How clamped Gaussian weights at initialisation are spread."""
    found = []
    for neurons in (10, 100, 1000):
        draws = np.random.default_rng(seed).standard_normal(neurons * 512) / neurons**0.5
        clamped = dorefa.clamp(draws)
        top = float(np.abs(np.tanh(draws)).max())
        kurtosis = float((clamped**4).mean() / (clamped**2).mean() ** 2)
        inside = float((np.abs(clamped) < 0.5).mean())
        found.append(
            f"n = {neurons}, 512 x n Gaussian weights of variance 1/n: (6) has slope {1 / top:.2f} at zero and "
            f"{(1 - top**2) / top:.2f} at the largest weight; kurtosis {kurtosis:.2f} after clamping (a normal law has "
            f"3, a uniform one 1.8); {inside:.1%} lie in the middle half of the interval (uniform: 50 %)"
        )
    return (
        *found,
        "The slope (1 - M^2)/M at the largest weight is below 1 only where M = max |tanh W| > (sqrt(5) - 1)/2, so "
        "W > 0.72: a wide layer at initialisation is multiplied by a constant and keeps its bell shape. The trained "
        "weights of the paper were not available.",
    )


def _tens(seed: int) -> tuple[str, ...]:
    heads = (("CIFAR10", 10), ("CIFAR100", 100), ("ImageNet", 1000))
    found = []
    for name, neurons in heads:
        ratio = dorefa.clamping_ratio(neurons**-0.5, neurons * 1280)
        sampled = dorefa.measured_clamping_ratio(neurons**-0.5, neurons * 1280, 5, seed=seed)
        found.append(
            f"last layer for {name}, {neurons} x 1280 weights: expected ratio {ratio:.4g}; five sampled layers "
            f"{_with_error(sampled)}"
        )
    return (
        *found,
        "True for large n, and only there: the ratio is about n/E max^2, and E max^2 grows with log N.",
    )


def _with_error(estimate: Estimate) -> str:
    return f"{estimate.value:.4g} +- {estimate.standard_error:.1g}"


def _ratio_by_neurons(seed: int) -> tuple[str, ...]:
    found = []
    for neurons, layers in ((10, 2000), (30, 400), (100, 100), (300, 20), (1000, 8)):
        count, deviation = neurons**2, neurons**-0.5
        places, shares = dorefa.largest(count)
        leading = neurons / float(shares @ places**2)
        exact = dorefa.clamping_ratio(deviation, count)
        sampled = dorefa.measured_clamping_ratio(deviation, count, layers, seed=seed)
        spread = sampled.standard_error * layers**0.5
        found.append(
            f"n = {neurons}, n x n weights of variance 1/n: expected ratio {exact:.5g} (exact integral over the law of "
            f"the maximum), n/E max^2 = {leading:.5g}; {layers} sampled layers {_with_error(sampled)}, one layer "
            f"differs by {spread:.2g}"
        )
    return (*found, "The shape of the weight matrices of the figure is not printed; n x n was taken.")


def _bits(seed: int) -> tuple[str, ...]:
    return (
        *_spread_by_bits(1000, seed),
        "The excess is about (2/a)^2/12 over the mean square of the clamped weights: a quarter for each bit. True as "
        "stated; 3 bits lie in between.",
    )


def _spread_by_bits(neurons: int, seed: int) -> tuple[str, ...]:
    """Ratio of standard deviations, derived and measured."""
    deviation, count, bits = neurons**-0.5, neurons**2, range(1, 9)
    layers = max(4, 10**5 // count)
    sampled = dorefa.measured_quantisation_ratios(deviation, count, bits, layers, seed=seed)
    return tuple(
        f"n = {neurons}, {number} bits: standard deviation of Q over that of W^ "
        f"{dorefa.quantisation_ratio(deviation, count, number):.5f} expected, {estimate.value:.5f} +- "
        f"{estimate.standard_error:.1g} in {layers} sampled layers"
        for number, estimate in zip(bits, sampled, strict=True)
    )


def _spread_by_channels(seed: int) -> tuple[str, ...]:
    channels = (64, 256, 1024)
    one_bit = [dorefa.quantisation_ratio(c**-0.5, c**2, 1) for c in channels]
    return (
        *(line for c in channels for line in _spread_by_bits(c, seed)),
        "Approximation of the expectation: given the largest weight, mean squares are replaced by their expectation "
        "(an error of order 1/N). n x n weights of variance 1/n were taken.",
        "Similar for different channel numbers, but not equal: at 1 bit the ratio is the largest weight in standard "
        f"deviations, {', '.join(f'{r:.2f}' for r in one_bit)} for {', '.join(map(str, channels))} channels; from 4 "
        "bits on all are below 1.02.",
    )


# --- section 3.4 and S4: activations -----------------------------------------------------------------------


def _activations() -> tuple[AnyClaim, ...]:
    return (
        _clip("11a", ("jin2019 (S24a)",)),
        _quantised("11b", ("jin2019 (S24c)",)),
        _rule("12", ("jin2019 (S25)",)),
        Claim(
            "13",
            "Gradient of the quantised activation in the clipping level",
            r"\frac{\partial q}{\partial \alpha} = \begin{cases} q_k \left(\frac{\tilde{x}}{\alpha}\right) - "
            r"\frac{\tilde{x}}{\alpha} & x < \alpha\\ 1 & x > \alpha \end{cases}",
            _two_branches(_q(clip() / alpha) - clip() / alpha, sp.S.One),
            from_catalogue("pact.grad_alpha", OFF_THE_KINKS),
            experiment=_gradient_trials,
            assumptions=(_NO_VALUE, "At x < 0 both terms of the first branch are zero."),
            sources=("jin2019 (S26f)",),
        ),
        Observation(
            "P6",
            "The quantisation error in the gradient matters for low precision only",
            r"q_k\left(\frac{\tilde{x}}{\alpha}\right) \approx \frac{\tilde{x}}{\alpha}",
            _gradient_error,
        ),
    )


_NO_VALUE = "x = alpha is in neither branch as printed; there the one-sided derivatives in alpha are 0 and 1."


def _clip(label: str, sources: tuple[str, ...]) -> Claim:
    return Claim(
        label,
        "The clip to (0, alpha), with absolute values",
        r"\widetilde{x} = \frac{1}{2} \Big[|x| - |x - \alpha| + \alpha \Big]",
        clip(),
        Derivation.begin(sp.Piecewise((0, x < 0), (x, x <= alpha), (alpha, True)), pact.EVERYWHERE),
        assumptions=("Clipping to an interval is the nearest number of it.",),
        sources=sources,
    )


def _quantised(label: str, sources: tuple[str, ...]) -> Claim:
    return Claim(
        label,
        "The quantised activation",
        r"q = \alpha q_k \left(\frac{\widetilde{x}}{\alpha}\right)",
        alpha * _q(clip() / alpha),
        from_catalogue("pact.quantised", pact.EVERYWHERE),
        defines=True,
        assumptions=("Compared with the definition of the package, piece by piece.",),
        sources=sources,
    )


def _rule(label: str, sources: tuple[str, ...]) -> Claim:
    return Claim(
        label,
        "The straight-through rule",
        r"q_k'(x) := 1",
        sp.S.One,
        Derivation.begin(StraightThrough(_q(u), u), Domain({u: sp.Interval(0, 1), b: _NATURAL})),
        defines=True,
        assumptions=("A rule, not a fact: the derivative of rounding is 0 almost everywhere.",),
        sources=sources,
    )


def _two_branches(below: sp.Expr, above: sp.Expr) -> sp.Piecewise:
    """As printed: strict on both sides."""
    return sp.Piecewise((below, x < alpha), (above, x > alpha))


def _gradient_trials(seed: int) -> list[Trial]:
    rng = np.random.default_rng(seed)
    trials = []
    for bits, level in ((1, 0.75), (2, 1.5), (4, 3.0)):
        for place in rng.uniform(-level, 2 * level, 3):
            found = measured_pact.grad_alpha(float(place), level, bits)
            trials.append(Trial(exact_point({x: float(place), alpha: level, b: bits}), found))
    return trials


def _gradient_error(seed: int) -> tuple[str, ...]:
    found = []
    for bits in (1, 2, 4, 8):
        measured = measured_pact.largest_difference(1.5, bits, points=100)
        bound = find("pact.difference_bound").evaluate(6, b=bits, alpha=1.5)
        inputs = np.random.default_rng(seed).uniform(0, 1, 10**5)
        error = np.rint((2**bits - 1) * inputs) / (2**bits - 1) - inputs
        found.append(
            f"{bits} bits: the two gradients differ by at most {bound} ({measured:.6f} on a grid), by "
            f"{np.sqrt((error**2).mean()):.2g} in root mean square and {error.mean():.1g} on average for x uniform on "
            "(0, alpha); the gradient of a clipped activation is 1"
        )
    return (*found, "Whether 1/30 at 4 bits harms training only training shows; ImageNet was not run.")


def _clip_and_gradient() -> tuple[AnyClaim, ...]:
    """S4, line by line; each line is held against the derivative itself."""
    error = _q(clip() / alpha)
    product_rule = alpha * clip() * (-1 / alpha**2)

    def line(label: str, about: str, printed: str, right: sp.Expr, **more: Any) -> Claim:
        truth = from_catalogue("pact.grad_alpha", OFF_THE_KINKS)
        return Claim(label, about, printed, right, truth, **more)

    return (
        _clip("S24a", ("jin2019 (11a)",)),
        Claim(
            "S24b",
            "The clip, piece by piece",
            r"\widetilde{x} = \begin{cases} 0 & x < 0 \\ x & 0 < x < \alpha \\ \alpha & x > \alpha \end{cases}",
            sp.Piecewise((0, x < 0), (x, (x > 0) & (x < alpha)), (alpha, x > alpha)),
            from_catalogue("pact.clip", OFF_THE_KINKS),
            assumptions=(
                "x = 0 and x = alpha are in no branch as printed; the clip is continuous there, so either branch "
                "beside may be taken.",
            ),
        ),
        _quantised("S24c", ("jin2019 (11b)",)),
        _rule("S25", ("jin2019 (12)",)),
        Definition(
            "S26a",
            "Gradient in alpha",
            r"\text{lost in the text copy}",
            ("By its place it is the derivative of (S24c) in alpha, which (S26b)-(S26f) are held against.",),
        ),
        line(
            "S26b",
            "Gradient in alpha: chain rule and straight-through rule",
            r"\frac{\partial q}{\partial \alpha} = q_k\left(\frac{x}{\alpha}\right) + \alpha \cdot 1 \cdot "
            r"\frac{\partial}{\partial \alpha}\left(\frac{x}{\alpha}\right)",
            _q(x / alpha) + alpha * sp.Derivative(x / alpha, alpha),
            cause=Cause.EXTRACTION,
            consequence=_lost_tilde,
            experiment=_gradient_trials,
            assumptions=(
                "The line before it, (S26a), is lost in the text copy: by its place it is the derivative of (S24c).",
                "In the text copy x stands without the tilde that it has in (S24c) and from (S26c) on; whether it does so in "
                "print cannot be seen from the copy.",
            ),
        ),
        line(
            "S26c",
            "Gradient in alpha: product rule",
            r"\frac{\partial q}{\partial \alpha} = q_k\left(\frac{\widetilde{x}}{\alpha}\right) + \alpha \cdot "
            r"\frac{1}{\alpha}\frac{\partial\widetilde{x}}{\partial\alpha} + "
            r"\alpha\widetilde{x}\left(-\frac{1}{\alpha^2}\right)",
            error + StraightThrough(clip(), alpha) + product_rule,
        ),
        line(
            "S26d",
            "Gradient in alpha: the derivative of the clip put in",
            r"\frac{\partial q}{\partial \alpha} = \begin{cases} q_k\left(\frac{\tilde{x}}{\alpha}\right) + \alpha "
            r"\cdot \frac{1}{\alpha} \cdot 0 + \alpha \tilde{x}\left(-\frac{1}{\alpha^2}\right) & x < \alpha\\ "
            r"q_k\left(\frac{\tilde{x}}{\alpha}\right) + \alpha \cdot \frac{1}{\alpha} \cdot 1 + \alpha "
            r"\tilde{x}\left(-\frac{1}{\alpha^2}\right) & x > \alpha \end{cases}",
            _two_branches(error + product_rule, error + 1 + product_rule),
            assumptions=(_NO_VALUE,),
        ),
        line(
            "S26e",
            "Gradient in alpha: the values of the clip put in",
            r"\frac{\partial q}{\partial \alpha} = \begin{cases} q_k\left(\frac{\tilde{x}}{\alpha}\right) - "
            r"\frac{\tilde{x}}{\alpha} & x < \alpha\\ 1 + \alpha \cdot \frac{1}{\alpha} \cdot 1 + \alpha \cdot \alpha "
            r"\cdot \left(-\frac{1}{\alpha^2}\right) & x > \alpha \end{cases}",
            _two_branches(error - clip() / alpha, 1 + alpha * (1 / alpha) + alpha * alpha * (-1 / alpha**2)),
            assumptions=(_NO_VALUE,),
        ),
        line(
            "S26f",
            "Gradient of the quantised activation in the clipping level",
            r"\frac{\partial q}{\partial \alpha} = \begin{cases} q_k\left(\frac{\tilde{x}}{\alpha}\right) - "
            r"\frac{\tilde{x}}{\alpha} & x < \alpha\\ 1 & x > \alpha \end{cases}",
            _two_branches(error - clip() / alpha, sp.S.One),
            assumptions=(_NO_VALUE,),
            sources=("jin2019 (13)",),
        ),
    )


def _lost_tilde() -> str:
    level, bits, place = 1.5, 2, 4.0
    steps = 2**bits - 1
    printed = np.rint(steps * place / level) / steps - place / level
    true = measured_pact.grad_alpha(place, level, bits)
    return (
        "With x as it stands a clipped activation would hand alpha the rounding error of x/alpha and not 1: at x = "
        f"{place:g}, alpha = {level:g}, {bits} bits {printed:.4f} and not {true:g}. Between 0 and alpha nothing "
        "changes. The next line has the tilde, and (13) follows from that: no conclusion changes."
    )


# --- S1.2 and S1.3: measurement, and the independence assumption -----------------------------------------------


def _measurement() -> tuple[AnyClaim, ...]:
    kernel, n_in, n_next = sp.symbols("k_pool n_l n_next", positive=True)
    here, above, gradient, gradient_above = sp.symbols("V_l V_next G_l G_next", positive=True)
    domain = Domain(dict.fromkeys((kernel, n_in, n_next, here, above, gradient, gradient_above), _POSITIVE))
    multiple = 1 / kernel**2 * (n_next * above) / (n_in * here) * gradient_above
    solved = sp.Mul(gradient, sp.Pow(multiple, -1, evaluate=False), evaluate=False)  # as (S15) gives it
    return (
        Observation(
            "Fig S1",
            "The sigmoid and its derivative: logits should be well below 1",
            r"\sigma(x) \text{ and } \sigma'(x)",
            _sigmoid,
        ),
        Table(
            "Tab S1.1",
            "kappa_0 of the original last layers",
            r"\kappa_0^{\mathrm{vanilla}} = 0.01,\; 0.04,\; 0.02,\; 0.026",
            tuple(
                (name, printed, Derivation.begin(_kappa(inputs), Domain({})))
                for name, inputs, printed, _ in _HEADS
            ),
            assumptions=("By (S7) with (S6): n_L/(1000 * 7^2).",),
        ),
        Observation(
            "Tab S1.2",
            "kappa_0 of the clamped last layers",
            r"\kappa_0^{\mathrm{clamp}} = 0.5,\; 2,\; 1,\; 1.3",
            _clamped_heads,
        ),
        Definition(
            "S17a",
            "kappa_0 as it is measured",
            r"\kappa_0 := \frac{1}{(k_{L-1}^{\text{pool}})^2} \cdot n_L \mathbb{VAR}[W_{ij}^{(L)}]",
            (
                "It is (S7) with W for the effective weight, as holds for the vanilla network that is measured; it is "
                "the right side of (S4), so (S5) says that it is small.",
                "At initialisation it has the values of Tab S1.1.",
            ),
            sources=("jin2019 (S7)",),
        ),
        Claim(
            "S17b",
            "kappa_1 as it is measured",
            r"\kappa_1^{(l)} := (k_l^{\text{pool}})^2 \cdot \frac{n_l \mathbb{VAR}[W_{ij}^{(l)}]}{\hat{n}_{l+1} "
            r"\mathbb{VAR}[W_{ij}^{(l+1)}]} \cdot \frac{\mathbb{VAR}[\partial_{W_{ij}^{(l)}}\mathcal{L}]}"
            r"{\mathbb{VAR}[\partial_{W_{ij}^{(l+1)}}\mathcal{L}]}",
            kernel**2 * (n_in * here) / (n_next * above) * (gradient / gradient_above),
            Derivation.begin(solved, domain),
            defines=True,
            assumptions=("Compared with (S15), solved for kappa_1, with W for the effective weight.",),
            sources=("jin2019 (S15)",),
        ),
    )


_HEADS = (
    ("ResNet-18", 512, "0.01", "0.5"),
    ("ResNet-50", 2048, "0.04", "2"),
    ("MobileNet-V1", 1024, "0.02", "1"),
    ("MobileNet-V2", 1280, "0.026", "1.3"),
)
"""Model, inputs of the last layer, kappa_0 without and with clamping as printed."""


def _kappa(inputs: int) -> sp.Rational:
    return sp.Rational(inputs, 1000) / 7**2


def _clamped_heads(_: int) -> tuple[str, ...]:
    found, ends = [], []
    for name, inputs, _vanilla, printed in _HEADS:
        kappa = float(_kappa(inputs))
        half = 10.0 ** -len(printed.partition(".")[2]) / 2
        ends.append(((float(printed) - half) / kappa, (float(printed) + half) / kappa))
        ratio = dorefa.clamping_ratio(1000**-0.5, 1000 * inputs)
        found.append(f"{name}: expected {ratio * kappa:.3g} (ratio {ratio:.3g}), printed {printed}")
    low, high = max(e[0] for e in ends), min(e[1] for e in ends)
    chances = [dorefa.chance_of_clamping_ratio(low, 1000**-0.5, 1000 * inputs) for _, inputs, _, _ in _HEADS]
    few = dorefa.clamping_ratio(1000**-0.5, 10**5)
    return (
        *found,
        f"The four printed numbers are kappa_0 without clamping times one ratio between {low:.3g} and {high:.3g}, by "
        "the text read off Fig 2a at 1000 neurons, where one sampled layer is plotted.",
        f"At 1000 neurons that is the expected ratio of about 1e5 weights ({few:.3g}), fewer than these layers have.",
        f"A layer of these sizes has a ratio of at least {low:.3g} with probability "
        f"{', '.join(f'{c:.2g}' for c in chances)}: the printed row overestimates by 10 to 25 %. The conclusion, that "
        "clamping makes kappa_0 of order 1, is the same: all are above the 0.1 that the document finds adequate.",
    )


def _sigmoid(_: int) -> tuple[str, ...]:
    def slope(v: float) -> float:
        return float(expit(v) * expit(-v))

    values = ", ".join(f"{slope(v):.4f} at {v:g}" for v in (0.0, 0.5, 1.0, 2.0, 5.0))
    return (
        f"The derivative of the sigmoid is {values}.",
        f"At x = 1 it still has {slope(1) / slope(0):.0%} of its largest value, at x = 2 {slope(2) / slope(0):.0%}: "
        "the curve asks for a scale of a few at most; that it should be well below 1 is stricter than what it shows.",
    )


def _mean(f: sp.Expr, index: sp.Symbol) -> sp.Expr:
    """Expectation over finitely many outcomes of X, which may have any probabilities."""
    total = sp.Sum(probability[index], (index, 1, outcomes))
    return sp.Sum(probability[index] * f, (index, 1, outcomes)) / total


def _outcomes() -> Domain:
    entries = {U: sp.S.Reals, V: sp.S.Reals, probability: _POSITIVE}
    return Domain({outcomes: sp.Range(2, sp.oo), **entries}, lengths=dict.fromkeys(entries, outcomes))


class Noise(Abbreviation):
    """A random number minus its mean, at one outcome."""

    def __new__(cls, numbers: sp.IndexedBase, index: sp.Symbol) -> Any:
        return super().__new__(cls, numbers, index)

    def unfolded(self) -> sp.Expr:
        """The difference."""
        numbers, index = self.args
        return numbers[index] - _mean(numbers[k], k)


def _independence() -> tuple[AnyClaim, ...]:
    """U and V are functions of X, which has finitely many values: ``U[j]`` is u at the j-th."""
    function = (
        "Both are functions of one X, so they are dependent unless one is constant: (S21) and (S22c) do not follow "
        "from independence but from small noise.",
    )
    noise = (
        "It defines the noise, whose mean is zero; (S20c) uses that.",
        "That the noise is small is used in (S21), (S22b) and (S22c) only.",
    )
    mean_u, mean_v = _mean(U[k], k), _mean(V[k], k)
    du, dv = Noise(U, j), Noise(V, j)
    first = _mean((mean_u + du) * (mean_v + dv), j)
    noise_u, noise_v = _mean(du, j), _mean(dv, j)
    second = mean_u * mean_v + mean_u * noise_v + noise_u * mean_v + _mean(du * dv, j)
    third = mean_u * mean_v + _mean(du * dv, j)
    domain = _outcomes()
    finite = ("X has finitely many values, with any probabilities.",)
    whole = Derivation.begin(_mean(U[j] * V[j], j), domain)
    square = _mean((U[j] * V[j]) ** 2, j)
    deviation = _mean((U[j] * V[j] - _mean(U[k] * V[k], k)) ** 2, j)
    return (
        Definition("S18a", "A function of a random number", "U = u(X)", function),
        Definition("S18b", "Another function of it", "V = v(X)", function),
        Definition("S19a", "Mean and noise of U", r"U = \mathbb{E}[U] + \delta U", noise),
        Definition("S19b", "Mean and noise of V", r"V = \mathbb{E}[V] + \delta V", noise),
        Claim(
            "S20a",
            "Expectation of a product, through means and noise",
            r"\mathbb{E}[UV] = \mathbb{E}[(\mathbb{E}[U] + \delta U)(\mathbb{E}[V] + \delta V)]",
            first,
            whole,
            assumptions=finite,
        ),
        Claim(
            "S20b",
            "That expectation multiplied out",
            r"\mathbb{E}[UV] = \mathbb{E}[U]\mathbb{E}[V] + \mathbb{E}[U]\mathbb{E}[\delta V] + "
            r"\mathbb{E}[\delta U]\mathbb{E}[V] + \mathbb{E}[\delta U \delta V]",
            second,
            Derivation.begin(first, domain),
            assumptions=finite,
        ),
        Claim(
            "S20c",
            "The noise has mean zero",
            r"\mathbb{E}[UV] = \mathbb{E}[U]\mathbb{E}[V] + \mathbb{E}[\delta U \delta V]",
            third,
            Derivation.begin(second, domain),
            assumptions=finite,
        ),
        _small_noise(),
        Claim(
            "S22a",
            "Variance of a product",
            r"\mathbb{VAR}[UV] = \mathbb{E}[U^2 V^2] - (\mathbb{E}[UV])^2",
            square - _mean(U[k] * V[k], k) ** 2,
            Derivation.begin(deviation, domain),
            assumptions=finite,
        ),
        *_variance_of_product(),
        _centred(domain, finite),
        Observation(
            "P7",
            "The independence property as the derivations use it",
            r"\mathbb{VAR}[UV] \approx \mathbb{VAR}[U]\mathbb{E}[V^2]",
            _independence_in_a_network,
        ),
    )


def _centred(domain: Domain, finite: tuple[str, ...]) -> Claim:
    """S22d: for any sequence U, ``U - E U`` is a random number of mean zero."""
    centred, squares = Noise(U, j), _mean(V[j] ** 2, j)
    mean_of_centred = _mean(Noise(U, i), i)
    return Claim(
        "S22d",
        "The mean square of a centred number is its variance",
        r"\mathbb{E}[U^2]\mathbb{E}[V^2] = \mathbb{VAR}[U]\mathbb{E}[V^2]",
        _mean((centred - mean_of_centred) ** 2, j) * squares,
        Derivation.begin(_mean(centred**2, j) * squares, domain),
        assumptions=(*finite, "E U = 0: U is written as any random number minus its mean."),
    )


def _gaussian_moments(expr: sp.Expr) -> tuple[sp.Expr, FundamentalTheorem]:
    """Every expectation over z in the expression, by antiderivatives."""

    def primitive(degree: int) -> sp.Expr:
        if degree == 0:
            return Phi(z)
        if degree == 1:
            return -phi(z)
        return -(z ** (degree - 1)) * phi(z) + (degree - 1) * primitive(degree - 2)

    pairs = []
    for integral in sorted(expr.atoms(sp.Integral), key=sp.default_sort_key):
        polynomial = sp.Poly(sp.expand(integral.function / phi(z)), z)
        pairs.append((integral, sp.Add(*[c * primitive(d) for (d,), c in polynomial.terms()])))
    theorem = FundamentalTheorem(*pairs)
    return sp.expand(theorem.apply(expr)), theorem


def _average(function: sp.Expr) -> sp.Integral:
    return sp.Integral(function * phi(z), (z, -sp.oo, sp.oo))


_SMALL_NOISE = (
    "U = E U + X/s and V = E V + rho X/s, X standard normal: any smooth u and v to first order in small noise, of size "
    "1/s."
)


def _small_noise() -> Claim:
    definition = _average((mu + z / snr) * (nu + rho * z / snr))
    value, theorem = _gaussian_moments(definition)
    domain = Domain({mu: _POSITIVE, nu: _POSITIVE, rho: sp.S.Reals, snr: _POSITIVE})
    return Claim(
        "S21",
        "Expectation of a product of dependent numbers, noise neglected",
        r"\mathbb{E}[UV] \approx \mathbb{E}[U]\mathbb{E}[V]",
        mu * nu,
        Derivation.begin(definition, domain).step("moments of a normal law", value, by=theorem),
        approximation=Approximation({mu: 1, nu: 1, rho: 1, snr: 10}, snr),
        consequence=lambda: (
            "The error is the covariance, of second order in the noise relative to the means. Where E U = 0, as for "
            "weights and gradients, the printed value is 0 and the covariance is all there is."
        ),
        assumptions=(_SMALL_NOISE,),
    )


def _variance_of_product() -> tuple[Claim, Claim]:
    """S22b and S22c, held against the variance itself, for U of mean zero."""
    first, second = z / snr, nu + rho * z / snr
    definition = _average((first * second) ** 2) - _average(first * second) ** 2
    value, theorem = _gaussian_moments(definition)
    square, _ = _gaussian_moments(_average((first * second) ** 2))
    squares, _ = _gaussian_moments(_average(first**2) * _average(second**2))
    domain = Domain({nu: _POSITIVE, rho: sp.S.Reals, snr: _POSITIVE})
    truth = Derivation.begin(definition, domain).step("moments of a normal law", value, by=theorem)
    sense = Approximation({nu: 1, rho: 1, snr: 10}, snr)
    assumptions = (_SMALL_NOISE, "E U = 0, E V > 0; the expectations of the printed side are put in.")
    return (
        Claim(
            "S22b",
            "Variance of a product, the squared mean neglected",
            r"\mathbb{VAR}[UV] \approx \mathbb{E}[U^2 V^2]",
            square,
            truth,
            approximation=sense,
            consequence=lambda: (
                "With E U = 0 the neglected (E UV)^2 is the squared covariance. Where E V = 0 too it is not small: for "
                "U = V = X the variance is 2 and the printed side 3, whatever the size of the noise."
            ),
            assumptions=assumptions,
        ),
        Claim(
            "S22c",
            "Variance of a product, as for independent numbers",
            r"\mathbb{VAR}[UV] \approx \mathbb{E}[U^2]\mathbb{E}[V^2]",
            squares,
            truth,
            approximation=sense,
            consequence=_dependent,
            assumptions=assumptions,
        ),
    )


def _dependent() -> str:
    draws = np.random.default_rng(0).standard_normal(10**6)
    parts = []
    for tilt in (0.1, 0.5, 1.0):
        other = 1 + tilt * draws
        ratio = float((draws * other).var() / (other**2).mean())
        exact = (1 + 2 * tilt**2) / (1 + tilt**2)
        parts.append(f"{exact:.4f} (measured {ratio:.4f}) for V = 1 + {tilt:g} X")
    ratio = float((draws * draws).var() / (draws**2).mean())
    return (
        "True over printed for U = X: "
        + ", ".join(parts)
        + f"; for V = X, where E V = 0, it is 2 (measured {ratio:.3f}) and no small noise helps: an underestimate by a "
        "constant factor, which does not compound since it is of order 1 in the empirical kappa of each layer."
    )


def _independence_in_a_network(seed: int) -> tuple[str, ...]:
    """Gradients and activations at the last layer of a small classifier, at the start and after training."""
    rng = np.random.default_rng(seed)
    inputs, teacher = rng.standard_normal((512, 32)), rng.standard_normal((32, 10))
    classes = (inputs @ teacher).argmax(axis=1)
    first = rng.standard_normal((32, 128)) * np.sqrt(2 / 32)
    last = rng.standard_normal((128, 10)) / np.sqrt(128)
    found = []
    for step in range(101):
        hidden = np.maximum(inputs @ first, 0.0)
        scores = np.exp(hidden @ last)
        gradient = scores / scores.sum(axis=1, keepdims=True)
        gradient[np.arange(len(inputs)), classes] -= 1
        if step % 50 == 0:
            right = float((scores.argmax(axis=1) == classes).mean())
            found.append(f"after {step} steps ({right:.0%} right) {_dependence(gradient, hidden):.3f}")
        below = (gradient @ last.T) * (hidden > 0)
        last -= 0.5 * hidden.T @ gradient / len(inputs)
        first -= 0.5 * inputs.T @ below / len(inputs)
    return (
        "U the gradient in a logit, V a hidden activation, over 512 examples and all 1280 weights of the last layer; "
        "classifier 32-128-10 with ReLU, fitted by gradient descent: VAR[UV] over VAR[U] E[V^2] is "
        + ", ".join(found)
        + ".",
    )


def _dependence(gradient: Array, hidden: Array) -> float:
    squares = ((gradient**2).mean(axis=1) * (hidden**2).mean(axis=1)).mean()
    mean = (gradient.mean(axis=1) * hidden.mean(axis=1)).mean()
    return float((squares - mean**2) / (gradient.var() * (hidden**2).mean()))


# --- the tables, S2, S3 and S5 --------------------------------------------------------------------------------

_Row = tuple[float, ...]

_BOTH: dict[str, dict[str, _Row]] = {
    "4": {
        "PACT": (70.3, 89.2, 70.4, 89.4),
        "HAQ": (67.40, 87.90, 66.99, 87.33),
        "SAT": (71.3, 89.9, 71.1, 90.0),
    },
    "5": {
        "PACT": (71.1, 89.6, 71.2, 89.8),
        "HAQ": (70.58, 89.77, 70.90, 89.91),
        "SAT": (71.9, 90.3, 72.0, 90.4),
    },
    "6": {
        "PACT": (71.2, 89.2, 71.5, 90.0),
        "HAQ": (71.20, 90.19, 71.89, 90.36),
        "SAT": (72.3, 90.4, 72.3, 90.6),
    },
    "8": {
        "PACT": (71.3, 89.7, 71.7, 89.9),
        "HAQ": (70.82, 89.85, 71.81, 90.25),
        "SAT": (72.6, 90.7, 72.5, 90.7),
    },
    "FP": {"PACT": (72.1, 90.2, 72.1, 90.5), "SAT": (71.7, 90.2, 71.8, 90.2)},
}
_WEIGHTS_ONLY: dict[str, dict[str, _Row]] = {
    "2": {
        "Deep Compression": (37.62, 64.31, 58.07, 81.24),
        "HAQ": (57.14, 81.87, 66.75, 87.32),
        "SAT": (66.3, 86.8, 66.8, 87.2),
    },
    "3": {
        "Deep Compression": (65.93, 86.85, 68.00, 87.96),
        "HAQ": (67.66, 88.21, 70.90, 89.76),
        "SAT": (70.7, 89.5, 71.1, 89.9),
    },
    "4": {
        "Deep Compression": (71.14, 89.84, 71.24, 89.93),
        "HAQ": (71.74, 90.36, 71.47, 90.23),
        "SAT": (72.1, 90.2, 72.1, 90.6),
    },
    "FP": {
        "Deep Compression": (70.90, 89.90, 71.87, 90.32),
        "HAQ": (70.90, 89.90, 71.87, 90.32),
        "SAT": (71.7, 90.2, 71.8, 90.2),
    },
}
_RESNET_BOTH: dict[str, dict[str, _Row]] = {
    "2": {"PACT": (72.2, 90.5), "LQNet": (71.5, 90.3), "LSQ": (73.7, 91.5), "SAT": (74.1, 91.7)},
    "3": {"PACT": (75.3, 92.6), "LQNet": (74.2, 91.6), "LSQ": (75.8, 92.7), "SAT": (76.6, 93.1)},
    "4": {"PACT": (76.5, 93.2), "LQNet": (75.1, 92.4), "LSQ": (76.7, 93.2), "SAT": (76.9, 93.3)},
    "FP": {"PACT": (76.9, 93.1), "LQNet": (76.4, 93.2), "LSQ": (76.9, 93.4), "SAT": (75.9, 92.5)},
}
_RESNET_WEIGHTS_ONLY: dict[str, dict[str, _Row]] = {
    "2": {
        "Deep Compression": (68.95, 88.68),
        "LQNet": (75.1, 92.3),
        "HAQ": (70.63, 89.93),
        "SAT": (75.3, 92.4),
    },
    "3": {"Deep Compression": (75.10, 92.33), "HAQ": (75.30, 92.45), "SAT": (76.3, 93.0)},
    "4": {
        "Deep Compression": (76.15, 92.88),
        "LQNet": (76.4, 93.1),
        "HAQ": (76.14, 92.89),
        "SAT": (76.4, 93.0),
    },
    "FP": {
        "Deep Compression": (76.15, 92.86),
        "LQNet": (76.4, 93.2),
        "HAQ": (76.15, 92.86),
        "SAT": (75.9, 92.5),
    },
}
_ABLATION: dict[str, _Row] = {
    "PACT": (70.3, 89.2, 71.3, 89.7),
    "PACT+SAT": (70.9, 89.5, 72.6, 90.6),
    "PACT+CG": (70.4, 89.3, 71.0, 89.5),
    "PACT+SAT+CG": (71.3, 89.9, 72.6, 90.7),
}
_ENDS: dict[str, tuple[_Row, _Row]] = {
    "4": ((71.3, 89.9), (71.2, 89.8)),
    "5": ((71.9, 90.3), (72.1, 90.3)),
    "6": ((72.3, 90.4), (72.5, 90.5)),
}
"""First and last layer at 8 bits, and at the bits of the others."""

_COLUMNS = ("MobileNet-V1 Acc1", "MobileNet-V1 Acc5", "MobileNet-V2 Acc1", "MobileNet-V2 Acc5")
_IMAGES = 50_000  # of the validation set


def _chance(accuracy: float) -> float:
    """Standard error, in percent, of an accuracy measured on the validation set."""
    return float((accuracy * (100 - accuracy) / _IMAGES) ** 0.5)


def _not_better(table: dict[str, dict[str, _Row]], columns: tuple[str, ...]) -> str:
    """Where the document's method is not strictly better than another at the same size."""
    worse = [
        f"{bits} bits, {columns[c]}: {rows['SAT'][c]} against {row[c]} ({name})"
        for bits, rows in table.items()
        if bits != "FP"
        for name, row in rows.items()
        for c in range(len(columns))
        if name != "SAT" and row[c] >= rows["SAT"][c]
    ]
    text = "Not strictly better than another method: " + ("; ".join(worse) or "nowhere")
    return text + "."


def _from_bits(table: dict[str, dict[str, _Row]], columns: tuple[str, ...]) -> str:
    """From how many bits on the top-1 accuracy is above that of full precision."""

    def first(column: int, full: float) -> str:
        above = [bits for bits, rows in table.items() if bits != "FP" and rows["SAT"][column] > full]
        return f"{above[0]} bits" if above else "no number of bits"

    parts = []
    for c in range(0, len(columns), 2):
        best, by = max((row[c], name) for name, row in table["FP"].items())
        own = table["FP"]["SAT"][c]
        parts.append(
            f"{columns[c]} above its own full-precision run ({own}) from {first(c, own)} on, above the best one of "
            f"the table ({best}, {by}) from {first(c, best)} on"
        )
    return "; ".join(parts) + "."


def _accuracies(
    table: dict[str, dict[str, _Row]], columns: tuple[str, ...]
) -> Callable[[int], tuple[str, ...]]:
    return lambda _: (
        _not_better(table, columns),
        _from_bits(table, columns),
        f"An accuracy of {table['FP']['SAT'][0]} % on {_IMAGES} images has a standard error of "
        f"{_chance(table['FP']['SAT'][0]):.2f} %, and each number is one run.",
        "Only training on ImageNet shows these numbers; nothing was trained.",
    )


def _resnet(seed: int) -> tuple[str, ...]:
    columns = ("Acc1", "Acc5")
    both, weights_only = (_accuracies(t, columns)(seed) for t in (_RESNET_BOTH, _RESNET_WEIGHTS_ONLY))
    return (
        *(f"Weights and activations: {line}" for line in both[:2]),
        *(f"Weights only: {line}" for line in weights_only[:2]),
        *both[2:],
    )


def _ablation(_: int) -> tuple[str, ...]:
    base, sat, cg, full = _ABLATION.values()

    def gains(after: _Row, before: _Row) -> str:
        return ", ".join(f"{a - c:+.1f}" for a, c in zip(after, before, strict=True))

    same = full == (*_BOTH["4"]["SAT"][:2], *_BOTH["8"]["SAT"][:2]) and base == (
        *_BOTH["4"]["PACT"][:2],
        *_BOTH["8"]["PACT"][:2],
    )
    return (
        f"The first and the last row {'are' if same else 'are not'} those of Tab 1.",
        f"SAT alone adds {gains(sat, base)} (4 bits Acc1, Acc5; 8 bits Acc1, Acc5), the calibrated gradient alone "
        f"{gains(cg, base)}, the calibrated gradient on top of SAT {gains(full, sat)}.",
        f"A difference of two runs has a standard error of about {2**0.5 * _chance(71.0):.2f} % if their errors are "
        "independent: that SAT matters more holds at both sizes; that the calibrated gradient helps shows at 4 bits "
        "with SAT, and not at 8 bits, where alone it loses.",
    )


def _first_and_last(_: int) -> tuple[str, ...]:
    same = all(fixed == _BOTH[bits]["SAT"][:2] for bits, (fixed, _own) in _ENDS.items())
    changes = ", ".join(f"{own[0] - fixed[0]:+.1f} at {bits} bits" for bits, (fixed, own) in _ENDS.items())
    return (
        f"The columns with 8 bits {'are' if same else 'are not'} those of Tab 1.",
        f"Acc1 changes by {changes} when the first and last layer are quantised like the others; one run has a "
        f"standard error of {_chance(72.0):.2f} %: no reduction can be seen, at 4 bits either.",
        "Only training shows these numbers; nothing was trained.",
    )


def _tables() -> tuple[Observation, ...]:
    accuracy = "Accuracies on ImageNet"
    return (
        Observation(
            "Tab 1",
            f"{accuracy}, MobileNets, weights and activations quantised",
            r"\text{Acc1, Acc5}",
            _accuracies(_BOTH, _COLUMNS),
        ),
        Observation(
            "Tab 2",
            f"{accuracy}, MobileNets, weights quantised",
            r"\text{Acc1, Acc5}",
            _accuracies(_WEIGHTS_ONLY, _COLUMNS),
        ),
        Observation("Tab 3", f"{accuracy}, ResNet-50", r"\text{Acc1, Acc5}", _resnet),
        Observation(
            "Tab 4",
            f"{accuracy}, MobileNet-V1: which of the two methods helps",
            r"\text{Acc1, Acc5}",
            _ablation,
        ),
    )


def _rescaling() -> tuple[AnyClaim, ...]:
    return (
        Observation(
            "Fig S3",
            "Standard deviation of quantised over that of clamped weights, against bits and channels",
            r"\sqrt{\mathbb{VAR}[Q] / \mathbb{VAR}[\widehat{W}]} \text{ against } b",
            _spread_by_channels,
        ),
        Definition(
            "S23",
            "Rescaling with standard deviation",
            r"W_{ij}^* = \sqrt{\frac{\mathbb{VAR}[W_{rs}]}{\mathbb{VAR}[\widehat{W}_{rs}]}} \widehat{W}_{ij}",
            (
                "VAR is the mean square, as in (7); P8 holds for that reading.",
                "Compared with (7): equal where the mean square of the original weights is 1/n^, which by (S6) is so "
                "at initialisation up to chance (Fig S4); in training it follows the original weights, (7) does not.",
            ),
        ),
        _restored(
            "P8",
            "It gives the effective weights the variance of the original ones",
            r"\mathbb{VAR}[W_{rs}^*] = \mathbb{VAR}[W_{rs}]",
            ("Stated in words; VAR is the mean square.", "Not all weights are zero."),
            of_originals=True,
        ),
        Observation(
            "Fig S4",
            "The two rescalings give similar results",
            r"\text{(7) and (S23) in training}",
            _two_rescalings,
        ),
    )


def _two_rescalings(seed: int) -> tuple[str, ...]:
    rng = np.random.default_rng(seed)
    outputs, inputs = 1000, 1280
    draws = rng.standard_normal((outputs, inputs)) / outputs**0.5
    factor = float((outputs * (draws**2).mean()) ** 0.5)
    return (
        f"For sampled weights of variance 1/{outputs} ({outputs} x {inputs}) the weights by (S23) are {factor:.5f} "
        f"times those by (7); by theory 1 +- {(2 * outputs * inputs) ** -0.5:.1g}.",
        "They start equal and part as the mean square of the original weights moves, so similar curves are what one "
        "expects. Only training on ImageNet shows the figure; nothing was trained.",
    )


# --- S7: BatchNorm absorbed in the clip ---------------------------------------------------------------------------


def _between(v: sp.Expr, end: sp.Expr) -> sp.Expr:
    """The clipping of equation (11), to (0, end)."""
    return (sp.Abs(v) - sp.Abs(v - end) + end) / 2


@cache
def _affine() -> Domain:
    """Pre-activation ``gamma r + beta`` for gamma of either sign, in the three pieces of its clip."""
    p, g = sp.symbols("p_ g_", positive=True)
    q = sp.Symbol("q_", nonnegative=True)
    sets = {gamma: sp.S.Reals, product: sp.S.Reals, beta: sp.S.Reals, out_level: _POSITIVE, b: _NATURAL}
    before = gamma * product + beta
    pieces: tuple[tuple[Any, sp.Expr, dict[Any, sp.Expr]], ...] = (
        (before < 0, -p, {}),
        ((before >= 0) & (before < out_level), q, {out_level: p + q}),
        (before >= out_level, p + q, {out_level: p}),
    )
    cases = tuple(
        Case(condition & (sign * gamma > 0), {gamma: sign * g, beta: value - sign * g * product, **more})
        for sign in (1, -1)
        for condition, value, more in pieces
    )
    return Domain(sets, (sp.Ne(gamma, 0),), cases=cases)


def _absorbed() -> tuple[Claim, ...]:
    before = gamma * product + beta
    nearest = sp.Min(sp.Max(before, 0), out_level)
    out = out_level * _q(nearest / out_level)
    first = out_level / n * Round(n / out_level * _between(before, out_level))
    second = (
        out_level / n * Round(n / out_level * gamma * _between(product + beta / gamma, out_level / gamma))
    )
    ends = sp.Min(0, out_level / gamma), sp.Max(0, out_level / gamma)
    either = sp.Min(sp.Max(product + beta / gamma, ends[0]), ends[1])
    truth = Derivation.begin(out, _affine()).step(
        "the clip is monotone in its argument: gamma comes out with the ends in order",
        out_level / n * Round(n / out_level * gamma * either),
    )
    folded = "The running statistics of BatchNorm are in gamma_i and beta_i: gamma/sigma and beta - gamma mu/sigma."
    clipping = "clipping(u, 0, c) is (11a) with c for alpha, as the text says."
    return (
        Claim(
            "S27",
            "A quantised activation is an integer multiple of alpha/a",
            r"q = \frac{\alpha}{a} \cdot n",
            alpha / n * Round(n * clip() / alpha),
            from_catalogue("pact.quantised", pact.EVERYWHERE),
            assumptions=("The integer n of the document is round(a x~/alpha).",),
        ),
        Claim(
            "S28a",
            "The quantised activation after BatchNorm",
            r"\widetilde{q} = \frac{\widetilde{\alpha}}{\widetilde{a}} \left\lfloor "
            r"\frac{\widetilde{a}}{\widetilde{\alpha}} \cdot \text{clipping} \left(\gamma_i (Qq)_i + \beta_i, 0, "
            r"\widetilde{\alpha} \right) \right\rceil",
            first,
            Derivation.begin(out, _affine()),
            assumptions=(folded, clipping),
        ),
        Claim(
            "S28b",
            "The scale of BatchNorm taken out of the clip",
            r"\widetilde{q} = \frac{\widetilde{\alpha}}{\widetilde{a}} \left\lfloor "
            r"\frac{\widetilde{a}}{\widetilde{\alpha}} \gamma_i \cdot \text{clipping}\left((Qq)_i + "
            r"\frac{\beta_i}{\gamma_i}, 0, \frac{\widetilde{\alpha}}{\gamma_i} \right) \right\rceil",
            second,
            truth,
            cause=Cause.ALGEBRA,
            consequence=_negative_scale,
            experiment=_absorbed_trials,
            assumptions=(
                folded,
                clipping,
                "gamma_i is any number but 0, as BatchNorm allows: the document says of the factor of (10), not of "
                "gamma_i, that it is positive. For gamma_i > 0 the equation holds.",
            ),
        ),
        *_integers(),
    )


def _integers() -> tuple[Claim, Claim]:
    """S28c and S28d, each from the line before, for gamma of either sign."""
    terms, inputs = sp.IndexedBase("Q", real=True), sp.IndexedBase("n", integer=True)
    in_level, steps = sp.Symbol("alpha_in", positive=True), sp.Symbol("a_in", positive=True)
    multiple = in_level / steps
    sets: dict[Any, sp.Set] = {size: _NATURAL, steps: _NATURAL, b: _NATURAL, inputs: sp.Range(0, 8)}
    sets |= dict.fromkeys((gamma, beta, terms), sp.S.Reals) | dict.fromkeys((out_level, in_level), _POSITIVE)
    domain = Domain(sets, (sp.Ne(gamma, 0),), dict.fromkeys((terms, inputs), size))
    summed = sp.Sum(terms[j] * inputs[j], (j, 1, size))
    of_activations = sp.Sum(terms[j] * (multiple * inputs[j]), (j, 1, size))

    def line(dot: sp.Expr, bias: sp.Expr, end: sp.Expr, factor: sp.Expr) -> sp.Expr:
        return out_level / n * Round(n / out_level * factor * gamma * _between(dot + bias, end))

    before = line(of_activations, beta / gamma, out_level / gamma, sp.S.One)
    after = line(multiple * summed, beta / gamma, out_level / gamma, sp.S.One)
    last = line(summed, beta / gamma / multiple, out_level / gamma / multiple, multiple)
    brackets = (
        "Of the rounding brackets the text copy has kept square ones; rounding is read, as in the lines before.",
        "Held against the line before it, so that the sign of gamma_i does not enter.",
    )
    return (
        Claim(
            "S28c",
            "The input written with integers",
            r"\widetilde{q} = \frac{\widetilde{\alpha}}{\widetilde{a}} \left\lfloor "
            r"\frac{\widetilde{a}}{\widetilde{\alpha}} \gamma_i \cdot \operatorname{clipping}"
            r"\left((\frac{\alpha}{a} Qn)_i + \frac{\beta_i}{\gamma_i}, 0, \frac{\widetilde{\alpha}}{\gamma_i} "
            r"\right) \right\rceil",
            after,
            Derivation.begin(before, domain),
            assumptions=brackets,
        ),
        Claim(
            "S28d",
            "The scale of the input taken out of the clip",
            r"\widetilde{q} = \frac{\widetilde{\alpha}}{\widetilde{a}} \left\lfloor "
            r"\frac{\widetilde{a}}{\widetilde{\alpha}} \frac{\alpha}{a} \gamma_i \cdot \operatorname{clipping}"
            r"\left((Qn)_i + \frac{\beta_i}{\gamma_i} \frac{a}{\alpha}, 0, \frac{\widetilde{\alpha}}{\gamma_i} "
            r"\frac{a}{\alpha} \right) \right\rceil",
            last,
            Derivation.begin(after, domain),
            assumptions=(
                *brackets,
                "alpha/a > 0, so it comes out. One full-precision factor for each channel stays before the rounding, "
                "where BatchNorm and quantiser had two.",
            ),
        ),
    )


def _layer(scale: float, dot: Any, shift: float, level: float, bits: int) -> Any:
    """BatchNorm, clip and rounding, as the layer does it."""
    steps = 2**bits - 1
    return level / steps * np.rint(steps / level * np.clip(scale * dot + shift, 0.0, level))


def _absorbed_trials(seed: int) -> list[Trial]:
    rng = np.random.default_rng(seed)
    trials = []
    for scale in (1.25, -1.25, -0.5):
        dot, shift = (float(v) for v in rng.standard_normal(2))
        point = {gamma: scale, product: dot, beta: shift, out_level: 1.5, b: 3}
        trials.append(Trial(exact_point(point), float(_layer(scale, dot, shift, 1.5, 3))))
    return trials


def _negative_scale() -> str:
    level, bits = 3.0, 4
    dots = np.random.default_rng(0).standard_normal(10**5)
    true = _layer(-1.0, dots, 0.0, level, bits)
    flipped = level - true
    error = float(((flipped - true) ** 2).mean() / (true**2).mean())
    return (
        "For gamma_i < 0 the range of the clip has its ends in the wrong order and (11a) gives the mirror image "
        f"alpha~ - q~: a channel with gamma = -1, beta = 0, alpha~ = {level:g}, {bits} bits and standard normal inputs "
        f"hands on {float(flipped.mean()):.3f} on average and not {float(true.mean()):.3f}, an error of {error:.2g} "
        "times its mean square; with a clamp that lets the upper end win the channel is constant. Channels with "
        "gamma_i > 0 are right. The conclusion stands: with the ends in order, min(0, alpha~/gamma_i) and "
        "max(0, alpha~/gamma_i), BatchNorm is absorbed for either sign; a channel with gamma_i = 0 is a constant."
    )


def claims() -> tuple[AnyClaim, ...]:
    """One claim for each label, in order of appearance."""
    return (
        *_weights(),
        *_activations(),
        *_tables(),
        *_measurement(),
        *_independence(),
        *_rescaling(),
        *_clip_and_gradient(),
        Observation(
            "Tab S2",
            "Accuracies of MobileNet-V1, first and last layer at 8 bits or as the others",
            r"\text{Acc1, Acc5}",
            _first_and_last,
        ),
        *_absorbed(),
    )
