"""restore(index=): a slice of the array in a .npy file goes back, and not one byte beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import mixed, split_pair, spoil
from splitmirror import MirrorPair, errors
from splitmirror.layout import ArrayLayout, Order

ROWS, COLUMNS = 3000, 40


def numbers(order: Order = "C") -> np.ndarray[Any, Any]:
    return np.arange(ROWS * COLUMNS, dtype="<f8").reshape((ROWS, COLUMNS), order=order)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "numbers.npy"


@pytest.fixture
def pair(source: Path) -> Iterator[MirrorPair]:
    with split_pair(source, lambda path: np.save(path, numbers())) as made:
        yield made


def data_of(source: Path) -> tuple[int, int]:
    with source.open("rb") as file:
        layout = ArrayLayout.from_npy(file)
    return layout.offset, layout.nbytes


@pytest.mark.parametrize(
    ("order", "index"),
    [
        ("C", 0),
        ("C", -1),
        ("C", np.s_[1000:2000]),
        ("C", np.s_[1000:2000, :]),
        ("C", (np.int64(17), slice(None, -2))),
        ("C", ...),
        ("C", np.s_[7:900, 5:9]),
        ("F", np.s_[..., 3]),
        ("F", np.s_[:, 3:9]),
        ("F", np.s_[:-5, -1]),
        ("F", ...),
        ("F", 0),
        ("F", np.s_[7:900, 5:9]),
        ("C", np.s_[..., 3]),
    ],
    ids=str,
)
def test_a_slice_goes_back_and_nothing_else(source: Path, index: Any, order: Order) -> None:
    with split_pair(source, lambda path: np.save(path, numbers(order))) as pair:
        good = source.read_bytes()
        spoilt = spoil(source, [data_of(source)])
        with source.open("rb") as file:
            extents = ArrayLayout.from_npy(file).extents(index)
        receipt = pair.restore(index=index)
        assert receipt.complete
        assert receipt.mirror_unchanged
        assert receipt.bytes_copied == sum(length for _, length in extents)
        assert source.read_bytes() == mixed(spoilt, good, extents)
        found, expected = np.load(source), numbers(order)
        assert np.array_equal(found[index], expected[index])
        changed = np.ones(found.shape, bool)
        changed[index] = False
        assert not np.any(found[changed] == expected[changed])


def test_a_slice_of_the_array_that_the_pair_knows(tmp_path: Path) -> None:
    # No header: the bytes alone.
    source = tmp_path / "raw"
    with split_pair(source, lambda path: path.write_bytes(numbers().tobytes())) as pair:
        good = source.read_bytes()
        with pytest.raises(errors.ArgumentError, match=r"array\(\) first") as caught:
            pair.restore(index=0)
        assert caught.value.argument == "index"
        pair._layout = ArrayLayout(np.dtype("<f8"), (ROWS, COLUMNS))
        spoilt = spoil(source)
        pair.restore(index=np.s_[5:7])
        assert source.read_bytes() == mixed(spoilt, good, [(5 * COLUMNS * 8, 2 * COLUMNS * 8)])


def test_the_plan_has_the_extents_of_the_slice(pair: MirrorPair, source: Path) -> None:
    begin, _ = data_of(source)
    spoilt = spoil(source, [data_of(source)])
    plan = pair.plan_restore(index=np.s_[2:4, 1:3])
    assert plan.report.extents == tuple((begin + (row * COLUMNS + 1) * 8, 16) for row in (2, 3))
    assert plan.report.bytes == 32
    assert source.read_bytes() == spoilt
    pair.restore(plan=plan)
    assert np.array_equal(np.load(source)[2:4, 1:3], numbers()[2:4, 1:3])


def test_a_slice_that_is_restored_at_once(source: Path) -> None:
    np.save(source, numbers())
    with MirrorPair.create(source, source.with_name("mirror"), mode="exclusive") as pair:
        pair.establish()
        pair.split()
        begin, length = data_of(source)
        good = source.read_bytes()
        pair.write(begin, bytes(length))
        job = pair.start_restore(index=np.s_[100:200])
        extents = [(begin + 100 * COLUMNS * 8, 100 * COLUMNS * 8)]
        expected = mixed(good[:begin] + bytes(length), good, extents)
        assert pair.read(0, len(good)) == expected
        receipt = job.wait()
        assert receipt is not None
        assert receipt.complete
        assert pair.read(0, len(good)) == expected


def other_shape(source: Path) -> None:
    np.save(source, numbers().reshape(COLUMNS, ROWS))


def other_type(source: Path) -> None:
    np.save(source, numbers().astype(">f8"))


def no_array(source: Path) -> None:
    source.write_bytes(b"overwritten")


@pytest.mark.parametrize("spoils", [other_shape, other_type, no_array, Path.unlink])
def test_a_source_with_another_header_is_refused(
    pair: MirrorPair, source: Path, spoils: Any
) -> None:
    spoils(source)
    before = source.read_bytes() if source.exists() else None
    for verb in (pair.restore, pair.plan_restore):
        with pytest.raises(errors.MemberMovedError, match=r"restore\(to=\)") as caught:
            verb(index=0)
        assert str(source) in str(caught.value)
        assert caught.value.path == str(source)
    assert (source.read_bytes() if source.exists() else None) == before
    # What the advice says.
    scratch = source.with_name("scratch")
    pair.restore(index=np.s_[3:5], to=scratch)
    begin, _ = data_of(scratch.with_name("mirror"))
    with scratch.open("rb") as file:
        file.seek(begin + 3 * COLUMNS * 8)
        assert file.read(2 * COLUMNS * 8) == numbers()[3:5].tobytes()
    pair.restore()
    assert np.array_equal(np.load(source), numbers())


def test_an_index_that_cannot_be_used_changes_nothing(pair: MirrorPair, source: Path) -> None:
    spoilt = spoil(source, [data_of(source)])
    for index in (np.s_[::2], [1, 2], ROWS, np.s_[5:5], "name"):
        with pytest.raises(errors.ArgumentError) as caught:
            pair.restore(index=index)
        assert caught.value.argument == "index"
    assert source.read_bytes() == spoilt


def test_many_runs_are_restored(tmp_path: Path) -> None:
    count = 200_000
    array = np.ones((count, 2), dtype="u1")
    source = tmp_path / "pairs.npy"
    with split_pair(source, lambda path: np.save(path, array)) as pair:
        spoil(source, [data_of(source)])
        pair.restore(index=np.s_[:, 1])
        found = np.load(source)
        assert np.all(found[:, 1] == 1)
        assert np.all(found[:, 0] == 254)


@pytest.mark.parametrize("tracking", ["pages", "compare"])
def test_an_array_of_a_part_does_not_change_what_an_index_means(
    pair: MirrorPair, source: Path, tracking: Any
) -> None:
    whole = pair.array(tracking=tracking)
    offset, _ = data_of(source)
    part = pair.array("<f8", (10, COLUMNS), offset + 50 * COLUMNS * 8, tracking=tracking)
    part[:] = -1
    whole[7] = -1
    pair.restore(index=np.s_[7])
    assert np.array_equal(whole[7], numbers()[7])
    assert (part == -1).all(), "the rest is as it is now"
    pair.restore(index=np.s_[50:60])
    assert np.array_equal(part, numbers()[50:60])
    del whole, part


def test_a_header_of_more_than_there_is_leaves_the_array_that_was_named(source: Path) -> None:
    def cut(path: Path) -> None:
        np.save(path, numbers())
        with path.open("rb+") as file:
            file.truncate(128 + 1000 * COLUMNS * 8)

    with split_pair(source, cut) as pair:
        spoil(source, [(128, 1000 * COLUMNS * 8)])
        with pytest.raises(errors.RangeError, match="mirror is"):
            pair.restore(index=0)
        part = pair.array("<f8", (1000, COLUMNS), 128)
        pair.restore(index=np.s_[5:7])
        assert np.array_equal(part[5:7], numbers()[5:7])
        assert not (part[:5] == numbers()[:5]).any()
        del part
