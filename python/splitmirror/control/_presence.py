"""Which pairs of this process are open, and so whether others can reach it.

The server is begun with the first pair and ends with the last one. It is never in the way: what
keeps it from being made is logged, and the program goes on without.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from splitmirror.errors import SplitMirrorError

if TYPE_CHECKING:
    from splitmirror.control.server import Server
    from splitmirror.pair import MirrorPair
    from splitmirror.pair._handle import PairHandle

__all__ = ["Action", "attend", "end", "leaving", "left", "offer", "offered", "withdraw"]

Action: TypeAlias = "Callable[..., Any]"
"""Called with a pair and the request's arguments as keywords; gives a document, a dict or None."""

# Each step on these is atomic: finalizers run on any thread, also on one that holds the lock.
_pairs: dict[int, weakref.ref[PairHandle]] = {}
_lent: set[int] = set()
_actions: dict[str, Action] = {}

_lock = threading.Lock()
_server: Server | None = None
# Never closed: a finalizer that writes to a number which is used anew would write into a file.
_wake: int | None = None
_ended = False

_log = logging.getLogger(__name__)


def attend(pair: PairHandle) -> None:
    """Remember an open pair, without keeping it alive, and let others reach it."""
    if os.environ.get("SPLITMIRROR_CONTROL") == "0":
        return
    key = id(pair)
    _pairs[key] = weakref.ref(pair, lambda _: _forget(key))
    with _lock:
        _begin()


def _begin() -> None:
    global _server, _wake
    if _server is not None or _ended:
        return
    try:
        from splitmirror.control.server import Server

        if _wake is None:
            _wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        _server = Server.begin(_wake, _retired)
    # Whatever it is, such as that no thread can be had while the interpreter ends.
    except Exception as error:
        _log.debug("other processes cannot reach this one: %s", error)


def leaving(pair: PairHandle) -> None:
    """Stop what others ask of a pair that is about to be closed, and let nobody ask more."""
    _pairs.pop(id(pair), None)
    server = _server
    if server is not None:
        server.cancel_requests(pair)


def left(pair: PairHandle) -> None:
    """Forget a pair that was closed."""
    _forget(id(pair))


def _forget(key: int) -> None:
    _pairs.pop(key, None)
    _lent.discard(key)
    if _wake is not None and _server is not None:
        os.eventfd_write(_wake, 1)


def lend(pair: PairHandle) -> None:
    """Say that a pair was opened for a request: it alone is no reason to be reachable."""
    _lent.add(id(pair))


def is_open(pair: PairHandle) -> bool:
    """Whether a pair is open, and not about to be closed."""
    return id(pair) in _pairs and not pair._core.closed


def open_pairs() -> Iterator[MirrorPair]:
    """Give the pairs that are open now, those of the program first."""
    for key in sorted(list(_pairs), key=lambda key: key in _lent):
        reference = _pairs.get(key)
        pair: Any = None if reference is None else reference()
        if pair is not None and not pair.closed:
            yield pair


def _retired(server: Server, finish: Callable[[], None]) -> bool:
    """Whether the server has nothing left to serve; then it finishes before another begins."""
    global _server
    with _lock:
        if any(id(pair) not in _lent for pair in open_pairs()):
            return False
        finish()
        if _server is server:
            _server = None
        return True


def close_lent() -> None:
    """Close the pairs that were opened for others, when the program has none any more.

    A restore in one pauses, durably.
    """
    if _ended or any(id(pair) not in _lent for pair in open_pairs()):
        return
    for key in list(_lent):
        reference = _pairs.get(key)
        pair: Any = None if reference is None else reference()
        if pair is not None:
            try:
                pair.close()
            except SplitMirrorError as error:
                _log.warning("a pair that was opened for others: %s", error)


def end(seconds: float = 2.0) -> None:
    """End the server for good; what it carries out is cancelled, and waited for so long."""
    global _server, _ended
    with _lock:
        _ended = True
        server, _server = _server, None
    if server is not None:
        server.end(seconds)


def offer(name: str, action: Action) -> None:
    """Let other processes have an action of this process carried out, beside the verbs.

    It is called on a thread of its own with the pair that the request names, and with the
    request's arguments as keywords, which are plain JSON values that it has to check.

    Args:
        name: of the action, as a request names it; an action of this name is replaced.
        action: what to call; it gives a report, a dict of plain values, or None.

    Raises:
        ValueError: a verb has this name.
    """
    from splitmirror.control.verbs import VERBS

    if name in VERBS:
        raise ValueError(f"{name} is a verb; an action needs another name")
    _actions[name] = action


def withdraw(name: str) -> None:
    """Take an action back; one that is not offered is no error."""
    _actions.pop(name, None)


def offered(name: str) -> Action | None:
    """Give the action of this name, if it is offered."""
    return _actions.get(name)


def _forget_all() -> None:
    """In a forked child: pairs and server are the parent's, and so is what waits for answers."""
    global _lock, _server, _wake
    server, wake = _server, _wake
    _lock, _server, _wake = threading.Lock(), None, None
    _pairs.clear()
    _lent.clear()
    if server is not None:
        server.abandon()
    if wake is not None:
        os.close(wake)


os.register_at_fork(after_in_child=_forget_all)
