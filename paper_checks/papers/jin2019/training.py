"""Signals and gradients of the network: equations (1)-(4) and S1-S16.

The document's letters and ours: n_l = n, nhat_{l+1} = n_next, variances of the effective weights V (layer l) and
V_next (layer l + 1), variance of their gradient V_gradient, pooling kernel k, batch size m_B = m, a = beta/gamma.
The activation is a ReLU, the inputs of BatchNorm are normal.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from derivations import Derivation, Domain, find
from derivations import batchnorm as bn
from derivations.machinery.prover import Lemmas
from derivations.relu import a, expectation, gate, relu, z
from numeric.experiments import batchnorm as measured
from numeric.experiments import layers
from numeric.sampling.engine import mean_of
from paper_checks.claim import AnyClaim, Approximation, Cause, Claim, Definition, Observation, Trial
from paper_checks.transcription import exact_point, from_catalogue

# --- symbols -------------------------------------------------------------------------------------------

n, n_next, k = sp.symbols("n n_next k", integer=True, positive=True)
V, V_next, V_gradient = sp.symbols("V V_next V_gradient", positive=True)
n_last, k_last = sp.symbols("n_last k_last", integer=True, positive=True)
V_last = sp.Symbol("V_last", positive=True)
"""Those of the last layer, and of the pooling before it."""
gamma = sp.Symbol("gamma", positive=True)
m, i, x, g = bn.m, bn.i, bn.x, bn.g
p, q = sp.symbols("p q", integer=True, positive=True)


_NATURAL, _POSITIVE = sp.Range(1, sp.oo), sp.Interval.open(0, sp.oo)
_SCALES = {n: _NATURAL, V: _POSITIVE}
_ACTIVATION = {gamma: _POSITIVE, a: sp.S.Reals}
_POOL = {k: _NATURAL}

MEAN, SECOND, OPEN = expectation(relu(z + a)), expectation(relu(z + a) ** 2), expectation(gate(z + a))
_MOMENTS = ("relu.mean", "relu.second_moment", "relu.moment0")

_RELU = "The activation is a ReLU of a normal number; quasi-linear in the words of the document."
_SEMI_QUANTITATIVE = "S1 calls itself semi-quantitative; the equation is printed with =."
_AT_INITIALISATION = "beta = 0, as at initialisation; the activation is a ReLU."
_WEIGHTS = "The weights are independent of each other and of the inputs, and centred."


def _with_moments(definition: sp.Expr, domain: Domain) -> Derivation:
    """The moments of the ReLU in closed form."""
    moments = Lemmas(*(find(name).derivation for name in _MOMENTS))
    begun = Derivation.begin(definition, domain)
    return begun.step("moments of the ReLU", lambda e: sp.simplify(moments.apply(e)), by=moments)


FIRST = sp.Symbol("M", real=True)
SPREAD = sp.Symbol("S", positive=True)
"""Mean and variance of the activation, where their values do not matter."""
RAW = FIRST**2 + SPREAD
_ANY_MOMENTS = {FIRST: sp.S.Reals, SPREAD: _POSITIVE}


LETTERS = {
    FIRST: r"\mathbb{E}[\tilde{x}]",
    SPREAD: r"\mathbb{VAR}[\tilde{x}]",
    n_last: "n_L",
    V_last: r"\mathbb{VAR}[\Xi^{(L)}]",
    k_last: r"k_{L-1}^{\mathrm{pool}}",
    n: "n_l",
    n_next: r"\hat{n}_{l+1}",
    k: r"k_{l}^{\mathrm{pool}}",
    V: r"\mathbb{VAR}[\Xi^{(l)}]",
    V_next: r"\mathbb{VAR}[\Xi^{(l+1)}]",
    V_gradient: r"\mathbb{VAR}[\partial_{\Xi^{(l+1)}} \mathcal{L}]",
    m: "m_B",
    a: r"(\beta/\gamma)",
    x: "z",
    bn.Xhat: r"\hat{z}",
}
"""How the document writes our symbols."""


def _pooled(scale: sp.Expr, k: sp.Symbol, domain: Domain) -> Derivation:
    """E[x^2] behind average pooling: two positions of the window are the same, or independent."""
    same = sp.KroneckerDelta(p, q)
    pair = RAW * same + FIRST**2 * (1 - same)
    square = sp.Sum(sp.Sum(pair, (p, 1, k**2)), (q, 1, k**2)) / k**4
    return Derivation.begin(scale * square, domain).step(
        "the deltas contracted", scale * (FIRST**2 + SPREAD / k**2)
    )


def _pooled_at_zero(scale: sp.Expr, k: sp.Symbol, domain: Domain) -> Derivation:
    """The same for a ReLU of a standard normal number."""
    mean, second = (find(f"relu.{name}").closed_form.subs(a, 0) for name in ("mean", "second_moment"))
    same = sp.KroneckerDelta(p, q)
    pair = second * same + mean**2 * (1 - same)
    square = sp.Sum(sp.Sum(pair, (p, 1, k**2)), (q, 1, k**2)) / k**4
    return Derivation.begin(scale * square, domain).step(
        "the deltas contracted", scale * (mean**2 + (second - mean**2) / k**2)
    )


def _pooling_trials_at_zero(seed: int, layer: dict[sp.Symbol, int]) -> list[Trial]:
    return [Trial(layer, mean_of(layers.PoolingDraws(0.0, 3), 400_000, seed=seed))]


# --- the block, printed three times -------------------------------------------------------------------------


def _block(labels: tuple[str, ...], layer: str = "") -> tuple[AnyClaim, ...]:
    below = r"\frac{1}{(k_l^{\mathrm{pool}})^2} \sum_{p \in \mathcal{P}} \tilde{x}_p^{(l+1)}"
    printed = (
        (
            "Linear layer",
            r"z_i^{(l)} = \sum_j \Xi_{ij}^{(l)} x_j^{(l)}",
            "No bias; BatchNorm would remove it.",
        ),
        (
            "Batch normalisation",
            r"y_i^{(l)} = \gamma_i^{(l)} \frac{z_i^{(l)} - \mu_i^{(l)}}{\sigma_i^{(l)}} + \beta_i^{(l)}",
            "Called running statistics in the text; (S10) differentiates them as statistics of the batch.",
        ),
        ("Activation", r"\tilde{x}_i^{(l+1)} = h(y_i^{(l)})", "A ReLU here: the document's example."),
        ("Average pooling", rf"x_i^{{(l+1)}} = {below}", "The window has k^2 positions, as (S3c) uses."),
    )
    chosen = printed if len(labels) == 4 else printed[:1] if labels == ("S1",) else printed[1:]
    last = {"S1": {"(l)": "(L)"}, "S2a": {"(l+1)": "(L)", "(l)": "(L-1)", "k_l": "k_{L-1}"}}.get(
        labels[0], {}
    )

    def of_last_layer(equation: str) -> str:
        for general, special in last.items():
            equation = equation.replace(general, special)
        return equation

    return tuple(
        Definition(label, about, of_last_layer(equation), (f"{layer} {used}".strip(),))
        for label, (about, equation, used) in zip(labels, chosen, strict=True)
    )


# --- the scale of the logits ---------------------------------------------------------------------------------


def _logits() -> tuple[AnyClaim, ...]:
    n, k, V = n_last, k_last, V_last
    layer = {n: _NATURAL, V: _POSITIVE, k: _NATURAL}
    domain, any_moments = Domain({**layer, **_ACTIVATION}), Domain({**layer, **_ANY_MOMENTS})
    scale = n * V
    left = r"\mathbb{VAR}[z_i^{(L)}] = "
    weight = r"n_L \mathbb{VAR}[\Xi_{ij}^{(L)}]"
    pool = r"\frac{1}{(k_{L-1}^{\mathrm{pool}})^2}"
    same = sp.KroneckerDelta(p, q)
    raw = gamma**2 * SECOND
    typical = {n: 512, V: sp.Rational(1, 1000), k: 7, gamma: 1, a: 0}
    return (
        Claim(
            "S3a",
            "Variance of a logit",
            left + weight + r" \mathbb{E}[(x_j^{(L)})^2]",
            scale * RAW,
            Derivation.begin(sp.Sum(sp.Sum(V * same * RAW, (p, 1, n)), (q, 1, n)), any_moments),
            assumptions=(_WEIGHTS, "The inputs x may depend on each other; their second moment is M^2 + S."),
        ),
        Claim(
            "S3b",
            "Variance of a logit behind average pooling",
            left
            + weight
            + r" \frac{1}{(k_{L-1}^{\mathrm{pool}})^4} \sum_p \mathbb{E}[(\tilde{x}_p^{(L)})^2]",
            scale / k**4 * sp.Sum(RAW, (p, 1, k**2)),
            _pooled(scale, k, any_moments),
            cause=Cause.CONCEPT,
            consequence=_pooling_keeps_the_mean,
            experiment=lambda seed: _pooling_trials(seed, {n_last: 1, V_last: 1, k_last: 3}),
            assumptions=(
                _RELU,
                "The positions of a window are independent, as the document assumes; their mean is not zero. M and S "
                "are mean and variance of the activation.",
                _SEMI_QUANTITATIVE,
            ),
        ),
        Claim(
            "S3c",
            "The positions of a window are alike",
            weight
            + r" \frac{1}{(k_{L-1}^{\mathrm{pool}})^4} \sum_p \mathbb{E}[(\tilde{x}_p^{(L)})^2] = "
            + rf"{weight} {pool} \mathbb{{E}}[(\tilde{{x}}_p^{{(L)}})^2]",
            scale * RAW / k**2,
            Derivation.begin(scale * sp.Sum(RAW, (p, 1, k**2)) / k**4, any_moments),
        ),
        Claim(
            "S3d",
            "The activation keeps the variance",
            rf"{weight} {pool} \mathbb{{E}}[(\tilde{{x}}_p^{{(L)}})^2] \approx {weight} {pool} \mathbb{{VAR}}[y_i^{{(L-1)}}]",
            scale / k**2 * gamma**2,
            _with_moments(scale / k**2 * raw, domain),
            approximation=Approximation(typical, scales=(n, V, k, gamma)),
            assumptions=(_RELU,),
            sources=("panigrahi2018 (9)",),
        ),
        _variance_of_y("S3e", rf"{weight} {pool} \mathbb{{VAR}}[y_i^{{(L-1)}}]", scale / k**2),
        Claim(
            "S4",
            "Variance of a logit for gamma of order one",
            left.replace("=", r"\approx") + weight + " " + pool,
            scale / k**2,
            _pooled_at_zero(scale, k, Domain(layer)),
            cause=Cause.CONCEPT,
            consequence=_pooling_keeps_the_mean,
            experiment=lambda seed: _pooling_trials_at_zero(seed, {n: 1, V: 1, k: 3}),
            assumptions=(
                _AT_INITIALISATION,
                "It inherits (S3b): the power of k is wrong.",
                _SEMI_QUANTITATIVE,
            ),
            sources=("jin2019 (S3b)",),
        ),
    )


def _variance_of_y(label: str, left: str, scale: sp.Expr) -> Claim:
    at = {bn.eps: sp.S.Zero}
    norm = find("batchnorm.xhat_norm")
    factors = sorted(scale.free_symbols, key=str)  # points are drawn in the order of the sets
    sets = {
        m: sp.Range(2, sp.oo),
        x: sp.S.Reals,
        gamma: _POSITIVE,
        **{s: _NATURAL if s.is_integer else _POSITIVE for s in factors},
    }
    domain = Domain(sets, (sp.Ne(bn.VARIANCE, 0),), {x: m})
    return Claim(
        label,
        "BatchNorm sets the variance",
        rf"{left} \approx {left.removesuffix(_VAR_Y)} (\gamma_i^{{(L-1)}})^2"
        if left.endswith(_VAR_Y)
        else rf"{left} \approx (\gamma^{{(l)}})^2",
        scale * gamma**2,
        Derivation.begin(scale * gamma**2 * norm.definition.subs(at) / m, domain).step(
            norm.name, scale * gamma**2, by=Lemmas(norm.derivation, at=at)
        ),
        assumptions=("Exact for the statistics of the batch and no epsilon.",),
        sources=("panigrahi2018 (7)",),
    )


_VAR_Y = r"\mathbb{VAR}[y_i^{(L-1)}]"


def _pooling_keeps_the_mean() -> str:
    factors = {size: 1 + (size**2 - 1) / np.pi for size in (2, 7)}
    second = find("relu.second_moment").evaluate(6, a=0)
    return (
        "Averaging k^2 positions divides the variance of a ReLU's output by k^2, but not its mean: at a = 0 the print is "
        f"too small by 1 + (k^2 - 1)/pi, {factors[2]:.3g} for k = 2, {factors[7]:.3g} for k = 7. With the E ReLU^2 = "
        f"{float(second)} that (S3d) leaves out, the logits of ResNet-18 (n = 512, VAR = 1/1000, k = 7) have variance "
        f"{0.512 / 49 * 0.5 * factors[7]:.3g}, not {0.512 / 49:.3g}. Rule I asks for smaller weights than printed; that "
        "clamping violates it holds the more."
    )


def _pooling_trials(seed: int, layer: dict[sp.Symbol, int]) -> list[Trial]:
    found = mean_of(layers.PoolingDraws(0.5, 3), 400_000, seed=seed)
    mean, spread = (
        sp.Rational(str(find(f"relu.{name}").evaluate(17, a="0.5"))) for name in ("mean", "variance")
    )
    return [Trial({**layer, FIRST: mean, SPREAD: spread}, found)]


def _rules() -> tuple[AnyClaim, ...]:
    follows = "The condition that (S4), the variance of a logit, is much smaller than 1; kappa_0 of (S7) is their ratio."
    rule = r"\mathbb{VAR}[\Xi_{ij}^{(L)}] \ll \frac{(k_{L-1}^{\mathrm{pool}})^2}{n_L}"
    return (
        Definition(
            "2", "Efficient training rule I", rule, (follows, "The factor of (S3b) is missing from it.")
        ),
        Definition("S5", "Efficient training rule I", rule, (follows,)),
    )


def _initialisation() -> tuple[AnyClaim, ...]:
    return (
        Definition(
            "S6",
            "Variance of the weights of the last layer",
            r"\mathbb{VAR}[W_{ij}^{(L)}] = \frac{1}{\hat{n}_L}",
            (
                "Fan-out, without the factor 2 for a ReLU: the last layer is linear. Supplement table 1 uses it.",
            ),
        ),
        Definition(
            "S7",
            "Scale of the logits",
            r"\kappa_0 := \frac{1}{(k_{L-1}^{\mathrm{pool}})^2} \cdot n_L \mathbb{VAR}[\Xi_{ij}^{(L)}]",
            ("(S4) without its other factors; (S17a) and supplement table 1 use it so.",),
        ),
    )


# --- statistics of a block -----------------------------------------------------------------------------------


def _statistics() -> tuple[AnyClaim, ...]:
    pooled = Domain({**_POOL, **_ACTIVATION})
    whole = Domain({**_SCALES, **_ACTIVATION})
    raw = gamma**2 * SECOND
    typical = {gamma: 1, a: 0, k: 7, n: 512, V: sp.Rational(1, 512)}
    sigma = r"(\sigma_i^{(l)})^2"
    weight = r"n_l \mathbb{VAR}[\Xi_{ij}^{(l)}]"
    square = r"\mathbb{E}[(x_i^{(l+1)})^2]"
    return (
        _variance_of_y("S9a", r"\mathbb{VAR}[y_i^{(l)}]", sp.S.One),
        Claim(
            "S9b",
            "Second moment behind the activation",
            r"\mathbb{E}[(\tilde{x}_i^{(l+1)})^2] \sim \mathbb{VAR}[y_i^{(l)}] \approx (\gamma^{(l)})^2",
            gamma**2,
            _with_moments(raw, Domain(_ACTIVATION)),
            approximation=Approximation(typical, scales=(gamma,)),
            assumptions=(_RELU,),
            sources=("panigrahi2018 (9)",),
        ),
        Claim(
            "S9c.1",
            "Second moment behind average pooling",
            square + r" = \frac{1}{(k_l^{\mathrm{pool}})^2} \mathbb{E}[(\tilde{x}_i^{(l+1)})^2]",
            RAW / k**2,
            _pooled(sp.S.One, k, Domain({**_POOL, **_ANY_MOMENTS})),
            cause=Cause.CONCEPT,
            consequence=_pooling_keeps_the_mean,
            experiment=lambda seed: _pooling_trials(seed, {k: 3}),
            assumptions=(
                _RELU,
                "The positions of a window are independent; their mean is not zero. M and S are mean and variance of the "
                "activation.",
                _SEMI_QUANTITATIVE,
            ),
            sources=("jin2019 (S3b)",),
        ),
        Claim(
            "S9c.2",
            "Second moment behind average pooling, its size",
            r"\frac{1}{(k_l^{\mathrm{pool}})^2} \mathbb{E}[(\tilde{x}_i^{(l+1)})^2] \approx "
            r"\left(\frac{\gamma^{(l)}}{k_l^{\mathrm{pool}}}\right)^2",
            (gamma / k) ** 2,
            _with_moments(raw / k**2, pooled),
            approximation=Approximation(typical, scales=(gamma, k)),
            assumptions=(_RELU,),
        ),
        Definition(
            "S9d",
            "Variance by which BatchNorm divides",
            rf"{sigma} = \mathbb{{VAR}}[z_i^{{(l)}}]",
            (
                "BatchNorm takes it across the batch, weights fixed; elsewhere VAR is over the weights too. (S9e) mixes "
                "the two.",
            ),
        ),
        Claim(
            "S9e",
            "Variance by which BatchNorm divides, from weights and inputs",
            rf"{sigma} = {weight} \mathbb{{E}}[(x_j^{{(l)}})^2]",
            n * V * raw,
            _with_moments(n * V * gamma**2 * (SECOND - MEAN**2), whole),
            cause=Cause.CONCEPT,
            consequence=_batch_statistics,
            experiment=lambda seed: [
                Trial(
                    {n: 4, V: sp.Rational(65, 100), gamma: 1, a: 0},
                    mean_of(layers.TernaryLayerDraws(4, 4), 10**6, seed=seed),
                )
            ],
            assumptions=(
                _RELU,
                _WEIGHTS,
                "No pooling before the layer.",
                "sigma is the statistic of (1b), across samples at fixed weights; its mean over the weights. With the "
                "weights random too the right side is VAR[z], and it is (S9d) that fails.",
                _SEMI_QUANTITATIVE,
            ),
            sources=("sari2020 (6)", "panigrahi2018 (10)"),
        ),
        Claim(
            "S9f",
            "Variance by which BatchNorm divides, its size",
            rf"{weight} \mathbb{{E}}[(x_j^{{(l)}})^2] \approx {weight} "
            r"\left(\frac{\gamma^{(l-1)}}{k_{l-1}^{\mathrm{pool}}}\right)^2",
            n * V * (gamma / k) ** 2,
            _pooled_at_zero(n * V * gamma**2, k, Domain({**_SCALES, **_POOL, gamma: _POSITIVE})),
            cause=Cause.CONCEPT,
            consequence=_pooling_keeps_the_mean,
            experiment=lambda seed: _pooling_trials_at_zero(seed, {n: 1, V: 1, k: 3, gamma: 1}),
            assumptions=(
                _AT_INITIALISATION,
                "A link of the chain: its left side is the line above. gamma and k are those of the layer below.",
                "It inherits (S9c): the power of k is wrong.",
                _SEMI_QUANTITATIVE,
            ),
            sources=("jin2019 (S9c.1)",),
        ),
    )


def _batch_statistics() -> str:
    ratio = float(find("relu.ratio_variance").evaluate(17, a=0))
    return (
        "BatchNorm subtracts the mean of the batch, so the inputs count with their variance, not their second moment: at "
        f"a = 0 the print is too large by pi/(pi - 1) = {ratio:.4f}. kappa_1 of (S15) is larger by that factor; it is of "
        f"order one in a layer, as the document says, but {ratio**50:.2g} over 50 layers: the law does not show that "
        "gradients keep their size."
    )


# --- derivatives of the statistics -----------------------------------------------------------------------------

_ONE = Domain(
    {m: sp.Range(2, sp.oo), i: sp.Range(1, m + 1), x: sp.S.Reals, bn.gamma: sp.S.Reals, bn.beta: sp.S.Reals},
    (sp.Ne(bn.VARIANCE, 0),),
    {x: m},
)
_SIGMA = sp.sqrt(bn.VARIANCE)
_ALTERNATING = {m: 32, i: 1, x: (1, -1) * 16, bn.gamma: 1, bn.beta: 0}


def _slope(scale: sp.Expr = sp.S.One, domain: Domain = _ONE) -> Derivation:
    """dy_i/dz_i, from the Jacobian, times a scale."""
    jacobian = find("batchnorm.jacobian")
    at = {bn.j: i, bn.eps: sp.S.Zero}
    closed = sp.simplify(jacobian.closed_form.subs(at))
    return Derivation.begin(scale * jacobian.definition.subs(at), domain).step(
        "batchnorm.jacobian, j = i", scale * closed, by=Lemmas(jacobian.derivation, at=at)
    )


def _derivatives() -> tuple[AnyClaim, ...]:
    mean = from_catalogue("batchnorm.mean_derivative", _ONE)
    deviation = x[i] - bn.MEAN
    spread = Derivation.begin(sp.Derivative(sp.sqrt(bn.batch_variance()), x[i]), _ONE).step(
        "chain rule", deviation / (m * _SIGMA)
    )
    left = r"\frac{\partial y_{i}^{(l)}}{\partial z_{i}^{(l)}} = "
    bracket = r"\gamma^{(l)} \left[\frac{1}{\sigma_{i}^{(l)}} - \frac{1}{\sigma_{i}^{(l)}} "
    return (
        Claim(
            "S10a",
            "Derivative of the mean of the batch",
            r"\frac{\partial \mu_i^{(l)}}{\partial z_i^{(l)}} = \frac{1}{m_B}",
            1 / m,
            mean,
        ),
        Claim(
            "S10b",
            "Derivative of the standard deviation of the batch",
            r"\frac{\partial \sigma_i^{(l)}}{\partial z_i^{(l)}} = \frac{2}{m_B} \frac{z_i^{(l)} - "
            r"\mu_i^{(l)}}{\sigma_i^{(l)}}",
            2 / m * deviation / _SIGMA,
            spread,
            cause=Cause.ALGEBRA,
            consequence=_factor_two,
            experiment=lambda seed: _statistics_trials(seed, 0),
        ),
        Claim(
            "S11.1",
            "Slope of BatchNorm along one sample, chain rule",
            left
            + bracket
            + r"\frac{\partial \mu_{i}^{(l)}}{\partial z_{i}^{(l)}} + (z_{i}^{(l)} - \mu_{i}^{(l)}) "
            r"\frac{-1}{(\sigma_{i}^{(l)})^{2}} \frac{\partial \sigma_{i}^{(l)}}{\partial z_{i}^{(l)}} \right]",
            bn.gamma * (1 / _SIGMA - mean.conclusion / _SIGMA - deviation / bn.VARIANCE * spread.conclusion),
            _slope(),
            assumptions=("With the true derivative of sigma in place of (S10b).",),
        ),
        Claim(
            "S11.2",
            "Slope of BatchNorm along one sample",
            left
            + bracket
            + r"\frac{1}{m_{B}} - \frac{1}{\sigma_{i}^{(l)}} \frac{2}{m_{B}} \frac{(z_{i}^{(l)} - "
            r"\mu_{i}^{(l)})^{2}}{(\sigma_{i}^{(l)})^{2}} \right]",
            bn.gamma * (1 / _SIGMA - 1 / _SIGMA / m - 2 / _SIGMA / m * deviation**2 / bn.VARIANCE),
            _slope(),
            cause=Cause.ALGEBRA,
            consequence=_factor_two,
            experiment=lambda seed: _statistics_trials(seed, 1),
            sources=("sari2020 (2)",),
        ),
        Claim(
            "S11.3",
            "Slope of BatchNorm along one sample of a large batch",
            left.replace("=", r"\approx") + r"\frac{\gamma^{(l)}}{\sigma_{i}^{(l)}}",
            bn.gamma / _SIGMA,
            _slope(),
            approximation=Approximation(_ALTERNATING, m),
            assumptions=("The standardised input is held as the batch grows; at the typical point it is 1.",),
        ),
    )


def _factor_two() -> str:
    size, at = 32, 2
    true, printed = 1 - (1 + at**2) / size, 1 - (1 + 2 * at**2) / size
    return (
        "The derivative of the standard deviation is that of the variance over 2 sigma: the factor 2 cancels. At m_B = "
        f"{size} and a standardised input of {at} the slope is {true:.3f} gamma/sigma, not {printed:.3f}. Both tend to "
        "gamma/sigma for large batches, which is all that (S12)-(S15) use."
    )


def _statistics_trials(seed: int, which: int) -> list[Trial]:
    batch = np.random.default_rng(seed).standard_normal(6)
    point = exact_point({m: 6, i: 3, x: tuple(batch), bn.gamma: 1.5, bn.beta: 0.5})
    if which == 1:
        return [Trial(point, float(measured.jacobian(batch, 1.5, 0.5, 0.0)[2, 2]))]
    moved = batch.astype(complex)
    moved[2] += 1e-150j
    spread = np.sqrt(((moved - moved.mean()) ** 2).mean())
    return [Trial(point, float(spread.imag / 1e-150))]


# --- gradients in two adjacent layers ----------------------------------------------------------------------------

_INPUT, _HPRIME, _UP, _WEIGHT = sp.symbols("X H G W", real=True)


def _gradients() -> tuple[AnyClaim, ...]:
    reals = dict.fromkeys((_INPUT, _HPRIME, _UP, _WEIGHT), sp.S.Reals)
    one = Domain({**_ONE.sets, **reals}, _ONE.constraints, _ONE.lengths)
    typical = _ALTERNATING | dict.fromkeys((_INPUT, _HPRIME, _UP, _WEIGHT), 1)
    other = (
        "One unit, the path along one sample. Those from other samples are left out too; they are not small in the "
        "gradient of a weight, which sums over the batch: behind BatchNorm the gradients in z add up to zero, so the mean "
        "of x drops out, and Var x stands for E x^2 in its mean square, 1 - 1/pi of it for a ReLU at a = 0."
    )
    upstream = r"\frac{\gamma^{(l)}}{\sigma_i^{(l)}} h'(y_i^{(l)}) \partial_{\tilde{x}_i^{(l+1)}} \mathcal{L}"
    entries = sp.IndexedBase("t", real=True)
    pooling = Domain(
        {**_POOL, p: sp.Range(1, k**2 + 1), entries: sp.S.Reals, _UP: sp.S.Reals}, lengths={entries: k**2}
    )
    return (
        Claim(
            "S12a",
            "Gradient in a weight",
            rf"\partial_{{\Xi_{{ij}}^{{(l)}}}} \mathcal{{L}} \approx x_j^{{(l)}} {upstream}",
            _INPUT * bn.gamma / _SIGMA * _HPRIME * _UP,
            _slope(_INPUT * _HPRIME * _UP, one),
            approximation=Approximation(typical, m),
            assumptions=(other,),
        ),
        Claim(
            "S12b",
            "Gradient in an input",
            rf"\partial_{{x_j^{{(l)}}}} \mathcal{{L}} = \sum_i \Xi_{{ij}}^{{(l)}} {upstream}",
            _WEIGHT * bn.gamma / _SIGMA * _HPRIME * _UP,
            _slope(_WEIGHT * _HPRIME * _UP, one),
            approximation=Approximation(typical, m),
            assumptions=(
                other,
                "One term of the sum over i.",
                "Printed with =, but it uses (S11) as (S12a) does.",
            ),
        ),
        Claim(
            "S12c",
            "Gradient before average pooling",
            r"\partial_{\tilde{x}_{p}^{(l+1)}} \mathcal{L} = \frac{1}{(k_{l}^{\mathrm{pool}})^{2}} "
            r"\partial_{x_{i}^{(l+1)}} \mathcal{L}",
            _UP / k**2,
            Derivation.begin(
                sp.Derivative(_UP / k**2 * sp.Sum(entries[q], (q, 1, k**2)), entries[p]), pooling
            ),
        ),
    )


def _variances() -> tuple[AnyClaim, ...]:
    """Moments of any laws, as means over m equally likely values; independence as the mean over all pairs."""
    h = sp.IndexedBase("h", real=True)
    scale = sp.Symbol("c", real=True)
    batch = Domain(
        {m: sp.Range(2, sp.oo), scale: sp.S.Reals, **dict.fromkeys((x, h, g), sp.S.Reals)},
        lengths=dict.fromkeys((x, h, g), m),
    )
    one, two, three = bn.i, bn.j, bn.k

    def mean(values: sp.Expr, index: sp.Symbol) -> sp.Expr:
        return bn.total(values, index) / m

    product = mean(mean(mean((scale * x[one] * h[two] * g[three]) ** 2, one), two), three)
    width, slope, above = (
        sp.Symbol("n_out", integer=True, positive=True),
        sp.Symbol("H", positive=True),
        V_gradient,
    )
    same = sp.KroneckerDelta(p, q)
    outputs = Domain({width: _NATURAL, V: _POSITIVE, slope: _POSITIVE, above: _POSITIVE, scale: sp.S.Reals})
    ratio = r"\left(\frac{\gamma^{(l)}}{\sigma_i^{(l)}}\right)^2"
    gated = r"\mathbb{E}[(h'(y_i^{(l)}))^2]"
    above_text = r"\mathbb{VAR}[\partial_{\tilde{x}_i^{(l+1)}}\mathcal{L}]"
    centred = "The gradient from above is centred and independent of the rest, the gates among it."
    return (
        Claim(
            "S13a",
            "Variance of the gradient in a weight",
            rf"\mathbb{{VAR}}[\partial_{{\Xi_{{ij}}^{{(l)}}}}\mathcal{{L}}] = {ratio} \mathbb{{E}}[(x_j^{{(l)}})^2] {gated} "
            rf"\cdot {above_text}",
            scale**2 * mean(x[one] ** 2, one) * mean(h[two] ** 2, two) * mean(g[three] ** 2, three),
            Derivation.begin(product, batch),
            assumptions=(centred, "c stands for gamma/sigma; one sample's part of the gradient, see (S12a)."),
        ),
        Claim(
            "S13b",
            "Variance of the gradient in an input",
            rf"\mathbb{{VAR}}[\partial_{{x_j^{{(l)}}}}\mathcal{{L}}] = \hat{{n}}_l {ratio} \mathbb{{VAR}}[\Xi_{{ij}}^{{(l)}}] "
            rf"{gated} \cdot {above_text}",
            width * scale**2 * V * slope * above,
            Derivation.begin(
                sp.Sum(sp.Sum(V * same * scale**2 * slope * above * same, (p, 1, width)), (q, 1, width)),
                outputs,
            ),
            assumptions=(_WEIGHTS, centred),
        ),
        Claim(
            "S13c",
            "Variance of the gradient before average pooling",
            r"\mathbb{VAR}[\partial_{\tilde{x}_{p}^{(l+1)}}\mathcal{L}] = \frac{1}{(k_{l}^{\mathrm{pool}})^{4}} "
            r"\mathbb{VAR}[\partial_{x_{i}^{(l+1)}}\mathcal{L}]",
            mean(g[one] ** 2, one) / k**4,
            Derivation.begin(
                mean((g[one] / k**2) ** 2, one),
                Domain({m: sp.Range(2, sp.oo), **_POOL, g: sp.S.Reals}, lengths={g: m}),
            ),
            assumptions=("The gradient is centred: its variance is its mean square.",),
        ),
        _adjacent_layers(ratio),
    )


def _adjacent_layers(ratio: str) -> Claim:
    """(S13a) at l, (S13c), (S13b) at l + 1, and (S13a) at l + 1 solved for what comes from above."""
    names = "c c_next X X_next H H_next"
    c, c_next, square, square_next, slope, slope_next = sp.symbols(names, positive=True)
    above = V_gradient / (c_next**2 * square_next * slope_next)
    in_input = n_next * c_next**2 * V_next * slope_next * above
    symbols = (c, c_next, square, square_next, slope, slope_next, V_next, V_gradient)
    domain = Domain({n_next: _NATURAL, **_POOL, **dict.fromkeys(symbols, _POSITIVE)})

    def trials(seed: int) -> list[Trial]:
        done = []
        for width, kernel in ((1, 3), (2, 2)):
            found = layers.adjacent_layers(width, kernel, seed=seed)
            point = {s: found[str(s)] for s in symbols if str(s) in found}
            point |= {n_next: width, k: kernel, V_gradient: found["above"]}
            done.append(Trial(exact_point(point), found["below"], tolerance=1e-12))
        return done

    return Claim(
        "S14",
        "Gradients in the weights of two adjacent layers",
        rf"\mathbb{{VAR}}[\partial_{{\Xi_{{ij}}^{{(l)}}}}\mathcal{{L}}] = {ratio} "
        r"\frac{\mathbb{E}[(x_j^{(l)})^2]}{\mathbb{E}[(x_m^{(l+1)})^2]} \cdot "
        r"\frac{\mathbb{E}[(h'(y_i^{(l)}))^2]}{(k_l^{\mathrm{pool}})^4} \cdot \hat{n}_{l+1} \mathbb{VAR}[\Xi_{ki}^{(l+1)}] "
        r"\mathbb{VAR}[\partial_{\Xi_{km}^{(l+1)}}\mathcal{L}]",
        c**2 * square / square_next * slope / k**4 * n_next * V_next * V_gradient,
        Derivation.begin(c**2 * square * slope * in_input / k**4, domain),
        experiment=trials,
        assumptions=(
            "From (S13a)-(S13c) as printed; c is gamma/sigma, X and H are the second moments of x and h'.",
        ),
    )


# --- the gradient flowing law ---------------------------------------------------------------------------------------


def _flow() -> dict[str, AnyClaim]:
    domain = Domain(
        {n: _NATURAL, n_next: _NATURAL, **dict.fromkeys((V, V_next, V_gradient), _POSITIVE), a: sp.S.Reals}
    )
    above = n_next * V_next * V_gradient
    typical = {
        n: 512,
        n_next: 512,
        V: sp.Rational(1, 512),
        V_next: sp.Rational(1, 512),
        V_gradient: 1,
        a: 0,
        k: 1,
    }
    left = r"\mathbb{VAR}[\partial_{\Xi_{ij}^{(l)}}\mathcal{L}] = "
    with_norm = (
        left + r"\kappa_1^{(l)} \cdot \frac{1}{(k_l^{\mathrm{pool}})^2} \cdot "
        r"\frac{\hat{n}_{l+1}\mathbb{VAR}[\Xi_{ij}^{(l+1)}]}{n_l \mathbb{VAR}[\Xi_{ij}^{(l)}]} "
        r"\mathbb{VAR}[\partial_{\Xi_{ij}^{(l+1)}}\mathcal{L}]"
    )
    without = (
        left + r"\kappa_2^{(l)} \cdot \frac{1}{(k_l^{\mathrm{pool}})^4} \cdot \hat{n}_{l+1} "
        r"\mathbb{VAR}[\Xi_{ij}^{(l+1)}] \mathbb{VAR}[\partial_{\Xi_{ij}^{(l+1)}}\mathcal{L}]"
    )
    # sigma^2 = n V Var x, x behind the ReLU of the layer before; x_next behind this one's
    normalised = OPEN * SECOND / (SECOND - MEAN**2) / SECOND * above / (n * V)
    plain_domain = Domain({**domain.sets, a: sp.S.Reals})
    half = expectation(gate(z))
    plain_second = expectation(relu(z) ** 2)
    at_zero = Lemmas(find("relu.moment0").derivation, find("relu.second_moment").derivation, at={a: 0})
    plain = Derivation.begin(half / (n * V * plain_second) * above, plain_domain).step(
        "moments of the ReLU at a = 0", lambda e: sp.simplify(at_zero.apply(e)), by=at_zero
    )

    def law(label: str) -> Claim:
        return Claim(
            label,
            "Gradient flowing law with BatchNorm",
            with_norm,
            above / (n * V),
            _with_moments(normalised, domain),
            approximation=Approximation(typical, scales=(n, n_next, V, V_next, V_gradient)),
            consequence=_flow_with_norm,
            assumptions=(
                _RELU,
                _WEIGHTS,
                "No pooling: k = 1, the power of k is not judged. The factor is kappa_1; it is of order one with respect "
                "to n, as printed.",
                "The same a = beta/gamma in both layers.",
            ),
            sources=("sari2020 (8)", "panigrahi2018 (13)"),
        )

    def law_without(label: str) -> Claim:
        return Claim(
            label,
            "Gradient flowing law without BatchNorm",
            without,
            above,
            plain,
            approximation=Approximation(typical, scales=(n_next, V_next, V_gradient)),
            consequence=_flow_without_norm,
            assumptions=(
                _WEIGHTS,
                "ReLU without bias, no pooling: k = 1.",
                "kappa_2 is 1/(n_l VAR): of order one with respect to n_l only where VAR is of order 1/n_l.",
            ),
        )

    return {"3": law("3"), "S15": law("S15"), "4": law_without("4"), "S16": law_without("S16")}


def _flow_with_norm() -> str:
    ratio = float(find("relu.ratio_variance").evaluate(17, a=0))
    return (
        f"kappa_1 is pi/(pi - 1) = {ratio:.4f} at a = 0: at equal widths and variances the gradient grows by it in every "
        f"layer, {ratio**50:.2g} over 50."
    )


def _flow_without_norm() -> str:
    measured_ratios = [layers.weight_gradient_ratio(256, scale / 256, 256, seed=1) for scale in (1.0, 8.0)]
    return (
        "The inputs of the next layer shrink or grow with n_l VAR of this one, so the scale of the weights cancels from "
        "the ratio at equal widths, with BatchNorm or without. In a ReLU network of width 256 the ratio is "
        f"{measured_ratios[0]:.2f} for VAR = 1/256 and {measured_ratios[1]:.2f} for VAR = 8/256; with kappa_2 = 1 the "
        "print has 1 and 8, over 50 layers 1 and 1e45. Rule II is sufficient, not necessary, for weights' gradients of "
        "one size; it is the signals that grow."
    )


def _second_rule(seed: int) -> tuple[str, ...]:
    lines = []
    for scale in (1.0, 2.0, 8.0):
        ratio = layers.weight_gradient_ratio(256, scale / 256, 256, seed=seed)
        lines.append(f"n VAR = {scale:g}: {ratio:.2f} (rule II as printed in (4): {scale:g})")
    return (
        "Ratio of the mean squares of the gradients in the weights of two adjacent layers, ReLU network of width 256 "
        "without BatchNorm, random weights: " + "; ".join(lines),
        "Training was not run.",
    )


def claims() -> tuple[AnyClaim, ...]:
    """One claim for each label, in order of appearance."""
    rule, rule_again = _rules()
    flow = _flow()
    second_rule = Observation(
        "ETR II",
        "Efficient training rule II",
        r"\text{BN after each linear layer, or } \mathbb{VAR}[\Xi^{(l)}] \sim \frac{1}{n_l} \text{ or } \frac{1}{\hat{n}_l}",
        _second_rule,
    )
    return (
        *_block(("1a", "1b", "1c", "1d")),
        rule,
        flow["3"],
        flow["4"],
        second_rule,
        *_block(("S1",), "As (1a) for the last layer."),
        *_block(("S2a", "S2b", "S2c"), "As (1b)-(1d) for the last block."),
        *_logits(),
        rule_again,
        *_initialisation(),
        *_block(("S8a", "S8b", "S8c", "S8d"), "As (1a)-(1d)."),
        *_statistics(),
        *_derivatives(),
        *_gradients(),
        *_variances(),
        flow["S15"],
        flow["S16"],
    )
