"""Which formats there are: the built-in ones, and those that entry points name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, BinaryIO

from splitmirror.errors import ArgumentError, FormatError
from splitmirror.formats._interface import Format
from splitmirror.formats._plugin import Plugin
from splitmirror.units import printable

__all__ = ["GROUP", "available", "choose"]

GROUP = "splitmirror.formats"
"""The group of entry points that lead to formats."""

# Known here too: without an installation, or with an old one, there are no entry points.
_BUILT_IN = {
    "npy": "splitmirror.formats.npy:Npy",
    "npz": "splitmirror.formats.npz:Npz",
    "hdf5": "splitmirror.formats.hdf5:Hdf5",
}

_log = logging.getLogger("splitmirror.formats")


def available() -> list[str]:
    """Give the names of the formats, in the order in which a file is offered to them."""
    return list(_entries())


def choose(name: str | None, open_file: Callable[[], BinaryIO]) -> Plugin:
    """Give the format of that name, or else the first that recognises the file.

    Args:
        name: of a format, or None.
        open_file: gives the file anew, at position 0; it is closed here.

    Raises:
        ArgumentError: there is no format of that name, or none recognises the file.
        FormatError: a plug-in cannot be loaded, or failed.
    """
    entries = _entries()
    if name is not None:
        if name not in entries:
            raise ArgumentError(
                f"there is no format {name!r}, only {', '.join(map(printable, entries))}",
                argument="format",
            )
        return _load(entries[name])
    for entry in entries.values():
        plugin = _load(entry)
        with open_file() as file:
            if plugin.recognises(file):
                return plugin
    raise ArgumentError(
        f"none of the formats {', '.join(map(printable, entries))} recognises the mirror; name "
        "one with format=, or restore ranges",
        argument="format",
    )


def _entries() -> dict[str, EntryPoint]:
    entries = {name: EntryPoint(name, value, GROUP) for name, value in _BUILT_IN.items()}
    for entry in sorted(entry_points(group=GROUP), key=lambda found: (found.name, found.value)):
        taken = entries.setdefault(entry.name, entry)
        if taken.value != entry.value:
            _log.warning("the format %s of %s is %s's", entry.name, entry.value, taken.value)
    return entries


def _load(entry: EntryPoint) -> Plugin:
    origin = entry.value if entry.dist is None else f"{entry.value} of {entry.dist.name}"
    try:
        found: Any = entry.load()
        found = found() if isinstance(found, type) else found
    except Exception as error:
        raise FormatError(
            f"the plug-in {printable(origin)} for the format {printable(entry.name)!r} cannot be "
            f"loaded: {type(error).__name__}: {printable(str(error))}; format= chooses another",
            format=entry.name,
            plugin=origin,
        ) from error
    if not isinstance(found, Format) or found.name != entry.name:
        raise FormatError(
            f"the plug-in {printable(origin)} is no format {printable(entry.name)!r}: it needs "
            "that name, recognises(), members() and extents()",
            format=entry.name,
            plugin=origin,
        )
    return Plugin(entry.name, found, origin)
