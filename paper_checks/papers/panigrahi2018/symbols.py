"""The document's letters, and what several of its sections are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp

from derivations import Domain, phi
from derivations import batchnorm as bn
from derivations.machinery.prover import Certificate
from derivations.relu import a

m, i, j, k, l, eps, g, x = bn.m, bn.i, bn.j, bn.k, bn.l, bn.eps, bn.g, bn.x
sigma = sp.sqrt(bn.VARIANCE)

gamma = sp.Symbol("gamma", positive=True)
unit = sp.Symbol("t", real=True)
n, n_out, widening, blocks = sp.symbols("n n' k N", integer=True, positive=True)
c1, c2, c, d, V, V_L, V_hat, V_tilde, V_bar = sp.symbols(
    r"c_1 c_2 c d V V_L \hat{V} \tilde{V} \bar{V}", positive=True
)
s1, s2 = sp.symbols("s_1 s_2", nonnegative=True)
t1, t2 = sp.symbols("t_1 t_2", nonnegative=True)
w, u, v = (sp.IndexedBase(name, real=True) for name in "wuv")
r = sp.IndexedBase("r", positive=True)
law = sp.IndexedBase("X", positive=True)

LETTERS = {
    bn.x: "x",
    bn.g: r"\Delta\tilde{x}",
    n: "n_{L-1}",
    n_out: "n'_{L}",
    w: "W_{L}",
    u: "W_{L-1}",
    v: r"Var(\Delta y_{L})",
    r: r"(\hat{W}^{2} I)",
    V_bar: r"\bar{W}_1^2 I",
    widening: "k",
}
"""How the document writes our symbols."""

POSITIVE, NONNEGATIVE = sp.Interval.open(0, sp.oo), sp.Interval(0, sp.oo)
NATURAL = sp.Range(1, sp.oo)
REAL = {bn.gamma: sp.S.Reals, bn.beta: sp.S.Reals}
SHIFT_RATIO = Domain({a: sp.S.Reals})
POSITIVE_RATIO = Domain({a: POSITIVE})
SCALED = Domain({gamma: POSITIVE, a: NONNEGATIVE})

GAMMA_POSITIVE = "gamma > 0; for gamma < 0 see (31)."
BY_ROWS = (
    "The vector of ones has as many entries as the matrix before it has columns, or there is no product."
)
GAMMA_ONE = "gamma = 1 throughout, as at initialisation; otherwise gamma^2 of the last BatchNorm is missing."


def p(ratio: sp.Expr) -> sp.Integral:
    """The integral of the normal density from 0 to the ratio, over ``ratio t`` so that the ratio may be negative."""
    return sp.Integral(ratio * phi(ratio * unit), (unit, 0, 1))


def printed_mean(ratio: sp.Expr) -> sp.Expr:
    """E(y) as in (8) and (27)."""
    root = 1 / sp.sqrt(2 * sp.pi)
    return root + ratio / 2 + root * (1 - sp.exp(-(ratio**2) / 2))


def printed_square(ratio: sp.Expr) -> sp.Expr:
    """E(y^2) as in (9), (13), (14), (16) and (30)."""
    half = sp.Rational(1, 2)
    return half + sp.sqrt(2 / sp.pi) * ratio + half * ratio**2 + sp.exp(-(ratio**2) / 2) + p(ratio)


def printed_constant(ratio: sp.Expr) -> sp.Expr:
    """The last factor of (13) and (14)."""
    return (sp.Rational(1, 2) + p(ratio)) / printed_square(ratio)


def over(summand: sp.Expr, index: sp.Symbol, count: sp.Expr) -> sp.Sum:
    """The sum over neurons."""
    return sp.Sum(summand, (index, 1, count))


def through_weights(weights: Any, variances: Callable[[sp.Symbol], sp.Expr], count: sp.Expr) -> sp.Expr:
    """Variance of a dot product with given weights: the covariances of independent entries are deltas."""
    same = sp.KroneckerDelta(k, l)
    return over(over(weights[k] * weights[l] * same * variances(k), k, count), l, count)


def through_layer(count: sp.Expr, weight: sp.Expr, below: sp.Expr) -> sp.Expr:
    """Expected variance of a dot product with independent centred weights of that variance."""
    same = sp.KroneckerDelta(i, l)
    return over(over(weight * same * below * same, i, count), l, count)


@dataclass(frozen=True)
class Reversed:
    """A certificate read from right to left."""

    by: Certificate

    def proves(self, left: sp.Expr, right: sp.Expr, domain: Domain) -> bool:
        """Whether the certificate establishes the equality with its sides exchanged."""
        return self.by.proves(right, left, domain)


def batch_domain(*sequences: Any, index: bool = False, parameters: bool = True) -> Domain:
    sets: dict[Any, sp.Set] = {m: sp.Range(2, sp.oo)}
    if index:
        sets[i] = sp.Range(1, m + 1)
    sets |= {**dict.fromkeys(sequences, sp.S.Reals), **(REAL if parameters else {})}
    return Domain(sets, (sp.Ne(bn.VARIANCE, 0),), dict.fromkeys(sequences, m))
