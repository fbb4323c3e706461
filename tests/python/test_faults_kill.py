"""A process killed at the K-th system call of each verb: what it left is legal and is finished.

`SPLITMIRROR_KILL_ROUNDS` is how many processes are killed; the rounds go over verbs and system
calls first and then deeper into each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import splitmirror
from helpers import KIB, digest, overwrite, write_pattern
from splitmirror import MirrorPair, errors
from strace import KILLED, need_strace, run_injected

ROUNDS = int(os.environ.get("SPLITMIRROR_KILL_ROUNDS", "60"))
LENGTH = 1024 * KIB
STAGES = ("create", "establish", "write", "split", "seal", "restore", "refresh")
CALLS = ("pwrite64", "fdatasync", "fsync", "renameat,rename,renameat2", "ftruncate", "openat")
# Opening Python itself takes many calls of openat, before any of ours.
OPENAT = "openat"
WRITTEN = b"through the pair"

PROGRAM = """
import sys
from splitmirror import MirrorPair
stage, source, mirror = sys.argv[1:4]
if stage == "create":
    pair = MirrorPair.create(source, mirror, block_size=4096)
else:
    pair = MirrorPair.open(mirror)
    if stage == "write":
        pair.write(12_345, b"through the pair")
        pair.flush()
    elif stage == "split":
        pair.split(label="good")
    else:
        getattr(pair, stage)()
print("told", flush=True)
pair.close()
print("closed", flush=True)
"""


class Scene:
    """A pair brought to the state in which a stage begins."""

    def __init__(self, folder: Path, stage: str) -> None:
        folder.mkdir()
        self.stage = stage
        self.source, self.mirror = folder / "source", folder / "mirror"
        write_pattern(self.source, LENGTH, seed=18)
        if stage != "create":
            with MirrorPair.create(self.source, self.mirror, block_size=4 * KIB) as pair:
                if stage != "establish":
                    pair.establish()
                if stage in ("seal", "restore", "refresh"):
                    pair.split(label="good")
                if stage in ("restore", "refresh"):
                    pair.seal()
        self.good = digest(self.source)
        if stage in ("restore", "refresh"):
            for block in range(0, 256, 5):
                overwrite(self.source, block * 4 * KIB, b"bad")
        self.bad = digest(self.source)

    def check(self, told: bool) -> None:
        """What was left is legal, and what was told is there."""
        try:
            status = splitmirror.status(self.mirror)
        except errors.CatalogMissingError:
            assert self.stage == "create"
            assert not told
            assert digest(self.source) == self.good
            # The mirror may have been made, and named, before its catalog.
            MirrorPair.create(self.source, self.mirror, overwrite=True).close()
            status = splitmirror.status(self.mirror)
        legal, after = LEGAL[self.stage]
        assert status.state in legal
        assert status.owner_pid is None
        if told:
            assert status.state == after
        if status.state == "split" and self.stage != "refresh":
            assert digest(self.mirror) == self.good, "a split mirror is its point in time"
        if self.stage in ("establish", "split", "seal", "refresh"):
            assert digest(self.source) == self.bad, "the source is only read"
        if told and self.stage == "write":
            assert self.source.read_bytes()[12_345:].startswith(WRITTEN)

    def finish(self) -> None:
        """The next verb, as status advises it, brings the pair to its end."""
        with MirrorPair.open(self.mirror) as pair:
            if pair.state in ("initialized", "unsynchronized"):
                pair.establish()
            if pair.state == "synchronized":
                try:
                    pair.split()
                except errors.OutsideWritesError:
                    # After a crash nobody can say; refresh() compares.
                    pair.refresh()
            if "restore-pending" in pair.conditions:
                pair.resume_restore()
            else:
                pair.restore()
            assert pair.seal().root == pair.restore().root_after
            assert pair.verify().matches
        assert digest(self.source) == digest(self.mirror)
        if self.stage not in ("write", "refresh"):
            assert digest(self.source) == self.good


LEGAL: dict[str, tuple[set[str], str]] = {
    "create": ({"initialized"}, "initialized"),
    "establish": ({"initialized", "unsynchronized", "synchronized"}, "synchronized"),
    "write": ({"synchronized"}, "synchronized"),
    "split": ({"synchronized", "split"}, "split"),
    "seal": ({"split"}, "split"),
    "restore": ({"split"}, "split"),
    "refresh": ({"split", "unsynchronized", "synchronized"}, "split"),
}


def points() -> Iterator[tuple[str, str, int]]:
    """(stage, system calls, K), the shallow ones first."""
    for depth in range(1, 10_000):
        for stage in STAGES:
            for calls in CALLS:
                yield stage, calls, depth


@pytest.mark.kill
def test_a_process_killed_anywhere_leaves_a_legal_pair(tmp_path: Path) -> None:
    need_strace()
    killed, survived = 0, set[tuple[str, str]]()
    first_openat = openat_before_ours()
    for stage, calls, depth in points():
        if killed >= ROUNDS or len(survived) == len(STAGES) * len(CALLS):
            break
        if (stage, calls) in survived:
            continue
        scene = Scene(tmp_path / f"{stage}-{calls.split(',')[0]}-{depth}", stage)
        when = depth + (first_openat if calls == OPENAT else 0)
        done = run_injected(
            PROGRAM,
            stage,
            scene.source,
            scene.mirror,
            calls=calls,
            fault=f"signal=SIGKILL:when={when}",
        )
        what = f"{stage} killed at {calls} number {when}"
        assert done.returncode in (0, KILLED), f"{what}: {done.stderr}"
        if done.returncode == 0:
            survived.add((stage, calls))
            continue
        killed += 1
        try:
            scene.check(told="told" in done.stdout)
            scene.finish()
        except BaseException as error:
            error.add_note(what)
            raise
    print(f"{killed} processes were killed")
    assert killed >= min(ROUNDS, 40)


def openat_before_ours() -> int:
    """How many files the main thread opens before the pair: those of Python and its modules."""
    low, high = 0, 1 << 14
    while high - low > 1:
        middle = (low + high) // 2
        done = run_injected(
            "import sys; from splitmirror import MirrorPair",
            calls="openat",
            fault=f"signal=SIGKILL:when={middle}",
        )
        low, high = (middle, high) if done.returncode == KILLED else (low, middle)
    return low
