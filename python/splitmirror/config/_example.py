"""A commented file with every key, as `splitmirror config --example` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from splitmirror.config._keys import KEYS

__all__ = ["EXAMPLE"]

_HEAD = """\
# The configuration of a pair: config.toml in the folder of its catalog, mode 0600.
# Options of a command and the variables named here come before it. A command is a text that
# is taken apart as a shell would, or a list of words; no shell runs it.
"""

_TABLES = {
    "hooks": "What the application does before and after a split or a restore.",
    "restore": "How the source is restored.",
    "mount": "How the volume is mounted.",
}


def _lines() -> Iterator[str]:
    table = ""
    for key in KEYS.values():
        if key.table != table:
            table = key.table
            yield from ("", f"# {_TABLES[table]}", f"[{table}]")
        yield f"# {key.about} ({key.variable})"
        yield f"# {key.field} = {key.example}"


EXAMPLE = _HEAD + "".join(f"{line}\n" for line in _lines())
"""The text; each key is commented out, so as it stands it changes nothing."""
