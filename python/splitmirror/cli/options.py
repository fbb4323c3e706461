"""Arguments and options that several commands share, and what they mean."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from splitmirror.units import parse_size, printable

__all__ = [
    "accept_option",
    "byte_range",
    "common",
    "dry_run_option",
    "log_to_stderr",
    "pair_options",
    "size",
    "yes_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])

ACCEPTABLE = [
    "mirror-skewed",
    "source-suspect",
    "source-replaced",
    "restore-pending",
    "shrunk",
    "unsealed",
]


def size(text: str) -> int:
    """Read a number of bytes of the command line: 4096, 0x1000, 64K, 2G."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise click.BadParameter(printable(str(error))) from None


def byte_range(text: str) -> tuple[int, int]:
    """Read a range of bytes of the command line: OFFSET:LENGTH, each a size."""
    offset, colon, length = text.partition(":")
    if not colon:
        raise click.BadParameter(f"{printable(text)} is not OFFSET:LENGTH")
    return size(offset), size(length)


def common(command: Command) -> Command:
    """Add --json and -v, which every command takes."""
    command = click.option(
        "--json", "as_json", is_flag=True, help="Write one JSON document, also for an error."
    )(command)
    return click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_set_up_log,
        help="Log to stderr; twice for more.",
    )(command)


def pair_options(command: Command) -> Command:
    """Add MIRROR, --catalog and --source, by which a pair is found."""
    command = click.argument("mirror", type=click.Path())(command)
    command = click.option(
        "--catalog", type=click.Path(), help="The catalog's folder, if not beside the mirror."
    )(command)
    return click.option(
        "--source", type=click.Path(), help="Where the source is now, if it was moved."
    )(command)


yes_option = click.option("--yes", "-y", is_flag=True, help="Answer every question with yes.")
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Only show what would be overwritten, and with how much."
)
accept_option = click.option(
    "--accept",
    multiple=True,
    type=click.Choice(ACCEPTABLE),
    help="A condition that you know of and override; can be repeated.",
)


def _set_up_log(context: click.Context, _: click.Parameter, count: int) -> None:
    if count and not context.resilient_parsing:
        log_to_stderr(context, logging.INFO if count == 1 else logging.DEBUG)


def log_to_stderr(context: click.Context, level: int) -> None:
    """Write the records of this package from a level on, until the command ends."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("splitmirror")
    logger.setLevel(level)
    logger.addHandler(handler)
    # The command can be run twice in one process (tests, notebooks).
    context.call_on_close(lambda: logger.removeHandler(handler))


class _OneLine(logging.Formatter):
    """Escapes what a path in a message may hold, so that a record stays one line."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
