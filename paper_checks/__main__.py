"""The command ``normquant``, as the process that it is.

An interrupt while the rest is still being imported, a request to end, and closed streams are dealt with here; nothing
that takes time is imported before.
"""

import os
import signal
import sys


def main() -> int:
    """Run the command in this process and return its exit status, that of `paper_checks.command_line.main`."""
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends workers and keeps draws, as Ctrl-C
        if sys.stderr is None:
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # as long as the process lives
        if sys.stdout is None:
            print("normquant: standard output is closed", file=sys.stderr)
            return 4
        from paper_checks.command_line import main as command

        return command()
    except KeyboardInterrupt:
        print("normquant: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
