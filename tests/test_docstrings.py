"""Docstrings of the fast values: which formula of the catalogue they evaluate, and where it is printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from derivations import find
from paper_checks.accuracy import subjects

FUNCTIONS = {f"{s.public.__module__}.{s.public.__name__}": s.public for s in subjects()}
SECTIONS = ["Parameters", "Returns", "Raises", "Notes", "Examples"]


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_fast_value_names_its_formula_and_the_sources_of_the_catalogue(
    function: Callable[..., Any],
) -> None:
    (line,) = re.findall(r"^ *Catalogue: (.*)\.$", function.__doc__ or "", re.M)
    names = re.findall(r"``(\S+)``", line)
    printed = {str(source) for name in names for source in find(name).sources if source.equation[0].isdigit()}
    assert names
    assert set(re.findall(r"\w+ \(\w+\)", line)) == printed


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_sections_stand_in_the_order_of_numpydoc(function: Callable[..., Any]) -> None:
    assert re.findall(r"^ *(\w+)\n *-{4,}$", function.__doc__ or "", re.M) == SECTIONS
