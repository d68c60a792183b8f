"""Derivations: what is true of normalised and quantised networks, and why.

Every formula is an object that carries its definition, its domain, and the chain of machine-checked steps that
leads to its closed form. Nothing is derived on import.

Examples
--------
>>> from derivations import catalog
>>> mean = catalog()["relu.mean"]
>>> mean.closed_form
a*Phi(a) + phi(a)
>>> mean.check().ok
True
"""

from derivations.machinery.derivation import Derivation, DerivationCheck, DerivationError, Step
from derivations.machinery.domain import Case, Domain
from derivations.machinery.formula import Formula, Source, catalog, find
from derivations.machinery.prover import Antiderivative, SplitIntegral
from derivations.normal import Phi, phi

__all__ = [
    "Antiderivative",
    "Case",
    "Derivation",
    "DerivationCheck",
    "DerivationError",
    "Domain",
    "Formula",
    "Phi",
    "Source",
    "SplitIntegral",
    "Step",
    "catalog",
    "find",
    "phi",
]
