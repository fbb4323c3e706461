"""``splitmirror demo``: the main job on a real database, with everything checked."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from splitmirror._types import AnyPath
from splitmirror.demo.report import DemoReport, Finding
from splitmirror.demo.story import Story
from splitmirror.errors import NoSpaceError, SplitMirrorError
from splitmirror.units import format_bytes, format_seconds, printable

__all__ = ["DemoReport", "Finding", "run_demo"]


def run_demo(
    size: int = 64 * 1024 * 1024,
    folder: AnyPath | None = None,
    *,
    say: Callable[[str], object] = print,
    keep: bool = False,
) -> DemoReport:
    """Make a database, corrupt it twice and restore it twice from the same mirror.

    Args:
        size: of the database, at least, in bytes.
        folder: where to work, in a new folder that is removed in the end.
        say: takes each line of the story.
        keep: leave the files.

    Raises:
        NoSpaceError: the folder's file system cannot hold the database and its mirror.
        SplitMirrorError: whatever else fails; what does not hold is in the report instead.
    """
    base = Path(tempfile.gettempdir() if folder is None else os.fsdecode(folder))
    _check_space(base, size)
    place = Path(tempfile.mkdtemp(prefix="splitmirror-demo-", dir=base))
    try:
        report = Story(place, size, say).tell()
    except sqlite3.OperationalError as error:
        # "database or disk is full" and its like: no fault of the pair, and no traceback.
        raise SplitMirrorError(f"the demonstration's database failed: {error}") from error
    finally:
        if not keep:
            shutil.rmtree(place)
    for receipt in report.receipts[-1:]:
        say("\nThe receipt of the second restore:")
        say(str(receipt))
    held = sum(finding.holds for finding in report.findings)
    word = "All" if report.passed else "NOT all"
    say(
        f"\n{word} of it holds: {held} of {len(report.findings)} checks, "
        f"{format_seconds(report.seconds)}."
    )
    if keep:
        say(f"The files are in {printable(str(place))}")
    return report


def _check_space(base: Path, size: int) -> None:
    # The database, its mirror, SQLite's journal, and something for the catalog.
    needed = size * 2 + size // 4 + 32 * 1024 * 1024
    available = shutil.disk_usage(base).free
    if available < needed:
        raise NoSpaceError(
            f"the demonstration needs {format_bytes(needed)} in {base}, "
            f"{format_bytes(available)} are free; see --folder and --size",
            path=str(base),
            needed=needed,
            available=available,
            errno=errno.ENOSPC,
        )
