"""What can go wrong between a process that asks and the process that has the pair open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from splitmirror.errors._base import SplitMirrorError, SystemCallError


class NoOwnerError(SplitMirrorError):
    """No process has the pair open, so nobody could carry this out, or go on with it."""

    id: ClassVar[str] = "no-owner"
    exit_code: ClassVar[int] = 3
    path: str = ""


class OwnerGoneError(SplitMirrorError):
    """The process that has the pair open (``pid``) ended, or closed it, before it had answered."""

    id: ClassVar[str] = "owner-gone"
    path: str = ""
    pid: int = 0


class RequestError(SplitMirrorError, ValueError):
    """A request over the control socket is malformed, too long, too slow or of another version."""

    id: ClassVar[str] = "request"
    exit_code: ClassVar[int] = 2
    supported: Sequence[int] = ()


class DeniedError(SystemCallError, PermissionError):
    """The control socket belongs to a process of another user."""

    id: ClassVar[str] = "denied"
    exit_code: ClassVar[int] = 8


class WaitTimeoutError(SystemCallError, TimeoutError):
    """What was waited for did not come within ``timeout`` seconds; nothing was stopped."""

    id: ClassVar[str] = "timeout"
    exit_code: ClassVar[int] = 7
    timeout: float = 0.0
