"""Section 3.4 and S4: activations by PACT."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from derivations import Derivation, Domain, find, pact
from derivations.pact import OFF_THE_KINKS, StraightThrough, alpha, b, clip, u, x
from numeric.experiments import pact as measured_pact
from paper_checks.claim import (
    AnyClaim,
    Cause,
    Claim,
    Definition,
    Observation,
    Trial,
)
from paper_checks.papers.jin2019.symbols import (
    NATURAL,
    rounded,
)
from paper_checks.transcription import exact_point, from_catalogue


def activation_claims() -> tuple[AnyClaim, ...]:
    return (
        _clip("11a", ("jin2019 (S24a)",)),
        _quantised("11b", ("jin2019 (S24c)",)),
        _rule("12", ("jin2019 (S25)",)),
        Claim(
            "13",
            "Gradient of the quantised activation in the clipping level",
            r"\frac{\partial q}{\partial \alpha} = \begin{cases} q_k \left(\frac{\tilde{x}}{\alpha}\right) - "
            r"\frac{\tilde{x}}{\alpha} & x < \alpha\\ 1 & x > \alpha \end{cases}",
            _two_branches(rounded(clip() / alpha) - clip() / alpha, sp.S.One),
            from_catalogue("pact.grad_alpha", OFF_THE_KINKS),
            experiment=_gradient_trials,
            assumptions=(_NO_VALUE, "At x < 0 both terms of the first branch are zero."),
            sources=("jin2019 (S26f)",),
        ),
        Observation(
            "P6",
            "The quantisation error in the gradient matters for low precision only",
            r"q_k\left(\frac{\tilde{x}}{\alpha}\right) \approx \frac{\tilde{x}}{\alpha}",
            _gradient_error,
        ),
    )


_NO_VALUE = "x = alpha is in neither branch as printed; there the one-sided derivatives in alpha are 0 and 1."


def _clip(label: str, sources: tuple[str, ...]) -> Claim:
    return Claim(
        label,
        "The clip to (0, alpha), with absolute values",
        r"\widetilde{x} = \frac{1}{2} \Big[|x| - |x - \alpha| + \alpha \Big]",
        clip(),
        Derivation.begin(sp.Piecewise((0, x < 0), (x, x <= alpha), (alpha, True)), pact.EVERYWHERE),
        assumptions=("Clipping to an interval is the nearest number of it.",),
        sources=sources,
    )


def _quantised(label: str, sources: tuple[str, ...]) -> Claim:
    return Claim(
        label,
        "The quantised activation",
        r"q = \alpha q_k \left(\frac{\widetilde{x}}{\alpha}\right)",
        alpha * rounded(clip() / alpha),
        from_catalogue("pact.quantised", pact.EVERYWHERE),
        defines=True,
        assumptions=("Compared with the definition of the package, piece by piece.",),
        sources=sources,
    )


def _rule(label: str, sources: tuple[str, ...]) -> Claim:
    return Claim(
        label,
        "The straight-through rule",
        r"q_k'(x) := 1",
        sp.S.One,
        Derivation.begin(StraightThrough(rounded(u), u), Domain({u: sp.Interval(0, 1), b: NATURAL})),
        defines=True,
        assumptions=("A rule, not a fact: the derivative of rounding is 0 almost everywhere.",),
        sources=sources,
    )


def _two_branches(below: sp.Expr, above: sp.Expr) -> sp.Piecewise:
    """As printed: strict on both sides."""
    return sp.Piecewise((below, x < alpha), (above, x > alpha))


def _gradient_trials(seed: int) -> list[Trial]:
    rng = np.random.default_rng(seed)
    trials = []
    for bits, level in ((1, 0.75), (2, 1.5), (4, 3.0)):
        for place in rng.uniform(-level, 2 * level, 3):
            found = measured_pact.grad_alpha(float(place), level, bits)
            trials.append(Trial(exact_point({x: float(place), alpha: level, b: bits}), found))
    return trials


def _gradient_error(seed: int) -> tuple[str, ...]:
    found = []
    for bits in (1, 2, 4, 8):
        measured = measured_pact.largest_difference(1.5, bits, points=100)
        bound = find("pact.difference_bound").evaluate(6, b=bits, alpha=1.5)
        inputs = np.random.default_rng(seed).uniform(0, 1, 10**5)
        error = np.rint((2**bits - 1) * inputs) / (2**bits - 1) - inputs
        found.append(
            f"{bits} bits: the two gradients differ by at most {bound} ({measured:.6f} on a grid), by "
            f"{np.sqrt((error**2).mean()):.2g} in root mean square and {error.mean():.1g} on average for x uniform on "
            "(0, alpha); the gradient of a clipped activation is 1"
        )
    return (*found, "Whether 1/30 at 4 bits harms training only training shows; ImageNet was not run.")


def clip_and_gradient() -> tuple[AnyClaim, ...]:
    """S4, line by line; each line is held against the derivative itself."""
    error = rounded(clip() / alpha)
    product_rule = alpha * clip() * (-1 / alpha**2)

    def line(label: str, about: str, printed: str, right: sp.Expr, **more: Any) -> Claim:
        truth = from_catalogue("pact.grad_alpha", OFF_THE_KINKS)
        return Claim(label, about, printed, right, truth, **more)

    return (
        _clip("S24a", ("jin2019 (11a)",)),
        Claim(
            "S24b",
            "The clip, piece by piece",
            r"\widetilde{x} = \begin{cases} 0 & x < 0 \\ x & 0 < x < \alpha \\ \alpha & x > \alpha \end{cases}",
            sp.Piecewise((0, x < 0), (x, (x > 0) & (x < alpha)), (alpha, x > alpha)),
            from_catalogue("pact.clip", OFF_THE_KINKS),
            assumptions=(
                "x = 0 and x = alpha are in no branch as printed; the clip is continuous there, so either branch "
                "beside may be taken.",
            ),
        ),
        _quantised("S24c", ("jin2019 (11b)",)),
        _rule("S25", ("jin2019 (12)",)),
        Definition(
            "S26a",
            "Gradient in alpha",
            r"\text{lost in the text copy}",
            ("By its place it is the derivative of (S24c) in alpha, which (S26b)-(S26f) are held against.",),
        ),
        line(
            "S26b",
            "Gradient in alpha: chain rule and straight-through rule",
            r"\frac{\partial q}{\partial \alpha} = q_k\left(\frac{x}{\alpha}\right) + \alpha \cdot 1 \cdot "
            r"\frac{\partial}{\partial \alpha}\left(\frac{x}{\alpha}\right)",
            rounded(x / alpha) + alpha * sp.Derivative(x / alpha, alpha),
            cause=Cause.EXTRACTION,
            consequence=_lost_tilde,
            experiment=_gradient_trials,
            assumptions=(
                "The line before it, (S26a), is lost in the text copy: by its place it is the derivative of (S24c).",
                "In the text copy x stands without the tilde that it has in (S24c) and from (S26c) on; whether it does so in "
                "print cannot be seen from the copy.",
            ),
        ),
        line(
            "S26c",
            "Gradient in alpha: product rule",
            r"\frac{\partial q}{\partial \alpha} = q_k\left(\frac{\widetilde{x}}{\alpha}\right) + \alpha \cdot "
            r"\frac{1}{\alpha}\frac{\partial\widetilde{x}}{\partial\alpha} + "
            r"\alpha\widetilde{x}\left(-\frac{1}{\alpha^2}\right)",
            error + StraightThrough(clip(), alpha) + product_rule,
        ),
        line(
            "S26d",
            "Gradient in alpha: the derivative of the clip put in",
            r"\frac{\partial q}{\partial \alpha} = \begin{cases} q_k\left(\frac{\tilde{x}}{\alpha}\right) + \alpha "
            r"\cdot \frac{1}{\alpha} \cdot 0 + \alpha \tilde{x}\left(-\frac{1}{\alpha^2}\right) & x < \alpha\\ "
            r"q_k\left(\frac{\tilde{x}}{\alpha}\right) + \alpha \cdot \frac{1}{\alpha} \cdot 1 + \alpha "
            r"\tilde{x}\left(-\frac{1}{\alpha^2}\right) & x > \alpha \end{cases}",
            _two_branches(error + product_rule, error + 1 + product_rule),
            assumptions=(_NO_VALUE,),
        ),
        line(
            "S26e",
            "Gradient in alpha: the values of the clip put in",
            r"\frac{\partial q}{\partial \alpha} = \begin{cases} q_k\left(\frac{\tilde{x}}{\alpha}\right) - "
            r"\frac{\tilde{x}}{\alpha} & x < \alpha\\ 1 + \alpha \cdot \frac{1}{\alpha} \cdot 1 + \alpha \cdot \alpha "
            r"\cdot \left(-\frac{1}{\alpha^2}\right) & x > \alpha \end{cases}",
            _two_branches(error - clip() / alpha, 1 + alpha * (1 / alpha) + alpha * alpha * (-1 / alpha**2)),
            assumptions=(_NO_VALUE,),
        ),
        line(
            "S26f",
            "Gradient of the quantised activation in the clipping level",
            r"\frac{\partial q}{\partial \alpha} = \begin{cases} q_k\left(\frac{\tilde{x}}{\alpha}\right) - "
            r"\frac{\tilde{x}}{\alpha} & x < \alpha\\ 1 & x > \alpha \end{cases}",
            _two_branches(error - clip() / alpha, sp.S.One),
            assumptions=(_NO_VALUE,),
            sources=("jin2019 (13)",),
        ),
    )


def _lost_tilde() -> str:
    level, bits, place = 1.5, 2, 4.0
    steps = 2**bits - 1
    printed = np.rint(steps * place / level) / steps - place / level
    true = measured_pact.grad_alpha(place, level, bits)
    return (
        "With x as it stands a clipped activation would hand alpha the rounding error of x/alpha and not 1: at x = "
        f"{place:g}, alpha = {level:g}, {bits} bits {printed:.4f} and not {true:g}. Between 0 and alpha nothing "
        "changes. The next line has the tilde, and (13) follows from that: no conclusion changes."
    )
