"""A derivation: a chain of steps from a definition to a closed form, each link checked by machine."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from derivations.machinery.abbreviation import Abbreviation
from derivations.machinery.arithmetic import Unevaluable
from derivations.machinery.domain import Domain, Point
from derivations.machinery.enclosure import Evaluator
from derivations.machinery.prover import Certificate, prove

POINTS = 4
"""Random points of the domain, or of each of its cases, at which every step is enclosed."""


@dataclass(frozen=True)
class Step:
    """One equality: the premise it starts from, the expression it gives, and the reason."""

    premise: sp.Expr
    expression: sp.Expr
    reason: str
    by: Certificate | None = None


@dataclass(frozen=True)
class Failure:
    """Where a step does not hold.

    Attributes
    ----------
    reason
        What is wrong with the step.
    left, right
        The two sides.
    point
        A point of the domain where they differ, None where the chain itself is broken.
    values
        The two sides at that point.
    """

    reason: str
    left: sp.Expr
    right: sp.Expr
    point: Point | None = None
    values: tuple[str, str] | None = None

    @property
    def sides(self) -> tuple[str, str]:
        """The two sides as text, terms as they stand: to put them in order SymPy would evaluate integrals."""
        return sp.sstr(self.left, order="none"), sp.sstr(self.right, order="none")

    def __str__(self) -> str:
        left, right = self.sides
        text = f"{self.reason}: {left}  versus  {right}"
        if self.point is not None and self.values is not None:
            where = ", ".join(f"{symbol} = {value}" for symbol, value in self.point.items())
            text += f"; at {where}: {self.values[0]} versus {self.values[1]}"
        return text


@dataclass(frozen=True)
class StepCheck:
    """What the machine found about one step.

    ``evidence`` is "enclosed" (ball arithmetic), "sampled" (60 digits, no bound) or "" where the step could
    be evaluated at no point.
    """

    reason: str
    proved: bool
    evidence: str
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        """Evaluated at every point, nowhere found to differ, and following by its certificate if it has one."""
        return self.failure is None and bool(self.evidence)


@dataclass(frozen=True)
class DerivationCheck:
    """What the machine found about a whole derivation."""

    steps: tuple[StepCheck, ...]

    @property
    def ok(self) -> bool:
        """Whether there are steps and every one of them holds."""
        return bool(self.steps) and all(step.ok for step in self.steps)

    @property
    def proved(self) -> int:
        """Number of steps that algebra proved for the whole domain."""
        return sum(step.proved for step in self.steps)

    @property
    def enclosed(self) -> int:
        """Number of steps confirmed by evaluation at random points."""
        return sum(bool(step.evidence) for step in self.steps)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The failures, in the order of the steps."""
        return tuple(step.failure for step in self.steps if step.failure is not None)


class DerivationError(ValueError):
    """A step does not hold."""


@dataclass(frozen=True)
class Derivation:
    """A chain of equal expressions over one domain.

    Build one with :meth:`begin` and :meth:`step`; :meth:`check` examines every link. The conclusion is
    recorded when the last step is added, so that a chain from which a step was taken out is noticed.

    Examples
    --------
    >>> import sympy as sp
    >>> from derivations.machinery.derivation import Derivation
    >>> from derivations.machinery.domain import Domain
    >>> x = sp.Symbol("x", real=True)
    >>> square = Derivation.begin(sp.Derivative(x**2, x), Domain({x: sp.S.Reals}))
    >>> square = square.step("power rule", lambda e: e.doit())
    >>> square.conclusion, square.check().ok
    (2*x, True)
    """

    definition: sp.Expr
    domain: Domain
    steps: tuple[Step, ...]
    conclusion: sp.Expr

    @classmethod
    def begin(cls, definition: sp.Expr, domain: Domain) -> Derivation:
        """The empty chain at a definition."""
        return cls(definition, domain, (), definition)

    def step(
        self, reason: str, to: sp.Expr | Callable[[sp.Expr], sp.Expr], by: Certificate | None = None
    ) -> Derivation:
        """The chain with one more step; the chain itself where the operation changes nothing.

        Parameters
        ----------
        reason
            What is done, in a few words (no LaTeX: words and inline mathematics between dollar signs).
        to
            The operation that gives the next expression from the last one, or that expression.
        by
            The certificate of the equality, which must establish it; None where algebra is to show it.
        """
        expression = to if isinstance(to, sp.Basic) else to(self.conclusion)
        if expression == self.conclusion:
            return self
        step = Step(self.conclusion, expression, reason, by)
        return Derivation(self.definition, self.domain, (*self.steps, step), expression)

    @property
    def expressions(self) -> tuple[sp.Expr, ...]:
        """The definition and what each step gives."""
        return (self.definition, *(step.expression for step in self.steps))

    def abbreviations(self) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
        """Names that stand in definition or steps, one of each kind, with what they stand for."""
        found: dict[tuple[object, ...], Abbreviation] = {}
        for expr in self.expressions:
            for name in sorted(expr.atoms(Abbreviation), key=sp.default_sort_key):
                found.setdefault((type(name), *name.args[1:]), name)
        return tuple((name, name.unfolded()) for name in found.values())

    def check(self, seed: int = 0, points: int = POINTS) -> DerivationCheck:
        """Prove and enclose every step.

        Parameters
        ----------
        seed
            Seed of the random points.
        points
            Number of points of the domain, or of each of its cases where it has some, at least 1.
        """
        if points < 1:
            raise ValueError(f"points must be at least 1, got {points}")
        checks = []
        expected = self.definition
        for number, step in enumerate(self.steps, 1):
            rng = random.Random(f"{seed}/{number}")
            checks.append(self._check_step(step, expected, rng, points))
            expected = step.expression
        if expected != self.conclusion:
            broken = Failure("the chain does not end at its conclusion", expected, self.conclusion)
            checks.append(StepCheck("conclusion", False, "", broken))
        return DerivationCheck(tuple(checks))

    def _check_step(self, step: Step, expected: sp.Expr, rng: random.Random, points: int) -> StepCheck:
        if step.premise != expected:
            broken = Failure(f"the chain is broken before '{step.reason}'", expected, step.premise)
            return StepCheck(step.reason, False, "", broken)
        evaluator = Evaluator()
        evidence = ""
        for case in (self.domain.cases or (None,)) * points:
            point = self.domain.sample(rng, case)
            try:
                left = evaluator.at(step.premise, point)
                right = evaluator.at(step.expression, point)
            except (Unevaluable, ZeroDivisionError) as problem:
                failure = Failure(
                    f"step '{step.reason}' cannot be evaluated ({problem})",
                    step.premise,
                    step.expression,
                    point,
                )
                return StepCheck(step.reason, False, "", failure)
            if not evaluator.numbers.agree(left, right):
                values = (evaluator.numbers.text(left), evaluator.numbers.text(right))
                failure = Failure(
                    f"step '{step.reason}' does not hold", step.premise, step.expression, point, values
                )
                return StepCheck(step.reason, False, "", failure)
            evidence = evaluator.numbers.evidence
        proved = prove(step.premise, step.expression, self.domain, step.by)
        if step.by is not None and not proved:  # the reason given is not the reason
            certificate = type(step.by).__name__
            failure = Failure(
                f"step '{step.reason}' does not follow by {certificate}", step.premise, step.expression
            )
            return StepCheck(step.reason, False, evidence, failure)
        return StepCheck(step.reason, proved, evidence)
