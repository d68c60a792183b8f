"""The command ``normquant``.

What takes time to load (SymPy, the derivations) is loaded by the commands that use it, not on import.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from paper_checks.interrupts import end_if_received

if TYPE_CHECKING:
    from derivations import Formula
    from numeric.sampling.checkpoint import Checkpoint

_NUMBER = re.compile(
    r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,4})?|[+-]?\d{1,400}/\d{1,400}", re.ASCII
)
"""A decimal number or a fraction; nothing else from the command line is ever evaluated."""


_DIGITS = 40
"""Of a whole number on the command line."""


class UsageError(ValueError):
    """Something on the command line that cannot be used."""


class NothingToReport(Exception):
    """What was drawn is worth nothing."""


class UnwrittenError(Exception):
    """A file that was asked for and cannot be written: a full disk, mostly."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    argv
        The arguments; those of the process when None.

    Returns
    -------
    int
        0; 1 when something is refuted; 2 on wrong usage; 3 when a worker was killed; 4 when the output cannot be
        written; 130 when interrupted; 141 when nobody reads the output any more.

    Examples
    --------
    >>> from paper_checks.command_line import main
    >>> main(["eval", "relu.mean", "a=0"])
    0.398942280401433
    0
    """
    try:
        arguments = _parser().parse_args(argv)
        status = int(arguments.run(arguments))
        sys.stdout.flush()
        end_if_received()
        return status
    except UsageError as error:
        return _complain(str(error), 2)
    except UnwrittenError as error:
        return _complain(str(error), 4)
    except NothingToReport as error:
        return _complain(f"{error}; nothing is reported", 1)
    except BrokenExecutor as error:
        return _complain(f"a worker was lost ({error}); nothing is reported", 3)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except BrokenPipeError:
        _write_no_more()
        return 141
    except OSError as error:  # a full disk behind the output, mostly
        _write_no_more()
        return _complain(str(error), 4)


def _write_no_more() -> None:
    """What is still buffered goes nowhere: the interpreter would fail on it once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, status: int) -> int:
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    with suppress(OSError):  # a full disk behind it; the status tells
        print(f"{clear}normquant: {message}", file=sys.stderr, flush=True)
    return status


class _Parser(argparse.ArgumentParser):
    """Wrong usage keeps its status where the message cannot be written; that help cannot be written is an error.

    Versions of Python differ in both.
    """

    def print_help(self, file: Any = None) -> None:
        print(self.format_help(), end="", file=file, flush=True)

    def print_usage(self, file: Any = None) -> None:
        with suppress(OSError):
            super().print_usage(file)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        with suppress(OSError):
            sys.stderr.write(message or "")
        sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="normquant",
        description="The mathematics of normalised and quantised networks, derived and checked.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    json, seed, jobs = (_Parser(add_help=False) for _ in range(3))
    json.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found to FILE")
    seed.add_argument("--seed", type=_whole(0), default=0, metavar="N", help="seed of points and draws (0)")
    jobs.add_argument("--jobs", type=_whole(1), metavar="N", help="number of processes (all cores)")

    verify = commands.add_parser(
        "verify", parents=[json, seed], help="check every derivation and run every experiment"
    )
    verify.add_argument("names", nargs="*", metavar="NAME", help="formulas to verify (all)")
    workers = verify.add_mutually_exclusive_group()
    workers.add_argument("--jobs", type=_whole(1), metavar="N", help="number of processes (all cores)")
    workers.add_argument("--cluster", metavar="ADDRESS", help="compute on a Dask cluster, tcp://host:port")
    verify.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="keep draws in FILE; resume from it when it exists"
    )
    verify.set_defaults(run=_verify)

    listing = commands.add_parser("list", help="list all formulas")
    listing.set_defaults(run=_list)

    show = commands.add_parser("show", help="definition, domain, steps, result and sources of a formula")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(run=_show)

    tex = commands.add_parser("latex", help="LaTeX of a formula")
    tex.add_argument("name", metavar="NAME")
    tex.add_argument("--derivation", action="store_true", help="the whole derivation")
    tex.set_defaults(run=_latex)

    papers = commands.add_parser(
        "papers", parents=[json, seed, jobs], help="verdicts on what documents print"
    )
    papers.add_argument("id", nargs="?", metavar="ID", help="one document (all)")
    papers.add_argument("label", nargs="?", metavar="LABEL", help="one equation of it")
    papers.set_defaults(run=_papers)

    mutants = commands.add_parser(
        "mutants",
        parents=[json, seed, jobs],
        help="change formulas and claims a little: do the checks notice?",
    )
    mutants.add_argument(
        "names", nargs="*", metavar="NAME", help="formulas, documents, or claims as 'ID (LABEL)' (all)"
    )
    mutants.set_defaults(run=_mutants)

    errata = commands.add_parser("errata", parents=[seed, jobs], help="errata sheet of a document")
    errata.add_argument("id", nargs="?", metavar="ID", help="one document (all)")
    errata.add_argument("--format", choices=("md", "latex"), default="md", help="Markdown (default) or LaTeX")
    errata.set_defaults(run=_errata)

    evaluate = commands.add_parser("eval", help="value of a formula: normquant eval relu.mean a=-3.5")
    evaluate.add_argument("name", metavar="NAME")
    evaluate.add_argument("values", nargs="*", metavar="SYMBOL=VALUE", help="a sequence is x=1,2,3")
    evaluate.set_defaults(run=_eval)
    return parser


def _whole(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        short = len(text) <= _DIGITS and text.isascii() and text.isdecimal()
        if not short or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at most {_DIGITS} digits, at least {least}, got {text[:_DIGITS]!r}"
            )
        return int(text)

    return number


def _find(name: str) -> Formula:
    from derivations import find

    try:
        return find(name)
    except KeyError as error:
        raise UsageError(f"NAME: {error.args[0]}; `normquant list` lists them") from None


def _verify(arguments: argparse.Namespace) -> int:
    if arguments.json is not None:
        _refuse_unwritable("--json", arguments.json)
    if arguments.checkpoint is not None:
        _refuse_unwritable("--checkpoint", arguments.checkpoint)
    if not arguments.names:
        _load_meanwhile()
    from numeric.sampling.progress import terminal_progress
    from paper_checks.audit import audit

    formulas = {name: _find(name) for name in arguments.names} or None
    with _checkpoint(arguments.checkpoint) as store, _executor(arguments) as executor:
        found = audit(
            formulas, seed=arguments.seed, executor=executor, progress=terminal_progress(), store=store
        )
        _publish(found.report, arguments.json, str(found))
    return 0 if found.holds else 1


def _publish(report: Callable[[], dict[str, Any]], path: Path | None, text: str) -> None:
    """Write the report, if it is asked for, and print; an error in writing waits until what was found is printed."""
    from paper_checks import verification

    unwritten = None
    if path is not None:  # before the text, which a reader may cut short
        try:
            verification.write_json(report(), path)
        except OSError as error:
            unwritten = UnwrittenError(f"--json: {error}")
    print(text, flush=True)
    if unwritten is not None:
        raise unwritten


def _load_meanwhile() -> None:
    """The workers load the catalogue and the documents while this process does."""
    from numeric.sampling.executors import load_meanwhile

    load_meanwhile(["paper_checks.preload"])


@contextmanager
def _executor(arguments: argparse.Namespace) -> Iterator[Executor]:
    from numeric.sampling.estimates import DependentDraws
    from numeric.sampling.executors import cluster, processes

    address = getattr(arguments, "cluster", None)
    with ExitStack() as stack:
        try:
            executor = stack.enter_context(processes(arguments.jobs) if address is None else cluster(address))
        except (ValueError, ConnectionError, ModuleNotFoundError) as error:
            raise UsageError(f"{'--jobs' if address is None else '--cluster'}: {error}") from None
        end_if_received()
        try:
            yield executor
        except DependentDraws as error:
            raise NothingToReport(str(error)) from None


@contextmanager
def _checkpoint(path: Path | None) -> Iterator[Checkpoint | None]:
    """Where the draws are kept; written when the run ends early, removed when it is complete."""
    if path is None:
        yield None
        return
    from numeric.sampling import engine
    from numeric.sampling.checkpoint import Checkpoint, CheckpointError, UnwrittenCheckpointError
    from paper_checks.verification import version_of

    versions = {package: version_of(package) for package in ("normquant", "numpy", "scipy")}
    try:
        store = Checkpoint(path, versions | engine.settings())
        try:
            yield store
        except (Exception, KeyboardInterrupt) as error:
            if not isinstance(error, CheckpointError):
                store.write()
            raise
        store.remove()
    except UnwrittenCheckpointError as error:
        raise UnwrittenError(f"--checkpoint: {error}") from None
    except CheckpointError as error:
        raise UsageError(f"--checkpoint: {error}") from None


def _refuse_unwritable(option: str, path: Path) -> None:
    """Before minutes of work, not after."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"{option}: there is no folder {folder}")
    try:
        exists = path.exists()
    except OSError as error:  # a name that is too long, for example
        raise UsageError(f"{option}: {error}") from None
    if exists and not path.is_file():
        raise UsageError(f"{option}: {path} is a folder or a device; name a file")
    if not os.access(path if exists else folder, os.W_OK):
        raise UsageError(f"{option}: no permission to write {path}")


def _document_ids(id: str | None) -> tuple[str, ...]:
    from paper_checks.papers import documents

    if id is not None and id not in documents():
        raise UsageError(f"no document is called {id!r}; there are {', '.join(documents())}")
    return tuple(documents()) if id is None else (id,)


def _papers(arguments: argparse.Namespace) -> int:
    if arguments.label is None:
        _load_meanwhile()
    from numeric.sampling.progress import terminal_progress
    from paper_checks import review
    from paper_checks.claim import Verdict
    from paper_checks.papers import documents

    ids = _document_ids(arguments.id)
    if arguments.label is not None:
        document = documents()[arguments.id]
        if arguments.label not in document.labels:
            raise UsageError(
                f"{document.id} has no label {arguments.label!r}; it has {', '.join(document.labels)}"
            )
        if arguments.json is not None:
            raise UsageError("--json writes whole documents: leave the label out")
        record = review.judge_one(document, arguments.label, arguments.seed)
        print(review.details(record))
        return int(record.verdict is Verdict.UNDECIDED)
    if arguments.json is not None:
        _refuse_unwritable("--json", arguments.json)
    with _executor(arguments) as executor:
        reviewed = review.review(ids, seed=arguments.seed, executor=executor, progress=terminal_progress())
    every = arguments.id is None
    table = review.counts_table(reviewed) if every else review.labels_table(reviewed[arguments.id])
    _publish(lambda: review.report(reviewed, arguments.seed), arguments.json, table)
    return int(any(r.verdict is Verdict.UNDECIDED for records in reviewed.values() for r in records))


def _mutants(arguments: argparse.Namespace) -> int:
    if arguments.json is not None:
        _refuse_unwritable("--json", arguments.json)
    if not arguments.names:
        _load_meanwhile()
    from derivations import catalog
    from numeric.sampling.progress import terminal_progress
    from paper_checks import mutants
    from paper_checks.papers import documents

    every = mutants.claim_names()
    formulas, claims = ([], []) if arguments.names else (list(catalog()), list(every))
    for name in arguments.names:
        if name in documents():
            claims += [claim for claim in every if claim.startswith(f"{name} (")]
        elif name in every:
            claims.append(name)
        else:
            formulas.append(_find(name).name)
    with _executor(arguments) as executor:
        found = mutants.try_mutants(
            tuple(dict.fromkeys(formulas)),
            tuple(dict.fromkeys(claims)),
            seed=arguments.seed,
            executor=executor,
            progress=terminal_progress(),
        )
    _publish(lambda: mutants.report(found, arguments.seed), arguments.json, mutants.table(found))
    return 0 if found.holds else 1


def _errata(arguments: argparse.Namespace) -> int:
    _load_meanwhile()
    from numeric.sampling.progress import terminal_progress
    from paper_checks import errata
    from paper_checks.papers import documents
    from paper_checks.review import review

    ids = _document_ids(arguments.id)
    with _executor(arguments) as executor:
        reviewed = review(ids, seed=arguments.seed, executor=executor, progress=terminal_progress())
    sheet = errata.markdown if arguments.format == "md" else errata.latex
    print(sheet(documents(), reviewed), end="")
    return 0


def _list(_: argparse.Namespace) -> int:
    from derivations import catalog

    width = max(map(len, catalog()))
    for name, formula in catalog().items():
        print(f"{name:{width}}  {formula.title}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    import sympy as sp

    formula = _find(arguments.name)
    print(f"{formula.name}: {formula.title}\n")
    print(f"definition  {sp.sstr(formula.definition, order='none')}")
    print(f"domain      {formula.domain}\n")
    for number, step in enumerate(formula.derivation.steps, 1):
        print(f"{number:3}. {_plain(step.reason)}")
        print(f"     = {sp.sstr(step.expression, order='none')}")
    print(f"\nresult      {sp.sstr(formula.closed_form)}")
    for name, meaning in formula.derivation.abbreviations():
        print(f"where       {sp.sstr(name)} = {sp.sstr(meaning, order='none')}")
    for note in formula.notes:
        print(f"note        {note}")
    if formula.sources:
        print(f"sources     {', '.join(map(str, formula.sources))}")
    if formula.related:
        print(f"related     {', '.join(formula.related)}")
    return 0


def _plain(reason: str) -> str:
    r"""A reason without its LaTeX.

    Examples
    --------
    >>> from paper_checks.command_line import _plain
    >>> _plain(r"$\sum \hat{x}_k = 0$, $\varphi' = -z\varphi$")
    "sum xhat_k = 0, phi' = -z phi"
    """
    text = re.sub(r"\\hat\{(\w+)\}", r"\1hat", reason.replace("$", ""))
    text = re.sub(r"\\(?:mathrm|text|operatorname)\{(\w+)\}", r"\1", text)
    text = text.replace(r"\varphi", r"\phi").replace(r"\epsilon", r"\eps")
    text = re.sub(r"(?<=\w)\\(?=[A-Za-z])", " ", text)
    return re.sub(r"\\([A-Za-z]+)", r"\1", text)


def _latex(arguments: argparse.Namespace) -> int:
    formula = _find(arguments.name)
    print(formula.latex_derivation() if arguments.derivation else formula.latex_statement())
    return 0


def _eval(arguments: argparse.Namespace) -> int:
    formula = _find(arguments.name)
    sequences = {str(s.label) for s in formula.domain.lengths}
    values: dict[str, str | tuple[str, ...]] = {}
    for text in arguments.values:
        name, equals, value = text.partition("=")
        entries = tuple(value.split(","))
        if not equals or not all(_NUMBER.fullmatch(entry) for entry in entries):
            raise UsageError(f"{text!r} must read SYMBOL=NUMBER, or SYMBOL=1,2,3 for a sequence")
        if name in values:
            raise UsageError(f"{name} is given twice")
        values[name] = entries if name in sequences else value
    try:
        print(formula.evaluate(**values))
    except ValueError as error:
        raise UsageError(str(error)) from None
    return 0
