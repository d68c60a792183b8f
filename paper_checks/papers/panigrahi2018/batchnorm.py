"""Section 3.1: BatchNorm alone, forward and backward."""

from __future__ import annotations

import sympy as sp

from derivations import Derivation
from derivations import batchnorm as bn
from paper_checks.claim import (
    AnyClaim,
    Claim,
    Definition,
)
from paper_checks.papers.panigrahi2018.symbols import (
    batch_domain,
    eps,
    g,
    i,
    j,
    m,
    sigma,
    x,
)
from paper_checks.transcription import from_catalogue


def batchnorm() -> tuple[AnyClaim, ...]:
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
            Derivation.begin(bn.normalised(i, sp.S.Zero), batch_domain(x, index=True, parameters=False)),
            defines=True,
            assumptions=("E and Var are taken across the batch, Var biased: (4) holds with these only.",),
        ),
        Claim(
            "2",
            "Scale and shift",
            r"z_k = \gamma_k x_k^{new} + \beta_k",
            bn.gamma * normalised + bn.beta,
            Derivation.begin(bn.output(i).subs(eps, 0), batch_domain(x, index=True)),
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
            from_catalogue("batchnorm.grad_input", batch_domain(x, g, index=True), at),
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
            from_catalogue("batchnorm.grad_input_variance", batch_domain(x, g), at),
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
            Derivation.begin(bn.total(bn.gamma * upstream + bn.beta, j) / m, batch_domain(x)),
            assumptions=("Exact for every batch and either sign of gamma.",),
        ),
        Claim(
            "7b",
            "Variance of the output of BatchNorm",
            r"Var(\tilde{y}_{L-1,i}) = \gamma_i^2",
            bn.gamma**2,
            Derivation.begin(
                bn.total((bn.gamma * upstream + bn.beta - bn.beta) ** 2, j) / m, batch_domain(x)
            ),
            assumptions=(*no_eps, "With eps it is gamma^2 var/(var + eps)."),
        ),
    )
