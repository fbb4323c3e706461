"""Copying out of a mirror: what is made, what is refused, and nothing beside it."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from pathlib import Path

import pytest
from conftest import MakeFileSystem
from helpers import MIB, hole_map
from splitmirror import Ext4Tree
from splitmirror.errors import (
    AreaExistsError,
    AreaNotFoundError,
    FormatError,
    MemberKindError,
    MemberNotFoundError,
    NoSpaceError,
    SplitMirrorError,
    UnsupportedAreaError,
)
from trees import contents, debugged, fill, make_image, mirrored, small_image


@pytest.fixture
def tree(tmp_path: Path) -> Ext4Tree:
    return Ext4Tree.open(mirrored(small_image(tmp_path)))


def left(folder: Path) -> list[str]:
    """What is in the folder, scratch files too."""
    return sorted(os.listdir(folder))


def test_a_folder_comes_out_as_it_went_in(ext4: Path) -> None:
    fill(ext4 / "root", many=50)
    for name, mode in (("many", 0o2751), ("of 1 bytes", 0o4755), ("of 0 bytes", 0o400)):
        os.chmod(ext4 / "root" / name, mode)
    image = make_image(ext4 / "image", ext4 / "root", "-t", "ext4", size=40 * MIB)
    out = ext4 / "out"
    report = Ext4Tree.open(mirrored(image)).extract("/", out)
    (out / "lost+found").rmdir()
    assert contents(out) == contents(ext4 / "root")
    for path in (ext4 / "root").rglob("*"):
        real, made = os.lstat(path), os.lstat(out / path.relative_to(ext4 / "root"))
        expected = stat.S_IMODE(real.st_mode) & ~(0 if path.is_symlink() else 0o6000)
        assert stat.S_IMODE(made.st_mode) == expected, path
        assert int(made.st_mtime) == int(real.st_mtime), path
        assert (made.st_uid, made.st_gid) == (real.st_uid, real.st_gid)
    assert os.path.samefile(out / "hard", out / "many" / "harder")
    assert hole_map(out / "sparse") == hole_map(ext4 / "root" / "sparse")
    assert report.size - report.bytes_written > 99 * MIB
    assert (report.symlinks, report.files, report.skipped) == (4, report.files, ())
    assert report.files == sum(kind == "file" for kind, _ in contents(out).values())


def test_the_set_id_bits_stay_when_asked_for(tmp_path: Path) -> None:
    image = small_image(tmp_path)
    debugged(image, "set_inode_field /data mode 0106755")
    tree = Ext4Tree.open(mirrored(image))
    for preserve, mode in ((False, 0o755), (True, 0o6755)):
        tree.extract("data", tmp_path / "out", overwrite=True, preserve_special=preserve)
        assert stat.S_IMODE(os.stat(tmp_path / "out").st_mode) == mode


def test_a_file_and_a_symlink_alone(tree: Ext4Tree, tmp_path: Path) -> None:
    tree.extract("/etc/conf", tmp_path / "one")
    assert (tmp_path / "one").read_text() == "good = yes\n"
    tree.extract("etc/link", tmp_path / "two")
    assert os.readlink(tmp_path / "two") == "conf"


def test_what_is_there_is_not_overwritten(tree: Ext4Tree, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "file").write_text("mine")
    (place / "link").symlink_to("file")
    (place / "folder").mkdir()
    for name in ("file", "link", "folder"):
        for path in ("data", "etc/link", "etc"):
            with pytest.raises(AreaExistsError):
                tree.extract(path, place / name)
    for path in ("data", "etc"):
        with pytest.raises(AreaExistsError):
            tree.extract(path, place / "folder", overwrite=True)
    with pytest.raises(AreaExistsError):
        tree.extract("etc", place / "file", overwrite=True)
    assert (place / "file").read_text() == "mine"
    # The symlink is replaced, not what it leads to.
    tree.extract("etc/conf", place / "link", overwrite=True)
    assert (place / "link").is_file()
    assert not (place / "link").is_symlink()
    assert (place / "file").read_text() == "mine"
    tree.extract("etc/conf", place / "file", overwrite=True)
    assert (place / "file").read_text() == "good = yes\n"
    assert left(place) == ["file", "folder", "link"]


def test_what_cannot_be_made_is_said_and_leaves_nothing(tree: Ext4Tree, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "file").write_text("mine")
    with pytest.raises(MemberNotFoundError):
        tree.extract("nothing", place / "out")
    with pytest.raises(AreaNotFoundError):
        tree.extract("data", place / "no folder" / "out")
    with pytest.raises(UnsupportedAreaError):
        tree.extract("data", place / "file" / "out")
    for name in ("..", "/", "out/.."):
        with pytest.raises((UnsupportedAreaError, AreaExistsError)):
            tree.extract("data", place / name)
    assert left(place) == ["file"]


def test_devices_and_sockets_are_left_out_and_named(tmp_path: Path) -> None:
    image = small_image(tmp_path)
    debugged(image, "cd /", "mknod null c 1 3", "mknod pipe p", "mknod disk b 8 0")
    tree = Ext4Tree.open(mirrored(image))
    report = tree.extract("/", tmp_path / "out")
    assert {(file.path, file.why.split()[1]) for file in report.skipped} == {
        ("/null", "character-device"),
        ("/pipe", "fifo"),
        ("/disk", "block-device"),
    }
    assert left(tmp_path / "out") == ["data", "etc", "lost+found"]
    with pytest.raises(MemberKindError, match="cannot be copied"):
        tree.extract("null", tmp_path / "null")


def test_a_full_disk_leaves_nothing(tmp_path: Path, make_file_system: MakeFileSystem) -> None:
    tree = Ext4Tree.open(mirrored(small_image(tmp_path)))
    small = make_file_system("tmpfs", size=MIB // 8)
    for path in ("data", "/"):
        with pytest.raises(NoSpaceError):
            tree.extract(path, small / "out")
        assert left(small) == []


def test_an_interrupt_leaves_nothing(
    tree: Ext4Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from splitmirror.tree import _extract

    place = tmp_path / "place"
    place.mkdir()

    def stopped(*_: object) -> int:
        assert len(left(place)) in (1, 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(_extract, "copy_new", stopped)
    for path in ("data", "/"):
        with pytest.raises(KeyboardInterrupt):
            tree.extract(path, place / "out")
        assert left(place) == []


def test_symlinks_from_the_image_are_made_and_not_followed(tmp_path: Path) -> None:
    """A folder and a symlink of one name, as only a hostile image has."""
    victim = tmp_path / "victim"
    victim.mkdir()
    root = tmp_path / "root"
    (root / "aaaa").mkdir(parents=True)
    (root / "aaaa" / "planted").write_text("planted")
    (root / "bbbb").symlink_to(victim)
    image = make_image(tmp_path / "image", root, "-t", "ext4", "-O", "^metadata_csum", size=2 * MIB)
    image.write_bytes(image.read_bytes().replace(b"bbbb", b"aaaa"))
    tree = Ext4Tree.open(mirrored(image))
    with pytest.raises(FormatError, match="another file have one name"):
        tree.extract("/", tmp_path / "out")
    assert left(victim) == []
    assert not (tmp_path / "out").exists()


def test_a_racer_that_swaps_folders_for_symlinks_gets_nothing_written(tmp_path: Path) -> None:
    victim, place = tmp_path / "victim", tmp_path / "place"
    victim.mkdir()
    place.mkdir()
    root = tmp_path / "root"
    for number in range(60):
        (root / f"d{number}" / "inner").mkdir(parents=True)
        (root / f"d{number}" / "inner" / "planted").write_text("x" * 100)
        os.link(root / f"d{number}" / "inner" / "planted", root / f"d{number}" / "second")
    tree = Ext4Tree.open(mirrored(make_image(tmp_path / "image", root, "-t", "ext4")))
    stop = threading.Event()
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        while not stop.is_set():
            # What it looks at may be renamed or gone at any moment.
            with contextlib.suppress(OSError):
                for folder in [*place.glob(".splitmirror-*/d*"), *place.glob("out*/d*")]:
                    moved = folder.with_name("moved-" + folder.name)
                    folder.rename(moved)
                    folder.symlink_to(victim)
                    swaps += 1

    racer = threading.Thread(target=swap)
    racer.start()
    try:
        for turn in range(15):
            # It may fail, as whoever swaps folders has a right to expect; it never writes outside.
            with contextlib.suppress(SplitMirrorError, OSError):
                tree.extract("/", place / f"out{turn}")
    finally:
        stop.set()
        racer.join()
    assert swaps > 0
    assert left(victim) == []
