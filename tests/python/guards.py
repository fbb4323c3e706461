"""What the tests of guards share: a pair that follows, and blocks that fail."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from helpers import write_pattern
from scenes import BLOCK, LENGTH
from splitmirror import MirrorPair


class Bad(Exception):
    """What a block raises."""


def following(folder: Path, *, name: str = "source", length: int = LENGTH) -> MirrorPair:
    """A new pair whose mirror follows; in mode exclusive, so that marks are believed anywhere."""
    source = folder / name
    write_pattern(source, length, seed=3)
    mirror = folder / f"{name}.mirror"
    pair = MirrorPair.create(source, mirror, mode="exclusive", block_size=BLOCK)
    pair.establish()
    return pair


def spoil(pair: MirrorPair, *blocks: int) -> None:
    """Overwrite some blocks of the source, through the pair."""
    for block in blocks:
        pair.write(block * BLOCK, b"\xee" * BLOCK)


def fail(pair: MirrorPair, *blocks: int) -> None:
    """A block that fails half-way."""
    spoil(pair, *blocks)
    raise Bad("the numbers are wrong")


def started(program: str, *arguments: object) -> subprocess.Popen[str]:
    """A process of its own that prints a line at each step and reads one where it waits."""
    # Ctrl-C of whoever runs the tests is not for it, and it may have been told to ignore SIGINT.
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_heed,
    )


def _heed() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
