"""repair(): a mirror is rebuilt from another, split one, with its source there or gone (R13)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import MakeFileSystem
from helpers import KIB, MIB, digest, overwrite, write_pattern
from scenes import BLOCK, LENGTH, cancelled_at_once, make_source
from several import Mode, make_mirror, mirror_place, mirrors_of, same_bytes, tracked
from splitmirror import MirrorPair, State, errors
from splitmirror.states import Condition

MODES: tuple[Mode, ...] = ("exclusive", "shared")


def filled(number: int) -> bytes:
    return bytes([number]) * BLOCK


@pytest.mark.parametrize("mode", MODES)
def test_a_repaired_mirror_holds_the_others_point(any_fs: Path, mode: Mode) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 2, mode=mode) as (good, bad):
        good.split(label="the good one")
        point = source.read_bytes()
        good.write(4 * BLOCK, filled(4))
        good.flush()
        bad.split(label="another")
        report = bad.repair(good.mirror_path)
        assert report.from_mirror == str(good.mirror_path)
        assert (report.label, report.blocks_copied) == ("the good one", 1)
        assert bad.state is State.SPLIT
        assert bad.mirror_path.read_bytes() == good.mirror_path.read_bytes() == point
        assert source.read_bytes() != point
        # It differs from the source where the other does, and that is known.
        plan = bad.plan_restore().report
        assert (plan.reason, plan.extents) == ("bitmap", ((4 * BLOCK, BLOCK),))
        good.write(9 * BLOCK, filled(9))
        good.flush()
        assert bad.restore().blocks_copied == 2
        assert source.read_bytes() == point
    with MirrorPair.open(bad.mirror_path) as again:
        assert again.status().label == "the good one"
        assert again.verify().matches


@pytest.mark.parametrize("mode", MODES)
def test_a_seal_comes_along_and_holds(any_fs: Path, mode: Mode) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 2, mode=mode) as (good, bad):
        good.split()
        root = good.seal().root
        bad.repair(good.mirror_path)
        assert (bad.status().sealed, bad.status().root) == (True, root)
        assert bad.scrub().intact
        receipt = bad.restore()
        assert receipt.root_before == receipt.root_after == root
    with MirrorPair.open(bad.mirror_path) as again:
        assert again.scrub().intact
        assert again.scrub().root == root


def test_a_damaged_block_of_a_sealed_mirror_is_not_passed_on(any_fs: Path) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 2) as (good, bad):
        good.split()
        good.seal()
        overwrite(good.mirror_path, 6 * BLOCK, b"rotten")
        with pytest.raises((errors.SealMismatchError, errors.MirrorSkewedError)):
            bad.repair(good.mirror_path)
        assert b"rotten" not in bad.mirror_path.read_bytes()


@pytest.mark.parametrize("mode", MODES)
def test_a_mirror_is_repaired_while_the_source_is_gone(any_fs: Path, mode: Mode) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 2, mode=mode) as (good, _):
        good.split(label="good")
        good.seal()
        point = source.read_bytes()
    source.unlink()
    with MirrorPair.open(mirror_place(source, 1)) as bad:
        bad.repair(mirror_place(source, 0))
        assert bad.state is State.SPLIT
        assert bad.mirror_path.read_bytes() == point
        assert bad.scrub().intact
        assert not source.exists()
        # And the source can be made again from it.
        assert bad.restore(full=True).complete
        assert source.read_bytes() == point
        assert bad.verify().matches


def test_a_mirror_whose_source_goes_while_it_is_open(any_fs: Path) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 2) as (good, bad):
        good.split(label="good")
        point = source.read_bytes()
        good.write(0, b"x")
        source.unlink()
        bad.repair(good.mirror_path)
        assert bad.mirror_path.read_bytes() == point
        assert bad.restore(full=True).complete
        assert source.read_bytes() == point


@pytest.mark.parametrize("sealed", [False, True])
def test_a_mirror_that_failed_is_repaired(
    any_fs: Path, make_file_system: MakeFileSystem, sealed: bool
) -> None:
    source = any_fs / "source"
    write_pattern(source, 2 * MIB, seed=12, holes=False)
    small = make_file_system("ext4", size=16 * MIB)
    mirror = small / "mirror"
    with make_mirror(source, 0) as good, MirrorPair.create(source, mirror, mode="exclusive") as bad:
        bad.establish()
        fill(small / "fill")
        good.write(2 * MIB, b"f" * (3 * MIB))
        good.flush()
        assert bad.status().state is State.UNSYNCHRONIZED
        assert Condition.MIRROR_FAILED in bad.conditions
        good.split()
        if sealed:
            good.seal()
        point = source.read_bytes()
        with pytest.raises(errors.NoSpaceError):
            bad.repair(good.mirror_path)
        assert bad.status().state is State.UNSYNCHRONIZED
        (small / "fill").unlink()
        assert bad.repair(good.mirror_path).state is State.SPLIT
        assert Condition.MIRROR_FAILED not in bad.conditions
        assert bad.mirror_path.read_bytes() == point
        assert not sealed or bad.scrub().intact
        assert tracked(bad) == (True, "bitmap")
        bad.establish()
        assert same_bytes(bad)


def fill(path: Path) -> None:
    """Take what is left of a small file system."""
    with path.open("wb", buffering=0) as file:
        for size in (MIB, 4 * KIB):
            try:
                while True:
                    file.write(b"\xff" * size)
            except OSError:
                continue


def test_what_is_no_mirror_to_copy_from_is_refused(any_fs: Path) -> None:
    source = make_source(any_fs)
    other = any_fs / "another source"
    shutil.copyfile(source, other)
    with mirrors_of(source, 3) as (one, two, three):
        two.split()
        good = digest(two.mirror_path)
        with pytest.raises(errors.ArgumentError, match="not split"):
            two.repair(three.mirror_path)
        with pytest.raises(errors.ArgumentError):
            two.repair(two.mirror_path)
        with pytest.raises(errors.AreaNotFoundError):
            two.repair(any_fs / "nothing")
        with MirrorPair.create(other, any_fs / "foreign mirror") as foreign:
            foreign.refresh()
            with pytest.raises(errors.ArgumentError, match="not a mirror of the same source"):
                two.repair(foreign.mirror_path)
        two.hold("keep it")
        one.split()
        with pytest.raises(errors.HeldError):
            two.repair(one.mirror_path)
        assert digest(two.mirror_path) == good


def test_a_mirror_that_was_changed_since_its_split_is_not_passed_on(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with mirrors_of(source, 2) as (one, two):
        one.split()
        two.split()
        good = digest(two.mirror_path)
        overwrite(one.mirror_path, 0, b"changed behind our back")
        with pytest.raises(errors.MirrorSkewedError):
            two.repair(one.mirror_path)
        assert digest(two.mirror_path) == good


def test_an_interrupted_repair_leaves_no_point_and_is_begun_anew(any_fs: Path) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 2) as (good, bad):
        good.split()
        good.write(0, b"\x01" * LENGTH)
        bad.split()
        cancelled_at_once(lambda cancel: bad.repair(good.mirror_path, cancel=cancel))
        assert bad.state is State.UNSYNCHRONIZED
        with pytest.raises(errors.StateError):
            bad.restore()
        bad.repair(good.mirror_path)
        assert bad.mirror_path.read_bytes() == good.mirror_path.read_bytes()


def test_mirrors_of_other_block_sizes_are_repaired_in_their_own_unit(any_fs: Path) -> None:
    source = make_source(any_fs)
    with mirrors_of(source, 2, sizes=(4 * KIB, BLOCK)) as (fine, coarse):
        fine.split()
        point = source.read_bytes()
        fine.write(3 * BLOCK + 5, b"five")
        fine.write(5 * BLOCK - 2, b"four")
        fine.flush()
        coarse.repair(fine.mirror_path)
        assert coarse.mirror_path.read_bytes() == point
        assert coarse.plan_restore().report.extents == ((3 * BLOCK, 3 * BLOCK),)
        fine.repair(coarse.mirror_path)
        assert fine.mirror_path.read_bytes() == point
        # A block of the coarse one is sixteen of these.
        assert fine.plan_restore().report.extents == ((3 * BLOCK, 3 * BLOCK),)
        fine.restore()
        assert source.read_bytes() == point


def test_a_seal_of_other_blocks_is_left_behind(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with mirrors_of(source, 2, sizes=(4 * KIB, BLOCK)) as (fine, coarse):
        fine.split()
        fine.seal()
        fine.write(3 * BLOCK + 5, b"reaches the coarse one")
        # The digests of blocks of 4 KiB say nothing of blocks of 64 KiB.
        coarse.repair(fine.mirror_path)
        assert not coarse.status().sealed
        assert coarse.mirror_path.read_bytes() == fine.mirror_path.read_bytes()
