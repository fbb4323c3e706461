"""How long an array is the source's memory, who holds it, and what is known once it is gone."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import KIB, digest
from scenes import writable_maps
from splitmirror import MirrorPair
from splitmirror.arrays import Tracking

BOTH = pytest.mark.parametrize("tracking", ["pages", "compare"])
BLOCK = 64 * KIB
LENGTH = 40 * BLOCK

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


@contextlib.contextmanager
def opened(folder: Path, *, mode: Any = "shared", blocks: int = 40) -> Iterator[MirrorPair]:
    source = folder / "source"
    source.write_bytes(np.random.default_rng(5).bytes(blocks * BLOCK))
    with MirrorPair.create(source, folder / "mirror", mode=mode) as pair:
        pair.establish()
        yield pair


@BOTH
def test_a_slice_of_an_array_keeps_its_memory(tmp_path: Path, tracking: Tracking) -> None:
    with opened(tmp_path) as pair:
        array = pair.array("u1", tracking=tracking)
        part = array[BLOCK : 2 * BLOCK].view("<u4").reshape(128, 128)[3:5]
        del array
        pair.split()
        good = part.copy()
        part[1, 7] += 1
        use = pair.status().arrays
        assert use is not None
        assert use.views == 1
        pair.restore()
        assert np.array_equal(part, good)
        bytes_ = part.data
        del part
        assert writable_maps(pair.source_path), "a memoryview is one that holds it"
        bytes_.release()
        assert not writable_maps(pair.source_path)


@BOTH
def test_the_last_stores_before_an_array_goes_are_mirrored(
    tmp_path: Path, tracking: Tracking
) -> None:
    with opened(tmp_path) as pair:
        array = pair.array("u1", tracking=tracking, mirroring="on-flush")
        array[::1000] += 1
        expected = array.tobytes()
        del array
        assert pair.mirror_path.read_bytes() == expected


@BOTH
def test_arrays_that_threads_let_go_of_beside_verbs(tmp_path: Path, tracking: Tracking) -> None:
    with opened(tmp_path) as pair:

        def work(block: int) -> None:
            for value in range(30):
                array = pair.array("u1", BLOCK, block * BLOCK, tracking=tracking)
                array[:] = value
                del array

        threads = [threading.Thread(target=work, args=[block]) for block in (1, 5, 9)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            pair.flush()
            pair.status()
        for thread in threads:
            thread.join()
        assert pair.status().arrays is None
        assert pair.read(5 * BLOCK, BLOCK) == bytes([29]) * BLOCK
        pair.flush()
        assert pair.mirror_path.read_bytes() == pair.source_path.read_bytes()


PLAN = """
import sys
from splitmirror import MirrorPair
with MirrorPair.open(sys.argv[1]) as pair:
    plan = pair.plan_restore().report
    print(plan.reason, plan.blocks)
"""


@BOTH
@pytest.mark.parametrize("mode", ["shared", "exclusive"])
@pytest.mark.parametrize("outlives", [True, False])
def test_i4_another_process_compares_what_was_closed_under_a_living_array(
    tmp_path: Path, tracking: Tracking, mode: str, outlives: bool
) -> None:
    with opened(tmp_path, mode=mode) as pair:
        mirror = pair.mirror_path
        pair.split()
        array = pair.array("u1", tracking=tracking)
        array[3 * BLOCK] ^= 1
        if not outlives:
            del array
            # By comparing, nobody knows what was stored: this looks at everything.
            pair.restore()
    if outlives:
        array[30 * BLOCK] ^= 1  # after the close
    planned = subprocess.run(
        [sys.executable, "-c", PLAN, mirror], capture_output=True, text=True, check=True
    ).stdout.split()
    assert planned == (["unclean-close", "40"] if outlives else ["bitmap", "0"])


@BOTH
def test_an_array_that_outlived_two_pairs_is_still_the_source(
    tmp_path: Path, tracking: Tracking
) -> None:
    with opened(tmp_path) as pair:
        mirror = pair.mirror_path
        pair.split()
        array = pair.array("u1", tracking=tracking)
        good, point = array.copy(), digest(mirror)
    for _ in range(2):
        array[:BLOCK] += 1
        with MirrorPair.open(mirror) as pair:
            array[5 * BLOCK :: BLOCK] += 1
            pair.restore()
            assert np.array_equal(array, good)
            array[7] += 1
    with MirrorPair.open(mirror) as pair:
        pair.restore()
        assert np.array_equal(array, good)
        assert digest(mirror) == point
        del array


@contextlib.contextmanager
def storing(part: Bytes) -> Iterator[None]:
    """A thread that stores into all of `part` without a pause."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            np.add(part, 1, out=part)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_r10_what_was_stored_beside_a_restore_is_in_its_receipt(tmp_path: Path) -> None:
    with opened(tmp_path, mode="exclusive", blocks=400) as pair:
        array = pair.array("u1", tracking="pages")
        pair.split()
        good, point = array.copy(), digest(pair.mirror_path)
        # A restore may be over before the thread gets its turn.
        for _ in range(50):
            array[:-BLOCK] ^= 255
            with storing(array[-BLOCK:]):
                receipt = pair.restore()
            if receipt.blocks_app_written:
                break
            pair.restore()
        codes = receipt.provenance_map()
        assert codes[-1] == 2
        assert set(codes[:-1]) == {1}
        assert np.array_equal(array[:-BLOCK], good[:-BLOCK])
        pair.heal(receipt)
        assert np.array_equal(array, good)
        assert digest(pair.mirror_path) == point
        del array
