"""Volumes that are mounted for a test, and always unmounted; skips where that cannot be done."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import MIB
from splitmirror import MirrorPair, Mounted, _core, mount

LENGTH = 16 * MIB


def need_fuse() -> None:
    """Skip, with the reason, where a volume cannot be mounted."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no mounts here: /dev/fuse cannot be opened")
    if os.geteuid() != 0 and shutil.which("fusermount3") is None:
        pytest.skip("no mounts here: neither root nor fusermount3")


def need(*programs: str) -> None:
    """Skip, with the reason, where a program is not installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for program in programs:
        if shutil.which(program, path=path) is None:
            pytest.skip(f"{program} is not installed")


def exclusive(folder: Path, *, length: int = LENGTH, mirrors: int = 1) -> list[Path]:
    """A synchronized pair of mode "exclusive" of a sparse source; gives its mirrors."""
    source = folder / "source"
    if not source.exists():
        with source.open("wb") as file:
            file.truncate(length)
    made = [folder / f"mirror-{number}" for number in range(mirrors)]
    for mirror in made:
        with MirrorPair.create(source, mirror, mode="exclusive") as pair:
            pair.establish()
    return made


def away(mountpoint: Path) -> None:
    """Take a mount away, whatever became of the test and of the process that served it."""
    deadline = time.monotonic() + 10
    while is_mounted(mountpoint):
        program = ["umount"] if os.geteuid() == 0 else ["fusermount3", "-u"]
        if time.monotonic() > deadline:
            program = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
        subprocess.run([*program, mountpoint], check=False, capture_output=True)
        time.sleep(0.02)


def is_mounted(mountpoint: Path) -> bool:
    """Whether the kernel lists a mount on the folder."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4] == str(mountpoint) for line in lines)


@contextlib.contextmanager
def served(mirror: Path, mountpoint: Path, **options: object) -> Iterator[Mounted]:
    """A volume that a process of its own serves."""
    need_fuse()
    mountpoint.mkdir(exist_ok=True)
    mounted = mount(mirror, mountpoint, **options)  # type: ignore[arg-type]
    process = os.pidfd_open(mounted.pid)
    try:
        yield mounted
    finally:
        away(mountpoint)
        os.close(process)


@contextlib.contextmanager
def served_here(pair: MirrorPair, mountpoint: Path) -> Iterator[Path]:
    """A volume that this process serves, so that a test can call the verbs; gives its file."""
    need_fuse()
    mountpoint.mkdir(exist_ok=True)
    # The serving threads never need the interpreter, so this one may wait for them with it.
    served = _core.Mount.start(pair._core, mountpoint)
    try:
        yield mountpoint / "volume"
    finally:
        away(mountpoint)
        assert served.wait(20)
