"""What the README shows is what happens."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from derivations import find
from paper_checks.claim import Verdict
from paper_checks.judgement import judge

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def shown(number: int) -> tuple[dict[str, Any], Any]:
    """The names after a session, and its last value."""
    names: dict[str, Any] = {}
    last = None
    for example in doctest.DocTestParser().get_examples(blocks("pycon")[number]):
        try:
            last = eval(example.source, names)
        except SyntaxError:
            exec(example.source, names)
        assert not example.want or repr(last) + "\n" == example.want
    return names, last


def test_formulas() -> None:
    _, found = shown(0)
    expected, _ = quad(lambda z: (z - 3.5) ** 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), 3.5, 40)
    assert float(found) == pytest.approx(expected, rel=1e-8, abs=0)


def test_fast_values() -> None:
    names, found = shown(1)
    assert names["values"].min() > 0
    assert found == pytest.approx([find("relu.mean").evaluate(a=-30), 2 * ndtr(-0.7)], rel=1e-14, abs=0)


def test_an_experiment_of_your_own() -> None:
    shown(2)


def test_shifted_nets() -> None:
    shown(3)


def test_adding_a_formula_and_a_paper() -> None:
    formula, paper = blocks("python")
    names: dict[str, Any] = {}
    exec(formula, names)
    assert str(names["formula"].closed_form) == "delta"
    exec(paper, names)
    (claim,) = names["claims"]()
    assert (claim.label,) == names["LABELS"]
    assert judge(claim).verdict is Verdict.CONFIRMED
