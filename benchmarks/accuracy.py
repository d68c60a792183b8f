"""Largest errors of the fast values, in units in the last place, over the whole range of float64 and float32.

Exits with 1 when one exceeds what the docstring states. Arguments: number of points of each grid (100 000), and a part
of the names of the functions wanted.
"""

import sys

import numpy as np

from paper_checks.accuracy import measure


def main() -> int:
    """Print a table; the exit status says whether all bounds hold."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    names = sys.argv[2] if len(sys.argv) > 2 else ""
    exceeded = False
    print(f"{'function':45}{'type':9}{'points':>8}{'ulp':>8}{'stated':>8}  at")
    for dtype in (np.float64, np.float32):
        for worst in measure(points, dtype, names):
            at = ", ".join(f"{x:.9g}" for x in worst.at)
            print(
                f"{worst.name:45}{np.dtype(dtype).name:9}{worst.points:8}{worst.error:8.3f}{worst.bound:8.2f}  {at}"
                f"{'' if worst.holds else '  EXCEEDED'}",
                flush=True,
            )
            exceeded |= not worst.holds
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
