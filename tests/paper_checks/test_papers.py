"""The claims of the documents: covered, judged, and able to fail."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sympy as sp

from derivations import Derivation, Domain
from derivations.machinery.enclosure import decimal
from paper_checks import errata, judgement, papers, review
from paper_checks.claim import (
    AnyClaim,
    Cause,
    Claim,
    ClaimError,
    Inequality,
    Record,
    Table,
    Verdict,
)
from paper_checks.command_line import main
from paper_checks.judgement import judge
from paper_checks.papers import documents

CLAIMS = [(id, claim) for id, document in documents().items() for claim in document.claims]
NAMES = [f"{id}-{claim.label}" for id, claim in CLAIMS]


def labels(text: str) -> list[str]:
    return text.split(", ")


NOT_CONFIRMED = {
    "jin2019": {
        Verdict.REFUTED: labels("S3b, S4, S9c.1, S9e, S9f, S10b, S11.2, S26b, S28b"),
        Verdict.APPROXIMATE: labels("3, 4, S3d, S9b, S9c.2, S11.3, S12a, S12b, S15, S16, S21, S22b, S22c"),
        Verdict.DEFINITION: labels(
            "1a, 1b, 1c, 1d, 2, 5, 6, 7, 8, 9, 10, 11b, 12, S1, S2a, S2b, S2c, S5, S6, S7, S8a, S8b, "
            "S8c, S8d, S9d, S17a, S17b, S18a, S18b, S19a, S19b, S23, S24c, S25, S26a"
        ),
        Verdict.EMPIRICAL: labels(
            "ETR II, P1, P2, Fig 2a, P4, P6, Tab 1, Tab 2, Tab 3, Tab 4, Fig S1, Tab S1.2, P7, Fig S3, "
            "Fig S4, Tab S2"
        ),
    },
    "learningmachine": {
        Verdict.REFUTED: labels("U2.4"),
        Verdict.APPROXIMATE: labels("U1, U2.2, P2, P5, P6"),
        Verdict.DEFINITION: labels("U4, U5, U6"),
    },
    "li2023": {
        Verdict.REFUTED: labels("2, Alg 1.3, 27, 36, 38, 43, 44, 45, 51, 63, Thm 2.2"),
        Verdict.DEFINITION: labels(
            "1, 3, 4, 5, 8, Alg 1.2, Alg 1.4, Alg 1.5, 15, 16, 46, Alg 2, Def 2.1, 50, Def 2.2, 52, 62"
        ),
    },
    "panigrahi2018": {
        Verdict.REFUTED: labels(
            "8, 9.1, 9.2, 13, 14.2, P1, P2, P3, 16, 19, 21, 25.1, 27, 28, U5.1, U5.2, 30, 31a, 31b, 39, P5, U16"
        ),
        Verdict.APPROXIMATE: labels("22, 32"),
        Verdict.DEFINITION: labels("1, 2, 3, 6, 15, 17, U6, U10"),
        Verdict.EMPIRICAL: labels(
            "Fig 5, Fig 6, Fig 7, Fig 8, Tab 1, Fig 9, Fig 10, Fig 11, Fig 12, Fig 13, Fig 14, Fig 15"
        ),
    },
    "sari2020": {
        Verdict.REFUTED: labels("U2b, P1, 2, 6, 8"),
        Verdict.APPROXIMATE: labels("U5, 7"),
        Verdict.DEFINITION: labels("3"),
    },
}


@cache
def record(id: str, label: str) -> Record:
    document = documents()[id]
    (claim,) = [c for c in document.claims if c.label == label]
    return judge(claim, 0, document.letters)


@pytest.mark.parametrize(("id", "claim"), CLAIMS, ids=NAMES)
def test_verdict_and_what_would_change_it(id: str, claim: AnyClaim) -> None:
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
        swap(claim)
    if found.verdict is Verdict.APPROXIMATE:
        assert found.exact
        assert found.error_order
    if found.verdict is Verdict.CONFIRMED:
        perturb(claim)


def test_points_do_not_depend_on_the_order_of_sets() -> None:
    program = (
        "import random\n"
        "from paper_checks.papers import documents\n"
        "for document in documents().values():\n"
        "    for claim in document.claims:\n"
        "        derivation = getattr(claim, 'truth', getattr(claim, 'gap', None))\n"
        "        if derivation is not None:\n"
        "            print(claim.label, derivation.domain.sample(random.Random(1)))\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        for hash_seed in ("1", "4")
    ]
    first, second = (run.communicate()[0] for run in runs)
    assert first == second != ""


def swap(claim: AnyClaim) -> None:
    """What is corrected would be confirmed; what is printed would be refused as the truth."""
    if isinstance(claim, Claim):
        corrected = replace(claim, right=claim.truth.conclusion, experiment=None)
        assert judge(corrected).verdict is Verdict.CONFIRMED
        believed = Derivation.begin(claim.right, claim.domain)
        with pytest.raises(ClaimError, match="the experiment finds"):
            judge(replace(claim, truth=believed, right=claim.truth.conclusion))
    elif isinstance(claim, Inequality):
        assert claim.corrected is not None
        assert judge(claim.corrected).verdict is Verdict.CONFIRMED
    else:
        assert isinstance(claim, Table)
        right = tuple((name, f"{float(value.conclusion):.3f}", value) for name, _, value in claim.cells)
        assert judge(replace(claim, cells=right)).verdict is Verdict.CONFIRMED


def perturb(claim: AnyClaim) -> None:
    """A change by one in a thousand, or of the last digit, is false; and blame alone does not make it refuted."""
    if isinstance(claim, Claim):
        changed = replace(claim, right=changed_slightly(claim))
        with pytest.raises(ClaimError, match="false as printed"):
            judge(replace(changed, cause=None))
        blamed = replace(changed, cause=Cause.ALGEBRA, consequence=lambda: "none", experiment=None)
        with pytest.raises(ClaimError, match="no experiment"):
            judge(blamed)
    elif isinstance(claim, Inequality):
        gap = claim.gap
        wrong = (
            replace(
                gap, definition=gap.definition + 1, steps=(replace(gap.steps[0], premise=gap.definition + 1),)
            )
            if len(gap.steps) == 1
            else Derivation.begin(-gap.conclusion - 1, gap.domain)
        )
        with pytest.raises(ClaimError, match=r"is not that|fails at"):
            judge(replace(claim, gap=wrong))
    else:
        assert isinstance(claim, Table)
        (name, printed, value), *others = claim.cells
        last_digit = printed[:-1] + str((int(printed[-1]) + 2) % 10)
        with pytest.raises(ClaimError, match="missing"):
            judge(replace(claim, cells=((name, last_digit, value), *others)))


def changed_slightly(claim: Claim) -> sp.Expr:
    point = claim.domain.sample(random.Random(0))
    if (
        claim.right == 0 or abs(decimal(claim.right, point, 5)) < 1e-12
    ):  # some sums are zero: a coefficient changes nothing
        return claim.right + sp.Rational(1, 1000)
    return claim.right * sp.Rational(1001, 1000)


def test_an_experiment_that_disagrees_with_the_truth_is_no_second_route() -> None:
    (claim,) = [c for c in documents()["sari2020"].claims if c.label == "6"]
    assert isinstance(claim, Claim)
    twice = replace(claim, truth=replace(claim, right=claim.right).truth.step("twice", lambda e: 2 * e))
    with pytest.raises(ClaimError):
        judge(twice)


def test_what_cannot_be_evaluated_is_no_counterexample() -> None:
    x = sp.Symbol("x", real=True)
    truth = Derivation.begin(sp.zeta(x), Domain({x: sp.Interval(2, 3)}))
    with pytest.raises(ClaimError, match="neither shown nor refuted"):
        judge(Claim("1", "", "", sp.zeta(x) + sp.zeta(2 * x), truth))


def test_an_approximation_that_does_not_become_true_is_none() -> None:
    (claim,) = [c for c in documents()["sari2020"].claims if c.label == "7"]
    assert isinstance(claim, Claim)
    with pytest.raises(ClaimError, match="does not become true"):
        judge(replace(claim, right=2 * claim.right))


def test_a_constant_factor_may_not_depend_on_what_the_claim_is_about() -> None:
    (claim,) = [c for c in documents()["jin2019"].claims if c.label == "3"]
    assert isinstance(claim, Claim)
    width = next(s for s in claim.domain.sets if str(s) == "n")
    with pytest.raises(ClaimError, match="not constant"):
        judge(replace(claim, right=claim.right * width))


def label_without_claim(module: Any) -> None:
    module.LABELS = (*module.LABELS, "99")


def claim_without_label(module: Any) -> None:
    module.LABELS = module.LABELS[1:]


@pytest.mark.parametrize("spoil", [label_without_claim, claim_without_label])
def test_labels_and_claims_must_match(spoil: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    from paper_checks.papers import sari2020

    spoiled = SimpleNamespace(**vars(sari2020))
    spoil(spoiled)
    monkeypatch.setattr(papers.importlib, "import_module", lambda _: spoiled)
    with pytest.raises(ValueError, match="labels and claims differ"):
        documents.__wrapped__()


def test_a_claim_that_cannot_be_judged_is_undecided(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Record:
        raise ClaimError("no record")

    monkeypatch.setattr(review, "judge", fails)
    found = review._judge("learningmachine", 0, 0)
    assert (found.verdict, found.evidence) == (Verdict.UNDECIDED, ("ClaimError: no record",))
    table = review.counts_table({"learningmachine": (found,)})
    assert "undecided" in table.splitlines()[0]


def test_left_sides_end_at_the_first_relation() -> None:
    assert judgement._left_side(r"\sum_{i=1}^m x_i = 0") == r"\sum_{i=1}^m x_i"
    assert judgement._left_side(r"f \approx g") == "f"


def test_reports_do_not_depend_on_the_number_of_processes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / f"{jobs}.json" for jobs in (1, 3)]
    for jobs, file in zip((1, 3), files, strict=True):
        assert main(["papers", "learningmachine", "--jobs", str(jobs), "--json", str(file)]) == 0
    capsys.readouterr()
    assert files[0].read_bytes() == files[1].read_bytes()
    data = json.loads(files[0].read_text())
    assert data["schema"] == review.SCHEMA
    assert [c["label"] for c in data["claims"]] == list(documents()["learningmachine"].labels)


def test_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["papers", "sari2020", "4"]) == 0
    assert "verdict      confirmed" in capsys.readouterr().out
    assert main(["papers", "sari2021"]) == 2
    assert "no document is called 'sari2021'; there are" in capsys.readouterr().err
    assert main(["papers", "sari2020", "99"]) == 2
    assert "it has U1a" in capsys.readouterr().err
    assert main(["errata", "learningmachine"]) == 0
    sheet = capsys.readouterr().out
    assert sheet.startswith("# Errata: Batch normalization (batchnorm), The Learning Machine")
    assert "## (U2.4)" in sheet


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_errata_compile_without_warnings(tmp_path: Path) -> None:
    reviewed = {
        id: tuple(record(id, label) for label in NOT_CONFIRMED[id][Verdict.REFUTED]) for id in documents()
    }
    (tmp_path / "errata.tex").write_text(errata.latex(documents(), reviewed))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "errata.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    log = (tmp_path / "errata.log").read_text(errors="replace")
    complaints = [
        line for line in log.splitlines() if "Warning" in line or line.startswith(("!", "Overfull"))
    ]
    assert done.returncode == 0, complaints
    assert complaints == []
