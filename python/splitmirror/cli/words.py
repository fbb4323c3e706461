"""Advice of the core in the words of the command line.

The core advises in terms of Python: ``split(as_of_last_establish=True)``. Whoever sits at a
terminal wants ``'splitmirror split --as-of-last-establish'``. Scripts get the message as it is.
"""

from __future__ import annotations

import re

from splitmirror.cli.app import COMMANDS, PROGRAM

__all__ = ["in_command_words"]

FLAGS = {
    "as_of_last_establish",
    "force",
    "from_medium",
    "full",
    "ignore_sidecars",
    "overwrite",
    "restart",
    "resume",
    "while_in_use",
}
OPTION = r"(?P<name>[a-z_]+)=(?P<value>True|\{[^{}]*\}|)"
CALL = re.compile(rf"\b(?P<verb>[a-z_]+)\((?:{OPTION})?\)")
BARE = re.compile(rf"(?<![\w(-]){OPTION}(?![\w'\"])")


def in_command_words(text: str) -> str:
    """Replace calls and options that the command line has too; leave everything else."""
    return BARE.sub(_bare, CALL.sub(_call, text))


def _call(found: re.Match[str]) -> str:
    command = found["verb"].replace("_", "-")
    option = "" if found["name"] is None else _option(found["name"], found["value"])
    if command not in COMMANDS or option is None:
        return found[0]
    return f"'{PROGRAM} {command}{option and ' ' + option}'"


def _bare(found: re.Match[str]) -> str:
    return _option(found["name"], found["value"]) or found[0]


def _option(name: str, value: str) -> str | None:
    if name in FLAGS and value == "True":
        return "--" + name.replace("_", "-")
    if name == "accept" and value.startswith("{"):
        named = re.findall(r"[a-z-]+", value)
        return " ".join(f"--accept {condition}" for condition in named or ["NAME"])
    if name in ("catalog", "source") and not value:
        return f"--{name}"
    return None
