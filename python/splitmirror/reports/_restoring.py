"""Reports of the verbs that bring the source back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from splitmirror._document import Bytes, Document, Extents, Number
from splitmirror.hooks import HookReport
from splitmirror.reports._pairs import CopyReport, PairReport, Stamp
from splitmirror.units import format_bytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "AbandonReport",
    "ProvenanceRun",
    "Receipt",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceRun(Document):
    """A run of blocks of one origin: "mirror", "app-written", "mapped-write" or "pending"."""

    offset: int
    length: Bytes
    origin: str

    def in_line(self) -> str:
        """Give the range as other ranges are given, and its origin."""
        return f"{self.offset:,}+{format_bytes(self.length)} {self.origin}"


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
        application since the restore took effect. 3: still to be brought back. 4: as 2, from a
        page that a program had mapped: the rest of the page may be older than the restore.
        """
        import numpy as np

        codes = {"mirror": 1, "app-written": 2, "pending": 3, "mapped-write": 4}
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
