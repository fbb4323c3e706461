"""Who can reach a process that has a pair open, and where; what is left of it when it has gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import splitmirror
from commandline import run_json
from evidence import unchanged
from owners import answers, connection, owner, python, request, runtime_folder, split_pair, told
from splitmirror import MirrorPair, control, errors
from splitmirror.control.place import reached

NOBODY = 65534


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "pair"
    folder.mkdir()
    return split_pair(folder)[1]


def socket_of(pid: int) -> Path:
    return runtime_folder() / f"{pid}.sock"


def wait_until_gone(path: Path) -> None:
    deadline = time.monotonic() + 60
    while os.path.lexists(path):
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- The folder and the socket ----------------------------------------------------------------


def test_the_socket_is_its_users_alone_and_goes_with_the_last_pair(mirror: Path) -> None:
    path = socket_of(os.getpid())
    with MirrorPair.open(mirror) as pair:
        found = path.lstat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert pair.state == "split"
    wait_until_gone(path)
    with MirrorPair.open(mirror):
        assert path.exists()
    wait_until_gone(path)


def test_a_pair_that_is_forgotten_ends_it_too(mirror: Path) -> None:
    pair = MirrorPair.open(mirror)
    assert socket_of(os.getpid()).exists()
    del pair
    wait_until_gone(socket_of(os.getpid()))
    MirrorPair.open(mirror).detach()
    wait_until_gone(socket_of(os.getpid()))


def test_the_folder_is_made_and_only_the_last_of_its_path(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLITMIRROR_RUNTIME_DIR", str(tmp_path / "new"))
    with MirrorPair.open(mirror):
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    monkeypatch.setenv("SPLITMIRROR_RUNTIME_DIR", str(tmp_path / "none" / "new"))
    with MirrorPair.open(mirror) as pair:
        assert pair.state == "split"
    assert not (tmp_path / "none").exists()


def test_where_the_folder_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from splitmirror.control.place import runtime_folder

    assert str(runtime_folder()) == os.environ["SPLITMIRROR_RUNTIME_DIR"]
    monkeypatch.delenv("SPLITMIRROR_RUNTIME_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert runtime_folder() == Path("/run/user/7/splitmirror")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    own = f"/tmp/splitmirror-{os.geteuid()}"
    assert runtime_folder() == Path("/run/splitmirror" if os.geteuid() == 0 else own)


UNFIT = ["a link", "open to others", "a file", "of another user"]


@pytest.mark.parametrize("what", UNFIT)
def test_a_folder_that_is_not_ours_alone_is_not_used(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    place, target = tmp_path / "place", tmp_path / "target"
    target.mkdir(mode=0o700)
    if what == "a link":
        place.symlink_to(target)
    elif what == "a file":
        place.write_bytes(b"")
    else:
        place.mkdir(mode=0o700)
        if what == "open to others":
            place.chmod(0o750)
        elif os.geteuid() == 0:
            os.chown(place, NOBODY, NOBODY)
        else:
            pytest.skip("only root can give a folder away")
    monkeypatch.setenv("SPLITMIRROR_RUNTIME_DIR", str(place))
    with unchanged(place.parent / "target"), MirrorPair.open(mirror) as pair:
        assert pair.state == "split"
        if place.is_dir():
            assert os.listdir(place) == []
        # It is what it was without a socket.
        error = run_json("seal", mirror, code=5)["error"]
        assert (error["id"], error["fields"]["pid"]) == ("pair-in-use", os.getpid())
        assert "no control socket" in error["message"]
        assert run_json("status", mirror)["owner_pid"] == os.getpid()


def test_a_client_does_not_follow_a_link_either(mirror: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(runtime_folder())
    with owner(mirror):
        assert run_json("scrub", mirror)["intact"] is True
        program = "import sys; from splitmirror import control; control.connect(sys.argv[1])"
        done = subprocess.run(
            [sys.executable, "-c", program, mirror],
            env={**os.environ, "SPLITMIRROR_RUNTIME_DIR": str(link)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "PairInUseError" in done.stderr


def test_a_stale_socket_is_replaced_and_swept(mirror: Path) -> None:
    with owner(mirror) as process:
        dead = socket_of(process.pid)
        process.kill()
        process.wait()
    assert dead.exists()
    # A program with the same number, and one with another.
    stale = socket_of(os.getpid())
    os.rename(dead, stale)
    with MirrorPair.open(mirror), connection(os.getpid()) as connected:
        assert "report" in told(connected, request("describe", mirror))[0]
    wait_until_gone(stale)
    with owner(mirror) as process:
        dead = socket_of(process.pid)
        process.kill()
        process.wait()
    foreign = runtime_folder() / "notes.sock"
    foreign.write_bytes(b"")
    with MirrorPair.open(mirror):
        assert not dead.exists()
        assert foreign.exists()
    foreign.unlink()


def test_a_socket_of_somebody_alive_is_left_alone(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in two containers that share the folder and count their processes anew.
    with socket.socket(socket.AF_UNIX) as other:
        monkeypatch.chdir(runtime_folder())
        other.bind(f"{os.getpid()}.sock")
        other.listen()
        before = socket_of(os.getpid()).lstat().st_ino
        with MirrorPair.open(mirror) as pair:
            assert pair.state == "split"
        assert socket_of(os.getpid()).lstat().st_ino == before
    socket_of(os.getpid()).unlink()


def test_who_listens_in_anothers_name_is_not_believed(mirror: Path) -> None:
    with owner(mirror, program=WITHOUT) as process, socket.socket(socket.AF_UNIX) as listener:
        inside = os.open(runtime_folder(), os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{inside}/{process.pid}.sock")
        os.close(inside)
        listener.listen()
        with pytest.raises(errors.PairInUseError):
            control.connect(mirror)
        socket_of(process.pid).unlink()


def test_a_path_longer_than_a_socket_can_have(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 50)
    monkeypatch.setenv("SPLITMIRROR_RUNTIME_DIR", str(long))
    with owner(mirror) as process:
        assert (long / f"{process.pid}.sock").exists()
        assert run_json("scrub", mirror)["intact"] is True


# --- Other users ------------------------------------------------------------------------------


AS_NOBODY = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]


def as_nobody(program: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [*AS_NOBODY, sys.executable, "-I", "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd="/",
    )
    if done.returncode and "Permission denied" in done.stderr and "python" in done.stderr:
        pytest.skip(f"nobody cannot run {sys.executable}: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def open_runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder that others can find their way to."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("becoming another user needs root and setpriv")
    folder = Path("/tmp") / f"splitmirror-test-{os.getpid()}"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("SPLITMIRROR_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(folder)


# Isolated, and with nothing but the standard library: nobody may not read the project.
PLAIN = """
import contextlib, socket, sys
talk = socket.socket(socket.AF_UNIX)
try:
    talk.connect(sys.argv[1])
except PermissionError:
    print("shut")
    sys.exit()
with contextlib.suppress(BrokenPipeError, ConnectionResetError):
    talk.sendall(sys.argv[2].encode() + b"\\n")
print(talk.makefile().readline())
"""


def test_another_user_is_refused_by_the_file_and_by_who_it_is(
    mirror: Path, open_runtime: Path
) -> None:
    asked = json.dumps(request("hold", mirror))
    with owner(mirror) as process, unchanged(mirror.parent):
        path = open_runtime / f"{process.pid}.sock"
        assert as_nobody(PLAIN, path, asked) == "shut\n"
        open_runtime.chmod(0o755)
        assert as_nobody(PLAIN, path, asked) == "shut\n"
        # Whatever the file allows, the kernel tells who it is.
        path.chmod(0o666)
        answer = json.loads(as_nobody(PLAIN, path, asked))
        assert (answer["error"]["id"], answer["error"]["exit_code"]) == ("denied", 8)
        assert str(NOBODY) in answer["error"]["message"]
        with connection(process.pid, open_runtime) as connected:
            assert "report" in told(connected, request("describe", mirror))[0]


# It becomes another user when all is imported, as services do.
OF_NOBODY = f"""
import os, sys, splitmirror, splitmirror.control.server, splitmirror.control.conversation
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
folder = sys.argv[1]
with open(folder + "/source", "wb") as source:
    source.write(b"x" * 100_000)
pair = splitmirror.MirrorPair.create(folder + "/source", folder + "/mirror")
print("open", flush=True)
sys.stdin.read()
pair.close()
"""


def test_root_may_ask_the_process_of_another_user(
    open_runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, folder = open_runtime / "home", open_runtime / "files"
    for path in (open_runtime, home, folder):
        path.mkdir(mode=0o700, exist_ok=True)
        os.chown(path, NOBODY, NOBODY)
    monkeypatch.setenv("SPLITMIRROR_STATE_DIR", str(home))
    with owner(folder, program=OF_NOBODY) as process:
        found = reached(process.pid, 10)
        assert found is not None
        with found:
            *_, answer = told(found, request("establish", folder / "mirror"))
        assert answer["report"]["state"] == "synchronized"


# --- Forks and exits --------------------------------------------------------------------------

WITHOUT = (
    "import os, sys, splitmirror\nos.environ['SPLITMIRROR_CONTROL'] = '0'\n"
    "pair = splitmirror.MirrorPair.open(sys.argv[1])\nprint('open', flush=True)\nsys.stdin.read()\n"
)


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
