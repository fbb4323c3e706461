"""A split while threads write: they go on meanwhile, and never sync themselves.

Every sync of the process is made to take a third of a second longer. If a writer had to sync for a
region that is logged already, its thread would show in the trace. That no sync is made while the
gate is closed is shown without a clock by the crash tests' simulated host (tests/core/drain.rs).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from helpers import MIB
from strace import need_strace

SYNCS = "fsync,fdatasync,sync_file_range,syncfs,sync,msync"
DELAY_MS = 300
REGION = 4 * MIB

PROGRAM = """
import json, sys, threading, time
from pathlib import Path
from splitmirror import MirrorPair

folder, regions, region = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
source = folder / "source"
with source.open("wb") as file:
    file.truncate(regions * region)
pair = MirrorPair.create(source, folder / "mirror", mode="exclusive")
pair.establish()
for number in range(regions):
    pair.write(number * region, b"first")

waits, writers = [], []
stop = threading.Event()

def write(first):
    writers.append(threading.get_native_id())
    number = first
    while not stop.is_set():
        number += 2
        begun = time.perf_counter()
        pair.write(number % regions * region, number.to_bytes(8, "little"))
        waits.append((begun, time.perf_counter()))
        time.sleep(0.0005)

threads = [threading.Thread(target=write, args=(first,)) for first in range(2)]
for thread in threads:
    thread.start()
time.sleep(0.1)
begun = time.perf_counter()
pair.split()
ended = time.perf_counter()
stop.set()
for thread in threads:
    thread.join()
during = [b - a for a, b in waits if b > begun and a < ended]
print(json.dumps({
    "writers": writers,
    "during": len(during),
    "split": ended - begun,
}))
pair.close()
"""


class Said(NamedTuple):
    """What the program found; times in seconds."""

    writers: list[int]
    during: int
    split: float


def run_delayed(folder: Path, regions: int) -> tuple[Said, str]:
    """What the program says, and the trace of its syncs."""
    need_strace()
    trace = folder / "trace"
    command = ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={SYNCS}"]
    # Only these calls stop the process; all others run at their own speed.
    command += ["--seccomp-bpf", "-e", f"inject={SYNCS}:delay_enter={DELAY_MS * 1000}"]
    done = subprocess.run(
        [*command, sys.executable, "-c", PROGRAM, str(folder), str(regions), str(REGION)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return Said(**json.loads(done.stdout)), trace.read_text()


@pytest.fixture(scope="module")
def delayed(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Said, str]:
    return run_delayed(tmp_path_factory.mktemp("split"), regions=8)


def test_writers_go_on_while_a_split_waits_for_storage(
    delayed: tuple[Said, str],
) -> None:
    said, trace = delayed
    assert re.search(r"\b(fsync|fdatasync)\(", trace)
    # The split itself waits for the mirror and the catalog; that it does so proves the delay.
    assert said.split > DELAY_MS / 1000
    assert said.during > 10


def test_a_writer_never_syncs_in_a_region_that_is_logged(
    delayed: tuple[Said, str],
) -> None:
    said, trace = delayed
    syncing = {int(line.split()[0]) for line in trace.splitlines() if line.strip()}
    assert syncing
    assert not syncing & set(said.writers)
