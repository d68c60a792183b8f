"""Sections 2.2 and 2.3: the gradients as stated, and their derivation line by line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from derivations import Derivation, Domain, find
from derivations import batchnorm as bn
from numeric.experiments import batchnorm as measured
from paper_checks.claim import AnyClaim, Cause, Claim, Definition, Trial
from paper_checks.papers.li2023.symbols import (
    BATCH,
    MU,
    POSITIVE,
    ROOT,
    SAMPLE,
    TWO,
    VARIANCE,
    G,
    batch_domain,
    beta,
    eps,
    g,
    gamma,
    gradient_in_xhat,
    i,
    in_formulas,
    j,
    l,
    m,
    n,
    x,
)
from paper_checks.transcription import exact_point, from_catalogue


def _variance_gradient() -> sp.Expr:
    return bn.total(
        gradient_in_xhat(j) * (x[j] - MU) * sp.Rational(-1, 2) * (VARIANCE + eps) ** sp.Rational(-3, 2), j
    )


def _mean_gradient() -> sp.Expr:
    return bn.total(gradient_in_xhat(j) * (-1 / ROOT), j)


def _through_all_three() -> sp.Expr:
    return gradient_in_xhat(i) / ROOT + _variance_gradient() * 2 * (x[i] - MU) / m + _mean_gradient() / m


def gradients() -> tuple[AnyClaim, ...]:
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
            from_catalogue("batchnorm.grad_variance", BATCH),
        ),
        Claim(
            "11",
            "Gradient in the mean, through the variance too",
            r"\frac{\partial \ell}{\partial \boldsymbol{\mu}_{\mathcal{B}}} = \left( \sum_{i=1}^m "
            r"\frac{\partial \ell}{\partial \hat{\mathbf{x}}_i} \cdot \frac{-1}{\sqrt{\sigma_{\mathcal{B}}^2 + \epsilon}} "
            r"\right) + \frac{\partial \ell}{\partial \sigma_{\mathcal{B}}^2} \cdot "
            r"\frac{\sum_{i=1}^m -2(\mathbf{x}_i - \boldsymbol{\mu}_{\mathcal{B}})}{m}",
            _mean_gradient() + _variance_gradient() * zero_sum,
            from_catalogue("batchnorm.grad_mean", BATCH),
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
        from_catalogue("batchnorm.grad_input", SAMPLE),
        sources=sources,
    )


def _scale_gradient(label: str, right: str, *assumptions: str) -> Claim:
    return Claim(
        label,
        "Gradient in gamma",
        r"\frac{\partial \ell}{\partial \boldsymbol{\gamma}} = " + right,
        bn.total(g[j] * bn.Xhat(j), j),
        from_catalogue("batchnorm.grad_gamma", BATCH),
        assumptions=assumptions,
        sources=("sari2020 (U1b)",),
    )


def _shift_gradient(label: str, right: str, *assumptions: str) -> Claim:
    return Claim(
        label,
        "Gradient in beta",
        r"\frac{\partial \ell}{\partial \boldsymbol{\beta}} = " + right,
        bn.total(g[j], j),
        from_catalogue("batchnorm.grad_beta", BATCH),
        assumptions=assumptions,
        sources=("sari2020 (U1a)",),
    )


_SUMMED = "The sum over i is understood, as the text says below (18)."
_PARTIAL_SIGMA = r"\frac{\partial \ell}{\partial \sigma_{\mathcal{B}}^2}"
_PARTIAL_MU = r"\frac{\partial \ell}{\partial \boldsymbol{\mu}_{\mathcal{B}}}"
_ROOT = r"\sqrt{\sigma_{\mathcal{B}}^2 + \epsilon}"
_DEVIATION = r"\mathbf{x}_i - \boldsymbol{\mu}_{\mathcal{B}}"
_MISPLACED = rf"\left(-\frac{{1}}{{2}} \sum_{{i=1}}^m \frac{{{_DEVIATION}}}{{(\sigma_{{\mathcal{{B}}}}^2 + \epsilon)^{{3/2}}}}\right)"


def _sum_of_deviations() -> sp.Expr:
    return -bn.total((x[l] - MU) / (VARIANCE + eps) ** sp.Rational(3, 2), l) / 2


def parameters() -> tuple[AnyClaim, ...]:
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


def mean_and_variance() -> tuple[AnyClaim, ...]:
    mu, v = bn.mu, bn.var
    zero_sum = bn.total(-2 * (x[l] - MU), l) / m
    value = sp.Symbol("x", real=True)
    fixed = Domain({value: sp.S.Reals, mu: sp.S.Reals, v: POSITIVE, eps: sp.Interval(0, sp.oo)})
    about = bn.total((x[l] - mu) ** 2, l) / m
    chain = _mean_gradient() + _variance_gradient() * zero_sum
    with_g = batch_domain(more={G: sp.S.Reals})

    def mean(label: str, right: str, value: sp.Expr, *assumptions: str, domain: Domain = BATCH) -> Claim:
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
        mean("23", two_paths.replace(r"\hat{\mathbf{x}}}", r"\hat{\mathbf{x}}_i}"), chain, _SUMMED),
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
            Derivation.begin(sp.Subs(sp.Derivative(about, mu), (mu,), (bn.batch_mean(),)), BATCH),
            assumptions=("At the mean of the batch it is zero, as (31) uses.",),
        ),
        Claim(
            "26",
            "Gradient in the variance, by the chain rule",
            rf"{_PARTIAL_SIGMA} = \frac{{\partial \ell}}{{\partial \hat{{\mathbf{{x}}}}}} \cdot "
            r"\frac{\partial \hat{\mathbf{x}}}{\partial \sigma_{\mathcal{B}}^2}",
            bn.total(
                gradient_in_xhat(j)
                * sp.Subs(sp.Derivative((x[j] - MU) / sp.sqrt(v + eps), v), (v,), (VARIANCE,)),
                j,
            ),
            from_catalogue("batchnorm.grad_variance", BATCH),
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
                    gradient_in_xhat(j)
                    * sp.Subs(sp.Derivative((x[j] - mu) / ROOT, mu), (mu,), (bn.batch_mean(),)),
                    j,
                ),
                BATCH,
            ),
        ),
        Claim(
            "30",
            "Gradient in the mean, path through the variance",
            rf"{_PARTIAL_SIGMA} \cdot \frac{{\partial \sigma_{{\mathcal{{B}}}}^2}}{{\partial \boldsymbol{{\mu}}_"
            rf"{{\mathcal{{B}}}}}} = \frac{{\partial \ell}}{{\partial \hat{{\mathbf{{x}}}}}} \cdot {_MISPLACED} \cdot "
            rf"\left( -\frac{{1}}{{m}} \sum_{{i=1}}^m 2 \cdot ({_DEVIATION}) \right)",
            G * _sum_of_deviations() * zero_sum,
            in_formulas(
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


def inputs() -> tuple[AnyClaim, ...]:
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
            gradient_in_xhat(i) * _sum_of_deviations() * 2 * (x[i] - MU) / m,
        ),
        _two_paths("37"),
        _third_path(
            "38",
            rf"{h} \cdot {deviations} \cdot \frac{{2({_DEVIATION})}}{{{_ROOT}}} \cdot \frac{{1}}{{m \cdot {_ROOT}}}",
            gradient_in_xhat(i)
            * (-bn.total((x[l] - MU) / ROOT, l) / 2)
            * 2
            * (x[i] - MU)
            / ROOT
            / (m * ROOT),
        ),
        Claim(
            "39",
            "Normalised input",
            rf"\hat{{\mathbf{{x}}}}_i = \frac{{{_DEVIATION}}}{{{_ROOT}}}",
            (x[i] - MU) / ROOT,
            Derivation.begin(bn.Xhat(i), SAMPLE),
        ),
        _input_gradient("40", chain),
        _input_gradient("41", put_in),
        _two_paths("42"),
        _third_path(
            "43",
            rf"{h} \cdot \left( -\frac{{1}}{{2}} \sum_{{i=1}}^m \hat{{\mathbf{{x}}}}_i \right) \cdot "
            rf"\frac{{2\hat{{\mathbf{{x}}}}_i}}{{m \cdot {_ROOT}}}",
            gradient_in_xhat(i) * (-bn.total(bn.Xhat(l), l) / 2) * 2 * bn.Xhat(i) / (m * ROOT),
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
            Derivation.begin(bn.output(i), SAMPLE),
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
        g[i] * gamma / ROOT + bn.total(gradient_in_xhat(j) * (-1 / ROOT) / m, j),
        in_formulas(
            lambda mean, slope: gradient_in_xhat(i) / ROOT + mean * slope,
            "grad_mean",
            "mean_derivative",
            domain=SAMPLE,
        ),
        assumptions=("The line ends with a plus; the next line is the third path.",),
    )


def _third_path(label: str, right: str, value: sp.Expr) -> Claim:
    return Claim(
        label,
        "Gradient in an input, path through the variance",
        rf"{_PARTIAL_SIGMA} \cdot \frac{{\partial \sigma_{{\mathcal{{B}}}}^2}}{{\partial \mathbf{{x}}_i}} = {right}",
        value,
        in_formulas(lambda d, slope: d * slope, "grad_variance", "variance_derivative", domain=SAMPLE),
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
    last = sp.Sum(gradient_in_xhat(j) * bn.Xhat(j), (n, 1, m))
    return Claim(
        label,
        "Gradient in an input, simplified",
        printed,
        (m * gradient_in_xhat(i) - bn.total(gradient_in_xhat(l), l) - bn.Xhat(i) * last) / (m * ROOT),
        from_catalogue("batchnorm.grad_input", TWO),
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
