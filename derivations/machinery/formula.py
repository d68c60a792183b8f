"""A formula: what words mean, what they equal, where, and why."""

from __future__ import annotations

import difflib
import importlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from types import MappingProxyType
from typing import Any

import sympy as sp
from sympy.printing.defaults import Printable

from derivations.machinery.arithmetic import Unevaluable
from derivations.machinery.code import code
from derivations.machinery.derivation import Derivation, DerivationCheck, DerivationError
from derivations.machinery.domain import Domain, Point
from derivations.machinery.enclosure import decimal
from derivations.machinery.latex import align, latex
from derivations.machinery.unspecified import Unspecified

SUBJECTS = ("batchnorm", "relu", "ternary", "uniform_levels", "pact")


@dataclass(frozen=True)
class Source:
    """Where a formula is printed: the id of a paper and the label of the equation."""

    paper: str
    equation: str

    def __str__(self) -> str:
        return f"{self.paper} ({self.equation})"


@dataclass(frozen=True, repr=False)
class Formula(Printable):
    """A definition, the closed form that its derivation ends with, and the domain.

    Attributes
    ----------
    name
        ``subject.quantity``.
    title
        One line in the words of the field.
    derivation
        The chain from the definition to the closed form.
    sources
        Papers and equations that state it.
    related
        Names of related formulas.
    notes
        What happens where the domain ends, and conventions.
    """

    name: str
    title: str
    derivation: Derivation
    sources: tuple[Source, ...] = ()
    related: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def definition(self) -> sp.Expr:
        """What the words mean, unevaluated."""
        return self.derivation.definition

    @property
    def domain(self) -> Domain:
        """The set of each symbol and the relations between them."""
        return self.derivation.domain

    @property
    def closed_form(self) -> sp.Expr:
        """What the derivation ends with."""
        return self.derivation.conclusion

    @property
    def statement(self) -> sp.Eq:
        """``definition = closed form``."""
        return sp.Eq(self.definition, self.closed_form, evaluate=False)

    def check(self, seed: int = 0) -> DerivationCheck:
        """Prove and enclose every step of the derivation."""
        return self.derivation.check(seed)

    def assert_holds(self, seed: int = 0) -> None:
        """Raise unless every step holds.

        Raises
        ------
        DerivationError
            Names the step, the two sides, and a point where they differ.
        """
        check = self.check(seed)
        if not check.ok:
            raise DerivationError(
                f"{self.name}: {check.failures[0] if check.failures else 'there are no steps'}"
            )

    def _latex(self, printer: Any = None) -> str:
        return f"{latex(self.definition)} = {latex(self.closed_form)}"

    def _sympystr(self, printer: Any = None) -> str:
        return f"Formula({self.name}: {self.closed_form})"

    def latex(self) -> str:
        """LaTeX of the closed form."""
        return latex(self.closed_form)

    def latex_statement(self) -> str:
        """LaTeX of ``definition = closed form``."""
        return self._latex()

    def latex_derivation(self) -> str:
        """LaTeX of the derivation: an ``align`` environment with the reasons below the steps."""
        return align(self.definition, [(s.expression, s.reason) for s in self.derivation.steps])

    def code(self, target: str) -> str:
        """Source text of a function that computes the closed form.

        Parameters
        ----------
        target
            ``"numpy"``, ``"torch"``, ``"jax"`` or ``"c"``.

        Raises
        ------
        ValueError
            For another target, and where the closed form holds a function that is not specified.
        """
        self._require_specified()
        used = self.closed_form.free_symbols
        arguments = [s for s in self.domain.sets if getattr(s, "label", s) in used or s in used]
        return code(self.closed_form, target, self.name.replace(".", "_"), arguments)

    def _require_specified(self) -> None:
        if self.closed_form.has(Unspecified):
            raise ValueError(
                f"{self.name} holds for any law: {self.closed_form} has no value before one is chosen"
            )

    def evaluate(self, digits: int = 15, /, **values: Any) -> sp.Float:
        """The closed form at a point, every digit right.

        Parameters
        ----------
        digits
            Number of significant digits of the result, at least 1.
        **values
            A number for each symbol, or its decimal or fraction as a text; a sequence of them for each indexed
            quantity. A float is the binary number that it is: ``a=0.1`` and ``a="0.1"`` differ.

        Raises
        ------
        ValueError
            Names the symbol that is missing, unknown or not a finite number, the value that lies outside the
            domain, or the sequence whose length does not fit.

        Examples
        --------
        >>> from derivations import find
        >>> find("relu.mean").evaluate(a=0)
        0.398942280401433
        >>> find("batchnorm.grad_beta").evaluate(m=3, g=[1, 2, 3.5])
        6.50000000000000
        """
        self._require_specified()
        if digits < 1:
            raise ValueError(f"digits must be at least 1, got {digits}")
        point = self._point(values)
        try:
            return decimal(self.closed_form, point, digits)
        except Unevaluable as error:
            raise ValueError(f"{self.name}: {error}; its domain: {self.domain}") from None

    def _point(self, values: Mapping[str, Any]) -> Point:
        """The values as a point of the domain."""
        domain = self.domain
        by_name = {str(getattr(s, "label", s)): s for s in domain.sets}
        for name in values:
            if name not in by_name:
                known = ", ".join(by_name) or "none"
                raise ValueError(f"{self.name} has no symbol {name!r}; it has {known}")
        free = {str(s) for s in self.closed_form.free_symbols}
        missing = [name for name in by_name if name in free and name not in values]
        if missing:
            raise ValueError(f"{self.name} needs a value for {', '.join(missing)}")
        point: Point = {}
        for name, value in values.items():
            symbol = by_name[name]
            point[symbol] = _numbers(name, value) if symbol in domain.lengths else _number(name, value)
        bad = domain.violation(point)
        if bad is not None:
            name = str(getattr(bad, "label", bad))
            raise ValueError(f"{name} = {values[name]} is outside the domain: {domain}")
        for symbol, length in domain.lengths.items():
            if symbol in point and length in point and len(point[symbol]) != point[length]:
                got = f"{symbol} has {len(point[symbol])} entries"
                raise ValueError(f"{got}, but {length} = {point[length]}")
        bound = {str(s) for constraint in domain.constraints for s in constraint.free_symbols}
        if bound & set(by_name) <= set(values) and not domain.satisfies(point):
            given = ", ".join(f"{symbol} = {_short(value)}" for symbol, value in point.items())
            raise ValueError(f"{given} is outside the domain: {domain}")
        return point


def _short(value: Any) -> str:
    if not isinstance(value, tuple):
        return str(value)
    shown = ", ".join(map(str, value[:6]))
    return f"[{shown}, ...]" if len(value) > 6 else f"[{shown}]"


def _number(name: str, value: Any) -> sp.Expr:
    try:
        if isinstance(value, float) and not math.isfinite(value):  # of these SymPy makes the rational 0
            raise ValueError
        # a float is the double that it is, a text the decimal that it shows
        number = value if isinstance(value, sp.Expr) else sp.Rational(value)
    except (TypeError, ValueError, ZeroDivisionError):
        raise ValueError(f"{name} must be a finite number, got {value!r}") from None
    if not (number.is_number and number.is_finite):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return number


def _numbers(name: str, values: Any) -> tuple[sp.Expr, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a sequence of numbers, got {values!r}")
    return tuple(_number(name, entry) for entry in values)


@cache
def of_subject(subject: str) -> Mapping[str, Formula]:
    """The formulas of a module of the catalogue by name, derived when first asked for."""
    formulas = importlib.import_module(f"derivations.{subject}").formulas()
    by_name = {formula.name: formula for formula in formulas}
    if len(by_name) < len(formulas) or any(name.partition(".")[0] != subject for name in by_name):
        raise ValueError(
            f"formulas of {subject} need names of their own, {subject}.QUANTITY, got {[*by_name]}"
        )
    return MappingProxyType(by_name)


@cache
def catalog() -> Mapping[str, Formula]:
    """All formulas by name, derived when first asked for.

    Examples
    --------
    >>> from derivations import catalog
    >>> catalog()["relu.mean"].closed_form
    a*Phi(a) + phi(a)
    """
    return MappingProxyType(dict(chain.from_iterable(of_subject(subject).items() for subject in SUBJECTS)))


def find(name: str) -> Formula:
    """The formula of that name. Formulas of other subjects are not derived.

    Raises
    ------
    KeyError
        With the nearest names.
    """
    subject = name.partition(".")[0]
    if subject in SUBJECTS and name in of_subject(subject):
        return of_subject(subject)[name]
    near = difflib.get_close_matches(name, catalog(), n=3, cutoff=0.4)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise KeyError(f"no formula is called {name!r}{hint}")
