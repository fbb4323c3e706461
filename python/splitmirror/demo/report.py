"""What the demonstration found out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from splitmirror._document import Bytes, Document, Seconds
from splitmirror.reports import Receipt

__all__ = ["DemoReport", "Finding"]


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
