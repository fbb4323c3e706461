"""What is wrong with a pair, its catalog or its data, and who uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from splitmirror.errors._base import SplitMirrorError, SystemCallError


class SameAreaError(SplitMirrorError, ValueError):
    """Mirror and source are the same bytes; ``how`` says how (hard link, loop device, ...)."""

    id: ClassVar[str] = "same-area"
    exit_code: ClassVar[int] = 8
    path: str = ""
    other: str = ""
    how: str = ""


class AlreadyPairedError(SplitMirrorError):
    """The file belongs to another pair; ``other`` is the mirror of that pair."""

    id: ClassVar[str] = "already-paired"
    exit_code: ClassVar[int] = 8
    path: str = ""
    other: str = ""


class MirrorExistsError(SystemCallError, FileExistsError):
    """The mirror's place holds data of something else; overwrite=True gives it up."""

    id: ClassVar[str] = "mirror-exists"
    exit_code: ClassVar[int] = 8


class CatalogMissingError(SystemCallError, FileNotFoundError):
    """There is no catalog for this mirror; adopt() makes one."""

    id: ClassVar[str] = "catalog-missing"


class CatalogCorruptError(SplitMirrorError):
    """The catalog cannot be read: truncated, or bits of it flipped."""

    id: ClassVar[str] = "catalog-corrupt"
    path: str = ""


class CatalogVersionError(SplitMirrorError):
    """The catalog has a format version that this release does not know."""

    id: ClassVar[str] = "catalog-version"
    path: str = ""
    found: int = 0
    supported: int = 0


class CatalogUntrustedError(SystemCallError, PermissionError):
    """The catalog belongs to somebody else, or others may write its folder."""

    id: ClassVar[str] = "catalog-untrusted"
    exit_code: ClassVar[int] = 8


class MovedPairError(SplitMirrorError):
    """Mirror and catalog are a copy, or were moved; adopt() gives them a new identity."""

    id: ClassVar[str] = "moved-pair"
    exit_code: ClassVar[int] = 8
    path: str = ""


class PairInUseError(SplitMirrorError):
    """Another process (``pid``, None when not known) has the pair open."""

    id: ClassVar[str] = "pair-in-use"
    exit_code: ClassVar[int] = 5
    path: str = ""
    pid: int | None = None


class SourceInUseError(SplitMirrorError):
    """Other processes have the source open; ``pids`` lists those that could be seen."""

    id: ClassVar[str] = "source-in-use"
    exit_code: ClassVar[int] = 5
    path: str = ""
    pids: Sequence[int] = ()


class SourceMountedError(SourceInUseError):
    """The source carries a mounted file system."""

    id: ClassVar[str] = "source-mounted"
    mountpoint: str = ""


class ViewsLiveError(SplitMirrorError):
    """Arrays or buffers over the area are still alive; ``views`` is how many."""

    id: ClassVar[str] = "views-live"
    exit_code: ClassVar[int] = 5
    views: int = 0


class SealMismatchError(SplitMirrorError):
    """So many ``blocks`` of the mirror differ from its seal; ``bad``: (offset, length)."""

    id: ClassVar[str] = "seal-mismatch"
    exit_code: ClassVar[int] = 4
    path: str = ""
    blocks: int = 0
    bad: Sequence[Sequence[int]] = ()


class MirrorFailedError(SplitMirrorError):
    """The mirror could not be written and was dropped; the source is not affected."""

    id: ClassVar[str] = "mirror-failed"
    exit_code: ClassVar[int] = 6
    path: str = ""


class MountError(SplitMirrorError):
    """The volume cannot be mounted there; ``path`` is the mountpoint."""

    id: ClassVar[str] = "mount"
    path: str = ""


class MountBusyError(SplitMirrorError):
    """The mounted volume is in use, as ``pids``, ``loops`` and ``mounts`` say; it stays mounted."""

    id: ClassVar[str] = "mount-busy"
    exit_code: ClassVar[int] = 5
    path: str = ""
    pids: Sequence[int] = ()
    loops: Sequence[str] = ()
    mounts: Sequence[str] = ()
