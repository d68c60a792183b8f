"""The Learning Machine: batch normalization, a web tutorial.

The document's letters and ours: activations H_{i,:} of one unit = x_i, mu = the mean of the batch, sigma^2 = its
variance plus delta = eps, learning rate eta, update w' = w - eta g with g the gradient of the output f_x(w).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from derivations import Derivation, Domain, find
from derivations import batchnorm as bn
from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.prover import Lemmas
from paper_checks.claim import AnyClaim, Approximation, Cause, Claim, Inequality, Trial
from paper_checks.transcription import exact_point

TITLE = "Batch normalization (batchnorm), The Learning Machine"
WHERE = "web tutorial"
LETTERS = {bn.x: r"\mathbf{H}", bn.eps: r"\delta"}

LABELS = (
    *("U1", "U2.1", "U2.2", "U2.3", "U2.4", "U2.5", "P1", "U3", "P2"),
    *("U4", "U5", "P3", "U6", "P4", "P5", "P6", "P7"),
)

# --- the chain of one-unit layers ------------------------------------------------------------------------

UNITS = 3
X = sp.Symbol("x", real=True)
W = sp.symbols(f"w_1:{UNITS + 1}", real=True)
W_NEW = sp.symbols(f"v_1:{UNITS + 1}", real=True)
D = sp.symbols(f"d_1:{UNITS + 1}", real=True)
ETA = sp.Symbol("eta", positive=True)
INVERSE = sp.Symbol("N", positive=True)
"""The size of a step is 1/N."""


def output(weights: tuple[sp.Expr, ...]) -> sp.Expr:
    """The output of the chain."""
    return X * sp.Mul(*weights)


def gradient(weights: tuple[sp.Symbol, ...] = W) -> tuple[sp.Expr, ...]:
    """The gradient of the output in the weights."""
    return tuple(sp.diff(output(weights), w) for w in weights)


def _dot(a: tuple[sp.Expr, ...], b: tuple[sp.Expr, ...]) -> sp.Expr:
    return sp.Add(*[p * q for p, q in zip(a, b, strict=True)])


def _difference(a: tuple[sp.Expr, ...], b: tuple[sp.Expr, ...]) -> tuple[sp.Expr, ...]:
    return tuple(p - q for p, q in zip(a, b, strict=True))


class SquaredGradient(Abbreviation):
    """The gradient of the output times itself, by name."""

    is_nonnegative = True

    def unfolded(self) -> sp.Expr:
        """The sum of squares written out."""
        return _dot(gradient(), gradient())

    def _latex(self, printer: Any) -> str:
        return r"\mathbf{g}^T \mathbf{g}"

    def _sympystr(self, printer: Any) -> str:
        return "g.g"


_REALS = dict.fromkeys((X, *W), sp.S.Reals)
_TWO_WEIGHTS = Domain(_REALS | dict.fromkeys(W_NEW, sp.S.Reals))
_UPDATE = Domain(_REALS | {ETA: sp.Interval.open(0, sp.oo)})
_STEP = Domain(_REALS | dict.fromkeys(D, sp.S.Reals) | {INVERSE: sp.Interval.open(0, sp.oo)})
_THREE = "The chain is taken with three units; the product rule is the same for any number."


def _updated() -> tuple[sp.Expr, ...]:
    return tuple(w - ETA * g for w, g in zip(W, gradient(), strict=True))


def _taylor() -> tuple[AnyClaim, ...]:
    stepped = tuple(w + d / INVERSE for w, d in zip(W, D, strict=True))
    typical = dict.fromkeys((X, *W), 1) | dict.fromkeys(D, 1) | {INVERSE: 100}
    change = _dot(gradient(), D) / INVERSE
    first_order = Claim(
        "U1",
        "Taylor series to first order",
        r"f_x(\mathbf{w}') = f_x(\mathbf{w}) + \nabla_{\mathbf{w}} f(\mathbf{w}) (\mathbf{w}' - \mathbf{w})",
        output(W) + change,
        Derivation.begin(output(stepped), _STEP).step("multiplied out", sp.expand),
        approximation=Approximation(typical, INVERSE),
        assumptions=(f"w' = w + d/N. {_THREE}", "Printed with =, called an approximation beside it."),
    )
    difference = output(W_NEW) - output(W)
    along = _dot(gradient(), _difference(W_NEW, W))
    scaled = Derivation.begin(output(stepped) - output(W), _STEP).step("multiplied out", sp.expand)
    return (
        first_order,
        Claim(
            "U2.1",
            "Change of the output",
            r"\hat{y}' - \hat{y} = f_x(\mathbf{w}') - f_x(\mathbf{w})",
            difference,
            Derivation.begin(difference, _TWO_WEIGHTS),
            experiment=_moved_trials,
            assumptions=(_THREE,),
        ),
        Claim(
            "U2.2",
            "Change of the output, by the Taylor series",
            r"f_x(\mathbf{w}') - f_x(\mathbf{w}) = f_x(\mathbf{w}) + \nabla_{\mathbf{w}} f(\mathbf{w}) "
            r"(\mathbf{w}' - \mathbf{w}) - f_x(\mathbf{w})",
            output(W) + change - output(W),
            scaled,
            approximation=Approximation(typical, INVERSE),
            assumptions=(f"w' = w + d/N. {_THREE}",),
        ),
        Claim(
            "U2.3",
            "The output before the update cancels",
            r"f_x(\mathbf{w}) + \nabla_{\mathbf{w}} f(\mathbf{w}) (\mathbf{w}' - \mathbf{w}) - f_x(\mathbf{w}) = "
            r"\nabla_{\mathbf{w}} f(\mathbf{w}) (\mathbf{w}' - \mathbf{w})",
            along,
            Derivation.begin(
                sp.Add(output(W), sp.Add(along, -output(W), evaluate=False), evaluate=False), _TWO_WEIGHTS
            ),
        ),
    )


def _sign_of_the_update() -> tuple[AnyClaim, ...]:
    slope = gradient()
    step = _difference(_updated(), W)
    square = SquaredGradient()
    return (
        Claim(
            "U2.4",
            "The step of gradient descent put in",
            r"\nabla_{\mathbf{w}} f(\mathbf{w}) (\mathbf{w}' - \mathbf{w}) = "
            r"\nabla_{\mathbf{w}} f(\mathbf{w}) \eta \mathbf{g}",
            _dot(slope, tuple(ETA * s for s in slope)),
            Derivation.begin(_dot(slope, step), _UPDATE).step("$w' - w = -\\eta g$", -ETA * square),
            cause=Cause.ALGEBRA,
            consequence=_sign,
            experiment=lambda seed: _trials(seed, lambda x, w, s, eta: float(s @ ((w - eta * s) - w))),
            assumptions=(
                "The update is the one printed above it, w_i <- w_i - eta g_i.",
                f"g is the gradient of the output, as the text says below. {_THREE}",
            ),
        ),
        Claim(
            "U2.5",
            "A gradient times itself",
            r"\nabla_{\mathbf{w}} f(\mathbf{w}) \eta \mathbf{g} = \eta \mathbf{g}^T \mathbf{g}",
            ETA * square,
            Derivation.begin(_dot(slope, tuple(ETA * s for s in slope)), _UPDATE),
            assumptions=("g is the gradient of the output, as the text says below.",),
        ),
        Claim(
            "P1",
            "Size of the expected change of the output by one update",
            r"|\hat{y}' - \hat{y}| = \eta \mathbf{g}^T \mathbf{g}",
            ETA * square,
            _first_order_change(),
            assumptions=(
                "The size of the change to first order in the learning rate; the text gives no sign.",
                _THREE,
            ),
        ),
    )


def _first_order_change() -> Derivation:
    change = output(_updated()) - output(W)
    slope = sp.Subs(sp.Derivative(change, ETA), (ETA,), (0,))
    return Derivation.begin(sp.Abs(slope) * ETA, _UPDATE).step(
        "product rule at $\\eta = 0$", ETA * SquaredGradient()
    )


def _sign() -> str:
    return (
        "A step against the gradient lowers the output by eta g^T g to first order; the print raises it by as much, "
        "an error of 200 %. That higher orders in eta come with every further layer holds for either sign, so the argument "
        "of the document stands."
    )


def _trials(seed: int, measured: Callable[[float, Any, Any, float], float]) -> list[Trial]:
    rng = np.random.default_rng(seed)
    trials = []
    for _ in range(2):
        x, eta, w = rng.standard_normal(), rng.uniform(0.01, 0.1), rng.standard_normal(UNITS)
        slope = np.array([x * np.prod(np.delete(w, k)) for k in range(UNITS)])
        point = exact_point({X: x, ETA: eta, **dict(zip(W, w, strict=True))})
        trials.append(Trial(point, measured(x, w, slope, eta), tolerance=1e-9))
    return trials


def _moved_trials(seed: int) -> list[Trial]:
    """Two forward passes through the chain, before and after the weights changed."""
    rng = np.random.default_rng(seed)
    trials = []
    for _ in range(2):
        x, w, moved = rng.standard_normal(), rng.standard_normal(UNITS), rng.standard_normal(UNITS)
        point = exact_point({X: x, **dict(zip((*W, *W_NEW), (*w, *moved), strict=True))})
        trials.append(Trial(point, _forward_pass(x, moved) - _forward_pass(x, w)))
    return trials


def _forward_pass(x: float, weights: Any) -> float:
    for weight in weights:
        x = float(weight * x)
    return x


def _deviation_trials(seed: int, small: sp.Symbol) -> list[Trial]:
    rng = np.random.default_rng(seed)
    trials = []
    for m in (2, 5):
        x, added = rng.standard_normal(m), rng.uniform(0.1, 1.0)
        point = exact_point({bn.m: m, bn.x: tuple(x), small: added})
        trials.append(Trial(point, float(np.sqrt(np.var(x) + added))))
    return trials


def _interactions() -> tuple[AnyClaim, ...]:
    after = output(_updated())
    typical = dict.fromkeys((X, *W), 1)
    shrunk = output(tuple(w - s / INVERSE for w, s in zip(W, gradient(), strict=True)))
    return (
        Claim(
            "U3",
            "Change of the output, exactly",
            r"\hat{y}' - \hat{y} = x (w_1 - \eta g_1) (w_2 - \eta g_2) \ldots (w_l - \eta g_l) - x w_1 w_2 \ldots w_l",
            after - output(W),
            Derivation.begin(after - output(W), _UPDATE),
            experiment=lambda seed: _trials(
                seed, lambda x, w, s, eta: _forward_pass(x, w - eta * s) - _forward_pass(x, w)
            ),
            assumptions=(_THREE,),
        ),
        Claim(
            "P2",
            "Higher orders of the change are what the first order leaves out",
            r"\hat{y}' - \hat{y} = -\eta \mathbf{g}^T \mathbf{g} + \ldots",
            -SquaredGradient().unfolded() / INVERSE,
            Derivation.begin(shrunk - output(W), Domain(_REALS | {INVERSE: sp.Interval.open(0, sp.oo)})).step(
                "multiplied out", sp.expand
            ),
            approximation=Approximation(typical | {INVERSE: 100}, INVERSE),
            assumptions=("eta = 1/N, with the sign of the update.", _THREE),
        ),
    )


# --- the mechanics -----------------------------------------------------------------------------------------

_DELTA = {bn.eps: sp.Interval.open(0, sp.oo)}


@cache
def _batch() -> Domain:
    sets = {bn.m: sp.Range(2, sp.oo), bn.x: sp.S.Reals, **_DELTA}
    return Domain(sets, lengths={bn.x: bn.m})


def _one_sample() -> Domain:
    sets = {bn.m: sp.Range(2, sp.oo), bn.i: sp.Range(1, bn.m + 1), bn.x: sp.S.Reals, **_DELTA}
    return Domain(sets, lengths={bn.x: bn.m})


def _normalised_by_sums(index: sp.Symbol) -> sp.Expr:
    mean = bn.total(bn.x[bn.k], bn.k) / bn.m
    return (bn.x[index] - mean) / sp.sqrt(bn.eps + bn.total((bn.x[bn.l] - mean) ** 2, bn.l) / bn.m)


def _mechanics() -> tuple[AnyClaim, ...]:
    mean = bn.total(bn.x[bn.k], bn.k) / bn.m
    deviation = sp.sqrt(bn.eps + bn.total((bn.x[bn.l] - mean) ** 2, bn.l) / bn.m)
    small = sp.Symbol("delta", positive=True)
    positive = Domain(
        {bn.m: sp.Range(2, sp.oo), bn.x: sp.S.Reals, small: sp.Interval.open(0, sp.oo)},
        lengths={bn.x: bn.m},
    )
    return (
        Claim(
            "U4",
            "Mean of a unit over the batch",
            r"\boldsymbol{\mu} = \frac{1}{m} \sum_i \mathbf{H}_{i,:}",
            mean,
            Derivation.begin(bn.batch_mean(), _batch()),
            defines=True,
            sources=("li2023 (Alg 1)",),
        ),
        Claim(
            "U5",
            "Standard deviation of a unit over the batch",
            r"\boldsymbol{\sigma} = \sqrt{\delta + \frac{1}{m} \sum_i (\mathbf{H}_{i,:} - \boldsymbol{\mu})^2}",
            deviation,
            Derivation.begin(sp.sqrt(bn.batch_variance() + bn.eps), _batch()),
            defines=True,
            assumptions=(
                "The square is that of each entry. Here sigma contains delta; elsewhere it does not.",
            ),
            sources=("li2023 (Alg 1)",),
        ),
        Inequality(
            "P3",
            "A small positive term keeps the standard deviation from being zero",
            r"\boldsymbol{\sigma} > 0",
            Derivation.begin(sp.sqrt(bn.VARIANCE + small), positive),
            strict=True,
            experiment=lambda seed: _deviation_trials(seed, small),
        ),
        Claim(
            "U6",
            "Normalised activations",
            r"\mathbf{H}'_{i,:} = \frac{\mathbf{H}_{i,:} - \boldsymbol{\mu}}{\boldsymbol{\sigma}}",
            _normalised_by_sums(bn.i),
            Derivation.begin(bn.normalised(bn.i), _one_sample()),
            defines=True,
            sources=("li2023 (39)",),
        ),
    )


def _standardised() -> tuple[AnyClaim, ...]:
    small = {bn.eps: 1 / INVERSE}
    domain = Domain(
        {bn.m: sp.Range(2, sp.oo), bn.x: sp.S.Reals, INVERSE: sp.Interval.open(0, sp.oo)},
        (sp.Ne(bn.VARIANCE, 0),),
        {bn.x: bn.m},
    )
    typical = {bn.m: 2, bn.x: (-1, 1), INVERSE: 10**10}
    norm = find("batchnorm.xhat_norm")
    lemma = Lemmas(norm.derivation, at=small)
    unit = Derivation.begin(norm.definition.subs(small) / bn.m, domain).step(
        norm.name, bn.VARIANCE / (bn.VARIANCE + 1 / INVERSE), by=lemma
    )
    scale = sp.Symbol("gamma", positive=True)
    spread = Derivation.begin(scale * sp.sqrt(norm.definition.subs(small) / bn.m), _with(domain, scale)).step(
        norm.name, scale * sp.sqrt(bn.VARIANCE / (bn.VARIANCE + 1 / INVERSE)), by=lemma
    )
    mean_out = bn.total(bn.output(bn.j), bn.j) / bn.m
    parameters = Domain({**_batch().sets, bn.gamma: sp.S.Reals, bn.beta: sp.S.Reals}, lengths={bn.x: bn.m})
    return (
        Claim(
            "P4",
            "Normalised activations have mean zero",
            r"\frac{1}{m} \sum_i \mathbf{H}'_{i,:} = 0",
            sp.S.Zero,
            Derivation.begin(bn.total(bn.Xhat(bn.j), bn.j) / bn.m, _batch()),
        ),
        Claim(
            "P5",
            "Normalised activations have unit variance",
            r"\frac{1}{m} \sum_i (\mathbf{H}'_{i,:})^2 = 1",
            sp.S.One,
            unit,
            approximation=Approximation(typical, INVERSE),
            assumptions=(
                "delta = 1/N; exact for delta = 0. The typical point has delta = 1e-10, variance 1.",
            ),
            sources=("li2023 (55)",),
        ),
        Claim(
            "P6",
            "Reparametrised activations have standard deviation gamma",
            r"\mathrm{std}(\gamma \mathbf{H}' + \beta) = \gamma",
            scale,
            spread,
            approximation=Approximation(typical | {scale: 1}, INVERSE),
            assumptions=("delta = 1/N, gamma > 0; for gamma < 0 the standard deviation is |gamma|.",),
            sources=("panigrahi2018 (7)",),
        ),
        Claim(
            "P7",
            "Reparametrised activations have mean beta",
            r"\frac{1}{m} \sum_i (\gamma \mathbf{H}'_{i,:} + \beta) = \beta",
            bn.beta,
            Derivation.begin(mean_out, parameters),
            sources=("panigrahi2018 (7)",),
        ),
    )


def _with(domain: Domain, scale: sp.Symbol) -> Domain:
    sets = {**domain.sets, scale: sp.Interval.open(0, sp.oo)}
    return Domain(sets, domain.constraints, domain.lengths)


def claims() -> tuple[AnyClaim, ...]:
    """One claim for each label, in order of appearance."""
    return (*_taylor(), *_sign_of_the_update(), *_interactions(), *_mechanics(), *_standardised())
