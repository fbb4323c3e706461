"""The argument types that several modules share."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from splitmirror.errors import ArgumentError

if TYPE_CHECKING:
    import numpy.typing as npt
    from _typeshed import ReadableBuffer, WriteableBuffer

    # For Python 3.11, numpy does not declare its arrays to be buffers.
    BytesToWrite: TypeAlias = ReadableBuffer | npt.NDArray[Any]
    PlaceToRead: TypeAlias = WriteableBuffer | npt.NDArray[Any]

__all__ = ["Accept", "AnyPath", "Progress", "Ranges", "accepted", "byte_ranges", "words"]

AnyPath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""Where a file or device is."""

Progress: TypeAlias = Callable[[str, int, int], object]
"""Called with (phase, bytes done, bytes in total) about ten times a second and at the end."""

Ranges: TypeAlias = Iterable[tuple[int, int]]
"""(offset, length) pairs in bytes."""

Accept: TypeAlias = Collection[str]
"""Names of conditions that the caller knows of and overrides."""


def accepted(names: Accept) -> list[str]:
    """Give the condition names as plain text.

    Raises:
        ArgumentError: one text was passed where a set of texts belongs; it would otherwise be
            taken apart into letters.
    """
    if isinstance(names, str):
        raise ArgumentError(
            f"accept takes a set of condition names, such as {{{names!r}}}", argument="accept"
        )
    return [str(name) for name in names]


def byte_ranges(ranges: Ranges | None) -> list[tuple[int, int]] | None:
    """Give the ranges as a list of pairs of int (numpy integers become int)."""
    if ranges is None:
        return None
    return [(int(offset), int(length)) for offset, length in ranges]


def words(text: str | None, argument: str) -> str | None:
    """Give a text for people as it is.

    Raises:
        ArgumentError: it holds bytes that are no UTF-8, as a command line can pass them on.
    """
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise ArgumentError(f"{argument}: {text!r} is no UTF-8 text", argument=argument) from None
    return text
