"""Reports on what runs in the process that has a pair open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from splitmirror._document import Bytes, Number
from splitmirror.hooks import HookReport
from splitmirror.reports._pairs import PairReport

__all__ = ["CancelReport", "JobReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport(PairReport):
    """A restore that copies in the background, or did: ``job`` is its number in its process."""

    kind: ClassVar[str] = "job"
    job: Number
    running: bool
    phase: str
    bytes_done: Bytes
    bytes_total: Bytes
    hooks: tuple[HookReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReport(PairReport):
    """Result of cancel: the verbs that were told to stop, by their Python names; all have ended.

    One that was nearly through may have ended well.
    """

    kind: ClassVar[str] = "cancel"
    verbs: tuple[str, ...]
