"""Random stores into arrays, writes and verbs against a plain model, in both ways of tracking.

What an array stores is nobody's call: it is in the source at once, and in a mirror that follows at
the latest when a flush or a verb returns. A split mirror never changes.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from splitmirror import MirrorPair, State
from splitmirror.arrays import Mirroring, Tracking

BLOCK = 16384
LENGTH = 20 * BLOCK + 1000
places = st.integers(0, LENGTH - 1)
lengths = st.integers(1, 3 * BLOCK)
seeds = st.integers(0, 2**32 - 1)


def some_bytes(seed: int, length: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, length, dtype=np.uint8)


class Arrays(RuleBasedStateMachine):
    """`source` and `mirror` are what both sides have to hold; `arrays` the views that live."""

    tracking: Tracking
    mirroring: Mirroring = "on-flush"
    folder_of_all: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="arrays-", dir=self.folder_of_all))
        self.mirror_path = self.folder / "mirror"
        self.arrays: list[tuple[int, np.ndarray[Any, np.dtype[np.uint8]]]] = []

    @initialize(seed=seeds, mode=st.sampled_from(["shared", "exclusive"]))
    def create(self, seed: int, mode: Any) -> None:
        self.source = some_bytes(seed, LENGTH)
        (self.folder / "source").write_bytes(self.source.tobytes())
        self.pair = MirrorPair.create(
            self.folder / "source", self.mirror_path, block_size=BLOCK, mode=mode
        )
        self.pair.establish()
        self.mirror = self.source.copy()
        self.state = State.SYNCHRONIZED
        self.map(0, LENGTH)

    def teardown(self) -> None:
        self.arrays.clear()
        if hasattr(self, "pair"):
            self.pair.close()
        gc.collect()
        shutil.rmtree(self.folder)

    def map(self, start: int, length: int) -> None:
        length = min(length, LENGTH - start)
        array = self.pair.array(
            "u1", length, start, tracking=self.tracking, mirroring=self.mirroring
        )
        self.arrays.append((start, array))

    @precondition(lambda self: len(self.arrays) < 3)
    @rule(start=places, length=lengths)
    def take_an_array(self, start: int, length: int) -> None:
        self.map(start, length)

    @precondition(lambda self: self.arrays)
    @rule(choice=st.data())
    def let_go_of_an_array(self, choice: st.DataObject) -> None:
        self.arrays.pop(choice.draw(st.integers(0, len(self.arrays) - 1)))

    @precondition(lambda self: self.arrays)
    @rule(choice=st.data(), seed=seeds)
    def store(self, choice: st.DataObject, seed: int) -> None:
        start, array = self.arrays[choice.draw(st.integers(0, len(self.arrays) - 1))]
        at = choice.draw(st.integers(0, array.size - 1))
        data = some_bytes(seed, min(choice.draw(lengths), array.size - at))
        array[at : at + data.size] = data
        self.source[start + at : start + at + data.size] = data

    @rule(start=places, length=lengths, seed=seeds)
    def write(self, start: int, length: int, seed: int) -> None:
        data = some_bytes(seed, min(length, LENGTH - start))
        self.pair.write(start, data.tobytes())
        self.source[start : start + data.size] = data

    @rule(start=places, length=lengths)
    def discard(self, start: int, length: int) -> None:
        self.pair.discard(start, length)
        self.source[start : start + length] = 0

    @rule(reopen=st.booleans())
    def close_and_open(self, reopen: bool) -> None:
        self.pair.close()
        if not reopen:
            self.arrays.clear()
        self.pair = MirrorPair.open(self.mirror_path)

    @rule(force=st.booleans())
    def establish(self, force: bool) -> None:
        self.pair.establish(force=force)
        self.state = State.SYNCHRONIZED

    @rule()
    def refresh(self) -> None:
        self.pair.refresh()
        self.state, self.mirror = State.SPLIT, self.source.copy()

    @precondition(lambda self: self.state is State.SYNCHRONIZED)
    @rule()
    def split(self) -> None:
        self.pair.establish()
        self.pair.split()
        self.state, self.mirror = State.SPLIT, self.source.copy()

    @precondition(lambda self: self.state is State.SPLIT)
    @rule(full=st.booleans())
    def restore(self, full: bool) -> None:
        receipt = self.pair.restore(full=full)
        assert receipt.complete
        assert receipt.mirror_unchanged
        self.source = self.mirror.copy()

    @precondition(lambda self: self.state is State.SPLIT)
    @rule(start=places, length=lengths)
    def restore_a_range(self, start: int, length: int) -> None:
        length = min(length, LENGTH - start)
        self.pair.restore(ranges=[(start, length)])
        self.source[start : start + length] = self.mirror[start : start + length]

    @precondition(lambda self: self.state is State.SYNCHRONIZED)
    @rule()
    def flush(self) -> None:
        self.pair.establish()
        self.pair.flush()
        assert self.mirror_path.read_bytes() == self.source.tobytes()

    @invariant()
    def all_see_the_same_source(self) -> None:
        if not hasattr(self, "pair"):
            return
        assert (self.folder / "source").read_bytes() == self.source.tobytes()
        for start, array in self.arrays:
            assert np.array_equal(array, self.source[start : start + array.size])

    @invariant()
    def i1_a_split_mirror_is_its_point(self) -> None:
        if hasattr(self, "pair") and self.state is State.SPLIT:
            assert self.mirror_path.read_bytes() == self.mirror.tobytes()


class ByPages(Arrays):
    tracking: Tracking = "pages"


class ByComparing(Arrays):
    tracking: Tracking = "compare"


class ByPagesAtIntervals(Arrays):
    """A thread collects at the same time."""

    tracking: Tracking = "pages"
    mirroring: Mirroring = "interval"


class InMemory(Arrays):
    """Pages of tmpfs are tracked too."""

    tracking: Tracking = "pages"
    folder_of_all = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


FEW = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestByPages = ByPages.TestCase
TestByComparing = ByComparing.TestCase
TestByPagesAtIntervals = ByPagesAtIntervals.TestCase
TestInMemory = InMemory.TestCase
for _case in (TestByPages, TestByComparing, TestByPagesAtIntervals, TestInMemory):
    _case.settings = FEW
del _case
