"""Files and devices that cannot be used, or fail while they are."""

from __future__ import annotations

from typing import ClassVar

from splitmirror.errors._base import SplitMirrorError, SystemCallError


class AreaIOError(SystemCallError):
    """Reading, writing or syncing a file or device failed; ``operation`` says which."""

    id: ClassVar[str] = "io"
    operation: str = ""


class AreaNotFoundError(SystemCallError, FileNotFoundError):
    """There is no such file or device."""

    id: ClassVar[str] = "not-found"


class AreaExistsError(SystemCallError, FileExistsError):
    """Something stands at the place that a file is to be copied to; overwrite=True replaces it."""

    id: ClassVar[str] = "exists"
    exit_code: ClassVar[int] = 8


class AreaPermissionError(SystemCallError, PermissionError):
    """The file or device may not be used like this by this user."""

    id: ClassVar[str] = "permission"
    operation: str = ""


class ReadOnlyAreaError(SystemCallError):
    """The file system or device is read-only."""

    id: ClassVar[str] = "read-only"


class NoSpaceError(SystemCallError):
    """No space is left; ``needed`` and ``available`` are bytes, 0 when not known."""

    id: ClassVar[str] = "no-space"
    needed: int = 0
    available: int = 0


class UnsupportedAreaError(SplitMirrorError, ValueError):
    """Neither a regular file nor a block device; ``what`` says what it is."""

    id: ClassVar[str] = "unsupported-area"
    exit_code: ClassVar[int] = 2
    path: str = ""
    what: str = ""


class AreaTooSmallError(SplitMirrorError, ValueError):
    """The device is smaller than what has to go onto it; both numbers are bytes."""

    id: ClassVar[str] = "too-small"
    path: str = ""
    length: int = 0
    needed: int = 0
