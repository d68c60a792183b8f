"""The documents, one module each: a title, the labels that it prints, and a claim for each of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from paper_checks.claim import AnyClaim, Letters


@dataclass(frozen=True)
class Document:
    """What somebody printed.

    Attributes
    ----------
    id
        The name of its module.
    title, where
        What it is called, and where it stands.
    labels
        Every label of the document that is covered, in order of appearance.
    claims
        One claim for each label.
    letters
        How it writes symbols of the package.
    """

    id: str
    title: str
    where: str
    labels: tuple[str, ...]
    claims: tuple[AnyClaim, ...]
    letters: Letters


@cache
def documents() -> Mapping[str, Document]:
    """All documents by id, read from the modules of this folder when first asked for.

    Raises
    ------
    ValueError
        When a label has no claim, or a claim no label.
    """
    found = {}
    for module in pkgutil.iter_modules(__path__):
        paper = importlib.import_module(f"{__name__}.{module.name}")
        claims = paper.claims()
        labels = tuple(claim.label for claim in claims)
        if labels != paper.LABELS:
            odd = sorted(set(labels) ^ set(paper.LABELS)) or "their order"
            raise ValueError(f"{module.name}: labels and claims differ in {odd}")
        found[module.name] = Document(
            module.name, paper.TITLE, paper.WHERE, paper.LABELS, claims, paper.LETTERS
        )
    return MappingProxyType(found)
