"""One measurement: a peer as a whole process, ours inside a process of its own.

The kernel counts as the peak of a process also what the process had that started it, until it ran
the new program. The bench itself therefore stays small, and a peer that needs less than the bench
shows the bench's own size: `floor_bytes`.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from files import WrongResult
from peers import Command

WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class Measured:
    """What one timed run took, and what it said."""

    seconds: float
    peak_bytes: int
    """The largest resident size."""
    above_bytes: int | None = None
    """Ours alone: what of it came after the imports."""
    phases: dict[str, float] = field(default_factory=dict)
    """Ours alone: the seconds of each call, also of those that the figure leaves out."""
    said: Any = None
    """A peer's output and last exit code, or what our verb reported."""


def floor_bytes() -> int:
    """No peer can show less than this."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_peer(commands: Sequence[Command], allowed: tuple[int, ...] = (0,)) -> Measured:
    """Run commands one after the other, timed from the first start to the last exit."""
    peak = 0
    with tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        for command in commands:
            with subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            peak = max(peak, usage.ru_maxrss * 1024)
            if process.returncode not in allowed:
                output.seek(0)
                said = output.read().decode(errors="replace").strip()
                raise WrongResult(f"{command[0]} failed with {process.returncode}: {said}")
        seconds = time.perf_counter() - begun
        output.seek(0)
        said = output.read().decode(errors="replace")
    return Measured(seconds, peak, said={"output": said, "code": process.returncode})


def run_worker(worker_verb: str, /, **arguments: Any) -> Measured:
    """Run a verb of ours in a new process, which times it itself."""
    done = subprocess.run(
        [sys.executable, WORKER, worker_verb],
        input=json.dumps(arguments, default=str),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WrongResult(f"{worker_verb} failed: {done.stderr.strip()}")
    return Measured(**json.loads(done.stdout))
