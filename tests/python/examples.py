"""The files of the folder examples, with their paths replaced by those of a test."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from conftest import NotPermitted, run, unmount
from helpers import MIB
from splitmirror import config

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

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file, self.mirror = folder / "volume", folder / "mirror"
        self.mountpoint = folder / "shop"

    @property
    def places(self) -> dict[str, Path | str]:
        """What stands for what in an example."""
        # The first may be a part of what the second is replaced by.
        return {"/run/shop/volume": self.file, "/shop": self.mountpoint}

    @property
    def mounted(self) -> bool:
        return os.path.ismount(self.mountpoint)

    def settle(self) -> None:
        """Bring everything that was written to the file."""
        run("sync", "--file-system", self.mountpoint)


def need(*programs: str) -> None:
    """Skip where one of the programs that an example runs is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@contextlib.contextmanager
def volume(size: int = 64 * MIB) -> Iterator[Volume]:
    """A new volume in a folder that other users can reach; skipped where none can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    need("mount", "umount", "mountpoint")
    folder = Path(tempfile.mkdtemp(prefix="splitmirror-", dir="/var/tmp"))
    folder.chmod(0o755)
    made = Volume(folder)
    made.mountpoint.mkdir()
    try:
        with made.file.open("wb") as file:
            file.truncate(size)
        try:
            # What is initialized later, in the background, would make the file change by itself.
            lazily = "lazy_itable_init=0,lazy_journal_init=0"
            run("mkfs.ext4", "-q", "-F", "-E", lazily, made.file)
            run("mount", "-o", "loop", made.file, made.mountpoint)
        except NotPermitted as reason:
            pytest.skip(f"no ext4 on a loop device here: {reason}")
        yield made
    finally:
        if made.mounted:
            unmount(made.mountpoint)
        shutil.rmtree(folder)
