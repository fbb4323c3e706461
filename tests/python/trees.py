"""Images with file systems, made without root, and what was put into them."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import NotPermitted, run
from helpers import KIB, MIB
from splitmirror import Ext4Tree, MirrorPair

# What a tree is compared by: kind, and content or target.
Content = tuple[str, bytes]

LONG_TARGET = "long/" * 20 + "end"
ODD_NAMES = [
    b"new\nline",
    b"\xff\xfe",
    b"\x1b[31mred",
    b"-l",
    b"a\\b",
    "gr\u00fc\u00df".encode(),
    b"n" * 255,
]


def fill(root: Path, *, block: int = 4096, many: int = 150) -> None:
    """Put files into `root` whose sizes are where maps of blocks of `block` bytes change."""
    chooser = random.Random(block)
    root.mkdir()
    sizes = [0, 1, 59, 60, 61, 150, block - 1, block, block + 1]
    sizes += [blocks * block + more for blocks in (4, 12, 13) for more in (-1, 0, 1)]
    # Beyond one and two levels of a map of block numbers, where blocks are small.
    sizes += [(12 + block // 4) * block + 1] if block <= 2048 else []
    sizes.append(3 * MIB)
    for size in sizes:
        (root / f"of {size} bytes").write_bytes(chooser.randbytes(size))
    with (root / "sparse").open("wb") as file:
        file.truncate(100 * MIB)
        for place in (5 * KIB, 1 * MIB - 1, 70 * MIB + 3, 100 * MIB - 1):
            os.pwrite(file.fileno(), b"data", place)
        file.truncate(100 * MIB)
    folder = root / "many"
    folder.mkdir()
    for number in range(many):
        (folder / f"file number {number:05d} with a name that is not short").write_text(str(number))
    deep = root / "deep"
    for level in range(60):
        deep /= f"level {level}"
    deep.mkdir(parents=True)
    (deep / "bottom").write_text("found")
    (root / "short link").symlink_to("of 1 bytes")
    (root / "long link").symlink_to(LONG_TARGET)
    (root / "link to a folder").symlink_to("/deep/level 0")
    (root / "loop").symlink_to("loop")
    (root / "hard").write_text("one file, two names")
    os.link(root / "hard", root / "many" / "harder")
    for name in ODD_NAMES:
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(b"named " + name)
    os.utime(root / "of 1 bytes", (-86400, -86400))
    os.chmod(root / "of 59 bytes", 0o640)


def contents(root: Path) -> dict[bytes, Content]:
    """What is below a folder of this system, by path."""
    found: dict[bytes, Content] = {}
    top = os.fsencode(root)
    for folder, folders, files in os.walk(top):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            inside = os.path.relpath(path, top)
            if os.path.islink(path):
                found[inside] = ("symlink", os.readlink(path))
            elif os.path.isdir(path):
                found[inside] = ("folder", b"")
            else:
                with open(path, "rb") as file:
                    found[inside] = ("file", file.read())
    found.pop(b"lost+found", None)
    return found


def looked_into(tree: Ext4Tree) -> dict[bytes, Content]:
    """The same of a tree on a mirror."""
    found: dict[bytes, Content] = {}
    for folder, entries in tree.walk():
        for entry in entries:
            path = f"{folder}/{entry.name}".lstrip("/")
            assert entry.problem is None, entry
            content = b""
            if entry.type == "symlink":
                assert entry.target is not None
                content = os.fsencode(entry.target)
            elif entry.type == "file":
                with tree.open_file(path) as file:
                    content = file.readall()
                assert len(content) == entry.size
            found[os.fsencode(path)] = (entry.type, content)
    found.pop(b"lost+found", None)
    return found


def make_image(image: Path, root: Path | None, *options: str, size: int = 64 * MIB) -> Path:
    """Make an image with what is in a folder; skips where mkfs is not there."""
    with image.open("wb") as file:
        file.truncate(size)
    given = [] if root is None else ["-d", str(root)]
    try:
        run("mke2fs", "-q", "-F", *options, *given, image)
    except NotPermitted as reason:
        pytest.skip(str(reason))
    return image


def mirrored(image: Path, name: str = "mirror") -> Path:
    """A split mirror of an image; its pair is closed."""
    mirror = image.with_name(name)
    with MirrorPair.create(image, mirror) as pair:
        pair.refresh()
    return mirror


def dumped(image: Path, path: str, to: Path) -> bytes:
    """A file as debugfs of e2fsprogs reads it."""
    run("debugfs", "-R", f'dump "{path}" {to}', image)
    return to.read_bytes()


def debugged(image: Path, *commands: str) -> None:
    """Change an image by debugfs, as no kernel would."""
    program = shutil.which("debugfs", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        pytest.skip("debugfs is not installed")
    for command in commands:
        subprocess.run([program, "-w", "-R", command, image], capture_output=True, check=True)


def small_image(folder: Path, *options: str, size: int = 4 * MIB) -> Path:
    """An image with a few files, for what does not depend on how many there are."""
    root = folder / "root"
    root.mkdir()
    (root / "etc").mkdir()
    (root / "etc" / "conf").write_text("good = yes\n")
    (root / "etc" / "link").symlink_to("conf")
    (root / "data").write_bytes(random.Random(1).randbytes(300_000))
    return make_image(folder / "image", root, *options, size=size)
