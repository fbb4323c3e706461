"""Real libraries on the files of a pair: zipfile, shutil, pandas, h5py, numpy, read and written."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from helpers import digest
from places import MakeFile, split_pair, spoil
from splitmirror import MirrorPair

VALUES = np.arange(60_000, dtype="<f8").reshape(300, 200)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


def synchronized(source: Path, make: MakeFile) -> MirrorPair:
    pair = split_pair(source, make)
    pair.establish()
    return pair


def same(pair: MirrorPair) -> bool:
    return pair.source_path.read_bytes() == pair.mirror_path.read_bytes()


@pytest.fixture(params=["raw", "buffered"])
def wrap(request: pytest.FixtureRequest) -> Iterator[Any]:
    """As open_source() gives it, and as a program that wants a buffer wraps it."""
    if request.param == "raw":
        yield lambda file: file
    else:
        yield lambda file: io.BufferedRandom(file) if file.writable() else io.BufferedReader(file)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.txt", "first " * 5_000)


def test_zipfile_reads_both_sides_and_appends_to_the_source(source: Path, wrap: Any) -> None:
    with synchronized(source, zipped) as pair:
        with wrap(pair.open_source()) as file, zipfile.ZipFile(file, "a") as archive:
            archive.writestr("two.txt", "second")
        pair.flush()
        assert same(pair)
        pair.split()
        point = digest(pair.mirror_path)
        spoil(source)
        with wrap(pair.open_mirror()) as file, zipfile.ZipFile(file) as archive:
            assert archive.namelist() == ["one.txt", "two.txt"]
            assert archive.testzip() is None
        pair.restore()
        with wrap(pair.open_source("rb")) as file, zipfile.ZipFile(file) as archive:
            assert archive.read("two.txt") == b"second"
        assert digest(pair.mirror_path) == point


def hdf5(path: Path) -> None:
    with h5py.File(path, "w") as tree:
        tree["values"] = VALUES
        tree.create_dataset("packed", data=VALUES, chunks=(50, 50), compression="gzip")


def test_h5py_reads_both_sides_and_writes_the_source(source: Path, wrap: Any) -> None:
    with synchronized(source, hdf5) as pair:
        with wrap(pair.open_source()) as file, h5py.File(file, "r+") as tree:
            tree["values"][7] = -1.0
            # The file grows.
            tree["more"] = np.ones(100_000)
        pair.flush()
        assert same(pair)
        with h5py.File(source, "r") as tree:
            assert (tree["values"][7] == -1).all()
            assert tree["more"].shape == (100_000,)
        pair.split()
        with wrap(pair.open_mirror()) as file, h5py.File(file, "r") as tree:
            assert (tree["packed"][:] == VALUES).all()
            assert (tree["values"][7] == -1).all()


def table(path: Path) -> None:
    pd.DataFrame({"n": range(5_000), "name": ["café"] * 5_000}).to_csv(path, index=False)


def test_pandas_reads_both_sides_and_writes_the_source(source: Path, wrap: Any) -> None:
    with synchronized(source, table) as pair:
        with wrap(pair.open_source("rb")) as file:
            frame = pd.read_csv(file)
        assert frame["n"].sum() == sum(range(5_000))
        with wrap(pair.open_source()) as file:
            frame.assign(n=frame["n"] + 100_000).to_csv(file, index=False)
        pair.flush()
        assert same(pair)
        pair.split()
        with wrap(pair.open_mirror()) as file:
            assert pd.read_csv(file)["n"].min() == 100_000


def test_copyfileobj_copies_out_of_both_sides_and_into_the_source(
    source: Path, tmp_path: Path, wrap: Any
) -> None:
    content = VALUES.tobytes()
    with synchronized(source, lambda path: path.write_bytes(content)) as pair:
        other = tmp_path / "other"
        other.write_bytes(content[::-1])
        with other.open("rb") as new, wrap(pair.open_source()) as file:
            shutil.copyfileobj(new, file)
        pair.flush()
        assert same(pair)
        assert source.read_bytes() == content[::-1]
        pair.split()
        for opened in (pair.open_mirror(), pair.open_source("rb")):
            with wrap(opened) as file, (tmp_path / "copy").open("wb") as copy:
                shutil.copyfileobj(file, copy)
            assert (tmp_path / "copy").read_bytes() == content[::-1]


def test_numpy_loads_from_both_sides(source: Path, wrap: Any) -> None:
    def save(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, VALUES)

    with split_pair(source, save) as pair:
        for opened in (pair.open_mirror(), pair.open_source("rb")):
            with wrap(opened) as file:
                assert np.array_equal(np.load(file), VALUES)


def test_a_source_grows_by_truncate_and_is_not_cut(source: Path) -> None:
    with synchronized(source, lambda path: path.write_bytes(b"x" * 5_000)) as pair:
        with pair.open_source() as file:
            assert file.truncate(9_000) == 9_000
            assert file.truncate(9_000) == 9_000
            with pytest.raises(io.UnsupportedOperation, match="shorter"):
                file.truncate(100)
        with pair.open_source("rb") as file, pytest.raises(io.UnsupportedOperation):
            file.truncate(10_000)
        pair.split()
        with pair.open_mirror() as mirror, pytest.raises(io.UnsupportedOperation):
            mirror.truncate(10_000)
        assert source.read_bytes() == b"x" * 5_000 + bytes(4_000)
        assert same(pair)
