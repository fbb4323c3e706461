"""Native changes of a source while its pair is open: none is missed, whatever way it came.

Requirement: issue point 6; invariants I2, I6 and I7. For each way the bytes are compared at the
end, so a recorded bitmap that was believed without reason would show.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers import digest, hole_map
from natively import (
    COME_AND_GONE,
    HARMLESS,
    HOLDING,
    TAKING_AWAY,
    Way,
    grown_by_path,
    write_and_close,
)
from scenes import BLOCK, LENGTH, make_source, split, synchronized
from splitmirror import MirrorPair, State, errors
from splitmirror.states import Condition

# What may stand for "others wrote it"; "bitmap" is the one that must not.
DOUBTS = {"outside-writes", "unclean-tracker", "source-replaced", "compare"}

every_way = pytest.mark.parametrize("way", COME_AND_GONE + HOLDING, ids=lambda way: way.__name__)


@every_way
def test_i2_a_restore_puts_right_what_others_wrote(any_fs: Path, way: Way) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good, holes = digest(source), hole_map(source)
        # The second time after writes of our own: those of the first restore, and a plain one.
        for _ in range(2):
            with way(source):
                assert digest(source) != good
                receipt = pair.restore(while_in_use=True)
                assert digest(source) == good
                # A tail that others added is cut off, whatever is believed.
                assert receipt.reason in DOUBTS or way is grown_by_path
            assert hole_map(source) == holes
            assert receipt.complete
            assert receipt.mirror_unchanged
            pair.write(70_000, b"through the pair")
            pair.flush()
        pair.restore()
        assert digest(source) == good == digest(pair.mirror_path)


@every_way
@pytest.mark.parametrize("own_writes", [False, True], ids=["untouched", "after-own-writes"])
def test_i7_a_split_of_a_source_that_others_wrote_is_refused_and_each_advice_works(
    ext4: Path, way: Way, own_writes: bool
) -> None:
    source = make_source(ext4)
    with synchronized(source) as pair:
        if own_writes:
            pair.write(70_000, b"through the pair")
        good = digest(source)
        with way(source):
            with pytest.raises(errors.OutsideWritesError) as caught:
                pair.split()
            assert caught.value.path == str(source)
            assert caught.value.reason in DOUBTS
            assert pair.state is State.SYNCHRONIZED
            assert digest(pair.mirror_path) == good
            if own_writes:
                # The first advice: the source as it is now.
                report = pair.refresh(accept={"source-replaced", "shrunk"})
                assert report.establish.reason in DOUBTS
                assert digest(pair.mirror_path) == digest(source) != good
                assert hole_map(pair.mirror_path) == hole_map(source)
            else:
                # The second one: the mirror as it is.
                assert pair.split(as_of_last_establish=True).state is State.SPLIT
                assert digest(pair.mirror_path) == good
                pair.restore(while_in_use=True)
                assert digest(source) == good


@pytest.mark.parametrize("way", TAKING_AWAY, ids=lambda way: way.__name__)
def test_a_source_that_is_gone_is_made_again(any_fs: Path, way: Way) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good, holes, mode = digest(source), hole_map(source), source.stat().st_mode
        with way(source):
            receipt = pair.restore()
            assert receipt.reason == "source-replaced"
            assert receipt.length_before is None
            assert digest(source) == good
            assert hole_map(source) == holes
            assert source.stat().st_mode == mode


@pytest.mark.parametrize("way", HARMLESS, ids=lambda way: way.__name__)
def test_what_changes_no_byte_costs_a_compare_at_most(any_fs: Path, way: Way) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = digest(source)
        pair.write(70_000, b"through the pair")
        with way(source):
            receipt = pair.restore(while_in_use=True)
            assert receipt.reason in DOUBTS
            assert receipt.blocks_copied == 1
            assert digest(source) == good


def test_a_reader_only_suspends_the_belief_while_it_reads(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        pair.write(70_000, b"through the pair")
        with source.open("rb"):
            assert pair.plan_restore().report.reason == "unclean-tracker"
            status = pair.status()
            assert status.tracking is not None
            assert (status.tracking.believed, status.changed_blocks) == (False, None)
            assert Condition.OUTSIDE_WRITES not in status.conditions
        plan = pair.plan_restore()
        assert plan.report.reason == "bitmap"
        assert plan.report.extents == ((65536, 65536),)


def test_nobody_else_is_believed_and_only_marked_blocks_are_copied(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = digest(source)
        pair.write(70_000, b"through the pair")
        receipt = pair.restore()
        assert (receipt.reason, receipt.method, receipt.outside_writes) == (
            "bitmap",
            "copy",
            "none",
        )
        assert (receipt.blocks_examined, receipt.blocks_copied) == (1, 1)
        assert digest(source) == good


def test_the_condition_stays_in_status_until_all_was_compared(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        with write_and_close(source):
            status = pair.status()
        assert Condition.OUTSIDE_WRITES in status.conditions
        assert any("compares both sides" in sentence for sentence in status.advice)
        assert pair.block_map().tolist() == [255] * 17
        receipt = pair.restore(ranges=[(0, 4096)])
        assert Condition.OUTSIDE_WRITES in receipt.conditions
        receipt = pair.restore()
        assert Condition.OUTSIDE_WRITES not in receipt.conditions
        assert pair.status().advice == ()
        assert pair.block_map().tolist() == [0] * 17


def test_i2_a_file_that_others_cut_is_seen_before_an_own_write_makes_it_long_again(
    any_fs: Path,
) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = digest(source)
        pair.write(70_000, b"through the pair")
        truncated_length = 3 * BLOCK
        os.truncate(source, truncated_length)
        pair.write(LENGTH - 5, b"tail!")
        assert pair.plan_restore().report.reason == "outside-writes"
        pair.restore()
        assert digest(source) == good


def test_the_limit_cut_and_made_long_again_by_path_after_own_writes_goes_unseen(
    any_fs: Path,
) -> None:
    """The stated limit of the proof: no event tells these two calls from our own writes.

    verify() and scrub() do not rely on the proof, and a full restore puts it right.
    """
    source = make_source(any_fs)
    with split(source) as pair:
        good = digest(source)
        os.truncate(source, 0)
        os.truncate(source, LENGTH)
        # Before any write of our own it is seen.
        assert pair.restore().reason == "outside-writes"
        assert digest(source) == good
        os.truncate(source, 0)
        os.truncate(source, LENGTH)
        assert pair.plan_restore().report.reason == "bitmap"
        assert not pair.verify().matches
        pair.restore(full=True)
        assert digest(source) == good
    # The next open sees what the times tell.
    with MirrorPair.open(pair.mirror_path) as pair:
        os.truncate(source, 0)
        os.truncate(source, LENGTH)
        assert pair.restore().reason == "outside-writes"
        assert digest(source) == good
