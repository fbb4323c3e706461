"""Copying a file, a symlink or a folder out of a mirror."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from typing import TYPE_CHECKING

from splitmirror import _core
from splitmirror.errors import FormatError
from splitmirror.reports import ExtractReport, SkippedFile
from splitmirror.tree import _beneath
from splitmirror.tree._beneath import in_folder, open_below, refused, scratch_name, shown
from splitmirror.tree._copy import copy_new, keep_attributes, keep_times

if TYPE_CHECKING:
    from splitmirror._types import AnyPath
    from splitmirror.tree._tree import Ext4Tree

__all__ = ["extract"]

DEPTH_MAX = 400
"""Folders within folders: each is an open descriptor, and 1,024 of them are usual."""


def extract(
    tree: Ext4Tree, path: AnyPath, to: AnyPath, *, overwrite: bool, preserve_special: bool
) -> ExtractReport:
    """See Ext4Tree.extract()."""
    started = time.monotonic()
    inode, real = tree._core.find(os.fsencode(path), "not-last")
    if inode.kind not in ("file", "folder", "symlink"):
        raise tree._wrong_kind(real, f"is a {inode.kind}, which cannot be copied")
    place = os.fsencode(to)
    parent, name = in_folder(place)
    with refused(place), contextlib.ExitStack() as stack:
        folder = os.open(parent, _beneath.FOLDER)
        stack.callback(os.close, folder)
        _check_free(folder, name, place, overwrite=overwrite and inode.kind != "folder")
        work = _Extraction(tree, folder, preserve_special=preserve_special)
        work.make_all(inode, real, name, overwrite=overwrite)
    return ExtractReport(
        mirror=shown(tree._mirror),
        generation=tree.generation,
        mirror_skewed=tree.skewed,
        member="/" + shown(real),
        to=shown(place),
        files=work.files,
        folders=len(work.folders),
        symlinks=work.symlinks,
        size=work.size,
        bytes_written=work.written,
        skipped=tuple(work.skipped),
        seconds=time.monotonic() - started,
    )


def _check_free(folder: int, name: bytes, place: bytes, *, overwrite: bool) -> None:
    there = _beneath.found(folder, name)
    if there is None:
        return
    if stat.S_ISDIR(there.st_mode):
        raise _beneath.exists(place, "is a folder that exists")
    if not overwrite:
        raise _beneath.exists(place)


class _Extraction:
    """What is made, under a name of its own, until it is whole."""

    def __init__(self, tree: Ext4Tree, top: int, *, preserve_special: bool) -> None:
        self.tree = tree
        self.top = top
        self.special = preserve_special
        self.files = self.symlinks = self.size = self.written = 0
        self.skipped: list[SkippedFile] = []
        # Of each folder: its names below the top, and what it is to look like.
        self.folders: list[tuple[list[bytes], _core.Ext4Inode]] = []
        self._seen: set[int] = set()
        # Of files with several names: where the first one is.
        self._first: dict[int, list[bytes]] = {}

    def make_all(
        self, inode: _core.Ext4Inode, path: bytes, name: bytes, *, overwrite: bool
    ) -> None:
        """Make it under a scratch name, then give it its own."""
        scratch, is_folder = scratch_name(), inode.kind == "folder"
        if is_folder:
            # The name is taken at once: an empty folder, over which the finished one is renamed.
            os.mkdir(name, 0o700, dir_fd=self.top)
        try:
            self._make(inode, self.top, scratch, path, [])
            self._finish_folders()
            if is_folder or overwrite:
                _beneath.rename(self.top, scratch, name)
            else:
                _beneath.claim(self.top, scratch, name)
        except BaseException:
            self._remove(scratch)
            if is_folder:
                with contextlib.suppress(OSError):
                    os.rmdir(name, dir_fd=self.top)
            raise

    def _remove(self, scratch: bytes) -> None:
        there = _beneath.found(self.top, scratch)
        if there is not None and stat.S_ISDIR(there.st_mode):
            shutil.rmtree(scratch, ignore_errors=True, dir_fd=self.top)
        elif there is not None:
            os.unlink(scratch, dir_fd=self.top)

    def _make(
        self, inode: _core.Ext4Inode, folder: int, name: bytes, path: bytes, above: list[bytes]
    ) -> None:
        names = [*above, name]
        if above and _beneath.found(folder, name) is not None:
            raise self._damaged(path, "and another file have one name")
        if inode.kind == "folder":
            self._make_folder(inode, folder, name, path, names)
        elif inode.kind == "symlink":
            os.symlink(self.tree._core.link_target(inode), name, dir_fd=folder)
            if os.geteuid() == 0:
                os.chown(name, inode.user, inode.group, dir_fd=folder, follow_symlinks=False)
            keep_times(name, inode, folder)
            self.symlinks += 1
        elif inode.kind == "file":
            self._make_file(inode, folder, name, path, names)
        else:
            why = f"a {inode.kind} means nothing elsewhere"
            self.skipped.append(SkippedFile(path="/" + os.fsdecode(path), why=why))

    def _make_file(
        self, inode: _core.Ext4Inode, folder: int, name: bytes, path: bytes, names: list[bytes]
    ) -> None:
        self.files += 1
        first = self._first.get(inode.number)
        if first is not None:
            there = open_below(self.top, first[:-1])
            try:
                _beneath.link(there, first[-1], folder, name)
            finally:
                os.close(there)
            return
        descriptor = os.open(name, _beneath.NEW_FILE, 0o600, dir_fd=folder)
        try:
            self.written += copy_new(self.tree._opened(inode, path), descriptor)
            keep_attributes(descriptor, inode, special=self.special)
            if len(names) == 1:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.size += inode.size
        if inode.links > 1:
            self._first[inode.number] = names

    def _make_folder(
        self, inode: _core.Ext4Inode, folder: int, name: bytes, path: bytes, names: list[bytes]
    ) -> None:
        if inode.number in self._seen or len(names) > DEPTH_MAX:
            seen = inode.number in self._seen
            raise self._damaged(path, "has another name already" if seen else "lies too deep")
        self._seen.add(inode.number)
        os.mkdir(name, 0o700, dir_fd=folder)
        self.folders.append((names, inode))
        inner = open_below(folder, [name])
        try:
            for child, number in self.tree._names(inode):
                below = path + b"/" + child if path else child
                self._make(self.tree._core.inode(number), inner, child, below, names)
        finally:
            os.close(inner)

    def _damaged(self, path: bytes, problem: str) -> FormatError:
        mirror = shown(self.tree._mirror)
        return FormatError(f"{mirror}: /{shown(path)} {problem}", path=mirror, format="ext4")

    def _finish_folders(self) -> None:
        """Permissions and times, from the innermost outwards: making a file changes its folder."""
        for names, inode in reversed(self.folders):
            folder = open_below(self.top, names)
            try:
                keep_attributes(folder, inode, special=self.special)
            finally:
                os.close(folder)
