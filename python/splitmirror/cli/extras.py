"""Commands round the product: the demonstration, shell completion, the version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from splitmirror._document import Document
from splitmirror.cli.app import PROGRAM, app
from splitmirror.cli.options import common, size
from splitmirror.cli.output import show_json


@click.command("demo")
@click.option("--live", is_flag=True, help="Under an application that reads and writes on.")
@click.option("--mount", is_flag=True, help="On a mounted volume, with a file system on it.")
@click.option("--size", type=size, default="64M", help="Of the database or file, at least.")
@click.option("--folder", type=click.Path(), help="Where to work; default: a temporary folder.")
@click.option("--keep", is_flag=True, help="Leave the files for a look at them.")
@common
def demo_command(
    live: bool, mount: bool, size: int, folder: str | None, keep: bool, as_json: bool
) -> int:
    """Corrupt a real SQLite database twice and get it back twice from one mirror.

    With --live, a file whose application goes on meanwhile, and through both restores. With
    --mount, a database on ext4 on a mounted volume, whose hooks stop and start it. Exits 1 when
    anything does not hold.
    """
    from splitmirror.demo import run_demo, run_live_demo, run_mounted_demo

    if live and mount:
        raise click.UsageError("--live and --mount exclude each other")
    run: Callable[..., Document] = run_demo
    if live or mount:
        run = run_live_demo if live else run_mounted_demo
    result: Any = run(size, folder, say=_silent if as_json else click.echo, keep=keep)
    if as_json:
        show_json(result.to_dict())
    return 0 if result.passed else 1


def _silent(text: str) -> None:
    """Say nothing: stdout belongs to the JSON document."""


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common
def completion_command(shell: str, as_json: bool) -> None:
    """Print the completion script of a SHELL.

    For bash: splitmirror completion bash > ~/.local/share/bash-completion/completions/splitmirror
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    script = found(app, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source()
    if as_json:
        show_json({"schema": 1, "kind": "completion", "shell": shell, "script": script})
    else:
        click.echo(script)


@click.command("version")
@common
def version_command(as_json: bool) -> None:
    """Print the version."""
    from splitmirror import __version__

    if as_json:
        show_json({"schema": 1, "kind": "version", "version": __version__})
    else:
        click.echo(f"{PROGRAM} {__version__}")
