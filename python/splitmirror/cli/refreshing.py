"""The command for every night: a new point in time, on one mirror or on the next of several."""

from __future__ import annotations

from dataclasses import replace

import click

from splitmirror._rotation import choose
from splitmirror.cli.confirm import ask_for_point
from splitmirror.cli.hooking import HookFlags, hook_options, tell_failed_hooks
from splitmirror.cli.mirroring import force_option, label_option, require_option
from splitmirror.cli.opened import open_pair
from splitmirror.cli.options import accept_option, common, dry_run_option, yes_option
from splitmirror.cli.output import show
from splitmirror.cli.progress import progress
from splitmirror.errors import StalePlanError
from splitmirror.reports import OldestMirror


@click.command("refresh")
@click.option("--source", type=click.Path(), help="Where the source is now, if it was moved.")
@click.option(
    "--catalog", type=click.Path(), help="The catalog's folder, if not beside the mirror."
)
@click.argument("mirror", type=click.Path(), nargs=-1, required=True)
@click.option(
    "--oldest",
    is_flag=True,
    help="The one whose point in time is the oldest, of these mirrors and their siblings.",
)
@label_option
@force_option
@accept_option
@require_option
@hook_options("split")
@dry_run_option
@yes_option
@common
def refresh_command(
    mirror: tuple[str, ...],
    source: str | None,
    catalog: str | None,
    oldest: bool,
    label: str | None,
    force: bool,
    accept: tuple[str, ...],
    require: str | None,
    hooks: HookFlags,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Take a new point in time on the MIRROR: establish and split, for nightly use.

    With --oldest, several mirrors of a source take turns; --dry-run then only names the next.
    """
    chosen = None
    if oldest:
        if catalog is not None:
            raise click.UsageError("--catalog is of one mirror; --oldest chooses among several")
        choice = choose(mirror)
        path, chosen = str(choice.path), choice.report
        if dry_run:
            _show_choice(chosen, as_json)
            return 0
        if not as_json:
            _show_choice(chosen, as_json)
    elif len(mirror) > 1:
        raise click.UsageError("several mirrors: --oldest chooses one of them")
    else:
        (path,) = mirror
    with open_pair(path, source, catalog) as pair:
        if dry_run:
            show(pair.plan_establish(force=force).report, as_json)
            return 0
        if chosen is not None and pair.status().generation != chosen.generation:
            raise StalePlanError(f"{chosen.mirror} was split meanwhile; choose again")
        ask_for_point(pair, yes=yes, as_json=as_json)
        with progress(as_json) as watch:
            report = pair.refresh(
                label=label,
                force=force,
                accept=accept,
                require=require,
                hooks=hooks.of(pair),
                progress=watch,
            )
        if chosen is not None and as_json:
            show(replace(chosen, refresh=report), as_json)
        else:
            show(report, as_json)
        return tell_failed_hooks(report.split.hooks, as_json)


def _show_choice(chosen: OldestMirror, as_json: bool) -> None:
    if as_json:
        show(chosen, as_json)
        return
    # What will be done comes first, in a few lines; the report of it follows.
    click.echo(f"next: {chosen.mirror}: {chosen.why}")
    for each in chosen.passed_over:
        click.echo(f"passed over: {each.in_line()}")
