"""Establish and restore that were interrupted: by a token, by an exception, by a kill.

Issue point 4; requirement R10; invariants I1, I4 and I5. What is left is always a legal state, and
the advice of the status leads on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import MIB, digest, overwrite, write_pattern
from scenes import BLOCK, LENGTH, cancelled_at_once, make_source, split
from splitmirror import MirrorPair, State, errors
from splitmirror.states import Condition

# Runs a verb in a process of its own, which kills itself at the first sign of progress.
KILLED = """
import os, signal, sys, splitmirror
def die(phase, done, total):
    os.kill(os.getpid(), signal.SIGKILL)
pair = splitmirror.MirrorPair.open(sys.argv[1])
getattr(pair, sys.argv[2])(progress=die)
"""


class Enough(Exception):
    pass


def enough(phase: str, done: int, total: int) -> None:
    raise Enough(phase)


@pytest.fixture
def pending(any_fs: Path) -> Iterator[tuple[MirrorPair, bytes]]:
    """A pair whose restore was cancelled before its first block, and the good bytes."""
    source = make_source(any_fs)
    with split(source) as pair:
        good = source.read_bytes()
        overwrite(source, 0, b"\xee" * LENGTH)
        cancelled_at_once(pair.restore)
        yield pair, good


def test_a_pending_restore_shows_itself_and_says_how_to_go_on(
    pending: tuple[MirrorPair, bytes],
) -> None:
    pair, good = pending
    status = pair.status()
    assert (status.state, status.pending_blocks) == (State.SPLIT, 17)
    # Written natively before, and not compared yet.
    assert set(status.conditions) == {Condition.RESTORE_PENDING, Condition.OUTSIDE_WRITES}
    for words in ("resume_restore()", "restart=True", "abandon_restore()"):
        assert any(words in sentence for sentence in status.advice)
    assert set(pair.block_map().tolist()) == {2}
    # R4: what is not restored yet is read from the mirror.
    assert pair.read(0, LENGTH) == good
    for verb in (pair.establish, pair.refresh, pair.detach):
        with pytest.raises((errors.ProtectedError, errors.StateError)):
            verb()
    assert digest(pair.mirror_path) == digest_of(good)


def digest_of(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def test_i5_resuming_keeps_what_was_written_through_the_pair_meanwhile(
    pending: tuple[MirrorPair, bytes],
) -> None:
    pair, good = pending
    # R11: a part of a pending block, and a whole one.
    pair.write(BLOCK + 100, b"the application's")
    pair.write(3 * BLOCK, b"w" * BLOCK)
    pair.flush()
    expected = bytearray(good)
    expected[BLOCK + 100 : BLOCK + 117] = b"the application's"
    expected[3 * BLOCK : 4 * BLOCK] = b"w" * BLOCK
    assert pair.read(0, LENGTH) == bytes(expected)
    pair.close()
    with MirrorPair.open(pair.mirror_path) as again:
        assert again.status().pending_blocks == 15
        assert again.read(0, LENGTH) == bytes(expected)
        receipt = again.resume_restore()
        assert (receipt.resumed, receipt.complete) == (True, True)
        assert receipt.mirror_unchanged
        assert again.source_path.read_bytes() == bytes(expected)
        assert Condition.RESTORE_PENDING not in again.conditions
        # The application's blocks are known to differ from the point.
        assert again.restore().complete
        assert again.source_path.read_bytes() == good
        assert again.conditions == frozenset()


def test_a_restart_restores_also_what_was_written_meanwhile(
    pending: tuple[MirrorPair, bytes],
) -> None:
    pair, good = pending
    pair.write(3 * BLOCK, b"w" * BLOCK)
    with pytest.raises(errors.StateError):
        pair.restore()
    receipt = pair.restore(restart=True)
    assert (receipt.resumed, receipt.complete) == (False, True)
    assert pair.source_path.read_bytes() == good


def test_abandoning_lists_what_stays_and_a_later_restore_takes_it(
    pending: tuple[MirrorPair, bytes],
) -> None:
    pair, good = pending
    pair.write(0, b"w" * BLOCK)
    report = pair.abandon_restore()
    assert report.state is State.SPLIT
    assert Condition.RESTORE_PENDING not in report.conditions
    assert report.unrestored == ((BLOCK, LENGTH - BLOCK),)
    assert report.blocks_unrestored == 16
    assert pair.source_path.read_bytes() == b"w" * BLOCK + b"\xee" * (LENGTH - BLOCK)
    with pytest.raises(errors.StateError):
        pair.resume_restore()
    pair.restore()
    assert pair.source_path.read_bytes() == good


def test_an_exception_of_the_progress_callback_leaves_a_legal_state(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_pattern(source, 32 * MIB, seed=2)
    with MirrorPair.create(source, tmp_path / "mirror") as pair:
        with pytest.raises(Enough):
            pair.establish(progress=enough)
        assert pair.state in (State.UNSYNCHRONIZED, State.SYNCHRONIZED)
        pair.refresh()
        good = digest(source)
        assert digest(pair.mirror_path) == good
        overwrite(source, 0, b"\xee" * (32 * MIB))
        with pytest.raises(Enough):
            pair.restore(progress=enough)
        assert pair.status().state is State.SPLIT
        if Condition.RESTORE_PENDING in pair.conditions:
            pair.resume_restore()
        assert digest(source) == good == digest(pair.mirror_path)


def killed(mirror: Path, verb: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, mirror, verb], check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_killed_establish_is_resumed_by_calling_it_again(any_fs: Path) -> None:
    source = any_fs / "source"
    write_pattern(source, 8 * MIB, seed=2)
    with MirrorPair.create(source, any_fs / "mirror") as pair:
        pass
    killed(any_fs / "mirror", "establish")
    with MirrorPair.open(any_fs / "mirror") as pair:
        # At the earliest before the first byte, at the latest after the last.
        assert pair.state in (State.INITIALIZED, State.UNSYNCHRONIZED, State.SYNCHRONIZED)
        pair.refresh()
        assert digest(any_fs / "mirror") == digest(source)
        assert pair.verify().matches


def test_a_killed_establish_of_a_split_pair_never_leaves_split(any_fs: Path) -> None:
    source = any_fs / "source"
    write_pattern(source, 8 * MIB, seed=2)
    with split(source):
        pass
    overwrite(source, 0, os.urandom(8 * MIB))
    killed(any_fs / "mirror", "establish")
    with MirrorPair.open(any_fs / "mirror") as pair:
        assert pair.state in (State.UNSYNCHRONIZED, State.SYNCHRONIZED)
        assert pair.status().label is None
        pair.establish()
        assert digest(any_fs / "mirror") == digest(source)


def test_i4_a_killed_restore_is_resumed_from_what_was_durable(any_fs: Path) -> None:
    source = any_fs / "source"
    write_pattern(source, 8 * MIB, seed=2)
    with split(source):
        good = digest(source)
    overwrite(source, 0, os.urandom(8 * MIB))
    before = (any_fs / "mirror").stat().st_ctime_ns
    killed(any_fs / "mirror", "restore")
    with MirrorPair.open(any_fs / "mirror") as pair:
        assert pair.state is State.SPLIT
        if Condition.RESTORE_PENDING in pair.conditions:
            assert pair.open_mirror().read(100) == pair.read(0, 100)
            assert pair.resume_restore().complete
        else:
            pair.restore()
        assert digest(source) == good == digest(any_fs / "mirror")
        # I1: nothing wrote the mirror, not even its attributes.
        assert (any_fs / "mirror").stat().st_ctime_ns == before


def test_a_cancelled_establish_keeps_following_writes_and_resumes(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        pair.write(5 * BLOCK, b"newer")
        cancelled_at_once(pair.establish)
        assert pair.state is State.UNSYNCHRONIZED
        pair.write(7 * BLOCK, b"newest")
        report = pair.establish()
        assert (report.reason, report.blocks_copied) == ("bitmap", 2)
        assert digest(source) == digest(pair.mirror_path)
