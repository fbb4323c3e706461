"""Every notebook runs, in a kernel and a folder of its own, and shows what is committed."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import notebook_runs
import pytest
from splitmirror import doctor

ALL = pytest.mark.parametrize("path", notebook_runs.NOTEBOOKS, ids=lambda path: path.stem)
# Alone it takes five; a machine may have other work.
SECONDS_MAX = 30
BYTES_MAX = 64 * 1024


def comparable(text: str) -> str:
    """Without what each run or machine has of its own: digests, identities, times and paths."""
    text = re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", text)
    text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d", "TIME", text)
    text = re.sub(r"\b[\d.]+ m?s\b", "SECONDS", text)
    text = re.sub(r"\b(device|inode) \d+", r"\1 NUMBER", text)
    return re.sub(r"(/[^/<>\s]+)+/splitmirror-\w+", "FOLDER", text)


def shown(notebook: Any, *, tables: bool = True) -> list[list[str]]:
    """The outputs of each cell; a report is compared as its table, if at all."""
    return [
        [
            comparable(output.get("text/html", output["text/plain"]))
            for output in cell
            if tables or "text/html" not in output
        ]
        for cell in notebook_runs.outputs(notebook)
    ]


def provable(folder: Path) -> bool:
    """Whether the file system tells who writes: reasons and strips depend on it."""
    checks = {check.check: check.ok for check in doctor(folder)}
    return all(
        checks[name] is True
        for name in (
            "change times tell every change",
            "nobody else writes: it can be proven",
            "stores into arrays are tracked by page",
        )
    )


def sources(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks() -> None:
    assert notebook_runs.NOTEBOOKS


@ALL
def test_a_notebook_runs_and_shows_what_is_committed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    started = time.monotonic()
    done = notebook_runs.run(path, folder)
    assert time.monotonic() - started < SECONDS_MAX
    tables = provable(folder)
    assert shown(done, tables=tables) == shown(notebook_runs.read(path), tables=tables)
    left = {place.name for place in folder.iterdir()} - {"ipython"}
    assert not left, "it leaves nothing behind"


@ALL
def test_a_notebook_is_committed_as_it_was_run(path: Path) -> None:
    found = notebook_runs.read(path)
    assert found.metadata == notebook_runs.METADATA
    cells = [cell for cell in found.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert path.stat().st_size < BYTES_MAX
    assert any("assert " in source for source in sources(found))
    # The reader knows first what it is good for.
    assert found.cells[0].cell_type == "markdown"
    assert "you can" in found.cells[0].source


@ALL
def test_links_of_a_notebook_lead_somewhere(path: Path) -> None:
    for cell in notebook_runs.read(path).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^):\s]+)\)", cell.source):
                assert (path.parent / target).exists(), target


def test_a_wrong_output_is_seen() -> None:
    first = notebook_runs.read(notebook_runs.NOTEBOOKS[0])
    other = notebook_runs.read(notebook_runs.NOTEBOOKS[0])
    output = next(output for cell in other.cells for output in cell.get("outputs", ()))
    output.text = output.text.replace("16,777,216", "16,777,217")
    assert shown(first) != shown(other)


def test_where_the_kernel_cut_a_stream_is_not_seen() -> None:
    first = notebook_runs.read(notebook_runs.NOTEBOOKS[0])
    other = notebook_runs.read(notebook_runs.NOTEBOOKS[0])
    cell = next(cell for cell in other.cells if "text" in str(cell.get("outputs")))
    whole = cell.outputs[0]
    half = whole.copy()
    whole.text, half.text = whole.text[:5], whole.text[5:]
    cell.outputs.insert(1, half)
    assert shown(first) == shown(other)
