"""Writes at the ends of things: a last block that is not full, growth, ranges, large offsets."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest
from helpers import MIB, digest, write_pattern
from splitmirror import CancelToken, MirrorPair, errors


@pytest.fixture
def pair(tmp_path: Path) -> MirrorPair:
    source = tmp_path / "source"
    write_pattern(source, MIB + 100, seed=1, holes=False)
    pair = MirrorPair.create(source, tmp_path / "mirror")
    pair.establish()
    return pair


def test_i2_what_is_appended_while_it_is_established_is_mirrored(tmp_path: Path) -> None:
    source, mirror = tmp_path / "source", tmp_path / "mirror"
    write_pattern(source, 64 * MIB + 100, seed=1, holes=False)
    with MirrorPair.create(source, mirror) as pair:
        appended: list[int] = []

        def append(phase: str, done: int, total: int) -> None:
            if not appended:
                appended.append(pair.write(64 * MIB + 100, b"APPENDED"))

        pair.establish(progress=append)
        assert appended == [8]
        assert digest(source) == digest(mirror)
        assert pair.verify().matches


def test_i2_a_restored_range_does_not_hide_what_lies_behind_it(
    pair: MirrorPair, tmp_path: Path
) -> None:
    with pair:
        pair.split()
        pair.write(MIB + 100, b"BEHIND")
        pair.restore(ranges=[(MIB, 100)])
        pair.establish()
        assert digest(tmp_path / "source") == digest(tmp_path / "mirror")


def test_i2_threads_that_make_the_source_longer_lose_no_mark(
    pair: MirrorPair, tmp_path: Path
) -> None:
    with pair:
        pair.split()
        offsets = [MIB * (2 + 7 * step) for step in range(40)]

        def grow(part: int) -> None:
            for offset in offsets[part::4]:
                pair.write(offset, b"GROWN")

        threads = [threading.Thread(target=grow, args=[part]) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pair.establish()
        assert digest(tmp_path / "source") == digest(tmp_path / "mirror")


def test_i5_what_is_appended_during_a_restore_is_not_cut_off(pair: MirrorPair) -> None:
    with pair:
        pair.split()
        pair.write(0, b"bad" * 1000)
        token = CancelToken()
        token.cancel()
        with contextlib.suppress(errors.CancelledError):
            pair.restore(cancel=token)
        pair.write(MIB + 100, b"MINE")
        pair.flush()
        assert pair.read(MIB + 100, 4) == b"MINE"
        receipt = pair.resume_restore()
        assert receipt.complete
        assert receipt.mirror_unchanged
        assert pair.read(MIB + 100, 4) == b"MINE"


def test_a_mistaken_offset_is_refused_and_costs_nothing(pair: MirrorPair, tmp_path: Path) -> None:
    with pair:
        for offset in (1 << 62, (1 << 63) - 2, 1 << 50):
            with pytest.raises(errors.RangeError):
                pair.write(offset, b"x")
        assert not pair.conditions
        os.truncate(tmp_path / "source", 1 << 42)
        with pytest.raises(errors.ArgumentError):
            pair.read(0, 1 << 41)
    assert (tmp_path / "mirror.splitmirror" / "catalog").stat().st_size < MIB


def test_a_plan_is_stale_once_something_was_written(pair: MirrorPair, tmp_path: Path) -> None:
    with pair, (tmp_path / "source").open("rb"):
        pair.split(as_of_last_establish=True)
        plan = pair.plan_restore(ranges=[(0, MIB)])
        pair.write(MIB // 2, b"later")
        with pytest.raises(errors.StalePlanError):
            pair.restore(plan=plan, while_in_use=True)
