"""S1.2 and S1.3: what is measured, and the assumption of independence."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from scipy.special import expit

from derivations import Derivation, Domain, Phi, phi
from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.prover import FundamentalTheorem
from numeric.arrays import Doubles
from numeric.experiments import dorefa
from paper_checks.claim import (
    AnyClaim,
    Approximation,
    Claim,
    Definition,
    Observation,
    Table,
)
from paper_checks.papers.jin2019.symbols import (
    POSITIVE,
    U,
    V,
    i,
    j,
    k,
    mu,
    nu,
    outcomes,
    probability,
    rho,
    snr,
    z,
)


def measurement() -> tuple[AnyClaim, ...]:
    kernel, n_in, n_next = sp.symbols("k_pool n_l n_next", positive=True)
    here, above, gradient, gradient_above = sp.symbols("V_l V_next G_l G_next", positive=True)
    domain = Domain(dict.fromkeys((kernel, n_in, n_next, here, above, gradient, gradient_above), POSITIVE))
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
    entries = {U: sp.S.Reals, V: sp.S.Reals, probability: POSITIVE}
    return Domain({outcomes: sp.Range(2, sp.oo), **entries}, lengths=dict.fromkeys(entries, outcomes))


class Noise(Abbreviation):
    """A random number minus its mean, at one outcome."""

    def __new__(cls, numbers: sp.IndexedBase, index: sp.Symbol) -> Any:
        return super().__new__(cls, numbers, index)

    def unfolded(self) -> sp.Expr:
        """The difference."""
        numbers, index = self.args
        return numbers[index] - _mean(numbers[k], k)


def independence() -> tuple[AnyClaim, ...]:
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
    domain = Domain({mu: POSITIVE, nu: POSITIVE, rho: sp.S.Reals, snr: POSITIVE})
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
    domain = Domain({nu: POSITIVE, rho: sp.S.Reals, snr: POSITIVE})
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


def _dependence(gradient: Doubles, hidden: Doubles) -> float:
    squares = ((gradient**2).mean(axis=1) * (hidden**2).mean(axis=1)).mean()
    mean = (gradient.mean(axis=1) * hidden.mean(axis=1)).mean()
    return float((squares - mean**2) / (gradient.var() * (hidden**2).mean()))
