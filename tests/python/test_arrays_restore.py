"""Splits and restores under arrays: what the array shows, and what a point promises."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakeDevicePair
from helpers import KIB, MIB, digest
from splitmirror import MirrorPair, State, errors
from splitmirror.arrays import Tracking

BOTH = pytest.mark.parametrize("tracking", ["pages", "compare"])
BLOCK = 64 * KIB
LENGTH = 40 * BLOCK

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


@contextlib.contextmanager
def opened(folder: Path, *, mode: Any = "shared") -> Iterator[MirrorPair]:
    source = folder / "source"
    source.write_bytes(np.random.default_rng(4).bytes(LENGTH))
    with MirrorPair.create(source, folder / "mirror", mode=mode) as pair:
        pair.establish()
        yield pair


@contextlib.contextmanager
def busy(array: Bytes) -> Iterator[None]:
    """A thread that stores without a pause; some of it has been stored when the block begins."""
    stop, begun = threading.Event(), threading.Event()

    def work() -> None:
        value = 0
        while not stop.is_set():
            value = (value + 1) % 256
            array[value * 97 % array.size :: BLOCK] = value
            begun.set()

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@BOTH
@pytest.mark.parametrize("mode", ["shared", "exclusive"])
def test_i1_a_restore_shows_in_the_array_and_the_point_can_be_used_again(
    any_fs: Path, tracking: Tracking, mode: str
) -> None:
    with opened(any_fs, mode=mode) as pair:
        array = pair.array("u1", tracking=tracking)
        pair.split()
        good, point = array.copy(), digest(pair.mirror_path)
        for turn in range(3):
            array[turn * 1000 :: 5000] += 1
            pair.restore()
            assert np.array_equal(array, good)
        array[:] = 0
        pair.restore(ranges=[(BLOCK + 5, 10 * BLOCK)])
        assert np.array_equal(array[BLOCK + 5 : 11 * BLOCK + 5], good[BLOCK + 5 : 11 * BLOCK + 5])
        assert not array[11 * BLOCK + 5 :].any()
        assert digest(pair.mirror_path) == point
        del array


@BOTH
def test_a_restore_in_the_background_is_an_eager_one_under_an_array(
    tmp_path: Path, tracking: Tracking
) -> None:
    with opened(tmp_path, mode="exclusive") as pair:
        array = pair.array("u1", tracking=tracking)
        pair.split()
        good = array.copy()
        array[:] = 1
        job = pair.start_restore()
        # No read goes through the pair here: all has to be there already.
        assert np.array_equal(array, good)
        receipt = job.wait()
        assert receipt is not None
        assert receipt.complete
        del array


@BOTH
def test_a_quiet_array_is_split_as_of_now(tmp_path: Path, tracking: Tracking) -> None:
    with opened(tmp_path) as pair:
        array = pair.array("u1", tracking=tracking)
        array[::777] = 5
        report = pair.split()
        assert report.consistency == {"pages": "flushed", "compare": "fuzzy"}[tracking]
        assert pair.mirror_path.read_bytes() == array.tobytes()
        del array


@BOTH
def test_a_busy_array_is_split_at_an_instant_or_says_that_it_was_not(
    tmp_path: Path, tracking: Tracking
) -> None:
    with opened(tmp_path) as pair:
        array = pair.array("u1", tracking=tracking)
        with busy(array):
            report = pair.split()
            assert report.consistency in ("flushed", "crash", "fuzzy")
            if tracking == "compare":
                assert report.consistency == "fuzzy"
            point = digest(pair.mirror_path)
            time.sleep(0.2)
            assert digest(pair.mirror_path) == point
        pair.restore()
        assert np.fromfile(pair.mirror_path, "u1").tobytes() == array.tobytes()
        del array


@BOTH
def test_a_point_that_has_to_be_flushed_is_flushed_or_is_not_taken(
    tmp_path: Path, tracking: Tracking
) -> None:
    with opened(tmp_path) as pair:
        array = pair.array("u1", tracking=tracking)
        with busy(array):
            refused: errors.ConsistencyError | None = None
            try:
                report = pair.split(require="flushed")
            except errors.ConsistencyError as error:
                refused = error
        if refused is None:
            assert tracking == "pages"
            assert report.consistency == "flushed"
        else:
            assert refused.required == "flushed"
            assert refused.reached in ("crash", "fuzzy")
            assert pair.state is State.SYNCHRONIZED
        if pair.state is State.SYNCHRONIZED:
            pair.flush()
            assert pair.mirror_path.read_bytes() == array.tobytes()
        del array


@BOTH
def test_what_is_stored_beside_a_restore_is_kept_or_restored_and_never_unknown(
    tmp_path: Path, tracking: Tracking
) -> None:
    with opened(tmp_path) as pair:
        array = pair.array("u1", tracking=tracking)
        pair.split()
        good, point = array.copy(), digest(pair.mirror_path)
        array[:] = 3
        with busy(array):
            receipt = pair.restore()
        assert receipt.complete
        pair.restore()
        assert np.array_equal(array, good), "the second one brings back what was stored beside"
        assert digest(pair.mirror_path) == point
        del array


@BOTH
def test_a_restore_that_would_cut_the_source_under_an_array_is_refused(
    tmp_path: Path, tracking: Tracking
) -> None:
    with opened(tmp_path) as pair:
        pair.split()
        pair.write(LENGTH, bytes(BLOCK))
        array = pair.array("u1", tracking=tracking)
        before = array.copy()
        verbs: tuple[Callable[[], object], ...] = (
            pair.restore,
            lambda: pair.restore(full=True),
        )
        for verb in verbs:
            with pytest.raises(errors.ViewsLiveError) as caught:
                verb()
            assert caught.value.views == 1
        assert np.array_equal(array, before)
        assert not pair.conditions
        pair.restore(ranges=[(0, LENGTH)])
        part = pair.array("u1", 100, tracking=tracking)
        del array
        # It lies in what stays.
        pair.restore()
        assert pair.source_length == LENGTH
        assert part.tobytes() == pair.read(0, 100)
        del part


@BOTH
def test_a_source_that_grows_and_shrinks_back_beside_an_array(
    tmp_path: Path, tracking: Tracking
) -> None:
    with opened(tmp_path) as pair:
        array = pair.array("u1", LENGTH, tracking=tracking)
        pair.split()
        good = array.copy()
        pair.write(LENGTH, b"more" * 1000)
        array[-1] ^= 255
        pair.restore()
        assert pair.source_length == LENGTH
        assert np.array_equal(array, good)
        array[-1] ^= 255
        pair.establish()
        pair.write(LENGTH + 5 * BLOCK, b"end")
        array[0] ^= 255
        pair.split()
        assert pair.mirror_path.read_bytes() == pair.source_path.read_bytes()
        del array


def test_establish_waits_for_the_arrays_of_the_mirror(tmp_path: Path) -> None:
    with opened(tmp_path) as pair:
        array = pair.array("u1")
        pair.split()
        view = pair.mirror_array("u1")
        array[:100] = 1
        assert not np.array_equal(view[:100], array[:100])
        with pytest.raises(errors.ViewsLiveError):
            pair.establish()
        del view
        pair.establish()
        assert pair.mirror_path.read_bytes() == array.tobytes()
        del array


@BOTH
def test_i1_a_source_with_an_array_does_not_become_a_mirror(
    tmp_path: Path, tracking: Tracking
) -> None:
    with opened(tmp_path) as pair:
        array = pair.array("u1", tracking=tracking)
        pair.detach()
    other = tmp_path / "other"
    other.write_bytes(bytes(LENGTH))
    with MirrorPair.create(other, tmp_path / "source", overwrite=True) as second:
        # Through the array, this program could write a mirror that is split.
        with pytest.raises(errors.ViewsLiveError):
            second.establish()
        del array
        second.establish()
        second.split()


@BOTH
def test_an_array_of_a_block_device(loop_pair: MakeDevicePair, tracking: Tracking) -> None:
    source, mirror = loop_pair(4 * MIB)
    with MirrorPair.create(source, mirror, mode="exclusive", overwrite=True) as pair:
        pair.establish()
        array = pair.array("<u4", tracking=tracking)
        array[:] = np.arange(array.size)
        pair.split()
        good = array.copy()
        array[1000:2000] = 0
        pair.restore()
        assert np.array_equal(array, good)
        kept = array
    # The device is held by the array alone now; the pair can still be opened here.
    kept[7] = 70_000
    with MirrorPair.open(mirror) as pair:
        assert pair.read(28, 4) == (70_000).to_bytes(4, "little")
        pair.restore()
        assert kept[7] == 7
    del array, kept
