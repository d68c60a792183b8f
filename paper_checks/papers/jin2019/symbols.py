"""The letters of the quantisation: weights, activations, dependent random numbers, absorbed BatchNorm."""

from __future__ import annotations

from typing import Any

import sympy as sp

from derivations.pact import Round, n

POSITIVE = sp.Interval.open(0, sp.oo)
NATURAL = sp.Range(1, sp.oo)

w = sp.Symbol("w", real=True)
largest = sp.Symbol("M", positive=True)
n_out = sp.Symbol("n_out", positive=True)
size = sp.Symbol("N", integer=True, positive=True)
weights, originals = sp.IndexedBase("W", real=True), sp.IndexedBase("W_0", real=True)
i, j, k = sp.symbols("i j k", integer=True, positive=True)

U, V = sp.IndexedBase("U", real=True), sp.IndexedBase("V", real=True)
probability = sp.IndexedBase("p", positive=True)
outcomes = sp.Symbol("m", integer=True, positive=True)
mu, nu = sp.symbols("mu_U mu_V", positive=True)
rho = sp.Symbol("rho", real=True)
snr = sp.Symbol("s", positive=True)
z = sp.Symbol("z", real=True)

gamma, beta = sp.symbols("gamma_i beta_i", real=True)
product = sp.Symbol("r", real=True)
out_level = sp.Symbol("alpha_out", positive=True)

LETTERS: dict[Any, str] = {
    mu: r"\mathbb{E}[U]",
    nu: r"\mathbb{E}[V]",
    product: "(Qq)_i",
    out_level: r"\widetilde\alpha",
}
"""How the document writes our symbols."""


def rounded(v: sp.Expr) -> sp.Expr:
    """The quantiser of equation (8)."""
    return Round(n * v) / n
