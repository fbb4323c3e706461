"""Several mirrors of one source, each in a folder of its own, as several tests need them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from scenes import BLOCK
from splitmirror import MirrorPair
from splitmirror.reports import SiblingStatus

Mode = Literal["shared", "exclusive"]


def mirror_place(source: Path, number: int) -> Path:
    """The path of a mirror, in a folder that can be moved away."""
    return source.parent / f"disk-{number}" / "mirror"


def make_mirror(
    source: Path, number: int, *, mode: Mode = "exclusive", block_size: int = BLOCK
) -> MirrorPair:
    """A new pair of `source`, synchronized."""
    place = mirror_place(source, number)
    place.parent.mkdir()
    pair = MirrorPair.create(source, place, mode=mode, block_size=block_size)
    pair.establish()
    return pair


@contextlib.contextmanager
def mirrors_of(
    source: Path, count: int, *, mode: Mode = "exclusive", sizes: Sequence[int] = ()
) -> Iterator[list[MirrorPair]]:
    """So many synchronized pairs of `source`; all are closed afterwards."""
    with contextlib.ExitStack() as stack:
        pairs = []
        for number in range(count):
            size = sizes[number] if sizes else BLOCK
            pair = make_mirror(source, number, mode=mode, block_size=size)
            pairs.append(stack.enter_context(pair))
        yield pairs


def sibling(pair: MirrorPair, of: MirrorPair | Path) -> SiblingStatus:
    """What the status of a pair says of another mirror of its source."""
    path = of if isinstance(of, Path) else of.mirror_path
    found = [entry for entry in pair.status().siblings if entry.mirror == str(path)]
    assert len(found) == 1, f"{path} is {len(found)} times in the status"
    return found[0]


def tracked(pair: MirrorPair) -> tuple[bool, str]:
    """Whether the record of changes is believed, and the reason that a plan would have."""
    tracking = pair.status().tracking
    assert tracking is not None
    return tracking.believed, tracking.reason


def same_bytes(pair: MirrorPair) -> bool:
    """Whether both files are equal, as the file system has them."""
    return pair.source_path.read_bytes() == pair.mirror_path.read_bytes()


def in_another_process(program: str, *arguments: Path | str) -> Any:
    """Run a Python program to its end; what it printed as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
