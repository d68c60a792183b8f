"""Values at a step of zero, or at infinity, from values at finite ones.

A quantity that has an expansion in x is interpolated by a polynomial, whose value at x = 0 is the answer: x is the
square of the step of a central difference, or the reciprocal square of a growing argument.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from numeric.evaluation.arguments import require_integer


def at_zero(places: Sequence[float], values: Sequence[float]) -> float:
    """Value at 0 of the polynomial through these points (Neville).

    Parameters
    ----------
    places, values
        As many values as there are places, which are distinct.

    Raises
    ------
    ValueError
        When they are not.

    Examples
    --------
    >>> at_zero([1.0, 2.0, 4.0], [6.0, 11.0, 27.0])  # 3 + 2 x + x^2
    3.0
    """
    if len(places) != len(values) or not places:
        raise ValueError(f"values must be as many as places, at least 1, got {len(values)} and {len(places)}")
    if len({*places}) < len(places):
        raise ValueError(f"places must be distinct, got {places}")
    found = list(values)
    for order in range(1, len(places)):
        for k in range(len(places) - order):
            near, far = places[k], places[k + order]
            found[k] = (near * found[k + 1] - far * found[k]) / (near - far)
    return found[0]


def derivative(function: Callable[[float], float], at: float, step: float, halvings: int = 2) -> float:
    """Derivative by central differences, extrapolated to a step of zero.

    Parameters
    ----------
    function
        Smooth within the largest step of ``at``.
    at
        Where.
    step
        The largest step, positive.
    halvings
        How often it is halved, at least 0. The error of the result is of order ``step**(2 * halvings + 2)``.

    Examples
    --------
    >>> round(derivative(lambda x: x**5, 2.0, 0.1), 9)
    80.0
    """
    if not step > 0:
        raise ValueError(f"step must be positive, got {step}")
    steps = [step / 2**k for k in range(require_integer("halvings", halvings, 0) + 1)]
    return at_zero([h**2 for h in steps], [(function(at + h) - function(at - h)) / (2 * h) for h in steps])


def limit(function: Callable[[float], float], places: Sequence[float]) -> float:
    """Limit at infinity of a function with an expansion in the reciprocal square of its argument.

    Parameters
    ----------
    function
        The function.
    places
        Arguments, all far out on one side.

    Examples
    --------
    >>> round(limit(lambda x: x**2 / (1 + x**2), [8.0, 10.0, 12.0, 14.0, 17.0]), 8)
    1.0
    """
    return at_zero([1 / x**2 for x in places], [function(x) for x in places])
