"""Algorithm 2 and Definition 2.1: statistics for inference, internal covariate shift."""

from __future__ import annotations

import sympy as sp

from derivations import Derivation, Domain, find
from derivations import batchnorm as bn
from paper_checks.claim import AnyClaim, Cause, Claim, Definition, Trial
from paper_checks.papers.li2023.symbols import (
    beta,
    eps,
    gamma,
    k,
    m,
)
from paper_checks.transcription import from_catalogue


def running() -> tuple[AnyClaim, ...]:
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


def covariate_shift() -> tuple[AnyClaim, ...]:
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
