"""Commands that show what a verb would copy, and write nothing."""

from __future__ import annotations

from typing import Any

import click

from splitmirror.cli.opened import open_pair
from splitmirror.cli.options import common, pair_options
from splitmirror.cli.output import show
from splitmirror.cli.places import place_options


@click.group("plan")
def plan_command() -> None:
    """Show what establish or restore would copy, why, and the free space it needs."""


@plan_command.command("establish")
@pair_options
@click.option("--force", is_flag=True, help="Plan to copy every block.")
@common
def plan_establish_command(
    mirror: str, source: str | None, catalog: str | None, force: bool, as_json: bool
) -> None:
    """Show what establish would copy to the MIRROR."""
    with open_pair(mirror, source, catalog) as pair:
        show(pair.plan_establish(force=force).report, as_json)


@plan_command.command("restore")
@pair_options
@click.option("--full", is_flag=True, help="Plan to copy every block.")
@place_options
@common
def plan_restore_command(
    mirror: str,
    source: str | None,
    catalog: str | None,
    full: bool,
    places: dict[str, Any],
    as_json: bool,
) -> None:
    """Show what restore would copy to the source of the MIRROR."""
    with open_pair(mirror, source, catalog) as pair:
        show(pair.plan_restore(full=full, **places).report, as_json)
