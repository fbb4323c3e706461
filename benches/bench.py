"""Compare splitmirror with the tools that a user would pick instead: `make bench`.

All contestants of a row take turns, in an order that is shuffled for each repetition. Every result
is compared before its figure counts; a wrong one ends the bench with exit code 1. Times never do.

    python benches/bench.py --size 1G --sparse 1T --runs 5 --json bench.json --rows verify,writes
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from files import PAGE, WrongResult, available_memory, file_system
from live import LIVE, run_live
from measure import floor_bytes
from output import Line, load, machine, markdown, row_document
from peers import TOOLS
from place import Place, Row, sha256
from rows import ROWS, chosen

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
# Hot regions must find room in a sixteenth of it.
SPARSE_MIN = 2 << 30


def byte_size(text: str) -> int:
    """Read a size such as 64M."""
    found = re.fullmatch(r"(\d+)([KMGT]?)(?:iB|B)?", text, re.IGNORECASE)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 64M or 1G")
    size = int(found[1]) * UNITS[found[2].upper()]
    if size < 100 * PAGE:
        raise argparse.ArgumentTypeError("at least 400K: one page in a hundred is changed")
    return size


def sparse_size(text: str) -> int:
    """Read the size of the large sparse source."""
    size = byte_size(text)
    if size < SPARSE_MIN:
        raise argparse.ArgumentTypeError("at least 2G: nothing of it is stored but what is written")
    return size


def row_names(text: str) -> list[str]:
    """Read a list of rows."""
    names = text.split(",")
    if unknown := set(names) - {*ROWS, *LIVE}:
        raise argparse.ArgumentTypeError(f"no such row: {', '.join(sorted(unknown))}")
    return names


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=byte_size, default="1G", help="of the files (1G)")
    parser.add_argument(
        "--sparse", type=sparse_size, default="1T", help="of the sparse source of live rows (1T)"
    )
    parser.add_argument("--runs", type=int, default=5, help="repetitions of each row (5)")
    parser.add_argument(
        "--folder", type=Path, default=Path(), help="where the files go for the time"
    )
    parser.add_argument("--json", type=Path, help="where the results go")
    names = [*ROWS, *LIVE]
    parser.add_argument("--rows", type=row_names, default=names, help=f"of {','.join(names)}")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the changed pages and the order (1)"
    )
    return parser.parse_args()


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def run_row(row: Row, runs: int, order: random.Random) -> list[Line]:
    """Let the contestants take turns."""
    lines = [
        Line(contestant)
        for contestant in row.contestants
        if contestant.tool is None or TOOLS[contestant.tool].present
    ]
    row.before()
    for repetition in range(runs):
        for line in order.sample(lines, len(lines)):
            took = line.contestant.run(repetition)
            line.runs.append(took)
            say(f"{row.name} {repetition + 1}/{runs}: {line.contestant.name}: {took.seconds:.3f} s")
    return lines


def cache_state(size: int) -> str:
    """What the figures hold for."""
    if 4 * size > available_memory():
        return "The files do not fit into memory twice: their cache is in no known state."
    return (
        "Warm: both files flushed, dropped and read again in order before each run, so clean and "
        "in the cache; then twice their size of memory touched and freed."
    )


def bench(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run the rows and give the document."""
    place = Place(folder, options.size, options.seed)
    tools = {
        contestant.tool
        for row in chosen(place, options.rows)
        for contestant in row.contestants
        if contestant.tool
    }
    document: dict[str, Any] = {
        "format": 1,
        "splitmirror": None,
        "taken_at": int(time.time()),
        "machine": machine(),
        "file_system": file_system(folder),
        "size": options.size,
        "sparse": options.sparse,
        "runs": options.runs,
        "seed": options.seed,
        "cache": cache_state(options.size),
        "load": {"before": load()},
        "peers": {name: TOOLS[name].version() for name in sorted(tools) if TOOLS[name].present},
        "missing": [
            {"tool": name, "install": TOOLS[name].install}
            for name in sorted(tools)
            if not TOOLS[name].present
        ],
        "rows": [],
        "live": [],
    }
    for one in document["missing"]:
        say(f"{one['tool']} is missing, so not compared with: {one['install']}")
    say(f"making two files of {options.size} bytes")
    document["splitmirror"], digest = place.set_up()
    order = random.Random(options.seed)
    for row in chosen(place, options.rows):
        document["rows"].append(row_document(row, run_row(row, options.runs, order)))
    if sha256(place.mirror) != digest:
        raise WrongResult("the mirror is not what it was at the beginning")
    for name in (name for name in LIVE if name in options.rows):
        say(f"{name}: {LIVE[name]}")
        document["live"].append(
            run_live(
                name,
                folder,
                size=options.size,
                sparse=options.sparse,
                runs=options.runs,
                seed=options.seed,
            )
        )
    document["load"]["after"] = load()
    document["peak_floor_bytes"] = floor_bytes()
    return document


def main() -> int:
    """Run the bench."""
    options = arguments()
    # Its files are large: they go also when somebody ends it with SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="splitmirror-bench-", dir=options.folder) as name:
            os.environ["SPLITMIRROR_STATE_DIR"] = str(Path(name) / "state")
            document = bench(options, Path(name))
    except WrongResult as wrong:
        say(f"bench: {wrong}")
        return 1
    print(markdown(document))
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
