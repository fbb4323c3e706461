"""Storage that fails under an application that is writing (I8): real disks that fill up or go.

A mirror, its disk or its catalog never costs the application anything. It is given up, says so,
and catches up later; the other mirrors of the source are not concerned.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import MakeFileSystem, run
from helpers import MIB, digest, write_pattern
from load import Load, closed_somehow, cut_off, fill, mount_again
from several import Mode, make_mirror, same_bytes, sibling, tracked
from splitmirror import MirrorPair, State, errors
from splitmirror.states import Condition

MODES: tuple[Mode, ...] = ("exclusive", "shared")
LENGTH = 8 * MIB


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    write_pattern(path, LENGTH, seed=61)
    return path


@contextlib.contextmanager
def two_pairs(
    source: Path, mirror: Path, mode: Mode, *, catalog: Path | None = None, overwrite: bool = False
) -> Iterator[tuple[MirrorPair, MirrorPair]]:
    """A mirror that will fail, and one that will not."""
    with contextlib.ExitStack() as stack:
        bad = MirrorPair.create(source, mirror, mode=mode, catalog=catalog, overwrite=overwrite)
        stack.callback(closed_somehow, bad)
        bad.establish()
        yield bad, stack.enter_context(make_mirror(source, 0, mode=mode))


def check_given_up(load: Load, bad: MirrorPair, good: MirrorPair) -> None:
    """The application met no error; the one mirror is out, the other one follows."""
    assert load.failed == []
    good.flush()
    assert bad.state is State.UNSYNCHRONIZED
    assert Condition.MIRROR_FAILED in bad.conditions
    assert good.state is State.SYNCHRONIZED
    assert good.conditions == frozenset()
    assert Condition.MIRROR_FAILED in sibling(good, bad).conditions
    assert load.matches(good.source_path.read_bytes())
    assert same_bytes(good)
    with pytest.raises((errors.StateError, errors.AreaIOError)):
        bad.split()


def check_caught_up(bad: MirrorPair) -> None:
    report = bad.establish()
    assert report.state is State.SYNCHRONIZED
    assert Condition.MIRROR_FAILED not in report.conditions
    assert same_bytes(bad)
    assert tracked(bad)[0]
    bad.write(0, b"follows again")
    bad.split()
    assert same_bytes(bad)
    assert bad.verify(from_medium=True).matches


@pytest.mark.parametrize("mode", MODES)
def test_the_disk_of_a_mirror_fills_up(
    source: Path, make_file_system: MakeFileSystem, mode: Mode
) -> None:
    disk = make_file_system("ext4", size=16 * MIB)
    with two_pairs(source, disk / "mirror", mode) as (bad, good):
        with Load([bad, good], LENGTH) as load:
            fill(disk / "filler")
            # The mirror has holes still, and no room for what comes into them.
            load.until(Condition.MIRROR_FAILED, bad)
            load.go_on()
        check_given_up(load, bad, good)
        (disk / "filler").unlink()
        check_caught_up(bad)
        assert same_bytes(good)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
@pytest.mark.parametrize("mode", MODES)
def test_the_disk_of_a_mirror_and_its_catalog_goes(
    source: Path, make_file_system: MakeFileSystem, mode: Mode, kind: str
) -> None:
    disk = make_file_system(kind)
    with two_pairs(source, disk / "mirror", mode) as (bad, good):
        with Load([bad, good], LENGTH) as load:
            cut_off(disk)
            load.until(Condition.MIRROR_FAILED, bad)
            load.go_on()
        check_given_up(load, bad, good)
        good.close()
    mount_again(disk)
    with MirrorPair.open(disk / "mirror") as again:
        # What it says of itself is older than the source.
        assert tracked(again) == (False, "missed-epoch")
        with pytest.raises((errors.OutsideWritesError, errors.StateError)):
            again.split()
        check_caught_up(again)
    with MirrorPair.open(good.mirror_path) as other:
        assert tracked(other) == (True, "bitmap")
    assert digest(good.mirror_path) == digest(source)


@pytest.mark.parametrize("mode", MODES)
def test_the_disk_of_a_catalog_alone_goes(
    source: Path, tmp_path: Path, make_file_system: MakeFileSystem, mode: Mode
) -> None:
    disk = make_file_system("ext4")
    mirror = tmp_path / "mirror"
    with two_pairs(source, mirror, mode, catalog=disk / "catalog") as (bad, good):
        # Writes that need the catalog: in mode exclusive those into other regions, else a verb.
        cut_off(disk)
        with Load([bad, good], LENGTH) as load:
            load.go_on()
        assert load.failed == []
        good.flush()
        assert same_bytes(good)
        assert load.matches(source.read_bytes())
        good.close()
    mount_again(disk)
    with MirrorPair.open(mirror, catalog=disk / "catalog") as again:
        assert not tracked(again)[0]
        check_caught_up(again)
    assert digest(good.mirror_path) == digest(source) == digest(mirror)


@pytest.mark.parametrize("mode", MODES)
def test_a_device_that_is_a_mirror_goes(
    source: Path, make_file_system: MakeFileSystem, mode: Mode
) -> None:
    disk = make_file_system("ext4")
    image = disk / "image"
    image.write_bytes(bytes(LENGTH))
    device = Path(run("losetup", "--find", "--show", "--direct-io=on", image))
    try:
        with two_pairs(source, device, mode, overwrite=True) as (bad, good):
            with Load([bad, good], LENGTH) as load:
                cut_off(disk)
                load.until(Condition.MIRROR_FAILED, bad)
                load.go_on()
            check_given_up(load, bad, good)
        run("losetup", "--detach", device)
        mount_again(disk)
        run("losetup", "--direct-io=on", device, image)
        with MirrorPair.open(device) as again:
            check_caught_up(again)
    finally:
        run("losetup", "--detach", device)


@pytest.mark.parametrize("mode", MODES)
def test_an_establish_under_load_whose_disk_fills_up(
    source: Path, make_file_system: MakeFileSystem, mode: Mode
) -> None:
    disk = make_file_system("ext4", size=16 * MIB)
    with two_pairs(source, disk / "mirror", mode) as (bad, good):
        bad.split()
        point = source.read_bytes()
        with Load([good], LENGTH) as load:
            load.go_on(500)
            fill(disk / "filler")
            with pytest.raises((errors.NoSpaceError, errors.MirrorFailedError)):
                bad.establish(force=True)
            load.go_on()
        assert load.failed == []
        # That there is no room is known before the point is given up.
        assert bad.state is State.SPLIT
        assert bad.mirror_path.read_bytes() == point
        assert same_bytes(good)
        (disk / "filler").unlink()
        check_caught_up(bad)


def test_closing_tells_of_the_source_alone(source: Path, make_file_system: MakeFileSystem) -> None:
    disk = make_file_system("ext4")
    with two_pairs(source, disk / "mirror", "exclusive") as (bad, good):
        cut_off(disk)
        with Load([good], LENGTH) as load:
            load.until(Condition.MIRROR_FAILED, bad)
        closed_somehow(bad)
        # A bug: whoever closes last is told that the catalog of the other mirror failed.
        good.close()
