"""How fast a verb is and how long it still takes, from what it reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Pace", "Step"]


class Step(NamedTuple):
    """Where a phase is: ``rate`` in bytes a second, times in seconds; None: not known yet."""

    first: bool
    at: float
    elapsed: float
    rate: float | None
    left: float | None


class Pace:
    """Measures each phase of a verb from its first report on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._phase = ""
        self._started = 0.0

    def step(self, phase: str, done: int, total: int) -> Step:
        """Take a report: bytes done of bytes in total."""
        now = self._clock()
        first = phase != self._phase
        if first:
            self._phase, self._started = phase, now
        elapsed = now - self._started
        rate = done / elapsed if elapsed > 0 else None
        return Step(first, now, elapsed, rate, (total - done) / rate if rate else None)
