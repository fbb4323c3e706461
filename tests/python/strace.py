"""A child process whose system calls are made to fail, or which is killed at one of them.

`when=K` of strace counts in each thread on its own, so "the K-th" is the first K-th of any thread.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KILLED = 137


@functools.cache
def _why_not() -> str | None:
    program = shutil.which("strace")
    if program is None:
        return "strace is not installed"
    tried = subprocess.run(
        [program, "-qq", "-o", "/dev/null", "-e", "inject=getppid:error=EIO", "true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return None if tried.returncode == 0 else f"strace cannot inject here: {tried.stderr.strip()}"


def need_strace() -> None:
    """Skip, with the reason, where strace cannot be used."""
    reason = _why_not()
    if reason:
        pytest.skip(reason)


def run_injected(
    program: str, *arguments: str | Path, calls: str, fault: str, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a Python program with a fault in some of its system calls.

    Args:
        program: the text of the program.
        arguments: its arguments.
        calls: names of system calls, separated by commas.
        fault: as strace has it: "error=EIO:when=3+", "signal=SIGKILL:when=7".
        path: only calls on this file.
    """
    need_strace()
    only = [] if path is None else ["-P", str(path)]
    command = ["strace", "-f", "-qq", "-o", "/dev/null", *only]
    # Without --kill-on-exit a killed strace would leave the child; it is the child that is killed.
    command += ["-e", f"trace={calls}", "-e", f"inject={calls}:{fault}"]
    done = subprocess.run(
        [*command, sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode == -9:
        # strace ends as the process that it traced did.
        done.returncode = KILLED
    return done
