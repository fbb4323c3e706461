"""Looking at pairs from outside: nothing is opened, locked or written.

All of this works beside the process that has the pair open.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from splitmirror import _core, errors
from splitmirror._guarded import advised
from splitmirror._logging import drain
from splitmirror._types import AnyPath
from splitmirror.reports import Check, Event, Status, UnreadablePair

__all__ = ["doctor", "history", "list_pairs", "oldest", "status"]


def status(mirror: AnyPath, *, catalog: AnyPath | None = None) -> Status:
    """Tell where the pair of a mirror stands.

    Args:
        mirror: the mirror's path; the catalog is found beside it.
        catalog: the catalog's folder, when it was put elsewhere.

    Raises:
        CatalogMissingError, CatalogCorruptError, CatalogVersionError, CatalogUntrustedError:
            there is no catalog, or it cannot be used.
    """
    try:
        return _alone(Status.from_json(_core.status(mirror, catalog=catalog)))
    finally:
        drain()


def catalog_folder(mirror: AnyPath, *, catalog: AnyPath | None = None) -> Path:
    """Give the folder of a pair's catalog, where its configuration is too; raises as status()."""
    told = status(mirror, catalog=catalog).catalog
    folder = f"{os.path.realpath(os.fsdecode(mirror))}.splitmirror" if catalog is None else catalog
    # A path in a report is text for people, so it serves for a device alone.
    there = Path(os.path.realpath(os.fsdecode(folder)))
    return there if there.is_dir() else Path(told)


def history(mirror: AnyPath, *, catalog: AnyPath | None = None) -> list[Event]:
    """List what happened to the pair of a mirror, the oldest first; raises as status()."""
    try:
        return [
            Event.from_dict(event) for event in json.loads(_core.history(mirror, catalog=catalog))
        ]
    finally:
        drain()


def list_pairs(folder: AnyPath) -> list[Status | UnreadablePair]:
    """Find the pairs whose catalogs lie below a folder.

    A catalog that cannot be read becomes an UnreadablePair; it does not hide the others.

    Raises:
        AreaNotFoundError, AreaPermissionError: the folder itself cannot be read.
    """
    try:
        return [
            _unreadable(entry) if "error" in entry else _alone(Status.from_dict(entry))
            for entry in json.loads(_core.list_pairs(folder))
        ]
    finally:
        drain()


def _alone(status: Status) -> Status:
    # A process that has the pair open may be in the middle of a guard.
    return advised(status) if status.owner_pid is None else status


def _unreadable(entry: dict[str, Any]) -> UnreadablePair:
    # The core names the class; ids and exit codes are the classes' own.
    given = entry["error"]
    error = getattr(errors, given["class"])(given["message"], **given["fields"])
    return UnreadablePair(mirror=entry["mirror"], error=error.to_dict())


def oldest(mirrors: AnyPath | Iterable[AnyPath]) -> Path:
    """Give the mirror to refresh next: the one with the oldest point in time, for a rotation.

    Those without a point come first. Siblings count too, so one mirror that is there is enough.
    Passed over are mirrors that are on hold, have failed, have a restore pending or cannot be
    read, such as one whose disk is away, or a sibling whose catalog is not beside it.

    Raises:
        ArgumentError: no mirror is named, or they are mirrors of different sources.
        NoMirrorError: each mirror was passed over; the message tells why.
    """
    from splitmirror._rotation import choose

    return choose(mirrors).path


def doctor(path: AnyPath = ".") -> list[Check]:
    """Check what the kernel, the file system of ``path`` and this user allow.

    Raises:
        AreaNotFoundError: there is nothing at ``path``.
    """
    try:
        return [Check.from_dict(check) for check in json.loads(_core.doctor(path))]
    finally:
        drain()
