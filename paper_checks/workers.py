"""Processes that share long work, and the line that tells how far it is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from typing import Any

_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"

Progress = Callable[[int, int, str], None]
"""Called with the number of tasks done, their total, and the last one's name."""


@dataclass(frozen=True)
class Task:
    """A call that some process is to make; title and key are for those who wait."""

    key: Hashable
    title: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def run(tasks: Sequence[Task], jobs: int | None = None, progress: Progress | None = None) -> dict[Any, Any]:
    """What the calls return, by key; no result depends on the number of processes.

    Parameters
    ----------
    tasks
        The calls, the long ones first.
    jobs
        Number of processes; all cores when None.
    progress
        Called with the number of tasks done, their total, and the last one's title.
    """
    jobs = (os.cpu_count() or 1) if jobs is None else jobs
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    found = {}
    with _workers(jobs) as pool:
        with _inherited_by_workers():
            pending: dict[Future[Any], Task] = {pool.submit(t.function, *t.arguments): t for t in tasks}
        for done, future in enumerate(as_completed(pending), 1):
            task = pending[future]
            found[task.key] = future.result()
            if progress is not None:
                progress(done, len(pending), task.title)
    return found


def load_meanwhile() -> None:
    """Let the server of the workers load the catalogue and the documents while this process does the same."""
    if _METHOD == "forkserver":
        multiprocessing.get_context(_METHOD).set_forkserver_preload(["paper_checks.preload"])
        resource_tracker.ensure_running()  # it unblocks interrupts when it starts, so not below
        with _inherited_by_workers():
            forkserver.ensure_running()


@contextmanager
def _workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that do not outlive an interrupt or a failure."""
    context = multiprocessing.get_context(_METHOD)
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
def _inherited_by_workers() -> Iterator[None]:
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
