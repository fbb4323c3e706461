"""The helpers and fixtures themselves: a test that rests on them is no better than they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import MakeDevicePair, MakeFileSystem
from helpers import KIB, MIB, digest, hole_map, overwrite, write_pattern


def test_hole_map_names_each_hole_and_only_holes(any_fs: Path) -> None:
    file = any_fs / "holes"
    with file.open("wb") as out:
        out.seek(64 * KIB)
        out.write(b"x" * 64 * KIB)
        out.seek(256 * KIB)
        out.write(b"y" * 64 * KIB)
        out.truncate(1 * MIB)
    assert hole_map(file) == [
        (0, 64 * KIB),
        (128 * KIB, 128 * KIB),
        (320 * KIB, 704 * KIB),
    ]
    file.write_bytes(b"z" * 64 * KIB)
    assert hole_map(file) == []
    os.truncate(file, 0)
    assert hole_map(file) == []


def test_pattern_is_repeatable_and_has_holes(tmp_path: Path) -> None:
    one, two, other, dense = (tmp_path / name for name in ("one", "two", "other", "dense"))
    write_pattern(one, 4 * MIB + 5)
    write_pattern(two, 4 * MIB + 5)
    write_pattern(other, 4 * MIB + 5, seed=1)
    write_pattern(dense, 4 * MIB + 5, holes=False)
    assert one.stat().st_size == 4 * MIB + 5
    assert digest(one) == digest(two) != digest(other)
    assert hole_map(one)
    assert not hole_map(dense)


def test_overwrite_changes_only_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(10))
    overwrite(file, 3, b"abc")
    assert file.read_bytes() == bytes(3) + b"abc" + bytes(4)


def test_loop_devices_have_the_size_asked_for(loop_pair: MakeDevicePair) -> None:
    source, mirror = loop_pair(4 * MIB, 5 * MIB)
    assert source != mirror
    for device, size in ((source, 4 * MIB), (mirror, 5 * MIB)):
        assert device.is_block_device()
        with device.open("rb") as file:
            assert file.seek(0, os.SEEK_END) == size
    overwrite(source, 4096, b"x" * 512)
    assert digest(source) != digest(mirror)


@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_a_file_system_of_the_own_can_be_filled(
    kind: str, make_file_system: MakeFileSystem
) -> None:
    folder = make_file_system(kind, size=16 * MIB)
    with pytest.raises(OSError, match="No space left"):
        (folder / "big").write_bytes(bytes(17 * MIB))
