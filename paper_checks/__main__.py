"""The command ``normquant``, as the process that it is.

An interrupt while the rest is still being imported, a request to end, and closed streams are dealt with here; nothing
that takes time is imported before.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from paper_checks.interrupts import interrupt, once_more, received


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
        if not received() and not isinstance(error, KeyboardInterrupt):
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


if __name__ == "__main__":
    sys.exit(main())
