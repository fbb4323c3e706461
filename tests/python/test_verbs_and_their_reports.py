"""Every verb with its options: the values of its report.

Issue point 4.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import splitmirror
from helpers import digest, overwrite
from scenes import BLOCK, LENGTH, make_source, split, synchronized
from splitmirror import MirrorPair, State, errors
from splitmirror.states import Condition

BLOCKS = 17


def test_a_first_establish_and_one_that_has_nothing_to_do(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with MirrorPair.create(source, tmp_path / "mirror") as pair:
        first = pair.establish()
        assert (first.reason, first.method) == ("first", "copy")
        assert (first.blocks_total, first.source_length) == (BLOCKS, LENGTH)
        holes = 458752 + 131849
        assert first.bytes_copied == LENGTH - holes
        assert first.blocks_copied == 7
        assert first.outside_writes == "none"
        again = pair.establish()
        assert (again.reason, again.blocks_examined, again.blocks_copied) == ("bitmap", 0, 0)
        assert again.blocks_skipped == BLOCKS
        forced = pair.establish(force=True)
        assert (forced.reason, forced.method) == ("forced", "copy")
        assert forced.bytes_copied == first.bytes_copied


def test_an_incremental_establish_copies_the_marked_blocks_alone(tmp_path: Path) -> None:
    with split(make_source(tmp_path)) as pair:
        pair.write(BLOCK - 1, b"ab")
        pair.write(LENGTH, b"grown")
        report = pair.establish()
        assert (report.reason, report.blocks_examined, report.blocks_copied) == ("bitmap", 3, 3)
        assert report.source_length == LENGTH + 5
        assert digest(pair.mirror_path) == digest(pair.source_path)


def test_a_split_tells_its_point(tmp_path: Path) -> None:
    before = time.time()
    with synchronized(make_source(tmp_path)) as pair:
        assert pair.status().generation == 0
        point = pair.split(label="before upgrade")
        after = time.time()
        assert (point.generation, point.label, point.length) == (1, "before upgrade", LENGTH)
        # Their clocks have a coarser grain than ours.
        assert before - 1 <= point.taken_at <= after + 1
        stat = pair.mirror_path.stat()
        assert (point.mirror_stamp.inode, point.mirror_stamp.length) == (stat.st_ino, LENGTH)
        status = pair.status()
        assert (status.label, status.generation, status.length) == ("before upgrade", 1, LENGTH)
        assert status.split_at == point.taken_at
        assert status.consistency == point.consistency == "flushed"


@pytest.mark.parametrize(
    ("written", "require", "reached"),
    [(True, "flushed", "crash"), (True, "application", "crash"), (False, "application", "flushed")],
)
def test_a_split_that_requires_more_than_there_is_raises_and_changes_nothing(
    tmp_path: Path, written: bool, require: str, reached: str
) -> None:
    with synchronized(make_source(tmp_path)) as pair:
        if written:
            pair.write(0, b"not flushed")
        with pytest.raises(errors.ConsistencyError) as caught:
            pair.split(require=require)
        assert (caught.value.required, caught.value.reached) == (require, reached)
        assert pair.state is State.SYNCHRONIZED
        pair.write(1, b"still followed")
        assert digest(pair.mirror_path) == digest(pair.source_path)
        pair.flush()
        assert pair.split(require="flushed").consistency == "flushed"


def test_a_split_without_flush_promises_what_a_power_cut_would_leave(tmp_path: Path) -> None:
    with synchronized(make_source(tmp_path)) as pair:
        pair.write(0, b"not flushed")
        assert pair.split(require="crash").consistency == "crash"


def test_a_refresh_is_an_establish_and_a_split(tmp_path: Path) -> None:
    with split(make_source(tmp_path), label="one") as pair:
        pair.seal()
        pair.write(0, b"two")
        report = pair.refresh(label="two")
        assert (report.state, report.split.label) == (State.SPLIT, "two")
        assert (report.establish.reason, report.establish.blocks_copied) == ("bitmap", 1)
        assert report.split.generation == 2
        status = pair.status()
        # The seal was that of the point that is gone.
        assert (status.sealed, status.root) == (False, None)
        with pytest.raises(errors.NotSealedError):
            pair.scrub()
        with pytest.raises(errors.ConsistencyError):
            pair.refresh(require="application")
        assert pair.status().label == "two"


def test_a_receipt_tells_what_was_done_and_proves_the_mirror(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with split(source, label="good") as pair:
        sealed = pair.seal()
        pair.write(0, b"bad")
        pair.write(LENGTH, b"grown")
        receipt = pair.restore()
        assert (receipt.generation, receipt.label) == (1, "good")
        assert (receipt.source, receipt.to) == (str(source), None)
        assert (receipt.length_before, receipt.length_after) == (LENGTH + 5, LENGTH)
        assert (receipt.blocks_total, receipt.blocks_copied) == (BLOCKS, 2)
        assert (receipt.blocks_skipped, receipt.blocks_app_written) == (BLOCKS - 2, 0)
        assert receipt.root_before == receipt.root_after == sealed.root
        assert (receipt.complete, receipt.unrestored, receipt.resumed) == (True, (), False)
        assert receipt.outside_writes == "none"
        full = pair.restore(full=True)
        assert (full.reason, full.method, full.blocks_copied) == ("forced", "copy", 7)


def test_ranges_are_checked_and_exclude_full(tmp_path: Path) -> None:
    with split(make_source(tmp_path)) as pair:
        with pytest.raises(errors.ArgumentError):
            pair.restore(ranges=[])
        with pytest.raises(errors.ArgumentError):
            pair.restore(ranges=[(0, 1)], full=True)
        for bad in ((LENGTH, 1), (0, LENGTH + 1), (2**63, 2**63)):
            with pytest.raises(errors.RangeError):
                pair.restore(ranges=[bad])
        assert Condition.RESTORE_PENDING not in pair.conditions


def test_restoring_to_another_file_leaves_source_and_pair_alone(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with split(source, label="good") as pair:
        good = digest(source)
        pair.write(0, b"newer")
        newer = digest(source)
        receipt = pair.restore(to=tmp_path / "scratch")
        assert (receipt.to, receipt.complete) == (str(tmp_path / "scratch"), True)
        assert digest(tmp_path / "scratch") == good
        assert digest(source) == newer
        assert pair.status().changed_blocks == 1
        with pytest.raises(errors.MirrorExistsError):
            pair.restore(to=tmp_path / "scratch")
        (tmp_path / "scratch").write_bytes(b"longer than before" * 100_000)
        pair.restore(to=tmp_path / "scratch", overwrite=True)
        assert digest(tmp_path / "scratch") == good
        for own in (source, pair.mirror_path):
            with pytest.raises(errors.SameAreaError):
                pair.restore(to=own, overwrite=True)
        pair.restore(to=tmp_path / "part", ranges=[(BLOCK, 10)])
        part = (tmp_path / "part").read_bytes()
        assert part[BLOCK : BLOCK + 10] == pair.open_mirror().readall()[BLOCK : BLOCK + 10]
        assert part.count(0) >= LENGTH - 10


def test_the_history_tells_all_of_it_in_order(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with split(source, label="good") as pair:
        pair.seal()
        overwrite(source, 0, b"bad")
        pair.restore()
        events = pair.history()
        names = [event.event for event in events]
        order = [names.index(name) for name in ("create", "establish", "split", "seal", "restore")]
        assert order == sorted(order)
        times = [event.at for event in events]
        assert times == sorted(times)
        told = next(event for event in events if event.event == "split")
        assert told.detail["label"] == "good"
    # Also from outside, and after a close.
    assert [event.event for event in splitmirror.history(pair.mirror_path)][: len(names)] == names
