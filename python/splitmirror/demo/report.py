"""What the demonstration found out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from splitmirror._document import Bytes, Document, Seconds
from splitmirror.reports import Receipt

__all__ = ["DemoReport", "Finding", "LiveReport", "MountedReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Document):
    """One thing that has to hold, and whether it did."""

    claim: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport(Document):
    """Result of the demonstration; ``passed`` when every finding holds."""

    kind: ClassVar[str] = "demo"
    passed: bool
    findings: tuple[Finding, ...]
    database_bytes: Bytes
    root: str
    receipts: tuple[Receipt, ...]
    seconds: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveReport(Document):
    """Result of the live demonstration; ``passed`` when every finding holds.

    ``bad_reads`` were of places that the faulty writer had touched, ``wrong_reads`` are those
    that nothing explains. The receipts are those of the first restore, of the second, and of
    heal(); their provenance is the map of the blocks.
    """

    kind: ClassVar[str] = "live-demo"
    passed: bool
    findings: tuple[Finding, ...]
    source_bytes: Bytes
    root: str
    receipts: tuple[Receipt, ...]
    reads: int
    writes: int
    flushes: int
    bad_reads: int
    wrong_reads: int
    seconds: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class MountedReport(Document):
    """Result of the mounted demonstration; ``passed`` when every finding holds."""

    kind: ClassVar[str] = "mounted-demo"
    passed: bool
    findings: tuple[Finding, ...]
    source_bytes: Bytes
    root: str
    receipts: tuple[Receipt, ...]
    moves_at_split: int
    seconds: Seconds
