"""A restore from one of several mirrors: what it means for the others, and what waits for it.

Also mirrors that differ in kind: of other block sizes, and on a device beside files.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MakeDevicePair
from helpers import KIB, MIB, digest, write_pattern
from scenes import BLOCK, LENGTH, cancelled_at_once, make_source
from several import Mode, make_mirror, mirror_place, mirrors_of, same_bytes, sibling, tracked
from splitmirror import MirrorPair, State, errors

MODES: tuple[Mode, ...] = ("exclusive", "shared")
Verb = Callable[[MirrorPair], object]


def filled(number: int) -> bytes:
    return bytes([number]) * BLOCK


@pytest.mark.parametrize("mode", MODES)
def test_a_mirror_that_followed_stands_still_and_copies_what_is_needed(
    any_fs: Path, mode: Mode
) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 2, mode=mode) as (one, two):
        one.split()
        point = source.read_bytes()
        for block in (2, 3, 11):
            two.write(block * BLOCK, filled(block))
        two.flush()
        before = two.mirror_path.read_bytes()
        assert one.restore().blocks_copied == 3
        assert source.read_bytes() == point
        assert two.state is State.UNSYNCHRONIZED
        assert sibling(one, two).state is State.UNSYNCHRONIZED
        # It was not written: it is as it was when the restore took effect.
        assert two.mirror_path.read_bytes() == before
        with pytest.raises(errors.StateError):
            two.split()
        plan = two.plan_establish().report
        assert (plan.reason, plan.blocks) == ("bitmap", 3)
        assert two.establish().blocks_copied == 3
        assert same_bytes(two)
        two.write(0, b"follows again")
        two.flush()
        assert same_bytes(two)
        assert one.mirror_path.read_bytes() == point


@pytest.mark.parametrize("mode", MODES)
def test_a_split_mirror_counts_what_the_other_brought_back(any_fs: Path, mode: Mode) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 2, mode=mode) as (one, two):
        one.split()
        one.write(2 * BLOCK, filled(2))
        one.flush()
        two.split()
        later = source.read_bytes()
        one.write(7 * BLOCK, filled(7))
        one.flush()
        assert two.plan_restore().report.extents == ((7 * BLOCK, BLOCK),)
        one.restore()
        plan = two.plan_restore().report
        assert plan.reason == "bitmap"
        # Block 2 was equal; it is so no more. Block 7 is equal by now, and may be looked at.
        assert (2 * BLOCK, BLOCK) in plan.extents
        assert {at for at, _ in plan.extents} <= {2 * BLOCK, 7 * BLOCK}
        two.restore()
        assert source.read_bytes() == later == two.mirror_path.read_bytes()


def test_a_restored_length_is_one_more_thing_that_the_others_know(any_fs: Path) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 3) as (one, two, three):
        one.split()
        short = source.read_bytes()
        one.write(LENGTH + 5 * BLOCK, b"a longer source")
        two.split()
        long = source.read_bytes()
        one.restore()
        assert source.read_bytes() == short
        three.establish()
        assert three.mirror_path.read_bytes() == short
        two.restore()
        assert source.read_bytes() == long
        three.establish()
        assert three.mirror_path.read_bytes() == long
        assert tracked(one) == tracked(two) == tracked(three) == (True, "bitmap")


def test_verbs_that_need_the_source_wait_for_a_restore_from_another(any_fs: Path) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 3) as (one, two, three):
        one.split()
        two.split()
        one.write(BLOCK, filled(1))
        one.flush()
        cancelled_at_once(one.restore)
        needing: dict[str, Verb] = {
            "establish": lambda pair: pair.establish(),
            "refresh": lambda pair: pair.refresh(),
            "restore": lambda pair: pair.restore(),
            "start_restore": lambda pair: pair.start_restore(),
            "seal": lambda pair: pair.seal(),
            "verify": lambda pair: pair.verify(),
        }
        good = digest(two.mirror_path)
        for name, verb in needing.items():
            with pytest.raises(errors.StateError) as caught:
                verb(two)
            # The message says what stands in the way.
            assert str(one.mirror_path) in str(caught.value), name
        with pytest.raises(errors.StateError) as caught:
            three.establish()
        assert str(one.mirror_path) in str(caught.value)
        with pytest.raises(errors.StateError):
            three.split()
        # Giving the restoring mirror away would take the source's own bytes away.
        with pytest.raises((errors.StateError, errors.ProtectedError)) as refused:
            one.detach()
        assert "restore" in str(refused.value)
        with pytest.raises((errors.StateError, errors.ProtectedError)):
            one.establish()
        with pytest.raises(errors.ProtectedError):
            one.repair(two.mirror_path)
        assert digest(two.mirror_path) == good
        one.abandon_restore()
        two.verify()
        three.establish()
        assert same_bytes(three)


def test_a_restore_waits_for_another_mirror_that_is_being_synchronized(tmp_path: Path) -> None:
    source = tmp_path / "source"
    # So large that its copy and sync take longer than the time between two reports.
    write_pattern(source, 256 * MIB, seed=2, holes=False)
    with mirrors_of(source, 2) as (one, two):
        one.split()
        point = digest(source)
        refused = list[str]()

        def restore_meanwhile(phase: str, done: int, total: int) -> None:
            if not refused and two.state != "synchronized":
                with pytest.raises(errors.StateError) as caught:
                    one.restore()
                refused.append(str(caught.value))

        one.write(0, filled(5))
        two.split()
        two.establish(force=True, progress=restore_meanwhile)
        assert str(two.mirror_path) in refused[0]
        assert same_bytes(two)
        one.restore()
        assert digest(source) == point


def test_block_sizes_of_4_kib_and_4_mib_in_one_volume(ext4: Path) -> None:
    source = ext4 / "source"
    length = 9 * MIB + 777
    write_pattern(source, length, seed=3)
    chooser = random.Random(41)
    with mirrors_of(source, 3, sizes=(4 * KIB, 4 * MIB, 64 * KIB)) as pairs:
        for _ in range(3):
            for _ in range(20):
                at = chooser.randrange(length)
                pair = chooser.choice(pairs)
                pair.write(at, chooser.randbytes(min(chooser.randint(1, 30_000), length - at)))
            pairs[0].flush()
            assert all(same_bytes(pair) for pair in pairs)
        points = {}
        for pair in pairs:
            pair.split()
            points[pair] = source.read_bytes()
            pair.write(4 * MIB - 10, b"across the border of all block sizes")
            pair.discard(5 * MIB + 123, 300 * KIB)
            pair.write(chooser.randrange(length), b"one byte, and more")
        # Marks of a restore in one unit become marks in the others.
        for pair in (*pairs, *reversed(pairs)):
            receipt = pair.restore()
            assert receipt.reason == "bitmap"
            assert receipt.mirror_unchanged
            assert source.read_bytes() == points[pair]
            assert pair.verify().matches
        for pair in pairs:
            assert pair.mirror_path.read_bytes() == points[pair]
            pair.establish()
        pairs[1].write(0, b"all follow")
        pairs[2].flush()
        assert all(same_bytes(pair) for pair in pairs)


def test_a_mirror_on_a_device_beside_mirror_files(
    tmp_path: Path, loop_pair: MakeDevicePair
) -> None:
    device, _ = loop_pair(4 * MIB)
    source = tmp_path / "source"
    write_pattern(source, 2 * MIB + 777, seed=5)
    with mirrors_of(source, 2) as (one, two):
        with MirrorPair.create(source, device, mode="exclusive", overwrite=True) as on_device:
            on_device.establish()
            one.write(MIB + 5, b"reaches files and the device")
            one.discard(64 * KIB, 3 * 64 * KIB)
            # The file grows over a gap; the device keeps its own length and has zeros there.
            two.write(3 * MIB, b"beyond the end")
            on_device.flush()
            length = source.stat().st_size
            assert device.read_bytes()[:length] == source.read_bytes()
            assert same_bytes(one)
            on_device.split()
            point = source.read_bytes()
            two.write(0, b"later")
            two.flush()
            assert on_device.restore().blocks_copied == 1
            assert source.read_bytes() == point
            assert device.read_bytes()[:length] == point
            assert (one.state, two.state) == (State.UNSYNCHRONIZED, State.UNSYNCHRONIZED)
            one.establish()
            assert same_bytes(one)
            two.repair(device)
            assert two.mirror_path.read_bytes() == point
        assert two.state is State.SPLIT


def test_a_mirror_that_joins_later_is_one_of_them(any_fs: Path) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 2) as (one, two):
        two.split()
        with make_mirror(source, 2) as three:
            assert {entry.mirror for entry in one.status().siblings} == {
                str(two.mirror_path),
                str(three.mirror_path),
            }
            one.write(0, b"reaches three")
            one.flush()
            assert same_bytes(three)
            three.detach()
        assert [entry.mirror for entry in one.status().siblings] == [str(two.mirror_path)]
        one.write(0, b"not three any more")
        one.flush()
        assert mirror_place(source, 2).read_bytes() != source.read_bytes()
        assert same_bytes(one)
