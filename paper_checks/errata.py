"""Errata sheets: what is printed, why it fails, what is true, what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import sympy as sp

from derivations.machinery.latex import latex as latex_of
from paper_checks.claim import Record, Verdict
from paper_checks.papers import Document

_NORMAL_LAW = (
    r"$\Phi$ and $\varphi$ are the distribution function and the density of the standard normal law."
)


def markdown(documents: Mapping[str, Document], reviewed: Mapping[str, tuple[Record, ...]]) -> str:
    """The errata of documents in Markdown, mathematics between dollar signs."""
    parts = []
    for id, records in reviewed.items():
        document = documents[id]
        parts += [f"# Errata: {document.title}", "", f"{document.where}. {_NORMAL_LAW}", ""]
        for record in _refuted(records):
            parts += [f"## ({record.label}) {record.about}", ""]
            parts += ["Printed:", "", f"$${record.printed}$$", "", f"Correct ({record.cause}):", ""]
            parts += [f"$${record.corrected}$$", ""]
            for words in _explanation(document, record, str):
                parts += [words, ""]
    return "\n".join(parts).rstrip() + "\n"


def latex(documents: Mapping[str, Document], reviewed: Mapping[str, tuple[Record, ...]]) -> str:
    """The errata of documents as a LaTeX file for amsmath, amssymb and geometry."""
    parts = [
        r"\documentclass[a4paper]{article}",
        r"\usepackage{amsmath,amssymb}",
        r"\usepackage[margin=20mm]{geometry}",
        r"\begin{document}",
        r"\sloppy",
    ]
    for id, records in reviewed.items():
        document = documents[id]
        parts += [
            rf"\section*{{Errata: {_text(document.title)}}}",
            f"{_text(document.where)}. {_NORMAL_LAW}",
            "",
        ]
        for record in _refuted(records):
            parts += [rf"\paragraph{{({_text(record.label)}) {_text(record.about)}.}} Printed:"]
            parts += [rf"\[{record.printed}\]", f"Correct ({record.cause}):", rf"\[{record.corrected}\]"]
            for words in _explanation(document, record, _text):
                parts += [words, ""]
    return "\n".join([*parts, r"\end{document}"]) + "\n"


def _refuted(records: tuple[Record, ...]) -> list[Record]:
    return [record for record in records if record.verdict is Verdict.REFUTED]


def _explanation(document: Document, record: Record, text: Callable[[str], str]) -> Iterator[str]:
    yield _why(document, record)
    measured = [words for words in record.evidence if words.startswith("experiment")]
    yield text(f"Measured: {measured[0].removeprefix('experiment').removeprefix(':').strip()}.")
    yield text(f"Consequence: {record.consequence}")
    if record.assumptions:
        yield text(f"Read as: {' '.join(record.assumptions)}")


def _why(document: Document, record: Record) -> str:
    """The counterexample in the letters of the document, which LaTeX and Markdown write alike."""
    assert record.counterexample is not None
    *where, (left, true), (right, printed) = record.counterexample.items()
    letters = {(str(s), isinstance(s, sp.IndexedBase)): letter for s, letter in document.letters.items()}
    point = ", ".join(
        _assigned(letters.get((name, ", " in value)) or latex_of(sp.Symbol(name)), value)
        for name, value in where
    )
    found = (
        f"the value is {true}, printed {printed}"
        if (left, right) == ("true", "printed")
        else f"{left} is {true}, not {right} {printed}"
    )
    return f"Why: at {point} {found}." if point else f"Why: {found}."


def _assigned(letter: str, value: str) -> str:
    """One value, or the values of a sequence, where a line may be broken between any two; a cell of a table."""
    if letter == "cell":
        return value
    first, *others = value.split(", ")
    return ", ".join([f"${letter} = {first}$", *(f"${other}$" for other in others)])


def _text(words: str) -> str:
    """Words as LaTeX text."""
    special = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    special |= {c: "\\" + c for c in "&%$#_{}"}
    special |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    return "".join(special.get(c, c) for c in words)
