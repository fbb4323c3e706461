"""create_array and open_array: a numpy array with its file and its mirror in one object."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import splitmirror
from helpers import digest
from splitmirror import ArrayPair, MirrorPair, State, errors
from splitmirror.arrays import Tracking
from splitmirror.layout import Order

BOTH = pytest.mark.parametrize("tracking", ["pages", "compare"])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "state-home")


@BOTH
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_file_is_made_stored_split_and_restored(
    any_fs: Path, tracking: Tracking, order: Order
) -> None:
    path, mirror = any_fs / "a.npy", any_fs / "a.mirror"
    values = np.random.default_rng(2).standard_normal((70, 900))
    with splitmirror.create_array(
        path, mirror, "f8", values.shape, order=order, tracking=tracking
    ) as live:
        assert live.pair.state is State.SYNCHRONIZED
        assert not live.array.any()
        assert live.array.flags["C_CONTIGUOUS" if order == "C" else "F_CONTIGUOUS"]
        live.array[:] = values
        # By comparing, nobody can tell whether something is stored at this moment.
        expected = {"pages": "flushed", "compare": "fuzzy"}[tracking]
        assert live.pair.split(label="raw").consistency == expected
        assert np.array_equal(np.load(mirror), values)
        live.array[10:20] = 0
        np.multiply(live.array, 2, out=live.array)
        assert np.array_equal(np.load(path), live.array)
        live.pair.restore()
        assert np.array_equal(live.array, values)
    assert np.array_equal(np.load(path), values)
    with splitmirror.open_array(mirror, tracking=tracking) as again:
        assert np.array_equal(again.array, values)
        assert again.array.dtype == np.float64
        assert again.pair.status().label == "raw"


def test_a_raw_file_holds_the_items_alone(tmp_path: Path) -> None:
    path, mirror = tmp_path / "items", tmp_path / "mirror"
    with splitmirror.create_array(path, mirror, np.int16, 5000, mode="exclusive") as live:
        live.array[:] = np.arange(5000)
        live.pair.flush()
        assert path.stat().st_size == 10_000
        assert path.read_bytes() == mirror.read_bytes() == live.array.tobytes()
    with splitmirror.open_array(mirror, np.int16, (50, 100)) as again:
        assert again.array[-1, -1] == 4999


def test_a_structured_array(tmp_path: Path) -> None:
    kind = np.dtype([("at", "<f8"), ("name", "S6"), ("point", "<i4", (2,))])
    with splitmirror.create_array(tmp_path / "a.npy", tmp_path / "m", kind, 300) as live:
        live.array["name"][5] = b"five"
        live.array["point"][:, 1] = 7
        live.pair.split()
    found = np.load(tmp_path / "m")
    assert found["name"][5] == b"five"
    assert (found["point"] == [0, 7]).all()


def test_the_object_is_an_array_for_numpy_and_ends_with_its_block(tmp_path: Path) -> None:
    with splitmirror.create_array(tmp_path / "a", tmp_path / "m", "f4", (3, 4)) as live:
        live.array[:] = 2
        assert np.asarray(live).sum() == 24
        assert np.asarray(live, dtype="i8").dtype == np.int64
        assert "3x4 float32" in repr(live)
        assert "<" in live._repr_html_()
        with pytest.raises(ValueError, match="copying"):
            np.array(live, dtype="i8", copy=False)
    with pytest.raises(errors.ClosedPairError):
        _ = live.array
    live.close()
    assert "ArrayPair" in repr(live)


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(b"mine")
    with pytest.raises(errors.ArgumentError) as caught:
        splitmirror.create_array(path, tmp_path / "m", "f8", 10)
    assert caught.value.argument == "path"
    assert names(tmp_path) == ["a.npy"]
    assert path.read_bytes() == b"mine"


def test_a_mirror_that_is_there_is_kept_and_nothing_else_is_left(tmp_path: Path) -> None:
    mirror = tmp_path / "m"
    mirror.write_bytes(b"of somebody else")
    with pytest.raises(errors.MirrorExistsError):
        splitmirror.create_array(tmp_path / "a.npy", mirror, "f8", 10)
    assert names(tmp_path) == ["m"]
    assert mirror.read_bytes() == b"of somebody else"
    with splitmirror.create_array(tmp_path / "a", mirror, "f8", 10, overwrite=True) as live:
        live.array[:] = 1
        live.pair.split()
    assert np.fromfile(mirror).sum() == 10


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"dtype": object, "shape": 3}, errors.ArgumentError),
        ({"dtype": [("a", "O")], "shape": 3}, errors.ArgumentError),
        ({"dtype": "f8", "shape": (-1, 3)}, errors.ArgumentError),
        ({"dtype": "f8", "shape": (2**40, 2**40)}, errors.RangeError),
        ({"dtype": "u1", "shape": 2**63 - 2}, errors.RangeError),
        ({"dtype": "u1", "shape": None}, errors.ArgumentError),
        ({"dtype": "u1", "shape": (1,) * 65}, errors.ArgumentError),
        ({"dtype": "f8", "shape": 2.5}, TypeError),
        ({"dtype": "f8", "shape": 3, "order": "K"}, errors.ArgumentError),
        ({"dtype": "f8", "shape": 3, "tracking": "by ear"}, errors.ArgumentError),
        ({"dtype": "f8", "shape": 3, "mirroring": "sometimes"}, errors.ArgumentError),
        ({"dtype": "f8", "shape": 3, "mode": "both"}, errors.ArgumentError),
        ({"dtype": "f8", "shape": 3, "block_size": 5}, errors.ArgumentError),
        ({"dtype": "no type", "shape": 3}, errors.ArgumentError),
    ],
    ids=str,
)
def test_nothing_that_was_made_stays_when_it_fails(
    tmp_path: Path, given: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        splitmirror.create_array(tmp_path / "a.npy", tmp_path / "m", **given)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["a.npy", "a"])
def test_a_length_that_the_file_system_does_not_have_leaves_no_file(ext4: Path, name: str) -> None:
    with pytest.raises(errors.AreaIOError) as caught:
        splitmirror.create_array(ext4 / name, ext4 / "m", "u1", 2**45)
    assert caught.value.errno == errno.EFBIG
    assert caught.value.path == str(ext4 / name)
    assert names(ext4) == []


def test_a_folder_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(errors.AreaNotFoundError):
        splitmirror.create_array(tmp_path / "none" / "a", tmp_path / "m", "u1", 5)
    with pytest.raises(errors.AreaNotFoundError):
        splitmirror.create_array(tmp_path / "a", tmp_path / "none" / "m", "u1", 5)
    assert names(tmp_path) == []


def test_a_link_to_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(errors.ArgumentError):
        splitmirror.create_array(tmp_path / "link", tmp_path / "m", "u1", 5)
    assert names(tmp_path) == ["link"]


@pytest.mark.parametrize("given", [{"tracking": "by ear"}, {"mirroring": "sometimes"}], ids=str)
def test_an_old_mirror_is_kept_when_the_array_is_refused(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    mirror = tmp_path / "m"
    mirror.write_bytes(b"of somebody else")
    with pytest.raises(errors.ArgumentError):
        splitmirror.create_array(tmp_path / "a", mirror, "f8", 10, overwrite=True, **given)
    assert names(tmp_path) == ["m"]
    assert mirror.read_bytes() == b"of somebody else"


def test_what_is_stored_into_a_new_array_is_all_that_a_restore_looks_at(any_fs: Path) -> None:
    with splitmirror.create_array(
        any_fs / "a", any_fs / "m", "u1", 40 * 65536, tracking="pages"
    ) as live:
        live.pair.split()
        live.array[5 * 65536] = 1
        plan = live.pair.plan_restore().report
        assert (plan.reason, plan.blocks) == ("bitmap", 1)


def test_nothing_stays_when_the_disk_is_full(make_file_system: Any) -> None:
    folder = make_file_system("ext4", size=16 << 20)
    before = names(folder)
    with pytest.raises(errors.NoSpaceError):
        splitmirror.create_array(folder / "a.npy", folder / "m", "u1", 64 << 20)
    assert names(folder) == before


def test_open_array_closes_the_pair_when_it_fails(tmp_path: Path) -> None:
    with splitmirror.create_array(tmp_path / "a", tmp_path / "m", "f8", 10):
        pass
    for given in ({}, {"dtype": "f8", "shape": 11}, {"dtype": object}):
        with pytest.raises(errors.SplitMirrorError):
            splitmirror.open_array(tmp_path / "m", **given)
    # Somebody else may open it.
    with MirrorPair.open(tmp_path / "m") as pair:
        assert pair.state is State.SYNCHRONIZED


def test_an_array_that_others_hold_outlives_the_close(tmp_path: Path) -> None:
    with splitmirror.create_array(tmp_path / "a", tmp_path / "m", "u1", 100_000) as live:
        live.pair.split()
        point = digest(tmp_path / "m")
        kept = live.array
    kept[5] = 9
    assert (tmp_path / "a").read_bytes()[5] == 9
    with splitmirror.open_array(tmp_path / "m", "u1") as again:
        assert isinstance(again, ArrayPair)
        assert again.array[5] == 9
        again.pair.restore()
        assert kept[5] == again.array[5] == 0
    assert digest(tmp_path / "m") == point
