"""Reading and writing through the pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from splitmirror.arrays import (
    Mirroring,
    Tracking,
    layout_of,
    mirror_array,
    source_array,
)
from splitmirror.errors import ArgumentError
from splitmirror.io import MirrorFile, SourceFile
from splitmirror.layout import Order, Shape
from splitmirror.pair._handle import PairHandle

if TYPE_CHECKING:
    import numpy.typing as npt

    from splitmirror._types import BytesToWrite, PlaceToRead
    from splitmirror.tree import Ext4Tree


class Access(PairHandle):
    """Bytes of the source and of the mirror; offsets and sizes are in bytes."""

    def read(self, offset: int, size: int) -> bytes:
        """Read from the source; fewer bytes than asked for only at its end.

        What an interrupted restore has not reached yet is read from the mirror.

        Raises:
            RangeError: offset or size is negative or overflows.
            AreaIOError: the source cannot be read.
        """
        return self._core.read(offset, size)

    def readinto(self, offset: int, buffer: PlaceToRead) -> int:
        """Read from the source into a writable contiguous buffer; gives the number of bytes.

        Raises:
            BufferMismatchError: the buffer is read-only or not contiguous.
            RangeError, AreaIOError: as read().
        """
        return self._core.readinto(offset, buffer)

    def write(self, offset: int, data: BytesToWrite) -> int:
        """Write to the source; synchronized, also to the mirror, otherwise to the source alone.

        A file grows when this goes past its end. It is durable after flush(). When the mirror
        fails the write succeeds and the pair gets the condition mirror-failed.

        Raises:
            BufferMismatchError: the buffer is not contiguous.
            RangeError: the range is negative, overflows, or goes past the end of a device.
            AreaIOError, NoSpaceError: the source cannot be written.
        """
        return self._core.write(offset, data)

    def discard(self, offset: int, length: int) -> None:
        """Make a range of the source read as zeros, and be a hole where it has holes.

        It goes to the mirrors as a write does, and never changes the length: what lies past the
        end is left alone. During a restore, a block that is discarded as a whole is no longer
        brought back.

        Raises:
            RangeError: the range is negative or overflows.
            AreaIOError: the source cannot be changed.
        """
        self._core.discard(offset, length)

    def flush(self) -> None:
        """Make everything written through the pair durable, on every side that follows.

        Raises:
            AreaIOError: the source could not be synced; it becomes source-suspect.
        """
        self._core.flush()

    def open_source(self, mode: Literal["rb", "rb+", "r+b"] = "rb+") -> SourceFile:
        """Open the source as a raw I/O object that goes through the pair.

        Args:
            mode: "rb" to read, "rb+" to read and write.

        Raises:
            ArgumentError: another mode.
        """
        if mode not in ("rb", "rb+", "r+b"):
            raise ArgumentError(f"mode {mode!r} is neither 'rb' nor 'rb+'", argument="mode")
        file = SourceFile(self._core, writable=mode != "rb")
        if file.writable():
            self._files.add(file)
        return file

    def open_mirror(self) -> MirrorFile:
        """Open the mirror as a raw I/O object for reading.

        Raises:
            StateError: the pair is not split, so the mirror is no point in time.
        """
        return MirrorFile(self._core)

    def open_tree(self, *, partition: int | None = None, offset: int | None = None) -> Ext4Tree:
        """Open the ext2, ext3 or ext4 file system on the mirror, to read single files.

        It does not keep the mirror as it is: once that is established again, its calls raise
        PointGoneError. Arguments and errors are those of Ext4Tree.open().
        """
        from splitmirror.tree import Ext4Tree

        mirror, catalog = self._core.mirror_path, self._core.catalog_path
        return Ext4Tree.open(mirror, catalog=catalog, partition=partition, offset=offset)

    def array(
        self,
        dtype: npt.DTypeLike | None = None,
        shape: Shape | None = None,
        offset: int = 0,
        *,
        order: Order = "C",
        mirroring: Mirroring = "interval",
        tracking: Tracking = "auto",
    ) -> npt.NDArray[Any]:
        """Give the source, or part of it, as a numpy array that may be written at any time.

        It is the file's memory: any numpy code, C extension or compiled kernel writes it at the
        speed of memory. What was stored is found by page: a mirror that is synchronized gets it
        by and by, and with flush() and every verb at the latest; a split one has its blocks
        marked. A restore shows in the array. The whole range is recorded as one that may differ
        until the array is gone and the pair is closed, so delete it before close().

        All its blocks are allocated. Three things no program can be protected from: another one
        that cuts the file ends this one (SIGBUS) when it reads beyond the new end; a forked
        child that stores into the array is not seen (the pair says tracker-lost); stores of other
        threads while a restore copies may be overwritten.

        Args:
            dtype: of the items, no Python objects; None to take dtype, shape, offset and order
                from the header of a .npy file, which stays as it is.
            shape: the dimensions; None for one dimension up to the end.
            offset: where the array begins, in bytes; need not be aligned.
            order: "C", the last index varies fastest, or "F", the first one does.
            mirroring: "interval" mirrors by itself, every 50 ms or as seldom as it takes to cost
                a twentieth of the time; "on-flush" at flush() and verbs alone.
            tracking: "pages" by the kernel (Linux 6.7; userfaultfd and PAGEMAP_SCAN), "compare"
                by comparing with the mirrors at flush() and verbs, "auto" the first where it works.

        Raises:
            StateError: a restore is pending or copying.
            RangeError: the array does not lie in the source.
            ArgumentError: dtype, shape or order cannot be used, or there is no .npy header.
            NoSpaceError: its blocks cannot be allocated.
            AreaIOError, AreaPermissionError: the source cannot be mapped, or, with
                tracking="pages", not be tracked.
        """
        self._not_in_a_hook()
        limit = self._core.source_length()
        layout = layout_of(
            lambda: self.open_source("rb"), dtype, shape, offset, order, limit, "source"
        )
        made = source_array(self._core, layout, tracking=tracking, mirroring=mirroring)
        self._layout = layout
        return made

    def mirror_array(
        self,
        dtype: npt.DTypeLike | None = None,
        shape: Shape | None = None,
        offset: int = 0,
        *,
        order: Order = "C",
    ) -> npt.NDArray[Any]:
        """View the mirror as a read-only numpy array, without copying it.

        While the array lives, verbs that would change the mirror raise ViewsLiveError.

        Args:
            dtype: of the items, no Python objects; None to take dtype, shape, offset and order
                from the header of a .npy file.
            shape: the dimensions; None for one dimension up to the end.
            offset: where the array begins, in bytes.
            order: "C", the last index varies fastest, or "F", the first one does.

        Raises:
            StateError: the pair is not split.
            RangeError: the array does not lie in the mirror.
            ArgumentError: dtype, shape or order cannot be used, or there is no .npy header.
        """
        limit = self._core.mirror_length()
        layout = layout_of(self.open_mirror, dtype, shape, offset, order, limit, "mirror")
        return mirror_array(self._core, layout)

    @property
    def source_length(self) -> int:
        """Length of the source in bytes."""
        return self._core.source_length()

    @property
    def mirror_length(self) -> int:
        """Length of the mirror's content in bytes; a device mirror may be larger."""
        return self._core.mirror_length()
