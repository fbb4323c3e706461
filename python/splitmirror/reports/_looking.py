"""What is told of a pair without touching its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from splitmirror._document import Bytes, Document, Extents, Number, Seconds, Sentences, Time
from splitmirror.states import Condition, State
from splitmirror.units import printable

__all__ = [
    "ArraysInUse",
    "Check",
    "Event",
    "PlanReport",
    "SiblingStatus",
    "Status",
    "Tracking",
    "UnreadablePair",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport(Document):
    """What a plan would do.

    ``extents`` are (offset, length) in bytes, cut at 10,000 of ``extents_total``. At most
    ``bytes`` are read and written, and at most ``space_needed`` bytes of free space are needed
    where ``overwrites`` lies.
    """

    kind: ClassVar[str] = "plan"
    verb: str
    reason: str
    method: str
    extents: Extents
    extents_total: int
    blocks: int
    bytes: Bytes
    source_length: Bytes | None
    target_length: Bytes
    space_needed: Bytes
    overwrites: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking(Document):
    """Whether the record of changed blocks would be believed now, and why or why not."""

    believed: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraysInUse(Document):
    """Arrays of the source that this process holds: how many, and how much of it they map.

    ``tracking`` is "pages" when the kernel tells which pages were stored into, else "compare":
    then source and mirror are compared. A mirror that follows gets what was stored about every
    ``interval_seconds``, or at flush() and verbs only (None); it has all that was stored more
    than ``lag_seconds`` ago.
    """

    views: int
    bytes: Bytes
    tracking: str
    mirroring: str
    interval_seconds: Seconds | None
    lag_seconds: Seconds | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiblingStatus(Document):
    """Another mirror of the same source; ``problem`` says why it could not be opened.

    One that is not ``open`` misses what is written meanwhile; its next establish or restore
    compares, with the reason "missed-epoch".
    """

    line_each: ClassVar[bool] = True
    pair_id: str
    mirror: str
    state: State | None
    conditions: tuple[Condition, ...]
    open: bool
    problem: str | None

    def in_line(self) -> str:
        """Give the mirror and where it stands."""
        words = [*([self.state] if self.state else ()), *self.conditions]
        words.append("open" if self.open else "not open")
        why = f": {printable(self.problem)}" if self.problem else ""
        return f"{printable(self.mirror)}: {', '.join(words)}{why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Document):
    """Where a pair stands.

    ``next`` are the verbs that are legal now, ``advice`` a sentence for each condition.
    ``tracking`` and ``changed_blocks`` are None when the pair was only looked at from outside.
    ``hold`` is the reason of a hold ("" when none was given), None without a hold. ``arrays``
    is None when this process holds none.
    """

    kind: ClassVar[str] = "status"
    pair_id: str
    volume_id: str
    mirror: str
    source: str
    catalog: str
    mode: str
    block_size: Bytes
    state: State
    conditions: tuple[Condition, ...]
    activity: str
    generation: Number
    label: str | None
    split_at: Time | None
    consistency: str | None
    established_at: Time | None
    length: Bytes
    sealed: bool
    root: str | None
    hold: str | None
    owner_pid: Number | None
    mounted: str | None
    tracking: Tracking | None
    changed_blocks: int | None
    pending_blocks: int
    arrays: ArraysInUse | None
    siblings: tuple[SiblingStatus, ...]
    next: tuple[str, ...]
    advice: Sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadablePair(Document):
    """An entry of list_pairs() whose catalog could not be read, with the error as a dict."""

    mirror: str
    error: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Document):
    """One entry of a pair's history."""

    at: Time
    event: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Document):
    """One finding of doctor(); ``ok`` is None when it could not be found out."""

    check: str
    ok: bool | None
    detail: str
    advice: str
