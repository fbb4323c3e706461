"""Commands that read the data and say whether it is right."""

from __future__ import annotations

import click

from splitmirror.cli.opened import open_pair
from splitmirror.cli.options import accept_option, common, pair_options
from splitmirror.cli.output import show
from splitmirror.cli.progress import progress
from splitmirror.cli.run import EXIT_DIFFERS


@click.command("verify")
@pair_options
@click.option("--from-medium", is_flag=True, help="Read past the page cache.")
@common
def verify_command(
    mirror: str, source: str | None, catalog: str | None, from_medium: bool, as_json: bool
) -> int:
    """Compare the MIRROR with its source; exits 4 when they differ."""
    with open_pair(mirror, source, catalog) as pair:
        with progress(as_json) as watch:
            report = pair.verify(from_medium=from_medium, progress=watch)
        show(report, as_json)
        return 0 if report.matches else EXIT_DIFFERS


@click.command("seal")
@pair_options
@accept_option
@common
def seal_command(
    mirror: str,
    source: str | None,
    catalog: str | None,
    accept: tuple[str, ...],
    as_json: bool,
) -> None:
    """Record the digests of the MIRROR's blocks, with one root digest."""
    with open_pair(mirror, source, catalog) as pair:
        with progress(as_json) as watch:
            report = pair.seal(accept=accept, progress=watch)
        show(report, as_json)


@click.command("scrub")
@pair_options
@common
def scrub_command(mirror: str, source: str | None, catalog: str | None, as_json: bool) -> int:
    """Compare the MIRROR with its seal; exits 4 when it is not intact."""
    with open_pair(mirror, source, catalog) as pair:
        with progress(as_json) as watch:
            report = pair.scrub(progress=watch)
        show(report, as_json)
        return 0 if report.intact else EXIT_DIFFERS
