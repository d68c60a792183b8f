"""What the README shows is what happens."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from paper_checks.claim import Verdict
from paper_checks.judgement import judge

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_python_api() -> None:
    (session,) = blocks("pycon")
    examples = doctest.DocTestParser().get_examples(session)
    names: dict[str, Any] = {}
    for example in examples[:-1]:
        if example.want:
            assert repr(eval(example.source, names)) + "\n" == example.want
        else:
            exec(example.source, names)
    found = eval(examples[-1].source, names)
    expected, _ = quad(lambda z: (z - 3.5) ** 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), 3.5, 40)
    assert float(found) == pytest.approx(expected, rel=1e-8)
    assert len(examples) <= 7


def test_adding_a_formula_and_a_paper() -> None:
    formula, paper = blocks("python")
    names: dict[str, Any] = {}
    exec(formula, names)
    assert str(names["formula"].closed_form) == "delta"
    exec(paper, names)
    (claim,) = names["claims"]()
    assert (claim.label,) == names["LABELS"]
    assert judge(claim).verdict is Verdict.CONFIRMED
