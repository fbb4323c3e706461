"""One connection: a request, its progress, its report or error, and again.

Two threads: one listens to the requester, so that a cancel or a death is noticed at once; the
other carries the verb out. A connection whose requester has gone lasts as long as its verb does.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from splitmirror.control import lines
from splitmirror.control.lines import Lines, decoded, encoded, hang_up, send_whole
from splitmirror.control.requests import Request, read_request
from splitmirror.control.wire_errors import error_document
from splitmirror.control.work import Work
from splitmirror.errors import RequestError

if TYPE_CHECKING:
    from splitmirror.pair._handle import PairHandle

__all__ = ["Conversation"]

_UNSENT_MAX = 4096

_log = logging.getLogger(__name__)


class Conversation:
    """Serves one requester until it goes, or breaks the rules."""

    def __init__(self, connected: socket.socket, ended: Callable[[Conversation], None]) -> None:
        self._socket = connected
        self._ended = ended
        self._lines = Lines(connected, lines.REQUEST_BYTES_MAX)
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closed = False
        self._ending = False
        self._work: Work | None = None

    def run(self) -> None:
        """Serve; everything is closed afterwards."""
        try:
            while not self._ending:
                request = self._next_request()
                if request is None:
                    return
                if not self._answer(request):
                    return
        except RequestError as error:
            self._refuse(error)
            hang_up(self._socket)
        # Or no thread can be had.
        except (OSError, RuntimeError) as error:
            _log.debug("a connection broke: %s", error)
        finally:
            self.close()
            self._ended(self)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            # A forked process may have a copy of it.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            os.close(self._wake)

    def abandon(self) -> None:
        """In a forked child: let go of the parent's descriptors."""
        self._socket.close()
        if not self._closed:
            os.close(self._wake)

    def cancel_for(self, pair: PairHandle) -> None:
        """Stop what is carried out on a pair that is about to be closed."""
        work = self._work
        if work is not None and work.pair is pair:
            work.stop(closing=True)

    def end(self) -> None:
        """Stop what is carried out, and serve nothing more."""
        with self._lock:
            self._ending = True
            if not self._closed:
                os.eventfd_write(self._wake, 1)
        work = self._work
        if work is not None:
            work.stop(closing=True)

    # --- Requests ------------------------------------------------------------------------------

    def _next_request(self) -> Request | None:
        """Wait for a request; None when there will be none.

        A refusal of what it asks for is told, and the next one waited for.
        """
        while (line := self._next_line()) is not None:
            document = decoded(line)
            try:
                return read_request(document)
            except RequestError:
                raise
            except Exception as error:
                if not self._refuse(error):
                    return None
        return None

    def _next_line(self) -> bytes | None:
        begun = time.monotonic()
        late = begun + (lines.REQUEST_SECONDS if self._lines.begun else lines.IDLE_SECONDS)
        while (line := self._lines.take()) is None:
            left = late - time.monotonic()
            if left <= 0:
                if not self._lines.begun:
                    return None
                raise RequestError(
                    f"the request was not complete within {lines.REQUEST_SECONDS:g} s"
                )
            told, _ = self._listen(select.POLLIN, left)
            if self._ending:
                return None
            was_begun = self._lines.begun
            if told and not self._lines.fill():
                return None
            if self._lines.begun and not was_begun:
                late = time.monotonic() + lines.REQUEST_SECONDS
        return line

    def _listen(self, events: int, seconds: float) -> tuple[bool, bool]:
        """Wait for the requester or for a wake-up; gives (something has come, it has gone)."""
        poll = select.poll()
        poll.register(self._socket, events)
        poll.register(self._wake, select.POLLIN)
        found = dict(poll.poll(seconds * 1000))
        if self._wake in found:
            os.eventfd_read(self._wake)
        happened = found.get(self._socket.fileno(), 0)
        gone = bool(happened & (select.POLLHUP | select.POLLERR))
        return bool(happened & (select.POLLIN | select.POLLHUP)), gone

    # --- Answers -------------------------------------------------------------------------------

    def _answer(self, request: Request) -> bool:
        """Carry a request out, beside listening; False when the conversation is over."""
        work = Work(request, self._wake)
        self._work = work
        if self._ending:
            work.stop(closing=True)
        try:
            work.start()
            fault = self._attend(work)
        finally:
            self._work = None
        self._pass_on(work)
        if not send_whole(self._socket, work.unsent + work.answer(), lines.ANSWER_SECONDS):
            return False
        if fault is not None:
            raise fault
        return True

    def _attend(self, work: Work) -> RequestError | None:
        """Until the verb has ended: pass progress on, notice a cancel, and who goes away."""
        events, fault = select.POLLIN, None
        while not work.ended.is_set():
            try:
                # The first one may have come together with the request.
                while fault is None and (line := self._lines.take()) is not None:
                    if decoded(line) != {"cancel": True}:
                        raise RequestError('beside a verb only {"cancel": true} is understood')
                    work.stop()
            except RequestError as error:
                events, fault = 0, error
            told, gone = self._listen(events, 60)
            self._pass_on(work)
            if gone:
                work.stop()
                work.ended.wait()
                break
            if told and events and not self._lines.fill():
                # It says no more, and still listens.
                events = 0
        work.thread.join()
        return fault

    def _pass_on(self, work: Work) -> None:
        while work.steps:
            phase, done, total = work.steps.popleft()
            # Who does not listen misses some of it; the verb does not wait.
            if len(work.unsent) < _UNSENT_MAX:
                step = {"phase": phase, "done": done, "total": total}
                work.unsent += encoded({"progress": step})
        if work.unsent:
            with contextlib.suppress(OSError):
                sent = self._socket.send(work.unsent, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
                work.unsent = work.unsent[sent:]

    def _refuse(self, error: Exception) -> bool:
        line = encoded({"error": error_document(error)})
        return send_whole(self._socket, line, lines.ANSWER_SECONDS)
