"""What is told of the files on a split mirror, and of those that were brought back from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from splitmirror._document import Bytes, Document, Number, Seconds, Time
from splitmirror.reports._pairs import Stamp
from splitmirror.units import printable

__all__ = ["ExtractReport", "MemberReport", "SkippedFile", "TreeEntry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry(Document):
    """A file on a split mirror.

    ``name`` may hold any bytes but a slash: those that are no UTF-8 as Python's os.fsdecode()
    gives them. ``type`` is "file", "folder", "symlink", "character-device", "block-device",
    "fifo" or "socket"; ``target`` is where a symlink leads. ``problem`` says why nothing is known
    of a damaged one: ``type`` is then "unknown".
    """

    name: str
    type: str
    size: Bytes
    mode: Number
    user: Number
    group: Number
    links: Number
    modified: Time
    inode: Number
    target: str | None
    problem: str | None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.type == "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedFile(Document):
    """A file that was not made: devices, FIFOs and sockets mean nothing elsewhere."""

    line_each: ClassVar[bool] = True
    path: str
    why: str

    def in_line(self) -> str:
        """Give the path and why it was left out."""
        return f"{printable(self.path)}: {printable(self.why)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractReport(Document):
    """Result of extract(): what was made at ``to``.

    ``size`` are the bytes of all contents, of which ``bytes_written`` were data and not holes.
    """

    kind: ClassVar[str] = "extract"
    mirror: str
    generation: Number
    mirror_skewed: bool
    member: str
    to: str
    files: int
    folders: int
    symlinks: int
    size: Bytes
    bytes_written: Bytes
    skipped: tuple[SkippedFile, ...]
    seconds: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberReport(Document):
    """Result of restore_file(): the content of one file, put to ``to``.

    ``way`` is "created", "replaced" (another file took its name) or "in-place" (its content was
    written, its name, owner and permissions are as they were). ``length_before`` is None when
    there was none. ``bytes_written`` are those that differed.
    """

    kind: ClassVar[str] = "member"
    mirror: str
    generation: Number
    mirror_skewed: bool
    member: str
    to: str
    way: str
    length_before: Bytes | None
    length_after: Bytes
    bytes_written: Bytes
    mirror_stamp_before: Stamp
    mirror_stamp_after: Stamp
    mirror_unchanged: bool
    seconds: Seconds
