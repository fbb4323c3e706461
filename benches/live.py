"""The live rows: what an application feels of the pair while it writes, splits and restores.

They are timed call by call inside a process (`live_figures`), not as whole commands, and have
targets where the design promises something; a target is printed beside its figure and never
decides over the exit code.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from files import WrongResult, settle, warm_memory

WORKER = Path(__file__).with_name("live_worker.py")
LIVE = {
    "writes": "Writes through the pair, into regions that were written before",
    "wide": "Writes with 8 mirrors, and into regions that were never written",
    "threads": "Two threads that write 4 KiB each",
    "splitting": "A split while two threads write",
    "returning": "start_restore(): until it has taken effect, and beside an application",
    "footprint": "Memory, and opening a pair of a large sparse source",
    "arrays": "A loop that stores into a tenth of an array's pages",
    "guarding": "A guard round a cell that changes one page in a hundred and fails",
    "serving": "A mounted volume under fio (psync, direct)",
}


def run_live(
    name: str, folder: Path, *, size: int, sparse: int, runs: int, seed: int
) -> dict[str, Any]:
    """Run one live row in a folder that is gone when it ends."""
    with tempfile.TemporaryDirectory(prefix="live-", dir=folder) as place:
        arguments: dict[str, Any] = {"folder": place, "runs": runs, "seed": seed}
        if name in ("splitting", "returning", "arrays", "guarding", "serving"):
            arguments["size"] = size
        arguments["sparse"] = sparse
        settle(folder)
        warm_memory(size)
        done = subprocess.run(
            [sys.executable, WORKER, name],
            input=json.dumps(arguments),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise WrongResult(f"{name}: {done.stderr.strip()}")
    return {"name": name, "title": LIVE[name], "figures": json.loads(done.stdout)}


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def spread(ratio: dict[str, float] | None) -> str:
    """A ratio with the half of the rounds that lie nearest."""
    if ratio is None:
        return ""
    return f"{ratio['median']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f})"


def target(figure: dict[str, Any]) -> str:
    """What the design promises."""
    if figure["at_most"] is not None:
        return f"≤ {figure['at_most']:g}"
    if figure["at_least"] is not None:
        return f"≥ {figure['at_least']:g}"
    if figure["at_most_value"] is not None:
        return f"≤ {number(figure['at_most_value'])} {figure['unit']}"
    return ""


def live_table(row: dict[str, Any]) -> str:
    """One live row as Markdown."""
    head = ["", "median", "min-max", "beside", "ratio (middle half)", "of CPU time", "target"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for one in row["figures"]:
        peer = f"{one['peer']}: {number(one['peer_median'])}" if one["peer"] else ""
        lines.append(
            [
                one["name"],
                f"{number(one['median'])} {one['unit']}",
                f"{number(one['min'])}-{number(one['max'])}",
                peer,
                spread(one["ratio"]),
                f"{one['cpu_ratio']['median']:.2f}" if one["cpu_ratio"] else "",
                target(one),
            ]
        )
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"### {row['title']}\n\n{table}"
