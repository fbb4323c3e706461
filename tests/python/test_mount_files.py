"""What programs see of a mounted volume: a file of a fixed size that behaves like a disk."""

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import KIB, MIB, digest, hole_map
from mounts import LENGTH, exclusive, served
from splitmirror import MirrorPair, Mounted

PUNCH_HOLE, KEEP_SIZE, ZERO_RANGE, COLLAPSE_RANGE = 2, 1, 0x10, 8


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Mounted]:
    (mirror,) = exclusive(tmp_path)
    with served(mirror, tmp_path / "mounted") as mounted:
        yield mounted


@pytest.fixture
def file(volume: Mounted) -> Iterator[int]:
    descriptor = os.open(volume.volume, os.O_RDWR | os.O_CLOEXEC)
    yield descriptor
    os.close(descriptor)


def source(volume: Mounted) -> Path:
    return volume.mountpoint.with_name("source")


def mirror(volume: Mounted) -> Path:
    return volume.mountpoint.with_name("mirror-0")


def raised(number: int, call: str, *arguments: object) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
        getattr(os, call)(*arguments)
    assert caught.value.errno == number, errno.errorcode[caught.value.errno or 0]


def fallocate(descriptor: int, mode: int, offset: int, length: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    offsets = [ctypes.c_longlong(offset), ctypes.c_longlong(length)]
    if libc.fallocate(descriptor, mode, *offsets):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def test_the_folder_holds_the_volume_alone(volume: Mounted) -> None:
    assert os.listdir(volume.mountpoint) == ["volume"]
    found = volume.volume.stat()
    assert (found.st_size, stat.S_ISREG(found.st_mode)) == (LENGTH, True)
    assert found.st_uid == source(volume).stat().st_uid
    assert found.st_mode & 0o777 == source(volume).stat().st_mode & 0o666
    assert os.statvfs(volume.mountpoint).f_bavail == 0


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("mkdir", ("new",)),
        ("mkfifo", ("new",)),
        ("unlink", ("volume",)),
        ("rename", ("volume", "new")),
        ("link", ("volume", "new")),
        ("symlink", ("volume", "new")),
        ("chmod", ("volume", 0o777)),
    ],
)
def test_nothing_else_can_be_made_of_it(
    volume: Mounted, call: str, arguments: tuple[object, ...]
) -> None:
    places = [volume.mountpoint / name if isinstance(name, str) else name for name in arguments]
    with pytest.raises(PermissionError):
        getattr(os, call)(*places)
    with pytest.raises(PermissionError):
        (volume.mountpoint / "new").write_bytes(b"x")
    assert os.listdir(volume.mountpoint) == ["volume"]


def test_a_write_has_reached_both_sides_when_it_returns(volume: Mounted, file: int) -> None:
    data = os.urandom(3 * MIB + 77)
    assert os.pwrite(file, data, 12345) == len(data)
    for side in (source(volume), mirror(volume)):
        assert side.read_bytes()[12345 : 12345 + len(data)] == data
    assert os.pread(file, len(data), 12345) == data


def test_past_the_end_there_is_no_space(volume: Mounted, file: int) -> None:
    assert os.pwrite(file, b"x" * 4096, LENGTH - 1000) == 1000
    raised(errno.ENOSPC, "pwrite", file, b"x", LENGTH)
    raised(errno.ENOSPC, "pwrite", file, b"x", LENGTH + MIB)
    assert os.pread(file, 10, LENGTH) == b""
    assert os.pread(file, 4096, LENGTH - 10) == b"x" * 10
    assert source(volume).stat().st_size == mirror(volume).stat().st_size == LENGTH


def test_its_length_is_fixed(volume: Mounted, file: int) -> None:
    os.ftruncate(file, LENGTH)
    raised(errno.EPERM, "ftruncate", file, LENGTH - 1)
    raised(errno.ENOSPC, "ftruncate", file, LENGTH + 1)
    raised(errno.EPERM, "open", volume.volume, os.O_WRONLY | os.O_TRUNC)
    assert os.fstat(file).st_size == source(volume).stat().st_size == LENGTH
    os.utime(file)


def test_holes_are_punched_and_ranges_zeroed(volume: Mounted, file: int) -> None:
    os.pwrite(file, b"y" * (4 * MIB), 0)
    fallocate(file, PUNCH_HOLE | KEEP_SIZE, MIB, MIB)
    fallocate(file, ZERO_RANGE, 3 * MIB + 100, 1000)
    fallocate(file, ZERO_RANGE | KEEP_SIZE, LENGTH - 100, 1000)
    expected = b"y" * MIB + bytes(MIB) + b"y" * (MIB + 100) + bytes(1000)
    assert os.pread(file, len(expected) + 1, 0) == expected + b"y"
    assert source(volume).read_bytes() == mirror(volume).read_bytes()
    os.fsync(file)
    assert (MIB, MIB) in hole_map(source(volume))
    assert (MIB, MIB) in hole_map(mirror(volume))
    raised(errno.ENOSPC, "posix_fallocate", file, LENGTH - 10, 11)
    for mode, number in ((ZERO_RANGE, errno.ENOSPC), (COLLAPSE_RANGE, errno.EOPNOTSUPP)):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
            fallocate(file, mode, LENGTH - 4096, 8192)
        assert caught.value.errno == number


def test_holes_are_found(volume: Mounted, file: int) -> None:
    os.pwrite(file, b"data" * (16 * KIB), 2 * MIB)
    os.fsync(file)
    assert os.lseek(file, 0, os.SEEK_DATA) == 2 * MIB
    assert os.lseek(file, 2 * MIB, os.SEEK_HOLE) == 2 * MIB + 64 * KIB
    assert os.lseek(file, 2 * MIB + 64 * KIB, os.SEEK_HOLE) == 2 * MIB + 64 * KIB
    raised(errno.ENXIO, "lseek", file, 3 * MIB, os.SEEK_DATA)
    raised(errno.ENXIO, "lseek", file, LENGTH, os.SEEK_HOLE)


def test_direct_io(volume: Mounted) -> None:
    descriptor = os.open(volume.volume, os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC)
    with mmap.mmap(-1, 64 * KIB) as buffer:
        buffer[:] = os.urandom(64 * KIB)
        assert os.pwritev(descriptor, [buffer], MIB) == 64 * KIB
        wrote = bytes(buffer)
        buffer[:] = bytes(64 * KIB)
        assert os.preadv(descriptor, [buffer], MIB) == 64 * KIB
        assert bytes(buffer) == wrote == mirror(volume).read_bytes()[MIB : MIB + 64 * KIB]
    os.close(descriptor)


def test_memory_and_calls_see_the_same_bytes(volume: Mounted, file: int) -> None:
    with mmap.mmap(file, 4 * MIB) as memory:
        os.pwrite(file, b"by a call", 100)
        assert memory[100:109] == b"by a call"
        memory[5000:5009] = b"by memory"
        assert os.pread(file, 9, 5000) == b"by memory"
        os.pwrite(file, b"BY A CALL", 5000)
        assert memory[5000:5009] == b"BY A CALL"
        memory[MIB : MIB + 5] = b"apart"
        other = os.open(volume.volume, os.O_RDONLY | os.O_CLOEXEC)
        assert os.pread(other, 5, MIB) == b"apart"
        os.close(other)
        memory[2 * MIB : 2 * MIB + 6] = b"synced"
        memory.flush()
        assert mirror(volume).read_bytes()[2 * MIB : 2 * MIB + 6] == b"synced"
        memory[3 * MIB : 3 * MIB + 6] = b"at end"
    os.fsync(file)
    assert source(volume).read_bytes()[3 * MIB : 3 * MIB + 6] == b"at end"
    assert digest(source(volume)) == digest(mirror(volume))


def test_what_was_stored_into_memory_is_there_after_the_unmount(
    tmp_path: Path, volume: Mounted
) -> None:
    descriptor = os.open(volume.volume, os.O_RDWR | os.O_CLOEXEC)
    memory = mmap.mmap(descriptor, MIB)
    memory[0:4] = b"last"
    memory.close()
    os.close(descriptor)
    volume.unmount()
    assert source(volume).read_bytes()[:4] == mirror(volume).read_bytes()[:4] == b"last"
    with MirrorPair.open(tmp_path / "mirror-0") as pair:
        assert pair.plan_establish().report.blocks == 0
