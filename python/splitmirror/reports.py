"""What the verbs return: frozen documents with a schema version.

Numbers of bytes are exact integers, times are seconds since 1970, durations are seconds, and
paths are text for people (bytes that are no UTF-8 appear as ``\\xNN``). Every report can
`to_dict`, `to_json` and `from_dict`, prints as a table and shows as HTML in a notebook.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from splitmirror._document import Bytes, Document, Extents, Number, Seconds, Sentences, Time
from splitmirror.hooks import HookReport
from splitmirror.states import Condition, State

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


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
class ProvenanceRun(Document):
    """A run of blocks of one origin: "mirror", "app-written" or "pending"; in bytes."""

    offset: int
    length: Bytes
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport(CopyReport):
    """Result of repair(): the mirror holds the point in time of another one."""

    kind: ClassVar[str] = "repair"
    from_mirror: str
    generation: Number
    label: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(CopyReport):
    """Result of a restore, with the proof that the mirror was not touched.

    The stamps, and the root digests when the mirror is sealed, were taken before and after;
    ``mirror_unchanged`` says whether they are equal. ``unrestored`` lists the (offset, length)
    ranges in bytes that could not be restored; then ``complete`` is false.

    ``provenance`` says where the blocks are from: runs of blocks that were brought back
    ("mirror") or that the application wrote meanwhile ("app-written"); the others were kept.
    provenance_map() gives the same as an array. heal() restores the app-written ones too.
    """

    kind: ClassVar[str] = "receipt"
    generation: Number
    label: str | None
    source: str
    to: str | None
    blocks_app_written: int
    restore_id: str | None
    block_size: Bytes
    provenance: tuple[ProvenanceRun, ...]
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
    hooks: tuple[HookReport, ...] = ()

    def provenance_map(self) -> npt.NDArray[np.uint8]:
        """Give one number a block of ``block_size`` bytes, for all of the source.

        0: kept, it was equal to the mirror. 1: brought back from the mirror. 2: written by the
        application since the restore took effect. 3: still to be brought back.
        """
        import numpy as np

        codes = {"mirror": 1, "app-written": 2, "pending": 3}
        blocks = np.zeros(self.blocks_total, dtype=np.uint8)
        for run in self.provenance:
            first = run.offset // self.block_size
            end = -(-(run.offset + run.length) // self.block_size)
            blocks[first:end] = codes[run.origin]
        return blocks


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
class SiblingStatus(Document):
    """Another mirror of the same source; ``problem`` says why it could not be opened.

    One that is not ``open`` misses what is written meanwhile; its next establish or restore
    compares, with the reason "missed-epoch".
    """

    pair_id: str
    mirror: str
    state: State | None
    conditions: tuple[Condition, ...]
    open: bool
    problem: str | None


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
