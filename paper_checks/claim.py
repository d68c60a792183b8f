"""What somebody printed, transcribed, and the record of what became of it.

The transcription keeps what is printed. What the left side means is a definition of the package, the truth is a
derivation that begins there, and the printed right side is held against it: as one more step of that derivation,
it either follows or fails at a point (:mod:`paper_checks.judgement`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sympy as sp

from derivations.machinery.derivation import Derivation
from derivations.machinery.domain import Domain
from derivations.machinery.prover import Certificate
from numeric.sampling.estimates import Estimate


class Verdict(StrEnum):
    """What became of a claim."""

    CONFIRMED = "confirmed"
    APPROXIMATE = "approximate"
    REFUTED = "refuted"
    DEFINITION = "definition"
    EMPIRICAL = "empirical"
    UNDECIDED = "undecided"
    """No verdict: the record is not complete. A defect of the claim, not of the document."""


class Cause(StrEnum):
    """Why a refuted claim is wrong."""

    MISPRINT = "misprint"
    ALGEBRA = "algebra"
    CONCEPT = "concept"
    EXTRACTION = "extraction"


class ClaimError(ValueError):
    """A claim whose record is not complete: no verdict is given."""


@dataclass(frozen=True)
class Trial:
    """What an experiment found at one point, from the definition alone.

    Attributes
    ----------
    point
        A number for each symbol of the claim.
    found
        A Monte Carlo estimate, or a number.
    tolerance
        Relative error that a number is trusted to.
    """

    point: Mapping[Any, Any]
    found: Estimate | float
    tolerance: float = 1e-9

    def refutes(self, value: float, comparisons: int) -> bool:
        """Whether the value is further away than chance or rounding allows."""
        if isinstance(self.found, Estimate):
            return self.found.refutes(value, comparisons)
        return not abs(self.found - value) <= self.tolerance * (1 + abs(value))

    def __str__(self) -> str:
        if isinstance(self.found, Estimate):
            return f"{self.found.value:.6g} (standard error {self.found.standard_error:.1g})"
        return f"{self.found:.12g}"


@dataclass(frozen=True)
class Approximation:
    """In what sense the printed side is true.

    Attributes
    ----------
    typical
        The point at which the size of the error is stated.
    large
        The symbol that goes to infinity; None where the printed side is right up to a constant factor.
    scales
        The symbols that the constant factor may not depend on: what the printed side says about them is exact.
    """

    typical: Mapping[Any, Any]
    large: sp.Symbol | None = None
    scales: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Claim:
    """An equation as printed.

    Attributes
    ----------
    label
        As printed, or U1, P1, ... by the rules of the documents.
    about
        One line in the words of the field.
    printed
        LaTeX, as printed.
    right
        The printed right side, transcribed.
    truth
        The derivation that begins with what the printed left side means.
    by
        Why the printed side equals the truth, where algebra does not show it.
    cause
        Why it is wrong, where it is.
    consequence
        What follows for the conclusion of the paper, as a number; computed when asked for. What is true may have one
        too: at the boundary of its domain.
    approximation
        Where the printed side is true in a limit only.
    experiment
        Called with a seed: trials of the definition.
    assumptions
        Under which the truth was derived.
    defines
        Whether the equation introduces its left side: there is nothing to prove but that it is used consistently.
    sources
        Where the same is stated elsewhere.
    """

    label: str
    about: str
    printed: str
    right: sp.Expr
    truth: Derivation
    by: Certificate | None = None
    cause: Cause | None = None
    consequence: Callable[[], str] | None = None
    approximation: Approximation | None = None
    experiment: Callable[[int], list[Trial]] | None = None
    assumptions: tuple[str, ...] = ()
    defines: bool = False
    sources: tuple[str, ...] = ()

    @property
    def domain(self) -> Domain:
        """Where the equation is claimed."""
        return self.truth.domain

    @property
    def as_printed(self) -> Derivation:
        """The printed side as one more step of the truth."""
        return self.truth.step("as printed", self.right, by=self.by)


@dataclass(frozen=True)
class Inequality:
    """An inequality as printed, ``left <= right`` or ``left < right``.

    Attributes
    ----------
    label, about, printed, cause, consequence, assumptions, sources
        As for a :class:`Claim`.
    gap
        The derivation of ``right - left``; where the inequality is true it ends with an expression that is visibly
        positive, or not negative where it is not strict.
    strict
        Whether the sides may not be equal.
    corrected
        What is true, where the inequality is false; it is judged too, and must be confirmed.
    experiment
        Called with a seed: trials of the gap.
    """

    label: str
    about: str
    printed: str
    gap: Derivation
    strict: bool = False
    corrected: Inequality | None = None
    cause: Cause | None = None
    consequence: Callable[[], str] | None = None
    experiment: Callable[[int], list[Trial]] | None = None
    assumptions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """What is introduced, not claimed; ``use`` says whether the document keeps to it.

    Where the definition is one of the package, a :class:`Claim` that ``defines`` compares the two instead.
    """

    label: str
    about: str
    printed: str
    use: tuple[str, ...]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observation:
    """What only training can show; ``found`` says what was computed or run instead, or why nothing was."""

    label: str
    about: str
    printed: str
    found: Callable[[int], tuple[str, ...]]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Numbers as printed: each must be what the exact value rounds to.

    Attributes
    ----------
    label, about, printed, cause, consequence, assumptions, sources
        As for a :class:`Claim`.
    cells
        Name of the cell, the number as printed, and the derivation of the exact value.
    experiment
        Called with a seed: for each cell whose value is refuted, by name, a second route to the value.
    """

    label: str
    about: str
    printed: str
    cells: tuple[tuple[str, str, Derivation], ...]
    cause: Cause | None = None
    consequence: Callable[[], str] | None = None
    experiment: Callable[[int], Mapping[str, float]] | None = None
    assumptions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


AnyClaim = Claim | Inequality | Definition | Observation | Table


@dataclass(frozen=True)
class Record:
    """What the program found about one claim.

    Attributes
    ----------
    label, about, verdict, cause, printed, assumptions, consequence, sources
        As in the claim; the cause is None unless it is refuted.
    corrected
        LaTeX of what is true, where that is not what is printed.
    counterexample
        A point, and the two sides there to 15 digits.
    exact
        What an approximate claim approximates.
    error_order
        The order of its relative error.
    evidence
        What the verdict rests on.
    """

    label: str
    about: str
    verdict: Verdict
    printed: str
    evidence: tuple[str, ...]
    cause: Cause | None = None
    corrected: str | None = None
    counterexample: Mapping[str, str] | None = None
    exact: str | None = None
    error_order: str | None = None
    consequence: str | None = None
    assumptions: tuple[str, ...] = ()
    sources: tuple[str, ...] = field(default=())


Letters = Mapping[Any, str]
"""How a document writes symbols of the package and abbreviations with an index, as LaTeX."""
