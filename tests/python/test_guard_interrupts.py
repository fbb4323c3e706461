"""Ctrl-C at any moment of a guard, once or often: a real process, real signals."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from guards import following, started
from helpers import MIB, digest
from splitmirror import MirrorPair, State
from splitmirror.states import Condition

# Spoils all of the source in the block, and says when a verb is called and when it has ended.
BLOCK = """
import sys, time, splitmirror
pair = splitmirror.MirrorPair.open(sys.argv[1])
length = pair.source_length
spoilt = bytes([0xee]) * (1 << 20)
for name in ("split", "refresh", "restore", "establish"):
    def verb(*args, real=getattr(pair, name), name=name, **options):
        print(name, flush=True)
        report = real(*args, **options)
        print(name, "ended", flush=True)
        return report
    setattr(pair, name, verb)
for offset in range(0, length if "before" in sys.argv else 0, 1 << 20):
    pair.write(offset, spoilt)
try:
    with pair.guard(label="numbers", new_point="new" in sys.argv):
        for offset in range(0, length, 1 << 20):
            pair.write(offset, spoilt)
        pair.flush()
        print("block", flush=True)
        if "wait" in sys.argv:
            time.sleep(3600)
    print("after", flush=True)
except BaseException as stop:
    print("raised", type(stop).__name__, *getattr(stop, "__notes__", ()), flush=True)
"""


def pair_of(folder: Path, length: int) -> tuple[Path, str]:
    """A pair that follows, closed: its mirror, and the digest of both sides."""
    with following(folder, length=length) as pair:
        return pair.mirror_path, digest(pair.source_path)


def lines_until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """What the process prints, up to a line that begins so."""
    assert process.stdout is not None
    found: list[str] = []
    while not found or not found[-1].startswith(wanted):
        line = process.stdout.readline()
        assert line, f"no {wanted!r} in {found}; {process.stderr and process.stderr.read()}"
        found.append(line.strip())
    return found


def ended(process: subprocess.Popen[str]) -> list[str]:
    """What it still printed; it has not failed in another way than it tells."""
    out, error = process.communicate()
    assert error == ""
    assert process.returncode == 0
    return out.splitlines()


def test_an_interrupt_of_the_block_restores(tmp_path: Path) -> None:
    mirror, good = pair_of(tmp_path, 4 * MIB)
    process = started(BLOCK, mirror, "wait")
    lines_until(process, "block")
    process.send_signal(signal.SIGINT)
    assert ended(process) == [
        "restore",
        "restore ended",
        "raised KeyboardInterrupt guard: 64 blocks of the source restored; the mirror stays split "
        "with the point 'guard: numbers'",
    ]
    with MirrorPair.open(mirror) as pair:
        assert (pair.state, pair.status().changed_blocks) == (State.SPLIT, 0)
        assert digest(pair.source_path) == good == digest(mirror)


def test_interrupts_while_the_source_is_restored_wait_for_it(tmp_path: Path) -> None:
    mirror, good = pair_of(tmp_path, 256 * MIB)
    process = started(BLOCK, mirror, "wait")
    lines_until(process, "block")
    process.send_signal(signal.SIGINT)
    lines_until(process, "restore")
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.005)
    told = ended(process)
    # The restore was not cut short, and one interrupt came out at the end, once.
    assert told[0] == "restore ended"
    assert told[1].startswith("raised KeyboardInterrupt guard: 4,096 blocks of the source restored")
    assert len(told) == 2
    assert digest(mirror) == good == digest(mirror.with_name("source"))
    with MirrorPair.open(mirror) as pair:
        assert (pair.state, pair.conditions) == (State.SPLIT, frozenset())


@pytest.mark.parametrize("during", ["split", "establish"])
def test_an_interrupt_of_the_entry_or_the_success_waits_too(tmp_path: Path, during: str) -> None:
    mirror, good = pair_of(tmp_path, 16 * MIB)
    process = started(BLOCK, mirror)
    lines_until(process, during)
    process.send_signal(signal.SIGINT)
    told = ended(process)
    assert any(line.startswith("raised KeyboardInterrupt") for line in told) or (
        # It can come in the moment after the guard.
        "after" in told
    )
    with MirrorPair.open(mirror) as pair:
        same = digest(pair.source_path) == good
        if "block" in told or during == "establish":
            assert not same
        # Either the guard was not entered, or it has ended well: or the block was interrupted.
        assert pair.state is State.SYNCHRONIZED or (same and pair.state is State.SPLIT)
        assert pair.conditions == frozenset()


def test_an_interrupt_cancels_the_copying_of_a_new_point(tmp_path: Path) -> None:
    mirror, _ = pair_of(tmp_path, 256 * MIB)
    with MirrorPair.open(mirror) as pair:
        pair.split()
    process = started(BLOCK, mirror, "new", "before")
    lines_until(process, "refresh")
    process.send_signal(signal.SIGINT)
    told = ended(process)
    assert told[-1].startswith("raised KeyboardInterrupt")
    with MirrorPair.open(mirror) as pair:
        assert pair.state in (State.UNSYNCHRONIZED, State.SYNCHRONIZED, State.SPLIT)
        pair.establish()
        assert digest(pair.source_path) == digest(mirror)


def test_an_interrupt_at_any_moment_leaves_a_documented_state(tmp_path: Path) -> None:
    chooser = random.Random(5)
    mirror, good = pair_of(tmp_path, 4 * MIB)
    for _ in range(12):
        process = started(BLOCK, mirror)
        # From the moment in which the pair is opened to the one in which the guard has ended.
        lines_until(process, "split")
        for _ in range(3):
            time.sleep(chooser.random() * 0.02)
            process.send_signal(signal.SIGINT)
        process.communicate()
        with MirrorPair.open(mirror) as pair:
            status = pair.status()
            assert Condition.RESTORE_PENDING not in status.conditions
            changed = digest(pair.source_path) != good
            if status.state is State.SPLIT:
                # The block was interrupted, and the point was used.
                assert not changed
                assert digest(mirror) == good
                pair.establish()
            else:
                # Not entered, or ended well.
                assert status.state is State.SYNCHRONIZED
                assert digest(mirror) == digest(pair.source_path)
                good = digest(mirror)
