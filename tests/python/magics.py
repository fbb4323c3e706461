"""Cells run in a real kernel that has splitmirror's magics and one pair, and what they showed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import notebook_runs
from guards import following

# The pair is made by the test, so that it can look at both sides afterwards.
FIRST = """
%load_ext splitmirror
import sys
import splitmirror
pair = splitmirror.MirrorPair.open("source.mirror")
"""


def make_pair(folder: Path) -> None:
    """A pair in `folder`, closed, that the first cell opens."""
    following(folder).close()


def run(folder: Path, *cells: str) -> list[str]:
    """What each cell showed, streams and results and errors below each other, without colours."""
    notebook = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    sources = [FIRST, *cells]
    notebook.cells = [
        nbformat.v4.new_code_cell(source.strip("\n"))  # type: ignore[no-untyped-call]
        for source in sources
    ]
    done = notebook_runs.execute(notebook, folder, allow_errors=True)
    first, *shown = ["".join(map(_shown, cell.outputs)) for cell in done.cells]
    assert first == ""
    return shown


def _shown(output: Any) -> str:
    if output.output_type == "stream":
        text = output.text
    elif output.output_type == "error":
        text = "\n".join([*output.traceback, f"ERROR {output.ename}\n"])
    else:
        text = f"{output.output_type} {output.data.get('text/html', output.data['text/plain'])}\n"
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
