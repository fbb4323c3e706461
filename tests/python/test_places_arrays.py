"""restore(index=) under an array of the source: the slice shows in it, and the rest stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import splitmirror
from helpers import digest
from splitmirror import MirrorPair, errors
from splitmirror.arrays import Tracking
from splitmirror.layout import Order

BOTH = pytest.mark.parametrize("tracking", ["pages", "compare"])
SHAPE = (300, 500)


def numbers() -> np.ndarray[Any, Any]:
    return np.arange(np.prod(SHAPE), dtype="<f8").reshape(SHAPE)


def live(
    folder: Path,
    tracking: Tracking,
    *,
    name: str = "live.npy",
    order: Order = "C",
    mode: Literal["shared", "exclusive"] = "shared",
) -> splitmirror.ArrayPair:
    """An array that holds `numbers` in a pair that is split."""
    made = splitmirror.create_array(
        folder / name, folder / "mirror", "<f8", SHAPE, order=order, mode=mode, tracking=tracking
    )
    made.array[:] = numbers()
    made.pair.split(label="good")
    return made


@BOTH
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "index",
    [np.s_[100:200, :], np.s_[-3:], np.s_[..., 7], np.s_[5, 9], np.s_[:, 30:90], ...],
    ids=str,
)
def test_a_slice_shows_in_the_array_and_the_rest_stays(
    tmp_path: Path, tracking: Tracking, order: Order, index: Any
) -> None:
    with live(tmp_path, tracking, order=order) as made:
        point = digest(made.pair.mirror_path)
        made.array[:] = -1
        expected = made.array.copy()
        expected[index] = numbers()[index]
        receipt = made.pair.restore(index=index)
        assert receipt.complete
        assert receipt.bytes_copied == numbers()[index].nbytes
        assert np.array_equal(made.array, expected)
        # The file holds what the array shows.
        assert np.array_equal(np.load(tmp_path / "live.npy"), expected)
        assert digest(made.pair.mirror_path) == point


@BOTH
def test_what_was_stored_beside_the_slice_is_still_known_to_differ(
    tmp_path: Path, tracking: Tracking
) -> None:
    with live(tmp_path, tracking) as made:
        # The slice begins and ends within blocks that hold other rows too.
        made.array[100:200] = -1
        made.pair.restore(index=np.s_[130:160])
        made.array[5] = -2
        made.pair.restore()
        assert np.array_equal(made.array, numbers())
        made.array[150] = -3
        made.pair.establish()
        expected = numbers()
        expected[150] = -3
        assert np.array_equal(np.load(made.pair.mirror_path), expected)


@BOTH
def test_an_array_with_no_header_is_known_by_how_it_was_handed_out(
    tmp_path: Path, tracking: Tracking
) -> None:
    with live(tmp_path, tracking, name="raw") as made:
        made.array[:] = -1
        # Another array of the same bytes is the one that is meant from here on.
        part = made.pair.array("<f8", (2, 50), 8 * 1000, tracking=tracking)
        made.pair.restore(index=1)
        flat = made.array.reshape(-1)
        assert np.array_equal(flat[1050:1100], np.arange(1050.0, 1100.0))
        assert np.array_equal(part[1], flat[1050:1100])
        assert (flat[:1050] == -1).all()
        assert (flat[1100:] == -1).all()
        with pytest.raises(errors.ArgumentError, match="out of range"):
            made.pair.restore(index=2)
        del part, flat


@BOTH
def test_a_slice_that_is_restored_in_the_background_is_there_at_once(
    tmp_path: Path, tracking: Tracking
) -> None:
    with live(tmp_path, tracking, mode="exclusive") as made:
        made.array[:] = -1
        expected = made.array.copy()
        expected[20:250, 3] = numbers()[20:250, 3]
        job = made.pair.start_restore(index=np.s_[20:250, 3])
        # A load from memory is never redirected to the mirror.
        assert np.array_equal(made.array, expected)
        receipt = job.wait()
        assert receipt is not None
        assert receipt.complete
        assert np.array_equal(made.array, expected)


@BOTH
def test_a_plan_has_the_slice_of_what_was_stored_and_writes_nothing(
    tmp_path: Path, tracking: Tracking
) -> None:
    with live(tmp_path, tracking) as made:
        made.array[40:60] = -1
        before = made.array.copy()
        row = SHAPE[1] * 8
        plan = made.pair.plan_restore(index=np.s_[50:52])
        ((offset, length),) = plan.report.extents
        assert (offset - 50 * row, length) == (128, 2 * row)
        assert np.array_equal(made.array, before)
        made.pair.restore(plan=plan)
        before[50:52] = numbers()[50:52]
        assert np.array_equal(made.array, before)


@BOTH
def test_the_member_of_a_npy_file_leaves_its_header(tmp_path: Path, tracking: Tracking) -> None:
    with live(tmp_path, tracking) as made:
        made.array[:] = -1
        assert made.pair.members() == ["array"]
        made.pair.restore(member="array")
        assert np.array_equal(made.array, numbers())


def test_a_slice_is_found_by_the_header_in_a_process_without_the_array(tmp_path: Path) -> None:
    with live(tmp_path, "auto") as made:
        made.array[:] = -1
    with MirrorPair.open(tmp_path / "mirror") as pair:
        pair.restore(index=np.s_[10:20])
    found = np.load(tmp_path / "live.npy")
    assert np.array_equal(found[10:20], numbers()[10:20])
    assert (np.delete(found, np.s_[10:20], axis=0) == -1).all()
