"""The question before anything is overwritten."""

from __future__ import annotations

import sys
from typing import ClassVar

import click

from splitmirror.errors import SplitMirrorError

__all__ = ["UnconfirmedError", "ask"]


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
