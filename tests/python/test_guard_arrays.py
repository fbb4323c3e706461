"""Guards round code that stores into arrays, in both ways of tracking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import splitmirror
from guards import Bad
from helpers import digest
from splitmirror import ArrayPair, State, errors
from splitmirror.arrays import Tracking


def spoil_and_fail(array: np.ndarray[Any, Any]) -> None:
    array *= -1
    raise Bad


BOTH = pytest.mark.parametrize("tracking", ["pages", "compare"])


def made(folder: Path, tracking: Tracking) -> ArrayPair:
    live = splitmirror.create_array(
        folder / "a.npy", folder / "mirror", "f8", (300, 500), tracking=tracking
    )
    live.array[:] = np.arange(150_000).reshape(300, 500)
    return live


@BOTH
def test_a_block_that_fails_three_times_and_then_does_not(any_fs: Path, tracking: Tracking) -> None:
    with made(any_fs, tracking) as live:
        good = live.array.copy()
        for turn in range(3):
            guard = live.pair.guard()
            with pytest.raises(Bad), guard:
                spoil_and_fail(live.array[turn * 50 :])
            assert np.array_equal(live.array, good)
            assert guard.reused == (turn > 0)
            assert guard.receipt is not None
            assert guard.receipt.mirror_unchanged
        point = digest(live.pair.mirror_path)
        with live.pair.guard() as guard:
            live.array[7] = 0
        assert guard.reused
        assert live.pair.state is State.SPLIT
        assert digest(live.pair.mirror_path) == point
        # What was kept differs from the point: it is not taken for it.
        with pytest.raises(errors.StateError, match="new_point"), live.pair.guard():
            pytest.fail("the block must not run")
        with live.pair.guard(new_point=True):
            live.array[8] = 0
        live.pair.flush()
        assert np.array_equal(np.load(live.pair.mirror_path), live.array)


@BOTH
def test_a_block_that_ends_well_is_mirrored(tmp_path: Path, tracking: Tracking) -> None:
    with made(tmp_path, tracking) as live:
        with live.pair.guard() as guard:
            live.array[:] = 1
        assert not guard.reused
        assert live.pair.state is State.SYNCHRONIZED
        assert np.array_equal(np.load(live.pair.mirror_path), live.array)


@BOTH
def test_an_array_that_the_block_takes_itself(tmp_path: Path, tracking: Tracking) -> None:
    with made(tmp_path, tracking) as live:
        good = live.array.copy()
        with pytest.raises(Bad), live.pair.guard():
            spoil_and_fail(live.pair.array("f8", 1000, 128, tracking=tracking))
        assert np.array_equal(live.array, good)
