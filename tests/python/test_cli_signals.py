"""Signals and pipes: a long command that is stopped says what it left, and is resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from commandline import COMMAND, make_pair, run, run_json
from helpers import MIB, digest
from splitmirror import MirrorPair

LENGTH = 64 * MIB


def stopped(number: signal.Signals, *arguments: str | Path) -> tuple[int, Any, list[Any]]:
    """Stop a command at its first progress line; gives exit code, document and progress."""
    with subprocess.Popen(
        [*COMMAND, *arguments, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C may be ignored where the tests run; a terminal's program begins with neither.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as child:
        assert child.stderr is not None
        assert child.stdout is not None
        lines = [child.stderr.readline()]
        child.send_signal(number)
        lines += child.stderr.readlines()
        document = json.loads(child.stdout.read())
        code = child.wait(60)
    told = [json.loads(line) for line in lines if line.strip()]
    return code, document, [line["progress"] for line in told if "progress" in line]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("verb", ["establish", "restore"])
def test_a_stopped_command_tells_the_state_and_is_resumed(
    tmp_path: Path, number: signal.Signals, verb: str
) -> None:
    source, mirror = make_pair(tmp_path, split=verb == "restore", length=LENGTH)
    good = digest(source)
    arguments: list[str | Path] = [verb, mirror]
    if verb == "restore":
        source.write_bytes(b"bad")
        arguments += ["--yes", "--full"]
    code, document, progress = stopped(number, *arguments)
    assert progress[0]["total"] > 0
    assert {"phase", "done", "bytes_per_second", "seconds_left"} <= set(progress[0])
    state = run_json("status", mirror)
    if code == 0 or "error" not in document:
        # It was over before the signal came to it, or while the pair was being closed.
        assert document["state"] in ("synchronized", "split")
    else:
        assert code == 128 + number
        assert document["error"]["id"] == "interrupted"
        (note,) = document["error"]["notes"]
        assert note.startswith(f"the pair is now {state['state']}")
        assert state["state"] in ("unsynchronized", "synchronized", "split")
    if verb == "establish":
        run("establish", mirror)
        run("split", mirror)
    else:
        pending = "restore-pending" in state["conditions"]
        run("resume-restore" if pending else "restore", mirror, "--yes")
    assert digest(source) == digest(mirror) == good


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    _, mirror = make_pair(tmp_path)
    for arguments in (["status", mirror, "--json"], ["history", mirror], ["--help"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*COMMAND, *arguments], stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60
        )
        os.close(writer)
        assert done.returncode in (0, 1)
        assert b"Traceback" not in done.stderr
        assert b"Exception" not in done.stderr
    with MirrorPair.open(mirror) as pair:
        assert pair.state == "split"
