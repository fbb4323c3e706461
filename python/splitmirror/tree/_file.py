"""A file on a split mirror as a raw I/O object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from splitmirror.io import AreaFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from splitmirror import _core

__all__ = ["TreeFile"]

PIECE = 1 << 20


class TreeFile(AreaFile):
    """A regular file on a split mirror, for reading; holes read as zeros.

    Raises FormatError where its map is damaged, and PointGoneError once the mirror is not at the
    point in time any more at which it was opened.
    """

    def __init__(self, tree: _core.Ext4Tree, inode: _core.Ext4Inode, path: bytes) -> None:
        super().__init__(path)
        self._tree = tree
        self._inode = inode

    def _length(self) -> int:
        return self._inode.size

    @property
    def size(self) -> int:
        """Its bytes, holes included."""
        return self._inode.size

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into a buffer; gives the number of bytes, 0 at the end."""
        self._check_open()
        count = self._tree.readinto(self._inode, self._position, buffer)
        self._position += count
        return count

    def readall(self) -> bytes:
        """Read all from the position to the end."""
        pieces = []
        while piece := self.read(PIECE):
            pieces.append(piece)
        return b"".join(pieces)

    def data_runs(self) -> Iterator[tuple[int, int]]:
        """Give (offset, length) of what is data, in order; all else are holes.

        What was reserved and never written is a hole too.
        """
        start = end = at = 0
        while at < self._inode.size:
            length, is_data = self._tree.run(self._inode, at)
            if is_data and at > end:
                if end > start:
                    yield start, end - start
                start = at
            at += length
            if is_data:
                end = at
        if end > start:
            yield start, end - start
