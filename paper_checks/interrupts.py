"""Ctrl-C and requests to end, which come at any moment: while modules are imported, too.

Imports nothing that takes time.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

_received: list[int] = []


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or a request to end.

    CPython ends the process by a signal of its own, whatever status we return, where a `KeyboardInterrupt` has passed
    through code made from text, as a dataclass being defined is; it does so for that exact type only.
    """


def interrupt(signal_number: int, frame: FrameType | None) -> NoReturn:
    """Raise `Interrupted`: what Ctrl-C and a request to end do, which ends workers and keeps draws."""
    _received.append(signal_number)
    raise Interrupted(signal_number)


def received() -> bool:
    """Whether there was a request to end: what is raised after it may come of it, whatever it says."""
    return bool(_received)


def end_if_received() -> None:
    """Raise `Interrupted` once more: a module that tries to import another one may have swallowed it."""
    if _received:
        raise Interrupted(_received[-1])


def once_more(ignored: sys.UnraisableHookArgs) -> None:
    """Give a signal again a moment later when it came where no exception gets out, as when an object is finalised."""
    if isinstance(ignored.exc_value, Interrupted):
        from threading import Timer, get_ident

        Timer(0.01, signal.pthread_kill, (get_ident(), *ignored.exc_value.args)).start()
    else:
        sys.__unraisablehook__(ignored)
