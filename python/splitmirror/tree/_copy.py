"""The content and the attributes of a file on a mirror, brought to an open file elsewhere."""

from __future__ import annotations

import contextlib
import os

from splitmirror import _core
from splitmirror.tree._file import TreeFile

__all__ = ["copy_new", "keep_attributes", "write_differences"]

PIECE = 1 << 20
SPECIAL = 0o6000


def copy_new(file: TreeFile, descriptor: int) -> int:
    """Fill an empty file; holes stay holes. Gives the bytes that were written."""
    os.ftruncate(descriptor, file.size)
    buffer, written = memoryview(bytearray(min(PIECE, max(file.size, 1)))), 0
    for offset, length in file.data_runs():
        for at in range(offset, offset + length, PIECE):
            piece = buffer[: min(PIECE, offset + length - at)]
            _read(file, at, piece)
            _write(descriptor, piece, at)
            written += len(piece)
    return written


def write_differences(file: TreeFile, descriptor: int) -> int:
    """Make a file equal where it differs, length included. Gives the bytes that were written."""
    length = os.fstat(descriptor).st_size
    buffer, written = memoryview(bytearray(min(PIECE, max(file.size, 1)))), 0
    for at in range(0, file.size, PIECE):
        piece = buffer[: min(PIECE, file.size - at)]
        _read(file, at, piece)
        there = os.pread(descriptor, len(piece), at)
        # Past the end there is nothing, which reads as zeros once the file is longer.
        if at >= length and not any(piece):
            continue
        if there != piece:
            _write(descriptor, piece, at)
            written += len(piece)
    os.ftruncate(descriptor, file.size)
    return written


def _read(file: TreeFile, offset: int, piece: memoryview) -> None:
    file.seek(offset)
    count = file.readinto(piece)
    assert count == len(piece), "a file does not end before its size"


def _write(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        count = os.pwrite(descriptor, data, offset)
        data, offset = data[count:], offset + count


def keep_attributes(descriptor: int, inode: _core.Ext4Inode, *, special: bool) -> None:
    """Give an open file the permissions and times that a file on the mirror has; its owner too
    when root. ``special``: the set-id bits as well."""
    if os.geteuid() == 0:
        os.fchown(descriptor, inode.user, inode.group)
    os.fchmod(descriptor, inode.mode if special else inode.mode & ~SPECIAL)
    keep_times(descriptor, inode)


def keep_times(where: int | bytes, inode: _core.Ext4Inode, folder: int | None = None) -> None:
    """Give a file, or a symlink in an open folder, its time of change."""
    times = (inode.modified_ns, inode.modified_ns)
    # A time that this file system cannot hold is no reason to fail.
    with contextlib.suppress(OverflowError):
        if folder is None:
            os.utime(where, ns=times)
        else:
            os.utime(where, ns=times, dir_fd=folder, follow_symlinks=False)
