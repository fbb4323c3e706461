"""A request that is carried out, on a thread of its own."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import TYPE_CHECKING

from splitmirror import _core
from splitmirror.control import _presence
from splitmirror.control.lines import encoded
from splitmirror.control.requests import Request, carried_out, pair_of
from splitmirror.control.wire_errors import error_document
from splitmirror.errors import CancelledError, ClosedPairError, OwnerGoneError

if TYPE_CHECKING:
    from splitmirror.pair._handle import PairHandle

__all__ = ["Work"]

_log = logging.getLogger(__name__)


class Work:
    """A request that is carried out; whoever waits for it is woken by an event counter.

    Attributes:
        pair: the pair, while it is at it.
        ended: whether it is through.
        steps: its progress that was not passed on yet: phase, bytes done, bytes in total.
        unsent: what of that was written, and not taken by the requester.
        thread: the thread that it is carried out on.
    """

    def __init__(self, request: Request, wake: int) -> None:
        self.request = request
        self.pair: PairHandle | None = None
        self.ended = threading.Event()
        self.steps: deque[tuple[str, int, int]] = deque(maxlen=64)
        self.unsent = b""
        self._wake = wake
        self._cancel = _core.CancelToken()
        self._closing = False
        self._report = b""
        self._error: BaseException | None = None
        self.thread = threading.Thread(
            target=self._run, name=f"splitmirror-{request.verb}", daemon=True
        )

    def start(self) -> None:
        """Begin.

        Raises:
            RuntimeError: no thread can be had.
        """
        self.thread.start()

    def stop(self, *, closing: bool = False) -> None:
        """Cancel it, because its requester wants that or has gone, or the pair is closed."""
        self._closing = self._closing or closing
        self._cancel.cancel()

    def _progress(self, phase: str, done: int, total: int) -> None:
        self.steps.append((phase, done, total))
        os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        try:
            with pair_of(self.request) as pair:
                self.pair = pair
                # From here on a close cancels this; it may have come just before.
                if not _presence.is_open(pair):
                    raise ClosedPairError("the pair is being closed")
                found = carried_out(self.request, pair, self._progress, self._cancel)
                self._report = encoded({"report": found})
        except BaseException as error:
            self._error = error
            # A traceback would keep the pair, and all that the verb had.
            error.__traceback__ = None
        finally:
            self.pair = None
            self.ended.set()
            os.eventfd_write(self._wake, 1)

    def answer(self) -> bytes:
        """Give the line of the report or error."""
        if self._error is None:
            return self._report
        error = self._error
        closed = isinstance(error, ClosedPairError)
        if closed or (self._closing and isinstance(error, CancelledError)):
            error = OwnerGoneError(
                f"process {os.getpid()} closed the pair before {self.request.verb} had ended; "
                "status tells what it left, and it can be called again",
                path=self.request.mirror,
                pid=os.getpid(),
            )
        elif not isinstance(error, Exception):
            _log.warning("%s ended with %r", self.request.verb, error)
        return encoded({"error": error_document(error)})
