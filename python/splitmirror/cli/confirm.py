"""The question before anything is overwritten."""

from __future__ import annotations

import sys
from typing import ClassVar

import click

from splitmirror.cli.opened import OpenPair
from splitmirror.errors import SplitMirrorError
from splitmirror.reports import Status
from splitmirror.states import State
from splitmirror.units import format_time, printable

__all__ = ["UnconfirmedError", "ask", "ask_for_point", "ask_for_source"]


class UnconfirmedError(SplitMirrorError):
    """A question had to be asked, and nobody was there to answer, or the answer was no."""

    id: ClassVar[str] = "unconfirmed"
    exit_code: ClassVar[int] = 8


def ask(question: str, *, yes: bool, as_json: bool = False) -> None:
    """Ask whether to go on; it never answers itself.

    Args:
        question: names what is overwritten; paths in it are escaped by the caller.
        yes: --yes was given.
        as_json: stdout is a script's, which cannot answer.

    Raises:
        UnconfirmedError: the answer was no, or there is no terminal to ask at.
    """
    if yes:
        return
    if as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UnconfirmedError(f"{question} Pass --yes to go on: there is no terminal to ask at.")
    if not click.confirm(question + " Go on?", default=False, err=True):
        raise UnconfirmedError("Nothing was changed.")


def ask_for_point(pair: OpenPair, *, yes: bool, as_json: bool) -> None:
    """Ask when the mirror holds a point in time that is about to be given up."""
    if yes or pair.state != State.SPLIT:
        return
    found = pair.status()
    ask(
        f"This overwrites the mirror {printable(found.mirror)}: "
        f"its point in time{_which(found)} is given up.",
        yes=yes,
        as_json=as_json,
    )


def ask_for_source(pair: OpenPair, *, yes: bool, as_json: bool) -> None:
    """Ask before the source is overwritten with the mirror's point in time."""
    if yes:
        return
    found = pair.status()
    ask(
        f"This overwrites the source {printable(found.source)} "
        f"with the mirror's point in time{_which(found)}.",
        yes=yes,
        as_json=as_json,
    )


def _which(found: Status) -> str:
    """Say when the mirror was split, and its label."""
    point = "" if found.split_at is None else f" of {format_time(found.split_at)}"
    label = f" ({printable(found.label)})" if found.label else ""
    return point + label
