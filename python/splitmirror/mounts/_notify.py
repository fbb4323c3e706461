"""Telling a service manager where the process stands (systemd: ``Type=notify``).

The protocol is that of sd_notify(3): datagrams of ``NAME=value`` lines to ``$NOTIFY_SOCKET``.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time

__all__ = ["Manager"]


class Manager:
    """The service manager that started this process, if there is one."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        watchdog = os.environ.get("WATCHDOG_USEC", "")
        meant = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        # Twice as often as is asked for, so that one late sign of life does no harm.
        self._pause = int(watchdog) / 2e6 if watchdog.isdecimal() and meant else 0.0
        self._last = time.monotonic()

    def tell(self, **state: str) -> None:
        """Send a state, such as ``READY="1"``; nobody there is fine."""
        if not self._address:
            return
        # A leading @ names a socket without a file.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        text = "\n".join(f"{name}={value}" for name, value in state.items())
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager,
        ):
            manager.sendto(text.encode(), address)

    def alive(self) -> None:
        """Send the sign of life that a watchdog waits for, when it is due."""
        if self._pause and time.monotonic() - self._last >= self._pause:
            self._last = time.monotonic()
            self.tell(WATCHDOG="1")
