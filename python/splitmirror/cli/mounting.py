"""Commands that mount a volume and unmount it."""

from __future__ import annotations

import json
import logging
import os
from contextlib import ExitStack

import click

from splitmirror.cli.options import common, log_to_stderr, pair_options
from splitmirror.cli.output import show
from splitmirror.errors import SplitMirrorError
from splitmirror.pair import MirrorPair
from splitmirror.reports import MountReport
from splitmirror.units import printable


@click.command("mount")
@pair_options
# Not as click.Path: that looks at it, and a mount that hangs would not answer.
@click.argument("mountpoint", required=False)
@click.option("--foreground", is_flag=True, help="Serve in this process, until a signal.")
@click.option("--threads", type=int, help="How many serve.")
@click.option("--allow-other/--no-allow-other", default=None, help="Other users may use it, too.")
@click.option("--log", type=click.Path(), help="Where the serving process writes what it says.")
@click.option("--ready-fd", type=int, hidden=True)
@common
def mount_command(
    mirror: str,
    source: str | None,
    catalog: str | None,
    mountpoint: str | None,
    foreground: bool,
    threads: int | None,
    allow_other: bool | None,
    log: str | None,
    ready_fd: int | None,
    as_json: bool,
) -> None:
    """Mount the volume of a MIRROR on the empty folder MOUNTPOINT, for any program to use.

    What is not said is taken from the pair's configuration; see the command config.
    """
    if not foreground:
        from splitmirror.mounts import mount

        mounted = mount(
            mirror,
            mountpoint,
            source=source,
            catalog=catalog,
            threads=threads,
            allow_other=allow_other,
            log=log,
        )
        show(mounted.report, as_json)
        return
    if log is not None:
        raise click.UsageError("--log is for the process in the background")
    from splitmirror.mounts._serving import serve
    from splitmirror.mounts._settings import settled

    # Nobody may be looking: what goes wrong in it is written down.
    handlers = logging.getLogger("splitmirror").handlers
    if all(isinstance(handler, logging.NullHandler) for handler in handlers):
        log_to_stderr(click.get_current_context(), logging.WARNING)
    parent = _Parent(ready_fd)

    def ready(report: MountReport) -> None:
        if not parent.tell(mounted=report.to_dict()):
            show(report, as_json)

    try:
        with MirrorPair.open(mirror, source=source, catalog=catalog) as pair:
            settings = settled(
                pair.catalog_path,
                mountpoint=mountpoint,
                threads=threads,
                allow_other=allow_other,
            )
            serve(
                pair,
                settings,
                ready=ready,
                told=lambda sentence: click.echo(printable(sentence), err=True),
            )
    except SplitMirrorError as error:
        parent.tell(error=error.to_dict())
        raise


class _Parent:
    """Who started this process in the background, and waits for one line of JSON."""

    def __init__(self, descriptor: int | None) -> None:
        self._files = ExitStack()
        self._pipe = None
        if descriptor is not None:
            os.set_inheritable(descriptor, False)
            self._pipe = self._files.enter_context(os.fdopen(descriptor, "w"))

    def tell(self, **said: object) -> bool:
        """Say it and hang up; whether somebody was there."""
        if self._pipe is None:
            return False
        self._pipe.write(json.dumps(said) + "\n")
        self._files.close()
        self._pipe = None
        return True


@click.command("unmount")
@click.argument("place")
@click.option("--lazy", is_flag=True, help="Although it is in use: it ends with its last user.")
@click.option("--timeout", type=float, default=60.0, help="Seconds to wait for its process.")
@common
def unmount_command(place: str, lazy: bool, timeout: float, as_json: bool) -> None:
    """Unmount the volume on the folder, or of the mirror, PLACE; wait until its pair is closed."""
    from splitmirror.mounts import unmount

    show(unmount(place, lazily=lazy, timeout=timeout), as_json)
