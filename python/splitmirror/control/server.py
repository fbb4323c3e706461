"""The socket of a process that has pairs open: who may speak to it, and how many at once."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

from splitmirror.control import _presence, lines, place
from splitmirror.control.lines import encoded, hang_up
from splitmirror.control.wire_errors import error_document
from splitmirror.errors import DeniedError, PairInUseError, SplitMirrorError

if TYPE_CHECKING:
    from splitmirror.control.conversation import Conversation
    from splitmirror.pair._handle import PairHandle

__all__ = ["Server"]

Retire: TypeAlias = "Callable[[Server, Callable[[], None]], bool]"

_log = logging.getLogger(__name__)


class Server:
    """Accepts connections until the last pair is closed.

    Args:
        listener: the socket, listening.
        path: where it is.
        wake: an event counter that is raised when a pair was closed.
        retire: says whether nothing is left to serve, and then calls what it is given.
    """

    def __init__(self, listener: socket.socket, path: Path, wake: int, retire: Retire) -> None:
        self._listener = listener
        self._path = path
        self._wake = wake
        self._retire = retire
        self._owner = os.geteuid()
        self._closed = False
        # Held for what takes no time: adding, removing and listing.
        self._lock = threading.Lock()
        self._talks: dict[Conversation, threading.Thread] = {}
        self._thread = threading.Thread(target=self._serve, name="splitmirror-control", daemon=True)

    @classmethod
    def begin(cls, wake: int, retire: Retire) -> Self:
        """Make the socket and serve it on a thread.

        Raises:
            OSError, RuntimeError: the socket cannot be made, or no thread can be had.
        """
        listener, path = place.listen()
        server = cls(listener, path, wake, retire)
        try:
            listener.setblocking(False)
            server._thread.start()
        except BaseException:
            server._close()
            raise
        _log.debug("others can reach this process at %s", path)
        return server

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while not self._closed:
            found = dict(poll.poll())
            if self._wake in found:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
                # Closed while it can still be asked for: nobody finds it held and silent.
                _presence.close_lent()
                if self._retire(self, self._close):
                    break
            else:
                self._accept()
        self._listener.close()
        self._end_talks()

    def _accept(self) -> None:
        try:
            connected, _ = self._listener.accept()
        except OSError as error:
            # Whoever came has gone again; or there are no descriptors left, and may be soon.
            _log.debug("a connection could not be taken: %s", error)
            time.sleep(0.05)
            return
        try:
            refusal = self._refusal(connected) or self._begin_talk(connected)
        except (OSError, RuntimeError) as error:
            _log.debug("a connection could not be served: %s", error)
            connected.close()
            return
        if refusal is not None:
            with contextlib.suppress(OSError), connected:
                flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
                connected.send(encoded({"error": error_document(refusal)}), flags)
                hang_up(connected)

    def _refusal(self, connected: socket.socket) -> SplitMirrorError | None:
        """Say why somebody is not spoken to: other users, whatever the socket's file allows."""
        pid, user = place.peer_of(connected)
        if user in (self._owner, 0):
            return None
        _log.warning("process %s of user %s was refused", pid, user)
        return DeniedError(
            f"this process is of user {self._owner}; user {user} may not ask it for anything",
            path=str(self._path),
            errno=errno.EPERM,
        )

    def _begin_talk(self, connected: socket.socket) -> SplitMirrorError | None:
        # Most programs are never spoken to, and start without it.
        from splitmirror.control.conversation import Conversation

        with self._lock:
            if len(self._talks) >= lines.CONNECTIONS_MAX:
                return PairInUseError(
                    f"{lines.CONNECTIONS_MAX} others speak to process {os.getpid()} already; "
                    "try again",
                    path=str(self._path),
                    pid=os.getpid(),
                )
            talk = Conversation(connected, self._ended)
            thread = threading.Thread(target=talk.run, name="splitmirror-control", daemon=True)
            self._talks[talk] = thread
        try:
            thread.start()
        except RuntimeError:
            self._ended(talk)
            talk.close()
            raise
        return None

    def _ended(self, talk: Conversation) -> None:
        with self._lock:
            self._talks.pop(talk, None)

    def _close(self) -> None:
        """Be reachable no more."""
        self._closed = True
        self._listener.close()
        place.remove(self._path)

    def _end_talks(self) -> list[threading.Thread]:
        with self._lock:
            talks = dict(self._talks)
        for talk in talks:
            talk.end()
        return list(talks.values())

    def cancel_requests(self, pair: PairHandle) -> None:
        """Stop what is carried out on a pair for others."""
        with self._lock:
            talks = list(self._talks)
        for talk in talks:
            talk.cancel_for(pair)

    def end(self, seconds: float) -> None:
        """Be reachable no more, stop what is carried out, and wait at most so long for its end."""
        self._closed = True
        place.remove(self._path)
        # Its thread closes the socket: closed here, its number could be another's by then.
        os.eventfd_write(self._wake, 1)
        late = time.monotonic() + seconds
        for thread in [self._thread, *self._end_talks()]:
            thread.join(max(0.0, late - time.monotonic()))

    def abandon(self) -> None:
        """In a forked child: let go of the parent's descriptors; its socket stays."""
        self._closed = True
        self._listener.close()
        for talk in list(self._talks):
            talk.abandon()
