"""``splitmirror demo``: the main job, with everything checked.

On a real database; with ``--live`` under an application that does not stop; with ``--mount`` under
a database on a file system on a mounted volume.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from splitmirror._types import AnyPath
from splitmirror.demo.report import DemoReport, Finding, LiveReport, MountedReport
from splitmirror.demo.story import Story
from splitmirror.errors import MountError, NoSpaceError, SplitMirrorError
from splitmirror.units import format_bytes, format_seconds, printable

__all__ = [
    "DemoReport",
    "Finding",
    "LiveReport",
    "MountedReport",
    "run_demo",
    "run_live_demo",
    "run_mounted_demo",
]


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
    with _place(folder, size, keep) as place:
        try:
            report = Story(place, size, say).tell()
        except sqlite3.OperationalError as error:
            # "database or disk is full" and its like: no fault of the pair, and no traceback.
            raise SplitMirrorError(f"the demonstration's database failed: {error}") from error
    for receipt in report.receipts[-1:]:
        say("\nThe receipt of the second restore:")
        say(str(receipt))
    _conclude(report, say, place if keep else None)
    return report


def run_live_demo(
    size: int = 64 * 1024 * 1024,
    folder: AnyPath | None = None,
    *,
    say: Callable[[str], object] = print,
    keep: bool = False,
    pace: float = 1.0,
) -> LiveReport:
    """Split, corrupt and restore a file twice under an application that reads and writes it.

    Args:
        size: of the file, in bytes; rounded up to whole MiB.
        folder: where to work, in a new folder that is removed in the end.
        say: takes each line of the story.
        keep: leave the files.
        pace: how long each part lasts; 1 makes about ten seconds in all.

    Raises:
        NoSpaceError: the folder's file system cannot hold the file and its mirror.
        SplitMirrorError: whatever else fails; what does not hold is in the report instead.
    """
    # Imported here: numpy, for the map of the blocks, takes longer than the other demonstration.
    from splitmirror.demo.live import LiveStory

    with _place(folder, size, keep) as place:
        report = LiveStory(place, size, say, pace).tell()
    _conclude(report, say, place if keep else None)
    return report


def run_mounted_demo(
    size: int = 64 * 1024 * 1024,
    folder: AnyPath | None = None,
    *,
    say: Callable[[str], object] = print,
    keep: bool = False,
    pace: float = 1.0,
) -> MountedReport:
    """Restore a mounted volume under a database on a file system on it, which soon goes on.

    Args:
        size: of the volume, about half of it, in bytes.
        folder: where to work, in a new folder that is removed in the end.
        say: takes each line of the story.
        keep: leave the files.
        pace: how long each part lasts; 1 makes about ten seconds in all.

    Raises:
        MountError: something is missing that it needs, such as root or /dev/fuse.
        NoSpaceError: the folder's file system cannot hold the volume and its mirror.
        SplitMirrorError: whatever else fails; what does not hold is in the report instead.
    """
    from splitmirror.demo.mounted import MountStory, missing_for_mounts

    missing = missing_for_mounts()
    if missing:
        raise MountError(f"the mounted demonstration needs {missing}", path="")
    with _place(folder, 2 * size, keep) as place:
        report = MountStory(place, size, say, pace).tell()
    say("\nThe receipt of the restore:")
    say(str(report.receipts[0]))
    _conclude(report, say, place if keep else None)
    return report


@contextmanager
def _place(folder: AnyPath | None, size: int, keep: bool) -> Iterator[Path]:
    base = Path(tempfile.gettempdir() if folder is None else os.fsdecode(folder))
    _check_space(base, size)
    place = Path(tempfile.mkdtemp(prefix="splitmirror-demo-", dir=base))
    try:
        yield place
    finally:
        if not keep:
            shutil.rmtree(place)


def _conclude(
    report: DemoReport | LiveReport | MountedReport, say: Callable[[str], object], kept: Path | None
) -> None:
    held = sum(finding.holds for finding in report.findings)
    word = "All" if report.passed else "NOT all"
    say(
        f"\n{word} of it holds: {held} of {len(report.findings)} checks, "
        f"{format_seconds(report.seconds)}."
    )
    if kept is not None:
        say(f"The files are in {printable(str(kept))}")


def _check_space(base: Path, size: int) -> None:
    # The file, its mirror, a database's journal, and something for the catalog.
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
