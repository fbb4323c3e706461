"""Arrays beside other processes: killed, forked, cut by somebody, in a sandbox.

What must end the interpreter when it goes wrong runs in a child.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import MIB, digest
from scenes import child
from splitmirror import MirrorPair, errors
from strace import run_injected

LENGTH = 2 * MIB
TRACKING = ("pages", "compare")
BOTH = pytest.mark.parametrize("tracking", TRACKING)


def make(folder: Path, *, mode: str = "shared", split: bool = True) -> Path:
    """A pair of `folder`/source, closed; gives the mirror's path."""
    source, mirror = folder / "source", folder / "mirror"
    source.write_bytes(bytes(range(256)) * (LENGTH // 256))
    with MirrorPair.create(source, mirror, mode=mode) as pair:  # type: ignore[arg-type]
        pair.establish()
        if split:
            pair.split(label="good")
    return mirror


def run(program: str, *arguments: Path | str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


STORE_AND_WAIT = """
import sys
from splitmirror import MirrorPair
mirror, tracking = sys.argv[1:]
pair = MirrorPair.open(mirror)
array = pair.array("u1", tracking=tracking, mirroring="on-flush")
array[5] = 99
pair.flush()
array[1_000_000:1_000_100] = 77
print("stored", flush=True)
sys.stdin.read()
"""


@BOTH
@pytest.mark.parametrize("mode", ["shared", "exclusive"])
def test_i4_a_killed_program_leaves_no_store_unknown_to_a_restore(
    tmp_path: Path, tracking: str, mode: str
) -> None:
    mirror = make(tmp_path, mode=mode)
    with child(STORE_AND_WAIT, mirror, tracking) as process:
        process.kill()
    point = digest(mirror)
    with MirrorPair.open(mirror) as pair:
        assert pair.read(5, 1) == b"c", "the store is in the source"
        pair.restore()
        assert digest(tmp_path / "source") == digest(mirror) == point


@BOTH
def test_i4_a_killed_program_leaves_no_store_unknown_to_a_synchronized_mirror(
    tmp_path: Path, tracking: str
) -> None:
    mirror = make(tmp_path, split=False)
    with child(STORE_AND_WAIT, mirror, tracking) as process:
        process.kill()
    with MirrorPair.open(mirror) as pair:
        with pytest.raises(errors.OutsideWritesError):
            pair.split()
        pair.refresh(label="after the kill")
        assert digest(tmp_path / "source") == digest(mirror)
        assert pair.read(1_000_000, 1) == b"M"


FORK = """
import os, sys
from splitmirror import MirrorPair, errors
mirror, tracking = sys.argv[1:]
pair = MirrorPair.open(mirror)
array = pair.array("u1", tracking=tracking, mirroring="on-flush")
child = os.fork()
if child == 0:
    array[300_000] = 1  # nobody sees this one
    try:
        pair.flush()
    except errors.ForkedPairError:
        os._exit(0)
    os._exit(1)
assert os.waitpid(child, 0)[1] == 0, "a verb in the child"
array[600_000] = 2
pair.flush()
print(*pair.status().conditions)
if pair.state == "split":
    pair.restore()
del array
pair.close()
"""


@BOTH
def test_i4_a_forked_child_may_store_and_a_restore_still_brings_all_back(
    tmp_path: Path, tracking: str
) -> None:
    mirror = make(tmp_path)
    conditions = run(FORK, mirror, tracking).split()
    if tracking == "pages":
        assert "tracker-lost" in conditions
    assert digest(tmp_path / "source") == digest(mirror)


@BOTH
def test_a_forked_child_may_store_and_a_flush_still_brings_all_to_the_mirror(
    tmp_path: Path, tracking: str
) -> None:
    mirror = make(tmp_path, split=False)
    run(FORK, mirror, tracking)
    source = (tmp_path / "source").read_bytes()
    assert source == mirror.read_bytes()
    assert (source[300_000], source[600_000]) == (1, 2)


CUT = """
import os, sys
from splitmirror import MirrorPair, SplitMirrorError
mirror, source, tracking, state = sys.argv[1:]
pair = MirrorPair.open(mirror)
array = pair.array("u1", tracking=tracking, mirroring="on-flush")
array[0] = 7
array[1_500_000] = 8
os.truncate(source, 1_000_000)
said = []
for verb in (pair.flush, pair.status, pair.plan_restore, pair.split, pair.restore, pair.verify):
    try:
        verb()
    except SplitMirrorError as error:
        said.append(type(error).__name__)
array = None
pair.close()
print("alive")
"""


@BOTH
@pytest.mark.parametrize("split", [True, False])
def test_i9_a_file_that_somebody_cuts_under_an_array_does_not_end_the_program(
    tmp_path: Path, tracking: str, split: bool
) -> None:
    mirror = make(tmp_path, split=split)
    point = digest(mirror)
    said = run(CUT, mirror, tmp_path / "source", tracking, str(split))
    assert said.splitlines()[-1] == "alive"
    if split:
        assert digest(mirror) == point
    with MirrorPair.open(mirror) as pair:
        if pair.state == "split":
            pair.restore()
            assert digest(tmp_path / "source") == digest(mirror)


SANDBOX = """
import sys
import numpy as np
from splitmirror import MirrorPair, errors
mirror = sys.argv[1]
with MirrorPair.open(mirror) as pair:
    try:
        pair.array("u1", tracking="pages")
    except errors.SplitMirrorError as error:
        print(type(error).__name__, error)
    array = pair.array("u1")
    print(pair.status().arrays.tracking)
    array[123_456] = 0
    del array
"""


def test_auto_is_compare_where_a_sandbox_denies_userfaultfd(tmp_path: Path) -> None:
    mirror = make(tmp_path)
    done = run_injected(SANDBOX, mirror, calls="userfaultfd", fault="error=EPERM")
    assert done.returncode == 0, done.stderr
    refused, tracking = done.stdout.splitlines()
    assert refused.startswith("AreaPermissionError")
    assert 'tracking="compare"' in refused
    assert tracking == "compare"
    with MirrorPair.open(mirror) as pair:
        pair.restore()
    assert digest(tmp_path / "source") == digest(mirror)


KILLED_BEFORE_THE_CUT = """
import sys
from splitmirror import MirrorPair
with MirrorPair.open(sys.argv[1]) as pair:
    pair.restore(while_in_use=True)
"""


def test_a_resumed_restore_does_not_cut_under_an_array_that_outlived_its_pair(
    tmp_path: Path,
) -> None:
    mirror, source = make(tmp_path), tmp_path / "source"
    with MirrorPair.open(mirror) as pair:
        pair.write(LENGTH, b"x" * 100_000)
        array = pair.array("u1")
        assert array.size == LENGTH + 100_000
    killed = run_injected(
        KILLED_BEFORE_THE_CUT,
        mirror,
        calls="ftruncate",
        fault="signal=SIGKILL:when=1",
        path=source,
    )
    assert killed.returncode == 137
    with MirrorPair.open(mirror) as pair:
        assert "restore-pending" in pair.conditions
        with pytest.raises(errors.ViewsLiveError):
            pair.resume_restore(while_in_use=True)
        assert array[-1] == ord("x")
        del array
        pair.resume_restore()
    assert digest(source) == digest(mirror)


INTERRUPTED = """
import signal, sys, threading
from splitmirror import MirrorPair
mirror, tracking = sys.argv[1:]
pair = MirrorPair.open(mirror)
array = pair.array("u1", tracking=tracking)
try:
    array[0] = 1
    signal.raise_signal(signal.SIGINT)
finally:
    print("stored", flush=True)
    raise SystemExit(0)
"""


@BOTH
def test_a_program_that_ends_with_its_array_alive_is_told_about_at_the_next_open(
    tmp_path: Path, tracking: str
) -> None:
    mirror = make(tmp_path)
    run(INTERRUPTED, mirror, tracking)
    with MirrorPair.open(mirror) as pair:
        assert pair.read(0, 1) == b"\1"
        pair.restore()
    assert digest(tmp_path / "source") == digest(mirror)


def test_an_array_needs_a_process_that_opened_the_pair(tmp_path: Path) -> None:
    mirror = make(tmp_path)
    program = """
import os, sys
from splitmirror import MirrorPair, errors
pair = MirrorPair.open(sys.argv[1])
if os.fork() == 0:
    try:
        pair.array("u1")
    except errors.ForkedPairError:
        os._exit(3)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 3
pair.close()
"""
    run(program, mirror)
