"""restore(member=): one array of a .npz, one dataset of an HDF5 file, and nothing beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers import digest
from places import MakeFile, split_pair
from scenes import child
from splitmirror import errors

FIRST = np.arange(40_000, dtype="<i8").reshape(200, 200)
SECOND = np.linspace(0, 1, 50_000)


def npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, first=FIRST, second=SECOND)


def packed(path: Path) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, first=FIRST, second=SECOND)


def hdf5(path: Path) -> None:
    with h5py.File(path, "w") as tree:
        tree["first"] = FIRST
        tree["group/second"] = SECOND
        tree.create_dataset("chunked", data=FIRST, chunks=(64, 64))
        tree.create_dataset("text", data=["a", "bc"], dtype=h5py.string_dtype())
        tree.create_dataset("never", shape=(1000,), dtype="f8")


def arrays_of(path: Path) -> dict[str, Any]:
    if zipfile.is_zipfile(path):
        with np.load(path) as found:
            return {name: found[name] for name in found.files}
    with h5py.File(path, "r") as tree:
        return {"first": tree["first"][:], "group/second": tree["group/second"][:]}


def flip(path: Path, extents: list[tuple[int, int]]) -> None:
    with path.open("rb+") as file:
        for offset, length in extents:
            file.seek(offset)
            data = file.read(length)
            file.seek(offset)
            file.write(bytes(byte ^ 0xFF for byte in data))


@pytest.mark.parametrize(
    ("make", "member", "other"),
    [
        (npz, "first", "second"),
        (packed, "second", "first"),
        (hdf5, "first", "group/second"),
        (hdf5, "group/second", "first"),
        (hdf5, "chunked", "first"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_member_goes_back_and_nothing_else(
    tmp_path: Path, make: MakeFile, member: str, other: str
) -> None:
    source = tmp_path / "source"
    with split_pair(source, make) as pair:
        good, point = source.read_bytes(), digest(pair.mirror_path)
        assert {member, other} <= set(pair.members())
        places = {name: pair._wanted_ranges(_wanted(member=name)) or [] for name in (member, other)}
        # The data, not the headers: the file can still be read.
        bodies = {name: _body(found) for name, found in places.items()}
        flip(source, bodies[member] + bodies[other])
        dry = pair.plan_restore(member=member).report.bytes
        assert len(good) > dry >= sum(length for _, length in bodies[member])
        receipt = pair.restore(member=member)
        assert receipt.complete
        expected = bytearray(good)
        for offset, length in bodies[other]:
            expected[offset : offset + length] = bytes(
                byte ^ 0xFF for byte in good[offset : offset + length]
            )
        assert source.read_bytes() == bytes(expected)
        assert digest(pair.mirror_path) == point
        pair.restore(member=other)
        assert source.read_bytes() == good


def _wanted(**given: Any) -> Any:
    from splitmirror.pair._places import Wanted

    return Wanted(**given)


def _body(extents: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The second half of the longest extent: never a header."""
    offset, length = max(extents, key=lambda extent: extent[1])
    return [(offset + length // 2, length // 2)]


@pytest.mark.parametrize(
    ("make", "member", "word"),
    [(npz, "third", "it has first, second"), (hdf5, "secon", "it has "), (hdf5, "", "it has ")],
)
def test_a_member_that_there_is_not(tmp_path: Path, make: MakeFile, member: str, word: str) -> None:
    source = tmp_path / "source"
    with split_pair(source, make) as pair:
        with pytest.raises(errors.ArgumentError, match=word) as caught:
            pair.restore(member=member)
        assert caught.value.argument == "member"


@pytest.mark.parametrize(
    ("member", "word"), [("text", "variable length"), ("never", "nothing was ever written")]
)
def test_a_dataset_whose_bytes_are_not_its_own_is_refused(
    tmp_path: Path, member: str, word: str
) -> None:
    source = tmp_path / "source"
    with split_pair(source, hdf5) as pair:
        before = source.read_bytes()
        with pytest.raises(errors.FormatError, match=word) as caught:
            pair.restore(member=member)
        assert (caught.value.format, caught.value.member) == ("hdf5", member)
        assert source.read_bytes() == before


def test_a_file_of_no_known_format(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with split_pair(source, lambda path: path.write_bytes(b"neither nor" * 999)) as pair:
        with pytest.raises(errors.ArgumentError, match="format"):
            pair.members()
        with pytest.raises(errors.ArgumentError, match="npz") as caught:
            pair.restore(member="first", format="no-such-format")
        assert caught.value.argument == "format"


@pytest.mark.parametrize("make", [npz, hdf5])
def test_a_member_that_has_moved_in_the_source_is_not_put_over_something_else(
    tmp_path: Path, make: MakeFile
) -> None:
    source = tmp_path / "source"
    with split_pair(source, make) as pair:
        # The application writes the file anew, with another array first.
        def rewrite(path: Path) -> None:
            if make is npz:
                with path.open("wb") as file:
                    np.savez(file, zeroth=SECOND, first=FIRST, second=SECOND)
            else:
                with h5py.File(path, "w") as tree:
                    tree["zeroth"] = SECOND
                    tree["first"] = FIRST

        rewrite(source)
        before = source.read_bytes()
        with pytest.raises(errors.MemberMovedError) as caught:
            pair.restore(member="first")
        assert caught.value.member == "first"
        assert source.read_bytes() == before
        # To another place it goes all the same: the mirror's bytes alone count there.
        pair.restore(member="first", to=tmp_path / "other")
        pair.restore()
        assert np.array_equal(arrays_of(source)["first"], FIRST)


def test_a_source_that_is_no_such_file_any_more(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with split_pair(source, hdf5) as pair:
        source.write_bytes(b"\0" * 4096)
        with pytest.raises(errors.MemberMovedError, match="cannot be read there"):
            pair.restore(member="first")
        source.unlink()
        with pytest.raises(errors.MemberMovedError):
            pair.restore(member="first")
        assert not source.exists()


OPEN_IN_HDF5 = """
import sys, h5py
with h5py.File(sys.argv[1], "r+") as tree:
    tree["first"][0] = -5
    tree.flush()
    print("open", flush=True)
    sys.stdin.read()
"""


def test_an_hdf5_file_that_another_program_has_open_is_restored_on_demand_alone(
    tmp_path: Path,
) -> None:
    source = tmp_path / "source"
    with split_pair(source, hdf5) as pair:
        with child(OPEN_IN_HDF5, source):
            # Looking is not kept off by the lock that HDF5 holds.
            assert "first" in pair.members()
            with pytest.raises(errors.SourceInUseError):
                pair.restore(member="first")
            pair.restore(member="first", while_in_use=True)
            assert (
                b"-5"
                not in subprocess.run(
                    [sys.executable, "-c", READ, str(source)], capture_output=True, check=True
                ).stdout
            )
        pair.restore(member="first")
        assert np.array_equal(arrays_of(source)["first"], FIRST)


READ = """
import os, sys, h5py
os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"
with h5py.File(sys.argv[1], "r", locking=False) as tree:
    print(tree["first"][0, :3])
"""
