"""Commands that look from outside; they work beside the process that has the pair open."""

from __future__ import annotations

import click

from splitmirror import lookup
from splitmirror._rows import rows
from splitmirror.cli.options import common
from splitmirror.cli.output import show, show_entries, show_table
from splitmirror.cli.run import EXIT_INCOMPLETE
from splitmirror.errors import NoOwnerError, OwnerGoneError, PairInUseError
from splitmirror.reports import Status, UnreadablePair
from splitmirror.units import format_bytes, format_time, printable

catalog_option = click.option(
    "--catalog", type=click.Path(), help="The catalog's folder, if not beside the mirror."
)


@click.command("status")
@click.argument("mirror", type=click.Path())
@catalog_option
@common
def status_command(mirror: str, catalog: str | None, as_json: bool) -> None:
    """Show where the pair of a MIRROR stands, and what it asks for."""
    found = lookup.status(mirror, catalog=catalog)
    if found.owner_pid is not None:
        # Its answer has what goes on, and what it knows of changes.
        found = _told_by_owner(mirror, catalog) or found
    show(found, as_json)


def _told_by_owner(mirror: str, catalog: str | None) -> Status | None:
    """Ask the process that has the pair open; None when the files have to do."""
    from splitmirror.control import connect

    try:
        return connect(mirror, catalog=catalog).status()
    except (PairInUseError, OwnerGoneError, NoOwnerError):
        return None


@click.command("history")
@click.argument("mirror", type=click.Path())
@catalog_option
@common
def history_command(mirror: str, catalog: str | None, as_json: bool) -> None:
    """Show what happened to the pair of a MIRROR."""
    events = lookup.history(mirror, catalog=catalog)
    if as_json:
        show_entries("history", events)
        return
    show_table(("at", "event", "detail"), ([text for _, text in rows(event)] for event in events))


@click.command("list")
@click.argument("folder", type=click.Path(), default=".")
@common
def list_command(folder: str, as_json: bool) -> int:
    """Find the pairs below a FOLDER; exits 6 when the catalog of one cannot be read."""
    found = lookup.list_pairs(folder)
    if as_json:
        show_entries("list", found)
    elif found:
        heads = ("mirror", "state", "conditions", "label", "split at", "length", "source")
        show_table(heads, map(_line, found))
    else:
        click.echo(f"no pairs below {printable(folder)}")
    unreadable = any(isinstance(entry, UnreadablePair) for entry in found)
    return EXIT_INCOMPLETE if unreadable else 0


def _line(entry: Status | UnreadablePair) -> list[str]:
    if isinstance(entry, UnreadablePair):
        message = printable(str(entry.error.get("message", "")))
        return [printable(entry.mirror), "unreadable", message, "", "", "", ""]
    return [
        printable(entry.mirror),
        entry.state,
        ", ".join(entry.conditions),
        printable(entry.label or ""),
        "" if entry.split_at is None else format_time(entry.split_at),
        format_bytes(entry.length),
        printable(entry.source),
    ]


@click.command("doctor")
@click.argument("path", type=click.Path(), default=".")
@common
def doctor_command(path: str, as_json: bool) -> None:
    """Show what this kernel, the file system of PATH and this user allow."""
    checks = lookup.doctor(path)
    if as_json:
        show_entries("doctor", checks)
        return
    words = {True: "yes", False: "no", None: "unknown"}
    show_table(
        ("check", "ok", "detail", "advice"),
        (
            (
                printable(item.check),
                words[item.ok],
                printable(item.detail),
                "" if item.ok else printable(item.advice),
            )
            for item in checks
        ),
    )
