"""Processes that have a pair open and are asked for it, and a plain look at their sockets."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from commandline import COMMAND, Argument
from helpers import MIB, overwrite, write_pattern
from scenes import child
from splitmirror import MirrorPair

# Opens the mirrors that it is given, says so, and ends when its stdin does.
HOLD = """
import sys, splitmirror
pairs = [splitmirror.MirrorPair.open(path) for path in sys.argv[1:]]
print("open", flush=True)
sys.stdin.read()
for pair in pairs:
    pair.close()
"""
# Cannot be reached.
WITHOUT = (
    "import os, sys, splitmirror\nos.environ['SPLITMIRROR_CONTROL'] = '0'\n"
    "pair = splitmirror.MirrorPair.open(sys.argv[1])\nprint('open', flush=True)\nsys.stdin.read()\n"
)
Files = tuple[Path, Path]
# So long that nothing ends it before it is told to.
LONG = 256 * MIB


def owner(*mirrors: Path, program: str = HOLD) -> contextlib.AbstractContextManager[Any]:
    """Another process that has the pairs of these mirrors open."""
    return child(program, *mirrors)


def split_pair(
    folder: Path, *, length: int = 4 * MIB, mode: Any = "exclusive"
) -> tuple[Path, Path]:
    """A closed pair that is split and sealed; gives source and mirror."""
    source, mirror = folder / "source", folder / "mirror"
    write_pattern(source, length, seed=21)
    with MirrorPair.create(source, mirror, mode=mode) as pair:
        pair.refresh(label="good")
        pair.seal()
    return source, mirror


def two_mirrors(folder: Path) -> Path:
    """A pair that is split and sealed, with a changed source, and another mirror of it."""
    folder.mkdir()
    source, mirror = split_pair(folder)
    with MirrorPair.create(source, folder / "other", mode="exclusive") as pair:
        pair.establish()
        pair.split()
    overwrite(source, 0, b"corrupted")
    return mirror


def long_pair(folder: Path) -> Path:
    """A pair, not copied yet, of which a full copy takes long; gives the mirror."""
    source, mirror = folder / "source", folder / "mirror"
    block = os.urandom(MIB)
    with source.open("wb") as file:
        for _ in range(LONG // MIB):
            file.write(block)
    MirrorPair.create(source, mirror, mode="exclusive").close()
    return mirror


def runtime_folder() -> Path:
    return Path(os.environ["SPLITMIRROR_RUNTIME_DIR"])


def socket_of(pid: int) -> Path:
    return runtime_folder() / f"{pid}.sock"


@contextlib.contextmanager
def connection(pid: int, folder: Path | None = None) -> Iterator[socket.socket]:
    """A plain connection to the socket of a process."""
    inside = os.open(folder or runtime_folder(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as connected:
            connected.settimeout(60)
            # The path of a test's folder may be longer than a socket's may be.
            connected.connect(f"/proc/self/fd/{inside}/{pid}.sock")
            yield connected
    finally:
        os.close(inside)


def request(verb: str, mirror: Path, **arguments: Any) -> dict[str, Any]:
    return {"version": 1, "verb": verb, "mirror": str(mirror), "arguments": arguments}


def answers(connected: socket.socket) -> Iterator[dict[str, Any]]:
    """What comes until the other side closes, line by line."""
    with contextlib.suppress(ConnectionResetError), connected.makefile("rb") as lines:
        for line in lines:
            yield json.loads(line)


def told(connected: socket.socket, line: bytes | dict[str, Any]) -> list[dict[str, Any]]:
    """Send a line; all that is answered until there is a report or an error, or the end."""
    if isinstance(line, dict):
        line = json.dumps(line).encode() + b"\n"
    # Who has sent too much is not listened to any more.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connected.sendall(line)
    found = []
    for answer in answers(connected):
        found.append(answer)
        if "progress" not in answer:
            break
    return found


def error_of(pid: int, line: bytes | dict[str, Any]) -> str:
    """The id of the error that a line is answered with, on a connection of its own."""
    with connection(pid) as connected:
        (answer,) = told(connected, line)
    assert set(answer) == {"error"}, answer
    assert answer["error"]["message"]
    return str(answer["error"]["id"])


@contextlib.contextmanager
def command(*arguments: Argument) -> Iterator[subprocess.Popen[str]]:
    """A command with --json that runs on; it is killed at the end of the block."""
    with subprocess.Popen(
        [*COMMAND, *arguments, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C may be ignored where the tests run; a terminal's program begins with neither.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def progress_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the next line of progress of a command."""
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line, process.communicate(timeout=60)
    found: dict[str, Any] = json.loads(line)["progress"]
    return found


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    """Exit code and document of a command, when it has ended."""
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, json.loads(out)


def python(program: str, *arguments: Path | str, check: Callable[[int], bool] | None = None) -> str:
    """Run a Python program to its end, which has to be a good one; what it printed."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    good = (lambda code: code == 0) if check is None else check
    assert good(done.returncode), done.stderr
    return done.stdout + done.stderr
