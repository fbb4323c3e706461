"""An owner that is killed, closes the pair, exits or hangs while a command waits for it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from commandline import run_json
from owners import (
    command,
    ended,
    long_pair,
    owner,
    progress_of,
)
from splitmirror import MirrorPair


def test_a_kill_of_the_owner_is_told_at_once(tmp_path: Path) -> None:
    mirror = long_pair(tmp_path)
    with owner(mirror) as process, command("establish", mirror) as client:
        progress_of(client)
        process.kill()
        code, document = ended(client)
        if "error" not in document:
            pytest.skip("this machine had copied everything before the owner was killed")
        assert (code, document["error"]["id"]) == (1, "owner-gone")
        assert document["error"]["fields"]["pid"] == process.pid
        assert str(process.pid) in document["error"]["message"]
    # What it left is what a kill leaves, and its socket is in nobody's way.
    assert run_json("status", mirror)["owner_pid"] is None
    assert run_json("establish", mirror)["state"] == "synchronized"


def test_an_owner_that_closes_the_pair_ends_the_verbs_of_others(tmp_path: Path) -> None:
    mirror = long_pair(tmp_path)
    with owner(mirror) as process, command("establish", mirror) as client:
        progress_of(client)
        process.stdin.close()
        code, document = ended(client)
        assert process.wait(60) == 0
    if "error" not in document:
        pytest.skip("this machine had copied everything before the pair was closed")
    assert (code, document["error"]["id"]) == (1, "owner-gone")
    with MirrorPair.open(mirror) as pair:
        # It was closed cleanly.
        assert pair.plan_establish().report.reason != "unclean-close"


def test_an_owner_that_exits_ends_the_verbs_of_others(tmp_path: Path) -> None:
    mirror = long_pair(tmp_path)
    # It leaves its pair to the exit.
    program = (
        "import sys, splitmirror\npair = splitmirror.MirrorPair.open(sys.argv[1])\n"
        "print('open', flush=True)\nsys.stdin.read()\n"
    )
    with owner(mirror, program=program) as process, command("establish", mirror) as client:
        progress_of(client)
        process.stdin.close()
        code, document = ended(client)
        assert process.wait(60) == 0
    if "error" not in document:
        pytest.skip("this machine had copied everything before the owner exited")
    assert (code, document["error"]["id"]) == (1, "owner-gone")
    with MirrorPair.open(mirror) as pair:
        assert pair.plan_establish().report.reason != "unclean-close"


def test_an_owner_that_hangs_is_left_by_a_signal_and_status_is_read_from_the_files(
    tmp_path: Path,
) -> None:
    mirror = long_pair(tmp_path)
    with owner(mirror) as process:
        process.send_signal(signal.SIGSTOP)
        try:
            found = run_json("status", mirror)
            assert (found["owner_pid"], found["tracking"]) == (process.pid, None)
            error = run_json("establish", mirror, code=5)["error"]
            assert error["id"] == "pair-in-use"
            assert "has not answered" in error["message"]
        finally:
            process.send_signal(signal.SIGCONT)
