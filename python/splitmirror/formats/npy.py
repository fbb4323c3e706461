"""Format "npy": a file of numpy.save; its one member "array" is the data behind the header."""

from __future__ import annotations

from typing import BinaryIO

from splitmirror.errors import FormatError
from splitmirror.formats._interface import Extent
from splitmirror.layout import ArrayLayout

__all__ = ["MEMBER", "Npy"]

MEMBER = "array"

_MAGIC = b"\x93NUMPY"


class Npy:
    """Finds the data of a .npy file of any version."""

    name = "npy"

    def recognises(self, file: BinaryIO) -> bool:
        """Whether the file begins as numpy.save begins it."""
        return file.read(len(_MAGIC)) == _MAGIC

    def members(self, file: BinaryIO) -> list[str]:
        """Give the one member."""
        return [MEMBER]

    def extents(self, file: BinaryIO, member: str) -> list[Extent]:
        """Give where the items are; the header is not part of them.

        Raises:
            FormatError: the array has no items.
            ArgumentError, RangeError: the header cannot be used.
        """
        layout = ArrayLayout.from_npy(file)
        if layout.nbytes == 0:
            raise FormatError(
                f"the array of shape {layout.shape} has no items to restore", member=member
            )
        return [(layout.offset, layout.nbytes)]

    def description(self, file: BinaryIO, member: str) -> str:
        """Give item type, shape and order: what the header says."""
        return str(ArrayLayout.from_npy(file))
