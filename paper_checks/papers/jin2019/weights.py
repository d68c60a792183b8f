"""Section 3.3, S2 and S3: weights by DoReFa, clamped, quantised, rescaled."""

from __future__ import annotations

import numpy as np
import sympy as sp

from derivations import Derivation, Domain
from numeric.experiments import dorefa
from numeric.sampling.estimates import Estimate
from paper_checks.claim import (
    AnyClaim,
    Claim,
    Definition,
    Observation,
)
from paper_checks.papers.jin2019.symbols import (
    NATURAL,
    POSITIVE,
    j,
    k,
    largest,
    n_out,
    originals,
    product,
    size,
    w,
    weights,
)


def _tanh(v: sp.Expr) -> sp.Expr:
    return (sp.exp(2 * v) - 1) / (sp.exp(2 * v) + 1)


def weight_claims() -> tuple[AnyClaim, ...]:
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
            Derivation.begin(_tanh(w) / largest, Domain({w: sp.S.Reals, largest: POSITIVE})),
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
    sets = {size: NATURAL, **({} if of_originals else {n_out: POSITIVE})}
    domain = Domain(
        {**sets, **dict.fromkeys(entries, sp.Interval(-sp.oo, sp.oo))},
        lengths=dict.fromkeys(entries, size),
    )
    rescaled = sp.Sum((weights[j] * sp.sqrt(aim / here)) ** 2, (j, 1, size)) / size
    return Claim(label, about, printed, aim, Derivation.begin(rescaled, domain), assumptions=assumptions)


def _positive_factor() -> Claim:
    scale = sp.Symbol("c", positive=True)
    bias = sp.Symbol("bias", real=True)
    domain = Domain({scale: POSITIVE, product: sp.S.Reals, bias: sp.S.Reals})
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


def rescaling() -> tuple[AnyClaim, ...]:
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
