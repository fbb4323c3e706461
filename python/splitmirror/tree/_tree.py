"""The file system on a split mirror: listing, reading, and bringing files back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Self

from splitmirror import _core
from splitmirror._logging import drain
from splitmirror._types import AnyPath
from splitmirror.errors import FormatError, MemberKindError
from splitmirror.reports import ExtractReport, MemberReport, TreeEntry
from splitmirror.tree._file import TreeFile
from splitmirror.units import printable

__all__ = ["Ext4Tree"]


class Ext4Tree:
    """The ext2, ext3 or ext4 file system on a split mirror, for reading.

    It takes no lock: it works beside the process that has the pair open, such as one that mounts
    it. The journal of a file system that was in use is applied in memory, so what is seen is what
    a mount would show. Paths count from its root, as str or bytes, with or without a slash before
    them. Each call raises PointGoneError once the mirror was established again.

    >>> tree = splitmirror.Ext4Tree.open("disk.mirror")  # doctest: +SKIP
    >>> [entry.name for entry in tree.ls("/etc")]        # doctest: +SKIP
    """

    def __init__(self, core: _core.Ext4Tree, mirror: AnyPath) -> None:
        self._core = core
        self._mirror = os.fsencode(mirror)

    @classmethod
    def open(
        cls,
        mirror: AnyPath,
        *,
        catalog: AnyPath | None = None,
        partition: int | None = None,
        offset: int | None = None,
    ) -> Self:
        """Open the file system on the mirror of a pair that is split.

        Without ``partition`` and ``offset`` the mirror is one file system, or has a table (MBR or
        GPT) with just one partition that holds one.

        Args:
            mirror: the mirror's path.
            catalog: the catalog's folder, when it was put elsewhere.
            partition: the number of the partition, from 1 on.
            offset: where the file system begins, in bytes.

        Raises:
            StateError: the pair is not split.
            NoFileSystemError: there is none, or there are several partitions with one.
            FormatError: it is damaged, or has features that this reader does not know.
            CatalogMissingError, CatalogCorruptError, CatalogUntrustedError, MovedPairError:
                it is not the mirror of a pair, or its catalog cannot be used.
        """
        try:
            core = _core.Ext4Tree.open(mirror, catalog=catalog, partition=partition, offset=offset)
            return cls(core, mirror)
        finally:
            drain()

    def __repr__(self) -> str:
        return f"<Ext4Tree of {os.fsdecode(self._mirror)!r}, generation {self.generation}>"

    @property
    def generation(self) -> int:
        """Which of the pair's points in time it is."""
        return self._core.generation

    @property
    def skewed(self) -> bool:
        """Whether the mirror was changed since its split, or its times were."""
        return self._core.skewed

    @property
    def offset(self) -> int:
        """Where on the mirror the file system begins, in bytes."""
        return self._core.offset

    def stat(self, path: AnyPath, *, follow_symlinks: bool = True) -> TreeEntry:
        """Tell what a path leads to.

        Raises:
            MemberNotFoundError, MemberKindError: it does not exist; a part of it is no folder.
        """
        inode, real = self._core.find(os.fsencode(path), "all" if follow_symlinks else "not-last")
        return self._entry(real.rpartition(b"/")[2], inode)

    def ls(self, path: AnyPath = "/") -> list[TreeEntry]:
        """List a folder by name, or tell of a file alone.

        A damaged file does not hide the others: it is listed with its ``problem``.

        Raises:
            MemberNotFoundError, MemberKindError: it does not exist; a part of it is no folder.
            FormatError: the folder is damaged or encrypted.
        """
        inode, real = self._core.find(os.fsencode(path), "all")
        if inode.kind != "folder":
            return [self._entry(real.rpartition(b"/")[2], inode)]
        return [self._described(name, number) for name, number in sorted(self._names(inode))]

    def walk(self, path: AnyPath = "/") -> Iterator[tuple[str, list[TreeEntry]]]:
        """Give each folder below a path with what it lists, from the top; follows no symlink.

        Raises:
            FormatError: a folder is damaged, or has two names: a folder within itself has no end.
        """
        inode, real = self._core.find(os.fsencode(path), "not-last")
        if inode.kind != "folder":
            raise self._no_folder(real)
        left, seen = [(real, inode.number)], set()
        while left:
            folder, number = left.pop()
            if number in seen:
                raise FormatError(
                    f"{printable(os.fsdecode(self._mirror))}: the folder "
                    f"/{printable(os.fsdecode(folder))} has another name already",
                    path=printable(os.fsdecode(self._mirror)),
                    format="ext4",
                )
            seen.add(number)
            names = sorted(self._names(self._core.inode(number)))
            entries = [self._described(name, inner) for name, inner in names]
            yield "/" + os.fsdecode(folder), entries
            inner = [
                (folder + b"/" + name if folder else name, inner)
                for entry, (name, inner) in zip(entries, names, strict=True)
                if entry.is_folder
            ]
            left += reversed(inner)

    def open_file(self, path: AnyPath) -> TreeFile:
        """Open a regular file for reading, as a raw I/O object; symlinks are followed.

        Raises:
            MemberNotFoundError: it does not exist.
            MemberKindError: it is something else than a regular file.
        """
        inode, real = self._core.find(os.fsencode(path), "all")
        return self._opened(inode, real)

    def read_link(self, path: AnyPath) -> str:
        """Tell where a symlink leads.

        Raises:
            MemberNotFoundError: it does not exist.
            FormatError: it is no symlink, or a damaged one.
        """
        inode, _ = self._core.find(os.fsencode(path), "not-last")
        return os.fsdecode(self._core.link_target(inode))

    def extract(
        self,
        path: AnyPath,
        to: AnyPath,
        *,
        overwrite: bool = False,
        preserve_special: bool = False,
    ) -> ExtractReport:
        """Copy a file, a symlink or a folder with all below it out of the mirror.

        It is made beside ``to`` under another name and then renamed: what fails leaves nothing.
        Permissions and times are kept, owners when root; holes stay holes, hard links below
        ``path`` stay one file. Extended attributes are not copied. Devices, FIFOs and sockets are
        left out and reported.

        Args:
            path: what to copy; a symlink itself, not what it leads to.
            to: the name that it gets.
            overwrite: ``to`` may exist, as a file or symlink.
            preserve_special: keep the set-user-id and set-group-id bits.

        Raises:
            MemberNotFoundError, MemberKindError: the path does not lead to what can be copied.
            FormatError: something of it is damaged.
            AreaExistsError: ``to`` exists and is not to be overwritten, or is a folder.
        """
        from splitmirror.tree._extract import extract

        return extract(self, path, to, overwrite=overwrite, preserve_special=preserve_special)

    def restore_file(
        self,
        path: AnyPath,
        *,
        into: AnyPath | None = None,
        to: AnyPath | None = None,
        overwrite: bool = False,
        replace: bool = False,
    ) -> MemberReport:
        """Put the content of one file back, as ordinary writes; the mirror is only read.

        With ``into`` it goes back to its own path below the folder on which the file system is
        mounted. A file that is there is written in place, only where it differs: open handles and
        hard links see the content, and owner and permissions stay as they are. That is no single
        step; when it is interrupted, call it again. With ``replace``, and where there is none, the
        file is made anew with permissions, times and, when root, its owner, and takes the name in
        one step. No symlink below the folder is followed, and no other file system entered.

        Args:
            path: the file on the mirror; without a symlink in it.
            into: where the live file system is mounted.
            to: a place to write to instead, as a new file.
            overwrite: ``to`` may exist, as a regular file; it is replaced in one step.
            replace: with ``into``: put another file in its place.

        Raises:
            ArgumentError: not just one of ``into`` and ``to``.
            MemberNotFoundError, MemberKindError: the path does not lead to a regular file.
            AreaExistsError: ``to`` exists and is not to be overwritten.
            UnsupportedAreaError: what stands at the place is a symlink, or no regular file.
            AreaNotFoundError: the folder that it lies in is not there.
        """
        from splitmirror.tree._put import put

        return put(self, path, into=into, to=to, overwrite=overwrite, replace=replace)

    # What follows is for the other files here.

    def _names(self, folder: _core.Ext4Inode) -> Iterator[tuple[bytes, int]]:
        at: int | None = 0
        while at is not None:
            names, at = self._core.names(folder, at)
            yield from names

    def _described(self, name: bytes, number: int) -> TreeEntry:
        try:
            return self._entry(name, self._core.inode(number))
        except FormatError as error:
            return TreeEntry(
                name=os.fsdecode(name),
                type="unknown",
                size=0,
                mode=0,
                user=0,
                group=0,
                links=0,
                modified=0,
                inode=number,
                target=None,
                problem=str(error),
            )

    def _entry(self, name: bytes, inode: _core.Ext4Inode) -> TreeEntry:
        target = self._core.link_target(inode) if inode.kind == "symlink" else None
        return TreeEntry(
            name=os.fsdecode(name),
            type=inode.kind,
            size=inode.size,
            mode=inode.mode,
            user=inode.user,
            group=inode.group,
            links=inode.links,
            modified=inode.modified_ns / 1e9,
            inode=inode.number,
            target=None if target is None else os.fsdecode(target),
            problem=None,
        )

    def _opened(self, inode: _core.Ext4Inode, path: bytes) -> TreeFile:
        if inode.kind != "file":
            raise self._wrong_kind(path, f"is a {inode.kind}, not a regular file")
        return TreeFile(self._core, inode, path)

    def _no_folder(self, path: bytes) -> MemberKindError:
        return self._wrong_kind(path, "is no folder")

    def _wrong_kind(self, path: bytes, what: str) -> MemberKindError:
        import errno

        member, mirror = (printable(os.fsdecode(text)) for text in (b"/" + path, self._mirror))
        return MemberKindError(
            f"{member} {what} on the mirror {mirror}",
            path=mirror,
            member=member,
            errno=errno.EINVAL,
        )
