"""Progress of long verbs on stderr: a bar on a terminal, a JSON line a second with --json."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from splitmirror._pace import Pace
from splitmirror._types import Progress

__all__ = ["progress"]


@contextmanager
def progress(as_json: bool) -> Iterator[Progress | None]:
    """Give what a verb takes as ``progress=``; None when nobody would see it."""
    if as_json:
        yield JsonLines()
    elif not sys.stderr.isatty():
        yield None
    else:
        from splitmirror.cli.bars import Bars, display

        with display() as shown:
            yield Bars(shown)


class JsonLines:
    """Writes {"progress": {...}} at the start of a phase, once a second, and at its end."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._written = 0.0

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Take the state of a verb: bytes done of bytes in total."""
        step = self._pace.step(phase, done, total)
        if not step.first and done < total and step.at - self._written < 1:
            return
        self._written = step.at
        line = {
            "phase": phase,
            "done": done,
            "total": total,
            "bytes_per_second": None if step.rate is None else round(step.rate),
            "seconds_left": None if step.left is None else round(step.left, 1),
        }
        click.echo(json.dumps({"progress": line}), err=True)
