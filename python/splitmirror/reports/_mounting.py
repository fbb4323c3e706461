"""What mounting and unmounting a volume tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from splitmirror._document import Document, Number, Sentences

__all__ = ["MountReport", "UnmountReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MountReport(Document):
    """A volume is mounted: ``volume`` is the live source as programs see it.

    ``pid`` is the process that serves it, and that owns the pair as long. ``notes`` tell what was
    found there before, such as a mount whose process had died.
    """

    kind: ClassVar[str] = "mount"
    mountpoint: str
    volume: str
    source: str
    mirror: str
    pid: Number
    log: str | None = None
    notes: Sentences = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmountReport(Document):
    """A volume is not mounted any more; ``ended`` says that the process that served it is gone.

    Not ended: it was taken away lazily, and somebody still uses it.
    """

    kind: ClassVar[str] = "unmount"
    mountpoint: str
    pid: Number
    ended: bool
