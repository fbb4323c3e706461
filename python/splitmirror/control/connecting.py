"""Finding the process that has a pair open."""

from __future__ import annotations

import os
import time

from splitmirror._types import AnyPath
from splitmirror.control._watching import PairDescription
from splitmirror.control.client import LIGHT_SECONDS, Owner
from splitmirror.control.remote import RemotePair
from splitmirror.errors import NoOwnerError, PairInUseError
from splitmirror.units import printable

__all__ = ["connect"]

_BEGIN_SECONDS = 0.5


def connect(mirror: AnyPath, *, catalog: AnyPath | None = None) -> RemotePair:
    """Give the pair that another process, or this one, has open.

    Its verbs are carried out there.

    Args:
        mirror: the mirror's path.
        catalog: the catalog's folder, when it was put elsewhere.

    Raises:
        NoOwnerError: no process has it open; MirrorPair.open() opens it here.
        PairInUseError: a process has it open that cannot be reached, or does not answer.
        OwnerGoneError: that process has just closed it.
        CatalogMissingError, CatalogCorruptError, CatalogVersionError, CatalogUntrustedError:
            there is no catalog, or it cannot be used.
    """
    late = time.monotonic() + _BEGIN_SECONDS
    while True:
        try:
            return _connected(mirror, catalog)
        except PairInUseError:
            # It has just opened it and is not listening yet, or does not any more and closes it.
            if time.monotonic() >= late:
                raise
        time.sleep(0.05)


def _connected(mirror: AnyPath, catalog: AnyPath | None) -> RemotePair:
    from splitmirror.lookup import status

    found = status(mirror, catalog=catalog)
    path = os.path.abspath(os.fsdecode(mirror))
    if found.owner_pid is None:
        raise NoOwnerError(
            f"no process has the pair of {printable(path)} open",
            path=path,
        )
    owner = Owner(
        pid=found.owner_pid,
        mirror=path,
        catalog=None if catalog is None else os.path.abspath(os.fsdecode(catalog)),
        pair_id=found.pair_id,
    )
    told = owner.ask("describe", seconds=LIGHT_SECONDS)
    return RemotePair(owner, PairDescription.from_dict(told))
