"""Search for the largest errors of the fast values in float64: from the worst points of a grid to worse ones nearby.

A grid meets the worst roundings of every step by chance only. Here the worst points are changed a little, by anything
between the last place and the size of an argument, and the worst of the changed ones are kept, and so on.

Exits with 1 when an error exceeds what the docstring states. Argument: a part of the names of the functions wanted.
"""

import sys
from itertools import count

import numpy as np

from numeric.arrays import Floats
from paper_checks.accuracy import Subject, errors_at, subjects

GRID = 10_000
KEPT = 50
CHILDREN = 60
ROUNDS = 25
FLOAT64 = np.dtype(np.float64)


def changed(arguments: tuple[Floats, ...], rng: np.random.Generator) -> tuple[Floats, ...]:
    """Children of every point: each argument stays in half of them, and changes by a factor near 1 in the others."""
    found = []
    for x in (np.repeat(argument, CHILDREN) for argument in arguments):
        factor = 1 + rng.uniform(-1, 1, x.size) * 2.0 ** -rng.uniform(1, 53, x.size)
        found.append(np.where(rng.random(x.size) < 0.5, x, x * factor))
    return tuple(found)


def search(subject: Subject, rng: np.random.Generator) -> tuple[float, float, tuple[float, ...]]:
    """The largest error on the grid, the largest one found, and where."""
    points = subject.grid(GRID, FLOAT64)
    on_grid = 0.0
    for round in count():
        inside = subject.inside(*points)
        points = tuple(x[inside] for x in points)
        errors = errors_at(subject, points, FLOAT64)
        best = np.argsort(-errors)[:KEPT]
        points, errors = tuple(x[best] for x in points), errors[best]
        on_grid = on_grid or float(errors[0])
        if round == ROUNDS:
            return on_grid, float(errors[0]), tuple(float(x[0]) for x in points)
        children = changed(points, rng)
        points = tuple(np.concatenate(pair) for pair in zip(points, children, strict=True))
    raise AssertionError


def main() -> int:
    """Print a table; the exit status says whether all bounds hold."""
    names = sys.argv[1] if len(sys.argv) > 1 else ""
    exceeded = False
    print(f"{'function':45}{'grid':>8}{'search':>8}{'stated':>8}  at")
    with np.errstate(all="ignore"):
        for subject in subjects():
            if names not in subject.name:
                continue
            on_grid, found, at = search(subject, np.random.default_rng(0))
            bound = subject.bound(FLOAT64)
            print(
                f"{subject.name:45}{on_grid:8.3f}{found:8.3f}{bound:8.2f}  {', '.join(f'{x!r}' for x in at)}"
                f"{'' if found <= bound else '  EXCEEDED'}",
                flush=True,
            )
            exceeded |= not found <= bound
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
