"""Commands that bring the source back."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import click

from splitmirror.cli.confirm import ask, ask_for_source
from splitmirror.cli.hooking import HookFlags, hook_options, tell_failed_hooks
from splitmirror.cli.opened import OpenPair, open_pair
from splitmirror.cli.options import (
    accept_option,
    common,
    dry_run_option,
    pair_options,
    yes_option,
)
from splitmirror.cli.output import show
from splitmirror.cli.places import place_options
from splitmirror.cli.progress import progress
from splitmirror.cli.putting import file_options, restored_file
from splitmirror.cli.run import EXIT_INCOMPLETE
from splitmirror.reports import Receipt
from splitmirror.states import Condition, State
from splitmirror.units import format_bytes, printable

while_in_use_option = click.option(
    "--while-in-use", is_flag=True, help="Go on although other processes have the source open."
)
ignore_sidecars_option = click.option(
    "--ignore-sidecars", is_flag=True, help="Go on although there is, say, a newer -wal file."
)


@click.command("restore")
@pair_options
@click.option("--full", is_flag=True, help="Copy every block, not only what differs.")
@place_options
@file_options
@click.option("--to", type=click.Path(), help="Restore into this place; the source stays.")
@while_in_use_option
@ignore_sidecars_option
@click.option("--restart", is_flag=True, help="Begin an interrupted restore anew.")
@accept_option
@hook_options("restore")
@dry_run_option
@yes_option
@common
def restore_command(
    mirror: str,
    source: str | None,
    catalog: str | None,
    full: bool,
    places: dict[str, Any],
    elsewhere: dict[str, Any],
    to: str | None,
    while_in_use: bool,
    ignore_sidecars: bool,
    restart: bool,
    accept: tuple[str, ...],
    hooks: HookFlags,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Bring the source back to the MIRROR's point in time; the mirror is not written."""
    if to is not None:
        hooks.not_with("--to")
    if elsewhere["into"] is not None:
        hooks.not_with("--into")
    asked = {"dry_run": dry_run, "yes": yes, "as_json": as_json}
    if restored_file(mirror, catalog, places, to, elsewhere, **asked):
        return 0
    with open_pair(mirror, source, catalog) as pair:
        if dry_run:
            _show_plan(pair, full=full, places=places, to=to, as_json=as_json)
            return 0
        existing = to is not None and os.path.lexists(to)
        # In any other state the restore is refused; a question before that would mislead.
        if to is None and pair.state == State.SPLIT:
            ask_for_source(pair, yes=yes, as_json=as_json)
        elif to is not None and existing:
            ask(f"This overwrites {printable(to)}.", yes=yes, as_json=as_json)
        with progress(as_json) as watch:
            receipt = pair.restore(
                full=full,
                to=to,
                overwrite=existing,
                restart=restart,
                while_in_use=while_in_use,
                ignore_sidecars=ignore_sidecars,
                accept=accept,
                hooks=None if to is not None else hooks.of(pair),
                progress=watch,
                **places,
            )
        return show_receipt(receipt, as_json)


@click.command("resume-restore")
@pair_options
@while_in_use_option
@ignore_sidecars_option
@accept_option
@hook_options("restore")
@dry_run_option
@yes_option
@common
def resume_restore_command(
    mirror: str,
    source: str | None,
    catalog: str | None,
    while_in_use: bool,
    ignore_sidecars: bool,
    accept: tuple[str, ...],
    hooks: HookFlags,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Go on with an interrupted restore; what was written through the pair since stays."""
    with open_pair(mirror, source, catalog) as pair:
        if dry_run:
            show(pair.status(), as_json)
            return 0
        if Condition.RESTORE_PENDING in pair.conditions:
            ask_for_source(pair, yes=yes, as_json=as_json)
        with progress(as_json) as watch:
            receipt = pair.resume_restore(
                while_in_use=while_in_use,
                ignore_sidecars=ignore_sidecars,
                accept=accept,
                hooks=hooks.of(pair),
                progress=watch,
            )
        return show_receipt(receipt, as_json)


@click.command("abandon-restore")
@pair_options
@yes_option
@common
def abandon_restore_command(
    mirror: str, source: str | None, catalog: str | None, yes: bool, as_json: bool
) -> None:
    """Give up an interrupted restore; what is not restored stays as it is."""
    with open_pair(mirror, source, catalog) as pair:
        if Condition.RESTORE_PENDING in pair.conditions:
            found = pair.status()
            ask(
                f"This leaves {found.pending_blocks:,} blocks of {printable(found.source)} "
                f"({format_bytes(found.pending_blocks * found.block_size)}) unrestored.",
                yes=yes,
                as_json=as_json,
            )
        show(pair.abandon_restore(), as_json)


def _show_plan(
    pair: OpenPair,
    *,
    full: bool,
    places: dict[str, Any],
    to: str | None,
    as_json: bool,
) -> None:
    # Nothing in another place can be known to be the same already.
    full = full or (to is not None and not any(places.values()))
    plan = pair.plan_restore(full=full, **places).report
    show(plan if to is None else replace(plan, overwrites=printable(to)), as_json)


def show_receipt(receipt: Receipt, as_json: bool) -> int:
    """Write a receipt; the exit code tells whether all was restored, and no hook failed."""
    show(receipt, as_json)
    code = tell_failed_hooks(receipt.hooks, as_json)
    return code if receipt.complete else EXIT_INCOMPLETE
