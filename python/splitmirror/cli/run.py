"""From arguments to exit code: the one place where errors and signals become numbers."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import click

from splitmirror.cli.app import PROGRAM, app
from splitmirror.cli.output import ANSWERED
from splitmirror.cli.words import in_command_words
from splitmirror.errors import SplitMirrorError
from splitmirror.units import printable

__all__ = ["EXIT_DIFFERS", "EXIT_INCOMPLETE", "Terminated", "run"]

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_DIFFERS = 4
EXIT_INCOMPLETE = 6


class Terminated(KeyboardInterrupt):
    """A SIGTERM; it takes the same way out as a Ctrl-C, so that a verb stops cleanly."""


def run(arguments: list[str] | None = None) -> int:
    """Run the command with these arguments, or with those of the process."""
    given = sys.argv[1:] if arguments is None else arguments
    wants_json = "--json" in given
    restore_handler = _raise_on_sigterm()
    context: dict[str, bool] = {}
    try:
        result = app.main(given, prog_name=PROGRAM, standalone_mode=False, obj=context)
        sys.stdout.flush()
        # A command gives its exit code; --help and --version give click's.
        return result if isinstance(result, int) else 0
    except SplitMirrorError as error:
        return _failed(error.to_dict(), wants_json, notes=_notes(error))
    except click.UsageError as error:
        return _usage(error, wants_json)
    except click.ClickException as error:
        return _failed(_error("error", error.format_message(), EXIT_FAILED), wants_json)
    except (KeyboardInterrupt, click.Abort, EOFError) as stop:
        return _stopped(stop, wants_json, answered=context.get(ANSWERED, False))
    except BrokenPipeError:
        # Whoever read our output has gone (| head); the rest has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        return _failed(_error("io", str(error), EXIT_FAILED), wants_json)
    finally:
        restore_handler()


def _raise_on_sigterm() -> Callable[[], object]:
    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:
        # Not the main thread: signals are then somebody else's matter.
        return lambda: None
    return lambda: signal.signal(signal.SIGTERM, before)


def _stopped(stop: BaseException, wants_json: bool, *, answered: bool) -> int:
    # click turns a KeyboardInterrupt into an Abort; the notes on the pair are on the cause.
    cause = stop.__cause__ or stop.__context__ or stop
    cause = cause if isinstance(cause, KeyboardInterrupt) else stop
    terminated = isinstance(cause, Terminated)
    code = 128 + (signal.SIGTERM if terminated else signal.SIGINT)
    message = "terminated" if terminated else "interrupted"
    error = _error("interrupted", message, code)
    return _failed(error, wants_json, notes=_notes(cause), answered=answered)


def _usage(error: click.UsageError, wants_json: bool) -> int:
    if wants_json:
        return _failed(_error("usage", error.format_message(), EXIT_USAGE), wants_json)
    error.show()
    return EXIT_USAGE


def _error(kind: str, message: str, code: int) -> dict[str, Any]:
    return {"id": kind, "message": message, "fields": {}, "exit_code": code}


def _notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", ()))


def _failed(
    error: dict[str, Any],
    wants_json: bool,
    *,
    notes: list[str] | None = None,
    answered: bool = False,
) -> int:
    if notes:
        error["notes"] = notes
    if wants_json:
        click.echo(json.dumps({"error": error}), err=answered)
    else:
        lines = [f"{PROGRAM}: {error['message']}", *error.get("notes", ())]
        # Line breaks in a message are its own; whatever else is not printable came in a path.
        for line in in_command_words("\n".join(lines)).split("\n"):
            click.echo(printable(line), err=True)
    return int(error["exit_code"])
