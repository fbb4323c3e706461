"""The command that shows, checks and changes the configuration of a pair."""

from __future__ import annotations

import os

import click

from splitmirror import lookup
from splitmirror.cli.hooking import HookFlags, hook_options
from splitmirror.cli.inspecting import catalog_option
from splitmirror.cli.options import common
from splitmirror.cli.output import show_json, show_table
from splitmirror.config import EXAMPLE, NAME, change, settings
from splitmirror.reports import ConfigReport, SettingReport
from splitmirror.units import printable


@click.command("config")
@click.argument("mirror", type=click.Path(), required=False)
@catalog_option
@click.option("--check", is_flag=True, help="Only say whether the file can be used.")
@click.option("--example", is_flag=True, help="Print a commented file with every key.")
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="KEY=VALUE",
    help='Write it into the file (hooks.stop="systemctl stop shop"); can be repeated.',
)
@click.option(
    "--unset", multiple=True, metavar="KEY", help="Take it out of the file; can be repeated."
)
@hook_options("split", "restore")
@common
def config_command(
    mirror: str | None,
    catalog: str | None,
    check: bool,
    example: bool,
    given: tuple[str, ...],
    unset: tuple[str, ...],
    hooks: HookFlags,
    as_json: bool,
) -> None:
    """Show what holds for the pair of a MIRROR, and where each value is from.

    That is an option, the environment, the file config.toml in the folder of the catalog, or the
    default, in this order. A bad file exits with 2. --set and --unset write the file anew, so its
    comments are lost.
    """
    if example:
        _show_example(as_json)
        return
    if mirror is None:
        raise click.UsageError("Missing argument 'MIRROR'.")
    if hooks.none:
        raise click.UsageError("--no-hooks is for verbs")
    folder = lookup.catalog_folder(mirror, catalog=catalog)
    if given or unset:
        change(folder, dict(map(_pair, given)), unset=unset)
    path = os.path.join(folder, NAME)
    found = settings(folder, hooks.texts)
    report = ConfigReport(
        mirror=printable(os.path.realpath(mirror)),
        path=printable(path),
        exists=os.path.exists(path),
        settings=tuple(map(SettingReport.of, found)),
    )
    if as_json:
        show_json(report.to_dict())
    elif check:
        click.echo(f"{report.path}: {'ok' if report.exists else 'there is none'}")
    else:
        click.echo(f"{report.path}{'' if report.exists else ' (there is none)'}")
        lines = ((each.key, printable(each.value or "-"), each.where) for each in report.settings)
        show_table(("key", "value", "from"), lines)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{printable(text)} is not KEY=VALUE", param_hint="'--set'")
    return key.strip(), value


def _show_example(as_json: bool) -> None:
    if as_json:
        show_json({"schema": 1, "kind": "config-example", "text": EXAMPLE})
    else:
        click.echo(EXAMPLE, nl=False)
