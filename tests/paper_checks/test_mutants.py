"""Every mutant of every closed form: the definition alone refutes it, or it is proved equal."""

from __future__ import annotations

import mpmath
import pytest
import sympy as sp

from derivations import catalog
from derivations.machinery.arithmetic import Unevaluable
from derivations.normal import phi
from paper_checks.mutants import Fate, mutate_formula
from paper_checks.mutation import mutants
from paper_checks.refutation import PointEvaluator


@pytest.mark.parametrize("name", sorted(catalog()))
def test_no_mutant_of_a_closed_form_survives_its_definition(name: str) -> None:
    found = mutate_formula(catalog()[name], [], 0)
    assert found.holds, [o for o in found.listed if o.fate is Fate.SURVIVED] or found.problem


def test_there_are_thousands_of_mutants() -> None:
    assert sum(len(mutants(f.closed_form, f.domain)) for f in catalog().values()) > 3000


def test_an_integral_without_a_rigorous_bound_refutes_mutants_but_holds_for_no_truth() -> None:
    z, point = sp.Symbol("z", real=True), {}
    integral = sp.Integral(z ** sp.Rational(3, 2) * phi(z), (z, 0, sp.oo))  # a branch point at an end
    true = mpmath.mpf(2) ** -0.25 * mpmath.gamma(1.25) / mpmath.sqrt(mpmath.pi)
    found, error = PointEvaluator(point).number(integral)
    assert abs(found - float(true)) <= 3 * error  # the error of the value, and of the digits that are certain
    assert error > 0
    with pytest.raises(Unevaluable, match="no tail bound"):
        PointEvaluator(point, rigorous=True).value(integral)
