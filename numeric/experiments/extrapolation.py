"""Limits at infinity, from values at finite places.

A quantity that has an expansion in x, the reciprocal square of a growing argument, is interpolated by a polynomial,
whose value at x = 0 is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


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
