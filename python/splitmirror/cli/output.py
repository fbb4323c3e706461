"""Results on stdout: one JSON document for scripts, a table for people.

On a terminal the tables are rich's, which fold into the window; into a pipe or file they are
plain text, where a line stays a line however long it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from splitmirror._document import SCHEMA, Document
from splitmirror._rows import rows, text_table, title
from splitmirror.cli.words import in_command_words
from splitmirror.units import format_bytes, printable

if TYPE_CHECKING:
    from rich.table import Table

# Set in the context once stdout has its document.
ANSWERED = "answered"

__all__ = ["ANSWERED", "show", "show_dry_run", "show_entries", "show_json", "show_table"]


def show(document: Document, as_json: bool) -> None:
    """Write one report."""
    if as_json:
        show_json(document.to_dict())
        return
    found = [
        (label, in_command_words(text) if label == "advice" else text)
        for label, text in rows(document)
    ]
    if not sys.stdout.isatty():
        click.echo(text_table(document, found))
    else:
        from rich.table import Table

        table = Table(title=title(document), title_justify="left", show_header=False, box=None)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        _print(table, found)


def show_entries(kind: str, documents: Sequence[Document]) -> None:
    """Write several reports as one JSON document."""
    entries = [document.to_dict() for document in documents]
    show_json({"schema": SCHEMA, "kind": kind, "entries": entries})


def show_names(kind: str, names: Sequence[str], as_json: bool) -> None:
    """Write names, a line each or as one JSON document."""
    if as_json:
        show_json({"schema": SCHEMA, "kind": kind, "entries": list(names)})
        return
    for name in names:
        click.echo(printable(name))


def show_table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Write a table with a header and a line for each entry."""
    if not sys.stdout.isatty():
        _print_plain([heads, *lines])
        return
    from rich.table import Table

    table = Table(*heads, box=None, header_style="bold", pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    _print(table, lines)


def show_dry_run(verb: str, overwrites: str | None, space_needed: int, as_json: bool) -> None:
    """Write what a verb that has no plan would overwrite, and the bytes that it needs at most."""
    if as_json:
        name = None if overwrites is None else printable(overwrites)
        plan = {"verb": verb, "overwrites": name, "space_needed": space_needed}
        show_json({"schema": SCHEMA, "kind": "dry-run", **plan})
        return
    click.echo(f"overwrites: {'nothing' if overwrites is None else printable(overwrites)}")
    click.echo(f"space needed: at most {format_bytes(space_needed)} ({space_needed:,} bytes)")


def show_json(data: dict[str, Any]) -> None:
    """Write a JSON document; characters beyond ASCII are escaped, so any terminal takes it.

    Stdout takes one. What comes after it, a signal while the pair is closed, goes to stderr.
    """
    click.echo(json.dumps(data))
    context = click.get_current_context(silent=True)
    if context is not None and isinstance(context.obj, dict):
        context.obj[ANSWERED] = True


def _print(table: Table, lines: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.text import Text

    for line in lines:
        # Text, not markup: a path may hold [brackets].
        table.add_row(*map(Text, line))
    Console(highlight=False, emoji=False).print(table)


def _print_plain(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
