"""Commands for what runs, or is to run, in the process that has a pair open."""

from __future__ import annotations

from typing import Any, get_args

import click

from splitmirror.cli.confirm import ask_for_source
from splitmirror.cli.hooking import HookFlags, hook_options, tell_failed_hooks
from splitmirror.cli.opened import owned_pair
from splitmirror.cli.options import accept_option, common, pair_options, size, yes_option
from splitmirror.cli.output import show
from splitmirror.cli.places import place_options
from splitmirror.cli.restoring import ignore_sidecars_option
from splitmirror.control.waiting import Goal, wait_for
from splitmirror.errors import StateError
from splitmirror.states import Condition, State

_NOTHING_RUNS = "so nothing runs"


@click.command("start-restore")
@pair_options
@click.option("--full", is_flag=True, help="Copy every block, not only what differs.")
@place_options
@ignore_sidecars_option
@click.option("--restart", is_flag=True, help="Begin an interrupted restore anew.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted restore.")
@click.option("--throttle", type=size, metavar="BYTES", help="Copy at most so much a second (10M).")
@accept_option
@hook_options("restore")
@yes_option
@common
def start_restore_command(
    mirror: str,
    source: str | None,
    catalog: str | None,
    full: bool,
    places: dict[str, Any],
    ignore_sidecars: bool,
    restart: bool,
    resume: bool,
    throttle: int | None,
    accept: tuple[str, ...],
    hooks: HookFlags,
    yes: bool,
    as_json: bool,
) -> int:
    """Bring the source back to the MIRROR's point in time, while the application runs on.

    It has taken effect when the command ends; the process that has the pair open copies behind.
    """
    with owned_pair(
        mirror,
        source,
        catalog,
        needed="somebody has to copy when this command has ended. 'splitmirror mount' opens it "
        "for programs; 'splitmirror restore' copies at once",
    ) as pair:
        pending = Condition.RESTORE_PENDING in pair.conditions
        # In any other state it is refused; a question before that would mislead.
        if pair.state == State.SPLIT and pending == (resume or restart):
            ask_for_source(pair, yes=yes, as_json=as_json)
        job = pair.start_restore(
            full=full,
            restart=restart,
            resume=resume,
            ignore_sidecars=ignore_sidecars,
            throttle=throttle,
            accept=accept,
            hooks=hooks.of(pair),
            **places,
        )
        show(job.report, as_json)
        return tell_failed_hooks(job.report.hooks, as_json)


@click.command("pause")
@pair_options
@common
def pause_command(mirror: str, source: str | None, catalog: str | None, as_json: bool) -> None:
    """Stop the copying of a restore from the MIRROR that runs in the background.

    It stays in effect, durably: what is not copied yet is read from the mirror. start-restore
    --resume goes on.
    """
    with owned_pair(mirror, source, catalog, needed=_NOTHING_RUNS) as pair:
        job = pair.restore_job
        if job is None:
            status = pair.status()
            raise StateError(
                "no restore copies in the background",
                verb="pause",
                state=str(status.state),
                legal=list(status.next),
            )
        job.pause()
        show(job.report, as_json)


@click.command("cancel")
@pair_options
@common
def cancel_command(mirror: str, source: str | None, catalog: str | None, as_json: bool) -> None:
    """Stop the verbs of the MIRROR's pair that are under way in another process.

    They end as by Ctrl-C, and can be called again. Whoever called them gets exit code 6.
    """
    with owned_pair(mirror, source, catalog, needed=_NOTHING_RUNS) as pair:
        show(pair.cancel(), as_json)


@click.command("flush")
@pair_options
@common
def flush_command(mirror: str, source: str | None, catalog: str | None, as_json: bool) -> None:
    """Make durable what was written through the pair of the MIRROR, and show where it stands."""
    with owned_pair(
        mirror, source, catalog, needed="what was written through it was made durable at its close"
    ) as pair:
        pair.flush()
        show(pair.status(), as_json)


@click.command("wait")
@click.argument("mirror", type=click.Path())
@click.option(
    "--for",
    "goal",
    type=click.Choice(get_args(Goal)),
    required=True,
    help="A state; idle: nothing is under way; restored: no restore is pending or copying.",
)
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Exits 7 then.")
@click.option(
    "--catalog", type=click.Path(), help="The catalog's folder, if not beside the mirror."
)
@common
def wait_command(
    mirror: str, goal: Goal, timeout: float | None, catalog: str | None, as_json: bool
) -> None:
    """Wait until the pair of a MIRROR is as wanted, whoever brings it there; show its status."""
    show(wait_for(mirror, goal, timeout=timeout, catalog=catalog), as_json)
