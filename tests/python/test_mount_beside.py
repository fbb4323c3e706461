"""Verbs beside what a mount can meet: nobody waits for good, and nobody sees old bytes."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import COMMAND, run_json
from conftest import NotPermitted
from conftest import run as tool
from helpers import MIB, digest, overwrite
from mounts import LENGTH, away, exclusive, is_mounted, served, served_here
from splitmirror import MirrorPair, errors

GIB = 1 << 30

# As fstrim does it on a large file system: a hole touches more regions than the log has room for.
PUNCH = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
descriptor = os.open(sys.argv[1], os.O_RDWR)
print("ready", flush=True)
at = 0
while True:
    libc.fallocate(descriptor, 3, ctypes.c_long(at << 32), ctypes.c_long(1 << 32))
    at = (at + 1) % 16
"""


@contextlib.contextmanager
def punching(volume: Path) -> Iterator[None]:
    command = [sys.executable, "-c", PUNCH, str(volume)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
            assert process.poll() is None
        finally:
            process.kill()


def test_verbs_beside_discards_that_fill_the_intent_log(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path, length=64 * GIB)
    with served(mirror, tmp_path / "mounted") as mounted:
        overwrite(mounted.volume, 0, b"good")
        pair = mounted.pair
        pair.split()
        with punching(mounted.volume):
            for _ in range(3):
                # A hang would hold it, and whoever uses the mount, for ever.
                command = [*COMMAND, "start-restore", str(mirror), "--yes"]
                done = subprocess.run(command, capture_output=True, timeout=60, check=False)
                assert done.returncode == 0, done.stderr
                pair.restore_job.wait(60)  # type: ignore[union-attr]
        pair.refresh()


def test_memory_sees_what_is_there_after_an_abandoned_restore(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    with MirrorPair.open(mirror) as pair, served_here(pair, tmp_path / "mounted") as volume:
        overwrite(volume, 10 * MIB, b"point")
        pair.split()
        overwrite(volume, 10 * MIB, b"later")
        overwrite(volume, 0, os.urandom(8 * MIB))
        with volume.open("r+b") as file, mmap.mmap(file.fileno(), LENGTH) as memory:
            job = pair.start_restore(throttle=1)
            assert memory[10 * MIB : 10 * MIB + 5] == b"point"
            job.pause()
            pair.abandon_restore()
            assert memory[10 * MIB : 10 * MIB + 5] == b"later"
            memory[10 * MIB + 100] = 1
            memory.flush()
            assert os.pread(file.fileno(), 5, 10 * MIB) == b"later"
            # An establish that gives the restore up does the same.
            job = pair.start_restore(throttle=1)
            assert memory[10 * MIB : 10 * MIB + 5] == b"point"
            job.pause()
            pair.establish(accept={"restore-pending"})
            assert memory[10 * MIB : 10 * MIB + 5] == b"later"
        assert digest(mirror) == digest(volume)


def test_the_length_of_an_abandoned_restore_is_forgotten(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    with MirrorPair.open(mirror) as pair:
        pair.split()
    os.truncate(tmp_path / "source", LENGTH + 8 * MIB)
    overwrite(tmp_path / "source", LENGTH, b"longer")
    with MirrorPair.open(mirror) as pair, served_here(pair, tmp_path / "mounted") as volume:
        overwrite(volume, 0, os.urandom(4 * MIB))
        job = pair.start_restore(throttle=1)
        assert volume.stat().st_size == LENGTH
        job.pause()
        pair.abandon_restore()
        assert volume.stat().st_size == (tmp_path / "source").stat().st_size


@contextlib.contextmanager
def looped(file: Path, place: Path) -> Iterator[str]:
    """An ext4 on a loop device over a file, mounted."""
    place.mkdir(exist_ok=True)
    try:
        device = tool("losetup", "--find", "--show", file)
    except NotPermitted as reason:
        pytest.skip(str(reason))
    try:
        tool("mkfs.ext4", "-q", "-F", device)
        tool("mount", device, place)
        yield device
    finally:
        subprocess.run(["umount", place], check=False, capture_output=True)
        subprocess.run(["losetup", "--detach", device], check=False, capture_output=True)


def test_a_file_system_through_a_bind_mount_is_seen(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    mountpoint, bound, place = tmp_path / "mounted", tmp_path / "bound", tmp_path / "files"
    bound.mkdir()
    with MirrorPair.open(mirror) as pair, served_here(pair, mountpoint):
        try:
            tool("mount", "--bind", mountpoint, bound)
        except NotPermitted as reason:
            pytest.skip(str(reason))
        try:
            with looped(bound / "volume", place):
                (place / "file").write_bytes(b"x" * MIB)
                pair.split()
                for verb in (pair.restore, pair.start_restore):
                    with pytest.raises(errors.SourceMountedError) as caught:
                        verb()
                    assert caught.value.mountpoint == str(place)
        finally:
            tool("umount", bound)


def test_it_is_not_unmounted_while_it_is_mounted_elsewhere_too(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    bound = tmp_path / "bound"
    bound.mkdir()
    with served(mirror, tmp_path / "mounted") as mounted:
        try:
            tool("mount", "--bind", mounted.mountpoint, bound)
        except NotPermitted as reason:
            pytest.skip(str(reason))
        with pytest.raises(errors.MountBusyError, match="mounted on") as caught:
            mounted.unmount()
        assert caught.value.mounts == [str(bound)]
        assert is_mounted(mounted.mountpoint)
        away(bound)
        assert mounted.unmount().ended


def test_a_hung_mount_under_a_loop_device_concerns_no_other_pair(tmp_path: Path) -> None:
    """Its server is stopped, so whoever asked anything of it would wait."""
    (tmp_path / "hung").mkdir()
    (hung,) = exclusive(tmp_path / "hung")
    (mirror,) = exclusive(tmp_path)
    with (
        served(hung, tmp_path / "hung" / "mounted") as mounted,
        looped(mounted.volume, tmp_path / "files"),
    ):
        os.kill(mounted.pid, signal.SIGSTOP)
        try:
            with MirrorPair.open(mirror) as pair:
                pair.split()
                pair.write(0, b"later")
            command = [*COMMAND, "restore", str(mirror), "--yes", "--json"]
            done = subprocess.run(command, capture_output=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
        finally:
            os.kill(mounted.pid, signal.SIGCONT)


def test_nothing_is_restored_onto_the_own_mount(tmp_path: Path) -> None:
    """The process would wait for itself."""
    (mirror,) = exclusive(tmp_path)
    with served(mirror, tmp_path / "mounted") as mounted:
        mounted.pair.split()
        (tmp_path / "link").symlink_to(mounted.mountpoint)
        for to in (mounted.volume, mounted.mountpoint / "new", tmp_path / "link" / "volume"):
            error = run_json("restore", mirror, "--to", to, "--yes", code=2)["error"]
            assert "on the mount of this volume" in error["message"]
        assert mounted.volume.read_bytes() == bytes(LENGTH)
