"""Libraries that change the files of a pair: cut them, outgrow them, use them across a restore."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from helpers import KIB, digest
from places import MakeFile, split_pair
from splitmirror import MirrorPair

VALUES = np.arange(200_000, dtype="<f8")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


def hdf5(path: Path) -> None:
    with h5py.File(path, "w") as tree:
        tree["kept"] = VALUES
        tree["last"] = VALUES


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one", "first " * 1_000)
        archive.comment = b"c" * 1_000


def synchronized(source: Path, make: MakeFile) -> MirrorPair:
    pair = split_pair(source, make)
    pair.establish()
    return pair


def same(pair: MirrorPair) -> bool:
    pair.flush()
    return pair.source_path.read_bytes() == pair.mirror_path.read_bytes()


# --- Shorter and longer -----------------------------------------------------------------------


def test_h5py_is_told_when_it_cuts_and_what_it_wrote_is_there(source: Path) -> None:
    with synchronized(source, hdf5) as pair:
        length = pair.source_length
        file = pair.open_source()
        tree = h5py.File(file, "r+")
        tree["kept"][:] = -1
        del tree["last"]
        with pytest.raises(io.UnsupportedOperation, match=r"os\.truncate\(\)"):
            tree.close()
        file.close()
        assert pair.source_length == length
        assert same(pair)
        with h5py.File(source, "r") as found:
            assert list(found) == ["kept"]
            assert (found["kept"][:] == -1).all()


def test_zipfile_is_told_when_it_cuts_and_what_it_wrote_is_there(source: Path) -> None:
    with synchronized(source, zipped) as pair:
        with (
            pair.open_source() as file,
            pytest.raises(io.UnsupportedOperation, match="shorter"),
            zipfile.ZipFile(file, "a") as archive,
        ):
            archive.comment = b""
        assert same(pair)
        with zipfile.ZipFile(source) as archive:
            assert archive.read("one") == b"first " * 1_000


def test_a_source_that_is_cut_as_the_message_says_is_mirrored_by_the_next_establish(
    source: Path,
) -> None:
    with synchronized(source, lambda path: path.write_bytes(b"x" * 100_000)) as pair:
        os.truncate(source, 70_000)
        pair.refresh()
        assert pair.mirror_length == 70_000
        assert pair.mirror_path.read_bytes() == b"x" * 70_000


def test_libraries_make_the_source_and_its_mirror_longer(source: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": range(9_000), "name": ["café"] * 9_000})
    with synchronized(source, lambda path: path.write_bytes(b"short")) as pair:
        with pair.open_source() as file:
            frame.to_csv(file, index=False)
        assert same(pair)
        with pair.open_source("rb") as file:
            assert pd.read_csv(file).equals(frame)
        longer = tmp_path / "longer"
        longer.write_bytes(VALUES.tobytes())
        with longer.open("rb") as new, pair.open_source() as file:
            shutil.copyfileobj(new, file, 10_007)
        assert source.read_bytes() == VALUES.tobytes()
        assert same(pair)
        with pair.open_source() as file, zipfile.ZipFile(file, "a") as archive:
            archive.writestr("behind", b"the numbers")
        assert same(pair)
        with zipfile.ZipFile(pair.mirror_path) as archive:
            assert archive.read("behind") == b"the numbers"


def test_an_empty_source_becomes_a_file_of_hdf5(source: Path) -> None:
    with synchronized(source, Path.touch) as pair:
        with pair.open_source() as file, h5py.File(file, "w") as tree:
            tree["values"] = VALUES
        assert same(pair)
        with h5py.File(pair.mirror_path, "r") as tree:
            assert np.array_equal(tree["values"][:], VALUES)


# --- Across a split and a restore -------------------------------------------------------------


def test_what_libraries_write_while_it_is_split_is_restored_away(source: Path) -> None:
    with split_pair(source, hdf5) as pair:
        good, point = source.read_bytes(), digest(pair.mirror_path)
        with pair.open_source() as file, h5py.File(file, "r+") as tree:
            tree["kept"][100:200] = -1
            tree["more"] = VALUES
        assert digest(pair.mirror_path) == point
        assert pair.restore(member="kept").complete
        with pair.open_source("rb") as file, h5py.File(file, "r") as tree:
            assert np.array_equal(tree["kept"][:], VALUES)
            assert np.array_equal(tree["more"][:], VALUES)
        pair.restore()
        assert source.read_bytes() == good
        assert digest(pair.mirror_path) == point


@pytest.fixture
def slow(source: Path) -> Iterator[MirrorPair]:
    """A pair whose source is spoilt, and is being restored so slowly that none of it is yet."""
    hdf5(source)
    with MirrorPair.create(source, source.with_name("mirror"), mode="exclusive") as pair:
        pair.establish()
        pair.split()
        with pair.open_source() as file, h5py.File(file, "r+") as tree:
            tree["kept"][:] = -1
            tree["last"][:] = -1
        job = pair.start_restore(throttle=KIB)
        job.pause()
        assert pair.status().pending_blocks > 0
        assert source.read_bytes() != pair.mirror_path.read_bytes()
        yield pair


def test_h5py_reads_and_writes_a_source_that_is_not_restored_yet(
    slow: MirrorPair, source: Path
) -> None:
    with slow.open_source() as file, h5py.File(file, "r+") as tree:
        assert np.array_equal(tree["kept"][:], VALUES)
        tree["last"][7:9] = 5
    receipt = slow.resume_restore()
    assert receipt.complete
    assert receipt.blocks_app_written > 0
    with h5py.File(source, "r") as tree:
        assert np.array_equal(tree["kept"][:], VALUES)
        expected = VALUES.copy()
        expected[7:9] = 5
        assert np.array_equal(tree["last"][:], expected)
    with slow.open_mirror() as point, h5py.File(point, "r") as tree:
        assert np.array_equal(tree["last"][:], VALUES)


def test_copyfileobj_copies_a_source_that_is_not_restored_yet(
    slow: MirrorPair, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    with slow.open_source("rb") as file, copy.open("wb") as out:
        shutil.copyfileobj(file, out)
    assert copy.read_bytes() == slow.mirror_path.read_bytes()
