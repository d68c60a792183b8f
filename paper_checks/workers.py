"""Processes that share long work, and the line that tells how far it is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

Progress = Callable[[int, int, str], None]
"""Called with the number of tasks done, their total, and the last one's name."""


@contextmanager
def workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that do not outlive an interrupt or a failure."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        try:
            yield pool
        except BaseException:
            # First the processes, then the pool: one that is still starting needs the pool's semaphores.
            started = set(multiprocessing.active_children()) - others
            for process in started:
                process.terminate()
            for process in started:
                process.join()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def inherited_by_workers() -> Iterator[None]:
    """What processes inherit that start meanwhile: deaf to Ctrl-C, and one thread of linear algebra.

    An interrupt is for the parent, which ends its workers. The threads of BLAS would contend with the
    processes, and the order of their sums would depend on their number.
    """
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    interrupts: list[int] = []
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread:  # where Python raises KeyboardInterrupt: a process half started would not be ended
        handler = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    mask = None
    if hasattr(signal, "pthread_sigmask"):
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if in_main_thread:
            signal.signal(signal.SIGINT, handler)
    if interrupts:
        raise KeyboardInterrupt


def terminal_progress() -> Progress | None:
    """One line that rewrites itself on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int, name: str) -> None:
        end = "\r\033[K" if done == total else ""
        print(f"\r\033[K[{done}/{total}] {name}", end=end, file=sys.stderr, flush=True)

    return show
