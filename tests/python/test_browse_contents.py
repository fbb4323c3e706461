"""What is read off a split mirror is what was put on it, whatever the file system is made like."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path

import pytest
from conftest import MakeFileSystem
from helpers import KIB, MIB
from splitmirror import Ext4Tree
from splitmirror.errors import MemberKindError, MemberNotFoundError
from trees import (
    LONG_TARGET,
    contents,
    debugged,
    dumped,
    fill,
    looked_into,
    make_image,
    mirrored,
    small_image,
)

# Options of mke2fs: types, block sizes, features.
KINDS = {
    "ext4 1k": ["-t", "ext4", "-b", "1024"],
    "ext4 2k": ["-t", "ext4", "-b", "2048"],
    "ext4 4k": ["-t", "ext4", "-b", "4096"],
    "ext4 64k": ["-t", "ext4", "-b", "65536"],
    "ext2 1k": ["-t", "ext2", "-b", "1024"],
    "ext2 4k": ["-t", "ext2", "-b", "4096"],
    "ext3": ["-t", "ext3", "-b", "1024"],
    "no sums": ["-t", "ext4", "-O", "^metadata_csum,^64bit"],
    "no extents": ["-t", "ext4", "-b", "2048", "-O", "^extents,^64bit"],
    "no index": ["-t", "ext4", "-b", "1024", "-O", "^dir_index"],
    "inline": ["-t", "ext4", "-b", "4096", "-O", "inline_data"],
    "inline, large inodes": ["-t", "ext4", "-b", "1024", "-O", "inline_data", "-I", "512"],
    "small inodes": ["-t", "ext3", "-I", "128"],
    "meta groups": ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode", "-g", "256"],
    "meta groups, sums": ["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode", "-g", "512"],
    "large folders": ["-t", "ext4", "-O", "large_dir,ea_inode,project,quota"],
    "bigalloc": ["-t", "ext4", "-O", "bigalloc"],
    "own seed": ["-t", "ext4", "-O", "metadata_csum_seed"],
    "two backups": ["-t", "ext4", "-b", "1024", "-O", "sparse_super2"],
    "names without kinds": ["-t", "ext2", "-O", "^filetype"],
    "without case": ["-t", "ext4", "-O", "casefold"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_system_reads_as_it_was_filled(tmp_path: Path, kind: str) -> None:
    options = KINDS[kind]
    block = int(options[options.index("-b") + 1]) if "-b" in options else 4096
    fill(tmp_path / "root", block=block)
    image = make_image(tmp_path / "image", tmp_path / "root", *options, size=40 * MIB)
    tree = Ext4Tree.open(mirrored(image))
    found, expected = looked_into(tree), contents(tmp_path / "root")
    assert found.keys() == expected.keys()
    assert [path for path in expected if found[path] != expected[path]] == []
    # And as the tools of the file system read it.
    for path in ("sparse", "of 3145728 bytes", f"of {12 * block + 1} bytes"):
        with tree.open_file(path) as file:
            assert dumped(image, path, tmp_path / "dumped") == file.readall()


def test_a_folder_of_five_thousand_is_listed_and_searched(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for number in range(5000):
        (root / f"file-{number}").write_text(str(number))
    image = make_image(tmp_path / "image", root, "-t", "ext4", "-b", "1024", "-N", "6000")
    debugged(image, "ls /")
    tree = Ext4Tree.open(mirrored(image))
    names = [entry.name for entry in tree.ls()]
    assert names == sorted(["lost+found", *(f"file-{number}" for number in range(5000))])
    for number in (0, 1234, 4999):
        with tree.open_file(f"file-{number}") as file:
            assert file.readall() == str(number).encode()


def test_attributes_are_told(tmp_path: Path) -> None:
    fill(tmp_path / "root", many=1)
    image = make_image(tmp_path / "image", tmp_path / "root", "-t", "ext4")
    tree = Ext4Tree.open(mirrored(image))
    listed = {entry.name: entry for entry in tree.ls("/")}
    for name in ("of 59 bytes", "of 1 bytes", "hard", "deep"):
        real, entry = os.stat(tmp_path / "root" / name), listed[name]
        assert (entry.mode, entry.user, entry.group) == (
            real.st_mode & 0o7777,
            real.st_uid,
            real.st_gid,
        )
        assert int(entry.modified) == int(real.st_mtime)
    assert listed["of 1 bytes"].modified == -86400
    assert listed["hard"].links == 2
    assert listed["hard"].inode == tree.stat("many/harder").inode
    assert listed["long link"].target == LONG_TARGET == tree.read_link("long link")


def test_paths_are_resolved_inside_the_image(tmp_path: Path) -> None:
    fill(tmp_path / "root", many=1)
    tree = Ext4Tree.open(mirrored(make_image(tmp_path / "image", tmp_path / "root")))
    for path in ("short link", "/short link", b"/./deep/../short link", "../../../short link"):
        assert tree.stat(path).size == 1
        assert tree.stat(path, follow_symlinks=False).type == "symlink"
    assert [entry.name for entry in tree.ls("link to a folder")] == ["level 1"]
    assert tree.stat("link to a folder/level 1/..").inode == tree.stat("/deep/level 0").inode
    for path in ("nothing", "deep/nothing", "long link", "x" * 300, "of 1 bytes\0"):
        with pytest.raises(MemberNotFoundError):
            tree.stat(path)
    for path in ("loop", "of 1 bytes/below", "hard/.."):
        with pytest.raises(MemberKindError):
            tree.stat(path)
    for path in ("/", "deep"):
        with pytest.raises(MemberKindError, match="is a folder"):
            tree.open_file(path)


def test_a_file_is_read_anywhere_and_cannot_be_written(tmp_path: Path) -> None:
    image = small_image(tmp_path, "-t", "ext4", "-b", "1024")
    data, chooser = (tmp_path / "root" / "data").read_bytes(), random.Random(4)
    with Ext4Tree.open(mirrored(image)).open_file("data") as file:
        for _ in range(200):
            start, length = chooser.randrange(len(data) + 100), chooser.randrange(20_000)
            file.seek(start)
            assert (file.read(length) or b"") == data[start : start + length]
        assert file.seek(0, os.SEEK_END) == len(data) == file.size
        assert not file.writable()
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
        with pytest.raises(io.UnsupportedOperation):
            file.truncate(0)


@pytest.mark.parametrize("options", [["-t", "ext4"], ["-t", "ext2", "-b", "1024"]])
def test_a_large_sparse_file_is_told_by_its_runs(tmp_path: Path, options: list[str]) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with (root / "large").open("wb") as file:
        for place in (0, 3 * MIB, 14 * 1024 * MIB):
            os.pwrite(file.fileno(), b"x" * 64 * KIB, place)
        file.truncate(15 * 1024 * MIB)
    tree = Ext4Tree.open(mirrored(make_image(tmp_path / "image", root, *options)))
    with tree.open_file("large") as large:
        assert large.size == 15 * 1024 * MIB
        runs = list(large.data_runs())
        assert runs == [(0, 64 * KIB), (3 * MIB, 64 * KIB), (14 * 1024 * MIB, 64 * KIB)]
        large.seek(14 * 1024 * MIB - 2)
        assert large.read(4) == b"\0\0xx"


def test_what_was_reserved_and_never_written_reads_as_zeros(
    tmp_path: Path, make_file_system: MakeFileSystem
) -> None:
    """Old bytes of another file lie there."""
    place = make_file_system("ext4", size=16 * MIB)
    (place / "junk").write_bytes(b"STALE" * 1_000_000)
    os.sync()
    (place / "junk").unlink()
    with (place / "reserved").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 4 * MIB)
        file.write(b"hello")
    os.sync()
    image = tmp_path / "copy"
    image.write_bytes((place.parent / "image").read_bytes())
    with Ext4Tree.open(mirrored(image)).open_file("reserved") as found:
        assert list(found.data_runs()) == [(0, 4096)]
        assert found.readall() == b"hello" + bytes(4 * MIB - 5)
