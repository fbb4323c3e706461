"""The verb does not fit (the state, the plan, the object, its arguments), or was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from splitmirror.errors._base import SplitMirrorError, SystemCallError


class StateError(SplitMirrorError):
    """The verb is not legal in the pair's state; ``legal`` lists the verbs that are."""

    id: ClassVar[str] = "state"
    exit_code: ClassVar[int] = 3
    verb: str = ""
    state: str = ""
    legal: Sequence[str] = ()


class StalePlanError(SplitMirrorError):
    """The plan was made for an earlier state of the pair; make a new one."""

    id: ClassVar[str] = "stale-plan"
    exit_code: ClassVar[int] = 3


class NotSealedError(SplitMirrorError):
    """The verb needs the mirror's seal, and there is none; call seal() after a split."""

    id: ClassVar[str] = "not-sealed"
    exit_code: ClassVar[int] = 3


class ClosedPairError(SplitMirrorError, ValueError):
    """The pair was closed or detached."""

    id: ClassVar[str] = "closed"
    exit_code: ClassVar[int] = 2


class ForkedPairError(SplitMirrorError):
    """The pair was opened by a parent process; open it anew after the fork."""

    id: ClassVar[str] = "forked"
    exit_code: ClassVar[int] = 2


class CancelledError(SplitMirrorError):
    """The verb was cancelled through its CancelToken; ``state`` is what it left."""

    id: ClassVar[str] = "cancelled"
    exit_code: ClassVar[int] = 6
    state: str = ""


class HookError(SplitMirrorError):
    """A hook failed before the verb changed anything; ``hook`` names it, ``detail`` says how."""

    id: ClassVar[str] = "hook"
    hook: str = ""
    detail: str = ""


class ArgumentError(SplitMirrorError, ValueError):
    """An argument has a value that cannot be used; ``argument`` is its name."""

    id: ClassVar[str] = "argument"
    exit_code: ClassVar[int] = 2
    argument: str = ""


class ConfigError(SplitMirrorError):
    """A pair's configuration cannot be used; ``path``, ``line`` and ``key`` say where, if known."""

    id: ClassVar[str] = "config"
    exit_code: ClassVar[int] = 2
    path: str = ""
    line: int = 0
    key: str = ""


class FormatError(SplitMirrorError):
    """The ``plugin`` for a ``format`` failed, or cannot give the bytes of a ``member``.

    With the format ``ext4``: the file system on the mirror ``path`` is damaged, or there is none.
    """

    id: ClassVar[str] = "format"
    format: str = ""
    member: str = ""
    plugin: str = ""
    path: str = ""


class NoFileSystemError(FormatError):
    """There is no ext2, ext3 or ext4 file system on the mirror ``path``, or not just one."""

    id: ClassVar[str] = "no-file-system"


class MemberNotFoundError(SystemCallError, FileNotFoundError):
    """The file system on the mirror ``path`` has no file ``member``."""

    id: ClassVar[str] = "member-not-found"
    member: str = ""


class MemberKindError(SystemCallError):
    """The ``member`` is not what was asked for: a folder, a symlink, a file in its path."""

    id: ClassVar[str] = "member-kind"
    member: str = ""


class PointGoneError(SplitMirrorError):
    """The mirror ``path`` was established while it was looked into; nothing is given out."""

    id: ClassVar[str] = "point-gone"
    exit_code: ClassVar[int] = 3
    path: str = ""


class RangeError(SplitMirrorError, ValueError):
    """An offset or length in bytes lies outside the area, is negative or overflows."""

    id: ClassVar[str] = "range"
    exit_code: ClassVar[int] = 2
    offset: int = 0
    length: int = 0
    limit: int = 0


class BufferMismatchError(SplitMirrorError, BufferError):
    """The buffer is not contiguous, not writable or of the wrong size."""

    id: ClassVar[str] = "buffer"
    exit_code: ClassVar[int] = 2
