"""The verdict on every claim of the documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from concurrent.futures import Executor
from typing import Any

from numeric.sampling.executors import Plan, Progress, run, single
from paper_checks.claim import Record, Verdict
from paper_checks.judgement import judge
from paper_checks.papers import Document, documents

SCHEMA = "normquant.papers/1"

Reviewed = Mapping[str, tuple[Record, ...]]
"""The records of each document, in the order of its labels."""


def review(
    ids: tuple[str, ...] | None = None,
    *,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Reviewed:
    """Judge claims.

    Parameters
    ----------
    ids
        The documents; all when None.
    seed
        Seed of points and draws.
    executor, progress
        As in :func:`numeric.sampling.executors.run`. No result depends on them.

    Returns
    -------
    mapping
        The records by document; a claim whose record is not complete is undecided.
    """
    ids = tuple(documents()) if ids is None else ids
    return collected(ids, run(plans(ids, seed), executor, progress=progress))


def plans(ids: tuple[str, ...], seed: int) -> dict[Hashable, Plan[Any]]:
    """One for each claim."""
    return {
        ("claim", id, number, f"{id} ({claim.label})"): single(_judge, id, number, seed)
        for id in ids
        for number, claim in enumerate(documents()[id].claims)
    }


def collected(ids: tuple[str, ...], found: Mapping[Any, Any]) -> Reviewed:
    """What the plans found, document by document."""
    return {id: tuple(record for key, record in found.items() if key[:2] == ("claim", id)) for id in ids}


def _judge(id: str, number: int, seed: int) -> Record:
    document = documents()[id]
    claim = document.claims[number]
    try:
        return judge(claim, seed, document.letters)
    except Exception as error:  # one claim that cannot be judged does not take the others with it
        reason = f"{type(error).__name__}: {error}"
        return Record(claim.label, claim.about, Verdict.UNDECIDED, claim.printed, (reason,))


def judge_one(document: Document, label: str, seed: int = 0) -> Record:
    """The verdict on one claim.

    Raises
    ------
    KeyError
        When the document has no such label.
    """
    numbers = [n for n, claim in enumerate(document.claims) if claim.label == label]
    if not numbers:
        raise KeyError(label)
    return _judge(document.id, numbers[0], seed)


def counts_table(reviewed: Reviewed) -> str:
    """How often each verdict was given, one line for each document."""
    undecided = any(r.verdict is Verdict.UNDECIDED for records in reviewed.values() for r in records)
    verdicts = [v for v in Verdict if undecided or v is not Verdict.UNDECIDED]
    width = max(map(len, reviewed))
    lines = [f"{'document':{width}}  claims  " + "  ".join(verdicts)]
    lines.append("-" * len(lines[0]))
    for id, records in reviewed.items():
        counts = Counter(record.verdict for record in records)
        cells = "  ".join(f"{counts[v]:{len(v)}}" for v in verdicts)
        lines.append(f"{id:{width}}  {len(records):6}  {cells}")
    return "\n".join(lines)


def labels_table(records: tuple[Record, ...]) -> str:
    """One line for each label: label, verdict, what it is about."""
    width = max(len(record.label) for record in records)
    return "\n".join(
        f"{record.label:{width}}  {record.verdict:11}  {record.about}"
        + (f" [{record.cause}]" if record.cause else "")
        + (f": {record.evidence[0]}" if record.verdict is Verdict.UNDECIDED else "")
        for record in records
    )


def details(record: Record) -> str:
    """Everything that was found about one claim."""
    lines = [f"{record.label}: {record.about}", "", f"printed      {record.printed}"]
    if record.corrected:
        lines.append(f"corrected    {record.corrected}")
    if record.exact:
        lines.append(f"exact        {record.exact}")
    cause = f" ({record.cause})" if record.cause else ""
    lines.append(f"verdict      {record.verdict}{cause}")
    if record.counterexample:
        lines += [
            f"{'at' if n == 0 else '':12} {s} = {v}" for n, (s, v) in enumerate(record.counterexample.items())
        ]
    if record.error_order:
        lines.append(f"error        {record.error_order}")
    for name in ("evidence", "assumptions", "sources"):
        lines += [f"{name if n == 0 else '':12} {text}" for n, text in enumerate(getattr(record, name))]
    if record.consequence:
        lines.append(f"consequence  {record.consequence}")
    return "\n".join(lines)


def report(reviewed: Reviewed, seed: int) -> dict[str, Any]:
    """The records as JSON data, schema ``normquant.papers/1``."""
    return {"schema": SCHEMA, "seed": seed, "claims": claims_data(reviewed)}


def claims_data(reviewed: Reviewed) -> list[dict[str, Any]]:
    """Each record as JSON data."""
    return [
        {
            "paper": id,
            "label": record.label,
            "about": record.about,
            "verdict": str(record.verdict),
            "cause": None if record.cause is None else str(record.cause),
            "printed": record.printed,
            "corrected": record.corrected,
            "counterexample": None if record.counterexample is None else dict(record.counterexample),
            "exact": record.exact,
            "error_order": record.error_order,
            "evidence": list(record.evidence),
            "consequence": record.consequence,
            "assumptions": list(record.assumptions),
            "sources": list(record.sources),
        }
        for id, records in reviewed.items()
        for record in records
    ]
