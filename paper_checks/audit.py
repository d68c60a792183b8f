"""Everything there is to check, in one run: formulas, claims, fast values, and the checks themselves."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from derivations import Formula, catalog
from derivations.machinery.arithmetic import flint
from numeric.sampling.executors import Plan, Progress, Store, run, single
from paper_checks import mutants, review, verification
from paper_checks.claim import Verdict
from paper_checks.mutants import Findings
from paper_checks.papers import documents

if TYPE_CHECKING:
    from paper_checks.accuracy import Worst

POINTS = 2000
"""Points at which the error of each fast value is measured; the benchmark takes more."""


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes
    ----------
    seed
        Seed of points and draws.
    formulas
        Derivations and experiments.
    claims
        Verdicts on what documents print; none where formulas were chosen.
    values
        The largest error of each fast value; none where formulas were chosen, or without python-flint.
    mutants
        What became of formulas with small errors in them; ``normquant mutants`` does the same with claims.
    """

    seed: int
    formulas: tuple[verification.Verification, ...]
    claims: review.Reviewed
    values: tuple[Worst, ...]
    mutants: Findings

    @property
    def holds(self) -> bool:
        """Every formula holds, every claim has a verdict, every stated bound is kept, and no mutant survives."""
        decided = all(r.verdict is not Verdict.UNDECIDED for records in self.claims.values() for r in records)
        accurate = all(w.holds for w in self.values)
        return decided and accurate and all(r.holds for r in self.formulas) and self.mutants.holds

    def __str__(self) -> str:
        parts = [verification.table(self.formulas)]
        if self.values:
            parts.append(values_line(self.values))
        parts.append(mutants.totals(self.mutants))
        if self.claims:
            parts.append("\n" + review.counts_table(self.claims))
        return "\n".join(parts)

    def report(self) -> dict[str, Any]:
        """As JSON data."""
        return verification.report(self.formulas, self.seed) | {
            "claims": review.claims_data(self.claims),
            "values": [vars(worst) | {"at": list(worst.at), "holds": worst.holds} for worst in self.values],
            "mutants": mutants.data(self.mutants),
        }


def audit(
    formulas: Mapping[str, Formula] | None = None,
    *,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Progress | None = None,
    store: Store | None = None,
) -> Audit:
    """Check formulas, or everything.

    Parameters
    ----------
    formulas
        By name; when None, the whole catalogue, and all claims and fast values too.
    seed
        Seed of points and draws.
    executor, progress, store
        As in :func:`numeric.sampling.executors.run`. No result depends on them.
    """
    whole = formulas is None
    formulas = catalog() if formulas is None else formulas
    ids = tuple(documents()) if whole else ()
    plans = verification.plans(formulas, seed) | review.plans(ids, seed)
    if whole:
        plans |= _values()
    found = run(plans, executor, progress=progress, store=store)
    measurements = verification.measured(found)
    found |= run(mutants.formula_plans(tuple(formulas), measurements, seed), executor, progress=progress)
    return Audit(
        seed,
        verification.collected(formulas, found),
        review.collected(ids, found),
        tuple(worst for key, worst in found.items() if key[0] == "value"),
        mutants.collected(found),
    )


def _values() -> dict[Hashable, Plan[Any]]:
    if flint is None:
        return {}
    from paper_checks.accuracy import subjects, worst_of

    return {("value", n, s.name): single(worst_of, n, POINTS) for n, s in enumerate(subjects())}


def values_line(values: tuple[Worst, ...]) -> str:
    """The largest error of all fast values, and those that exceed what is stated."""
    largest = max(values, key=lambda w: w.error)
    lines = [
        f"fast values: error at most {largest.error:.2f} units in the last place in {len(values)} functions at "
        f"{POINTS} points each ({largest.name}); {sum(not w.holds for w in values)} beyond what is stated"
    ]
    lines += [f"{w.name}: {w.error:.2f} ulp at {w.at}, stated {w.bound}" for w in values if not w.holds]
    return "\n".join(lines)
