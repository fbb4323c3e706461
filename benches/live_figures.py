"""Figures of the live rows: many short timings in one process, ours and the peer's in turns.

A single write takes microseconds, so nobody can be timed as a process here. Each round times one
slice of every contestant, on the same offsets with the same bytes, in an order shuffled anew; the
ratio is that of the slices of one round, and what the table shows is the median of all rounds.
"""

from __future__ import annotations

import gc
import math
import random
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Figure:
    """One line of a live row: values of ours, and where there is one, of a peer round by round."""

    name: str
    unit: str
    values: list[float]
    peer: str | None = None
    peer_values: list[float] = field(default_factory=list)
    cpu_ratios: list[float] = field(default_factory=list)
    """The same of the processor time: what a busy machine does not blur."""
    at_most: float | None = None
    """Target of the ratio."""
    at_least: float | None = None
    """Target of the ratio."""
    at_most_value: float | None = None
    """Target of the median."""
    inverse: bool = False
    """The values are times, and the ratio is that of the rates."""

    @property
    def ratios(self) -> list[float]:
        """Ours divided by the peer's, of each round."""
        pairs = zip(self.values, self.peer_values, strict=True) if self.peer else ()
        return [b / a if self.inverse else a / b for a, b in pairs]

    def document(self) -> dict[str, Any]:
        """For the JSON."""
        return {
            **asdict(self),
            "median": statistics.median(self.values),
            "min": min(self.values),
            "max": max(self.values),
            "ratio": spread(self.ratios),
            "cpu_ratio": spread(self.cpu_ratios),
            "peer_median": statistics.median(self.peer_values) if self.peer else None,
        }


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Median, and the quarters between which half of the rounds lie."""
    if not values:
        return None
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
    return {"median": statistics.median(values), "low": low, "high": high}


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True)
class Slice:
    """What one slice of work took."""

    seconds: float
    cpu_seconds: float


def timed(work: Callable[[], object]) -> Slice:
    """Run a slice, without the garbage collector."""
    gc.disable()
    try:
        cpu, begun = time.process_time(), time.perf_counter()
        work()
        ended = time.perf_counter()
        return Slice(ended - begun, time.process_time() - cpu)
    finally:
        gc.enable()


def in_turns(
    rounds: int, order: random.Random, prepare: Callable[[int], Mapping[str, Callable[[], object]]]
) -> dict[str, list[Slice]]:
    """The slices of each contestant. `prepare` gives their work; round 0 is to warm up and does
    not count.
    """
    taken: dict[str, list[Slice]] = {}
    for number in range(rounds + 1):
        work = prepare(number)
        for name in order.sample(sorted(work), len(work)):
            one = timed(work[name])
            if number:
                taken.setdefault(name, []).append(one)
    return taken
