"""One line of text that tells how far a verb is, in a notebook or on a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import Any, Protocol, Self, TextIO

from splitmirror._pace import Pace, Step
from splitmirror.units import format_bytes, format_seconds

__all__ = ["ProgressLine", "show_progress"]


def show_progress(*, after: float = 0.5) -> ProgressLine:
    """Give what a verb takes as ``progress=`` to show how far it is.

    >>> pair.restore(progress=splitmirror.show_progress())  # doctest: +SKIP

    In a notebook it is one line of text that changes, without a widget, so it is kept with the
    notebook; on a terminal one line on stderr. Elsewhere nothing is shown.

    Args:
        after: seconds that a phase lasts before it is shown; a short one never is.
    """
    return ProgressLine(_outlet(), after=after)


class Outlet(Protocol):
    """Where a line can be shown and changed."""

    def show(self, text: str) -> None:
        """Show the line, in place of what it was before."""

    def end(self) -> None:
        """Let the line stay; the next one is another."""


class ProgressLine:
    """Shows bytes, rate and time left of each phase of a verb; a phase that ends keeps its line.

    In ``with``, the line of a verb that was interrupted is ended, too.
    """

    def __init__(
        self, outlet: Outlet | None, *, after: float = 0.5, pace: Pace | None = None
    ) -> None:
        self._outlet = outlet
        self._after = after
        self._pace = Pace() if pace is None else pace
        self._shown = False

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Take the state of a verb: bytes done of bytes in total."""
        if self._outlet is None:
            return
        step = self._pace.step(phase, done, total)
        if step.first:
            self.close()
        ended = done >= total
        if not self._shown and (ended or step.elapsed < self._after) and self._after > 0:
            return
        self._shown = True
        self._outlet.show(_text(phase, done, total, step))
        if ended:
            self.close()

    def close(self) -> None:
        """End the line that is shown, if one is."""
        if self._shown and self._outlet is not None:
            self._outlet.end()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _text(phase: str, done: int, total: int, step: Step) -> str:
    rate = "" if step.rate is None else f", {format_bytes(round(step.rate))}/s"
    if done >= total:
        return f"{phase}: {format_bytes(total)} in {format_seconds(step.elapsed)}{rate}"
    left = "" if step.left is None else f", {format_seconds(step.left)} left"
    share = 100 * done // total
    return f"{phase}: {share} %, {format_bytes(done)} of {format_bytes(total)}{rate}{left}"


def _outlet() -> Outlet | None:
    # Asked of IPython only when it is there: without it nothing is imported.
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is not None:
        from IPython.display import display

        return NotebookLine(display)
    error = sys.stderr
    return TerminalLine(error) if error is not None and error.isatty() else None


class TerminalLine:
    """A line of a terminal. The cursor waits at its beginning, so that a traceback covers it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, text: str) -> None:
        """Show the line, cut to the terminal's width: one that wraps could not be changed."""
        width = max(1, shutil.get_terminal_size().columns - 1)
        self._stream.write(f"{text[:width]}\x1b[K\r")
        self._stream.flush()

    def end(self) -> None:
        """Go on below the line."""
        self._stream.write("\n")
        self._stream.flush()


class NotebookLine:
    """A plain-text output of a cell, which the kernel updates by its display id."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None

    def show(self, text: str) -> None:
        """Show the line, or change it."""
        bundle = {"text/plain": text}
        if self._handle is None:
            self._handle = self._display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def end(self) -> None:
        """Leave it as it is."""
        self._handle = None
