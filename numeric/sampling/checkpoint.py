"""The moments that a run has so far, in a file from which it can be resumed.

Only numbers are kept, as JSON whose floats read back bit by bit; nothing in the file is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from numeric.sampling.estimates import Moments
from numeric.sampling.executors import Call

SCHEMA = "normquant.checkpoint/2"
_ADDRESS = re.compile(r"\bat 0x[0-9A-Fa-f]+")
INTERVAL = 2.0
"""Seconds between two writes."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or written, or belongs to another run."""


class UnwrittenCheckpointError(CheckpointError):
    """A checkpoint that cannot be written; the file is what it was."""


class Checkpoint:
    """What calls of the sampling engine returned, kept in a file.

    Parameters
    ----------
    path
        The file; read where it exists.
    run
        What the results depend on besides the calls themselves: versions, for example. It must be the same when
        a run is resumed.

    Raises
    ------
    CheckpointError
        When the file is damaged or belongs to another run.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path.resolve()  # a link stays one
        self.run = json.loads(json.dumps(dict(run)))
        self.entries: dict[str, list[dict[str, Any]]] = {}
        self.written = time.monotonic()
        if self.path.exists():
            self._read()

    def get(self, call: Call) -> tuple[Moments, ...] | None:
        """What the call returned before.

        Raises
        ------
        CheckpointError
            When what the file holds is not what such a call returns, or nothing tells this call from others.
        """
        entry = self.entries.get(_name(call))
        if entry is None:
            return None
        draws, points, *_, blocks = call.arguments
        try:
            found = tuple(_moments(e) for e in entry)
            fits = [(m.draws * draws.dimension, m.blocks) == (call.cost, blocks) for m in found]
        except (ValueError, KeyError, TypeError):
            fits = []
        if len(fits) != len(points) or not all(fits):
            raise CheckpointError(
                f"{self.path} is damaged: not what {_name(call)} returns; remove it to start anew"
            )
        return found

    def put(self, call: Call, result: tuple[Moments, ...]) -> None:
        """Remember what it returned; written to the file every few seconds."""
        self.entries[_name(call)] = [_data(m) for m in result]
        if time.monotonic() - self.written > INTERVAL:
            self.write()

    def write(self) -> None:
        """Write the file aside, then move it into its place: it is never half written.

        Raises
        ------
        UnwrittenCheckpointError
            When that fails; the file is then what it was.
        """
        body = {"schema": SCHEMA, "run": self.run, "entries": self.entries}
        try:
            write_aside(self.path, json.dumps(body | {"digest": _digest(body)}))
        except OSError as error:
            raise UnwrittenCheckpointError(f"{self.path} cannot be written: {error}") from error
        self.written = time.monotonic()

    def remove(self) -> None:
        """Remove the file, when the run is complete."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        try:
            body = json.loads(self.path.read_text(encoding="utf-8"))
            digest = body.pop("digest")
        except OSError as error:
            raise CheckpointError(f"{self.path} cannot be read: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise CheckpointError(
                f"{self.path} is no checkpoint, or it is damaged; remove it to start anew"
            ) from None
        if digest != _digest(body):
            raise CheckpointError(f"{self.path} is damaged: its digest does not fit; remove it to start anew")
        schema, run, entries = (body.get(name) for name in ("schema", "run", "entries"))
        if schema != SCHEMA:
            raise CheckpointError(f"{self.path} has the schema {schema!r}, this version writes {SCHEMA!r}")
        if run != self.run:
            raise CheckpointError(f"{self.path} belongs to a run with {run}, this one has {self.run}")
        if not isinstance(entries, dict):
            raise CheckpointError(f"{self.path} is damaged: it has no entries; remove it to start anew")
        self.entries = entries


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _name(call: Call) -> str:
    """The call in words: the draws are a dataclass, which shows its parameters, of arrays every number."""
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        shown = repr(call.arguments)
    if _ADDRESS.search(shown):  # another object may be there next time, or has been
        raise CheckpointError(
            f"a checkpoint must know what is drawn from its repr, got {shown}; "
            "make it a dataclass of numbers and arrays instead of functions"
        )
    return call.function.__name__ + shown


def _data(moments: Moments) -> dict[str, Any]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in vars(moments).items()
    }


def _moments(data: Mapping[str, Any]) -> Moments:
    mean, scatter, third, fourth, between, starts = (
        np.array(data[name], dtype=np.float64)
        for name in ("mean", "scatter", "third", "fourth", "between", "starts")
    )
    return Moments(data["draws"], mean, scatter, third, fourth, data["blocks"], between, starts)


def write_aside(path: Path, text: str) -> None:
    """Write a file beside its place, then move it there: a reader never sees half of one.

    A pipe or a device, to which nothing can be moved, is written directly.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
