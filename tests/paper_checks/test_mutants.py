"""Every mutant of every closed form: the definition alone refutes it, or it is proved equal."""

from __future__ import annotations

import pytest

from derivations import catalog
from paper_checks.mutants import Fate, mutate_formula
from paper_checks.mutation import mutants


@pytest.mark.parametrize("name", sorted(catalog()))
def test_no_mutant_of_a_closed_form_survives_its_definition(name: str) -> None:
    found = mutate_formula(catalog()[name], [], 0)
    assert found.holds, [o for o in found.listed if o.fate is Fate.SURVIVED] or found.problem


def test_there_are_thousands_of_mutants() -> None:
    assert sum(len(mutants(f.closed_form, f.domain)) for f in catalog().values()) > 3000
