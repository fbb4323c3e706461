"""Where the file system is: the whole mirror, a partition of an MBR or GPT table, an offset."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from helpers import KIB, MIB
from splitmirror import Ext4Tree
from splitmirror.errors import ArgumentError, FormatError, NoFileSystemError
from trees import mirrored, small_image

LABELS = ["dos", "gpt"]


def disk(
    folder: Path, label: str, parts: list[Path | None], *, sector: int = 512, name: str = "disk"
) -> Path:
    """A disk image with a table by sfdisk, each part 4 MiB, filled with an image or with noise."""
    program = shutil.which("sfdisk", path="/usr/sbin:/sbin:/usr/bin")
    if program is None:
        pytest.skip("sfdisk is not installed")
    path = folder / name
    with path.open("wb") as file:
        file.truncate((len(parts) + 2) * 4 * MIB)
    lines = [f"label: {label}", f"sector-size: {sector}"] if sector != 512 else [f"label: {label}"]
    lines += [
        f"start={(1 + at) * 4 * MIB // sector}, size={4 * MIB // sector}, type=L"
        for at in range(len(parts))
    ]
    given = ["--sector-size", str(sector)] if sector != 512 else []
    subprocess.run(
        [program, "-q", *given, path], input="\n".join(lines).encode(), check=True, timeout=60
    )
    with path.open("r+b") as file:
        for at, part in enumerate(parts):
            file.seek((1 + at) * 4 * MIB)
            file.write(b"\x5a" * 64 * KIB if part is None else part.read_bytes())
    return path


def conf(tree: Ext4Tree) -> bytes:
    with tree.open_file("/etc/conf") as file:
        return file.readall()


@pytest.mark.parametrize("label", LABELS)
def test_the_only_partition_with_a_file_system_is_found(tmp_path: Path, label: str) -> None:
    image = small_image(tmp_path)
    mirror = mirrored(disk(tmp_path, label, [None, image, None]), "disk mirror")
    tree = Ext4Tree.open(mirror)
    assert (tree.offset, conf(tree)) == (8 * MIB, b"good = yes\n")
    assert conf(Ext4Tree.open(mirror, partition=2)) == b"good = yes\n"
    assert conf(Ext4Tree.open(mirror, offset=8 * MIB)) == b"good = yes\n"
    with pytest.raises(NoFileSystemError, match="no ext2, ext3 or ext4 file system"):
        Ext4Tree.open(mirror, partition=1)
    with pytest.raises(NoFileSystemError, match=r"no partition 9 \(1: 4194304 bytes at 4194304"):
        Ext4Tree.open(mirror, partition=9)


@pytest.mark.parametrize("label", LABELS)
def test_of_several_one_must_be_named(tmp_path: Path, label: str) -> None:
    image = small_image(tmp_path)
    mirror = mirrored(disk(tmp_path, label, [image, None, image]), "disk mirror")
    with pytest.raises(NoFileSystemError, match=r"name one of them \(1: .* ext; 2: .* else; 3: "):
        Ext4Tree.open(mirror)
    for number in (1, 3):
        assert conf(Ext4Tree.open(mirror, partition=number)) == b"good = yes\n"


def test_a_table_with_sectors_of_four_kib_is_read(tmp_path: Path) -> None:
    """Written here as the standard says, for not every sfdisk can."""
    image = small_image(tmp_path)
    data = bytearray(12 * MIB)
    data[446 + 4], data[510:512] = 0xEE, b"\x55\xaa"
    data[446 + 8 : 446 + 16] = struct.pack("<II", 1, 0xFFFF)
    header = struct.pack(
        "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, 1, 0, 6, 0, b"", 2, 4, 128, 0
    )
    data[4096 : 4096 + len(header)] = header
    data[8192 : 8192 + 48] = struct.pack("<16s16sQQ", b"kind", b"one", 1024, 2047)
    data[4 * MIB : 8 * MIB] = image.read_bytes()
    path = tmp_path / "disk"
    path.write_bytes(data)
    tree = Ext4Tree.open(mirrored(path, "disk mirror"))
    assert (tree.offset, conf(tree)) == (4 * MIB, b"good = yes\n")


def test_wrong_places_are_refused(tmp_path: Path) -> None:
    mirror = mirrored(small_image(tmp_path))
    with pytest.raises(ArgumentError, match="a partition is named already"):
        Ext4Tree.open(mirror, partition=1, offset=0)
    with pytest.raises(ArgumentError, match="the mirror has 4194304 bytes"):
        Ext4Tree.open(mirror, offset=4 * MIB)
    for offset in (1, 4 * MIB - 1, 4 * MIB - 1500):
        with pytest.raises(FormatError):
            Ext4Tree.open(mirror, offset=offset)


@pytest.mark.parametrize("length", [1, 511, 512, 1024, 1500, 2048, 64 * KIB])
def test_what_is_no_file_system_is_said_to_be_none(tmp_path: Path, length: int) -> None:
    for name, byte in (("zeros", b"\0"), ("ones", b"\xff"), ("letters", b"a")):
        (tmp_path / name).write_bytes(byte * length)
        with pytest.raises(NoFileSystemError, match="neither an ext2, ext3 or ext4"):
            Ext4Tree.open(mirrored(tmp_path / name, f"{name} mirror"))


def test_a_file_system_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    image = small_image(tmp_path)
    with image.open("r+b") as file:
        file.truncate(3 * MIB)
    with pytest.raises(FormatError, match="only 3145728 bytes are there"):
        Ext4Tree.open(mirrored(image))


@pytest.mark.parametrize("at", range(0, 512, 7))
def test_a_damaged_table_is_an_error_and_nothing_else(tmp_path: Path, at: int) -> None:
    data = bytearray(64 * KIB)
    data[510:512] = b"\x55\xaa"
    data[446 + 4] = 0xEE if at % 2 else 0x83
    data[512 : 512 + 8] = b"EFI PART"
    for place in range(at, 64 * KIB, 509):
        if not (508 <= place < 520 or place == 450):
            data[place] = 0xFF
    path = tmp_path / "disk"
    path.write_bytes(data)
    with pytest.raises(FormatError):
        Ext4Tree.open(mirrored(path))
