"""Errata sheets: what is printed, why it fails, what is true, what follows."""

from __future__ import annotations

from collections.abc import Mapping

from paper_checks.claim import Record, Verdict
from paper_checks.papers import Document


def markdown(documents: Mapping[str, Document], reviewed: Mapping[str, tuple[Record, ...]]) -> str:
    """The errata of documents in Markdown, mathematics between dollar signs."""
    parts = []
    for id, records in reviewed.items():
        document = documents[id]
        parts += [f"# Errata: {document.title}", "", f"{document.where}", ""]
        for record in _refuted(records):
            parts += [f"## ({record.label}) {record.about}", ""]
            parts += ["Printed:", "", f"$${record.printed}$$", "", f"Correct ({record.cause}):", ""]
            parts += [f"$${record.corrected}$$", "", f"Why: {_why(record)}", ""]
            parts += [f"Consequence: {record.consequence}", ""]
            if record.assumptions:
                parts += [f"Read as: {' '.join(record.assumptions)}", ""]
    return "\n".join(parts).rstrip() + "\n"


def latex(documents: Mapping[str, Document], reviewed: Mapping[str, tuple[Record, ...]]) -> str:
    """The errata of documents as a LaTeX file for amsmath alone."""
    parts = [r"\documentclass{article}", r"\usepackage{amsmath}", r"\begin{document}"]
    for id, records in reviewed.items():
        document = documents[id]
        parts += [rf"\section*{{Errata: {_text(document.title)}}}", _text(document.where), ""]
        for record in _refuted(records):
            parts += [rf"\paragraph{{({_text(record.label)}) {_text(record.about)}.}} Printed:"]
            parts += [rf"\[{record.printed}\]", f"Correct ({record.cause}):", rf"\[{record.corrected}\]"]
            parts += [_text(_why(record)), "", _text(f"Consequence: {record.consequence}"), ""]
            if record.assumptions:
                parts += [_text(f"Read as: {' '.join(record.assumptions)}"), ""]
    return "\n".join([*parts, r"\end{document}"]) + "\n"


def _refuted(records: tuple[Record, ...]) -> list[Record]:
    return [record for record in records if record.verdict is Verdict.REFUTED]


def _why(record: Record) -> str:
    assert record.counterexample is not None
    *where, true, printed = record.counterexample.items()
    at = ", ".join(f"{symbol} = {value}" for symbol, value in where)
    return f"at {at} the left side is {true[1]}, the right side as printed {printed[1]}."


def _text(words: str) -> str:
    """Words as LaTeX text."""
    special = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    special |= {c: "\\" + c for c in "&%$#_{}"}
    special |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    return "".join(special.get(c, c) for c in words)
