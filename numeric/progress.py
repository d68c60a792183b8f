"""One line on a terminal that tells how far a long run is; nothing in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable

from numeric.executors import Progress, Status


def terminal_progress() -> Progress | None:
    """Shows calls, throughput and the time left on standard error; None where that is no terminal."""
    if not sys.stderr.isatty():
        return None
    start = time.monotonic()

    def show(status: Status, key: Hashable) -> None:
        end = "\r\033[K" if status.calls == status.total_calls else ""
        line = progress_line(status, key, time.monotonic() - start)
        print(f"\r\033[K{line}", end=end, file=sys.stderr, flush=True)

    return show


def progress_line(status: Status, key: Hashable, seconds: float) -> str:
    """What is shown.

    The time left is that of the draws still to be made, as far as it is known how many, or of the calls where
    nothing is drawn.

    Examples
    --------
    >>> progress_line(Status(30, 40, 2 * 10**8, 3 * 10**8), ("formula", "relu.mean"), 4.0)
    '[30/40] relu.mean, 50 million draws/s, 2 s left'
    """
    name = str(key[-1] if isinstance(key, tuple) else key)
    shown = f"[{status.calls}/{status.total_calls}] {name}"
    if status.draws and seconds:
        shown += f", {status.draws / seconds / 1e6:.0f} million draws/s"
    done = (
        status.draws / status.total_draws
        if status.total_draws > status.draws > 0
        else status.calls / max(1, status.total_calls)
    )
    left = seconds * (1 - done) / done if done else 0.0
    return f"{shown}, {left:.0f} s left"
