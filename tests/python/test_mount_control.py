"""Verbs on a mounted volume from other processes: commands, and the object that mounted it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import run, run_json
from helpers import MIB, digest, overwrite
from mounts import LENGTH, away, exclusive, is_mounted, need_fuse, served
from splitmirror import MirrorPair, Mounted, State, errors, mount, unmount


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (mirror,) = exclusive(tmp_path)
    return mirror


@pytest.fixture
def mounted(tmp_path: Path, mirror: Path) -> Iterator[Mounted]:
    with served(mirror, tmp_path / "mounted") as mounted:
        yield mounted


def test_a_life_by_commands(mounted: Mounted, mirror: Path) -> None:
    overwrite(mounted.volume, 0, b"good" * MIB)
    status = run_json("status", mirror)
    assert (status["owner_pid"], status["mounted"]) == (mounted.pid, str(mounted.volume))
    report = run_json("split", mirror, "--label", "point")
    assert (report["consistency"], report["label"]) == ("flushed", "point")
    assert "mirror-0" in os.listdir(mounted.mountpoint)
    root = run_json("seal", mirror)["root"]
    overwrite(mounted.volume, MIB, b"bad!" * (MIB // 4))
    job = run_json("start-restore", mirror, "--throttle", "64K", "--yes")
    assert job["running"]
    # It has taken effect: whoever reads sees the point.
    assert mounted.volume.read_bytes()[: 4 * MIB] == b"good" * MIB
    overwrite(mounted.volume, 3 * MIB + 4096, b"mine")
    assert run_json("status", mirror)["activity"] == "restoring"
    run("pause", mirror)
    assert "restore-pending" in run_json("status", mirror)["conditions"]
    assert mounted.volume.read_bytes()[MIB : MIB + 4] == b"good"
    run("wait", mirror, "--for", "restored", "--timeout", "0.1", code=7)
    run_json("start-restore", mirror, "--resume", "--yes")
    run("wait", mirror, "--for", "restored", "--timeout", "60")
    found = mounted.volume.read_bytes()
    assert found[3 * MIB + 4096 :][:4] == b"mine"
    assert found[: 3 * MIB] == b"good" * (3 * MIB // 4)
    assert run_json("scrub", mirror)["root"] == root
    run("establish", mirror, "--yes")
    assert digest(mirror) == digest(mounted.volume)
    assert run_json("unmount", mirror)["ended"]
    assert run_json("status", mirror)["mounted"] is None
    with MirrorPair.open(mirror) as pair:
        assert pair.state is State.SYNCHRONIZED
        assert pair.plan_establish().report.blocks == 0


def test_a_life_by_the_object_that_mounted_it(mounted: Mounted, mirror: Path) -> None:
    pair = mounted.pair
    assert (pair.owner_pid, pair.mirror_path) == (mounted.pid, mirror)
    with mounted.volume.open("r+b") as file, mmap.mmap(file.fileno(), LENGTH) as memory:
        memory[:4] = b"good"
        pair.split()
        memory[:4] = b"bad!"
        job = pair.start_restore()
        assert memory[:4] == b"good"
        receipt = job.wait(timeout=60)
        assert receipt.complete
        assert receipt.mirror_unchanged
        with pytest.raises(errors.MountBusyError) as caught:
            pair.act("unmount")
        assert os.getpid() in caught.value.pids
    with pytest.raises(errors.ArgumentError):
        pair.act("unmount", lazily="yes")
    assert run_json("detach", mirror, code=5)["error"]["fields"]["pid"] == mounted.pid
    assert unmount(mirror).ended
    with pytest.raises(errors.SplitMirrorError):
        pair.status()


def test_a_mirror_that_is_not_mounted_is_not_unmounted(tmp_path: Path, mirror: Path) -> None:
    with pytest.raises(errors.NoOwnerError):
        unmount(mirror)
    with MirrorPair.open(mirror), pytest.raises(errors.ArgumentError, match="unmount"):
        unmount(mirror)
    with pytest.raises(errors.MountError, match="no volume is mounted"):
        unmount(tmp_path)


def test_two_volumes_are_mounted_by_two_processes(tmp_path: Path) -> None:
    need_fuse()
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
        exclusive(place)
        (place / "mounted").mkdir()
    try:
        first, second = (mount(place / "mirror-0", place / "mounted") for place in places)
        assert first.pid != second.pid
        assert {first.pair.owner_pid, second.pair.owner_pid} == {first.pid, second.pid}
        first.unmount()
        overwrite(second.volume, 0, b"goes on")
        second.unmount()
    finally:
        for place in places:
            away(place / "mounted")
    assert not any(is_mounted(place / "mounted") for place in places)
