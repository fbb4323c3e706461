"""Owners that are turned off, fork, exit or are killed, and what they offer beside the verbs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import splitmirror
from commandline import run_json
from owners import (
    WITHOUT,
    answers,
    connection,
    owner,
    python,
    request,
    runtime_folder,
    socket_of,
    split_pair,
    told,
)
from splitmirror import MirrorPair, control, errors


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """The mirror of a closed pair that is split."""
    return split_pair(tmp_path)[1]


def test_it_can_be_turned_off(mirror: Path) -> None:
    with owner(mirror, program=WITHOUT) as process:
        assert not socket_of(process.pid).exists()
        error = run_json("seal", mirror, code=5)["error"]
        assert (error["id"], error["fields"]["pid"]) == ("pair-in-use", process.pid)
        assert "SPLITMIRROR_CONTROL" in error["message"]
        assert run_json("status", mirror)["owner_pid"] == process.pid
        late = run_json("wait", mirror, "--for", "idle", code=5)
        assert late["error"]["id"] == "pair-in-use"
        assert run_json("wait", mirror, "--for", "split")["owner_pid"] == process.pid


def test_without_an_owner_the_commands_for_one_say_what_to_do(mirror: Path) -> None:
    for command in ("start-restore", "pause", "cancel", "flush"):
        error = run_json(command, mirror, code=3)["error"]
        assert error["id"] == "no-owner"
    message = run_json("start-restore", mirror, code=3)["error"]["message"]
    assert "'splitmirror mount'" in message
    assert "'splitmirror restore'" in message
    with pytest.raises(errors.NoOwnerError):
        control.connect(mirror)
    for goal in ("split", "idle", "restored"):
        assert run_json("wait", mirror, "--for", goal)["state"] == "split"
    late = run_json("wait", mirror, "--for", "synchronized", "--timeout", "0.1", code=7)["error"]
    assert (late["id"], late["exit_code"], late["fields"]["timeout"]) == ("timeout", 7, 0.1)
    assert "it is split" in late["message"]
    with pytest.raises(errors.ArgumentError):
        control.wait_for(mirror, "somewhere")  # type: ignore[arg-type]
    with pytest.raises(errors.ArgumentError):
        control.wait_for(mirror, "split", timeout=float("nan"))


def test_a_forked_child_is_neither_reached_nor_in_the_way(mirror: Path) -> None:
    program = (
        "import os, sys, warnings, splitmirror\n"
        "warnings.simplefilter('ignore', DeprecationWarning)  # There are threads, whoever forks.\n"
        "pair = splitmirror.MirrorPair.open(sys.argv[1])\n"
        "splitmirror.control.connect(sys.argv[1]).status()\n"
        "ready, go_on = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.close(go_on)\n"
        "    os.read(ready, 1)\n"
        "    assert not os.path.exists(sys.argv[2] + f'/{os.getpid()}.sock')\n"
        "    sys.exit(0)\n"
        "os.close(ready)\n"
        "path = sys.argv[2] + f'/{os.getpid()}.sock'\n"
        "assert os.path.exists(path)\n"
        "assert splitmirror.control.connect(sys.argv[1]).state == 'split'\n"
        "os.close(go_on)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert os.path.exists(path)\n"
        "assert splitmirror.control.connect(sys.argv[1]).state == 'split'\n"
        "pair.close()\n"
    )
    assert python(program, mirror, runtime_folder()) == ""


def test_a_child_that_lives_on_keeps_no_connection_open(mirror: Path) -> None:
    program = (
        "import os, sys, warnings, splitmirror\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "pair = splitmirror.MirrorPair.open(sys.argv[1])\n"
        "print('open', flush=True)\n"
        "sys.stdin.readline()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    sys.stdin.read()\n"
        "    os._exit(0)\n"
        "os._exit(0)\n"
    )
    with owner(mirror, program=program) as process, connection(process.pid) as connected:
        assert "report" in told(connected, request("describe", mirror))[0]
        process.stdin.write(b"\n")
        process.stdin.flush()
        # Its parent has gone; it has a copy of all that it had.
        assert list(answers(connected)) == []


def test_a_child_can_have_pairs_of_its_own(mirror: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    _, second = split_pair(other)
    program = (
        "import os, sys, warnings, splitmirror\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "pair = splitmirror.MirrorPair.open(sys.argv[1])\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    with splitmirror.MirrorPair.open(sys.argv[2]):\n"
        "        print(splitmirror.control.connect(sys.argv[2]).owner_pid == os.getpid())\n"
        "    sys.exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print(splitmirror.control.connect(sys.argv[1]).owner_pid == os.getpid())\n"
    )
    assert python(program, mirror, second) == "True\nTrue\n"


def test_an_exit_with_open_pairs_leaves_no_socket_and_no_word(mirror: Path) -> None:
    program = (
        "import os, sys, threading, splitmirror\n"
        "pair = splitmirror.MirrorPair.open(sys.argv[1])\n"
        "sys.kept = [pair]\n"
        "talk = splitmirror.control.connect(sys.argv[1])\n"
        "talk.status()\n"
        "print(os.getpid())\n"
    )
    pid = int(python(program, mirror))
    assert not socket_of(pid).exists()
    with MirrorPair.open(mirror) as pair:
        assert pair.plan_restore().report.reason == "bitmap"


def test_a_killed_owner_leaves_a_socket_that_nobody_asks(mirror: Path) -> None:
    with owner(mirror) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert socket_of(process.pid).exists()
    assert run_json("scrub", mirror)["intact"] is True
    assert run_json("pause", mirror, code=3)["error"]["id"] == "no-owner"


# --- Actions of a process ---------------------------------------------------------------------


def test_a_process_offers_actions_of_its_own(mirror: Path) -> None:
    seen = []

    def unmount(pair: MirrorPair, *, lazy: bool = False) -> dict[str, object]:
        seen.append((pair.pair_id, lazy))
        return {"kind": "unmounted", "lazy": lazy}

    with MirrorPair.open(mirror) as pair:
        remote = control.connect(mirror)
        with pytest.raises(errors.ArgumentError, match="no verb 'unmount'"):
            remote.act("unmount")
        control.offer("unmount", unmount)
        try:
            assert remote.act("unmount", lazy=True) == {"kind": "unmounted", "lazy": True}
            with pytest.raises(errors.ArgumentError):
                remote.act("unmount", where="/")
            control.offer("unmount", lambda pair: pair.status())
            assert splitmirror.Status.from_dict(remote.act("unmount")) is not None
            control.offer("unmount", lambda pair: 1 / 0)
            with pytest.raises(errors.SplitMirrorError, match="ZeroDivisionError"):
                remote.act("unmount")
        finally:
            control.withdraw("unmount")
        assert seen == [(pair.pair_id, True)]
        with pytest.raises(ValueError, match="is a verb"):
            control.offer("split", unmount)
        with pytest.raises(errors.ArgumentError):
            remote.act("unmount")
