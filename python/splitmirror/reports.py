"""What the verbs return: frozen documents with a schema version.

Numbers of bytes are exact integers, times are seconds since 1970, durations are seconds, and
paths are text for people (bytes that are no UTF-8 appear as ``\\xNN``). Every report can
`to_dict`, `to_json` and `from_dict`, prints as a table and shows as HTML in a notebook.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from splitmirror._document import Bytes, Document, Extents, Number, Seconds, Sentences, Time
from splitmirror.states import Condition, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp(Document):
    """What the file system says of an area; equal stamps are how "not touched" is shown."""

    device: Number
    inode: Number
    length: Bytes
    modified: Time
    changed: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReport(Document):
    """What all reports on a pair have: whose it is, and where the pair stands after the verb."""

    pair_id: str
    state: State
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport(PairReport):
    """What all reports of copying have.

    ``reason`` says why these blocks were looked at (first, bitmap, compare, rebooted, ...);
    ``method`` whether they were copied outright or compared first.
    """

    reason: str
    method: str
    blocks_total: int
    blocks_examined: int
    blocks_copied: int
    blocks_skipped: int
    bytes_copied: Bytes
    bytes_punched: Bytes
    seconds: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class EstablishReport(CopyReport):
    """Result of establish(): the mirror equals the source and follows it."""

    kind: ClassVar[str] = "establish"
    source_length: Bytes
    outside_writes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReport(PairReport):
    """Result of split(): the mirror is a point in time from here on."""

    kind: ClassVar[str] = "split"
    generation: Number
    label: str | None
    taken_at: Time
    consistency: str
    length: Bytes
    writers_paused_seconds: Seconds
    seconds: Seconds
    mirror_stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReport(PairReport):
    """Result of refresh(): an establish and a split."""

    kind: ClassVar[str] = "refresh"
    establish: EstablishReport
    split: SplitReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(CopyReport):
    """Result of a restore, with the proof that the mirror was not touched.

    The stamps, and the root digests when the mirror is sealed, were taken before and after;
    ``mirror_unchanged`` says whether they are equal. ``unrestored`` lists the (offset, length)
    ranges in bytes that could not be restored; then ``complete`` is false.
    """

    kind: ClassVar[str] = "receipt"
    generation: Number
    label: str | None
    source: str
    to: str | None
    blocks_app_written: int
    length_before: Bytes | None
    length_after: Bytes
    mirror_stamp_before: Stamp
    mirror_stamp_after: Stamp
    root_before: str | None
    root_after: str | None
    mirror_unchanged: bool
    outside_writes: str
    complete: bool
    unrestored: Extents
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonReport(PairReport):
    """Result of abandon_restore(): what of the source stays unrestored."""

    kind: ClassVar[str] = "abandon"
    unrestored: Extents
    blocks_unrestored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferingRange(Document):
    """A range in bytes where the sides differ, and which side is wrong as far as known."""

    offset: int
    length: Bytes
    wrong_side: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport(PairReport):
    """Result of verify(); ``differing`` is cut at 10,000 ranges, ``ranges_total`` is not."""

    kind: ClassVar[str] = "verify"
    matches: bool
    differing: tuple[DifferingRange, ...]
    ranges_total: int
    blocks_examined: int
    blocks_differing: int
    source_length: Bytes
    mirror_length: Bytes
    sealed: bool
    seconds: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SealReport(PairReport):
    """Result of seal(): ``root`` is one BLAKE3 digest (hex) over all block digests."""

    kind: ClassVar[str] = "seal"
    generation: Number
    root: str
    blocks: int
    bytes: Bytes
    seconds: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubReport(PairReport):
    """Result of scrub(): the mirror against its seal; ``bad`` are (offset, length) in bytes."""

    kind: ClassVar[str] = "scrub"
    generation: Number
    intact: bool
    root: str
    blocks_bad: int
    bad: Extents
    blocks: int
    bytes: Bytes
    seconds: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachReport(Document):
    """Result of detach(): the pair is no more, both files stay."""

    kind: ClassVar[str] = "detach"
    pair_id: str
    mirror: str
    source: str


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
class Status(Document):
    """Where a pair stands.

    ``next`` are the verbs that are legal now, ``advice`` a sentence for each condition.
    ``tracking`` and ``changed_blocks`` are None when the pair was only looked at from outside.
    ``hold`` is the reason of a hold ("" when none was given), None without a hold.
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
    tracking: Tracking | None
    changed_blocks: int | None
    pending_blocks: int
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
