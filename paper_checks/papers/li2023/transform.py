"""Sections 1, 2.1 and 2.2: standardisation, the chain rule, the transform of Algorithm 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from derivations import Derivation, Domain, find
from derivations import batchnorm as bn
from derivations.machinery.prover import Lemmas
from paper_checks.claim import AnyClaim, Cause, Claim, Definition, Trial
from paper_checks.papers.li2023.symbols import (
    BATCH,
    SAMPLE,
    VARIANCE,
    batch_domain,
    beta,
    eps,
    gamma,
    i,
    j,
    k,
    l,
    m,
    x,
)
from paper_checks.transcription import exact_point

_MATRIX = x11, x12, x21, x22 = sp.symbols("x_11 x_12 x_21 x_22", real=True)
_TWO_BY_TWO = Domain(dict.fromkeys(_MATRIX, sp.S.Reals))


def standardisation() -> tuple[AnyClaim, ...]:
    whole = batch_domain(divisor=VARIANCE)
    mean = bn.total(x[k], k) / m
    at = {eps: sp.S.Zero, gamma: sp.S.One, beta: sp.S.Zero}
    return (
        Claim(
            "1",
            "Standardised feature",
            r"\hat{x}_{i,j} = \frac{x_{i,j} - \mu_j}{\sigma_j}",
            (x[i] - mean) / sp.sqrt(bn.total((x[l] - mean) ** 2, l) / m),
            Derivation.begin(bn.normalised(i, sp.S.Zero), batch_domain(i, divisor=VARIANCE)),
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
            unit_norm(lambda e: e / m, at, whole),
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


def unit_norm(build: Callable[[sp.Expr], sp.Expr], at: dict[Any, Any], domain: Domain) -> Derivation:
    norm = find("batchnorm.xhat_norm")
    begun = Derivation.begin(build(norm.definition.subs(at)), domain)
    return begun.step(norm.name, build(norm.closed_form.subs(at)), by=Lemmas(norm.derivation, at=at))


def _mean_trials(seed: int) -> list[Trial]:
    data = np.random.default_rng(seed).standard_normal((2, 2))
    return [Trial(exact_point(dict(zip(_MATRIX, data.ravel(), strict=True))), float(data.mean(axis=0)[0]))]


def chain_rule() -> tuple[AnyClaim, ...]:
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


def transform() -> tuple[AnyClaim, ...]:
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
            Derivation.begin(bn.batch_mean(), BATCH),
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
            Derivation.begin(bn.normalised(i), SAMPLE),
            defines=True,
            sources=("learningmachine (U6)",),
        ),
        Claim(
            "Alg 1.5",
            "Scale and shift",
            r"\mathbf{y}_i \leftarrow \gamma \odot \hat{\mathbf{x}}_i + \beta",
            gamma * (x[i] - mean) / printed_root + beta,
            Derivation.begin(bn.output(i), SAMPLE),
            defines=True,
        ),
    )


def _variance_trials(seed: int) -> list[Trial]:
    data = np.random.default_rng(seed).standard_normal((2, 2))
    return [Trial(exact_point(dict(zip(_MATRIX, data.ravel(), strict=True))), float(data.var(axis=0)[0]))]
