"""The command as a process of its own: run to its end, at a terminal, or stopped by a signal."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from helpers import KIB, write_pattern
from splitmirror import MirrorPair

COMMAND = [sys.executable, "-m", "splitmirror"]
Argument = str | bytes | Path


def run(*arguments: Argument, code: int = 0, cwd: Path | None = None) -> tuple[str, str]:
    """Run a command that must exit with `code`; gives what it wrote to stdout and stderr."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
        cwd=cwd,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, f"exit code {done.returncode}\n{out}{err}"
    assert "Traceback" not in err, err
    return out, err


def run_json(*arguments: Argument, code: int = 0) -> Any:
    """Run a command with --json: one document on stdout, also for an error."""
    out, _ = run(*arguments, "--json", code=code)
    (line,) = out.splitlines()
    return json.loads(line)


def at_terminal(*arguments: Argument, answer: str) -> tuple[int, str]:
    """Run a command at a terminal that answers its question; gives exit code and what was shown."""
    child, terminal = pty.fork()
    if child == 0:
        command: list[bytes] = [os.fsencode(word) for word in (*COMMAND, *arguments)]
        os.execv(command[0], command)
    shown, answered = b"", False
    with os.fdopen(terminal, "rb+", buffering=0) as talk:
        while True:
            if answered and answer == "\x03" and not select.select([talk], [], [], 1)[0]:
                # A Ctrl-C just before the program begins to wait is only seen with the next key.
                talk.write(answer.encode())
                continue
            try:
                piece = talk.read(4096)
            except OSError:
                # The other side has closed its terminal.
                break
            if not piece:
                break
            shown += piece
            if b"Go on?" in shown and not answered:
                answered = True
                talk.write(answer.encode())
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), shown.decode()


def make_pair(folder: Path, *, split: bool = True, length: int = 512 * KIB) -> tuple[Path, Path]:
    """A closed pair, split and sealed if wanted; gives source and mirror."""
    source, mirror = folder / "source", folder / "mirror"
    write_pattern(source, length, seed=20)
    with MirrorPair.create(source, mirror) as pair:
        if split:
            pair.refresh(label="good")
            pair.seal()
    return source, mirror
