"""What a format plug-in has to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, Protocol, TypeAlias, runtime_checkable

__all__ = ["DescribedFormat", "Extent", "Format"]

Extent: TypeAlias = tuple[int, int]
"""(offset, length) in bytes."""


@runtime_checkable
class Format(Protocol):
    """Knows where the members of a kind of file are.

    Each ``file`` is a binary file object for reading, at position 0, which can seek. It has no
    descriptor and is closed after the call. What a method raises reaches the user as the cause
    of a `FormatError` that names the plug-in; to refuse a member in words of its own, it raises
    a FormatError itself.
    """

    @property
    def name(self) -> str:
        """The name of the format, the same as that of its entry point."""

    def recognises(self, file: BinaryIO, /) -> bool:
        """Whether the file is of this format; looks at its first bytes, and raises nothing."""

    def members(self, file: BinaryIO, /) -> Sequence[str]:
        """Give the names of the members, in the order of the file."""

    def extents(self, file: BinaryIO, member: str, /) -> Sequence[Extent]:
        """Give the bytes that a member consists of, as (offset, length), in its own order.

        Together with the rest of the file they have to be the member: what of the file's
        directory changes with the member's content belongs to them.
        """


@runtime_checkable
class DescribedFormat(Format, Protocol):
    """A format that also knows whether equal places mean the same.

    Bytes put back under another item type, or other filters, would be nonsense.
    """

    def description(self, file: BinaryIO, member: str, /) -> str:
        """Say what a member's bytes mean; it has to be the same for the source and the mirror."""
