"""The claims of the documents: covered, judged, and able to fail."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import sympy as sp

from paper_checks.claim import Cause, Claim, ClaimError, Record, Verdict, judge
from paper_checks.command_line import main
from paper_checks.papers import documents

CLAIMS = [(id, claim) for id, document in documents().items() for claim in document.claims]
EQUALITIES = [(id, claim) for id, claim in CLAIMS if isinstance(claim, Claim)]

NOT_CONFIRMED = {
    "sari2020": {
        Verdict.REFUTED: {"U2b", "P1", "2", "6", "8"},
        Verdict.APPROXIMATE: {"U5", "7"},
        Verdict.DEFINITION: {"3"},
    },
}


def names(claims: list) -> list[str]:  # type: ignore[type-arg]
    return [f"{id}-{claim.label}" for id, claim in claims]


@cache
def record(id: str, label: str) -> Record:
    document = documents()[id]
    return judge(next(c for c in document.claims if c.label == label), 0, document.letters)


@pytest.mark.parametrize(("id", "claim"), CLAIMS, ids=names(CLAIMS))
def test_verdicts(id: str, claim: Claim) -> None:
    found = record(id, claim.label)
    expected = [v for v, labels in NOT_CONFIRMED[id].items() if claim.label in labels]
    assert [found.verdict] == (expected or [Verdict.CONFIRMED])
    assert found.evidence
    if found.verdict is Verdict.REFUTED:
        assert found.cause is not None
        assert found.corrected
        assert found.consequence
        assert found.counterexample
        assert any(text.startswith("experiment") for text in found.evidence)
    if found.verdict is Verdict.APPROXIMATE:
        assert found.exact
        assert found.error_order


@pytest.mark.parametrize(("id", "claim"), EQUALITIES, ids=names(EQUALITIES))
def test_what_is_corrected_would_be_confirmed(id: str, claim: Claim) -> None:
    if record(id, claim.label).verdict is Verdict.REFUTED:
        corrected = replace(claim, right=claim.truth.conclusion, experiment=None)
        assert judge(corrected).verdict is Verdict.CONFIRMED


@pytest.mark.parametrize(("id", "claim"), EQUALITIES, ids=names(EQUALITIES))
def test_a_changed_coefficient_is_refuted(id: str, claim: Claim) -> None:
    if record(id, claim.label).verdict is not Verdict.CONFIRMED:
        return
    changed = replace(claim, right=claim.right * sp.Rational(1001, 1000))
    with pytest.raises(ClaimError, match="false as printed"):
        judge(changed)
    blamed = replace(changed, cause=Cause.ALGEBRA, consequence=lambda: "none", experiment=None)
    with pytest.raises(ClaimError, match=r"correction is missing|no experiment"):
        judge(blamed)


def test_an_experiment_that_disagrees_with_the_truth_is_no_second_route() -> None:
    (claim,) = [c for c in documents()["sari2020"].claims if c.label == "6"]
    assert isinstance(claim, Claim)
    assert claim.experiment is not None
    twice = replace(claim, truth=replace(claim, right=claim.right).truth.step("twice", lambda e: 2 * e))
    with pytest.raises(ClaimError):
        judge(twice)


def test_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["papers", "sari2020", "4"]) == 0
    assert "verdict      confirmed" in capsys.readouterr().out
    assert main(["papers", "sari2021"]) == 2
    assert "no document is called 'sari2021'; there are" in capsys.readouterr().err
    assert main(["papers", "sari2020", "99"]) == 2
    assert "it has U1a" in capsys.readouterr().err
