"""The files of the folder examples, with their paths replaced by those of a test."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import pytest
from conftest import NotPermitted, run, unmount
from helpers import MIB
from mounts import need, served_here
from splitmirror import MirrorPair, config

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.glob("*.toml"))


def example(name: str, places: Mapping[str, Path | str] | None = None) -> str:
    """The text of an example; every place that is to be replaced must be in it."""
    text = (EXAMPLES / name).read_text()
    for old, new in (places or {}).items():
        assert old in text, f"{name} has no {old} any more"
        text = text.replace(old, str(new))
    return text


def configure(folder: Path, text: str) -> None:
    """Make a text the configuration of the pair whose catalog is in a folder."""
    path = folder / config.NAME
    path.write_text(text)
    path.chmod(0o600)


class Volume:
    """A file that holds an ext4 file system, mounted through a loop device."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.folder = folder
        self.file, self.mirror = file, folder / "mirror"
        self.mountpoint = folder / "shop"
        self.mountpoint.mkdir()

    @property
    def places(self) -> dict[str, Path | str]:
        """What stands for what in an example."""
        # The first may be a part of what the second is replaced by.
        return {"/run/shop/volume": self.file, "/shop": self.mountpoint}

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Self]:
        """Make the file system and mount it; skipped where that cannot be done."""
        try:
            # What is initialized later, in the background, would make the file change by itself.
            lazily = "lazy_itable_init=0,lazy_journal_init=0"
            run("mkfs.ext4", "-q", "-F", "-E", lazily, self.file)
            run("mount", "-o", "loop", self.file, self.mountpoint)
        except NotPermitted as reason:
            pytest.skip(f"no ext4 on a loop device here: {reason}")
        try:
            yield self
        finally:
            if os.path.ismount(self.mountpoint):
                unmount(self.mountpoint)

    def settle(self) -> None:
        """Bring everything that was written to the file."""
        run("sync", "--file-system", self.mountpoint)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach; skipped where nothing could be mounted in it."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    need("mount", "umount", "mountpoint")
    folder = Path(tempfile.mkdtemp(prefix="splitmirror-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def volume(size: int = 64 * MIB) -> Iterator[Volume]:
    """A file that programs write round the pair, with a file system that is mounted."""
    with open_folder() as folder:
        write_zeros(folder / "volume", size)
        with Volume(folder, folder / "volume").mounted() as made:
            yield made


@contextlib.contextmanager
def served_volume(size: int = 64 * MIB) -> Iterator[tuple[MirrorPair, Volume]]:
    """A volume that this process serves for its pair, with a file system that is mounted."""
    with open_folder() as folder:
        write_zeros(folder / "source", size)
        made = MirrorPair.create(folder / "source", folder / "mirror", mode="exclusive")
        with made as pair:
            pair.establish()
            with (
                served_here(pair, folder / "run") as file,
                Volume(folder, file).mounted() as shop,
            ):
                yield pair, shop


def write_zeros(path: Path, size: int) -> None:
    """Make a sparse file."""
    with path.open("wb") as file:
        file.truncate(size)
