"""Commands that read single files off a split mirror; they take no lock and write nothing on it."""

from __future__ import annotations

import base64
import functools
import os
import stat
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from splitmirror._document import SCHEMA
from splitmirror.cli.options import common, size
from splitmirror.cli.output import show, show_entries, show_json, show_table
from splitmirror.cli.run import EXIT_INCOMPLETE
from splitmirror.errors import ArgumentError
from splitmirror.reports import TreeEntry
from splitmirror.tree import Ext4Tree
from splitmirror.units import format_bytes, format_time, printable

__all__ = ["cat_command", "extract_command", "ls_command", "open_tree", "tree_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

PIECE = 1 << 20
JSON_BYTES_MAX = 64 << 20

KINDS = {
    "folder": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "file": stat.S_IFREG,
    "character-device": stat.S_IFCHR,
    "block-device": stat.S_IFBLK,
    "fifo": stat.S_IFIFO,
    "socket": stat.S_IFSOCK,
}


def tree_options(command: Command) -> Command:
    """Add --partition and --offset; the command gets them as ``where``."""

    @functools.wraps(command)
    def gathered(partition: int | None, offset: int | None, **others: Any) -> Any:
        return command(where={"partition": partition, "offset": offset}, **others)

    wrapped: Any = click.option(
        "--offset", type=size, help="Where on the mirror the file system begins."
    )(gathered)
    wrapped = click.option(
        "--partition", type=click.IntRange(1), help="The partition with the file system."
    )(wrapped)
    return wrapped  # type: ignore[no-any-return]


def mirror_options(command: Command) -> Command:
    """Add MIRROR and --catalog, by which a mirror is found without opening its pair."""
    wrapped: Any = click.option(
        "--catalog", type=click.Path(), help="The catalog's folder, if not beside the mirror."
    )(click.argument("mirror", type=click.Path())(command))
    return wrapped  # type: ignore[no-any-return]


def open_tree(mirror: str, catalog: str | None, where: dict[str, Any]) -> Ext4Tree:
    """Open the file system on a mirror; says so when the mirror may not be what was split."""
    tree = Ext4Tree.open(mirror, catalog=catalog, **where)
    if tree.skewed:
        click.echo(
            f"{printable(mirror)} was changed since its split; 'splitmirror scrub' tells whether "
            "its seal still holds",
            err=True,
        )
    return tree


@click.command("ls")
@mirror_options
@click.argument("path", default="/")
@click.option("-l", "--long", is_flag=True, help="Also permissions, owner, size and time.")
@tree_options
@common
def ls_command(
    mirror: str, catalog: str | None, path: str, long: bool, where: dict[str, Any], as_json: bool
) -> int:
    """List a folder in the file system on a split MIRROR; exits 6 when a file is damaged."""
    entries = open_tree(mirror, catalog, where).ls(path)
    if as_json:
        show_entries("ls", entries)
    elif long:
        heads = ("mode", "links", "user", "group", "size", "modified", "name")
        show_table(heads, map(_line, entries))
    else:
        for entry in entries:
            click.echo(printable(entry.name) + ("/" if entry.is_folder else ""))
    return EXIT_INCOMPLETE if any(entry.problem for entry in entries) else 0


def _line(entry: TreeEntry) -> list[str]:
    if entry.problem is not None:
        return ["?", "?", "?", "?", "?", printable(entry.problem), printable(entry.name)]
    target = "" if entry.target is None else f" -> {printable(entry.target)}"
    return [
        stat.filemode(KINDS[entry.type] | entry.mode),
        str(entry.links),
        str(entry.user),
        str(entry.group),
        format_bytes(entry.size) if entry.type == "file" else "",
        format_time(entry.modified),
        printable(entry.name) + target,
    ]


@click.command("cat")
@mirror_options
@click.argument("path")
@tree_options
@common
def cat_command(
    mirror: str, catalog: str | None, path: str, where: dict[str, Any], as_json: bool
) -> None:
    """Write a file of the file system on a split MIRROR to stdout; --json: as base64."""
    with open_tree(mirror, catalog, where).open_file(path) as file:
        if as_json:
            if file.size > JSON_BYTES_MAX:
                raise ArgumentError(
                    f"{printable(path)} has {format_bytes(file.size)}; a JSON document takes "
                    f"{format_bytes(JSON_BYTES_MAX)}: leave out --json",
                    argument="--json",
                )
            content = base64.b64encode(file.readall()).decode()
            show_json({"schema": SCHEMA, "kind": "cat", "size": file.size, "base64": content})
            return
        out = sys.stdout.buffer
        while piece := file.read(PIECE):
            out.write(piece)
        out.flush()


@click.command("extract")
@mirror_options
@click.argument("path")
@click.option("--to", type=click.Path(), help="The name it gets; by default its own, here.")
@click.option("--overwrite", is_flag=True, help="Replace a file or symlink that is there.")
@click.option("--preserve-special", is_flag=True, help="Keep set-user-id and set-group-id bits.")
@tree_options
@common
def extract_command(
    mirror: str,
    catalog: str | None,
    path: str,
    to: str | None,
    overwrite: bool,
    preserve_special: bool,
    where: dict[str, Any],
    as_json: bool,
) -> None:
    """Copy a file, symlink or folder out of the file system on a split MIRROR."""
    name = os.path.basename(path.rstrip("/"))
    if to is None and name in ("", ".", ".."):
        raise click.UsageError(f"{printable(path)} has no name of its own; give one with --to")
    report = open_tree(mirror, catalog, where).extract(
        path, to or name, overwrite=overwrite, preserve_special=preserve_special
    )
    show(report, as_json)
