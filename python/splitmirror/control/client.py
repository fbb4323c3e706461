"""Asking the process that has a pair open: one connection for each request."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from splitmirror import _core
from splitmirror._types import Progress
from splitmirror.control import lines, place
from splitmirror.control.arguments import written_arguments
from splitmirror.control.lines import Lines, decoded, encoded, send_whole, wait_on
from splitmirror.control.verbs import VERBS
from splitmirror.control.wire_errors import error_from
from splitmirror.errors import ArgumentError, OwnerGoneError, PairInUseError, RequestError
from splitmirror.units import printable

__all__ = ["LIGHT_SECONDS", "Owner"]

LIGHT_SECONDS = 10.0
"""In which the owner answers what waits for no verb; else it hangs."""

_TICK = 0.1
# Longer than a hook's default time-out; a second Ctrl-C ends the wait at once.
_CANCEL_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that has a pair open, and by what it knows the pair.

    Attributes:
        pid: its number.
        mirror, catalog: absolute paths; the catalog's may be None.
        pair_id: the identity of the pair.
    """

    pid: int
    mirror: str
    catalog: str | None
    pair_id: str

    def ask(
        self,
        verb: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """Have a verb carried out, and give its report as plain values.

        What interrupts this, and what ``progress`` raises, cancels the verb; it goes on its way
        when the owner has answered.

        Args:
            verb: its name in the protocol.
            arguments: as MirrorPair takes them; those that are None or false are left out.
            progress: called with (phase, bytes done, bytes in total).
            cancel: cancels from another thread.
            seconds: in which the answer has to come; None: as long as it takes.

        Raises:
            PairInUseError: the owner cannot be reached, or does not answer in time.
            OwnerGoneError: the owner ended, or closed the pair, before it had answered.
            ArgumentError: an argument cannot be sent.
            SplitMirrorError: what the verb raises there.
        """
        line = self._request(verb, arguments or {})
        with self._connected() as connected:
            talk = _Talk(connected)
            try:
                # An answer may be there although the request was not taken: a refusal.
                send_whole(connected, line, LIGHT_SECONDS)
                answer = talk.answer(progress, cancel, seconds)
            except _Lost as error:
                raise self._gone(verb) from error
            except BaseException:
                talk.cancelled(_CANCEL_SECONDS)
                raise
        if answer is None:
            raise self._unreachable(f"has not answered within {seconds:g} s")
        if "error" in answer:
            raise error_from(answer["error"])
        report: dict[str, Any] = answer["report"]
        return report

    def _request(self, verb: str, arguments: Mapping[str, Any]) -> bytes:
        known = VERBS.get(verb)
        request = {
            "version": lines.VERSION,
            "verb": verb,
            "mirror": self.mirror,
            "pair_id": self.pair_id,
            "arguments": dict(arguments)
            if known is None
            else written_arguments(known.arguments, arguments),
        }
        if self.catalog is not None:
            request["catalog"] = self.catalog
        if "SPLITMIRROR_HOOK" in os.environ:
            request["within_hook"] = True
        line = encoded(request)
        if len(line) > lines.REQUEST_BYTES_MAX:
            raise ArgumentError(
                f"{verb}: the arguments take {len(line):,} bytes, and a request may have "
                f"{lines.REQUEST_BYTES_MAX:,}: the process that has the pair open gets them whole",
                argument="arguments",
            )
        return line

    @contextlib.contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        connected = place.reached(self.pid, LIGHT_SECONDS)
        if connected is None:
            if not os.path.exists(f"/proc/{self.pid}"):
                raise self._gone("it")
            raise self._unreachable(
                "cannot be reached: it has no control socket (SPLITMIRROR_CONTROL=0, an older "
                "release), is another user's, or runs in another container"
            )
        with connected:
            yield connected

    def _unreachable(self, why: str) -> PairInUseError:
        return PairInUseError(
            f"process {self.pid} has the pair of {printable(self.mirror)} open and {why}; "
            "close it there",
            path=self.mirror,
            pid=self.pid,
        )

    def _gone(self, verb: str) -> OwnerGoneError:
        return OwnerGoneError(
            f"process {self.pid}, which had the pair of {printable(self.mirror)} open, ended "
            f"before {verb} had; status() tells what it left, and it can be called again",
            path=self.mirror,
            pid=self.pid,
        )


class _Lost(Exception):
    """The connection broke, or what came over it is no answer."""


class _Talk:
    """One request's answer, as it comes."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._lines = Lines(connected, lines.ANSWER_BYTES_MAX)
        self._cancelled = False

    def answer(
        self, progress: Progress | None, cancel: _core.CancelToken | None, seconds: float | None
    ) -> dict[str, Any] | None:
        """Give the report or error, and pass progress on; None when it does not come in time."""
        late = None if seconds is None else time.monotonic() + seconds
        while True:
            while (told := self._next()) is not None:
                if not isinstance(told, tuple):
                    return told
                if progress is not None:
                    progress(*told)
            if cancel is not None and cancel.cancelled:
                self._send_cancel()
            if late is not None and time.monotonic() >= late:
                return None
            # Short, so that a signal that came just before is not waited with.
            ready, gone = wait_on(self._socket, select.POLLIN, _TICK)
            if (ready or gone) and not self._more():
                raise _Lost("the connection was closed")

    def _next(self) -> dict[str, Any] | tuple[str, int, int] | None:
        """Give the next line that is there: the answer, or a step of progress."""
        try:
            line = self._lines.take()
            if line is None:
                return None
            told = decoded(line)
            if "progress" in told:
                step = told["progress"]
                return str(step["phase"]), int(step["done"]), int(step["total"])
        except (RequestError, LookupError, TypeError, ValueError) as error:
            raise _Lost(f"what it answered cannot be read: {error}") from error
        failure = told.get("error")
        sound = isinstance(failure, dict) and {"id", "message"} <= set(failure)
        if not sound and not isinstance(told.get("report"), dict):
            raise _Lost("the answer has neither a report nor an error")
        return told

    def _more(self) -> bool:
        try:
            return self._lines.fill()
        except OSError as error:
            raise _Lost(str(error)) from error

    def _send_cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            send_whole(self._socket, encoded({"cancel": True}), _TICK)

    def cancelled(self, seconds: float) -> None:
        """Cancel, and wait until the verb has ended, at most so long."""
        self._send_cancel()
        # Half an answer, or none, is nothing to complain of: somebody wants to leave.
        with contextlib.suppress(_Lost):
            self.answer(None, None, seconds)
