"""Lines of JSON on a socket: what both sides of a conversation have in common, and its bounds."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from typing import Any, NoReturn

from splitmirror.errors import RequestError

__all__ = [
    "ANSWER_BYTES_MAX",
    "ANSWER_SECONDS",
    "CONNECTIONS_MAX",
    "IDLE_SECONDS",
    "REQUEST_BYTES_MAX",
    "REQUEST_SECONDS",
    "VERSION",
    "Lines",
    "decoded",
    "encoded",
    "hang_up",
    "send_whole",
    "wait_on",
]

VERSION = 1
"""Of the protocol; a request of another one is refused."""
REQUEST_BYTES_MAX = 64 * 1024
"""Of the line of a request, with its end."""
ANSWER_BYTES_MAX = 256 * 1024 * 1024
"""Of one line of an answer: reports list ranges."""
REQUEST_SECONDS = 10.0
"""From the first byte of a request to the end of its line."""
IDLE_SECONDS = 60.0
"""Without a request, after which a connection is closed."""
ANSWER_SECONDS = 60.0
"""In which an answer has to be taken."""
CONNECTIONS_MAX = 16

_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


def encoded(document: dict[str, Any]) -> bytes:
    """Give a document as a line; it is ASCII, so that any text of a path can be in it."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def decoded(line: bytes) -> dict[str, Any]:
    """Read a line as a JSON object, strictly.

    Raises:
        RequestError: it is not UTF-8, no JSON, no object, or names a key twice.
    """
    try:
        text = line.decode("utf-8")
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise RequestError(f"the line is no UTF-8: {error}") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the line is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise RequestError(f"the line is a {type(found).__name__}, not an object")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


class Lines:
    """Takes what a socket sends apart into lines, and never keeps more than one too long."""

    def __init__(self, connected: socket.socket, limit: int) -> None:
        self._socket = connected
        self._limit = limit
        self._buffer = bytearray()
        self._searched = 0

    @property
    def begun(self) -> bool:
        """Whether part of a line is there."""
        return bool(self._buffer)

    def take(self) -> bytes | None:
        """Give the next line that is whole, without its end.

        Raises:
            RequestError: it is longer than allowed.
        """
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
        if max(end, len(self._buffer) if end < 0 else 0) >= self._limit:
            raise RequestError(f"the line is longer than {self._limit:,} bytes")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def fill(self) -> bool:
        """Take what has come, without waiting; False when nothing will come any more.

        Raises:
            OSError: the connection is broken.
        """
        try:
            piece = self._socket.recv(min(self._limit, 1 << 16), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        self._buffer += piece
        return bool(piece)


def wait_on(connected: socket.socket, events: int, timeout: float) -> tuple[bool, bool]:
    """Wait for events of a socket, at most so many seconds; gives (ready, other side gone)."""
    poll = select.poll()
    poll.register(connected, events)
    found = dict(poll.poll(max(0.0, timeout) * 1000))
    happened = found.get(connected.fileno(), 0)
    return bool(happened & events), bool(happened & _GONE)


def send_whole(connected: socket.socket, line: bytes, seconds: float) -> bool:
    """Send a line; False when the other side is gone or has not taken it in time."""
    deadline = time.monotonic() + seconds
    left = memoryview(line)
    while left:
        try:
            left = left[connected.send(left, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
            continue
        except BlockingIOError:
            pass
        except OSError:
            return False
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        _, gone = wait_on(connected, select.POLLOUT, min(remaining, 1.0))
        if gone:
            return False
    return True


def hang_up(connected: socket.socket) -> None:
    """Say no more; what the other side has sent meanwhile would come back to it as a reset."""
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_WR)
        connected.recv(REQUEST_BYTES_MAX, socket.MSG_DONTWAIT)
