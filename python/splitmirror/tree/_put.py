"""The content of one file on a mirror, put back into a live file system or to another place."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from splitmirror import _core
from splitmirror.errors import ArgumentError, UnsupportedAreaError
from splitmirror.reports import MemberReport, Stamp
from splitmirror.tree import _beneath
from splitmirror.tree._beneath import in_folder, open_below, refused, scratch_name, shown
from splitmirror.tree._copy import copy_new, keep_attributes, write_differences
from splitmirror.tree._file import TreeFile

if TYPE_CHECKING:
    from splitmirror._types import AnyPath
    from splitmirror.tree._tree import Ext4Tree

__all__ = ["put"]


def put(
    tree: Ext4Tree,
    path: AnyPath,
    *,
    into: AnyPath | None,
    to: AnyPath | None,
    overwrite: bool,
    replace: bool,
) -> MemberReport:
    """See Ext4Tree.restore_file()."""
    if (into is None) == (to is None):
        raise ArgumentError("a file goes back either into= a tree or to= a place", argument="into")
    started = time.monotonic()
    inode, real = tree._core.find(os.fsencode(path), "never")
    file = tree._opened(inode, real)
    before = _stamp(tree._mirror)
    place = os.fsencode(to) if to is not None else os.path.join(os.fsencode(into or ""), real)
    with refused(place), contextlib.ExitStack() as stack:
        if to is not None:
            parent, name = in_folder(place)
            folder = os.open(parent, _beneath.FOLDER)
        else:
            *above, name = real.split(b"/")
            root = os.open(os.fsencode(into or ""), _beneath.FOLDER)
            stack.callback(os.close, root)
            folder = open_below(root, above, one_device=True)
        stack.callback(os.close, folder)
        way, length_before, written = _write(
            _Target(folder, name, place), inode, file, tree, to=to, again=overwrite, new=replace
        )
    after = _stamp(tree._mirror)
    return MemberReport(
        mirror=shown(tree._mirror),
        generation=tree.generation,
        mirror_skewed=tree.skewed,
        member="/" + shown(real),
        to=shown(place),
        way=way,
        length_before=length_before,
        length_after=inode.size,
        bytes_written=written,
        mirror_stamp_before=before,
        mirror_stamp_after=after,
        mirror_unchanged=before == after,
        seconds=time.monotonic() - started,
    )


class _Target:
    """A name in an open folder."""

    def __init__(self, folder: int, name: bytes, place: bytes) -> None:
        self.folder = folder
        self.name = name
        self.place = place
        self.there = _beneath.found(folder, name)
        if self.there is not None and not _beneath.is_regular(self.there):
            what = "no regular file: a folder, a symlink or a device"
            raise UnsupportedAreaError(
                f"{shown(place)} is {what}; move it away first", path=shown(place), what=what
            )


def _write(
    target: _Target,
    inode: _core.Ext4Inode,
    file: TreeFile,
    tree: Ext4Tree,
    *,
    to: AnyPath | None,
    again: bool,
    new: bool,
) -> tuple[str, int | None, int]:
    """Give the way it was done, the length before, and the bytes that were written."""
    there = target.there
    if there is None:
        # In its own place, root gives it back all that it had.
        special = to is None and os.geteuid() == 0
        return "created", None, _make(target, inode, file, special=special, over=False)
    if to is not None and not again:
        raise _beneath.exists(target.place)
    if to is not None or new:
        special = to is None and os.geteuid() == 0
        return "replaced", there.st_size, _make(target, inode, file, special=special, over=True)
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(target.name, flags, dir_fd=target.folder)
    try:
        # Nobody has put something else there in between.
        if not os.path.samestat(os.fstat(descriptor), there):
            raise _beneath.exists(target.place, "was replaced meanwhile")
        written = write_differences(file, descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return "in-place", there.st_size, written


def _make(
    target: _Target, inode: _core.Ext4Inode, file: TreeFile, *, special: bool, over: bool
) -> int:
    """Make the file under a scratch name, durably, and give it its own in one step."""
    folder, scratch = target.folder, scratch_name()
    try:
        descriptor = os.open(scratch, _beneath.NEW_FILE, 0o600, dir_fd=folder)
        try:
            written = copy_new(file, descriptor)
            keep_attributes(descriptor, inode, special=special)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if over:
            _beneath.rename(folder, scratch, target.name)
        else:
            _beneath.claim(folder, scratch, target.name)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(scratch, dir_fd=folder)
        raise
    os.fsync(folder)
    return written


def _stamp(mirror: bytes) -> Stamp:
    found = os.stat(mirror)
    return Stamp(
        device=found.st_dev,
        inode=found.st_ino,
        length=found.st_size,
        modified=found.st_mtime,
        changed=found.st_ctime,
    )
