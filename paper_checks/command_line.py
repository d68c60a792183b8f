"""The command ``normquant``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import sympy as sp

from derivations import catalog, find
from derivations.machinery.latex import latex

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?(/\d+)?")


class UsageError(ValueError):
    """Something on the command line that cannot be used."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 when something is refuted, 2 on wrong usage.

    Examples
    --------
    >>> from paper_checks.command_line import main
    >>> main(["eval", "relu.mean", "a=0"])
    0.398942280401433
    0
    """
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except UsageError as error:
        print(f"normquant: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("normquant: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="normquant", description="The mathematics of normalised and quantised networks, derived and checked."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    verify = commands.add_parser("verify", help="check every derivation and run every experiment")
    verify.add_argument("names", nargs="*", metavar="NAME", help="formulas to verify (all)")
    verify.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found to FILE")
    verify.add_argument("--seed", type=_whole(0), default=0, metavar="N", help="seed of points and draws (0)")
    verify.add_argument("--jobs", type=_whole(1), metavar="N", help="number of processes (all cores)")
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

    evaluate = commands.add_parser("eval", help="value of a formula: normquant eval relu.mean a=-3.5")
    evaluate.add_argument("name", metavar="NAME")
    evaluate.add_argument("values", nargs="*", metavar="SYMBOL=VALUE", help="a sequence is x=1,2,3")
    evaluate.set_defaults(run=_eval)
    return parser


def _whole(least: int):  # type: ignore[no-untyped-def]
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number, at least {least}, got {text!r}")
        return int(text)

    return number


def _find(name: str):  # type: ignore[no-untyped-def]
    try:
        return find(name)
    except KeyError as error:
        raise UsageError(error.args[0]) from None


def _verify(arguments: argparse.Namespace) -> int:
    from paper_checks.verification import report, table, terminal_progress, verify, write_json

    if arguments.json is not None and not arguments.json.parent.is_dir():
        raise UsageError(f"--json: there is no folder {arguments.json.parent}")
    formulas = {name: _find(name) for name in arguments.names} or None
    results = verify(formulas, seed=arguments.seed, jobs=arguments.jobs, progress=terminal_progress())
    print(table(results))
    if arguments.json is not None:
        try:
            write_json(report(results, arguments.seed), arguments.json)
        except OSError as error:
            raise UsageError(f"--json: {error}") from None
    return 0 if all(r.holds for r in results) else 1


def _list(_: argparse.Namespace) -> int:
    width = max(map(len, catalog()))
    for name, formula in catalog().items():
        print(f"{name:{width}}  {formula.title}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    formula = _find(arguments.name)
    print(f"{formula.name}: {formula.title}\n")
    print(f"definition  {sp.sstr(formula.definition)}")
    print(f"domain      {formula.domain}\n")
    for number, step in enumerate(formula.derivation.steps, 1):
        print(f"{number:3}. {step.reason.replace('$', '')}")
        print(f"     = {sp.sstr(step.expression)}")
    print(f"\nresult      {sp.sstr(formula.closed_form)}")
    for note in formula.notes:
        print(f"note        {note}")
    if formula.sources:
        print(f"sources     {', '.join(map(str, formula.sources))}")
    if formula.related:
        print(f"related     {', '.join(formula.related)}")
    return 0


def _latex(arguments: argparse.Namespace) -> int:
    formula = _find(arguments.name)
    if arguments.derivation:
        print(formula.latex_derivation())
    else:
        print(f"{latex(formula.definition)} = {latex(formula.closed_form)}")
    return 0


def _eval(arguments: argparse.Namespace) -> int:
    formula = _find(arguments.name)
    values = {}
    for text in arguments.values:
        name, equals, value = text.partition("=")
        entries = value.split(",")
        if not equals or not all(_NUMBER.fullmatch(entry) for entry in entries):
            raise UsageError(f"{text!r} must read SYMBOL=NUMBER, a sequence SYMBOL=1,2,3")
        values[name] = tuple(entries) if len(entries) > 1 else entries[0]
    try:
        print(formula.evaluate(**values))
    except ValueError as error:
        raise UsageError(str(error)) from None
    return 0


if __name__ == "__main__":
    sys.exit(main())
