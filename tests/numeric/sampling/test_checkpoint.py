"""A run that is resumed gives the digits of one that was not interrupted; a damaged file is refused."""

from __future__ import annotations

import hashlib
import json
import resource
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numeric.experiments.relu import ReluDraws
from numeric.sampling.checkpoint import Checkpoint, CheckpointError, _name, write_aside
from numeric.sampling.engine import fixed
from numeric.sampling.estimates import Moments
from numeric.sampling.executors import Call, Status, run
from numeric.sampling.normal import NormalDraws

DRAWS = ReluDraws(((1.0, 0.3),))


def drawn(store: Checkpoint | None, stop_after: int | None = None) -> Moments:
    def progress(status: Status, key: Hashable) -> None:
        if status.calls == stop_after:
            raise KeyboardInterrupt

    plan = fixed(DRAWS, 20_000_000, seed=1, stream=0)
    (moments,) = run({0: plan}, store=store, progress=progress)[0]
    return moments


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    path = tmp_path / "draws.json"
    store = Checkpoint(path, {"numpy": "2"})
    with pytest.raises(KeyboardInterrupt):
        drawn(store, stop_after=2)
    store.write()
    return path


def test_a_resumed_run_gives_the_same_digits(interrupted: Path) -> None:
    store = Checkpoint(interrupted, {"numpy": "2"})
    assert len(store.entries) == 2
    resumed, whole = drawn(store), drawn(None)
    assert [bytes(a) for a in (resumed.mean, resumed.scatter, resumed.fourth)] == [
        bytes(a) for a in (whole.mean, whole.scatter, whole.fourth)
    ]


def test_what_is_in_the_checkpoint_is_not_drawn_again(interrupted: Path) -> None:
    calls = []
    store = Checkpoint(interrupted, {"numpy": "2"})
    plan = fixed(DRAWS, 20_000_000, seed=1, stream=0)
    run({0: plan}, store=store, progress=lambda s, _: calls.append(s.calls))
    assert len(calls) == len(next(fixed(DRAWS, 20_000_000, seed=1, stream=0)).calls) - 2


def test_other_seeds_and_parameters_are_other_calls(interrupted: Path) -> None:
    store = Checkpoint(interrupted, {"numpy": "2"})
    for plan in (
        fixed(DRAWS, 10**6, seed=2, stream=0),
        fixed(ReluDraws(((1.0, 0.2),)), 10**6, seed=1, stream=0),
    ):
        assert store.get(next(plan).calls[0]) is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "is no checkpoint, or it is damaged"),
        (lambda text: "", "is no checkpoint"),
        (lambda text: "[1]", "is no checkpoint"),
        (lambda text: text.replace('"draws": ', '"draws": 1', 1), "its digest does not fit"),
        (lambda text: text.replace("checkpoint/2", "checkpoint/9"), "its digest does not fit"),
    ],
)
def test_a_damaged_checkpoint_is_refused(interrupted: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    text = interrupted.read_text()
    assert damage(text) != text
    interrupted.write_text(damage(text))
    with pytest.raises(CheckpointError, match=message):
        Checkpoint(interrupted, {"numpy": "2"})


def test_the_checkpoint_of_another_run_is_refused(interrupted: Path) -> None:
    with pytest.raises(CheckpointError, match="belongs to a run with"):
        Checkpoint(interrupted, {"numpy": "3"})


def test_a_full_disk_leaves_the_old_file_and_no_debris(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_aside(path, "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # a write beyond it fails as on a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            write_aside(path, json.dumps("x" * 10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def forged(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    body = json.loads(path.read_text())
    del body["digest"]
    change(body)
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(body | {"digest": digest}))


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.pop("schema"),
        lambda body: body.pop("entries"),
        lambda body: body.update(entries=[]),
        lambda body: [entry.clear() for entry in body["entries"].values()],
        lambda body: [entry[0].pop("mean") for entry in body["entries"].values()],
        lambda body: [entry[0].update(draws=10) for entry in body["entries"].values()],
    ],
)
def test_what_is_not_what_calls_return_is_refused(
    interrupted: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    forged(interrupted, change)
    with pytest.raises(CheckpointError, match=r"is damaged|has the schema None"):
        drawn(Checkpoint(interrupted, {"numpy": "2"}))


def test_deeply_nested_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nested"
    path.write_text("[" * 200_000)
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        Checkpoint(path, {})


def test_a_link_stays_a_link(interrupted: Path) -> None:
    link = interrupted.with_name("link")
    link.symlink_to(interrupted)
    Checkpoint(link, {"numpy": "2"}).remove()
    assert link.is_symlink()
    assert not interrupted.exists()


def test_draws_that_show_an_address_are_refused(tmp_path: Path) -> None:
    """Two functions can have one address, one after the other, and one function has another in the next process."""
    draws = NormalDraws(1, lambda z: z[0])
    store = Checkpoint(tmp_path / "draws.json", {})
    with pytest.raises(CheckpointError, match=r"must know what is drawn from its repr, got .*NormalDraws"):
        run({0: fixed(draws, 10**6, seed=0, stream=0)}, store=store)


def test_long_arrays_among_the_parameters_tell_calls_apart() -> None:
    one, other = np.zeros(5000), np.zeros(5000)
    other[2500] = 1e-300
    assert _name(Call(fixed, (one,))) != _name(Call(fixed, (other,)))
