"""The document's letters, its batch, and formulas of the catalogue put into expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from derivations import Derivation, Domain, find
from derivations import batchnorm as bn
from derivations.machinery.prover import Lemmas

m, i, j, k, l, n = bn.m, bn.i, bn.j, bn.k, bn.l, bn.n
gamma, beta, eps, g, x = bn.gamma, bn.beta, bn.eps, bn.g, bn.x
MU, VARIANCE = bn.MEAN, bn.VARIANCE
ROOT = sp.sqrt(VARIANCE + eps)
G = sp.Symbol("G", real=True)
"""A gradient that is printed without an index: any number."""

REAL = {gamma: sp.S.Reals, beta: sp.S.Reals, eps: sp.Interval(0, sp.oo)}
POSITIVE = sp.Interval.open(0, sp.oo)


def gradient_in_xhat(index: sp.Expr) -> sp.Expr:
    """The gradient in one normalised input."""
    return gamma * g[index]


def batch_domain(
    *indices: sp.Symbol, divisor: sp.Expr = VARIANCE + eps, more: dict[Any, Any] | None = None
) -> Domain:
    sets: dict[Any, sp.Set] = {m: sp.Range(2, sp.oo)}
    sets |= dict.fromkeys(indices, sp.Range(1, m + 1))
    sets |= {x: sp.S.Reals, g: sp.S.Reals, **REAL, **(more or {})}
    if divisor == VARIANCE:  # there is no epsilon
        del sets[eps]
    return Domain(sets, (sp.Ne(divisor, 0),), {x: m, g: m})


BATCH, SAMPLE, TWO = batch_domain(), batch_domain(i), batch_domain(i, j)


def in_formulas(build: Callable[..., sp.Expr], *names: str, domain: Domain) -> Derivation:
    """An expression in formulas of the catalogue, from their definitions."""
    formulas = [find(f"batchnorm.{name}") for name in names]
    lemmas = Lemmas(*(f.derivation for f in formulas))
    begun = Derivation.begin(build(*(f.definition for f in formulas)), domain)
    return begun.step(
        ", ".join(f.name for f in formulas), build(*(f.closed_form for f in formulas)), by=lemmas
    )


LETTERS = {
    bn.g: r"(\nabla_{\mathbf{y}} \ell)",
    bn.Xhat: r"\hat{\mathbf{x}}",
    bn.x: r"\mathbf{x}",
    bn.eps: r"\epsilon",
}
