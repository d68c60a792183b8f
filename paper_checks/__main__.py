"""The command ``normquant``, as the process that it is.

An interrupt while the rest is still being imported, a request to end, and closed streams are dealt with here; nothing
that takes time is imported before.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or a request to end.

    CPython ends the process by a signal of its own, whatever status we return, where a `KeyboardInterrupt` has passed
    through code made from text, as a dataclass being defined is; it does so for that exact type only.
    """


def interrupt(signal_number: int, frame: FrameType | None) -> NoReturn:
    """Raise `Interrupted`: what Ctrl-C and a request to end do, which ends workers and keeps draws."""
    raise Interrupted(signal_number)


def once_more(ignored: sys.UnraisableHookArgs) -> None:
    """Give a signal again a moment later when it came where no exception gets out, as when an object is finalised."""
    if isinstance(ignored.exc_value, Interrupted):
        from threading import Timer, get_ident

        Timer(0.01, signal.pthread_kill, (get_ident(), *ignored.exc_value.args)).start()
    else:
        sys.__unraisablehook__(ignored)


def main() -> int:
    """Run the command in this process and return its exit status, that of `paper_checks.command_line.main`."""
    if hasattr(signal, "pthread_kill"):  # POSIX
        sys.unraisablehook = once_more
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # as long as the process lives
    try:
        for request_to_end in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(request_to_end) is not signal.SIG_IGN:  # as in the background of a shell
                signal.signal(request_to_end, interrupt)
        if sys.stdout is None:
            return _complain("standard output is closed", 4)
        from paper_checks.command_line import main as command

        return command()
    except BaseException as error:
        if not _comes_from_interrupt(error):
            raise
        return _complain("interrupted", 130)
    finally:
        _flush_errors()


def _complain(message: str, status: int) -> int:
    with suppress(OSError):  # a full disk behind it; the status tells
        print(f"normquant: {message}", file=sys.stderr)
    return status


def _flush_errors() -> None:
    """What cannot be written goes nowhere: the interpreter would fail on it when it ends, with status 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _comes_from_interrupt(error: BaseException | None) -> bool:
    """Whether it is an interrupt, or what an extension made of one while it was being imported."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


if __name__ == "__main__":
    sys.exit(main())
