"""Every coefficient of every closed form, changed by a fiftieth, must turn verification red."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import sympy as sp

from derivations import Formula, catalog
from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.roots import Root
from paper_checks.verification import verify


@pytest.mark.parametrize("name", sorted(catalog()))
def test_changing_any_coefficient_of_a_closed_form_turns_verification_red(name: str) -> None:
    formula = catalog()[name]
    wrong = [with_closed_form(formula, mutant) for mutant in mutants(formula.closed_form)]
    assert wrong
    survivors = [mutant for mutant in wrong if last_step_holds(mutant)]
    for mutant in survivors:  # then an experiment must see it
        (result,) = verify({name: mutant})
        assert not result.holds, mutant.closed_form


def with_closed_form(formula: Formula, closed_form: sp.Expr) -> Formula:
    derivation = formula.derivation
    last = dataclasses.replace(derivation.steps[-1], expression=closed_form)
    steps = (*derivation.steps[:-1], last)
    return dataclasses.replace(
        formula, derivation=dataclasses.replace(derivation, steps=steps, conclusion=closed_form)
    )


def last_step_holds(formula: Formula) -> bool:
    last = formula.derivation.steps[-1]
    return dataclasses.replace(formula.derivation, definition=last.premise, steps=(last,)).check().ok


def mutants(expr: sp.Expr) -> Iterator[sp.Expr]:
    """The expression with one number or one term changed by a fiftieth, for each number and each term.

    Indices, bounds of sums and conditions are left alone, and the sign of a positive multiple is the same sign.
    """
    if expr.is_Rational:
        yield expr + sp.Rational(1, 50)
        return
    yield expr * sp.Rational(51, 50)
    if isinstance(expr, sp.Indexed | sp.KroneckerDelta | Abbreviation | sp.Symbol):
        return
    if isinstance(expr, sp.Piecewise):
        for index, (value, condition) in enumerate(expr.args):
            for changed in mutants(value):
                yield sp.Piecewise(*expr.args[:index], (changed, condition), *expr.args[index + 1 :])
        return
    only_first = isinstance(expr, sp.Sum | sp.Integral | Root | sp.Heaviside)
    for index in range(1 if only_first else len(expr.args)):
        changes = mutants(expr.args[index])
        if isinstance(expr, Root | sp.Heaviside | sp.sign):
            next(changes)  # a positive factor moves neither a root nor a step, nor a sign
        for changed in changes:
            yield expr.func(*expr.args[:index], changed, *expr.args[index + 1 :])
