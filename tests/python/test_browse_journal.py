"""The mirror of a file system that is in use: what is seen is what a mount of a copy shows."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import NotPermitted, loop_device, run, unmount
from helpers import MIB
from splitmirror import Ext4Tree, MirrorPair
from splitmirror.errors import FormatError
from trees import contents, looked_into

KINDS = {
    "sums, wide": ["-O", "metadata_csum,64bit"],
    "no sums, narrow": ["-O", "^metadata_csum,^64bit"],
    "blocks of 1k": ["-b", "1024"],
    "data in the journal": ["-b", "1024"],
}


@contextmanager
def in_use(
    folder: Path, options: list[str], *, mount: str = "defaults"
) -> Iterator[tuple[Path, Path]]:
    """A small file system with a short journal, mounted; gives what its disk holds and where it is.

    It writes when it is synced and at no other time, so that what is copied in between is of one
    instant.
    """
    place = folder / "live"
    place.mkdir()
    try:
        with loop_device(folder / "image", 24 * MIB) as device:
            lazy = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
            run("mke2fs", "-q", "-t", "ext4", "-J", "size=4", "-E", lazy, *options, device)
            run("mount", "-o", f"noatime,commit=600,{mount}", device, place)
            try:
                yield folder / "image", place
            finally:
                unmount(place)
    except NotPermitted as reason:
        pytest.skip(str(reason))


def worked_on(place: Path, *, rounds: int, seed: int) -> None:
    """Fill and empty folders, and reuse their blocks for data: the journal wraps and revokes."""
    chooser = random.Random(seed)
    for turn in range(rounds):
        for number in range(120):
            (place / f"d{number}").mkdir()
            (place / f"d{number}" / "f").write_bytes(chooser.randbytes(chooser.randrange(3000)))
        os.sync()
        for number in range(0, 120, 2) if turn == rounds - 1 else range(120):
            shutil.rmtree(place / f"d{number}")
        os.sync()
        # Bytes that are the journal's own mark.
        marked = b"\xc0\x3b\x39\x98" + chooser.randbytes(700_000)
        (place / f"data{turn % 4}").write_bytes(marked)
        os.sync()


def mounted_copy(mirror: Path, folder: Path) -> dict[bytes, tuple[str, bytes]]:
    """What a mount of a copy of the mirror shows."""
    copy, place = folder / "copy", folder / "copied"
    shutil.copyfile(mirror, copy)
    place.mkdir()
    run("mount", "-o", "loop", copy, place)
    try:
        return contents(place)
    finally:
        unmount(place)


def needs_recovery(mirror: Path) -> bool:
    return "needs_recovery" in run("dumpe2fs", "-h", mirror)


@pytest.mark.parametrize("kind", KINDS)
def test_the_journal_is_applied_as_a_mount_does(tmp_path: Path, kind: str) -> None:
    mount = "data=journal" if kind == "data in the journal" else "defaults"
    with in_use(tmp_path, KINDS[kind], mount=mount) as (disk, place):
        worked_on(place, rounds=6, seed=len(kind))
        mirror = tmp_path / "mirror"
        with (place / "last").open("w") as file:
            file.write("just before")
            file.flush()
            os.fsync(file.fileno())
        with MirrorPair.create(disk, mirror) as pair:
            pair.refresh()
        assert needs_recovery(mirror)
        found = looked_into(Ext4Tree.open(mirror))
        assert found == mounted_copy(mirror, tmp_path)
        assert found[b"last"] == ("file", b"just before")
        assert len(found) > 60


def test_points_amid_work_are_read_as_a_mount_shows_them(tmp_path: Path) -> None:
    """The same mirror again and again, beside the mounted file system."""
    with in_use(tmp_path, ["-b", "1024"]) as (disk, place):
        mirror = tmp_path / "mirror"
        with MirrorPair.create(disk, mirror) as pair:
            for turn in range(8):
                worked_on(place, rounds=1, seed=turn)
                for name in place.glob("d*"):
                    shutil.rmtree(name) if name.is_dir() else name.unlink()
                (place / f"d-{turn}").mkdir()
                os.sync()
                pair.refresh()
                folder = tmp_path / f"turn-{turn}"
                folder.mkdir()
                found = looked_into(Ext4Tree.open(mirror))
                assert found == mounted_copy(mirror, folder), turn


def test_a_journal_that_is_damaged_is_told_and_not_half_applied(tmp_path: Path) -> None:
    with in_use(tmp_path, ["-b", "1024"]) as (disk, place):
        for number in range(50):
            (place / f"d{number}").mkdir()
        os.sync()
        data = bytearray(disk.read_bytes())
    # Descriptors begin with the journal's mark and their kind; what they describe follows.
    descriptor = b"\xc0\x3b\x39\x98\0\0\0\x01"
    places = [at for at in range(0, len(data), 1024) if data[at : at + 8] == descriptor]
    assert places
    for at in places:
        data[at + 1024 + 100] ^= 1
    copy = tmp_path / "damaged"
    copy.write_bytes(data)
    mirror = tmp_path / "mirror"
    with MirrorPair.create(copy, mirror) as pair:
        pair.refresh()
    with pytest.raises(FormatError, match="journal is damaged"):
        Ext4Tree.open(mirror)
