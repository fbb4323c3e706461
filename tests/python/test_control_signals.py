"""A verb in another process, stopped: by Ctrl-C, by SIGTERM, by a third process, by a death."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commandline import run, run_json
from helpers import MIB, digest
from owners import (
    LONG,
    answers,
    command,
    connection,
    ended,
    owner,
    progress_of,
    request,
    split_pair,
)
from scenes import child
from splitmirror import CancelToken, Hooks, MirrorPair, control, errors
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


def sparse_pair(folder: Path) -> Path:
    """A pair, not copied yet, of which a full copy takes long; gives the mirror."""
    source, mirror = folder / "source", folder / "mirror"
    block = os.urandom(MIB)
    with source.open("wb") as file:
        for _ in range(LONG // MIB):
            file.write(block)
    MirrorPair.create(source, mirror, mode="exclusive").close()
    return mirror


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
    mirror = sparse_pair(tmp_path)
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
    mirror = sparse_pair(tmp_path)
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
    mirror = sparse_pair(tmp_path)
    with owner(mirror), command("establish", mirror) as client:
        progress_of(client)
        report = run_json("cancel", mirror)
        code, document = ended(client)
        assert report["verbs"] == ["establish"]
        assert report["state"] == "unsynchronized"
        assert (code, document["error"]["id"]) == (6, "cancelled")
        assert run_json("cancel", mirror, code=3)["error"]["fields"]["verb"] == "cancel"


def test_what_the_owner_began_itself_is_cancelled_too(tmp_path: Path) -> None:
    mirror = sparse_pair(tmp_path)
    with owner(mirror, program=ESTABLISHES) as process:
        assert control.connect(mirror).verbs == ("establish",)
        assert run_json("cancel", mirror)["verbs"] == ["establish"]
        assert process.stdout.readline() == b"cancelled unsynchronized\n"


def test_one_command_cancels_another(tmp_path: Path) -> None:
    mirror = sparse_pair(tmp_path)
    with command("establish", mirror) as first:
        progress_of(first)
        assert run_json("cancel", mirror)["verbs"] == ["establish"]
        code, document = ended(first)
    assert (code, document["error"]["id"]) == (6, "cancelled")
    assert run_json("cancel", mirror, code=3)["error"]["id"] == "no-owner"


def test_status_cancel_and_wait_do_not_wait_behind_a_verb(tmp_path: Path) -> None:
    _, mirror = split_pair(tmp_path)
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    hooks = Hooks(freeze=waiting_hook(begun, go_on), timeout=60)
    with owner(mirror), ThreadPoolExecutor() as others:
        pair = control.connect(mirror)
        # It has the turn until its hook ends.
        refresh = others.submit(pair.refresh, hooks=hooks)
        wait_until(begun.exists)
        verify = others.submit(pair.verify)
        wait_until(lambda: set(pair.verbs) == {"refresh", "verify"})
        assert pair.status().activity == "synchronizing"
        assert run_json("status", mirror)["state"] == "synchronized"
        late = run_json("wait", mirror, "--for", "idle", "--timeout", "0.1", code=7)
        assert late["error"]["id"] == "timeout"
        assert run_json("wait", mirror, "--for", "synchronized")["kind"] == "status"
        with pytest.raises(errors.StateError, match="no restore copies"):
            control.connect(mirror).act("pause")
        cancel = others.submit(pair.cancel)
        go_on.touch()
        assert sorted(cancel.result(60).verbs) == ["refresh", "verify"]
        assert isinstance(verify.exception(60), errors.CancelledError)
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
    mirror = sparse_pair(tmp_path)
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


def test_a_kill_of_the_owner_is_told_at_once(tmp_path: Path) -> None:
    mirror = sparse_pair(tmp_path)
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
    mirror = sparse_pair(tmp_path)
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
    mirror = sparse_pair(tmp_path)
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
    mirror = sparse_pair(tmp_path)
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


def test_a_restore_in_the_background_outlives_who_asked_for_it(tmp_path: Path) -> None:
    mirror = sparse_pair(tmp_path)
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
    mirror = sparse_pair(tmp_path)
    with owner(mirror) as process, connection(process.pid) as connected:
        connected.sendall(json.dumps(request("establish", mirror)).encode() + b"\n")
        connected.shutdown(socket.SHUT_WR)
        *steps, last = answers(connected)
        assert last["report"]["state"] == "synchronized"
        assert all(set(step) == {"progress"} for step in steps)
