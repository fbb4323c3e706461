"""Commands that make, protect and end a pair."""

from __future__ import annotations

import os
import stat

import click

from splitmirror.cli.confirm import ask
from splitmirror.cli.opened import open_pair
from splitmirror.cli.options import common, dry_run_option, pair_options, size, yes_option
from splitmirror.cli.output import show, show_dry_run
from splitmirror.cli.progress import progress
from splitmirror.pair import MirrorPair
from splitmirror.units import printable

MODE = click.Choice(["shared", "exclusive"])


@click.command("create")
@click.argument("source", type=click.Path())
@click.argument("mirror", type=click.Path())
@click.option("--mode", type=MODE, default="shared", help="Who else may write the source.")
@click.option("--block-size", type=size, default="64K", help="A power of two, 4K to 4M.")
@click.option("--overwrite", is_flag=True, help="The mirror may exist; its data is given up.")
@click.option("--catalog", type=click.Path(), help="A folder for the catalog.")
@dry_run_option
@yes_option
@common
def create_command(
    source: str,
    mirror: str,
    mode: str,
    block_size: int,
    overwrite: bool,
    catalog: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Make a pair of a SOURCE and a MIRROR; establish then makes the first copy."""
    existing = overwrite and os.path.lexists(mirror)
    if dry_run:
        _show_dry_run(source, mirror, existing, as_json)
        return
    if existing:
        ask(f"This overwrites {printable(mirror)}.", yes=yes, as_json=as_json)
    with MirrorPair.create(
        source,
        mirror,
        mode="exclusive" if mode == "exclusive" else "shared",
        block_size=block_size,
        overwrite=overwrite,
        catalog=catalog,
    ) as pair:
        show(pair.status(), as_json)


def _show_dry_run(source: str, mirror: str, existing: bool, as_json: bool) -> None:
    length = _length(source)
    show_dry_run("create", mirror if existing else None, length, as_json)


def _length(source: str) -> int:
    found = os.stat(source)
    if not stat.S_ISBLK(found.st_mode):
        return found.st_size
    # Only the end of a device tells its length; opening a FIFO here would wait for ever.
    with open(source, "rb") as device:
        return device.seek(0, os.SEEK_END)


@click.command("adopt")
@click.argument("mirror", type=click.Path())
@click.argument("source", type=click.Path())
@click.option("--catalog", type=click.Path(), help="The catalog's folder, if not beside it.")
@click.option("--mode", type=MODE, default="shared", help="For a mirror without a catalog.")
@click.option("--block-size", type=size, default="64K", help="For a mirror without a catalog.")
@click.option("--accept", multiple=True, help='"unsealed": trust a mirror that has no seal.')
@common
def adopt_command(
    mirror: str,
    source: str,
    catalog: str | None,
    mode: str,
    block_size: int,
    accept: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a pair of a MIRROR that was moved or copied, and the SOURCE it belongs to."""
    with progress(as_json) as watch:
        pair = MirrorPair.adopt(
            mirror,
            source,
            catalog=catalog,
            block_size=block_size,
            mode="exclusive" if mode == "exclusive" else "shared",
            accept=accept,
            progress=watch,
        )
    with pair:
        show(pair.status(), as_json)


@click.command("detach")
@pair_options
@common
def detach_command(mirror: str, source: str | None, catalog: str | None, as_json: bool) -> None:
    """End the pair of a MIRROR: its catalog goes, both files stay."""
    with MirrorPair.open(mirror, source=source, catalog=catalog) as pair:
        show(pair.detach(), as_json)


@click.command("hold")
@pair_options
@click.option("--reason", help="Why, for whoever finds it.")
@common
def hold_command(
    mirror: str, source: str | None, catalog: str | None, reason: str | None, as_json: bool
) -> None:
    """Protect a split MIRROR: it cannot be established, detached or overwritten."""
    with open_pair(mirror, source, catalog) as pair:
        show(pair.hold(reason), as_json)


@click.command("release")
@pair_options
@common
def release_command(mirror: str, source: str | None, catalog: str | None, as_json: bool) -> None:
    """Take back the hold of a MIRROR."""
    with open_pair(mirror, source, catalog) as pair:
        show(pair.release(), as_json)
