"""The line that tells how far a verb is; see test_magics_progress.py for a real notebook."""

from __future__ import annotations

import io
import os
import sys

import pytest
from splitmirror import show_progress
from splitmirror._pace import Pace
from splitmirror.progress import ProgressLine, TerminalLine

MIB = 1 << 20


class Kept:
    """An outlet that keeps what it was shown; "|" is the end of a line."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def show(self, text: str) -> None:
        self.lines.append(text)

    def end(self) -> None:
        self.lines.append("|")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_rate_and_time_left(kept: Kept, clock: Clock) -> None:
    line = ProgressLine(kept, after=0, pace=Pace(clock))
    line("copying", 0, 8 * MIB)
    clock.now += 2
    line("copying", 2 * MIB, 8 * MIB)
    clock.now += 6
    line("copying", 8 * MIB, 8 * MIB)
    assert kept.lines == [
        "copying: 0 %, 0 B of 8.0 MiB",
        "copying: 25 %, 2.0 MiB of 8.0 MiB, 1.0 MiB/s, 6.00 s left",
        "copying: 8.0 MiB in 8.00 s, 1.0 MiB/s",
        "|",
    ]


def test_each_phase_has_a_line_and_a_rate_of_its_own(kept: Kept, clock: Clock) -> None:
    line = ProgressLine(kept, after=0, pace=Pace(clock))
    line("comparing", MIB, 4 * MIB)
    clock.now += 3
    line("copying", 0, MIB)
    clock.now += 1
    line("copying", MIB, MIB)
    assert kept.lines == [
        "comparing: 25 %, 1.0 MiB of 4.0 MiB",
        "|",
        "copying: 0 %, 0 B of 1.0 MiB",
        "copying: 1.0 MiB in 1.00 s, 1.0 MiB/s",
        "|",
    ]


def test_a_short_phase_is_not_shown(kept: Kept, clock: Clock) -> None:
    line = ProgressLine(kept, after=0.5, pace=Pace(clock))
    line("copying", 0, MIB)
    clock.now += 0.4
    line("copying", 1, MIB)
    line("copying", MIB, MIB)
    assert kept.lines == []


def test_a_line_that_was_interrupted_is_ended(kept: Kept, clock: Clock) -> None:
    with ProgressLine(kept, after=0, pace=Pace(clock)) as line:
        line("copying", 1, MIB)
    line.close()
    assert kept.lines[1:] == ["|"]


def test_nothing_to_do_is_done(kept: Kept, clock: Clock) -> None:
    ProgressLine(kept, after=0, pace=Pace(clock))("copying", 0, 0)
    assert kept.lines == ["copying: 0 B in 0.0 ms", "|"]


def test_a_terminal_line_is_overwritten_and_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    terminal = Terminal()
    line = TerminalLine(terminal)
    line.show("copying: 25 %")
    line.show("copied")
    line.end()
    assert terminal.getvalue() == "copying: \x1b[K\rcopied\x1b[K\r\n"


def test_on_a_terminal_it_is_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    show_progress(after=0)("copying", 1, 1)
    assert terminal.getvalue().startswith("copying: 1 B in ")
    assert terminal.getvalue().endswith(f"\r{os.linesep}")
    assert capsys.readouterr().out == ""


def test_where_nobody_looks_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_progress(after=0)("copying", 1, 1)
    assert capsys.readouterr() == ("", "")


def test_without_stderr_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a program without a console.
    monkeypatch.setattr(sys, "stderr", None)
    show_progress(after=0)("copying", 1, 1)
