"""The tree of commands. A command's code is imported when it runs, so each starts fast."""

from __future__ import annotations

from importlib import import_module

import click

__all__ = ["PROGRAM", "app"]

PROGRAM = "splitmirror"

# Name: (module, help line). The help lines are here so that --help imports no command.
COMMANDS = {
    "create": ("pairing", "Make a pair of a source and a mirror."),
    "establish": ("mirroring", "Make the mirror equal to the source and keep it so."),
    "split": ("mirroring", "Freeze the mirror as a point in time."),
    "refresh": ("refreshing", "Take a new point in time: establish and split."),
    "restore": ("restoring", "Bring the source back; the mirror stays split."),
    "start-restore": ("running", "Begin a restore that copies behind the application."),
    "pause": ("running", "Stop the copying of such a restore; it stays in effect."),
    "resume-restore": ("restoring", "Go on with an interrupted restore."),
    "abandon-restore": ("restoring", "Give up an interrupted restore."),
    "heal": ("healing", "Restore what was written during a restore."),
    "repair": ("healing", "Rebuild a mirror from another of the same source."),
    "plan": ("planning", "Show what establish or restore would copy."),
    "members": ("places", "List what restore can bring back alone."),
    "ls": ("browsing", "List a folder of the file system on a split mirror."),
    "cat": ("browsing", "Write a file of it to stdout."),
    "extract": ("browsing", "Copy a file or folder out of it."),
    "verify": ("checking", "Compare source and mirror."),
    "seal": ("checking", "Record the digests of the mirror's blocks."),
    "scrub": ("checking", "Compare the mirror with its seal."),
    "status": ("inspecting", "Show where a pair stands and what it asks for."),
    "wait": ("running", "Wait until a pair is as wanted."),
    "cancel": ("running", "Stop the verbs that are under way elsewhere."),
    "flush": ("running", "Make durable what was written through a pair."),
    "history": ("inspecting", "Show what happened to a pair."),
    "list": ("inspecting", "Find the pairs below a folder."),
    "config": ("configuring", "Show and change what a pair's verbs do by themselves."),
    "doctor": ("inspecting", "Show what this kernel, file system and user allow."),
    "mount": ("mounting", "Serve a volume as a file that any program can use."),
    "unmount": ("mounting", "Unmount a volume."),
    "hold": ("pairing", "Protect a split mirror."),
    "release": ("pairing", "Take back a hold."),
    "adopt": ("pairing", "Make a pair of a mirror that was moved or copied."),
    "detach": ("pairing", "End a pair; both files stay."),
    "demo": ("extras", "See it work on a real database."),
    "completion": ("extras", "Print the completion script of a shell."),
    "version": ("extras", "Print the version."),
}


class LazyGroup(click.Group):
    """Finds a command's module by the table above."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Give the names in the order of the table, which is that of use."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import and give a command."""
        if name not in COMMANDS:
            return None
        module = import_module(f"splitmirror.cli.{COMMANDS[name][0]}")
        found = getattr(module, name.replace("-", "_") + "_command")
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from splitmirror import __version__

        click.echo(f"{PROGRAM} {__version__}")
        context.exit()


EPILOG = """Exit codes: 0 ok, 1 failed, 2 usage, 3 wrong state, 4 data differs, 5 in use,
6 degraded or incomplete, 7 waited too long, 8 refused by protection,
130 and 143 stopped by a signal."""


@click.group(
    cls=LazyGroup,
    name=PROGRAM,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def app() -> None:
    """Keep a mirror of a file or device that stays good when the source goes bad.

    A pair is named by the path of its MIRROR. Every command takes --json.
    """
