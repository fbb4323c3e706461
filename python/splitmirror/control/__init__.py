"""Reaching a pair that another process has open: its owner carries the verbs out.

    client: RemotePair ─► socket of the process ─► owner: the same verb of its MirrorPair
    progress, report or error ◄───────────────────┘

A process that opens a pair listens at ``<runtime folder>/<pid>.sock`` until its last pair is
closed. docs/protocol.md says what is spoken there. ``SPLITMIRROR_CONTROL=0`` turns it off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from splitmirror.control._presence import Action, offer, withdraw

if TYPE_CHECKING:
    from splitmirror.control.connecting import connect
    from splitmirror.control.remote import RemotePair
    from splitmirror.control.remotejob import RemoteJob
    from splitmirror.control.waiting import wait_for

__all__ = ["Action", "RemoteJob", "RemotePair", "connect", "offer", "wait_for", "withdraw"]

# Most programs that open a pair are never asked, and ask nobody.
_MODULES = {
    "RemoteJob": "remotejob",
    "RemotePair": "remote",
    "connect": "connecting",
    "wait_for": "waiting",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
