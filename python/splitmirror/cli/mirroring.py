"""Commands that fill and freeze the mirror."""

from __future__ import annotations

import click

from splitmirror.cli.confirm import ask_for_point
from splitmirror.cli.hooking import HookFlags, hook_options, tell_failed_hooks
from splitmirror.cli.opened import open_pair
from splitmirror.cli.options import (
    accept_option,
    common,
    dry_run_option,
    pair_options,
    yes_option,
)
from splitmirror.cli.output import show
from splitmirror.cli.progress import progress

require_option = click.option(
    "--require",
    type=click.Choice(["application", "flushed", "crash"]),
    help="Refuse a point in time that is less consistent.",
)
force_option = click.option("--force", is_flag=True, help="Copy every block.")
label_option = click.option("--label", help="A name for the point in time.")


@click.command("establish")
@pair_options
@force_option
@accept_option
@dry_run_option
@yes_option
@common
def establish_command(
    mirror: str,
    source: str | None,
    catalog: str | None,
    force: bool,
    accept: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Make the MIRROR equal to its source and keep it so; resumes when interrupted."""
    with open_pair(mirror, source, catalog) as pair:
        if dry_run:
            show(pair.plan_establish(force=force).report, as_json)
            return
        ask_for_point(pair, yes=yes, as_json=as_json)
        with progress(as_json) as watch:
            report = pair.establish(force=force, accept=accept, progress=watch)
        show(report, as_json)


@click.command("split")
@pair_options
@label_option
@click.option(
    "--as-of-last-establish",
    is_flag=True,
    help="Keep the mirror as it is although the source was written since.",
)
@require_option
@hook_options("split")
@common
def split_command(
    mirror: str,
    source: str | None,
    catalog: str | None,
    label: str | None,
    as_of_last_establish: bool,
    require: str | None,
    hooks: HookFlags,
    as_json: bool,
) -> int:
    """Freeze the MIRROR as a point in time; exits 6 when a hook failed."""
    with open_pair(mirror, source, catalog) as pair:
        report = pair.split(
            label=label,
            as_of_last_establish=as_of_last_establish,
            require=require,
            hooks=hooks.of(pair),
        )
        show(report, as_json)
        return tell_failed_hooks(report.hooks, as_json)
