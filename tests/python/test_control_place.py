"""Who can reach a process that has a pair open, and where; what is left of it when it has gone."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import run_json
from evidence import unchanged
from owners import (
    WITHOUT,
    connection,
    owner,
    python,
    request,
    runtime_folder,
    socket_of,
    split_pair,
    told,
)
from splitmirror import control, errors
from splitmirror.control.place import reached

NOBODY = 65534


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "pair"
    folder.mkdir()
    return split_pair(folder)[1]


# In a process of its own: in this one, other tests may have pairs open.
ALONE = """
import os, stat, sys, time, splitmirror
mirror = sys.argv[1]
path = os.environ["SPLITMIRROR_RUNTIME_DIR"] + f"/{os.getpid()}.sock"

def gone():
    late = time.monotonic() + 60
    while os.path.lexists(path):
        assert time.monotonic() < late
        time.sleep(0.01)

def reached():
    return splitmirror.control.connect(mirror).owner_pid == os.getpid()

"""


# --- The folder and the socket ----------------------------------------------------------------


def test_the_socket_is_its_users_alone_and_goes_with_the_last_pair(mirror: Path) -> None:
    program = ALONE + (
        "with splitmirror.MirrorPair.open(mirror):\n"
        "    found = os.lstat(path)\n"
        "    assert stat.S_ISSOCK(found.st_mode)\n"
        "    assert stat.S_IMODE(found.st_mode) == 0o600\n"
        "    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700\n"
        "    assert reached()\n"
        "gone()\n"
        "with splitmirror.MirrorPair.open(mirror):\n"
        "    assert reached()\n"
        "gone()\n"
    )
    assert python(program, mirror) == ""


def test_a_pair_that_is_forgotten_or_detached_ends_it_too(mirror: Path) -> None:
    program = ALONE + (
        "pair = splitmirror.MirrorPair.open(mirror)\n"
        "assert reached()\n"
        "del pair\n"
        "gone()\n"
        "splitmirror.MirrorPair.open(mirror).detach()\n"
        "gone()\n"
    )
    assert python(program, mirror) == ""


def test_the_folder_is_made_and_only_the_last_of_its_path(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLITMIRROR_RUNTIME_DIR", str(tmp_path / "new"))
    with owner(mirror):
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
        assert run_json("scrub", mirror)["intact"] is True
    monkeypatch.setenv("SPLITMIRROR_RUNTIME_DIR", str(tmp_path / "none" / "new"))
    with owner(mirror):
        assert not (tmp_path / "none").exists()
        assert run_json("scrub", mirror, code=5)["error"]["id"] == "pair-in-use"


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
    with unchanged(target), owner(mirror) as process:
        if place.is_dir():
            assert os.listdir(place) == []
        # It is what it was without a socket.
        error = run_json("seal", mirror, code=5)["error"]
        assert (error["id"], error["fields"]["pid"]) == ("pair-in-use", process.pid)
        assert "no control socket" in error["message"]
        assert run_json("status", mirror)["owner_pid"] == process.pid


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


def dead_socket(mirror: Path) -> Path:
    """What a process that was killed has left."""
    with owner(mirror) as process:
        process.kill()
        process.wait()
    assert socket_of(process.pid).exists()
    return socket_of(process.pid)


def test_a_stale_socket_is_replaced_and_swept(mirror: Path) -> None:
    # A program with the same number.
    program = ALONE + (
        "os.rename(sys.argv[2], path)\n"
        "with splitmirror.MirrorPair.open(mirror):\n"
        "    assert reached()\n"
        "gone()\n"
    )
    assert python(program, mirror, dead_socket(mirror)) == ""
    dead, foreign = dead_socket(mirror), runtime_folder() / "notes.sock"
    foreign.write_bytes(b"")
    with owner(mirror):
        assert not dead.exists()
        assert foreign.exists()
    foreign.unlink()


def test_a_socket_of_somebody_alive_is_left_alone(mirror: Path) -> None:
    # As in two containers that share the folder and count their processes anew.
    program = ALONE + (
        "import socket\n"
        "os.chdir(os.path.dirname(path))\n"
        "with socket.socket(socket.AF_UNIX) as other:\n"
        "    other.bind(os.path.basename(path))\n"
        "    other.listen()\n"
        "    before = os.lstat(path).st_ino\n"
        "    with splitmirror.MirrorPair.open(mirror) as pair:\n"
        "        assert pair.state == 'split'\n"
        "    assert os.lstat(path).st_ino == before\n"
        "os.unlink(path)\n"
    )
    assert python(program, mirror) == ""


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
