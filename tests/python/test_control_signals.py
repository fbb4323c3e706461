"""A verb in another process, stopped: by Ctrl-C, by SIGTERM, by a third process, by a death."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from commandline import run, run_json
from helpers import digest
from owners import (
    answers,
    command,
    connection,
    ended,
    long_pair,
    owner,
    progress_of,
    request,
    split_pair,
)
from scenes import child
from splitmirror import CancelToken, Hooks, control, errors
from splitmirror.reports import Status

# Restores at its own command, and says how that ended; the verb is its program's, not a request.
ESTABLISHES = """
import sys, splitmirror
pair = splitmirror.MirrorPair.open(sys.argv[1])
begun = []
def watch(*step):
    if not begun:
        begun.append(step)
        print("open", flush=True)
try:
    pair.establish(force=True, progress=watch)
    print("ended", flush=True)
except splitmirror.errors.CancelledError as error:
    print("cancelled", pair.state, flush=True)
sys.stdin.read()
"""


def cancelled(mirror: Path) -> dict[str, Any]:
    """What the command cancel said of a verb that is under way."""
    with command("cancel", mirror) as client:
        code, document = ended(client)
    if code == 3:
        pytest.skip("this machine had copied everything before it could be cancelled")
    assert code == 0, document
    return document


def connections(pid: int) -> int:
    """How many others a process is speaking to."""
    names = Path("/proc/net/unix").read_text().splitlines()
    # Its ends have the name under which the socket was made; the first is the socket itself.
    return len([name for name in names if f".{pid}.sock." in name]) - 1


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waiting_hook(begun: Path, go_on: Path) -> list[str]:
    """A command that tells that it has begun, and ends when it is told to."""
    script = 'touch "$1"; while ! test -e "$2"; do sleep 0.05; done'
    return ["sh", "-c", script, "sh", str(begun), str(go_on)]


def until_idle(mirror: Path) -> Status:
    return control.wait_for(mirror, "idle", timeout=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_of_the_client_cancels_and_tells_the_state(
    tmp_path: Path, number: signal.Signals
) -> None:
    mirror = long_pair(tmp_path)
    with owner(mirror) as process, command("establish", mirror) as client:
        assert progress_of(client)["total"] > 0
        client.send_signal(number)
        code, document = ended(client)
        if "error" not in document:
            pytest.skip("this machine had copied everything before the signal came")
        assert code == 128 + number
        assert document["error"]["id"] == "interrupted"
        (note,) = document["error"]["notes"]
        assert note.startswith("the pair is now unsynchronized: ")
        # The owner goes on, and the verb can be called again.
        assert process.poll() is None
        assert run_json("status", mirror)["activity"] == "idle"
        assert run_json("establish", mirror)["state"] == "synchronized"
    assert digest(tmp_path / "source") == digest(mirror)


def test_a_client_that_is_killed_cancels_its_verb(tmp_path: Path) -> None:
    mirror = long_pair(tmp_path)
    with owner(mirror):
        with command("establish", mirror) as client:
            progress_of(client)
            client.kill()
        found = until_idle(mirror)
        if found.state == "synchronized":
            pytest.skip("this machine had copied everything before the client was killed")
        assert found.state == "unsynchronized"
        assert run_json("history", mirror)["entries"]
        run("establish", mirror)


def test_a_third_process_cancels_what_a_second_has_asked_for(tmp_path: Path) -> None:
    mirror = long_pair(tmp_path)
    with owner(mirror), command("establish", mirror) as client:
        progress_of(client)
        report = cancelled(mirror)
        code, document = ended(client)
        assert report["verbs"] == ["establish"]
        assert report["state"] == "unsynchronized"
        assert (code, document["error"]["id"]) == (6, "cancelled")
        assert run_json("cancel", mirror, code=3)["error"]["fields"]["verb"] == "cancel"


def test_what_the_owner_began_itself_is_cancelled_too(tmp_path: Path) -> None:
    mirror = long_pair(tmp_path)
    with owner(mirror, program=ESTABLISHES) as process:
        assert cancelled(mirror)["verbs"] == ["establish"]
        assert process.stdout.readline() == b"cancelled unsynchronized\n"


def test_one_command_cancels_another(tmp_path: Path) -> None:
    mirror = long_pair(tmp_path)
    with command("establish", mirror) as first:
        progress_of(first)
        assert cancelled(mirror)["verbs"] == ["establish"]
        code, document = ended(first)
    assert (code, document["error"]["id"]) == (6, "cancelled")
    assert run_json("cancel", mirror, code=3)["error"]["id"] == "no-owner"


def test_status_cancel_and_wait_do_not_wait_behind_a_verb(tmp_path: Path) -> None:
    _, mirror = split_pair(tmp_path)
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    hooks = Hooks(freeze=waiting_hook(begun, go_on), timeout=60)
    with owner(mirror) as process, ThreadPoolExecutor() as others:
        pair = control.connect(mirror)
        # It has the turn until its hook ends.
        refresh = others.submit(pair.refresh, hooks=hooks)
        wait_until(begun.exists)
        verify = others.submit(run_json, "verify", mirror, code=6)
        wait_until(lambda: set(pair.verbs) == {"refresh", "verify"})
        assert pair.status().activity == "synchronizing"
        assert run_json("status", mirror)["state"] == "synchronized"
        late = run_json("wait", mirror, "--for", "idle", "--timeout", "0.1", code=7)
        assert late["error"]["id"] == "timeout"
        assert run_json("wait", mirror, "--for", "synchronized")["kind"] == "status"
        with pytest.raises(errors.StateError, match="no restore copies"):
            control.connect(mirror).act("pause")
        # It returns when they have ended.
        cancel = others.submit(run_json, "cancel", mirror)
        wait_until(lambda: connections(process.pid) == 3)
        time.sleep(0.3)
        go_on.touch()
        assert sorted(cancel.result(60)["verbs"]) == ["refresh", "verify"]
        assert verify.result(60)["error"]["id"] == "cancelled"
        # A point that is being taken is taken.
        assert refresh.result(60).state == "split"
        assert not pair.busy


def test_what_is_asked_beside_a_verb_is_refused_after_it(tmp_path: Path) -> None:
    _, mirror = split_pair(tmp_path)
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    hooks = {"freeze": waiting_hook(begun, go_on), "timeout": 60}
    with owner(mirror) as process, connection(process.pid) as connected:
        first, second = request("refresh", mirror, hooks=hooks), request("describe", mirror)
        connected.sendall(json.dumps(first).encode() + b"\n")
        wait_until(begun.exists)
        connected.sendall(json.dumps(second).encode() + b"\n")
        time.sleep(0.1)
        go_on.touch()
        found = [answer for answer in answers(connected) if "progress" not in answer]
        assert [set(answer) for answer in found] == [{"report"}, {"error"}]
        assert found[0]["report"]["split"]["consistency"] == "application"
        assert found[1]["error"]["id"] == "request"


def test_a_token_and_an_exception_of_the_client_cancel(tmp_path: Path) -> None:
    mirror = long_pair(tmp_path)
    with owner(mirror):
        pair = control.connect(mirror)
        token = CancelToken()
        with pytest.raises(errors.CancelledError) as caught:
            pair.establish(cancel=token, progress=lambda *_: token.cancel())
        assert "unsynchronized" in caught.value.state
        assert not pair.busy

        def stop(*step: object) -> None:
            raise ConnectionError("of the caller's own")

        with pytest.raises(ConnectionError, match="of the caller's own"):
            pair.establish(progress=stop)
        assert not pair.busy
        assert pair.state == "unsynchronized"


def test_a_restore_in_the_background_outlives_who_asked_for_it(tmp_path: Path) -> None:
    mirror = long_pair(tmp_path)
    with owner(mirror):
        run("refresh", mirror)
        code = (
            "import sys, os\nfrom splitmirror import control\n"
            "control.connect(sys.argv[1]).start_restore(full=True, throttle=1 << 20)\n"
            "os._exit(0)\n"
        )
        subprocess.run([sys.executable, "-c", code, mirror], check=True, timeout=60)
        assert run_json("status", mirror)["activity"] == "restoring"
        # Who only waits for it does not stop it by leaving.
        program = (
            "import sys\nfrom splitmirror import control\n"
            "job = control.connect(sys.argv[1]).restore_job\n"
            "try:\n    print('open', flush=True)\n    job.wait()\n"
            "except KeyboardInterrupt: pass\n"
        )
        with child(program, mirror) as waiting:
            waiting.send_signal(signal.SIGINT)
            assert waiting.wait(60) == 0
        assert run_json("status", mirror)["activity"] == "restoring"
        assert run_json("pause", mirror)["running"] is False


def test_half_a_goodbye_is_no_death(tmp_path: Path) -> None:
    # As socat does when its stdin ends.
    mirror = long_pair(tmp_path)
    with owner(mirror) as process, connection(process.pid) as connected:
        connected.sendall(json.dumps(request("establish", mirror)).encode() + b"\n")
        connected.shutdown(socket.SHUT_WR)
        *steps, last = answers(connected)
        assert last["report"]["state"] == "synchronized"
        assert all(set(step) == {"progress"} for step in steps)
