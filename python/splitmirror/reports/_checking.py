"""Reports of the verbs that look at the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from splitmirror._document import Bytes, Document, Extents, Number, Seconds
from splitmirror.reports._pairs import PairReport

__all__ = [
    "DifferingRange",
    "ScrubReport",
    "SealReport",
    "VerifyReport",
]


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
