"""Verbs on a mounted volume: the kernel keeps no byte that the volume does not know of."""

from __future__ import annotations

import errno
import mmap
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import MakeDevicePair, NotPermitted, run
from helpers import KIB, MIB, digest, overwrite
from mounts import LENGTH, exclusive, served_here
from splitmirror import Hooks, MirrorPair, State, _core, errors

BLOCK = 64 * KIB


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[MirrorPair]:
    (mirror,) = exclusive(tmp_path)
    with MirrorPair.open(mirror) as pair:
        yield pair


@pytest.fixture
def volume(tmp_path: Path, pair: MirrorPair) -> Iterator[Path]:
    with served_here(pair, tmp_path / "mounted") as volume:
        yield volume


def test_a_split_has_what_was_stored_into_memory(pair: MirrorPair, volume: Path) -> None:
    with volume.open("r+b") as file, mmap.mmap(file.fileno(), 4 * MIB) as memory:
        for page in range(0, 4 * MIB, 4096):
            memory[page : page + 4] = b"page"
        assert pair.mirror_path.read_bytes()[:4] != b"page"
        # Who stores without a sync may be storing still.
        report = pair.split()
        assert report.consistency == "crash"
        memory[0:4] = b"late"
        frozen = pair.mirror_path.read_bytes()
        assert all(frozen[page : page + 4] == b"page" for page in range(0, 4 * MIB, 4096))
    assert pair.mirror_path.read_bytes() == frozen


def test_what_was_synced_before_is_flushed(pair: MirrorPair, volume: Path) -> None:
    with volume.open("r+b") as file, mmap.mmap(file.fileno(), MIB) as memory:
        memory[:4] = b"page"
        memory.flush()
        with pytest.raises(errors.ConsistencyError):
            pair.split(require="application")
        assert pair.split(require="flushed").consistency == "flushed"
        pair.establish()
        memory[:4] = b"more"
        with pytest.raises(errors.ConsistencyError, match="not flushed"):
            pair.split(require="flushed")
        frozen = Hooks(freeze=memory.flush, thaw=lambda: None)
        assert pair.split(hooks=frozen).consistency == "application"


def test_a_restore_is_seen_at_once_by_calls_and_in_memory(pair: MirrorPair, volume: Path) -> None:
    with volume.open("r+b") as file, mmap.mmap(file.fileno(), LENGTH) as memory:
        memory[:] = b"good" * (LENGTH // 4)
        pair.split()
        os.pwrite(file.fileno(), b"bad!" * KIB, 0)
        memory[8 * MIB : 8 * MIB + 4] = b"bad!"
        assert memory[0:4] == b"bad!"
        job = pair.start_restore(throttle=1)
        assert job.running
        assert memory[0:4] == b"good"
        assert memory[8 * MIB : 8 * MIB + 4] == b"good"
        assert os.pread(file.fileno(), 4, 4096) == b"good"
        # In the file itself it has not been copied yet.
        assert pair.source_path.read_bytes()[8 * MIB : 8 * MIB + 4] == b"bad!"
        job.throttle(None)
        receipt = job.wait()
        assert receipt.complete
        assert receipt.mirror_unchanged
    assert digest(pair.source_path) == digest(pair.mirror_path)


def test_the_receipt_tells_writes_from_mapped_pages_apart(pair: MirrorPair, volume: Path) -> None:
    with volume.open("r+b") as file, mmap.mmap(file.fileno(), LENGTH) as memory:
        memory[:] = b"good" * (LENGTH // 4)
        pair.split()
        memory[:] = b"bad!" * (LENGTH // 4)
        job = pair.start_restore(throttle=1)
        memory[100 * BLOCK + 100 : 100 * BLOCK + 104] = b"mine"
        memory.flush()
        os.pwrite(file.fileno(), b"call", 200 * BLOCK + 7)
        job.throttle(None)
        receipt = job.wait()
        assert memory[100 * BLOCK + 100 : 100 * BLOCK + 104] == b"mine"
        assert memory[100 * BLOCK : 100 * BLOCK + 4] == b"good"
    origins = {run.offset // BLOCK: run.origin for run in receipt.provenance}
    assert origins[100] == "mapped-write"
    assert origins[200] == "app-written"
    codes = receipt.provenance_map()
    assert (codes[100], codes[200], codes[99]) == (4, 2, 1)
    pair.heal(receipt)
    assert digest(pair.source_path) == digest(pair.mirror_path)


def test_a_length_that_comes_back_is_seen(tmp_path: Path, pair: MirrorPair) -> None:
    pair.split()
    pair.close()
    with (tmp_path / "source").open("r+b") as file:
        file.truncate(LENGTH // 2)
    with (
        MirrorPair.open(pair.mirror_path) as again,
        served_here(again, tmp_path / "mounted") as volume,
    ):
        assert volume.stat().st_size == LENGTH // 2
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
            overwrite(volume, LENGTH // 2, b"x")
        assert caught.value.errno == errno.ENOSPC
        again.start_restore(accept={"shrunk"}).wait()
        assert volume.stat().st_size == LENGTH
        overwrite(volume, LENGTH - 5, b"last!")
        assert volume.read_bytes()[-5:] == b"last!"


def test_establish_beside_a_program_that_writes(pair: MirrorPair, volume: Path) -> None:
    pair.split()
    writer = ["fio", "--name=w", f"--filename={volume}", f"--size={LENGTH}", "--rw=randwrite"]
    try:
        found = run("fio", "--version")
    except NotPermitted as reason:
        pytest.skip(str(reason))
    assert found
    command = [*writer, "--bs=4k", "--time_based", "--runtime=3", "--minimal"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=volume.parents[1]) as process:
        rounds = 0
        while process.poll() is None:
            pair.refresh()
            rounds += 1
        assert process.wait() == 0
    assert rounds > 1
    pair.establish()
    assert digest(pair.source_path) == digest(pair.mirror_path) == digest(volume)


def test_what_is_mounted_is_neither_detached_nor_mounted_twice(
    tmp_path: Path, pair: MirrorPair, volume: Path
) -> None:
    pair.split()
    with pytest.raises(errors.StateError, match="mounted"):
        pair.detach()
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(errors.MountError, match="mounted already"):
        _core.Mount.start(pair._core, tmp_path / "elsewhere")
    assert pair.state is State.SPLIT
    assert volume.stat().st_size == LENGTH


def test_a_restore_under_a_mounted_file_system_is_refused(
    tmp_path: Path, pair: MirrorPair, volume: Path
) -> None:
    """The file system lies on a loop device over the mounted file, not over the source."""
    try:
        device = run("losetup", "--find", "--show", volume)
    except NotPermitted as reason:
        pytest.skip(str(reason))
    place = tmp_path / "files"
    place.mkdir()
    try:
        run("mkfs.ext4", "-q", device)
        run("mount", device, place)
        (place / "file").write_bytes(b"kept")
        run("sync", "-f", place)
        pair.split()
        for verb in (pair.restore, pair.start_restore):
            with pytest.raises(errors.SourceMountedError) as caught:
                verb()
            assert caught.value.mountpoint == str(place)
        run("umount", place)
        run("losetup", "--detach", device)
        pair.start_restore().wait()
        device = run("losetup", "--find", "--show", volume)
        run("mount", device, place)
        assert (place / "file").read_bytes() == b"kept"
    finally:
        subprocess.run(["umount", place], check=False, capture_output=True)
        subprocess.run(["losetup", "--detach", device], check=False, capture_output=True)


def test_a_block_device_is_mounted_and_restored(tmp_path: Path, loop_pair: MakeDevicePair) -> None:
    source, mirror = loop_pair(16 * MIB, 24 * MIB)
    with MirrorPair.create(source, mirror, mode="exclusive", overwrite=True) as made:
        made.establish()
        with served_here(made, tmp_path / "mounted") as volume:
            assert volume.stat().st_size == 16 * MIB
            with volume.open("r+b") as file, mmap.mmap(file.fileno(), 16 * MIB) as memory:
                memory[:5] = b"point"
                made.split()
                memory[:5] = b"later"
                assert made.start_restore().wait(60).complete
                assert memory[:5] == b"point"
            with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
                overwrite(volume, 16 * MIB, b"x")
            assert caught.value.errno == errno.ENOSPC
            names = set(os.listdir(volume.parent))
            (seen,) = names - {"volume"}
            assert (volume.parent / seen).stat().st_size == 16 * MIB


@pytest.mark.parametrize("length", [1_000_001, 1, 0])
def test_odd_lengths(tmp_path: Path, length: int) -> None:
    (tmp_path / "source").write_bytes(b"a" * length)
    (mirror,) = exclusive(tmp_path)
    with MirrorPair.open(mirror) as pair, served_here(pair, tmp_path / "mounted") as volume:
        assert volume.read_bytes() == b"a" * length
        pair.split()
        if length:
            with volume.open("r+b") as file, mmap.mmap(file.fileno(), length) as memory:
                memory[-1:] = b"z"
                memory.flush()
                assert os.pread(file.fileno(), 10, length - 1) == b"z"
                pair.start_restore().wait(60)
                assert memory[-1:] == b"a"
        assert volume.stat().st_size == length
        assert (volume.parent / "mirror-0").read_bytes() == volume.read_bytes() == b"a" * length
