"""Who computes: this process, processes of this machine, or a Dask cluster. No result depends on it.

A plan asks for calls in rounds and learns what they returned; several plans are carried out side by side. The
executors are those of :mod:`concurrent.futures`, and so is that of a Dask cluster.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from typing import Any, Protocol, TypeAlias, TypeVar

_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"

MOST_JOBS = 1024
"""Processes that may be asked for."""
_ONE_AT_A_TIME = threading.RLock()
"""A process has one precision of ball arithmetic and one cache of SymPy; workers of a cluster may have many threads."""
_ONE_ENVIRONMENT = threading.RLock()
"""What a thread put into the environment is not to be what another one finds there, and restores."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Call:
    """A call that some worker is to make.

    Attributes
    ----------
    function, arguments
        What is called; both can be pickled.
    cost
        How many random numbers it draws.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    cost: int = 0

    def __call__(self) -> Any:
        """Make it, when this process makes no other."""
        with _ONE_AT_A_TIME:
            return self.function(*self.arguments)


@dataclass(frozen=True)
class Round:
    """Calls whose results a plan waits for; ``expected`` is the cost of the rounds that may follow."""

    calls: Sequence[Call]
    expected: int = 0


Plan: TypeAlias = Generator[Round, list[Any], Result]
"""Yields rounds, is sent the results of each in the order of its calls, and returns its own result."""


def single(function: Callable[..., Any], *arguments: Any) -> Plan[Any]:
    """The plan that consists of one call."""
    (result,) = yield Round([Call(function, arguments)])
    return result


class Store(Protocol):
    """Remembers what calls returned (:class:`numeric.sampling.checkpoint.Checkpoint`)."""

    def get(self, call: Call) -> Any:
        """What the call returned before; None where that is not known."""

    def put(self, call: Call, result: Any) -> None:
        """Remember what it returned."""


@dataclass
class Status:
    """How far a run is: calls made and to be made, random numbers drawn and, as far as is known, to be drawn."""

    calls: int = 0
    total_calls: int = 0
    numbers: int = 0
    total_numbers: int = 0


Progress: TypeAlias = Callable[[Status, Hashable], None]
"""Called after every call with how far the run is, and the key of the plan."""


def run(
    plans: Mapping[Hashable, Plan[Any]],
    executor: Executor | None = None,
    *,
    progress: Progress | None = None,
    store: Store | None = None,
) -> dict[Any, Any]:
    """What the plans return, by key.

    Parameters
    ----------
    plans
        By key, those that take long first.
    executor
        Who makes the calls; this process when None.
    progress
        Called after every call.
    store
        Where results are kept, so that an interrupted run can be resumed.

    Raises
    ------
    Exception
        What a call or a plan raises. Nothing is returned then: no plan gets fewer results than it asked for.
    """
    return _Run(plans, executor, progress, store).results()


class _Run:
    def __init__(
        self,
        plans: Mapping[Hashable, Plan[Any]],
        executor: Executor | None,
        progress: Progress | None,
        store: Store | None,
    ) -> None:
        self.plans, self.executor, self.progress, self.store = plans, executor, progress, store
        self.here: deque[_Place] = deque()
        self.elsewhere: dict[Future[Any], _Place] = {}
        self.results_of: dict[Hashable, list[Any]] = {}
        self.missing: dict[Hashable, int] = {}
        self.expected: dict[Hashable, int] = {}
        self.found: dict[Hashable, Any] = {}
        self.status = Status()

    def results(self) -> dict[Hashable, Any]:
        for key in self.plans:
            self._advance(key, None)
        while self.here:
            place = self.here.popleft()
            self._arrived(place, place.call())
        while self.elsewhere:
            done, _ = wait(self.elsewhere, return_when=FIRST_COMPLETED)
            for future in done:
                self._arrived(self.elsewhere.pop(future), future.result())
        return {key: self.found[key] for key in self.plans}

    def _arrived(self, place: _Place, result: Any) -> None:
        key, call = place.key, place.call
        if self.store is not None and call.cost:
            self.store.put(call, result)
        self.results_of[key][place.index] = result
        self.missing[key] -= 1
        self.status.calls += 1
        self.status.numbers += call.cost
        if self.progress is not None:
            self.progress(self.status, key)
        if not self.missing[key]:
            self._advance(key, self.results_of[key])

    def _advance(self, key: Hashable, results: list[Any] | None) -> None:
        """Go on to the next round of a plan with calls whose results are not in the store."""
        self.status.total_numbers -= self.expected.pop(key, 0)
        unknown: list[int] = []
        while not unknown:
            try:
                following = self.plans[key].send(results)  # type: ignore[arg-type]  # None starts it
            except StopIteration as finished:
                self.found[key] = finished.value
                return
            results = [
                self.store.get(call) if self.store is not None and call.cost else None
                for call in following.calls
            ]
            unknown = [i for i, result in enumerate(results) if result is None]
        assert results is not None
        self.results_of[key], self.missing[key] = results, len(unknown)
        self.expected[key] = following.expected
        self.status.total_calls += len(unknown)
        self.status.total_numbers += following.expected + sum(following.calls[i].cost for i in unknown)
        for i in unknown:
            place = _Place(key, i, following.calls[i])
            if self.executor is None:
                self.here.append(place)
            else:
                self.elsewhere[self.executor.submit(place.call)] = place


@dataclass(frozen=True)
class _Place:
    """Where the result of a call belongs."""

    key: Hashable
    index: int
    call: Call


# --- processes ---------------------------------------------------------------------------------------------


def load_meanwhile(modules: Sequence[str]) -> None:
    """Let the server of the workers import modules while this process does the same."""
    if _METHOD == "forkserver":
        multiprocessing.get_context(_METHOD).set_forkserver_preload(list(modules))
        resource_tracker.ensure_running()  # it unblocks interrupts when it starts, so not below
        with _inherited_by_workers():
            forkserver.ensure_running()


class _Processes(ProcessPoolExecutor):
    """A pool whose workers start when they are needed, that is, while calls are submitted."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        with _inherited_by_workers():
            return super().submit(function, *arguments, **keywords)


@contextmanager
def processes(jobs: int | None = None) -> Iterator[Executor]:
    """Processes of this machine, which do not outlive an interrupt or a failure.

    Parameters
    ----------
    jobs
        How many; as many as there are cores when None.

    Raises
    ------
    ValueError
        When jobs is no integer from 1 to 1024.
    """
    jobs = (os.cpu_count() or 1) if jobs is None else jobs
    if int(jobs) != jobs or not 1 <= jobs <= MOST_JOBS:
        raise ValueError(f"jobs must be an integer from 1 to {MOST_JOBS}, got {jobs}")
    context = multiprocessing.get_context(_METHOD)
    others = set(multiprocessing.active_children())
    with _Processes(jobs, mp_context=context) as pool:
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
    with _ONE_ENVIRONMENT:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
        before = {name: os.environ.get(name) for name in names}
        interrupts: list[int] = []
        handlers = {}
        if threading.current_thread() is threading.main_thread():  # the one that signals interrupt
            for number in (signal.SIGINT, signal.SIGTERM):  # later: a process half started would not be ended
                # a handler that is not Python's could not be put back
                if signal.getsignal(number) is not None:
                    handlers[number] = signal.signal(number, lambda number, _: interrupts.append(number))
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
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if interrupts:
            signal.raise_signal(interrupts[0])


# --- a cluster ---------------------------------------------------------------------------------------------


_ADDRESS = re.compile(r"tcp://([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}", re.ASCII)
_WORKER_WITHIN = 30.0  # seconds


@contextmanager
def _silent(package: str) -> Iterator[None]:
    """What is lost is told by an exception, not by the tracebacks that a package logs besides."""
    loggers = [
        logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith(package)
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster, which need this package installed too.

    A call whose worker dies is made again by another one. A worker makes one call at a time, however many threads it
    has.

    Parameters
    ----------
    address
        Of the scheduler: ``"tcp://host:port"``.

    Raises
    ------
    ModuleNotFoundError
        When the optional extra ``distributed`` is not installed.
    ValueError
        When the address does not read so.
    ConnectionError
        When no scheduler answers, or it has no worker within half a minute.
    BrokenExecutor
        When the cluster is lost, or a call has cost the life of several workers.
    """
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"address must read tcp://host:port, got {address!r}")
    try:
        from distributed import Client, KilledWorker
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "a cluster needs the optional extra: pip install 'normquant[distributed]'"
        ) from None
    try:
        client = Client(address, timeout="10s", set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ConnectionError(f"no Dask scheduler answers at {address}: {error}") from None
    with _silent("distributed"), client:
        try:
            client.wait_for_workers(1, timeout=_WORKER_WITHIN)
        except TimeoutError:
            raise ConnectionError(f"no worker joins the Dask scheduler at {address}") from None
        try:
            yield client.get_executor(pure=False)  # type: ignore[no-untyped-call]
        except (KilledWorker, CancelledError) as error:
            raise BrokenExecutor(f"of the cluster: {type(error).__name__}") from None
