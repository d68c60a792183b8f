"""What claims of several documents share: formulas of the catalogue as truths, and points of experiments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from derivations import Derivation, Domain, find
from derivations.machinery.prover import Lemmas


def from_catalogue(name: str, domain: Domain, at: Mapping[Any, Any] | None = None) -> Derivation:
    """A formula of the catalogue, at some values of its symbols, as a derivation on a domain.

    Examples
    --------
    >>> from derivations import Domain
    >>> from derivations.relu import a
    >>> from paper_checks.transcription import from_catalogue
    >>> from_catalogue("relu.moment0", Domain({}), {a: 0}).conclusion
    1/2
    """
    formula = find(name)
    values = {s: sp.S(v) for s, v in (at or {}).items()}
    lemma = Lemmas(formula.derivation, at=values)
    begun = Derivation.begin(formula.definition.subs(values), domain)
    return begun.step(name, formula.closed_form.subs(values), by=lemma)


def exact_point(point: Mapping[Any, Any]) -> dict[Any, Any]:
    """Doubles of an experiment as the rational numbers that they are.

    Examples
    --------
    >>> import sympy as sp
    >>> from paper_checks.transcription import exact_point
    >>> exact_point({sp.Symbol("a"): 0.5})
    {a: 1/2}
    """
    return {
        s: tuple(sp.Rational(float(entry)) for entry in v) if isinstance(v, tuple) else sp.Rational(v)
        for s, v in point.items()
    }
