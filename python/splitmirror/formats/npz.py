"""Format "npz": archives of numpy.savez, and every other zip archive.

A member is three or four pieces: its local header, its data, sometimes a descriptor behind the
data, and its entry in the directory at the archive's end, which repeats size and checksum. They
are taken as bytes: how a member is compressed or encrypted does not matter.

    | piece           | where                          | length                          |
    |-----------------|--------------------------------|---------------------------------|
    | local header    | where the entry says           | 30 + name + extra               |
    | data            | behind it                      | as the entry says               |
    | descriptor      | behind it, if flag 3 is set    | 12 or 20, with a signature +4   |
    | directory entry | one behind the other           | 46 + name + extra + comment     |
"""

from __future__ import annotations

import struct
import zipfile
from collections import Counter
from typing import BinaryIO, NamedTuple

from splitmirror.errors import FormatError
from splitmirror.formats._interface import Extent

__all__ = ["Npz"]

_LOCAL = struct.Struct("<4s22xHH")
_ENTRY = struct.Struct("<4s24xHHH12x")
_FLAG_DESCRIPTOR = 1 << 3
_FLAG_HIDDEN = 1 << 13
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"


class _Member(NamedTuple):
    info: zipfile.ZipInfo
    entry: Extent


class Npz:
    """Finds the members of a zip archive, under the names that numpy gives them."""

    name = "npz"

    def recognises(self, file: BinaryIO) -> bool:
        """Whether the file begins as an archive; one with no members begins with its end."""
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")

    def members(self, file: BinaryIO) -> list[str]:
        """Give the names: without ".npy" for arrays, as numpy does, others as they are.

        A name that several members have cannot be told apart, and is left out.
        """
        with zipfile.ZipFile(file) as archive:
            counts = Counter(_numpy_name(info) for info in archive.infolist())
        return [name for name, count in counts.items() if count == 1]

    def extents(self, file: BinaryIO, member: str) -> list[Extent]:
        """Give local header with data, and directory entry.

        Raises:
            FormatError: header and directory contradict each other, or the directory is hidden.
        """
        with zipfile.ZipFile(file) as archive:
            found = _find(archive, file, member)
            end = archive.start_dir
        info = found.info
        if info.flag_bits & _FLAG_HIDDEN:
            raise _refused(member, "the archive's directory is encrypted")
        start = info.header_offset
        file.seek(start)
        signature, name_size, extra_size = _LOCAL.unpack(_exactly(file, _LOCAL.size, member))
        name = _exactly(file, name_size, member)
        if signature != b"PK\x03\x04" or name != _raw_name(info):
            raise _refused(member, "its local header is not where the directory says")
        extra = _exactly(file, extra_size, member)
        data = start + _LOCAL.size + len(name) + len(extra) + info.compress_size
        if info.flag_bits & _FLAG_DESCRIPTOR:
            file.seek(data)
            data += _descriptor_size(file.read(24), info, member)
        if data > end:
            raise _refused(member, "its data reaches into the directory")
        return [(start, data - start), found.entry]


def _numpy_name(info: zipfile.ZipInfo) -> str:
    return info.filename.removesuffix(".npy")


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    # zipfile decodes by the same flag.
    return info.orig_filename.encode("utf-8" if info.flag_bits & 1 << 11 else "cp437")


def _find(archive: zipfile.ZipFile, file: BinaryIO, member: str) -> _Member:
    """Walk the directory, whose entries zipfile gives in the order of the file."""
    at = archive.start_dir
    for info in archive.infolist():
        file.seek(at)
        signature, *sizes = _ENTRY.unpack(_exactly(file, _ENTRY.size, member))
        if signature != b"PK\x01\x02":
            raise _refused(member, "the archive's directory cannot be walked")
        length = _ENTRY.size + sum(sizes)
        if _numpy_name(info) == member:
            return _Member(info, (at, length))
        at += length
    raise _refused(member, "the directory does not name it")


def _descriptor_size(data: bytes, info: zipfile.ZipInfo, member: str) -> int:
    """Find out which of its four forms the descriptor has: by what it must say."""
    for signature in (_DESCRIPTOR_SIGNATURE, b""):
        for form in ("<LLL", "<LQQ"):
            try:
                said = struct.pack(form, info.CRC, info.compress_size, info.file_size)
            except struct.error:
                # A size that has no room in the short form.
                continue
            if data.startswith(signature + said):
                return len(signature + said)
    raise _refused(member, "what follows its data is no descriptor of it")


def _exactly(file: BinaryIO, size: int, member: str) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise _refused(member, "the archive ends within its header")
    return data


def _refused(member: str, why: str) -> FormatError:
    return FormatError(
        f"the zip member {member!r} cannot be restored alone: {why}; restore(to=) brings the "
        "whole archive to another place",
        member=member,
    )
