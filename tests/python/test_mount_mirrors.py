"""Split mirrors as files beside the volume: they can be read, and nothing can write them (I1)."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

import pytest
from helpers import MIB, digest, overwrite
from mounts import LENGTH, exclusive, served, served_here
from splitmirror import MirrorPair, errors


def names(folder: Path) -> set[str]:
    return set(os.listdir(folder))


def test_a_mirror_is_there_while_it_is_split(tmp_path: Path) -> None:
    one, two = exclusive(tmp_path, mirrors=2)
    mountpoint = tmp_path / "mounted"
    with MirrorPair.open(one) as pair, served_here(pair, mountpoint) as volume:
        assert names(mountpoint) == {"volume"}
        overwrite(volume, 0, b"before")
        pair.split(label="point")
        assert names(mountpoint) == {"volume", "mirror-0"}
        frozen = digest(mountpoint / "mirror-0")
        overwrite(volume, 0, b"after!")
        assert (mountpoint / "mirror-0").read_bytes()[:6] == b"before"
        assert (mountpoint / "mirror-0").stat().st_size == LENGTH
        assert volume.read_bytes()[:6] == two.read_bytes()[:6] == b"after!"
        with MirrorPair.open(two) as other:
            other.split()
            assert names(mountpoint) == {"volume", "mirror-0", "mirror-1"}
            assert (mountpoint / "mirror-1").read_bytes()[:6] == b"after!"
        assert digest(mountpoint / "mirror-0") == frozen
        pair.establish()
        assert names(mountpoint) == {"volume", "mirror-1"}
        with pytest.raises(FileNotFoundError):
            (mountpoint / "mirror-0").stat()


def test_i1_nothing_writes_a_mirror_through_the_mount(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    mountpoint = tmp_path / "mounted"
    with MirrorPair.open(mirror) as pair, served_here(pair, mountpoint):
        pair.split()
        before = (digest(mirror), mirror.stat().st_mtime_ns, mirror.stat().st_ctime_ns)
        seen = mountpoint / "mirror-0"
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
            with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is looked at
                os.close(os.open(seen, flags))
            assert caught.value.errno in (errno.EROFS, errno.EPERM, errno.EACCES)
        descriptor = os.open(seen, os.O_RDONLY)
        with pytest.raises(PermissionError):
            mmap.mmap(descriptor, MIB, access=mmap.ACCESS_WRITE)
        with pytest.raises(OSError, match=r"Bad file|Invalid"):
            os.pwrite(descriptor, b"x", 0)
        with pytest.raises(OSError, match=r"Bad file|Invalid|Operation"):
            os.ftruncate(descriptor, 0)
        with mmap.mmap(descriptor, MIB, access=mmap.ACCESS_READ) as memory:
            assert memory[:] == bytes(MIB)
        os.close(descriptor)
        assert (digest(mirror), mirror.stat().st_mtime_ns, mirror.stat().st_ctime_ns) == before


def test_one_that_a_program_has_open_is_not_established(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    mountpoint = tmp_path / "mounted"
    with MirrorPair.open(mirror) as pair, served_here(pair, mountpoint):
        pair.split()
        with (mountpoint / "mirror-0").open("rb") as file:
            assert file.read(3) == bytes(3)
            with pytest.raises(errors.ViewsLiveError, match="still in use"):
                pair.establish()
            with pytest.raises(errors.ViewsLiveError):
                pair.refresh()
            # A restore only reads it.
            assert pair.restore().mirror_unchanged
        assert pair.refresh().state == "split"
        assert (mountpoint / "mirror-0").read_bytes() == mirror.read_bytes()


def test_a_new_point_is_read_anew(tmp_path: Path) -> None:
    (mirror,) = exclusive(tmp_path)
    mountpoint = tmp_path / "mounted"
    with MirrorPair.open(mirror) as pair, served_here(pair, mountpoint) as volume:
        for number in range(5):
            overwrite(volume, 5 * MIB, b"point %d" % number)
            pair.refresh()
            assert (mountpoint / "mirror-0").read_bytes()[5 * MIB :][:7] == b"point %d" % number


def test_mirrors_of_one_name_are_told_apart(tmp_path: Path) -> None:
    (one,) = exclusive(tmp_path)
    for folder, name in (("a", "mirror-0"), ("b", "volume")):
        (tmp_path / folder).mkdir()
        other = tmp_path / folder / name
        with MirrorPair.create(tmp_path / "source", other, mode="exclusive") as pair:
            pair.refresh()
    with MirrorPair.open(one) as pair:
        pair.split()
    with served(one, tmp_path / "mounted") as mounted:
        found = sorted(names(mounted.mountpoint) - {"volume"})
        assert [name.partition("~")[0] for name in found] == ["mirror-0", "mirror-0", "volume"]
        assert all(len(name.partition("~")[2]) == 8 for name in found)
        overwrite(mounted.volume, 0, b"live")
        for name in found:
            assert (mounted.mountpoint / name).read_bytes() == bytes(LENGTH)
