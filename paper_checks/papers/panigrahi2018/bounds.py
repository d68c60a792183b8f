"""The bounds of section 3.2.2, and appendix E."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from derivations import Derivation, Domain
from derivations import batchnorm as bn
from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.prover import Lemmas
from derivations.relu import a
from paper_checks.claim import (
    Cause,
    Inequality,
    Trial,
)
from paper_checks.papers.panigrahi2018.layer import (
    OPEN,
    SPREAD,
    constants,
    growth,
    moments_of_relu,
)
from paper_checks.papers.panigrahi2018.symbols import (
    NATURAL,
    NONNEGATIVE,
    POSITIVE,
    V_L,
    V,
    V_hat,
    c,
    c1,
    c2,
    d,
    j,
    k,
    law,
    m,
    n,
    n_out,
    printed_constant,
    s1,
    t1,
    through_layer,
)
from paper_checks.transcription import exact_point


class Mean(Abbreviation):
    """The mean of X, by name."""

    is_positive = True

    def unfolded(self) -> sp.Expr:
        """X takes m values, each as often."""
        return bn.total(law[j], j) / m

    def _sympystr(self, printer: Any) -> str:
        return "E(X)"


class Inside(Abbreviation):
    """``E((X - c)(d - X)/X)``, not negative since X lies between c and d."""

    is_nonnegative = True

    def unfolded(self) -> sp.Expr:
        """The mean of a number that is not negative."""
        return bn.total((law[j] - c) * (d - law[j]) / law[j], j) / m

    def _sympystr(self, printer: Any) -> str:
        return "E((X - c)(d - X)/X)"


class Dispersion(Abbreviation):
    """``E((X - E X)^2/X)``, not negative since X is positive."""

    is_nonnegative = True

    def unfolded(self) -> sp.Expr:
        """The mean of a number that is not negative."""
        mean = bn.total(law[k], k) / m
        return bn.total((law[j] - mean) ** 2 / law[j], j) / m

    def _sympystr(self, printer: Any) -> str:
        return "E((X - E(X))^2/X)"


_EX, _INSIDE, _DISPERSION = Mean(), Inside(), Dispersion()
_MEAN = bn.total(law[j], j) / m
_RECIPROCAL = bn.total(1 / law[j], j) / m
_VARYING = sp.Ne(_DISPERSION, 0)  # equality is not decided by balls
_ANY_LAW = ("X takes finitely many values, each with the same probability; any law is a limit of such.",)


def _bounded(extra: dict[Any, sp.Set] | None = None, *constraints: sp.Basic) -> Domain:
    sets = {c: POSITIVE, d: sp.Interval.open(c, sp.oo), m: NATURAL, law: sp.Interval.open(c, d)}
    return Domain({**sets, **(extra or {})}, constraints, {law: m})


def kantorovich(label: str) -> Inequality:
    gap = Derivation.begin((c + d) ** 2 / (4 * c * d) - _RECIPROCAL * _MEAN, _bounded()).step(
        "$E((X - c)(d - X)/X) = c + d - E(X) - cd\\,E(1/X)$",
        ((_EX - (c + d) / 2) ** 2 + _EX * _INSIDE) / (c * d),
    )
    return Inequality(
        label,
        "Kantorovich's inequality",
        r"E\left(\frac{1}{X}\right)E(X) \leq \frac{(c+d)^2}{4cd}",
        gap,
        assumptions=_ANY_LAW,
        sources=() if label == "U1" else ("panigrahi2018 (U1)",),
    )


def quotients() -> tuple[Inequality, ...]:
    """The bounds of a quotient: the numerator is independent of the row sum X, whose mean is n times a variance."""
    row_variance = _EX / n
    numerator = through_layer(n_out, V_L, V)
    bound = n_out / n * V_L / row_variance * V
    extra: dict[Any, sp.Set] = {n: NATURAL, n_out: NATURAL, V_L: POSITIVE, V: POSITIVE}
    domain = _bounded(extra)
    constant = (c + d) ** 2 / (4 * c * d)
    printed = (
        r"\frac{n'_L}{n_{L-1}} \frac{Var(W_L)}{Var(W_{L-1})} E(Var(\Delta y_{L,i})) \leq "
        r"E\left(\frac{\sum_{j=1}^{n'_L} W_{L,j}^2 Var(\Delta y_{L,j})}{\sum_{j=1}^{n_{L-1}} W_{L-1,j}^2}\right)",
        r"E\left(\frac{\sum_{j=1}^{n'_L} W_{L,j}^2 Var(\Delta y_{L,j})}{\sum_{j=1}^{n_{L-1}} W_{L-1,j}^2}\right) \leq "
        r"K \frac{n'_L}{n_{L-1}} \frac{Var(W_L)}{Var(W_{L-1})} E(Var(\Delta y_{L,i}))",
    )
    independent = (
        "The weights of the two layers and the variances of the gradients are independent, the weights centred.",
        *_ANY_LAW,
    )
    return (
        Inequality(
            "U3.1",
            "Lower bound of the mean quotient",
            printed[0],
            Derivation.begin(numerator * _RECIPROCAL - bound, _bounded(extra, _VARYING)).step(
                "$E(1/X) - 1/E(X) = E((X - E(X))^2/X)/E(X)^2$", n_out * V_L * V * _DISPERSION / _EX**2
            ),
            assumptions=independent,
        ),
        Inequality(
            "U3.2",
            "Upper bound of the mean quotient",
            printed[1],
            Derivation.begin(constant * bound - numerator * _RECIPROCAL, domain).step(
                "Kantorovich's inequality",
                n_out * V_L * V / _EX * ((_EX - (c + d) / 2) ** 2 + _EX * _INSIDE) / (c * d),
            ),
            assumptions=(*independent, "K = (c + d)^2/(4cd) for row sums X between c and d."),
        ),
    )


_KAPPA = 1 + s1
_BOUND = 1 + s1 + t1
_BOUNDS = (
    "E(1/X) E(X) is 1 + s_1 with s_1 >= 0 by Jensen's inequality (U2) for the row sum X, and K = 1 + s_1 + t_1 any "
    "number that is at least that."
)


def layer_bounds() -> tuple[Inequality, ...]:
    extra = {n: NATURAL, n_out: NATURAL, V_hat: POSITIVE, V_L: POSITIVE, V: POSITIVE}
    slack = {s1: NONNEGATIVE, t1: NONNEGATIVE}
    widths = n_out / n * V_L / V_hat * V
    open_gate, spread = (e.subs(a, 0) for e in (OPEN, SPREAD))
    at_zero = Lemmas(*moments_of_relu().derivations, at={a: sp.S.Zero})
    true_at_zero = open_gate * through_layer(n_out, V_L, V) * _KAPPA / (n * V_hat * spread)
    third = printed_constant(a).subs(a, 0).doit()
    printed = (
        r"E(Var(\Delta y_{L,i})) \frac{n'_L}{n_{L-1}} \frac{Var(W_{L,\cdot})}{Var(W_{L-1,\cdot})} "
        r"\frac{0.5 + p(a)}{0.5 + \sqrt{\frac{2}{\pi}}a + 0.5a^2 + \exp(\frac{-a^2}{2}) + p(a)}"
    )
    pi = sp.pi
    return (
        Inequality(
            "14.1",
            "Lower bound for a layer, at a = 0",
            printed + r" \leq E(Var(\Delta y_{L-1,i}))",
            Derivation.begin(true_at_zero - widths * third, Domain({**extra, s1: NONNEGATIVE})).step(
                "relu.moment0, relu.mean, relu.second_moment at a = 0",
                widths * (pi / (pi - 1) * s1 + pi / (pi - 1) - sp.Rational(1, 3)),
                by=at_zero,
            ),
            assumptions=(
                "At a = 0, initialisation. It holds for a > 0 too, as the variance of ReLU(z + a) is at most 1 and the "
                "printed denominator at least 3/2.",
                "gamma is the same in both layers, the batch large.",
                "As a bound it is weak: 1/3 in the place of pi/(pi - 1) = 1.467.",
                _BOUNDS,
            ),
        ),
        Inequality(
            "14.2",
            "Upper bound for a layer",
            r"E(Var(\Delta y_{L-1,i})) \leq K " + printed,
            Derivation.begin(
                _BOUND * widths * printed_constant(a)
                - OPEN * through_layer(n_out, V_L, V) * _KAPPA / (n * V_hat * SPREAD),
                Domain({a: NONNEGATIVE, **extra, **slack}),
            ),
            corrected=_true_upper_bound(widths),
            cause=Cause.CONCEPT,
            consequence=_exceeded,
            experiment=_upper_bound_trials,
            assumptions=(_BOUNDS, "As for (13)."),
        ),
    )


def _exceeded() -> str:
    (printed, _, true), (printed_at_1, _, true_at_1) = constants(0), constants(1)
    least = true / printed  # (c + d)^2/(4 c d) of the ends c and d of the row sums
    spread = 2 * least - 1 + 2 * (least * (least - 1)) ** 0.5
    return (
        "The constant of (13) is too small, so the bound is none: at a = 0 and K = 1 (wide layers) it allows "
        f"{printed:.4f} where the truth is {true:.4f}, at a = 1 {printed_at_1:.4f} and {true_at_1:.4f}. The true value "
        f"exceeds the bound unless K is at least {least:.2f} at a = 0, that is row sums of squared weights that differ by "
        f"a factor of {spread:.3g} and more; over 50 layers the bound says {printed**50:.2g} and the truth is "
        f"{true**50:.2g}."
    )


def _true_upper_bound(widths: sp.Expr) -> Inequality:
    sets = {n: NATURAL, n_out: NATURAL, **dict.fromkeys((V_hat, V_L, V, c1, c2), POSITIVE)}
    domain = Domain({**sets, s1: NONNEGATIVE, t1: NONNEGATIVE})
    true = c1 * through_layer(n_out, V_L, V) * _KAPPA / (n * V_hat * c2)
    return Inequality(
        "14.2",
        "Upper bound for a layer, c1 and c2 = probability of the gate and variance of the ReLU",
        r"E(Var(\Delta y_{L-1,i})) \leq K E(Var(\Delta y_{L,i})) \frac{n'_L}{n_{L-1}} "
        r"\frac{Var(W_{L,\cdot})}{Var(W_{L-1,\cdot})} \frac{\Phi(a)}"
        r"{(a^2 + 1) \Phi(a) + a \varphi(a) - (a \Phi(a) + \varphi(a))^2}",
        Derivation.begin(_BOUND * widths * c1 / c2 - true, domain).step(
            "the deltas contracted", t1 * widths * c1 / c2
        ),
    )


def _upper_bound_trials(seed: int) -> list[Trial]:
    """Wide layers with equal weight variances, where K = 1."""
    ones = dict.fromkeys((n, n_out, V_hat, V_L, V), 1)
    bound = 0.5 / (0.5 + 1.0)
    point = exact_point({a: 0.0, **ones, s1: 0, t1: 0})
    return [Trial(point, bound - growth(0.0, seed), tolerance=0.02)]


def appendix_e() -> tuple[Inequality, ...]:
    line = (c + d) / (c * d)
    total = _RECIPROCAL + _MEAN / (c * d)
    product = _RECIPROCAL * _MEAN / (c * d)
    values = (0.9, 0.6)

    def trials(gap: Callable[[float, float, float, float], float]) -> Callable[[int], list[Trial]]:
        def at(_: int) -> list[Trial]:
            low, high = 0.5, 1.0
            mean, reciprocal = float(np.mean(values)), float(np.mean(1 / np.array(values)))
            point = exact_point({c: low, d: high, m: 2, law: values})
            return [Trial(point, gap(low, high, mean, reciprocal))]

        return at

    inverse, scaled = _Reciprocal(), _EX / (c * d)
    corrected = r"4 E\left(\frac{1}{X}\right)\frac{1}{cd}E(X)"
    means = Inequality(
        "P5",
        "Arithmetic and geometric mean",
        r"\left(E\left(\frac{1}{X}\right) + \frac{1}{cd}E(X)\right)^2 \geq " + corrected,
        Derivation.begin(total**2 - 4 * product, _bounded()).step("a square", (inverse - scaled) ** 2),
    )
    together = Inequality(
        "U16",
        "The two together",
        corrected + r" \leq \left(\frac{c+d}{cd}\right)^2",
        Derivation.begin(line**2 - 4 * product, _bounded()).step(
            "(U15) and the square", _INSIDE / (c * d) * (line + inverse + scaled) + (inverse - scaled) ** 2
        ),
    )
    return (
        kantorovich("U13"),
        Inequality(
            "U14",
            "The chord lies above the curve",
            r"E\left(\frac{1}{X}\right) \leq \frac{-1}{cd}E(X) + \frac{c+d}{cd}",
            Derivation.begin(-_MEAN / (c * d) + line - _RECIPROCAL, _bounded()).step(
                "$1/X - (c + d - X)/(cd) = -(X - c)(d - X)/(cd X)$", _INSIDE / (c * d)
            ),
            assumptions=_ANY_LAW,
        ),
        Inequality(
            "U15",
            "Both sides squared",
            r"\left(E\left(\frac{1}{X}\right) + \frac{1}{cd}E(X)\right)^2 \leq \left(\frac{c+d}{cd}\right)^2",
            Derivation.begin(line**2 - total**2, _bounded())
            .step("a difference of squares", _INSIDE / (c * d) * (2 * line - _INSIDE / (c * d)), by=None)
            .step(
                "the second factor is the sum of both sides",
                _INSIDE / (c * d) * (line + _Reciprocal() + _EX / (c * d)),
            ),
            assumptions=_ANY_LAW,
        ),
        Inequality(
            "P5",
            "Arithmetic and geometric mean",
            r"\left(E\left(\frac{1}{X}\right) + \frac{1}{cd}E(X)\right)^2 \geq "
            r"4\left(E\left(\frac{1}{X}\right)\frac{1}{cd}E(X)\right)^2",
            Derivation.begin(total**2 - 4 * product**2, _bounded()),
            corrected=means,
            cause=Cause.MISPRINT,
            consequence=lambda: (
                "The right side is not to be squared: (p + q)^2 >= 4pq. As printed the sides have different units; at "
                "X = 0.9 or 0.6 between c = 0.5 and d = 1 the left side is "
                f"{_squares()[0]:.4f}, the right one {_squares()[1]:.4f} (not squared {_squares()[2]:.4f}). The "
                "result U17 "
                "follows from the correct form and is true."
            ),
            experiment=trials(
                lambda low, high, mean, inverse: (
                    (inverse + mean / (low * high)) ** 2 - 4 * (inverse * mean / (low * high)) ** 2
                )
            ),
            assumptions=_ANY_LAW,
        ),
        Inequality(
            "U16",
            "The two together",
            r"4\left(E\left(\frac{1}{X}\right)\frac{1}{cd}E(X)\right)^2 \leq \left(\frac{c+d}{cd}\right)^2",
            Derivation.begin(line**2 - 4 * product**2, _bounded()),
            corrected=together,
            cause=Cause.MISPRINT,
            consequence=lambda: (
                f"At X = 0.9 or 0.6 between c = 0.5 and d = 1 the left side is {_squares()[1]:.4f}, the right one "
                f"{(1.5 / 0.5) ** 2:.4f}; without the square the left side is {_squares()[2]:.4f}. The next "
                "line, U17, is "
                "what follows without the square."
            ),
            experiment=trials(
                lambda low, high, mean, inverse: (
                    ((low + high) / (low * high)) ** 2 - 4 * (inverse * mean / (low * high)) ** 2
                )
            ),
            assumptions=_ANY_LAW,
        ),
        kantorovich("U17"),
    )


class _Reciprocal(Abbreviation):
    """The mean of 1/X, by name."""

    is_positive = True

    def unfolded(self) -> sp.Expr:
        """X takes m values, each as often."""
        return _RECIPROCAL

    def _sympystr(self, printer: Any) -> str:
        return "E(1/X)"


def _squares() -> tuple[float, float, float]:
    """Left side, right side as printed, and not squared, at the point of the experiments."""
    mean, reciprocal, area = 0.75, (1 / 0.9 + 1 / 0.6) / 2, 0.5
    product = reciprocal * mean / area
    return (reciprocal + mean / area) ** 2, 4 * product**2, 4 * product


def jensen() -> Inequality:
    """The lower bound."""
    return Inequality(
        "U2",
        "Jensen's inequality for 1/X",
        r"E\left(\frac{1}{X}\right)E(X) \geq 1",
        Derivation.begin(_RECIPROCAL * _MEAN - 1, _bounded({}, _VARYING)).step(
            "$E((X - E(X))^2/X) = E(X)^2 E(1/X) - E(X)$", _DISPERSION / _EX
        ),
        assumptions=_ANY_LAW,
    )
