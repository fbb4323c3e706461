"""Progress bars on a terminal. Imports rich, so it is imported only where bars are drawn."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from splitmirror.units import format_bytes

__all__ = ["Bars", "display"]


class RateColumn(ProgressColumn):
    """Bytes per second in IEC units; rich's own column knows only decimal ones."""

    def render(self, task: Task) -> Text:
        """Give the text of one bar."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{format_bytes(round(speed))}/s")


class Bars:
    """Draws a bar for each phase, with the rate and the time left."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Take the state of a verb: bytes done of bytes in total."""
        if phase not in self._tasks:
            self._tasks[phase] = self._shown.add_task(phase, total=total)
        self._shown.update(self._tasks[phase], completed=done, total=total)
        self._shown.refresh()


def display() -> Progress:
    """Make the display on stderr; without a thread of its own, as verbs call often enough."""
    return Progress(
        TextColumn("{task.description:10}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        RateColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
    )
