"""The source and the mirror of a pair as raw I/O objects, for code that wants a file.

Wrap them in `io.BufferedReader` or `io.BufferedRandom` for small reads and writes. They have
no file descriptor: bytes written past the pair would not reach the mirror.
"""

from __future__ import annotations

import errno
import io
import os
from abc import abstractmethod
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from splitmirror import _core

__all__ = ["AreaFile", "MirrorFile", "SourceFile"]


class AreaFile(io.RawIOBase):
    """What reading a side, or a file on it, has in common: a position, and no descriptor."""

    name: str
    mode: str = "rb"

    def __init__(self, path: bytes) -> None:
        super().__init__()
        self._position = 0
        self.name = os.fsdecode(path)

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<{type(self).__name__} name={self.name!r} mode={self.mode!r}{state}>"

    @abstractmethod
    def _length(self) -> int:
        """Bytes that there are now."""

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def readable(self) -> bool:
        """Each can be read."""
        self._check_open()
        return True

    def seekable(self) -> bool:
        """Each can be read anywhere."""
        self._check_open()
        return True

    def tell(self) -> int:
        """Give the position in bytes."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a position in bytes; past the end is allowed, before the start is not.

        Raises:
            OSError: the position is negative. Libraries expect it, as of a file of the system.
            ValueError: ``whence`` is not SEEK_SET, _CUR or _END.
        """
        self._check_open()
        if whence == os.SEEK_SET:
            position = offset
        elif whence == os.SEEK_CUR:
            position = self._position + offset
        elif whence == os.SEEK_END:
            position = self._length() + offset
        else:
            raise ValueError(f"whence must be SEEK_SET, SEEK_CUR or SEEK_END, not {whence}")
        if position < 0:
            raise OSError(errno.EINVAL, f"negative position {position}", self.name)
        self._position = position
        return position

    def truncate(self, size: int | None = None, /) -> int:
        """Refuse: only a source that was opened for writing can change.

        Raises:
            io.UnsupportedOperation: always.
        """
        self._check_open()
        raise io.UnsupportedOperation("truncate")

    def write(self, data: ReadableBuffer, /) -> int:
        """Refuse: only a source that was opened for writing can be written.

        Raises:
            io.UnsupportedOperation: always.
        """
        self._check_open()
        raise io.UnsupportedOperation("write")

    def fileno(self) -> NoReturn:
        """There is no descriptor: writes past the pair would not reach the mirror.

        Raises:
            io.UnsupportedOperation: always.
        """
        self._check_open()
        raise io.UnsupportedOperation("fileno")


class SourceFile(AreaFile):
    """The source; what is written here reaches the mirror when the pair is synchronized."""

    def __init__(self, core: _core.Pair, *, writable: bool) -> None:
        super().__init__(core.source_path)
        self._core = core
        self.mode = "rb+" if writable else "rb"
        self._writable = writable
        self._unflushed = False

    def _length(self) -> int:
        return self._core.source_length()

    def writable(self) -> bool:
        """Whether it was opened for writing."""
        self._check_open()
        return self._writable

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into a buffer; gives the number of bytes, 0 at the end."""
        self._check_open()
        count = self._core.readinto(self._position, buffer)
        self._position += count
        return count

    def write(self, data: ReadableBuffer, /) -> int:
        """Write at the position; a file grows when this goes past its end.

        Raises:
            io.UnsupportedOperation: it was opened for reading only.
            OSError: the source could not be written.
        """
        if not self._writable:
            return super().write(data)
        self._check_open()
        self._unflushed = True
        count = self._core.write(self._position, data)
        self._position += count
        return count

    def truncate(self, size: int | None = None, /) -> int:
        """Make the source longer, with zeros; cutting it is not possible through a pair.

        Libraries call it with the length that they believe the file has, after they have
        written all else: what is refused here is the cut alone.

        Raises:
            io.UnsupportedOperation: it was opened for reading only, or would become shorter.
        """
        self._check_open()
        length, wanted = self._length(), self._position if size is None else size
        if not self._writable or wanted < length:
            raise io.UnsupportedOperation(
                f"truncate: {self.name} would become shorter, which a pair cannot mirror; "
                "os.truncate() cuts it, and the next establish or refresh takes that over"
                if self._writable
                else "truncate"
            )
        if wanted > length:
            self._unflushed = True
            self._core.write(wanted - 1, b"\0")
        return wanted

    def flush(self) -> None:
        """Make what was written durable: with no descriptor, os.fsync() cannot do it."""
        self._check_open()
        # Closing the pair has flushed already, and would make flush() an error here.
        if self._unflushed and not self._core.closed:
            self._core.flush()
        self._unflushed = False


class MirrorFile(AreaFile):
    """The mirror of a split pair, for reading only."""

    def __init__(self, core: _core.Pair) -> None:
        super().__init__(core.mirror_path)
        self._core = core
        # Raises at once in a state without a point in time to read.
        core.mirror_read(0, 0)

    def _length(self) -> int:
        return self._core.mirror_length()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read into a buffer; gives the number of bytes, 0 at the end."""
        self._check_open()
        count = self._core.mirror_readinto(self._position, buffer)
        self._position += count
        return count
