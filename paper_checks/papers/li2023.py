"""X. Li: normalization in deep neural networks, notes of June 2023.

The document's letters and ours: upstream gradients dl/dy_i = g_i, hence dl/dxhat_i = gamma g_i; one feature, mini-batch
x_1, ..., x_m, mean mu_B and biased variance sigma_B^2. Section 2.4 has no epsilon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from derivations import Derivation, Domain, find
from derivations import batchnorm as bn
from derivations.machinery.prover import Lemmas
from numeric import batchnorm as measured
from paper_checks.claim import AnyClaim, Cause, Claim, Definition, Inequality, Trial
from paper_checks.transcription import exact_point, from_catalogue

TITLE = "Normalization in deep neural networks"
WHERE = "notes, June 2023"
LETTERS = {
    bn.g: r"(\nabla_{\mathbf{y}} \ell)",
    bn.Xhat: r"\hat{\mathbf{x}}",
    bn.x: r"\mathbf{x}",
    bn.eps: r"\epsilon",
}

LABELS = (
    *("1", "2", "3", "P1", "P2", "4", "5", "6", "7", "8"),
    *("Alg 1.2", "Alg 1.3", "Alg 1.4", "Alg 1.5"),
    *(str(number) for number in range(9, 47)),
    *("Alg 2", "47", "48", "49", "Def 2.1", "50", "51", "Def 2.2", "52", "Thm 2.1", "53"),
    *("P3", "P4", "54", "55", "56", "57", "58", "59", "60", "61", "62", "63", "Thm 2.2"),
)

# --- symbols ----------------------------------------------------------------------------------------------

m, i, j, k, l, n = bn.m, bn.i, bn.j, bn.k, bn.l, bn.n
gamma, beta, eps, g, x = bn.gamma, bn.beta, bn.eps, bn.g, bn.x
MU, VARIANCE = bn.MEAN, bn.VARIANCE
ROOT = sp.sqrt(VARIANCE + eps)
G = sp.Symbol("G", real=True)
"""A gradient that is printed without an index: any number."""

_REAL = {gamma: sp.S.Reals, beta: sp.S.Reals, eps: sp.Interval(0, sp.oo)}
_POSITIVE = sp.Interval.open(0, sp.oo)


def _h(index: sp.Expr) -> sp.Expr:
    """The gradient in one normalised input."""
    return gamma * g[index]


def _domain(
    *indices: sp.Symbol, divisor: sp.Expr = VARIANCE + eps, more: dict[Any, Any] | None = None
) -> Domain:
    sets: dict[Any, sp.Set] = {m: sp.Range(2, sp.oo)}
    sets |= dict.fromkeys(indices, sp.Range(1, m + 1))
    sets |= {x: sp.S.Reals, g: sp.S.Reals, **_REAL, **(more or {})}
    if divisor == VARIANCE:  # there is no epsilon
        del sets[eps]
    return Domain(sets, (sp.Ne(divisor, 0),), {x: m, g: m})


_BATCH, _SAMPLE, _TWO = _domain(), _domain(i), _domain(i, j)


def _truth(build: Callable[..., sp.Expr], *names: str, domain: Domain) -> Derivation:
    """An expression in formulas of the catalogue, from their definitions."""
    formulas = [find(f"batchnorm.{name}") for name in names]
    lemmas = Lemmas(*(f.derivation for f in formulas))
    begun = Derivation.begin(build(*(f.definition for f in formulas)), domain)
    return begun.step(
        ", ".join(f.name for f in formulas), build(*(f.closed_form for f in formulas)), by=lemmas
    )


# --- sections 1 and 2: standardisation, chain rule, the transform --------------------------------------------

_MATRIX = x11, x12, x21, x22 = sp.symbols("x_11 x_12 x_21 x_22", real=True)
_TWO_BY_TWO = Domain(dict.fromkeys(_MATRIX, sp.S.Reals))


def _standardisation() -> tuple[AnyClaim, ...]:
    whole = _domain(divisor=VARIANCE)
    mean = bn.total(x[k], k) / m
    at = {eps: sp.S.Zero, gamma: sp.S.One, beta: sp.S.Zero}
    return (
        Claim(
            "1",
            "Standardised feature",
            r"\hat{x}_{i,j} = \frac{x_{i,j} - \mu_j}{\sigma_j}",
            (x[i] - mean) / sp.sqrt(bn.total((x[l] - mean) ** 2, l) / m),
            Derivation.begin(bn.normalised(i, sp.S.Zero), _domain(i, divisor=VARIANCE)),
            defines=True,
            assumptions=("Undefined for a feature that does not vary.",),
        ),
        Claim(
            "2",
            "Mean of a feature",
            r"\mu_j = \frac{1}{N} \sum_{i=1}^N x_{j,i}",
            (x11 + x12) / 2,
            Derivation.begin((x11 + x21) / 2, _TWO_BY_TWO),
            cause=Cause.MISPRINT,
            consequence=lambda: (
                "The indices are exchanged: the print averages over the features of one sample, (1) and (3) have the "
                "sample first. With N = 60000 samples of D = 784 features the printed sum runs past the last feature. "
                "Nothing later uses it."
            ),
            experiment=_mean_trials,
            assumptions=(
                "Two samples of two features, j = 1; x_{i,j} is feature j of sample i as in (1) and (3).",
            ),
        ),
        Claim(
            "3",
            "Variance of a feature",
            r"\sigma_j^2 = \frac{1}{N} \sum_{i=1}^N (x_{i,j} - \mu_j)^2",
            bn.total((x[l] - mean) ** 2, l) / m,
            Derivation.begin(bn.batch_variance(), whole),
            defines=True,
            assumptions=("The biased variance; (48) has the unbiased one.",),
        ),
        Claim(
            "P1",
            "Standardised features have zero mean",
            r"\frac{1}{N} \sum_i \hat{x}_{i,j} = 0",
            sp.S.Zero,
            Derivation.begin(bn.total(bn.Xhat(j, sp.S.Zero), j) / m, whole),
            sources=("learningmachine (P4)",),
        ),
        Claim(
            "P2",
            "Standardised features have unit variance",
            r"\frac{1}{N} \sum_i \hat{x}_{i,j}^2 = 1",
            sp.S.One,
            _unit_norm(lambda e: e / m, at, whole),
            sources=("learningmachine (P5)",),
        ),
        Definition(
            "4",
            "Loss of two layers",
            r"\ell = F_2(F_1(u, \Theta_1), \Theta_2)",
            ("The output of F_1 is called x in (5).",),
        ),
        Definition(
            "5",
            "Step of stochastic gradient descent",
            r"\Theta_2 \leftarrow \Theta_2 - \frac{\alpha}{m} \sum_{i=1}^m "
            r"\frac{\partial F_2(\mathbf{x}_i, \Theta_2)}{\partial \Theta_2}",
            (
                "A step against the gradient of the mean loss of the mini-batch; (9)-(45) take the sum of the losses, "
                "whose gradients are m times larger.",
            ),
            ("learningmachine (U2.4)",),
        ),
    )


def _unit_norm(build: Callable[[sp.Expr], sp.Expr], at: dict[Any, Any], domain: Domain) -> Derivation:
    norm = find("batchnorm.xhat_norm")
    begun = Derivation.begin(build(norm.definition.subs(at)), domain)
    return begun.step(norm.name, build(norm.closed_form.subs(at)), by=Lemmas(norm.derivation, at=at))


def _mean_trials(seed: int) -> list[Trial]:
    data = np.random.default_rng(seed).standard_normal((2, 2))
    return [Trial(exact_point(dict(zip(_MATRIX, data.ravel(), strict=True))), float(data.mean(axis=0)[0]))]


def _chain_rule() -> tuple[AnyClaim, ...]:
    """Every function by its Taylor polynomial of second order at the point; higher orders have no slope there."""
    r, t = sp.symbols("r t", real=True)
    ux, uy, uxx, uxy, uyy = sp.symbols("u_x u_y u_xx u_xy u_yy", real=True)
    xr, xt, xrt, yr, yt, yrr = sp.symbols("x_r x_t x_rt y_r y_t y_rr", real=True)
    inner_x = xr * r + xt * t + xrt * r * t
    inner_y = yr * r + yt * t + yrr * r**2
    u = ux * inner_x + uy * inner_y + uxx * inner_x**2 + uxy * inner_x * inner_y + uyy * inner_y**2
    domain = Domain(dict.fromkeys((ux, uy, uxx, uxy, uyy, xr, xt, xrt, yr, yt, yrr), sp.S.Reals))

    def claim(label: str, variable: sp.Symbol, right: sp.Expr) -> Claim:
        return Claim(
            label,
            f"Chain rule in {variable}",
            rf"\frac{{\partial u}}{{\partial {variable}}} = \frac{{\partial u}}{{\partial x}} \cdot "
            rf"\frac{{\partial x}}{{\partial {variable}}} + \frac{{\partial u}}{{\partial y}} \cdot "
            rf"\frac{{\partial y}}{{\partial {variable}}}",
            right,
            Derivation.begin(sp.Subs(sp.Derivative(u, variable), (r, t), (0, 0)), domain),
            assumptions=("u, x and y are differentiable, the point is moved to the origin.",),
        )

    return claim("6", r, ux * xr + uy * yr), claim("7", t, ux * xt + uy * yt)


def _transform() -> tuple[AnyClaim, ...]:
    mean = bn.total(x[k], k) / m
    printed_root = sp.sqrt(bn.total((x[l] - mean) ** 2, l) / m + eps)
    first = ((x11 - (x11 + x21) / 2) ** 2 + (x21 - (x11 + x21) / 2) ** 2) / 2
    second = ((x12 - (x12 + x22) / 2) ** 2 + (x22 - (x12 + x22) / 2) ** 2) / 2
    return (
        Definition(
            "8",
            "Batch normalizing transform",
            r"\mathrm{BN}_{\gamma, \beta} : \{\mathbf{x}_i\}_{i=1}^m \rightarrow \{\mathbf{y}_i\}_{i=1}^m",
            (
                "A map of whole mini-batches, as Algorithm 1 is; line 1 there writes it as one of single samples.",
            ),
        ),
        Claim(
            "Alg 1.2",
            "Mean of the mini-batch",
            r"\boldsymbol{\mu}_{\mathcal{B}} \leftarrow (1/m) \sum_{i=1}^m \mathbf{x}_i",
            mean,
            Derivation.begin(bn.batch_mean(), _BATCH),
            defines=True,
            sources=("learningmachine (U4)",),
        ),
        Claim(
            "Alg 1.3",
            "Variance of the mini-batch",
            r"\sigma_{\mathcal{B}}^2 = (1/m) \sum_{i=1}^m \|\mathbf{x}_i - \boldsymbol{\mu}_{\mathcal{B}}\|^2",
            first + second,
            Derivation.begin(first, _TWO_BY_TWO).step("a square for two samples", (x11 - x21) ** 2 / 4),
            cause=Cause.MISPRINT,
            consequence=lambda: (
                "The square of each entry is meant: the norm adds the variances of all D features, and each feature "
                f"comes out with variance 1/D on average, for D = 512 with standard deviation {512**-0.5:.3g} "
                "instead of 1. (3) has the square of each entry, as unit variance needs; for D = 1 they agree."
            ),
            experiment=_variance_trials,
            assumptions=(
                "Two samples of two features, first feature. Features are vectors, each with its own variance as in (3).",
            ),
            sources=("learningmachine (U5)",),
        ),
        Claim(
            "Alg 1.4",
            "Normalised input",
            r"\hat{\mathbf{x}}_i \leftarrow (\mathbf{x}_i - \boldsymbol{\mu}_{\mathcal{B}}) / "
            r"\sqrt{\sigma_{\mathcal{B}}^2 + \epsilon}",
            (x[i] - mean) / printed_root,
            Derivation.begin(bn.normalised(i), _SAMPLE),
            defines=True,
            sources=("learningmachine (U6)",),
        ),
        Claim(
            "Alg 1.5",
            "Scale and shift",
            r"\mathbf{y}_i \leftarrow \gamma \odot \hat{\mathbf{x}}_i + \beta",
            gamma * (x[i] - mean) / printed_root + beta,
            Derivation.begin(bn.output(i), _SAMPLE),
            defines=True,
        ),
    )


def _variance_trials(seed: int) -> list[Trial]:
    data = np.random.default_rng(seed).standard_normal((2, 2))
    return [Trial(exact_point(dict(zip(_MATRIX, data.ravel(), strict=True))), float(data.var(axis=0)[0]))]


# --- the gradients as first printed -----------------------------------------------------------------------------


def _variance_gradient() -> sp.Expr:
    return bn.total(_h(j) * (x[j] - MU) * sp.Rational(-1, 2) * (VARIANCE + eps) ** sp.Rational(-3, 2), j)


def _mean_gradient() -> sp.Expr:
    return bn.total(_h(j) * (-1 / ROOT), j)


def _through_all_three() -> sp.Expr:
    return _h(i) / ROOT + _variance_gradient() * 2 * (x[i] - MU) / m + _mean_gradient() / m


def _gradients() -> tuple[AnyClaim, ...]:
    zero_sum = bn.total(-2 * (x[l] - MU), l) / m
    grad_xhat = find("batchnorm.grad_xhat").domain
    return (
        Claim(
            "9",
            "Gradient in a normalised input",
            r"\frac{\partial \ell}{\partial \hat{\mathbf{x}}_i} = \frac{\partial \ell}{\partial \mathbf{y}_i} \odot \gamma",
            g[i] * gamma,
            from_catalogue("batchnorm.grad_xhat", grad_xhat),
        ),
        Claim(
            "10",
            "Gradient in the variance",
            r"\frac{\partial \ell}{\partial \sigma_{\mathcal{B}}^2} = \sum_{i=1}^m "
            r"\frac{\partial \ell}{\partial \hat{\mathbf{x}}_i} \cdot (\mathbf{x}_i - \boldsymbol{\mu}_{\mathcal{B}}) "
            r"\cdot \left(-\frac{1}{2}\right) (\sigma_{\mathcal{B}}^2 + \epsilon)^{-3/2}",
            _variance_gradient(),
            from_catalogue("batchnorm.grad_variance", _BATCH),
        ),
        Claim(
            "11",
            "Gradient in the mean, through the variance too",
            r"\frac{\partial \ell}{\partial \boldsymbol{\mu}_{\mathcal{B}}} = \left( \sum_{i=1}^m "
            r"\frac{\partial \ell}{\partial \hat{\mathbf{x}}_i} \cdot \frac{-1}{\sqrt{\sigma_{\mathcal{B}}^2 + \epsilon}} "
            r"\right) + \frac{\partial \ell}{\partial \sigma_{\mathcal{B}}^2} \cdot "
            r"\frac{\sum_{i=1}^m -2(\mathbf{x}_i - \boldsymbol{\mu}_{\mathcal{B}})}{m}",
            _mean_gradient() + _variance_gradient() * zero_sum,
            from_catalogue("batchnorm.grad_mean", _BATCH),
            assumptions=("The second term is zero, as (31) says.",),
        ),
        _input_gradient(
            "12",
            r"\frac{\partial \ell}{\partial \hat{\mathbf{x}}_i} \cdot \frac{1}{\sqrt{\sigma_{\mathcal{B}}^2 + \epsilon}} + "
            r"\frac{\partial \ell}{\partial \sigma_{\mathcal{B}}^2} \cdot \frac{2(\mathbf{x}_i - "
            r"\boldsymbol{\mu}_{\mathcal{B}})}{m} + \frac{\partial \ell}{\partial \boldsymbol{\mu}_{\mathcal{B}}} \cdot "
            r"\frac{1}{m}",
            ("sari2020 (1)", "panigrahi2018 (4)"),
        ),
        _scale_gradient(
            "13", r"\sum_{i=1}^m \frac{\partial \ell}{\partial \mathbf{y}_i} \cdot \hat{\mathbf{x}}_i"
        ),
        _shift_gradient("14", r"\sum_{i=1}^m \frac{\partial \ell}{\partial \mathbf{y}_i}"),
    )


def _input_gradient(label: str, right: str, sources: tuple[str, ...] = ()) -> Claim:
    return Claim(
        label,
        "Gradient in an input through xhat, variance and mean",
        r"\frac{\partial \ell}{\partial \mathbf{x}_i} = " + right,
        _through_all_three(),
        from_catalogue("batchnorm.grad_input", _SAMPLE),
        sources=sources,
    )


def _scale_gradient(label: str, right: str, *assumptions: str) -> Claim:
    return Claim(
        label,
        "Gradient in gamma",
        r"\frac{\partial \ell}{\partial \boldsymbol{\gamma}} = " + right,
        bn.total(g[j] * bn.Xhat(j), j),
        from_catalogue("batchnorm.grad_gamma", _BATCH),
        assumptions=assumptions,
        sources=("sari2020 (U1b)",),
    )


def _shift_gradient(label: str, right: str, *assumptions: str) -> Claim:
    return Claim(
        label,
        "Gradient in beta",
        r"\frac{\partial \ell}{\partial \boldsymbol{\beta}} = " + right,
        bn.total(g[j], j),
        from_catalogue("batchnorm.grad_beta", _BATCH),
        assumptions=assumptions,
        sources=("sari2020 (U1a)",),
    )


# --- section 2.3: their derivation, line by line --------------------------------------------------------------------

_SUMMED = "The sum over i is understood, as the text says below (18)."
_PARTIAL_SIGMA = r"\frac{\partial \ell}{\partial \sigma_{\mathcal{B}}^2}"
_PARTIAL_MU = r"\frac{\partial \ell}{\partial \boldsymbol{\mu}_{\mathcal{B}}}"
_ROOT = r"\sqrt{\sigma_{\mathcal{B}}^2 + \epsilon}"
_DEVIATION = r"\mathbf{x}_i - \boldsymbol{\mu}_{\mathcal{B}}"
_MISPLACED = rf"\left(-\frac{{1}}{{2}} \sum_{{i=1}}^m \frac{{{_DEVIATION}}}{{(\sigma_{{\mathcal{{B}}}}^2 + \epsilon)^{{3/2}}}}\right)"


def _sum_of_deviations() -> sp.Expr:
    return -bn.total((x[l] - MU) / (VARIANCE + eps) ** sp.Rational(3, 2), l) / 2


def _parameters() -> tuple[AnyClaim, ...]:
    grad_xhat = find("batchnorm.grad_xhat").domain
    upstream = r"\frac{\partial \ell}{\partial \mathbf{y}_i}"

    def normalised(label: str, right: str) -> Claim:
        return Claim(
            label,
            "Gradient in a normalised input",
            r"\frac{\partial \ell}{\partial \hat{\mathbf{x}}_i} = " + right,
            g[i] * gamma,
            from_catalogue("batchnorm.grad_xhat", grad_xhat),
        )

    return (
        Definition(
            "15",
            "Forward pass",
            r"\mathbf{x} \rightarrow \hat{\mathbf{x}}(\boldsymbol{\mu}_{\mathcal{B}}, \sigma_{\mathcal{B}}^2, \mathbf{x}) "
            r"\rightarrow \mathbf{y}(\hat{\mathbf{x}}, \boldsymbol{\gamma}, \boldsymbol{\beta}) \rightarrow \ell(\mathbf{y})",
            ("Mean and variance depend on x themselves; (33) follows all three paths.",),
        ),
        Definition(
            "16",
            "Backward pass",
            r"\ell(\mathbf{y}) \rightarrow \mathbf{y}(\hat{\mathbf{x}}, \boldsymbol{\gamma}, \boldsymbol{\beta}) \rightarrow "
            r"\hat{\mathbf{x}}(\boldsymbol{\mu}_{\mathcal{B}}, \sigma_{\mathcal{B}}^2, \mathbf{x})",
            ("The order of (17)-(33).",),
        ),
        _scale_gradient(
            "17", rf"{upstream} \cdot \frac{{\partial \mathbf{{y}}_i}}{{\partial \gamma}}", _SUMMED
        ),
        _scale_gradient("18", rf"\sum_{{i=1}}^m {upstream} \cdot \hat{{\mathbf{{x}}}}_i"),
        _shift_gradient(
            "19", rf"{upstream} \cdot \frac{{\partial \mathbf{{y}}_i}}{{\partial \beta}}", _SUMMED
        ),
        _shift_gradient("20", rf"\sum_{{i=1}}^m {upstream}"),
        normalised(
            "21", rf"{upstream} \cdot \frac{{\partial \mathbf{{y}}_i}}{{\partial \hat{{\mathbf{{x}}}}_i}}"
        ),
        normalised("22", rf"{upstream} \odot \gamma"),
    )


def _mean_and_variance() -> tuple[AnyClaim, ...]:
    mu, v = bn.mu, bn.var
    zero_sum = bn.total(-2 * (x[l] - MU), l) / m
    value = sp.Symbol("x", real=True)
    fixed = Domain({value: sp.S.Reals, mu: sp.S.Reals, v: _POSITIVE, eps: sp.Interval(0, sp.oo)})
    about = bn.total((x[l] - mu) ** 2, l) / m
    chain = _mean_gradient() + _variance_gradient() * zero_sum
    with_g = _domain(more={G: sp.S.Reals})

    def mean(label: str, right: str, value: sp.Expr, *assumptions: str, domain: Domain = _BATCH) -> Claim:
        return Claim(
            label,
            "Gradient in the mean",
            f"{_PARTIAL_MU} = {right}",
            value,
            from_catalogue("batchnorm.grad_mean", domain),
            assumptions=assumptions,
        )

    two_paths = (
        r"\frac{\partial \ell}{\partial \hat{\mathbf{x}}} \cdot \frac{\partial \hat{\mathbf{x}}}{\partial "
        rf"\boldsymbol{{\mu}}_{{\mathcal{{B}}}}}} + {_PARTIAL_SIGMA} \cdot \frac{{\partial \sigma_{{\mathcal{{B}}}}^2}}"
        r"{\partial \boldsymbol{\mu}_{\mathcal{B}}}"
    )
    direct = (
        r"\left( \sum_{i=1}^m \frac{\partial \ell}{\partial \hat{\mathbf{x}}_i} \cdot "
        rf"\left( -\frac{{1}}{{{_ROOT}}} \right) \right)"
    )
    return (
        mean("23", two_paths, chain, _SUMMED),
        Claim(
            "24",
            "Normalised input by the mean, the variance held",
            r"\frac{\partial \hat{\mathbf{x}}_i}{\partial \boldsymbol{\mu}_{\mathcal{B}}} = "
            + rf"-\frac{{1}}{{{_ROOT}}}",
            -1 / sp.sqrt(v + eps),
            Derivation.begin(sp.Derivative((value - mu) / sp.sqrt(v + eps), mu), fixed),
        ),
        Claim(
            "25",
            "Variance by the mean about which it is taken",
            r"\frac{\partial \sigma_{\mathcal{B}}^2}{\partial \boldsymbol{\mu}_{\mathcal{B}}} = -\frac{1}{m} \sum_{i=1}^m 2 "
            rf"\cdot ({_DEVIATION})",
            -bn.total(2 * (x[l] - MU), l) / m,
            Derivation.begin(sp.Subs(sp.Derivative(about, mu), (mu,), (bn.batch_mean(),)), _BATCH),
            assumptions=("At the mean of the batch it is zero, as (31) uses.",),
        ),
        Claim(
            "26",
            "Gradient in the variance, by the chain rule",
            rf"{_PARTIAL_SIGMA} = \frac{{\partial \ell}}{{\partial \hat{{\mathbf{{x}}}}}} \cdot "
            r"\frac{\partial \hat{\mathbf{x}}}{\partial \sigma_{\mathcal{B}}^2}",
            bn.total(_h(j) * sp.Subs(sp.Derivative((x[j] - MU) / sp.sqrt(v + eps), v), (v,), (VARIANCE,)), j),
            from_catalogue("batchnorm.grad_variance", _BATCH),
            assumptions=("The dot is the inner product over the batch.",),
        ),
        Claim(
            "27",
            "Gradient in the variance",
            rf"{_PARTIAL_SIGMA} = \frac{{\partial \ell}}{{\partial \hat{{\mathbf{{x}}}}}} \cdot {_MISPLACED}",
            G * _sum_of_deviations(),
            from_catalogue("batchnorm.grad_variance", with_g),
            cause=Cause.MISPRINT,
            consequence=_misplaced_sum,
            experiment=lambda seed: _trials(seed, lambda b: b["grad_variance"], {G: 1}),
            assumptions=(
                "The gradient stands outside the sum: whatever it is there, G, it multiplies the sum.",
            ),
            sources=("li2023 (10)",),
        ),
        mean("28", two_paths, chain, _SUMMED),
        Claim(
            "29",
            "Gradient in the mean, direct path",
            rf"\frac{{\partial \ell}}{{\partial \hat{{\mathbf{{x}}}}}} \cdot \frac{{\partial \hat{{\mathbf{{x}}}}}}"
            rf"{{\partial \boldsymbol{{\mu}}_{{\mathcal{{B}}}}}} = {direct}",
            _mean_gradient(),
            Derivation.begin(
                bn.total(
                    _h(j) * sp.Subs(sp.Derivative((x[j] - mu) / ROOT, mu), (mu,), (bn.batch_mean(),)), j
                ),
                _BATCH,
            ),
        ),
        Claim(
            "30",
            "Gradient in the mean, path through the variance",
            rf"{_PARTIAL_SIGMA} \cdot \frac{{\partial \sigma_{{\mathcal{{B}}}}^2}}{{\partial \boldsymbol{{\mu}}_"
            rf"{{\mathcal{{B}}}}}} = \frac{{\partial \ell}}{{\partial \hat{{\mathbf{{x}}}}}} \cdot {_MISPLACED} \cdot "
            rf"\left( -\frac{{1}}{{m}} \sum_{{i=1}}^m 2 \cdot ({_DEVIATION}) \right)",
            G * _sum_of_deviations() * zero_sum,
            _truth(
                lambda d: d * sp.Subs(sp.Derivative(about, mu), (mu,), (bn.batch_mean(),)),
                "grad_variance",
                domain=with_g,
            ),
            assumptions=("The first factor is that of (27); the last is zero.",),
        ),
        mean(
            "31",
            rf"{direct} + \frac{{\partial \ell}}{{\partial \hat{{\mathbf{{x}}}}}} \cdot {_MISPLACED} \cdot \mathbf{{0}}",
            _mean_gradient() + G * _sum_of_deviations() * 0,
            domain=with_g,
        ),
        mean("32", direct[6:-8], _mean_gradient()),
    )


def _misplaced_sum() -> str:
    return (
        "The deviations sum to zero, so the print is zero whatever the gradient is: the sum belongs around the product, "
        "as in (10). Without it BatchNorm would pass the component of the gradient along xhat with gain 1, not 0 "
        "(eps = 0); of a random gradient that is one direction of m, 3 % of its square at m = 32. The final (44), but "
        "for its index, and (54) have the right term, so no conclusion changes."
    )


def _trials(
    seed: int, pick: Callable[[dict[str, Any]], float], more: dict[Any, Any] | None = None
) -> list[Trial]:
    """By complex steps of the forward pass."""
    rng = np.random.default_rng(seed)
    batch, upstream = rng.standard_normal((2, 5))
    scale, added = 1.5, 0.25
    found = measured.gradients(batch, upstream, scale, 0.5, added)
    found |= {"x": batch, "mean": batch.mean(), "m": batch.size}
    point = {m: 5, x: tuple(batch), g: tuple(upstream), gamma: scale, beta: 0.5, eps: added, **(more or {})}
    return [Trial(exact_point(point), float(pick(found)))]


def _inputs() -> tuple[AnyClaim, ...]:
    left = r"\frac{\partial \ell}{\partial \mathbf{x}_i} = "
    chain = (
        r"\frac{\partial \ell}{\partial \hat{\mathbf{x}}_i} \cdot \frac{\partial \hat{\mathbf{x}}_i}{\partial \mathbf{x}_i} "
        rf"+ {_PARTIAL_MU} \cdot \frac{{\partial \boldsymbol{{\mu}}_{{\mathcal{{B}}}}}}{{\partial \mathbf{{x}}_i}} + "
        rf"{_PARTIAL_SIGMA} \cdot \frac{{\partial \sigma_{{\mathcal{{B}}}}^2}}{{\partial \mathbf{{x}}_i}}"
    )
    put_in = (
        rf"\frac{{\partial \ell}}{{\partial \hat{{\mathbf{{x}}}}_i}} \cdot \frac{{1}}{{{_ROOT}}} + {_PARTIAL_SIGMA} \cdot "
        rf"\frac{{2({_DEVIATION})}}{{m}} + {_PARTIAL_MU} \cdot \frac{{1}}{{m}}"
    )
    h = r"\frac{\partial \ell}{\partial \hat{\mathbf{x}}_i}"
    deviations = rf"\left( -\frac{{1}}{{2}} \sum_{{i=1}}^m \frac{{{_DEVIATION}}}{{{_ROOT}}} \right)"
    return (
        _input_gradient("33", chain),
        _input_gradient("34", put_in),
        _two_paths("35"),
        _third_path(
            "36",
            rf"{h} \cdot {_MISPLACED} \cdot \frac{{2({_DEVIATION})}}{{m}}",
            _h(i) * _sum_of_deviations() * 2 * (x[i] - MU) / m,
        ),
        _two_paths("37"),
        _third_path(
            "38",
            rf"{h} \cdot {deviations} \cdot \frac{{2({_DEVIATION})}}{{{_ROOT}}} \cdot \frac{{1}}{{m \cdot {_ROOT}}}",
            _h(i) * (-bn.total((x[l] - MU) / ROOT, l) / 2) * 2 * (x[i] - MU) / ROOT / (m * ROOT),
        ),
        Claim(
            "39",
            "Normalised input",
            rf"\hat{{\mathbf{{x}}}}_i = \frac{{{_DEVIATION}}}{{{_ROOT}}}",
            (x[i] - MU) / ROOT,
            Derivation.begin(bn.Xhat(i), _SAMPLE),
        ),
        _input_gradient("40", chain),
        _input_gradient("41", put_in),
        _two_paths("42"),
        _third_path(
            "43",
            rf"{h} \cdot \left( -\frac{{1}}{{2}} \sum_{{i=1}}^m \hat{{\mathbf{{x}}}}_i \right) \cdot "
            rf"\frac{{2\hat{{\mathbf{{x}}}}_i}}{{m \cdot {_ROOT}}}",
            _h(i) * (-bn.total(bn.Xhat(l), l) / 2) * 2 * bn.Xhat(i) / (m * ROOT),
        ),
        _final(
            "44",
            left
            + rf"\frac{{1}}{{m {_ROOT}}} \cdot \left[ m {h} - \sum_{{j=1}}^m \frac{{\partial \ell}}{{\partial "
            r"\hat{\mathbf{x}}_j} - \hat{\mathbf{x}}_i \sum_{i=1}^m \frac{\partial \ell}{\partial \hat{\mathbf{x}}_j} \cdot "
            r"\hat{\mathbf{x}}_j \right]",
            "The last sum runs over i, its summand has j: read as it stands, it is m times the summand.",
        ),
        _final(
            "45",
            left
            + r"\frac{m \frac{\partial \ell}{\partial \hat{\mathbf{y}}_i} - \sum_{j=1}^m \frac{\partial \ell}{\partial "
            r"\hat{\mathbf{y}}_j} - \hat{\mathbf{x}}_i \sum_{i=1}^m \frac{\partial \ell}{\partial \hat{\mathbf{y}}_j} \cdot "
            rf"\hat{{\mathbf{{x}}}}_j}}{{m {_ROOT}}} \odot \gamma",
            "As (44); no y with a hat is defined, y is meant, as in the sentence below.",
        ),
        Claim(
            "46",
            "Scale and shift",
            r"\mathbf{y}_i \leftarrow \gamma \hat{\mathbf{x}}_i + \beta",
            gamma * bn.Xhat(i) + beta,
            Derivation.begin(bn.output(i), _SAMPLE),
            defines=True,
        ),
    )


def _two_paths(label: str) -> Claim:
    return Claim(
        label,
        "Gradient in an input, direct path and path through the mean",
        rf"\frac{{\partial \ell}}{{\partial \hat{{\mathbf{{x}}}}_i}} \cdot \frac{{\partial \hat{{\mathbf{{x}}}}_i}}"
        rf"{{\partial \mathbf{{x}}_i}} + {_PARTIAL_MU} \cdot \frac{{\partial \boldsymbol{{\mu}}_{{\mathcal{{B}}}}}}"
        rf"{{\partial \mathbf{{x}}_i}} = \frac{{\partial \ell}}{{\partial \mathbf{{y}}_i}} \cdot \gamma \cdot "
        rf"\frac{{1}}{{{_ROOT}}} + \sum_{{i=1}}^m \frac{{\partial \ell}}{{\partial \hat{{\mathbf{{x}}}}_i}} \cdot "
        rf"\left( -\frac{{1}}{{{_ROOT}}} \right) \cdot \frac{{1}}{{m}}",
        g[i] * gamma / ROOT + bn.total(_h(j) * (-1 / ROOT) / m, j),
        _truth(
            lambda mean, slope: _h(i) / ROOT + mean * slope, "grad_mean", "mean_derivative", domain=_SAMPLE
        ),
        assumptions=("The line ends with a plus; the next line is the third path.",),
    )


def _third_path(label: str, right: str, value: sp.Expr) -> Claim:
    return Claim(
        label,
        "Gradient in an input, path through the variance",
        rf"{_PARTIAL_SIGMA} \cdot \frac{{\partial \sigma_{{\mathcal{{B}}}}^2}}{{\partial \mathbf{{x}}_i}} = {right}",
        value,
        _truth(lambda d, slope: d * slope, "grad_variance", "variance_derivative", domain=_SAMPLE),
        cause=Cause.MISPRINT,
        consequence=_misplaced_sum,
        experiment=lambda seed: _trials(
            seed, lambda b: b["grad_variance"] * 2 * (b["x"][1] - b["mean"]) / b["m"], {i: 2}
        ),
        assumptions=(
            "The sum is over the deviations alone; the gradient outside it has the index of the input.",
            "The line continues a sum; the left side is what this term of it stands for.",
        ),
        sources=("li2023 (27)",),
    )


def _final(label: str, printed: str, reading: str) -> Claim:
    last = sp.Sum(_h(j) * bn.Xhat(j), (n, 1, m))
    return Claim(
        label,
        "Gradient in an input, simplified",
        printed,
        (m * _h(i) - bn.total(_h(l), l) - bn.Xhat(i) * last) / (m * ROOT),
        from_catalogue("batchnorm.grad_input", _TWO),
        cause=Cause.MISPRINT,
        consequence=lambda: (
            "The index of the sum should be j. As it stands one sample's product counts m times in place of the sum over "
            "the batch: for independent entries its standard deviation is m, not the square root of m, 32 instead of 5.7 "
            "at m = 32. (54) has the inner product, so nothing later changes."
        ),
        experiment=lambda seed: _trials(seed, lambda b: b["grad_input"][1], {i: 2, j: 4}),
        assumptions=(reading,),
        sources=("sari2020 (1)", "panigrahi2018 (4)"),
    )


# --- inference -------------------------------------------------------------------------------------------------------


def _running() -> tuple[AnyClaim, ...]:
    running = find("batchnorm.running_variance")
    inference = find("batchnorm.inference")
    mu = bn.mu
    (sigma,) = {s for s in running.domain.sets if str(s) == "sigma"}
    value, spread = (next(s for s in inference.domain.sets if str(s) == name) for name in ("x", "v"))
    root = sp.sqrt(spread + eps)
    return (
        Definition(
            "Alg 2",
            "Training a batch-normalized network",
            r"N_{\mathrm{BN}}^{\mathrm{tr}} \leftarrow N, \ldots, N_{\mathrm{BN}}^{\mathrm{inf}}",
            (
                "Line 5 optimises gamma too, which the list of learned parameters leaves out.",
                "Line 3 repeats the assignment of line 1 inside the loop; read literally it would undo the layers added so "
                "far.",
            ),
        ),
        Claim(
            "47",
            "Mean for inference",
            r"\mathbb{E}[\mathbf{x}] \leftarrow \mathbb{E}_{\mathcal{B}}[\mu_{\mathcal{B}}]",
            mu,
            Derivation.begin(bn.total(mu, k) / m, Domain({m: sp.Range(1, sp.oo), mu: sp.S.Reals})),
            assumptions=("All samples have the same mean.",),
        ),
        Claim(
            "48",
            "Variance for inference is unbiased",
            r"\frac{m}{m-1} \mathbb{E}_{\mathcal{B}}[\sigma_{\mathcal{B}}^2] = \mathrm{Var}[\mathbf{x}]",
            sigma**2,
            from_catalogue(running.name, running.domain),
            assumptions=(
                "Uncorrelated samples; m is at least 2.",
                "The weights do not change between the batches.",
            ),
        ),
        Claim(
            "49",
            "Inference is an affine map",
            r"\mathbf{y} = \frac{\gamma}{\sqrt{\mathrm{Var}[\mathbf{x}] + \epsilon}} \cdot \mathbf{x} + \left( \beta - "
            r"\frac{\gamma \mathbb{E}[\mathbf{x}]}{\sqrt{\mathrm{Var}[\mathbf{x}] + \epsilon}} \right)",
            gamma / root * value + (beta - gamma * mu / root),
            from_catalogue(inference.name, inference.domain),
        ),
    )


# --- section 2.4: Lipschitz continuity -------------------------------------------------------------------------------

_FLAT = _domain(divisor=VARIANCE)
SIGMA = sp.sqrt(VARIANCE)
_G = r"\frac{\partial \hat{\ell}}{\partial \mathbf{y}^{(k)}}"
_X = r"\hat{\mathbf{x}}^{(k)}"
_NO_EPS = "eps = 0, as throughout section 2.4."


def _z(index: sp.Expr) -> sp.Expr:
    return bn.Xhat(index, sp.S.Zero)


def _gradient_entry(index: sp.Expr) -> sp.Expr:
    """The right side of (54) at one sample."""
    along = bn.total(g[l] * _z(l), l)
    return gamma / (m * SIGMA) * (m * g[index] - bn.total(g[l], l) - _z(index) * along)


def _norm() -> sp.Expr:
    """The squared norm of the gradient (54)."""
    return bn.total(_gradient_entry(n) ** 2, n)


def _bound() -> sp.Expr:
    ones, along = bn.total(g[j], j), bn.total(g[j] * _z(j), j)
    return gamma**2 / VARIANCE * (bn.total(g[j] ** 2, j) - ones**2 / m - along**2 / m)


def _covariate_shift() -> tuple[AnyClaim, ...]:
    layer, depth, step = sp.symbols("i k t", integer=True, positive=True)
    q = sp.Symbol("q", integer=True, positive=True)
    natural = sp.Range(1, sp.oo)
    domain = Domain({layer: natural, depth: natural, step: natural})
    return (
        Definition(
            "Def 2.1",
            "Internal covariate shift",
            r"\mathbf{G}_{t,i}, \mathbf{G}'_{t,i}",
            ("The two gradients (50) and (51); their difference is the shift. No equation uses it.",),
        ),
        Definition(
            "50",
            "Gradient of a layer before the others are updated",
            r"\mathbf{G}_{t,i} = \nabla_{\mathbf{W}_t^{(i)}} \ell(\mathbf{W}_t^{(1)}, \dots, \mathbf{W}_t^{(k)}; "
            r"\mathbf{x}_t, \mathbf{y}_t)",
            ("Here k is the number of layers; in the definition's first sentence it is any layer.",),
        ),
        Claim(
            "51",
            "Gradient of a layer after the previous layers are updated: number of weights listed",
            r"\#\mathbf{G}'_{t,i} = \#\{\mathbf{W}_{t+1}^{(1)}, \dots, \mathbf{W}_{t+1}^{(i-1)}, \mathbf{W}_t^{(i)}, "
            r"\mathbf{W}_t^{(t+1)}, \dots, \mathbf{W}_t^{(k)}\}",
            (layer - 1) + 1 + (depth - step),
            Derivation.begin(sp.Sum(1, (q, 1, depth)), domain).step("one for each layer", depth),
            cause=Cause.MISPRINT,
            consequence=lambda: (
                "The layer after i is i + 1, not t + 1. At step t = 3 of a network of k = 5 layers the gradient of layer "
                "i = 1 would list 3 weights instead of 5. No equation uses it."
            ),
            experiment=_listed_weights,
            assumptions=(
                "# counts the weights that the loss is a function of: one for each of the k layers.",
            ),
        ),
        Definition(
            "Def 2.2",
            "Lipschitz continuity",
            r"|f(\mathbf{x}_1) - f(\mathbf{x}_2)| \leq L \|\mathbf{x}_1 - \mathbf{x}_2\|",
            (
                "For differentiable f on a convex set L is the supremum of the norm of the gradient, which (53) bounds.",
            ),
        ),
        Definition(
            "52",
            "Lipschitz continuity",
            r"|f(\mathbf{x}_1) - f(\mathbf{x}_2)| \leq L \|\mathbf{x}_1 - \mathbf{x}_2\|, \quad \forall \mathbf{x}_1, "
            r"\mathbf{x}_2 \in \mathcal{X}",
            ("As Definition 2.2.",),
        ),
    )


def _listed_weights(_: int) -> list[Trial]:
    layer, depth, step = sp.symbols("i k t", integer=True, positive=True)
    chosen, layers, time = 2, 7, 4
    listed = [*range(1, chosen), chosen, *range(chosen + 1, layers + 1)]
    return [Trial({layer: chosen, depth: layers, step: time}, float(len(listed)))]


def _lipschitz() -> tuple[AnyClaim, ...]:
    at = {eps: sp.S.Zero}
    along = bn.total(g[j] * _z(j), j)
    centred = g[j] - bn.total(g[l], l) / m
    unit = _z(j) / sp.sqrt(m)
    onto = bn.total((g[j] - bn.total(g[l], l) / m) * _z(j), j) / sp.sqrt(m)
    length = bn.total(centred**2, j)
    factor = gamma**2 / VARIANCE

    def link(label: str, about: str, right: str, value: sp.Expr, *assumptions: str) -> Claim:
        return Claim(
            label,
            about,
            r"\left\| \nabla_{\mathbf{x}^{(k)}} \hat{\ell} \right\|^2 = \left( \frac{\gamma}{\sigma_{\mathcal{B}}^{(k)}} "
            r"\right)^2 " + right,
            factor * value,
            Derivation.begin(_norm(), _FLAT),
            assumptions=(_NO_EPS, *assumptions),
        )

    mean = rf"\frac{{1}}{{m}} \left\langle \mathbf{{1}}, {_G} \right\rangle"
    direction = rf"\frac{{{_X}}}{{\|{_X}\|}}"
    residual = rf"{_G} - {mean}"
    projection = rf"\left\langle {residual}, {direction} \right\rangle"
    bound_text = (
        r"\frac{\gamma^2}{(\sigma_{\mathcal{B}}^{(k)})^2} \left( \|\nabla_{\mathbf{x}^{(k)}} \ell\|^2 - \frac{1}{m} \langle "
        r"\mathbf{1}, \nabla_{\mathbf{x}^{(k)}} \ell \rangle^2 - \frac{1}{m} \left\langle \nabla_{\mathbf{x}^{(k)}} \ell, "
        r"\hat{\mathbf{x}}^{(k)} \right\rangle^2 \right)"
    )

    def inequality(label: str) -> Inequality:
        return Inequality(
            label,
            "Squared norm of the gradient, by that without BatchNorm",
            rf"\|\nabla_{{\mathbf{{x}}^{{(k)}}}} \hat{{\ell}}\|^2 \leq {bound_text}",
            Derivation.begin(_bound() - _norm(), _FLAT).step("(55)-(60): the two sides are equal", sp.S.Zero),
            assumptions=(
                _NO_EPS,
                "The same upstream gradient with and without BatchNorm.",
            ),
            consequence=_with_eps,
        )

    return (
        Inequality(
            "Thm 2.1",
            "BatchNorm does not enlarge the gradient, in units of gamma/sigma",
            r"\|\nabla_{\mathbf{x}^{(k)}} \hat{\ell}\|^2 \leq \frac{\gamma^2}{(\sigma_{\mathcal{B}}^{(k)})^2} "
            r"\|\nabla_{\mathbf{x}^{(k)}} \ell\|^2",
            Derivation.begin(factor * bn.total(g[j] ** 2, j) - _norm(), _FLAT).step(
                "(60)", factor * (bn.total(g[j], j) ** 2 + along**2) / m
            ),
            assumptions=(
                _NO_EPS,
                "The gradient itself is smaller than without BatchNorm if gamma is at most sigma.",
            ),
        ),
        inequality("53"),
        Claim(
            "P3",
            "Normalised activations have mean zero",
            rf"\langle \mathbf{{1}}, {_X} \rangle = 0",
            sp.S.Zero,
            Derivation.begin(bn.total(_z(j), j), _FLAT),
        ),
        Claim(
            "P4",
            "Normalised activations have norm sqrt(m)",
            rf"\|{_X}\|^2 = m",
            m,
            _unit_norm(lambda e: e, at, _FLAT),
            assumptions=(_NO_EPS,),
        ),
        Claim(
            "54",
            "Gradient in the activations",
            rf"\nabla_{{\mathbf{{x}}^{{(k)}}}} \hat{{\ell}} = \left( \frac{{\gamma}}{{m \sigma_{{\mathcal{{B}}}}^{{(k)}}}} "
            rf"\right) \left( m {_G} - \mathbf{{1}} \left\langle \mathbf{{1}}, {_G} \right\rangle - {_X} \left\langle "
            rf"{_G}, {_X} \right\rangle \right)",
            _gradient_entry(i),
            from_catalogue("batchnorm.grad_input", _domain(i, divisor=VARIANCE), at),
            assumptions=(_NO_EPS,),
            sources=("sari2020 (1)", "panigrahi2018 (4)"),
        ),
        link(
            "55",
            "Squared norm of (54)",
            rf"\left\| {residual} - \frac{{{_X}}}{{m}} \left\langle {_G}, {_X} \right\rangle \right\|^2",
            bn.total((centred - _z(j) / m * bn.total(g[l] * _z(l), l)) ** 2, j),
            "The scalar mean stands for itself times the vector 1.",
        ),
        link(
            "56",
            "As the residual of a projection",
            rf"\left\| \left( {residual} \right) - {direction} {projection} \right\|^2",
            bn.total((centred - unit * onto.xreplace({j: k})) ** 2, j),
        ),
        link(
            "57",
            "The square written out",
            rf"\left( \left\| {residual} \right\|^2 + {projection}^2 - 2 \left( {residual} \right) \cdot {direction} "
            rf"{projection} \right)",
            length + onto**2 - 2 * bn.total(centred * unit, j) * onto,
        ),
        link(
            "58",
            "Pythagoras",
            rf"\left( \left\| {residual} \right\|^2 - {projection}^2 \right)",
            length - onto**2,
        ),
        link(
            "59",
            "The first square written out",
            rf"\left( \left\| {_G} \right\|^2 + \frac{{1}}{{m^2}} \left\langle \mathbf{{1}}, {_G} \right\rangle^2 \cdot m - "
            rf"\frac{{2}}{{m}} \left\langle \mathbf{{1}}, {_G} \right\rangle^2 - \left\| \left\langle {_G}, {direction} "
            rf"\right\rangle - \left\langle \frac{{1}}{{m}}, {direction} \right\rangle \right\|^2 \right)",
            bn.total(g[j] ** 2, j)
            + bn.total(g[j], j) ** 2 / m**2 * m
            - 2 * bn.total(g[j], j) ** 2 / m
            - (along / sp.sqrt(m) - bn.total(_z(j) / m, j) / sp.sqrt(m)) ** 2,
            "The last inner product is printed with 1/m for the mean of the gradient; it is zero for either.",
        ),
        link(
            "60",
            "Squared norm of the gradient",
            rf"\left( \left\| {_G} \right\|^2 - \frac{{1}}{{m}} \left\langle \mathbf{{1}}, {_G} \right\rangle^2 - "
            rf"\frac{{1}}{{m}} \left\langle {_G}, {_X} \right\rangle^2 \right)",
            bn.total(g[j] ** 2, j) - bn.total(g[j], j) ** 2 / m - along**2 / m,
        ),
        inequality("61"),
    )


def _with_eps() -> str:
    size, added = 32, 1e-5
    batch = np.linspace(-1.0, 1.0, size)
    batch /= batch.std()
    gradient = measured.gradients(batch, batch, 1.0, 0.0, added)["grad_input"]
    return (
        "The two sides are equal. With the epsilon of Algorithm 1 the inequality itself fails for a gradient along xhat: "
        f"at epsilon = 1e-5, variance 1, gamma = 1, m = {size} its left side is {float(gradient @ gradient):.3g}, its "
        "right side 0."
    )


# --- Theorem 2.2 -----------------------------------------------------------------------------------------------------

LAMBDA = sp.Symbol("lambda", positive=True)


def _weight_space() -> tuple[AnyClaim, ...]:
    domain = _domain(divisor=VARIANCE, more={LAMBDA: _POSITIVE})
    ones, along = bn.total(g[j], j), bn.total(g[j] * _z(j), j)
    squares = bn.total(g[j] ** 2, j)
    largest = LAMBDA**2 * _norm()
    factor = gamma**2 / VARIANCE
    true = factor * LAMBDA**2 * (squares - ones**2 / m - along**2 / m)
    rest = m * (ones / m) ** 2 + LAMBDA**2 * along**2
    corrected = Inequality(
        "63",
        "Bound of the gradient in the weights",
        r"\hat{g}^{(k)} \leq \left( \frac{\gamma}{\sigma^{(k)}} \right)^2 \left( g^{(k)} - \lambda^2 m \mu_{g}^2 - "
        r"\frac{\lambda^2}{m} \left\langle \nabla_{\mathbf{x}^{(k)}} \ell, \hat{\mathbf{x}}^{(k)} \right\rangle^2 \right)",
        Derivation.begin(true - largest, domain).step("(60)", sp.S.Zero),
    )

    def claim(label: str, first: sp.Expr, reading: str, consequence: Callable[[], str]) -> Inequality:
        return Inequality(
            label,
            "Bound of the gradient in the weights",
            r"\hat{g}^{(k)} \leq \left( \frac{\gamma}{\sigma^{(k)}} \right)^2 \left( g_j^2 - m \mu_{g_j}^2 - \lambda^2 "
            r"\left\langle \nabla_{\mathbf{x}^{(k)}} \ell, \hat{\mathbf{x}}^{(k)} \right\rangle^2 \right)",
            Derivation.begin(factor * (first - rest) - largest, domain).step(
                "(60)", factor * (first - rest) - true
            ),
            corrected=corrected,
            cause=Cause.ALGEBRA,
            consequence=consequence,
            experiment=lambda seed: _weight_trials(seed, first),
            assumptions=(
                reading,
                "The gradient in the weights of one unit is X^T times that in its activations; its largest square over "
                "inputs of norm at most lambda is lambda^2 times the square of the latter, statistics held fixed.",
                "mu_g is the mean of the gradient in the activations over the batch; the document does not define it. The "
                "third term alone refutes the bound.",
                "No derivation is printed.",
            ),
        )

    return (
        Definition(
            "62",
            "Largest squared gradients in the weights",
            r"g^{(k)} = \max_{\|\mathbf{x}\| \leq \lambda} \|\nabla_{\mathbf{w}} \ell\|^2, \quad \hat{g}^{(k)} = "
            r"\max_{\|\mathbf{x}\| \leq \lambda} \|\nabla_{\mathbf{w}} \hat{\ell}\|^2",
            ("Already squared; (63) squares g once more and calls it g_j.",),
        ),
        claim(
            "63",
            LAMBDA**2 * squares,
            "g_j^2 is the largest squared norm, that is g of (62), not its square.",
            _negative_bound,
        ),
        claim(
            "Thm 2.2", LAMBDA**4 * squares**2, "g_j^2 is the square of g of (62), literally.", _other_units
        ),
    )


def _negative_bound() -> str:
    return (
        "The second term lacks lambda^2, the third has a factor m too much. For the gradient xhat itself the true value "
        "is 0 and the printed bound -(m - 1) m lambda^2 gamma^2/sigma^2, -992 lambda^2 gamma^2/sigma^2 at m = 32: a "
        "squared norm below a negative number. With the factors mended the bound follows from "
        "(60) and holds with equality, so that BatchNorm does not enlarge the gradient in the weights stays true."
    )


def _other_units() -> str:
    size, batch = sp.Rational(1, 2), 32
    bound = size**4 * batch**2 - size**2 * batch**2
    return (
        "The first term then has other units than the rest: with a loss c times as large it grows as c^4, the others as "
        f"c^2. For the gradient xhat itself, lambda = {size} and m = {batch} the printed bound is {bound} gamma^2/sigma^2, "
        "the true value 0. The other reading is under (63)."
    )


def _weight_trials(seed: int, first: sp.Expr) -> list[Trial]:
    """The printed bound minus the square that the best input reaches, by complex steps and a matrix product."""
    rng = np.random.default_rng(seed)
    batch, noise = rng.standard_normal((2, 6))
    centred = batch - batch.mean()
    xhat = centred / centred.std()
    upstream = xhat + 0.1 * noise
    size, scale = 0.5, 0.75
    gradient = measured.gradients(batch, upstream, scale, 0.0, 0.0)["grad_input"]
    inputs = size * np.outer(gradient / np.linalg.norm(gradient), [0.6, 0.8])  # spectral norm `size`
    reached = float(((inputs.T @ gradient) ** 2).sum())
    square = size**2 * float(upstream @ upstream)
    if first.has(LAMBDA**4):
        square = square**2
    printed = square - batch.size * upstream.mean() ** 2 - size**2 * float(upstream @ xhat) ** 2
    found = scale**2 / float(centred.var()) * printed - reached
    point = {m: 6, x: tuple(batch), g: tuple(upstream), gamma: scale, beta: 0, eps: 0, LAMBDA: size}
    return [Trial(exact_point(point), found)]


def claims() -> tuple[AnyClaim, ...]:
    """One claim for each label, in order of appearance."""
    return (
        *_standardisation(),
        *_chain_rule(),
        *_transform(),
        *_gradients(),
        *_parameters(),
        *_mean_and_variance(),
        *_inputs(),
        *_running(),
        *_covariate_shift(),
        *_lipschitz(),
        *_weight_space(),
    )
