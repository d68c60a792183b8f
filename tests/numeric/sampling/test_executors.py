"""Every executor gives the same digits, and none returns less than was asked for."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Hashable
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

import pytest

from numeric.experiments.relu import ReluDraws
from numeric.sampling import executors
from numeric.sampling.engine import fixed
from numeric.sampling.estimates import Moments
from numeric.sampling.executors import Call, Plan, Round, Status, cluster, processes, run, single
from numeric.sampling.progress import progress_line, terminal_progress

DRAWS = ReluDraws(((1.0, 0.3), (-0.5, 0.1)))


def drawing() -> dict[Hashable, Plan[list[Moments]]]:
    return {stream: fixed(DRAWS, 60_000_000, seed=7, stream=stream) for stream in (0, 1)}


def digits(found: dict[Hashable, list[Moments]]) -> str:
    return repr(
        {key: [(m.draws, *map(bytes, (m.mean, m.scatter, m.between))) for m in v] for key, v in found.items()}
    )


@pytest.fixture(scope="module")
def expected() -> str:
    return digits(run(drawing()))


@pytest.mark.parametrize("jobs", [1, 3])
def test_processes_give_the_digits_of_this_process(jobs: int, expected: str) -> None:
    with processes(jobs) as executor:
        assert digits(run(drawing(), executor)) == expected


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_in_which_a_worker_is_killed_gives_the_same_digits(expected: str) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as local:
        victims = [worker.pid for worker in local.workers.values()]

        def kill(status: Status, key: Hashable) -> None:
            if status.calls >= 3 and victims:
                os.kill(victims.pop(), signal.SIGKILL)
                victims.clear()

        with cluster(local.scheduler_address) as executor:
            assert digits(run(drawing(), executor, progress=kill)) == expected
        assert not victims


def test_a_cluster_without_workers_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "_WORKER_WITHIN", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as local,
        pytest.raises(ConnectionError, match="no worker joins the Dask scheduler at tcp://127"),
        cluster(local.scheduler_address),
    ):
        raise AssertionError


def test_no_scheduler_is_a_clear_error() -> None:
    with (
        pytest.raises(ConnectionError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        cluster("tcp://127.0.0.1:9"),
    ):
        raise AssertionError


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_ends_the_run_without_a_result() -> None:
    with pytest.raises(BrokenExecutor), processes(1) as executor:
        run({"dies": single(die), **drawing()}, executor)


def nap(number: int) -> int:
    time.sleep(0.02 * (number % 3))
    return number


def adding(rounds: int) -> Plan[int]:
    total = 0
    for _ in range(rounds):
        results = yield Round([Call(nap, (number,)) for number in (5, 4, 3)])
        assert results == [5, 4, 3]
        total += sum(results)
    return total


def test_plans_get_their_results_in_the_order_of_their_calls() -> None:
    with processes(2) as executor:
        assert run({"a": adding(3), "b": adding(1), "none": adding(0)}, executor) == {
            "a": 36,
            "b": 12,
            "none": 0,
        }


def test_the_line_of_progress_tells_throughput_and_time_left() -> None:
    assert progress_line(Status(1, 4), "x", Status(1, 4), 0.0) == "[1/4] x"
    assert progress_line(Status(2, 4), "x", Status(1, 4), 3.0) == "[2/4] x, 6 s left"
    line = progress_line(Status(5, 9, 10**8, 4 * 10**8), ("experiment", 0, "relu.mean"), Status(1, 9), 2.0)
    assert line == "[5/9] relu.mean, 50 million numbers/s, 6 s left"


def test_jobs_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="jobs must be an integer from 1 to 1024, got 0"), processes(0):
        raise AssertionError


@pytest.mark.parametrize(
    "address", ["", "foo", "http://x", "tcp://127.0.0.1:abc", "tls://127.0.0.1:1", "tcp://[::1"]
)
def test_addresses_that_cannot_be_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address must read tcp://host:port, got"), cluster(address):
        raise AssertionError


_RUNNING: list[int] = []


def alone(number: int) -> int:
    _RUNNING.append(number)
    time.sleep(0.01)
    assert len(_RUNNING) == 1
    return _RUNNING.pop()


def test_a_process_with_many_threads_makes_one_call_at_a_time() -> None:
    def plan() -> Plan[list[int]]:
        return (yield Round([Call(alone, (number,)) for number in range(8)]))

    with ThreadPoolExecutor(4) as executor:
        assert run({0: plan()}, executor) == {0: list(range(8))}


def test_progress_starts_anew_with_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    show = terminal_progress()
    assert show is not None
    show(Status(1, 300, 10**9, 10**9), "first")
    status = Status(1, 3)
    show(status, "second")
    status.calls = 2
    show(status, "second")
    assert "million" not in terminal.getvalue()
    assert "[2/3] second, 0 s left" in terminal.getvalue()


def test_what_workers_inherit_does_not_stay_when_two_threads_start_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    entered, left = threading.Event(), threading.Event()

    def other() -> None:
        with executors._inherited_by_workers():
            entered.set()
            left.wait(10)

    thread = threading.Thread(target=other)
    with executors._inherited_by_workers():
        assert os.environ["OMP_NUM_THREADS"] == "1"
        thread.start()
        entered.wait(0.2)  # it has to wait
    left.set()
    thread.join()
    assert "OMP_NUM_THREADS" not in os.environ
