"""What of a pair a command restores: ranges of bytes, a slice of an array, a member of a file."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from types import EllipsisType
from typing import Any, TypeVar

import click

from splitmirror.cli.opened import open_pair
from splitmirror.cli.options import byte_range, common, pair_options
from splitmirror.cli.output import show_names
from splitmirror.layout import Index
from splitmirror.units import printable

__all__ = ["array_index", "members_command", "place_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

_INTEGER = re.compile(r"[+-]?[0-9]+(_[0-9]+)*")


def array_index(text: str) -> Index:
    """Read an index of the command line, as Python has it: ``10_000:20_000, :``.

    Raises:
        click.BadParameter: it has something else than integers, slices and ``...``.
    """
    parts = text.strip().removesuffix(",").split(",")
    chosen = tuple(_part(part.strip(), text) for part in parts)
    # A tuple of one selects what its item does.
    return chosen


def _part(part: str, whole: str) -> int | slice | EllipsisType:
    if part == "...":
        return ...
    bounds = [bound.strip() for bound in part.split(":")]
    wrong = [bound for bound in bounds if bound and not _INTEGER.fullmatch(bound)]
    if not part or wrong or len(bounds) > 3:
        raise click.BadParameter(
            f"{printable(whole)} is no index such as 10:20, : or -1 or ..., of integers"
        )
    numbers = [int(bound) if bound else None for bound in bounds]
    if len(numbers) == 1:
        assert numbers[0] is not None
        return numbers[0]
    return slice(*numbers)


def place_options(command: Command) -> Command:
    """Add --range, --index, --member and --format; the command gets them as ``places``."""

    @functools.wraps(command)
    def gathered(
        ranges: tuple[tuple[int, int], ...],
        index: Index | None,
        member: str | None,
        format: str | None,
        **others: Any,
    ) -> Any:
        places = {"ranges": ranges or None, "index": index, "member": member, "format": format}
        return command(places=places, **others)

    options = (
        click.option(
            "--range",
            "ranges",
            type=byte_range,
            multiple=True,
            metavar="OFFSET:LENGTH",
            help="Restore only this range of bytes (64K, 1G, 0x1000); can be repeated.",
        ),
        click.option(
            "--index",
            type=array_index,
            metavar="INDEX",
            help="Restore only this slice of a .npy file's array (10:20, :).",
        ),
        click.option(
            "--member", metavar="NAME", help="Restore only this member; see the command members."
        ),
        click.option("--format", metavar="FORMAT", help="How to read the file to find the member."),
    )
    wrapped: Any = gathered
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


@click.command("members")
@pair_options
@click.option("--format", metavar="FORMAT", help="How to read the file.")
@common
def members_command(
    mirror: str, source: str | None, catalog: str | None, format: str | None, as_json: bool
) -> None:
    """List what of the MIRROR restore can bring back alone, by --member."""
    with open_pair(mirror, source, catalog) as pair:
        show_names("members", pair.members(format), as_json)
