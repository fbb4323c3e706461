"""Options that give a verb its hooks, and what a command says about hooks that failed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import click

from splitmirror.cli.opened import OpenPair
from splitmirror.cli.run import EXIT_INCOMPLETE
from splitmirror.config import KEYS, load
from splitmirror.errors import ArgumentError
from splitmirror.hooks import HookReport, Hooks
from splitmirror.units import printable

__all__ = ["HookFlags", "hook_options", "tell_failed_hooks"]

Command = TypeVar("Command", bound=Callable[..., Any])
Round: TypeAlias = Literal["split", "restore"]

_ROUND: dict[Round, tuple[str, ...]] = {
    "split": ("freeze", "thaw"),
    "restore": ("stop", "unmount", "mount", "start"),
}
_NONE = "no_hooks"


@dataclass(frozen=True, slots=True)
class HookFlags:
    """What the options say: nothing, some hooks, or that there are to be none.

    Attributes:
        texts: the options that were given, as splitmirror.config.load() takes them.
        none: --no-hooks was given.
    """

    texts: Mapping[str, str]
    none: bool = False

    def of(self, pair: OpenPair) -> Hooks | None:
        """Give the hooks for a verb of the pair; None: those of its configuration.

        Raises:
            ConfigError: some hooks were given, and the configuration has others but cannot be
                used.
        """
        if self.none:
            return Hooks()
        return load(pair.catalog_path, self.texts).hooks if self.texts else None

    def not_with(self, option: str) -> None:
        """Refuse hooks together with an option that leaves the source alone."""
        if self.texts:
            raise click.UsageError(f"{option} does not touch the source: it excludes hooks")


def hook_options(*rounds: Round) -> Callable[[Command], Command]:
    """Add the options for hooks round a split or a restore; the command gets them as ``hooks``."""
    names = [name for which in rounds for name in _ROUND[which]] + ["timeout"]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def gathered(**given: Any) -> Any:
            none = given.pop(_NONE)
            texts = {f"hooks.{name}": given.pop(f"hook_{name}") for name in names}
            flags = HookFlags({key: text for key, text in texts.items() if text is not None}, none)
            if none and flags.texts:
                raise click.UsageError("--no-hooks excludes the options that give hooks")
            return command(hooks=flags, **given)

        wrapped: Any = gathered
        for option in reversed([*map(_option, names), _no_hooks]):
            wrapped = option(wrapped)
        return wrapped  # type: ignore[no-any-return]

    return decorate


_no_hooks = click.option(
    "--no-hooks", _NONE, is_flag=True, help="Run none, whatever the configuration says."
)


def _option(name: str) -> Callable[[Command], Command]:
    key = KEYS[f"hooks.{name}"]
    timeout = name == "timeout"
    return click.option(
        "--hook-timeout" if timeout else f"--{name}",
        f"hook_{name}",
        metavar="SECONDS" if timeout else "COMMAND",
        callback=lambda _, __, text: _checked(key.name, text),
        help="How long each hook may take." if timeout else f"Run this {key.about}.",
    )


def _checked(name: str, text: str | None) -> str | None:
    try:
        if text is not None:
            KEYS[name].from_text(text)
    except ArgumentError as error:
        raise click.BadParameter(printable(error.message)) from None
    return text


def tell_failed_hooks(reports: Iterable[HookReport], as_json: bool) -> int:
    """Write a line to stderr for each hook that failed; gives the exit code that they ask for.

    What the verb did is done, and told on stdout. But whoever asked for hooks must learn that an
    application may be frozen or not running. A JSON document has them already.
    """
    failed = [report.warning for report in reports if not report.ok]
    for warning in () if as_json else failed:
        click.echo(printable(warning), err=True)
    return EXIT_INCOMPLETE if failed else 0
