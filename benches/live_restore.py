"""start_restore(): how soon it has taken effect, and what an application feels of the copying."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from files import PAGE, make_random, warm_files, warm_memory
from live_figures import Figure, percentile
from live_files import (
    BLOCK,
    close_all,
    demand_equal,
    make_pairs,
    make_sparse,
    open_for_reading,
    places,
    remove_pairs,
)
from place import demand
from splitmirror import MirrorPair, RestoreJob

TARGET_MS = 50.0
SCATTERED = 8192
DIRTY_SHARE = 0.01


def dirty(pair: MirrorPair, offsets: Sequence[int], draw: random.Random) -> None:
    """Change pages of a split pair."""
    for offset in offsets:
        pair.write(offset, draw.randbytes(PAGE))


def started(pair: MirrorPair) -> tuple[RestoreJob, float]:
    """Begin a restore; milliseconds until it has taken effect."""
    begun = time.perf_counter()
    job = pair.start_restore()
    return job, 1e3 * (time.perf_counter() - begun)


def finished(job: RestoreJob, blocks: int) -> None:
    """Wait for the end, and see that it went by the bitmap."""
    receipt = job.wait()
    demand(receipt.reason == "bitmap", f"a restore by {receipt.reason}")
    demand(receipt.complete and receipt.mirror_unchanged, "an incomplete restore")
    demand(receipt.blocks_copied + receipt.blocks_app_written >= blocks, "blocks left out")


def instants(
    folder: Path, size: int, share: float, label: str, runs: int, seed: int
) -> list[Figure]:
    """Pages changed here and there, flushed or not, and restored: by size of the file."""
    draw = random.Random(seed)
    (pair,) = make_pairs(make_sparse(folder / "live-source", size))
    source, mirror = open_for_reading(pair.source_path, pair.mirror_path)
    changed = places(size, PAGE, max(1, min(SCATTERED, int(size // PAGE * share))), draw)
    taken: dict[str, list[float]] = {"flushed": [], "not flushed": []}
    try:
        # Not all is zeros: what comes back must be seen.
        dirty(pair, changed, draw)
        pair.split()
        for state in draw.sample(list(taken) * runs, 2 * runs):
            dirty(pair, changed, draw)
            if state == "flushed":
                pair.flush()
            job, milliseconds = started(pair)
            taken[state].append(milliseconds)
            page = draw.choice(changed)
            demand(pair.read(page, PAGE) == os.pread(mirror, PAGE, page), "not yet restored")
            finished(job, len({offset // BLOCK for offset in changed}))
            demand_equal("start_restore", changed, source, mirror)
    finally:
        close_all([source, mirror])
        remove_pairs([pair])
    return [
        Figure(
            f"start_restore() returns, {len(changed)} pages of {label}, {state} before",
            "ms",
            values,
            at_most_value=TARGET_MS,
        )
        for state, values in taken.items()
    ]


class Application:
    """A program that reads, or reads and writes, pages at random while a restore copies."""

    def __init__(self, pair: MirrorPair, pages: Sequence[int], writes: float, seed: int) -> None:
        self.draw = random.Random(seed)
        self.pair = pair
        self.written: dict[int, bytes] = {}
        self.operations = [
            (page, self.draw.randbytes(8) * (PAGE // 8) if self.draw.random() < writes else None)
            for page in self.draw.sample(pages, len(pages))
        ]

    def run(self, going: Callable[[], bool]) -> list[float]:
        """Go through the operations while it goes on, at least once; seconds of each."""
        read, write, now = self.pair.read, self.pair.write, time.perf_counter
        seconds = []
        for number, (page, data) in enumerate(self.operations):
            if number % 16 == 0 and number and not going():
                break
            begun = now()
            if data is None:
                read(page, PAGE)
            else:
                write(page, data)
                self.written[page] = data
            seconds.append(now() - begun)
        return seconds


def beside(
    pair: MirrorPair, files: Sequence[int], size: int, writes: float, seed: int
) -> tuple[list[float], list[float]]:
    """Every block is dirty and comes back while the application runs; then the application does
    the same without a restore.
    """
    draw = random.Random(seed)
    pages = list(range(0, size, BLOCK))
    dirty(pair, pages, draw)
    pair.flush()
    warm_files(pair.source_path, pair.mirror_path)
    warm_memory(size)
    application = Application(pair, pages, writes, seed)
    job, _ = started(pair)
    busy = application.run(lambda: job.running)
    finished(job, len(pages))
    idle_application = Application(pair, pages, writes, seed)
    idle_application.operations = application.operations[: len(busy)]
    idle = idle_application.run(lambda: True)
    demand(len(idle) == len(busy), "fewer operations without a restore")
    source, mirror = files
    for page in pages:
        wanted = application.written.get(page) or os.pread(mirror, PAGE, page)
        demand(pair.read(page, PAGE) == wanted == os.pread(source, PAGE, page), "wrong bytes")
    return busy, idle


def copying(folder: Path, size: int, runs: int, seed: int) -> list[Figure]:
    """What the application feels."""
    make_random(folder / "live-source", size)
    (pair,) = make_pairs(folder / "live-source")
    files = open_for_reading(pair.source_path, pair.mirror_path)
    taken = {}
    try:
        pair.split()
        for writes in (0.0, 0.5):
            taken[writes] = [
                beside(pair, files, size, writes, seed + number) for number in range(runs)
            ]
    finally:
        close_all(files)
        remove_pairs([pair])

    def of(writes: float, what: Callable[[list[float]], float]) -> tuple[list[float], list[float]]:
        busy, idle = zip(*taken[writes], strict=True)
        return [1e6 * what(one) for one in busy], [1e6 * what(one) for one in idle]

    def late(seconds: list[float]) -> float:
        return percentile(seconds, 0.99)

    def mean(seconds: list[float]) -> float:
        return sum(seconds) / len(seconds)

    figures = []
    for name, writes, what, target in (
        ("first read while it copies, 99 in 100", 0.0, late, {"at_most": 2.0}),
        ("first read while it copies, mean", 0.0, mean, {"at_least": 0.5, "inverse": True}),
        ("read or write while it copies, mean", 0.5, mean, {"at_least": 0.5, "inverse": True}),
    ):
        busy, idle = of(writes, what)
        figures.append(Figure(name, "µs", busy, "idle", idle, **target))
    counts = [float(len(busy)) for busy, _ in taken[0.0]]
    figures.append(Figure("first reads of a run", "reads", counts))
    return figures


def returning(folder: Path, size: int, sparse: int, runs: int, seed: int) -> list[Figure]:
    """All of it."""
    return [
        *instants(folder, size, DIRTY_SHARE, "a small file", runs, seed),
        *instants(folder, sparse, DIRTY_SHARE, "a large sparse file", runs, seed),
        *copying(folder, size, runs, seed),
    ]
