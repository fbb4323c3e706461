"""The tools that a user would pick instead, and how their commands are put.

Those that write are followed by `sync -d` of what they wrote where they have no such option of
their own: what splitmirror reports as done is on stable storage, so theirs has to be too.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

Command = list[str | Path]


@dataclass(frozen=True)
class Tool:
    """A program that may be missing."""

    name: str
    install: str

    @property
    def present(self) -> bool:
        """Whether it can be run."""
        return shutil.which(self.name) is not None

    def version(self) -> str:
        """The first line that it says about itself."""
        flag = "version" if self.name == "openssl" else "--version"
        said = subprocess.run([self.name, flag], capture_output=True, text=True, check=False)
        return (said.stdout or said.stderr).strip().split("\n")[0]


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("cp", "apt install coreutils"),
        Tool("dd", "apt install coreutils"),
        Tool("rsync", "apt install rsync"),
        Tool("cmp", "apt install diffutils"),
        Tool("qemu-img", "apt install qemu-utils"),
        Tool("b3sum", "apt install b3sum, or cargo install b3sum"),
        Tool("sha256sum", "apt install coreutils"),
        Tool("openssl", "apt install openssl"),
    )
}


@dataclass(frozen=True)
class Peer:
    """One way of using a tool: what it is called in the table, and its commands in order."""

    name: str
    tool: str
    commands: tuple[Command, ...]


def copying(source: Path, target: Path) -> list[Peer]:
    """Make `target` a copy of `source`."""
    durable: Command = ["sync", "-d", target]
    return [
        Peer(
            "cp --reflink=never; sync -d",
            "cp",
            (["cp", "--reflink=never", source, target], durable),
        ),
        Peer("cp; sync -d", "cp", (["cp", source, target], durable)),
        Peer("rsync -W; sync -d", "rsync", (["rsync", "-W", source, target], durable)),
        Peer(
            "dd bs=1M conv=fdatasync",
            "dd",
            (["dd", f"if={source}", f"of={target}", "bs=1M", "conv=fdatasync", "status=none"],),
        ),
    ]


def restoring(good: Path, changed: Path) -> list[Peer]:
    """Bring `changed` back to the content of `good`. Times do not tell, so rsync must not ask."""
    durable: Command = ["sync", "-d", changed]
    rsync: Command = ["rsync", "--inplace", "--no-whole-file", "--ignore-times", good, changed]
    return [
        Peer("rsync --inplace --no-whole-file; sync -d", "rsync", (rsync, durable)),
        Peer("cp; sync -d", "cp", (["cp", good, changed], durable)),
    ]


def comparing(left: Path, right: Path) -> list[Peer]:
    """Say by the exit code whether two files are equal."""
    qemu: Command = ["qemu-img", "compare", "-q", "-f", "raw", "-F", "raw", left, right]
    return [
        Peer("cmp", "cmp", (["cmp", "-s", left, right],)),
        Peer("qemu-img compare", "qemu-img", (qemu,)),
    ]


def digesting(path: Path) -> list[Peer]:
    """Print the digest of a file."""
    return [
        Peer("b3sum", "b3sum", (["b3sum", path],)),
        Peer("sha256sum", "sha256sum", (["sha256sum", path],)),
        Peer("openssl dgst -sha256", "openssl", (["openssl", "dgst", "-sha256", "-r", path],)),
    ]
