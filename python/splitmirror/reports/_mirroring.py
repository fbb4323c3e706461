"""Reports of the verbs that fill, freeze and end a mirror."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from splitmirror._document import Bytes, Document, Number, Seconds, Time
from splitmirror.hooks import HookReport
from splitmirror.reports._pairs import CopyReport, PairReport, Stamp
from splitmirror.states import State
from splitmirror.units import printable

__all__ = [
    "DetachReport",
    "EstablishReport",
    "OldestMirror",
    "PassedOver",
    "RefreshReport",
    "RepairReport",
    "SplitReport",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EstablishReport(CopyReport):
    """Result of establish(): the mirror equals the source and follows it."""

    kind: ClassVar[str] = "establish"
    source_length: Bytes
    outside_writes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReport(PairReport):
    """Result of split(): the mirror is a point in time from here on.

    ``consistency`` is what the point promises: "application" (a freeze hook succeeded),
    "flushed" (one instant, everything written before was flushed), "crash" (one instant) or
    "fuzzy" (parts may be of different instants). ``hooks`` says how freeze and thaw went.
    """

    kind: ClassVar[str] = "split"
    generation: Number
    label: str | None
    taken_at: Time
    consistency: str
    length: Bytes
    writers_paused_seconds: Seconds
    seconds: Seconds
    mirror_stamp: Stamp
    hooks: tuple[HookReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReport(PairReport):
    """Result of refresh(): an establish and a split."""

    kind: ClassVar[str] = "refresh"
    establish: EstablishReport
    split: SplitReport


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver(Document):
    """A mirror that is not the next to be refreshed whatever its age, and why."""

    line_each: ClassVar[bool] = True
    mirror: str
    why: str

    def in_line(self) -> str:
        """Give the mirror and why."""
        return f"{printable(self.mirror)}: {printable(self.why)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldestMirror(Document):
    """The mirror to refresh next, as it is now; ``refresh`` is there once that was done."""

    kind: ClassVar[str] = "oldest"
    mirror: str
    pair_id: str
    state: State
    generation: Number
    label: str | None
    split_at: Time | None
    why: str
    passed_over: tuple[PassedOver, ...]
    refresh: RefreshReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport(CopyReport):
    """Result of repair(): the mirror holds the point in time of another one."""

    kind: ClassVar[str] = "repair"
    from_mirror: str
    generation: Number
    label: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachReport(Document):
    """Result of detach(): the pair is no more, both files stay."""

    kind: ClassVar[str] = "detach"
    pair_id: str
    mirror: str
    source: str
