"""Refusals that keep good bytes from being overwritten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from splitmirror.errors._base import SplitMirrorError


class SidecarError(SplitMirrorError):
    """Files beside the source (a database's log) would undo or spoil the restore."""

    id: ClassVar[str] = "sidecar"
    exit_code: ClassVar[int] = 8
    path: str = ""
    sidecars: Sequence[str] = ()


class OutsideWritesError(SplitMirrorError):
    """The source was, or may have been, written round the pair since the last establish."""

    id: ClassVar[str] = "outside-writes"
    exit_code: ClassVar[int] = 8
    path: str = ""
    reason: str = ""


class ProtectedError(SplitMirrorError):
    """A condition forbids the verb; accept={...} names the conditions to override."""

    id: ClassVar[str] = "protected"
    exit_code: ClassVar[int] = 8
    verb: str = ""
    conditions: Sequence[str] = ()


class HeldError(ProtectedError):
    """The mirror is on hold; release() it first."""

    id: ClassVar[str] = "held"
    reason: str = ""


class NoMirrorError(SplitMirrorError):
    """None of the ``mirrors`` can be refreshed: on hold, not there, or in need of something."""

    id: ClassVar[str] = "no-mirror"
    exit_code: ClassVar[int] = 8
    mirrors: Sequence[str] = ()


class MirrorSkewedError(ProtectedError):
    """The mirror changed since its split, so it is no longer that point in time."""

    id: ClassVar[str] = "mirror-skewed"
    path: str = ""


class ConsistencyError(SplitMirrorError):
    """The split would be less consistent (``reached``) than what was ``required``."""

    id: ClassVar[str] = "consistency"
    exit_code: ClassVar[int] = 8
    required: str = ""
    reached: str = ""


class MemberMovedError(SplitMirrorError):
    """The source does not hold ``member`` where the mirror does, so it cannot go back alone."""

    id: ClassVar[str] = "member-moved"
    exit_code: ClassVar[int] = 8
    path: str = ""
    member: str = ""
    format: str = ""
