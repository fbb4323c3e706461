"""Progress of long verbs on stderr: a bar on a terminal, a JSON line a second with --json."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from splitmirror._types import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

__all__ = ["progress"]


@contextmanager
def progress(as_json: bool) -> Iterator[Progress | None]:
    """Give what a verb takes as ``progress=``; None when nobody would see it."""
    if as_json:
        yield JsonLines()
    elif not sys.stderr.isatty():
        yield None
    else:
        with _rich_progress() as shown:
            yield Bars(shown)


class JsonLines:
    """Writes {"progress": {...}} at the start of a phase, once a second, and at its end."""

    def __init__(self) -> None:
        self._phase = ""
        self._started = 0.0
        self._written = 0.0

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Take the state of a verb: bytes done of bytes in total."""
        now = time.monotonic()
        first = phase != self._phase
        if first:
            self._phase, self._started = phase, now
        if not first and done < total and now - self._written < 1:
            return
        self._written = now
        elapsed = now - self._started
        rate = done / elapsed if elapsed > 0 else None
        left = (total - done) / rate if rate else None
        line = {
            "phase": phase,
            "done": done,
            "total": total,
            "bytes_per_second": None if rate is None else round(rate),
            "seconds_left": None if left is None else round(left, 1),
        }
        click.echo(json.dumps({"progress": line}), err=True)


class Bars:
    """Draws a bar for each phase, with the rate and the time left."""

    def __init__(self, shown: RichProgress) -> None:
        self._shown = shown
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Take the state of a verb: bytes done of bytes in total."""
        if phase not in self._tasks:
            self._tasks[phase] = self._shown.add_task(phase, total=total)
        self._shown.update(self._tasks[phase], completed=done, total=total)
        self._shown.refresh()


def _rich_progress() -> RichProgress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    # No thread of rich's own: the verb calls ten times a second anyway.
    return Progress(
        TextColumn("{task.description:10}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
    )
