"""What `restore --member` does with a mirror that holds a file system: one file goes back."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from splitmirror.cli.browsing import open_tree, tree_options
from splitmirror.cli.confirm import ask
from splitmirror.cli.output import show, show_dry_run
from splitmirror.errors import NoFileSystemError
from splitmirror.tree import Ext4Tree
from splitmirror.units import printable

__all__ = ["file_options", "restored_file"]

Command = TypeVar("Command", bound=Callable[..., Any])


def file_options(command: Command) -> Command:
    """Add --into, --replace, --partition and --offset; the command gets them as ``elsewhere``."""

    @functools.wraps(command)
    def gathered(into: str | None, replace: bool, where: dict[str, Any], **others: Any) -> Any:
        return command(elsewhere={"into": into, "replace": replace, "where": where}, **others)

    wrapped: Any = click.option(
        "--replace", is_flag=True, help="With --into: put a new file in place of the old one."
    )(tree_options(gathered))
    wrapped = click.option(
        "--into",
        type=click.Path(),
        metavar="TREE",
        help="Where the live file system is mounted; --member is the path of a file on it.",
    )(wrapped)
    return wrapped  # type: ignore[no-any-return]


def restored_file(
    mirror: str,
    catalog: str | None,
    places: dict[str, Any],
    to: str | None,
    elsewhere: dict[str, Any],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> bool:
    """Put one file back when that is what was asked for; else False, and nothing was done."""
    into, replace, where = elsewhere["into"], elsewhere["replace"], elsewhere["where"]
    member = places["member"]
    named = into is not None or replace or any(value is not None for value in where.values())
    if named and (member is None or (into is None) == (to is None)):
        raise click.UsageError(
            "--member and one of --into and --to are needed for a file of a tree"
        )
    if replace and into is None:
        raise click.UsageError("--replace is for --into")
    if member is None or (to is None and into is None):
        return False
    others = [name for name in ("ranges", "index", "format") if places[name] is not None]
    if others and not named:
        return False
    if others:
        raise click.UsageError("a file of a tree is restored as a whole")
    try:
        tree = open_tree(mirror, catalog, where)
    except NoFileSystemError:
        if named:
            raise
        return False
    _put(tree, member, to, into, replace=replace, dry_run=dry_run, yes=yes, as_json=as_json)
    return True


def _put(
    tree: Ext4Tree,
    member: str,
    to: str | None,
    into: str | None,
    *,
    replace: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    place = to if to is not None else os.path.join(into or "", member.lstrip("/"))
    # What cannot be done is said before a question is asked.
    found = tree.stat(member, follow_symlinks=False)
    existing = os.path.lexists(place)
    if dry_run:
        show_dry_run("restore", place if existing else None, found.size, as_json)
        return
    if existing:
        ask(f"This overwrites {printable(place)}.", yes=yes, as_json=as_json)
    show(tree.restore_file(member, into=into, to=to, overwrite=existing, replace=replace), as_json)
