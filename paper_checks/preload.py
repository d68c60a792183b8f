"""What all workers need: made once, by the server process from which they are forked.

That takes seconds, in which the server does not notice that the process which asked for it has ended.
"""

import os
import threading

_asked_by, _made = os.getppid(), threading.Event()


def _end_with_the_one_who_asked() -> None:
    while not _made.wait(0.2):
        if os.getppid() != _asked_by:
            os._exit(1)


_watch = threading.Thread(target=_end_with_the_one_who_asked)
_watch.start()
try:
    from paper_checks.experiments import experiments
    from paper_checks.papers import documents

    documents()
    experiments()
finally:
    _made.set()
    _watch.join()  # a process with threads is not forked
