"""Scripts that forget to close a pair: what the next one finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import scenes
from splitmirror import MirrorPair

OPEN = "import sys, splitmirror\npair = splitmirror.MirrorPair.open(sys.argv[1])\n"
WRITE = OPEN + "pair.write(70_000, b'by the script')\n"
# What a daemon thread holds is never finalized.
HELD = """
import threading
ready = threading.Event()
def hold(pair):
    ready.set()
    threading.Event().wait()
threading.Thread(target=hold, args=(pair,), daemon=True).start()
ready.wait()
"""
IN_A_CYCLE = "\nsys.cycle = [pair]\nsys.cycle.append(sys.cycle)\n"


def run(program: str, mirror: Path, *, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, mirror],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.fixture
def source(ext4: Path) -> Path:
    """The source of a pair that is split and closed; its file system tells every change."""
    path = scenes.make_source(ext4)
    scenes.split(path).close()
    return path


def reason(source: Path) -> str:
    """Whether the next process believes what was recorded, or why not."""
    with MirrorPair.open(source.with_name("mirror")) as pair:
        return pair.plan_restore().report.reason


@pytest.mark.parametrize("rest", ["", HELD, IN_A_CYCLE, "pair.forgotten = pair\n"])
def test_a_pair_that_was_forgotten_is_closed(source: Path, rest: str) -> None:
    assert run(WRITE + rest, source.with_name("mirror")) == ""
    assert b"by the script" in source.read_bytes()
    assert reason(source) == "bitmap"


def test_a_script_that_fails_closes_its_pair(source: Path) -> None:
    shown = run(WRITE + HELD + "raise SystemExit(3)", source.with_name("mirror"), code=3)
    assert shown == ""
    assert reason(source) == "bitmap"


def test_it_does_not_keep_pairs_alive(source: Path) -> None:
    program = WRITE + "del pair\nsplitmirror.MirrorPair.open(sys.argv[1])\n"
    assert run(program, source.with_name("mirror")) == ""
    assert reason(source) == "bitmap"


def test_hooks_of_the_script_still_have_their_pair(source: Path) -> None:
    program = OPEN + HELD + "import atexit\natexit.register(pair.write, 0, b'at the very end')\n"
    assert run(program, source.with_name("mirror")) == ""
    assert source.read_bytes().startswith(b"at the very end")
    assert reason(source) == "bitmap"


def test_what_a_buffer_still_holds_is_written(source: Path) -> None:
    program = (
        OPEN + "import io\nfile = io.BufferedRandom(pair.open_source())\nfile.write(b'late')\n"
    )
    assert run(program, source.with_name("mirror")) == ""
    assert source.read_bytes().startswith(b"late")
    assert reason(source) == "bitmap"


def test_a_forked_child_closes_nothing(source: Path) -> None:
    # The child leaves through its own exit hooks; then the parent dies without any.
    program = (
        WRITE
        + HELD
        + "import os, warnings\n"
        + "warnings.simplefilter('ignore')  # The thread waits, whoever forks.\n"
        + "child = os.fork()\n"
        + "if child == 0: sys.exit(0)\n"
        + "assert os.waitpid(child, 0)[1] == 0\n"
        + "assert not pair.closed\n"
        + "pair.write(0, b'the parent goes on')\n"
        + "os._exit(0)\n"
    )
    assert run(program, source.with_name("mirror")) == ""
    assert source.read_bytes().startswith(b"the parent goes on")
    assert reason(source) == "unclean-close"


def test_a_verb_of_a_daemon_thread_does_not_keep_the_exit_waiting(source: Path) -> None:
    program = (
        WRITE
        + "import threading\n"
        + "started = threading.Event()\n"
        + "def wait(*done):\n    started.set()\n    threading.Event().wait()\n"
        + "threading.Thread(target=pair.seal, kwargs={'progress': wait}, daemon=True).start()\n"
        + "started.wait()\n"
    )
    run(program, source.with_name("mirror"))
    assert reason(source) == "unclean-close"


def test_a_close_that_fails_is_told_and_the_others_are_closed(source: Path) -> None:
    program = (
        WRITE
        + HELD
        + (
            "from splitmirror.pair import MirrorPair\n"
            "class Broken:\n"
            "    def __init__(self, name): self.name = name\n"
            "    def close(self): raise OSError('no luck ' + self.name)\n"
            "broken = [MirrorPair(Broken('A')), MirrorPair(Broken('B'))]\n"
        )
    )
    shown = run(program, source.with_name("mirror"))
    assert "no luck A" in shown
    assert "no luck B" in shown
    assert reason(source) == "bitmap"
