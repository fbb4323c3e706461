"""Runs notebooks in a kernel of their own; run it to write their outputs anew.

A notebook stays small and comparable: no times of execution, and nothing of the machine in its
metadata.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def run(path: Path, folder: Path) -> Any:
    """Run a notebook in `folder`; raises CellExecutionError with the cell that failed."""
    notebook = execute(read(path), folder)
    notebook.metadata = METADATA
    return notebook


def execute(notebook: Any, folder: Path, *, allow_errors: bool = False) -> Any:
    """Run the cells in a kernel of their own; with `allow_errors`, the ones after a failure too."""
    # Sockets of files, not of the network; their paths have to be short.
    with tempfile.TemporaryDirectory(prefix="kernel-") as sockets:
        kernel = {"transport": "ipc", "connection_file": f"{sockets}/kernel.json"}
        client = NotebookClient(
            notebook,
            timeout=120,
            allow_errors=allow_errors,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            record_timing=False,
            config=Config({"KernelManager": kernel}),
        )
        # The commands of this environment are those that `!` finds.
        places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        there = {"IPYTHONDIR": str(folder / "ipython"), "PATH": os.pathsep.join(places)}
        client.execute(env={**os.environ, **there})
    return notebook


def outputs(notebook: Any) -> list[list[dict[str, str]]]:
    """What each cell of code shows, by its type.

    A kernel cuts what is printed where its clock says so: neighbours of one stream are one.
    """
    shown = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found: list[dict[str, str]] = []
            stream = None
            for output in cell.outputs:
                name = output.get("name")
                if output.output_type == "error":
                    # Its traceback is of the library's lines, too.
                    found.append({"text/plain": f"{output.ename}: {output.evalue}"})
                elif name is not None and name == stream:
                    found[-1]["text/plain"] += output.text
                else:
                    found.append({"text/plain": output.text} if name else dict(output.data))
                stream = name
            shown.append(found)
    return shown


if __name__ == "__main__":
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            done = run(path, Path(folder))
        nbformat.write(done, path)  # type: ignore[no-untyped-call]
