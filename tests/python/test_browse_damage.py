"""Damaged and hostile images: an error or the right data, and nothing else ends or escapes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import KIB, MIB
from splitmirror import Ext4Tree, MirrorPair
from splitmirror.errors import FormatError, SplitMirrorError
from trees import debugged, make_image, mirrored, small_image

SEEDS = 40
A_PROCESS = 10


def damaged(data: bytes, seed: int) -> bytes:
    """A few bits or bytes changed, most of them where metadata is."""
    chooser = random.Random(seed)
    changed = bytearray(data)
    end = chooser.choice([3 * KIB, 64 * KIB, len(data)])
    for _ in range(chooser.choice([1, 3, 20, 200])):
        at = 1024 + chooser.randrange(end - 1024)
        if chooser.random() < 0.5:
            changed[at] ^= 1 << chooser.randrange(8)
        else:
            changed[at : at + 4] = chooser.choice([b"\xff" * 4, bytes(4), chooser.randbytes(4)])
    return bytes(changed)


LOOK = """
import resource, sys
from splitmirror import Ext4Tree
from splitmirror.errors import SplitMirrorError
# Memory does not follow what an image claims.
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
for mirror in sys.argv[1:]:
    try:
        tree = Ext4Tree.open(mirror)
        for folder, entries in tree.walk():
            for entry in entries:
                if entry.type != "file":
                    continue
                try:
                    with tree.open_file(folder + "/" + entry.name) as file:
                        for _ in range(40):
                            if not file.read(1 << 20):
                                break
                        file.seek(max(0, file.size - 10))
                        file.read(10)
                        for _ in zip(range(1000), file.data_runs()):
                            pass
                except SplitMirrorError:
                    pass
    except SplitMirrorError:
        pass
    print("looked")
"""


def images(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name, options in {
        "sums": ["-t", "ext4", "-b", "1024"],
        "no sums": ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum"],
        "map": ["-t", "ext2", "-b", "1024"],
        "inline": ["-t", "ext4", "-O", "inline_data,^metadata_csum"],
    }.items():
        place = folder / name
        place.mkdir()
        yield name, small_image(place, *options, size=2 * MIB).read_bytes()


@pytest.mark.parametrize("start", range(0, SEEDS, A_PROCESS))
def test_damage_ends_in_an_error_or_in_data(tmp_path: Path, start: int) -> None:
    mirrors = []
    for name, data in images(tmp_path):
        image = tmp_path / f"{name} image"
        for seed in range(start, start + A_PROCESS):
            image.write_bytes(damaged(data, seed))
            mirrors.append(mirrored(image, f"{name} {seed}"))
            os.rename(image, tmp_path / f"{name} {seed} source")
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *mirrors],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("looked") == len(mirrors) == 4 * A_PROCESS


def test_with_checksums_damaged_metadata_never_gives_other_data(tmp_path: Path) -> None:
    image = small_image(tmp_path, "-t", "ext4", "-b", "1024", size=2 * MIB)
    data, right = image.read_bytes(), (tmp_path / "root" / "data").read_bytes()
    content = data.find(right[:1024])
    assert content > 0
    # The metadata of so small an image lies before its contents; bitmaps and what is unused are
    # bytes of ones and zeros.
    used = [at for at in range(1024, content) if 0 < data[at] < 0xFF]
    outcomes = set()
    for seed in range(60):
        chooser = random.Random(seed)
        changed = bytearray(data)
        changed[chooser.choice(used)] ^= 1 << chooser.randrange(8)
        (tmp_path / "changed").write_bytes(changed)
        mirror = tmp_path / f"mirror-{seed}"
        with MirrorPair.create(tmp_path / "changed", mirror) as pair:
            pair.refresh()
        os.unlink(tmp_path / "changed")
        try:
            with Ext4Tree.open(mirror).open_file("data") as file:
                found = file.readall()
        except SplitMirrorError:
            outcomes.add("error")
        else:
            assert found == right, seed
            outcomes.add("data")
    assert outcomes == {"error", "data"}


def named(folder: Path, name: bytes) -> Path:
    """An image, without sums, with a file of this name, which stood for another of its length."""
    root = folder / "root"
    root.mkdir()
    stand_in = b"STANDIN" + b"x" * (len(name) - 7)
    (root / os.fsdecode(stand_in)).write_text("content")
    (root / "other").write_text("fine")
    image = make_image(folder / "image", root, "-t", "ext4", "-O", "^metadata_csum", size=2 * MIB)
    data = image.read_bytes()
    assert data.count(stand_in) == 1
    image.write_bytes(data.replace(stand_in, name))
    return image


@pytest.mark.parametrize("name", [b"../../../x", b"/etc/passwd", b"a/b/c/d/e", b"nul\0nul\0"])
def test_names_that_no_file_can_have_are_refused(tmp_path: Path, name: bytes) -> None:
    tree = Ext4Tree.open(mirrored(named(tmp_path, name)))
    with pytest.raises(FormatError, match="which no file can have"):
        tree.ls()
    out = tmp_path / "a" / "b" / "c" / "out"
    out.parent.mkdir(parents=True)
    with pytest.raises(FormatError, match="which no file can have"):
        tree.extract("/", out)
    assert list(out.parent.iterdir()) == []


def test_a_folder_within_itself_has_no_end_and_is_refused(tmp_path: Path) -> None:
    image = small_image(tmp_path, "-t", "ext4", "-O", "^metadata_csum")
    # A second name of a folder, below itself.
    debugged(image, "ln /etc /etc/again")
    tree = Ext4Tree.open(mirrored(image))
    with pytest.raises(FormatError, match="has another name already"):
        list(tree.walk())
    with pytest.raises(FormatError, match="has another name already"):
        tree.extract("/", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_does_not_hide_the_others(tmp_path: Path) -> None:
    image = small_image(tmp_path, "-t", "ext4", "-O", "^metadata_csum")
    debugged(image, "set_inode_field /etc/conf mode 0")
    listed = {entry.name: entry for entry in Ext4Tree.open(mirrored(image)).ls("/etc")}
    assert listed["conf"].type == "unknown"
    assert "is no file" in (listed["conf"].problem or "")
    assert listed["link"].target == "conf"


def test_encrypted_and_unknown_are_said_to_be(tmp_path: Path) -> None:
    image = small_image(tmp_path, "-t", "ext4", "-O", "^metadata_csum")
    debugged(image, "set_inode_field /data flags 0x80800")
    tree = Ext4Tree.open(mirrored(image))
    with pytest.raises(FormatError, match="is encrypted"), tree.open_file("data") as file:
        file.readall()
    debugged(image, "set_super_value feature_incompat 0x800002")
    with pytest.raises(FormatError, match="features that this reader does not know"):
        Ext4Tree.open(mirrored(image, "second"))
