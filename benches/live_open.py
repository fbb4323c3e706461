"""What an open pair of a large sparse source takes: memory, and the time to open it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

from files import PAGE
from live_figures import Figure
from live_files import (
    close_all,
    demand_equal,
    make_pairs,
    make_sparse,
    open_for_reading,
    places,
    remove_pairs,
)
from place import demand
from splitmirror import MirrorPair

SCATTERED = 4096
MIB = 1 << 20
# The kernel counts a process's peak from the program that started it, until it is told to forget.
LIFE = """
import sys, time
from pathlib import Path
def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(l for l in lines if l.startswith(field + ":")).split()[1]) * 1024
import json, numpy, os, random, signal
end, mirror, count, page, seed = *sys.argv[1:3], *map(int, sys.argv[3:])
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
from splitmirror import MirrorPair
begun = time.perf_counter()
pair = MirrorPair.open(mirror)
seconds = time.perf_counter() - begun
opened = memory("VmRSS")
plan = pair.plan_restore().report if end != "write" else None
draw = random.Random(seed)
pages = pair.source_length // page
written = set()
for _ in range(count):
    offset = page * draw.randrange(pages)
    pair.write(offset, draw.randbytes(page))
    written.add(offset // pair.block_size)
said = {
    "seconds": seconds,
    "opened": opened - before,
    "peak": memory("VmHWM") - before,
    "reason": plan and plan.reason,
    "blocks": plan and plan.blocks,
    "written": len(written),
}
print(json.dumps(said), flush=True)
if end == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
pair.close()
"""


def life(end: str, mirror: Path, count: int, seed: int) -> dict[str, float]:
    """A process that opens the pair, writes here and there, and ends in one way or another."""
    command = [sys.executable, "-c", LIFE, end, mirror, str(count), str(PAGE), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    demand(done.returncode == (-9 if end == "kill" else 0), f"{end}: {done.stderr.strip()}")
    return dict(json.loads(done.stdout))


def footprint(folder: Path, sparse: int, runs: int, seed: int) -> list[Figure]:
    """Memory and opening, of a split pair with changes all over the source."""
    (pair,) = make_pairs(make_sparse(folder / "live-source", sparse))
    mirror = pair.mirror_path
    files = open_for_reading(pair.source_path, mirror)
    changed = places(sparse, PAGE, SCATTERED, random.Random(seed))
    blocks = sparse // pair.block_size
    try:
        for page in changed:
            pair.write(page, page.to_bytes(8, "little") * (PAGE // 8))
        pair.split()
        pair.close()
        lives = {"write": [], "kill": [], "killed": []}
        for number in range(runs):
            lives["write"].append(life("write", mirror, SCATTERED, seed + 2 * number))
            killed = life("kill", mirror, SCATTERED, seed + 2 * number + 1)
            lives["kill"].append(killed)
            # Whoever comes after a kill meets what it left in the intent log, and closes cleanly.
            after = life("look", mirror, 0, seed)
            demand(
                after["reason"] in ("bitmap", "unclean-close"), f"after a kill {after['reason']}"
            )
            demand(after["blocks"] >= killed["written"], "a kill lost marks")
            lives["killed"].append(after)
        pair = MirrorPair.open(mirror)
        receipt = pair.restore()
        demand(receipt.complete and receipt.mirror_unchanged, "an incomplete restore")
        demand(not pair.verify().differing, "the restore left something out")
        demand_equal("restore after kills", changed, *files)
    finally:
        close_all(files)
        remove_pairs([pair])
    limit = (32 * MIB + 3 * blocks / 8) / MIB
    name = f"{sparse // MIB} MiB sparse"

    def of(which: str, key: str, scale: float) -> list[float]:
        return [scale * one[key] for one in lives[which]]

    return [
        Figure(
            f"peak above import numpy, writes here and there, {name}",
            "MiB",
            of("write", "peak", 1 / MIB),
            at_most_value=limit,
        ),
        Figure("of it after open()", "MiB", of("write", "opened", 1 / MIB)),
        Figure(
            "peak above import numpy, after a kill",
            "MiB",
            of("killed", "peak", 1 / MIB),
            at_most_value=limit,
        ),
        Figure(
            f"open(), {name}",
            "ms",
            of("write", "seconds", 1e3) + of("kill", "seconds", 1e3),
            at_most_value=200.0,
        ),
        Figure(
            f"open() after a kill, {name}", "ms", of("killed", "seconds", 1e3), at_most_value=1000.0
        ),
    ]
