"""Folders by descriptor: nothing below one is reached through a symlink, whoever swaps what."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence

from splitmirror.errors import (
    AreaExistsError,
    AreaIOError,
    AreaNotFoundError,
    AreaPermissionError,
    NoSpaceError,
    ReadOnlyAreaError,
    UnsupportedAreaError,
)
from splitmirror.units import printable

__all__ = [
    "claim",
    "found",
    "in_folder",
    "open_below",
    "refused",
    "rename",
    "scratch_name",
    "shown",
]

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def shown(path: bytes) -> str:
    """Give a path for messages and reports."""
    return printable(os.fsdecode(path))


@contextlib.contextmanager
def refused(path: bytes) -> Iterator[None]:
    """Tell what the system refuses at a place in the package's own errors."""
    try:
        yield
    except OSError as error:
        if getattr(error, "fields", None) is not None:
            # It is one of them.
            raise
        raise _refusal(path, error) from error


def _refusal(path: bytes, error: OSError) -> Exception:
    place, number = shown(path), error.errno or errno.EIO
    why = os.strerror(number)
    if number == errno.ENOENT:
        problem = f"{place}: there is no folder for it; make that first"
        return AreaNotFoundError(problem, path=place, errno=number)
    if number in (errno.EACCES, errno.EPERM):
        problem = f"no permission to write {place}: {why}"
        return AreaPermissionError(problem, path=place, operation="write", errno=number)
    if number in (errno.ELOOP, errno.ENOTDIR):
        what = "reached through a symlink, or through what is no folder"
        return UnsupportedAreaError(
            f"{place} is {what}; none is followed here", path=place, what=what
        )
    if number == errno.EEXIST:
        return exists(path)
    if number == errno.EROFS:
        return ReadOnlyAreaError(f"{place} is read-only", path=place, errno=number)
    if number in (errno.ENOSPC, errno.EDQUOT):
        problem = f"no space left for {place}"
        return NoSpaceError(problem, path=place, needed=0, available=0, errno=number)
    return AreaIOError(
        f"writing {place} failed: {why}", path=place, operation="write", errno=number
    )


def exists(path: bytes, what: str = "exists") -> AreaExistsError:
    """Say that a place is taken."""
    place = shown(path)
    return AreaExistsError(
        f"{place} {what}; choose another place, or pass overwrite=True to replace a file",
        path=place,
        errno=errno.EEXIST,
    )


def in_folder(path: bytes) -> tuple[bytes, bytes]:
    """Split a path into the folder that it lies in and its last name.

    Raises:
        UnsupportedAreaError: it has no last name, as ``/`` and ``..`` have none.
    """
    folder, name = os.path.split(path.rstrip(b"/"))
    if name in (b"", b".", b".."):
        what = "a folder, not the name of something to make"
        raise UnsupportedAreaError(f"{shown(path)} is {what}", path=shown(path), what=what)
    return folder or b".", name


def open_below(root: int, names: Sequence[bytes], *, one_device: bool = False) -> int:
    """Open the folder with these names below an open one; the caller closes it.

    Raises:
        OSError: ELOOP or ENOTDIR where a name is a symlink; with ``one_device`` EXDEV where
            another file system is mounted.
    """
    device = os.fstat(root).st_dev
    current = os.dup(root)
    for name in names:
        try:
            inner = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=current)
        finally:
            os.close(current)
        current = inner
        if one_device and os.fstat(current).st_dev != device:
            os.close(current)
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    return current


def found(folder: int, name: bytes) -> os.stat_result | None:
    """Tell what stands at a name; a symlink itself."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def scratch_name() -> bytes:
    """Give a name that nothing has yet."""
    return b".splitmirror-" + secrets.token_hex(8).encode()


def rename(folder: int, name: bytes, to: bytes) -> None:
    """Rename within an open folder, over a file or an empty folder."""
    os.rename(name, to, **_both(folder))


def link(folder: int, name: bytes, to_folder: int, to: bytes) -> None:
    """Give a file a second name; a symlink is not followed."""
    os.link(name, to, follow_symlinks=False, **_both(folder, to_folder))


def _both(folder: int, to_folder: int | None = None) -> dict[str, int]:
    # The system's own words for from and to.
    to_folder = folder if to_folder is None else to_folder
    return dict(zip(("src_dir_fd", "dst_dir_fd"), (folder, to_folder), strict=True))


def claim(folder: int, scratch: bytes, to: bytes) -> None:
    """Give a finished file or symlink its name, which nothing may have.

    Raises:
        FileExistsError: something has.
    """
    try:
        link(folder, scratch, folder, to)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        # No second names on this file system: the name is taken with an empty file first.
        os.close(os.open(to, NEW_FILE, 0o600, dir_fd=folder))
        rename(folder, scratch, to)
    else:
        os.unlink(scratch, dir_fd=folder)


def is_regular(result: os.stat_result) -> bool:
    """Whether it is a regular file."""
    return stat.S_ISREG(result.st_mode)
