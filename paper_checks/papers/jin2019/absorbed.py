"""S7: BatchNorm absorbed in the clip of the next layer."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from derivations import Derivation, Domain, pact
from derivations.machinery.domain import Case
from derivations.pact import Round, alpha, b, clip, n
from paper_checks.claim import (
    Cause,
    Claim,
    Trial,
)
from paper_checks.papers.jin2019.symbols import (
    NATURAL,
    POSITIVE,
    beta,
    gamma,
    j,
    out_level,
    product,
    rounded,
    size,
)
from paper_checks.transcription import exact_point, from_catalogue


def _between(v: sp.Expr, end: sp.Expr) -> sp.Expr:
    """The clipping of equation (11), to (0, end)."""
    return (sp.Abs(v) - sp.Abs(v - end) + end) / 2


@cache
def _affine() -> Domain:
    """Pre-activation ``gamma r + beta`` for gamma of either sign, in the three pieces of its clip."""
    p, g = sp.symbols("p_ g_", positive=True)
    q = sp.Symbol("q_", nonnegative=True)
    sets = {gamma: sp.S.Reals, product: sp.S.Reals, beta: sp.S.Reals, out_level: POSITIVE, b: NATURAL}
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


def absorbed() -> tuple[Claim, ...]:
    before = gamma * product + beta
    nearest = sp.Min(sp.Max(before, 0), out_level)
    out = out_level * rounded(nearest / out_level)
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
    sets: dict[Any, sp.Set] = {size: NATURAL, steps: NATURAL, b: NATURAL, inputs: sp.Range(0, 8)}
    sets |= dict.fromkeys((gamma, beta, terms), sp.S.Reals) | dict.fromkeys((out_level, in_level), POSITIVE)
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
