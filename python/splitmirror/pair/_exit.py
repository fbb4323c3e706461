"""Pairs that a program forgot to close are closed when the interpreter ends.

An object that a thread or a cycle still holds then is never finalized; its pair would stay without
the mark of a clean close, and the next establish or restore would have to compare everything.
"""

from __future__ import annotations

import atexit
import os
import weakref
from typing import TYPE_CHECKING

from splitmirror._logging import drain
from splitmirror.control import _presence
from splitmirror.errors import SplitMirrorError

if TYPE_CHECKING:
    from splitmirror.pair._handle import PairHandle

__all__ = ["close_at_exit"]

_open: weakref.WeakSet[PairHandle] = weakref.WeakSet()


def close_at_exit(pair: PairHandle) -> None:
    """Remember a pair, without keeping it alive."""
    _open.add(pair)


# A child's copies are the parent's pairs; what it opens itself is remembered anew.
os.register_at_fork(after_in_child=_open.clear)


# Registered at import, so it runs after the hooks of those who import: they may use their pairs.
@atexit.register
def _close_all() -> None:
    # What others have asked for would be in the middle of it.
    _presence.end()
    failed: list[Exception] = []
    for pair in list(_open):
        # Closing waits its turn, and a verb of a daemon thread could keep the exit waiting for
        # hours; a file with a buffer before it still has bytes to write when it is finalized.
        if pair._busy or any(not file.closed for file in pair._files):
            continue
        try:
            pair._core.close()
        except Exception as error:  # The others are to be closed all the same.
            failed.append(error)
        finally:
            drain()
    if failed:
        # The interpreter prints it: what was written last may not be durable.
        found = "; ".join(map(str, failed))
        raise SplitMirrorError(f"pairs left open could not be closed: {found}") from failed[0]
