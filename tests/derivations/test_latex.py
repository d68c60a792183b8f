"""LaTeX of every formula and derivation, compiled with amsmath alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from derivations import catalog

PREAMBLE = r"""\documentclass{article}
\usepackage{amsmath}
\pdfpagewidth=400cm \textwidth=390cm \hoffset=-1in \oddsidemargin=1cm
\pdfpageheight=200cm \textheight=190cm
\begin{document}
"""


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_every_formula_and_derivation_compiles_without_warnings(tmp_path: Path) -> None:
    body = []
    for formula in catalog().values():
        body += [
            rf"\[ {formula.latex_statement()} \]",
            rf"\[ {formula.domain.latex()} \]",
            formula.latex_derivation(),
        ]
    (tmp_path / "all.tex").write_text(PREAMBLE + "\n".join(body) + "\n\\end{document}\n")
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    log = (tmp_path / "all.log").read_text(errors="replace")
    complaints = [
        line for line in log.splitlines() if "Warning" in line or line.startswith(("!", "Overfull"))
    ]
    assert run.returncode == 0, complaints
    assert not complaints
    assert (tmp_path / "all.pdf").stat().st_size > 0


def test_notebook_display_is_latex() -> None:
    assert (
        catalog()["relu.mean"]._repr_latex_()
        == "$\\displaystyle " + catalog()["relu.mean"].latex_statement() + "$"
    )
