"""Commands that put right what another verb left: a restored source, a broken mirror."""

from __future__ import annotations

import json
from typing import TextIO

import click

from splitmirror.cli.confirm import ask, ask_for_point
from splitmirror.cli.hooking import HookFlags, hook_options
from splitmirror.cli.opened import open_pair
from splitmirror.cli.options import accept_option, common, pair_options, yes_option
from splitmirror.cli.output import show
from splitmirror.cli.progress import progress
from splitmirror.cli.restoring import (
    ignore_sidecars_option,
    show_receipt,
    while_in_use_option,
)
from splitmirror.reports import Receipt
from splitmirror.states import Condition, State
from splitmirror.units import format_bytes, printable


@click.command("heal")
@pair_options
@click.argument("receipt", type=click.File(encoding="utf-8"))
@while_in_use_option
@ignore_sidecars_option
@accept_option
@hook_options("restore")
@yes_option
@common
def heal_command(
    mirror: str,
    receipt: TextIO,
    source: str | None,
    catalog: str | None,
    while_in_use: bool,
    ignore_sidecars: bool,
    accept: tuple[str, ...],
    hooks: HookFlags,
    yes: bool,
    as_json: bool,
) -> int:
    """Restore the blocks that the application wrote during a restore from the MIRROR.

    RECEIPT is a file with what 'restore --json' printed; - reads it from stdin.
    """
    given = _read_receipt(receipt)
    with open_pair(mirror, source, catalog) as pair:
        # In any other state it is refused; a question before that would mislead.
        pending = Condition.RESTORE_PENDING in pair.conditions
        if pair.state == State.SPLIT and not pending and given.restore_id is not None:
            length = sum(run.length for run in given.provenance if run.origin == "app-written")
            ask(
                f"This overwrites {given.blocks_app_written:,} blocks of "
                f"{printable(given.source)} ({format_bytes(length)}) that were written "
                "during the restore.",
                yes=yes,
                as_json=as_json,
            )
        with progress(as_json) as watch:
            healed = pair.heal(
                given,
                while_in_use=while_in_use,
                ignore_sidecars=ignore_sidecars,
                accept=accept,
                hooks=hooks.of(pair),
                progress=watch,
            )
        return show_receipt(healed, as_json)


def _read_receipt(file: TextIO) -> Receipt:
    try:
        data = json.loads(file.read())
        if not isinstance(data, dict) or data.get("kind") != Receipt.kind:
            raise ValueError("it is not what 'restore --json' printed")
        return Receipt.from_dict(data)
    # Whatever else such a file can hold: a list where a number belongs, and the like.
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        name = printable(str(file.name))
        raise click.BadParameter(
            f"{name} holds no receipt: {error}", param_hint="'RECEIPT'"
        ) from None


@click.command("repair")
@pair_options
@click.option(
    "--from",
    "from_mirror",
    type=click.Path(),
    required=True,
    metavar="OTHER",
    help="The mirror to copy: a split one of the same source.",
)
@accept_option
@yes_option
@common
def repair_command(
    mirror: str,
    source: str | None,
    catalog: str | None,
    from_mirror: str,
    accept: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> None:
    """Rebuild the MIRROR from another one; the source is not read, and may be missing."""
    with open_pair(mirror, source, catalog) as pair:
        ask_for_point(pair, yes=yes, as_json=as_json)
        if pair.state == State.SYNCHRONIZED:
            # It may be all that there is of what the source last held.
            ask(
                f"This overwrites the mirror {printable(str(pair.mirror_path))}, which "
                "follows the source, with an earlier point in time.",
                yes=yes,
                as_json=as_json,
            )
        with progress(as_json) as watch:
            report = pair.repair(from_mirror, accept=accept, progress=watch)
        show(report, as_json)
