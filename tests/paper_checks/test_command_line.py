"""The command as a process: what it prints, its exit status, and how it ends when it is cut short."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from numeric.sampling import checkpoint, engine, executors
from paper_checks import verification
from paper_checks.command_line import main

COMMAND = (sys.executable, "-m", "paper_checks")


def test_help_needs_no_sympy() -> None:
    program = "import sys, paper_checks.command_line; sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "batchnorm.grad_imput"], "did you mean batchnorm.grad_input"),
        (["eval", "relu.mean"], "needs a value for a"),
        (["eval", "relu.mean", "b=1"], "has no symbol 'b'; it has a"),
        (["eval", "relu.mean", "self=1"], "has no symbol 'self'"),
        (["eval", "relu.mean", "a=1", "a=2"], "a is given twice"),
        (["eval", "relu.mean", "a=1,2"], "a must be a finite number, got"),
        (["eval", "relu.mean", "a=nan"], "must read SYMBOL=NUMBER"),
        (["eval", "relu.mean", "a=1/0"], "finite number"),
        (["eval", "relu.mean", "a=9**9**9"], "must read SYMBOL=NUMBER"),
        (["eval", "pact.clip", "x=1", "alpha=-0.5"], "alpha = -0.5 is outside the domain"),
        (["eval", "batchnorm.grad_beta", "m=2", "g=1,2,3"], "g has 3 entries, but m = 2"),
        (["eval", "batchnorm.grad_beta", "m=3", "g=5"], "g has 1 entries, but m = 3"),
    ],
)
def test_wrong_usage_says_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert message in output.err
    assert output.out == ""


def test_numbers_are_taken_as_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "pact.clip", "x=1/3", "alpha=2.5e-1"]) == 0
    assert float(capsys.readouterr().out) == 0.25
    assert main(["eval", "relu.mean", "a=-3.5"]) == 0
    assert capsys.readouterr().out == "5.84809184214224e-5\n"


def test_reasons_are_shown_without_latex(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "relu.mean"]) == 0
    assert "fundamental theorem, phi' = -z phi" in capsys.readouterr().out


def test_nothing_of_progress_in_a_pipe() -> None:
    done = subprocess.run(
        [*COMMAND, "verify", "batchnorm.inference", "--jobs", "1"], capture_output=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == b""


def test_a_reader_who_leaves_is_no_error() -> None:
    with subprocess.Popen([*COMMAND, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("whole_group", [True, False])
def test_interrupt_ends_everything_without_debris(
    tmp_path: Path, whole_group: bool, request_to_end: signal.Signals
) -> None:
    file = tmp_path / "report.json"
    process = subprocess.Popen(
        [*COMMAND, "verify", "--json", str(file), "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    time.sleep(4.0)
    if whole_group:  # as a terminal does
        os.killpg(process.pid, request_to_end)
    else:
        process.send_signal(request_to_end)
    output, errors = process.communicate(timeout=8)  # until the last process has closed them
    assert process.returncode == 130
    assert (output, errors) == (b"", b"normquant: interrupted\n")
    assert list(tmp_path.iterdir()) == []


FINALISED = """
import signal, sys, time, types, weakref
from paper_checks.__main__ import main

class Something: pass

def command():
    something = Something()
    watch = weakref.ref(something, lambda _: signal.raise_signal(signal.SIGTERM))
    del something
    time.sleep(20)

module = sys.modules["paper_checks.command_line"] = types.ModuleType("paper_checks.command_line")
module.main = command
sys.exit(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_interrupt_where_no_exception_gets_out_is_not_lost() -> None:
    done = subprocess.run([sys.executable, "-c", FINALISED], capture_output=True, check=False, timeout=15)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"normquant: interrupted\n")


WHILE_IMPORTING = """
import signal, sys
from paper_checks.__main__ import main

class Once:
    name = sys.argv.pop(1)

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == cls.name:
            sys.meta_path.remove(cls)
            signal.raise_signal(signal.SIGTERM)

sys.meta_path.insert(0, Once)
sys.exit(main())
"""


@pytest.mark.parametrize("module", ["sympy", "gmpy2", "datetime", "scipy.special"])
def test_interrupt_while_importing_is_neither_lost_nor_a_traceback(module: str) -> None:
    command = [sys.executable, "-c", WHILE_IMPORTING, module, "verify", "pact.clip", "--jobs", "1"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"normquant: interrupted\n")


@pytest.mark.skipif(os.name != "posix", reason="redirections of a shell")
@pytest.mark.parametrize(
    ("arguments", "redirection", "status"),
    [
        (["eval", "pact.clip"], "2>&-", 2),
        (["eval", "pact.clip"], "2>/dev/full", 2),
        (["nosuch"], "2>/dev/full", 2),
        (["--help"], ">/dev/full", 4),
        (["eval", "pact.clip"], ">&-", 4),
        (["eval", "pact.clip"], ">&- 2>/dev/full", 4),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_closed_streams_leave_the_status_as_it_is(
    arguments: list[str], redirection: str, status: int, unbuffered: str
) -> None:
    command = shlex.join([*COMMAND, *arguments])
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(
        ["sh", "-c", f"{command} {redirection}"], capture_output=True, check=False, env=environment
    )
    assert done.returncode == status
    assert b"Traceback" not in done.stderr


def test_no_report_where_it_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "batchnorm.inference", "--jobs", "1", "--json", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""  # refused before the work
    assert "is a folder" in err
    assert list(tmp_path.iterdir()) == []


def test_results_are_printed_where_the_report_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_is_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(verification, "write_json", disk_is_full)
    assert main(["verify", "batchnorm.inference", "--jobs", "1", "--json", str(tmp_path / "r.json")]) == 4
    out, err = capsys.readouterr()
    assert "0 refuted" in out
    assert "No space left" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_output_to_a_full_disk_is_a_clear_error() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*COMMAND, "list"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 4
    assert done.stderr == b"normquant: [Errno 28] No space left on device\n"


SAMPLED = "batchnorm.running_variance"


def test_an_interrupted_run_is_resumed_from_its_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "draws.json"
    whole = ["verify", SAMPLED, "--jobs", "1"]
    process = subprocess.Popen([*COMMAND, *whole, "--checkpoint", str(file)], stderr=subprocess.PIPE)
    while not file.exists() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == b"normquant: interrupted\n"
    assert list(tmp_path.iterdir()) == [file]
    monkeypatch.setattr(
        executors, "processes", lambda jobs: nullcontext()
    )  # here, where the catalogue is loaded
    assert main([*whole, "--checkpoint", str(file)]) == 0
    resumed = capsys.readouterr().out
    assert main(whole) == 0
    assert resumed == capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_refused_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "draws.json"
    file.write_text("{")
    assert main(["verify", SAMPLED, "--jobs", "1", "--checkpoint", str(file)]) == 2
    assert "is no checkpoint, or it is damaged; remove it to start anew" in capsys.readouterr().err
    assert file.read_text() == "{"


def test_a_checkpoint_on_a_full_disk_ends_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_is_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_aside", disk_is_full)
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    assert main(["verify", SAMPLED, "--jobs", "1", "--checkpoint", str(tmp_path / "d.json")]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert "d.json cannot be written: [Errno 28] No space left on device" in err


def test_a_checkpoint_outlives_a_report_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_is_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(verification, "write_json", disk_is_full)
    report, draws = tmp_path / "report.json", tmp_path / "draws.json"
    command = ["verify", SAMPLED, "--jobs", "1", "--json", str(report), "--checkpoint", str(draws)]
    assert main(command) == 4
    out, err = capsys.readouterr()
    assert "holds" in out
    assert err == "normquant: --json: [Errno 28] No space left on device\n"
    assert list(tmp_path.iterdir()) == [draws]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="devices of Linux")
@pytest.mark.parametrize("option", ["--json", "--checkpoint"])
@pytest.mark.parametrize(("path", "message"), [("/dev/full", "device"), ("x" * 400, "too long")])
def test_what_is_no_file_is_refused(
    capsys: pytest.CaptureFixture[str], option: str, path: str, message: str
) -> None:
    assert main(["verify", SAMPLED, option, path]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{option}: " in err
    assert message in err


def test_no_cluster_is_a_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", SAMPLED, "--cluster", "tcp://127.0.0.1:9"]) == 2
    assert "--cluster: no Dask scheduler answers" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["verify", "mutants"])
def test_a_generator_that_repeats_itself_ends_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(engine, "generator", lambda *_: np.random.default_rng(0))
    monkeypatch.setattr(executors, "processes", lambda jobs: nullcontext())
    assert main([command, SAMPLED]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "a generator is used twice" in err
    assert "nothing is reported" in err


def test_a_report_replaces_the_last_one(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text("old")
    verification.write_json({"schema": verification.SCHEMA}, file)
    assert json.loads(file.read_text()) == {"schema": verification.SCHEMA}
    assert list(tmp_path.iterdir()) == [file]
