"""A source that fails under an application that is writing (I8): the caller is told, and the
mirrors stand still at that instant, for they hold the last good bytes.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import MakeFileSystem
from helpers import MIB, digest, write_pattern
from load import Load, closed_somehow, cut_off, fill, mount_again
from several import Mode, same_bytes
from splitmirror import MirrorPair, State, errors
from splitmirror.states import Condition

MODES: tuple[Mode, ...] = ("exclusive", "shared")
LENGTH = 8 * MIB


class Scene:
    """A source on a disk of its own that will fail, and two mirrors on a good one."""

    def __init__(self, disk: Path, folder: Path, mode: Mode, *, holes: bool = False) -> None:
        self.disk, self.source = disk, disk / "source"
        write_pattern(self.source, LENGTH, seed=71, holes=holes)
        self.pairs = []
        for name in ("one", "two"):
            pair = MirrorPair.create(self.source, folder / name, mode=mode)
            pair.establish()
            self.pairs.append(pair)
        self.mirrors = [pair.mirror_path for pair in self.pairs]

    def close(self) -> None:
        for pair in self.pairs:
            closed_somehow(pair)


@pytest.fixture(params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, make_file_system: MakeFileSystem) -> Path:
    return make_file_system(request.param)


@pytest.fixture(params=MODES)
def failed(request: pytest.FixtureRequest, disk: Path, tmp_path: Path) -> Iterator[Scene]:
    """A scene whose source has failed under load, and what was acknowledged until then."""
    scene = Scene(disk, tmp_path, request.param)
    try:
        # No flush: the file system's cache takes writes until it is cut off.
        with Load(scene.pairs, LENGTH, flush=False) as load:
            cut_off(disk)
            load.until(Condition.SOURCE_SUSPECT, scene.pairs[0])
        assert load.failed, "the application was not told"
        check_frozen(scene, load)
        yield scene
    finally:
        scene.close()


def check_frozen(scene: Scene, load: Load) -> None:
    """Each caller got the error of the system; the mirrors hold what was acknowledged before."""
    for error in load.failed:
        assert isinstance(error, errors.AreaIOError)
        assert isinstance(error, OSError)
        assert error.errno == errno.EIO
    first, second = (mirror.read_bytes() for mirror in scene.mirrors)
    assert first == second
    assert load.matches(first)
    for pair in scene.pairs:
        assert Condition.SOURCE_SUSPECT in pair.conditions
        assert pair.state is State.SYNCHRONIZED


def test_the_mirrors_stand_still_from_the_failure_on(failed: Scene) -> None:
    good = [digest(mirror) for mirror in failed.mirrors]
    for pair in failed.pairs:
        with pytest.raises(errors.AreaIOError):
            pair.write(0, b"once more")
        with pytest.raises(errors.AreaIOError):
            pair.flush()
    assert [digest(mirror) for mirror in failed.mirrors] == good


def test_establish_is_refused_until_it_was_restored(failed: Scene) -> None:
    good = failed.mirrors[0].read_bytes()
    failed.close()
    mount_again(failed.disk)
    with MirrorPair.open(failed.mirrors[0]) as one:
        with pytest.raises(errors.ProtectedError) as caught:
            one.establish()
        assert "source-suspect" in caught.value.conditions
        with pytest.raises((errors.OutsideWritesError, errors.ProtectedError)):
            one.split()
        one.split(as_of_last_establish=True)
        receipt = one.restore()
        assert receipt.complete
        assert failed.source.read_bytes() == good
        assert Condition.SOURCE_SUSPECT not in one.conditions
        one.establish()
        assert same_bytes(one)
        with MirrorPair.open(failed.mirrors[1]) as two:
            # It has not looked yet, and is told as much by its own record.
            two.verify(from_medium=True)
            two.establish()
            assert same_bytes(two)
            one.write(0, b"all follow again")
            one.flush()
            assert same_bytes(one)
            assert same_bytes(two)


def test_a_look_at_the_medium_clears_the_suspicion(failed: Scene) -> None:
    failed.close()
    mount_again(failed.disk)
    with MirrorPair.open(failed.mirrors[0]) as one:
        assert not one.verify().matches
        assert Condition.SOURCE_SUSPECT in one.conditions
        report = one.verify(from_medium=True)
        assert Condition.SOURCE_SUSPECT not in report.conditions
        one.establish()
        assert same_bytes(one)
        assert one.verify(from_medium=True).matches


def test_an_establish_from_a_suspect_source_can_be_insisted_on(failed: Scene) -> None:
    failed.close()
    mount_again(failed.disk)
    with MirrorPair.open(failed.mirrors[0]) as one:
        report = one.establish(accept=["source-suspect"])
        assert Condition.SOURCE_SUSPECT not in report.conditions
        assert same_bytes(one)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("array", ["never", "gone", "alive"])
def test_a_sync_that_fails_is_told_once_to_whoever_flushes(
    disk: Path, tmp_path: Path, mode: Mode, array: str
) -> None:
    scene = Scene(disk, tmp_path, mode)
    try:
        if array != "never":
            # Whether there is one is asked at each flush from here on, also of a disk that is gone.
            view = scene.pairs[0].array("u1")
            view[5] = 5
            if array == "gone":
                del view
        scene.pairs[0].write(0, b"not durable yet")
        cut_off(disk)
        with pytest.raises(errors.AreaIOError):
            scene.pairs[1].flush()
        assert all(Condition.SOURCE_SUSPECT in pair.conditions for pair in scene.pairs)
        good = digest(scene.mirrors[0])
        with pytest.raises(errors.AreaIOError):
            scene.pairs[0].write(MIB, b"later")
        assert digest(scene.mirrors[0]) == digest(scene.mirrors[1]) == good
    finally:
        scene.close()


@pytest.mark.parametrize("mode", MODES)
def test_a_full_source_is_told_and_all_stay_equal(
    make_file_system: MakeFileSystem, tmp_path: Path, mode: Mode
) -> None:
    disk = make_file_system("ext4", size=24 * MIB)
    scene = Scene(disk, tmp_path, mode, holes=True)
    try:
        with Load(scene.pairs, LENGTH) as load:
            fill(disk / "filler")
            while not load.failed:
                load.go_on(1)
        assert {type(error) for error in load.failed} == {errors.NoSpaceError}
        assert all(isinstance(error, OSError) for error in load.failed)
        (disk / "filler").unlink()
        for pair in scene.pairs:
            pair.flush()
            assert pair.state is State.SYNCHRONIZED
            assert pair.conditions == frozenset()
            assert same_bytes(pair)
        assert load.matches(scene.source.read_bytes())
        scene.pairs[0].split()
        assert same_bytes(scene.pairs[0])
    finally:
        scene.close()
