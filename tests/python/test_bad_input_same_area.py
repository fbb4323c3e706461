"""A mirror that is the source by another way, or belongs to another pair, or holds other data."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import MakeDevicePair, NotPermitted, run
from evidence import refused
from helpers import KIB, MIB, digest, write_pattern
from splitmirror import MirrorPair, errors

LENGTH = 512 * KIB


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    write_pattern(path, LENGTH, seed=2)
    return path


@contextlib.contextmanager
def loop_over(file: Path, *options: str) -> Iterator[Path]:
    """A loop device over a file that exists, its partitions scanned when it has some."""
    try:
        name = run("losetup", "--find", "--show", *options, file)
    except NotPermitted as reason:
        pytest.skip(f"no loop device here: {reason}")
    try:
        yield Path(name)
    finally:
        run("losetup", "--detach", name)


def is_source(mirror: Path, source: Path, how: str) -> None:
    folder = source.parent
    for overwrite in (False, True):
        with refused(errors.SameAreaError, folder, other=source, advice=how):
            MirrorPair.create(source, mirror, overwrite=overwrite)


def test_a_mirror_that_is_the_source_by_its_own_path_is_refused(source: Path) -> None:
    is_source(source, source, "the same path")


def test_a_mirror_that_is_the_source_by_a_detour_is_refused(source: Path) -> None:
    (source.parent / "folder").mkdir()
    is_source(source.parent / "folder" / ".." / "source", source, "the same")


def test_a_mirror_that_is_a_symlink_to_the_source_is_refused(source: Path) -> None:
    link = source.with_name("link")
    link.symlink_to(source)
    is_source(link, source, "the same storage")


def test_a_mirror_that_is_a_hard_link_of_the_source_is_refused(source: Path) -> None:
    link = source.with_name("link")
    link.hardlink_to(source)
    is_source(link, source, "hard link")


def test_a_mirror_that_is_a_bind_mount_of_the_source_is_refused(source: Path) -> None:
    place = source.with_name("bound")
    place.touch()
    try:
        run("mount", "--bind", source, place)
    except NotPermitted as reason:
        pytest.skip(f"no bind mount here: {reason}")
    try:
        is_source(place, source, "bind mount")
    finally:
        run("umount", place)


def test_a_mirror_that_is_a_loop_device_over_the_source_is_refused(source: Path) -> None:
    with loop_over(source) as device:
        is_source(device, source, "a device that lies on it")


def test_a_source_that_is_a_loop_device_over_the_mirror_is_refused(source: Path) -> None:
    mirror = source.with_name("mirror")
    write_pattern(mirror, LENGTH, seed=3)
    with (
        loop_over(mirror) as device,
        refused(errors.SameAreaError, source.parent, advice="what the device lies on"),
    ):
        MirrorPair.create(device, mirror, overwrite=True)


def test_a_loop_device_over_a_loop_device_over_the_source_is_refused(source: Path) -> None:
    with loop_over(source) as below, loop_over(below) as device:
        is_source(device, source, "a device that lies on it")


def test_a_second_node_of_the_same_device_is_refused(
    loop_pair: MakeDevicePair, tmp_path: Path
) -> None:
    source, _ = loop_pair(MIB)
    node = tmp_path / "node"
    os.mknod(node, 0o600 | stat.S_IFBLK, source.stat().st_rdev)
    with refused(errors.SameAreaError, source, node, advice="the same"):
        MirrorPair.create(source, node, overwrite=True)


def test_a_partition_of_the_source_is_refused(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    # One primary partition: sectors 2048 to 4095.
    entry = struct.pack("<B3sB3sII", 0, b"\xff" * 3, 0x83, b"\xff" * 3, 2048, 2048)
    with disk.open("wb") as file:
        file.truncate(8 * MIB)
        file.write(b"\0" * 446 + entry + b"\0" * 48 + b"\x55\xaa")
    with loop_over(disk, "--partscan") as device:
        number = Path(f"/sys/block/{device.name}/{device.name}p1/dev")
        if not number.exists():
            pytest.skip("the kernel makes no partitions of loop devices here")
        major, minor = map(int, number.read_text().split(":"))
        part = tmp_path / "part"
        os.mknod(part, 0o600 | stat.S_IFBLK, os.makedev(major, minor))
        for source, mirror in ((device, part), (part, device)):
            with refused(errors.SameAreaError, tmp_path):
                MirrorPair.create(source, mirror, overwrite=True)


def test_a_reflinked_or_plain_copy_is_storage_of_its_own(source: Path) -> None:
    mirror = source.with_name("mirror")
    shutil.copyfile(source, mirror)
    with MirrorPair.create(source, mirror, overwrite=True) as pair:
        pair.establish()
        assert pair.verify().matches


@pytest.mark.parametrize("kept", ["with its catalog", "without its catalog"])
def test_files_of_another_pair_are_refused(source: Path, kept: str) -> None:
    folder = source.parent
    with MirrorPair.create(source, folder / "mirror") as pair:
        pair.establish()
    other = folder / "other"
    write_pattern(other, LENGTH, seed=4)
    if kept == "without its catalog":
        shutil.rmtree(folder / "mirror.splitmirror")
    # A mirror as the source of another pair, a mirror as another mirror, a source as a mirror.
    with refused(errors.AlreadyPairedError, folder, path=folder / "mirror", advice="detach"):
        MirrorPair.create(folder / "mirror", folder / "third")
    with refused(errors.AlreadyPairedError, folder, path=folder / "mirror"):
        MirrorPair.create(other, folder / "mirror")
    with refused(errors.AlreadyPairedError, folder, path=source):
        MirrorPair.create(other, source)
    with refused(errors.AlreadyPairedError, folder, path=source):
        MirrorPair.create(other, source, overwrite=True)


def test_a_mirror_with_a_catalog_is_not_taken_by_overwrite_either(source: Path) -> None:
    folder = source.parent
    other = folder / "other"
    write_pattern(other, LENGTH, seed=4)
    with MirrorPair.create(source, folder / "mirror") as pair:
        pair.establish()
        pair.split()
        with refused(errors.AlreadyPairedError, folder, path=folder / "mirror"):
            MirrorPair.create(other, folder / "mirror", overwrite=True)
    with refused(errors.AlreadyPairedError, folder, path=folder / "mirror"):
        MirrorPair.create(other, folder / "mirror", overwrite=True)
    with refused(errors.AlreadyPairedError, folder, path=folder / "mirror"):
        MirrorPair.create(other, folder / "mirror", overwrite=True, catalog=folder / "elsewhere")


def test_a_catalog_folder_of_another_pair_is_refused(source: Path) -> None:
    folder = source.parent
    other = folder / "other"
    write_pattern(other, LENGTH, seed=4)
    with (
        MirrorPair.create(source, folder / "mirror", catalog=folder / "catalog"),
        refused(errors.AlreadyPairedError, folder, other=folder / "catalog"),
    ):
        MirrorPair.create(other, folder / "second", catalog=folder / "catalog")


def test_unrelated_data_is_kept_until_overwrite_gives_it_up(source: Path) -> None:
    mirror = source.with_name("mirror")
    write_pattern(mirror, 3 * LENGTH, seed=5)
    with refused(errors.MirrorExistsError, source.parent, path=mirror, advice="overwrite=True"):
        MirrorPair.create(source, mirror)
    before = digest(mirror)
    with MirrorPair.create(source, mirror, overwrite=True) as pair:
        assert digest(mirror) == before, "create copies nothing"
        pair.establish()
    assert digest(mirror) == digest(source)


def test_unrelated_data_on_a_device_is_kept_until_overwrite(loop_pair: MakeDevicePair) -> None:
    source, mirror = loop_pair(MIB)
    mirror.write_bytes(b"data of its own")
    with refused(errors.MirrorExistsError, source, mirror, path=mirror):
        MirrorPair.create(source, mirror)
    with MirrorPair.create(source, mirror, overwrite=True) as pair:
        pair.establish()
        assert pair.verify().matches
        pair.detach()


def test_restore_into_the_mirror_or_the_source_is_refused(source: Path) -> None:
    mirror = source.with_name("mirror")
    with MirrorPair.create(source, mirror) as pair:
        pair.establish()
        pair.split()
        for place in (source, mirror):
            link = source.with_name(f"link-to-{place.name}")
            link.symlink_to(place)
            for to in (place, link):
                with refused(errors.SameAreaError, source.parent, catalogs=False):
                    pair.restore(to=to, overwrite=True)


def test_restore_into_a_file_that_exists_needs_overwrite(source: Path) -> None:
    place = source.with_name("scratch")
    place.write_bytes(b"data of its own")
    dangling = source.with_name("dangling")
    dangling.symlink_to(source.with_name("nowhere"))
    with MirrorPair.create(source, source.with_name("mirror")) as pair:
        pair.establish()
        pair.split()
        for to in (place, dangling):
            with refused(errors.MirrorExistsError, source.parent, path=to, catalogs=False):
                pair.restore(to=to)
        pair.restore(to=place, overwrite=True)
    assert digest(place) == digest(source)
