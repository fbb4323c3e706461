"""One source with several mirrors: each in its own state, all reached by one volume.

Whoever opens one opens all; one that cannot be opened is named, and finds out later by itself
that it has missed writes.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from helpers import digest
from scenes import BLOCK, LENGTH, cancelled_at_once, child, make_source
from several import (
    Mode,
    in_another_process,
    make_mirror,
    mirror_place,
    mirrors_of,
    same_bytes,
    sibling,
    tracked,
)
from splitmirror import MirrorPair, State, errors

MODES: tuple[Mode, ...] = ("exclusive", "shared")


def filled(number: int) -> bytes:
    return bytes([number]) * BLOCK


@pytest.mark.parametrize("mode", MODES)
def test_eight_mirrors_each_in_its_own_state(any_fs: Path, mode: Mode) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 8, mode=mode) as pairs:
        # Three follow; five were split at different times.
        points = {}
        for number in range(3, 8):
            pairs[number].write(number * BLOCK, filled(number))
            pairs[number].flush()
            pairs[number].split(label=f"point {number}")
            points[number] = source.read_bytes()
        assert len(set(points.values())) == 5
        pairs[0].write(LENGTH - 300, b"at the end, and beyond " * 100)
        pairs[5].write(BLOCK - 7, b"across a border")
        pairs[7].flush()
        for pair in pairs[:3]:
            assert pair.state is State.SYNCHRONIZED
            assert same_bytes(pair)
        for number, point in points.items():
            assert pairs[number].state is State.SPLIT
            assert pairs[number].mirror_path.read_bytes() == point
        # One restores: what followed stands still from here on, and what is split stays.
        cancelled_at_once(pairs[4].restore)
        assert pairs[0].read(0, LENGTH) == points[4][:LENGTH]
        for pair in (pairs[0], pairs[6], pairs[7]):
            pair.write(9 * BLOCK + 5, b"during the restore")
        assert [pair.state for pair in pairs] == [State.UNSYNCHRONIZED] * 3 + [State.SPLIT] * 5
        pairs[4].resume_restore()
        for number, point in points.items():
            assert pairs[number].mirror_path.read_bytes() == point
        expected = bytearray(points[4])
        expected[9 * BLOCK + 5 : 9 * BLOCK + 23] = b"during the restore"
        assert source.read_bytes() == bytes(expected)
        for pair in pairs[:3]:
            pair.establish()
        pairs[3].write(0, b"reaches three again")
        pairs[3].flush()
        assert all(same_bytes(pair) for pair in pairs[:3])
        # Each point can still be had.
        for number, point in points.items():
            pairs[number].restore()
            assert source.read_bytes() == point


def test_each_state_is_found_again_after_all_were_closed(any_fs: Path) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 4) as pairs:
        pairs[2].split()
        point = source.read_bytes()
        pairs[0].write(3 * BLOCK, filled(1))
        pairs[3].split()
        later = source.read_bytes()
        cancelled_at_once(pairs[2].restore)
    with MirrorPair.open(mirror_place(source, 0)) as first:
        states = {Path(entry.mirror): entry for entry in first.status().siblings}
        assert all(entry.open and entry.problem is None for entry in states.values())
        assert states[mirror_place(source, 1)].state is State.UNSYNCHRONIZED
        assert states[mirror_place(source, 2)].conditions == ("restore-pending",)
        # The redirection is there for whoever reads, through whichever pair.
        assert first.read(0, LENGTH) == point
        with MirrorPair.open(mirror_place(source, 2)) as restoring:
            restoring.resume_restore()
        assert source.read_bytes() == point
        first.establish()
    assert mirror_place(source, 3).read_bytes() == later
    assert mirror_place(source, 0).read_bytes() == point


@pytest.mark.parametrize("mode", MODES)
def test_a_second_pair_of_a_source_shares_its_volume(any_fs: Path, mode: Mode) -> None:
    source = make_source(any_fs)
    with make_mirror(source, 0, mode=mode) as one:
        two = make_mirror(source, 1, mode=mode)
        one.write(100, b"through one")
        assert two.read(100, 11) == b"through one"
        two.write(5 * BLOCK, filled(7))
        assert one.read(5 * BLOCK, BLOCK) == filled(7)
        assert tracked(one) == tracked(two) == (True, "bitmap")
        with pytest.raises(errors.PairInUseError) as caught:
            MirrorPair.open(two.mirror_path)
        assert caught.value.pid == os.getpid()
        # Closed here, it is mirrored on: the volume is open for the other.
        two.close()
        one.write(6 * BLOCK, filled(8))
        one.flush()
        assert two.mirror_path.read_bytes() == one.mirror_path.read_bytes() == source.read_bytes()
        assert sibling(one, two.mirror_path).open
        with MirrorPair.open(two.mirror_path) as again:
            assert again.state is State.SYNCHRONIZED
            assert tracked(again) == (True, "bitmap")
            again.split()
        one.write(0, b"after the split")
        one.flush()
        assert two.mirror_path.read_bytes() != source.read_bytes() == one.mirror_path.read_bytes()
    with MirrorPair.open(two.mirror_path) as again:
        assert again.state is State.SPLIT
        assert again.plan_restore().report.extents == ((0, BLOCK),)


OPENS_ONE = """
import json, sys
from splitmirror import MirrorPair
pair = MirrorPair.open(sys.argv[1])
pair.write(70_000, b"by another process")
found = [[sibling.mirror, sibling.state, sibling.open] for sibling in pair.status().siblings]
pair.close()
print(json.dumps(found))
"""


@pytest.mark.parametrize("mode", MODES)
def test_opening_one_in_a_new_process_opens_the_others(any_fs: Path, mode: Mode) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 3, mode=mode) as pairs:
        pairs[2].split()
        point = source.read_bytes()
    found = in_another_process(OPENS_ONE, mirror_place(source, 1))
    assert sorted(found) == [
        [str(mirror_place(source, 0)), "synchronized", True],
        [str(mirror_place(source, 2)), "split", True],
    ]
    assert mirror_place(source, 0).read_bytes() == source.read_bytes() != point
    assert mirror_place(source, 2).read_bytes() == point
    with MirrorPair.open(mirror_place(source, 2)) as split:
        # What the other process wrote is known, and nothing else is looked at.
        plan = split.plan_restore().report
        assert (plan.reason, plan.extents) == ("bitmap", ((BLOCK, BLOCK),))


@pytest.mark.parametrize("mode", MODES)
def test_a_mirror_whose_folder_is_away_is_named_and_catches_up(any_fs: Path, mode: Mode) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 2, mode=mode):
        pass
    place, away = mirror_place(source, 1).parent, source.parent / "unplugged"
    place.rename(away)
    with MirrorPair.open(mirror_place(source, 0)) as one:
        missing = sibling(one, mirror_place(source, 1))
        assert (missing.open, missing.state) == (False, None)
        assert missing.problem is not None
        assert str(place) in missing.problem
        one.write(4 * BLOCK, filled(9))
        one.flush()
        assert same_bytes(one)
    away.rename(place)
    check_it_missed_writes(source, blocks=1)


def check_it_missed_writes(source: Path, *, blocks: int) -> None:
    """The second mirror believes nothing of what it knew, the first one all."""
    with MirrorPair.open(mirror_place(source, 1)) as two:
        assert tracked(two) == (False, "missed-epoch")
        assert np.all(two.block_map() == 255)
        with pytest.raises(errors.OutsideWritesError) as caught:
            two.split()
        assert caught.value.reason == "missed-epoch"
        assert sibling(two, mirror_place(source, 0)).open
        with MirrorPair.open(mirror_place(source, 0)) as one:
            assert tracked(one) == (True, "bitmap")
        report = two.establish()
        assert (report.reason, report.blocks_copied) == ("missed-epoch", blocks)
        assert tracked(two) == (True, "bitmap")
        two.split()
    assert digest(source) == digest(mirror_place(source, 1)) == digest(mirror_place(source, 0))


HOLDS_ONE = """
import sys
from splitmirror import MirrorPair
pair = MirrorPair.open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
pair.close()
"""


def test_a_mirror_that_another_process_holds_is_named_and_nothing_is_written(any_fs: Path) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 2):
        pass
    place, away = mirror_place(source, 0).parent, source.parent / "unplugged"
    place.rename(away)
    with child(HOLDS_ONE, mirror_place(source, 1)) as holder:
        away.rename(place)
        with MirrorPair.open(mirror_place(source, 0)) as one:
            held = sibling(one, mirror_place(source, 1))
            assert not held.open or held.problem is not None
            assert str(holder.pid) in str(held.problem)
            # Two volumes of one source, in mode exclusive: neither would know what the other wrote.
            with pytest.raises(errors.PairInUseError):
                one.write(2 * BLOCK, filled(4))
    with MirrorPair.open(mirror_place(source, 0)) as one:
        assert sibling(one, mirror_place(source, 1)).open
        assert tracked(one) == (True, "bitmap")


def test_a_mirror_of_a_shared_source_that_another_process_holds_catches_up(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with mirrors_of(source, 2, mode="shared"):
        pass
    place, away = mirror_place(source, 0).parent, source.parent / "unplugged"
    place.rename(away)
    with child(HOLDS_ONE, mirror_place(source, 1)):
        away.rename(place)
        with MirrorPair.open(mirror_place(source, 0)) as one:
            one.write(2 * BLOCK, filled(4))
    with MirrorPair.open(mirror_place(source, 1)) as two:
        assert tracked(two) == (False, "missed-epoch")
        assert (two.establish().blocks_copied, same_bytes(two)) == (1, True)


def test_the_length_of_a_mirror_that_follows_a_growing_source(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with make_mirror(source, 0) as pair:
        pair.write(LENGTH, b"and on")
        assert pair.mirror_length == pair.source_length == LENGTH + 6


def test_mirrors_made_one_after_the_other_know_each_other(tmp_path: Path) -> None:
    """Each was made while only the first of the others was listed by the source."""
    source = make_source(tmp_path)
    names = [tmp_path / f"mirror-{number}" for number in range(4)]
    for mirror in names:
        with MirrorPair.create(source, mirror, mode="exclusive") as pair:
            pair.establish()
    for mirror in names:
        with MirrorPair.open(mirror) as pair:
            others = {sibling.mirror for sibling in pair.status().siblings}
            assert others == {str(other) for other in names if other != mirror}
            pair.write(0, mirror.name.encode())
        assert all(other.read_bytes() == source.read_bytes() for other in names)
