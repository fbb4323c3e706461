"""Members of zip archives, of which .npz is one: header, data and directory entry go together."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import digest
from places import split_pair, spoil
from splitmirror import errors

# Half of it can be packed, half not.
DATA = bytes(30_000) + np.random.default_rng(3).bytes(30_000)
NAMES = ["first.bin", "table.npy", "grüße.txt"]


class Pipe(io.RawIOBase):
    """A file that cannot seek: zipfile then writes sizes behind the data."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("wb")

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def write_members(archive: zipfile.ZipFile, *, large: bool = False) -> None:
    for name in NAMES:
        with archive.open(name, "w", force_zip64=large) as member:
            member.write(name.encode() + DATA)


def stored(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        write_members(archive)


def deflated(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        write_members(archive)
        archive.comment = b"about it"


def large(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        write_members(archive, large=True)


def streamed(path: Path) -> None:
    with Pipe(path) as pipe, zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        write_members(archive)


def streamed_large(path: Path) -> None:
    with Pipe(path) as pipe, zipfile.ZipFile(pipe, "w") as archive:
        write_members(archive, large=True)


def appended(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"PK\x03\x04 is how an archive begins; this is another program" * 50)
    with zipfile.ZipFile(path, "a") as archive:
        write_members(archive)


MAKERS = [stored, deflated, large, streamed, streamed_large, appended]
EACH = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


def rewrite(path: Path, make: Callable[[Path], None], *, data: bytes) -> None:
    """Write the archive anew with another content of the same members."""
    global DATA
    kept, DATA = DATA, data
    try:
        make(path)
    finally:
        DATA = kept


@EACH
@pytest.mark.parametrize("member", ["first.bin", "table", "grüße.txt"])
def test_a_member_goes_back_whatever_became_of_it(
    tmp_path: Path, make: Callable[[Path], None], member: str
) -> None:
    source = tmp_path / "archive"
    with split_pair(source, make) as pair:
        good, point = source.read_bytes(), digest(pair.mirror_path)
        assert pair.members() == ["first.bin", "table", "grüße.txt"]
        assert not pair.plan_restore(member=member).report.extents
        # Its data is hit, and so is that of the others.
        with zipfile.ZipFile(source) as archive:
            starts = {info.filename: info.header_offset for info in archive.infolist()}
        spoil(source, [(start + 100, 500) for start in starts.values()])
        receipt = pair.restore(member=member)
        assert receipt.complete
        with zipfile.ZipFile(source) as archive:
            for name in NAMES:
                if name.removesuffix(".npy") == member:
                    assert archive.read(name) == name.encode() + DATA
                else:
                    with pytest.raises((zipfile.BadZipFile, zlib.error)):
                        archive.read(name)
        for name in ("first.bin", "table", "grüße.txt"):
            pair.restore(member=name)
        assert source.read_bytes() == good
        assert digest(pair.mirror_path) == point


@pytest.mark.parametrize("make", [stored, streamed_large, appended], ids=lambda m: m.__name__)
def test_another_content_of_the_same_size_goes_back_with_its_checksum(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    source = tmp_path / "archive"
    with split_pair(source, make) as pair:
        rewrite(source, make, data=DATA[::-1])
        pair.restore(member="table")
        with zipfile.ZipFile(source) as archive:
            # Local header, data, descriptor and directory entry: testzip() looks at them all.
            assert archive.testzip() is None
            assert archive.read("table.npy") == b"table.npy" + DATA
            assert archive.read("first.bin") == b"first.bin" + DATA[::-1]


@pytest.mark.parametrize("make", [deflated, streamed], ids=lambda make: make.__name__)
def test_a_packed_member_of_another_size_is_not_put_over_its_neighbour(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    source = tmp_path / "archive"
    with split_pair(source, make) as pair:
        rewrite(source, make, data=bytes(60_000))
        before = source.read_bytes()
        with pytest.raises(errors.MemberMovedError) as caught:
            pair.restore(member="first.bin")
        assert (caught.value.member, caught.value.format) == ("first.bin", "npz")
        assert source.read_bytes() == before
        # What the advice says: all of the mirror's bytes of it, elsewhere.
        scratch = tmp_path / "scratch"
        pair.restore(to=scratch)
        with zipfile.ZipFile(scratch) as archive:
            assert archive.read("first.bin") == b"first.bin" + DATA


def test_a_name_that_two_members_have_is_left_out(tmp_path: Path) -> None:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("once", "a")
            archive.writestr("x", "b")
            # As numpy sees it, these are two arrays of one name.
            archive.writestr("x.npy", "c")

    with split_pair(tmp_path / "archive", make) as pair:
        assert pair.members() == ["once"]
        with pytest.raises(errors.ArgumentError, match="it has once"):
            pair.restore(member="x")


def test_an_archive_of_nothing(tmp_path: Path) -> None:
    with split_pair(tmp_path / "a", lambda path: zipfile.ZipFile(path, "w").close()) as pair:
        assert pair.members() == []
        with pytest.raises(errors.ArgumentError, match="none at all"):
            pair.restore(member="x")


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def header_overwritten(path: Path) -> None:
    spoil(path, [(0, 4)])


def name_overwritten(path: Path) -> None:
    spoil(path, [(30, 4)])


def directory_overwritten(path: Path) -> None:
    data = path.read_bytes()
    spoil(path, [(data.index(b"PK\x01\x02"), 4)])


def end_overwritten(path: Path) -> None:
    spoil(path, [(path.stat().st_size - 22, 22)])


def reaching_into_the_directory(path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 20
    struct.pack_into("<LL", data, at, 1 << 24, 1 << 24)
    path.write_bytes(data)


DAMAGES = [
    cut,
    header_overwritten,
    name_overwritten,
    directory_overwritten,
    end_overwritten,
    reaching_into_the_directory,
]
DAMAGED = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)


@DAMAGED
def test_a_source_in_which_the_member_cannot_be_found_is_refused(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    source = tmp_path / "archive"
    with split_pair(source, stored) as pair:
        good = source.read_bytes()
        damage(source)
        before = source.read_bytes()
        with pytest.raises(errors.MemberMovedError):
            pair.restore(member="first.bin")
        assert source.read_bytes() == before
        pair.restore()
        assert source.read_bytes() == good


@DAMAGED
def test_a_mirror_that_is_damaged_itself_gives_no_wrong_bytes(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    def make(path: Path) -> None:
        stored(path)
        damage(path)

    source = tmp_path / "archive"
    with split_pair(source, make) as pair:
        before = source.read_bytes()
        with pytest.raises(errors.FormatError) as caught:
            pair.restore(member="first.bin", format="npz")
        assert caught.value.format == "npz"
        assert source.read_bytes() == before
