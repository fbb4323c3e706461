"""Opening a pair for a command: here, or in the process that has it open already."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from splitmirror.errors import NoOwnerError, OwnerGoneError, PairInUseError
from splitmirror.pair import MirrorPair
from splitmirror.units import printable

if TYPE_CHECKING:
    from splitmirror.control import RemotePair

__all__ = ["OpenPair", "open_pair", "owned_pair"]

OpenPair: TypeAlias = "MirrorPair | RemotePair"

# Each time the owner closes it just when it is to be asked.
_ATTEMPTS = 5


def open_pair(mirror: str, source: str | None, catalog: str | None) -> OpenPair:
    """Open the pair of a mirror; while another process has it open, that one is asked.

    Raises:
        PairInUseError: another process has it open that cannot be reached.
        SplitMirrorError: it cannot be opened.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return MirrorPair.open(mirror, source=source, catalog=catalog)
        except PairInUseError as error:
            if error.pid is None:
                raise
            try:
                return _owned(mirror, source, catalog)
            except (NoOwnerError, OwnerGoneError):
                if attempt + 1 == _ATTEMPTS:
                    raise
    raise AssertionError("the last attempt returns or raises")


def owned_pair(mirror: str, source: str | None, catalog: str | None, *, needed: str) -> RemotePair:
    """Give the pair of a mirror that another process has open.

    Args:
        mirror: the mirror's path, as source and catalog.
        needed: what an owner is needed for, and what to do without one.

    Raises:
        NoOwnerError: none has.
        PairInUseError: one has that cannot be reached.
    """
    try:
        return _owned(mirror, source, catalog)
    except NoOwnerError as error:
        raise NoOwnerError(f"{error}: {needed}", **error.fields) from None


def _owned(mirror: str, source: str | None, catalog: str | None) -> RemotePair:
    from splitmirror.control import connect

    pair = connect(mirror, catalog=catalog)
    if source is not None and os.path.abspath(source) != str(pair.source_path):
        raise PairInUseError(
            f"process {pair.owner_pid} has the pair open with the source "
            f"{printable(str(pair.source_path))}, not {printable(source)}; close it there",
            path=str(pair.catalog_path),
            pid=pair.owner_pid,
        )
    return pair
