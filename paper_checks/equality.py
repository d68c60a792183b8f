"""Whether a mutant is proved equal to the original: what the prover knows, and moments and roundings besides."""

from __future__ import annotations

import sympy as sp

from derivations import Domain
from derivations.machinery.prover import Antiderivative, is_zero
from derivations.normal import Phi, phi
from derivations.pact import Round, StraightThrough


def proved_equal(one: sp.Expr, other: sp.Expr, domain: Domain) -> bool:
    """Whether algebra shows it.

    Integrands are multiplied out, since to the prover an integral is a name. So is a rounding, unless it is of a whole
    number plus less than half of one.
    """
    difference = (one - other).replace(
        lambda e: isinstance(e, sp.Integral), lambda e: e.func(sp.expand(e.function), *e.limits)
    )
    if not difference.has(Round):
        return is_zero(difference, domain) or _same_moments(one, other, domain)
    names: dict[sp.Expr, sp.Symbol] = {}

    def rounded(argument: sp.Expr) -> sp.Expr:
        argument = sp.expand(argument)
        number, rest = argument.as_coeff_Add()
        if rest.is_integer and abs(number - Round(number)) < sp.Rational(1, 2):
            return rest + Round(number)
        return names.setdefault(argument, sp.Dummy("R", integer=True))

    difference = difference.replace(lambda e: isinstance(e, StraightThrough), lambda e: e.doit())
    cases = [case.substitution for case in domain.cases] or [{}]
    named = [difference.subs(case).replace(Round, rounded) for case in cases]
    return not any(e.has(sp.floor) for e in named) and all(is_zero(e, domain) for e in named)


def _same_moments(one: sp.Expr, other: sp.Expr, domain: Domain) -> bool:
    """Whether two combinations of Gaussian moments agree, by an antiderivative of their difference."""
    variables = {i.limits[0][0] for i in (one - other).atoms(sp.Integral)}
    if len(variables) != 1:
        return False
    (z,) = variables
    integrals = (one - other).atoms(sp.Integral)
    integrand = sp.expand(sp.Add(*[(one - other).coeff(i) * i.function for i in integrals]) / phi(z))
    if not integrand.is_polynomial(z):
        return False
    primitive, rest = sp.S.Zero, sp.Poly(integrand, z)
    while not rest.is_zero:  # (z^(k-1) phi)' = (k - 1) z^(k-2) phi - z^k phi
        power, leading = rest.degree(), rest.LC()
        if power == 0:
            primitive, rest = primitive + leading * Phi(z), rest - leading
            continue
        lower = (power - 1) * z ** (power - 2) if power > 1 else 0
        primitive, rest = primitive - leading * z ** (power - 1) * phi(z), rest + leading * (lower - z**power)
    return Antiderivative(primitive, z).proves(one, other, domain)
