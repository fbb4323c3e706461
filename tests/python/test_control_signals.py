"""A verb in another process, stopped: by Ctrl-C, by SIGTERM, by a third process, by a death."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
from splitmirror.reports import CancelReport, Status

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


TOO_FAST = "this machine had copied everything before it could be cancelled"


def cancelled(mirror: Path) -> CancelReport:
    """Cancel what is under way; by the command it would come too late more often."""
    try:
        return control.connect(mirror).cancel()
    except (errors.StateError, errors.OwnerGoneError, errors.NoOwnerError):
        pytest.skip(TOO_FAST)


@contextlib.contextmanager
def standing_still(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a process: what is sent to it in the block meets it where it was before."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
        time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGCONT)


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
        with standing_still(process):
            client.send_signal(number)
        code, document = ended(client)
        if "error" not in document:
            pytest.skip(TOO_FAST)
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
    with owner(mirror) as process:
        with command("establish", mirror) as client:
            progress_of(client)
            with standing_still(process):
                client.kill()
        found = until_idle(mirror)
        if found.state == "synchronized":
            pytest.skip(TOO_FAST)
        assert found.state == "unsynchronized"
        assert run_json("history", mirror)["entries"]
        run("establish", mirror)


def test_a_third_process_cancels_what_a_second_has_asked_for(tmp_path: Path) -> None:
    mirror = long_pair(tmp_path)
    with (
        owner(mirror) as process,
        command("establish", mirror) as client,
        ThreadPoolExecutor() as others,
    ):
        pair = control.connect(mirror)
        progress_of(client)
        with standing_still(process):
            asked = others.submit(pair.cancel)
        report = asked.result(60)
        code, document = ended(client)
        if "error" not in document:
            pytest.skip(TOO_FAST)
        assert report.verbs == ("establish",)
        assert report.state == "unsynchronized"
        assert (code, document["error"]["id"]) == (6, "cancelled")
        assert run_json("cancel", mirror, code=3)["error"]["fields"]["verb"] == "cancel"


def test_what_the_owner_began_itself_is_cancelled_too(tmp_path: Path) -> None:
    mirror = long_pair(tmp_path)
    with owner(mirror, program=ESTABLISHES) as process:
        assert cancelled(mirror).verbs == ("establish",)
        said = process.stdout.readline()
        if said == b"ended\n":
            pytest.skip(TOO_FAST)
        assert said == b"cancelled unsynchronized\n"


def test_one_command_cancels_another(tmp_path: Path) -> None:
    mirror = long_pair(tmp_path)
    with command("establish", mirror) as first:
        progress_of(first)
        assert cancelled(mirror).verbs == ("establish",)
        code, document = ended(first)
        if "error" not in document:
            pytest.skip(TOO_FAST)
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
        # The command asks who it is first; only the cancel itself lasts.
        asked = [0] * 5
        while set(asked) != {3}:
            time.sleep(0.1)
            asked = [*asked[1:], connections(process.pid)]
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


def test_a_cancel_that_comes_together_with_its_request_is_heard(tmp_path: Path) -> None:
    # As when Ctrl-C was pressed right after Enter.
    _, mirror = split_pair(tmp_path)
    with owner(mirror) as process, connection(process.pid) as connected:
        job = control.connect(mirror).start_restore(full=True, throttle=1 << 16)
        asked = json.dumps(request("wait_restore", mirror)).encode()
        connected.sendall(asked + b'\n{"cancel": true}\n')
        assert next(answers(connected))["error"]["id"] == "cancelled"
        assert job.running


def test_half_a_goodbye_is_no_death(tmp_path: Path) -> None:
    # As socat does when its stdin ends.
    mirror = long_pair(tmp_path)
    with owner(mirror) as process, connection(process.pid) as connected:
        connected.sendall(json.dumps(request("establish", mirror)).encode() + b"\n")
        connected.shutdown(socket.SHUT_WR)
        *steps, last = answers(connected)
        assert last["report"]["state"] == "synchronized"
        assert all(set(step) == {"progress"} for step in steps)
