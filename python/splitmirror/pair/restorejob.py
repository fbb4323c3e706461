"""A restore that has taken effect and copies behind the application."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import NamedTuple

from splitmirror import _core
from splitmirror._logging import drain
from splitmirror.hooks import HookReport
from splitmirror.reports import Receipt

__all__ = ["Progress", "RestoreJob"]


_numbers = itertools.count(1)


class Progress(NamedTuple):
    """How far a job is: what it does, bytes done, bytes in total."""

    phase: str
    done: int
    total: int


class RestoreJob:
    """What start_restore() returns: the source is restored already, as its readers see it.

    Reads and writes through the pair go on meanwhile: what is still to be copied is read from
    the mirror, and what the application writes stays. Closing the pair pauses the job, durably.
    """

    def __init__(self, core: _core.RestoreJob, hooks: tuple[HookReport, ...] = ()) -> None:
        self._core = core
        self._hooks = hooks
        # By which others name it.
        self._number = next(_numbers)

    def wait(self, timeout: float | None = None) -> Receipt:
        """Wait for the end and give the receipt.

        Args:
            timeout: in seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it still runs; it goes on.
            CancelledError: it was paused, or the pair was closed; resume_restore() goes on.
            AreaIOError, SealMismatchError: reading or writing failed; resume_restore() goes on.
        """
        try:
            text = self._core.wait(timeout)
        finally:
            drain()
        if text is None:
            raise TimeoutError(f"the restore still runs after {timeout} s; it goes on")
        receipt = Receipt.from_json(text)
        return replace(receipt, hooks=self._hooks)

    @property
    def hooks(self) -> tuple[HookReport, ...]:
        """How the hooks went: they have run by now; empty for a job that restore_job found."""
        return self._hooks

    @property
    def receipt(self) -> Receipt | None:
        """The receipt, or None while it runs. Raises what wait() raises once it has ended."""
        return None if self._core.running else self.wait(0)

    @property
    def running(self) -> bool:
        """Whether it still copies."""
        return self._core.running

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(*self._core.progress())

    def pause(self) -> None:
        """Stop copying, durably; what is pending is still read from the mirror.

        pair.start_restore(resume=True) or pair.resume_restore() goes on.
        """
        try:
            self._core.pause()
        finally:
            drain()

    def throttle(self, bytes_per_second: int | None) -> None:
        """Copy at most so many bytes a second from now on; None: no limit.

        Without a limit it takes at most about half of the time while the application is busy.
        """
        self._core.set_rate(0 if bytes_per_second is None else max(1, int(bytes_per_second)))

    def __repr__(self) -> str:
        phase, done, total = self.progress
        state = f"{phase or 'starting'}, {done:,} of {total:,} bytes" if self.running else "ended"
        return f"<RestoreJob: {state}>"
