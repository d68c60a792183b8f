"""One line on a terminal that tells how far a long run is; nothing in a pipe."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Hashable

from numeric.sampling.executors import Progress, Status


def terminal_progress() -> Progress | None:
    """Shows calls, throughput and the time left on standard error; None where that is no terminal.

    It serves one run after another: each has a status of its own.
    """
    if not sys.stderr.isatty():
        return None
    current: Status | None = None
    start, before = 0.0, Status()

    def show(status: Status, key: Hashable) -> None:
        nonlocal current, start, before
        now = time.monotonic()
        if status is not current:  # the first call of a run: before it, workers were starting
            current, start, before = status, now, dataclasses.replace(status)
        end = "\r\033[K" if status.calls == status.total_calls else ""
        print(
            f"\r\033[K{progress_line(status, key, before, now - start)}", end=end, file=sys.stderr, flush=True
        )

    return show


def progress_line(status: Status, key: Hashable, before: Status, seconds: float) -> str:
    """What is shown: the time left at the pace since an earlier status, as far as it is known what is to come.

    Parameters
    ----------
    status, key
        How far the run is, and the plan that got a result.
    before
        How far it was some seconds ago.
    seconds
        How many.

    Examples
    --------
    >>> before, now = Status(10, 40, 10**8, 4 * 10**8), Status(30, 40, 3 * 10**8, 4 * 10**8)
    >>> progress_line(now, ("formula", "relu.mean"), before, 4.0)
    '[30/40] relu.mean, 50 million numbers/s, 2 s left'
    """
    name = str(key[-1] if isinstance(key, tuple) else key)
    shown = f"[{status.calls}/{status.total_calls}] {name}"
    calls, numbers = status.calls - before.calls, status.numbers - before.numbers
    if not (calls and seconds):
        return shown
    left = (status.total_calls - status.calls) * seconds / calls
    if numbers:
        shown += f", {numbers / seconds / 1e6:.0f} million numbers/s"
        left = max(left, (status.total_numbers - status.numbers) * seconds / numbers)
    return f"{shown}, {left:.0f} s left"
