"""A split while two threads write as fast as they can: what a single write waits for it."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from files import PAGE
from live_figures import Figure, percentile
from live_files import (
    HOT_REGIONS,
    REGION,
    close_all,
    demand_equal,
    make_pairs,
    make_sparse,
    open_bare,
    open_for_reading,
    places,
    remove_pairs,
    units_of,
)
from place import demand
from splitmirror import MirrorPair, SplitReport, State

SPLITS = 4
LEAD = 0.05
TARGET_MS = 5.0

Span = tuple[float, float]


class Writer(threading.Thread):
    """Writes pages of its own until it is told to stop, and keeps the time of each write."""

    def __init__(
        self, write: Callable[[int, bytes], object], offsets: Sequence[int], seed: int
    ) -> None:
        super().__init__()
        self.spans: list[Span] = []
        self.stop = False
        self.failed: BaseException | None = None
        self._through, self._offsets, self._draw = write, offsets, random.Random(seed)

    def run(self) -> None:
        """Write; the bytes of each round over the pages say which round it was."""
        try:
            self._write()
        except BaseException as error:
            self.failed = error
            raise

    def _write(self) -> None:
        write, now, keep = self._through, time.perf_counter, self.spans.append
        order = self._draw.sample(self._offsets, len(self._offsets))
        number = 0
        while not self.stop:
            number += 1
            data = number.to_bytes(4, "little") * (PAGE // 4)
            for offset in order:
                begun = now()
                write(offset, data)
                keep((begun, now()))
                if self.stop:
                    break


def overlapping(spans: Sequence[Span], begun: float, ended: float) -> list[float]:
    """Milliseconds of the writes that were under way at some moment between the two."""
    return [1e3 * (b - a) for a, b in spans if b > begun and a < ended]


def under_load(
    write: Callable[[int, bytes], object],
    act: Callable[[], SplitReport | None],
    halves: Sequence[Sequence[int]],
    seed: int,
) -> dict[str, float]:
    """Do something once while others write; waits in milliseconds."""
    writers = [Writer(write, half, seed + n) for n, half in enumerate(halves)]
    for writer in writers:
        writer.start()
    try:
        time.sleep(LEAD)
        begun = time.perf_counter()
        report = act()
        ended = time.perf_counter()
    finally:
        for writer in writers:
            writer.stop = True
        for writer in writers:
            writer.join()
    demand(all(writer.failed is None for writer in writers), "a write failed during a split")
    spans = [span for writer in writers for span in writer.spans]
    # When in a split the gate is closed, nobody outside can know: all of it counts.
    waits = overlapping(spans, begun, ended)
    demand(len(waits) > 0, "nobody wrote during the split")
    return {
        "p99": percentile(waits, 0.99),
        "max": max(waits),
        "paused": 1e3 * report.writers_paused_seconds if report else 0.0,
        "took": 1e3 * (ended - begun),
    }


class Bare:
    """Two bare files that were made and written alike, with the control of a split: both written,
    then the first one alone while the second is put on stable storage.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.files = [open_bare(folder, f"live-bare-{n}", size) for n in range(2)]
        self._following = True

    def write(self, offset: int, data: bytes) -> None:
        """Into the first file, and into the second before the sync."""
        os.pwrite(self.files[0], data, offset)
        if self._following:
            os.pwrite(self.files[1], data, offset)

    def sync_second(self) -> None:
        """As a split must do with the mirror."""
        self._following = False
        os.fsync(self.files[1])

    def follow(self) -> None:
        """As an establish."""
        self._following = True


def at_size(folder: Path, size: int, label: str, runs: int, seed: int) -> list[Figure]:
    """Several splits of one pair, each after an establish, in turns with the control."""
    draw = random.Random(seed)
    (pair,) = make_pairs(make_sparse(folder / "live-source", size))
    bare, kept = Bare(folder, size), open_bare(folder, "live-kept", size)
    files = open_for_reading(pair.source_path, pair.mirror_path)
    pages = units_of(places(size, REGION, HOT_REGIONS, draw), PAGE)
    halves = pages[: len(pages) // 2], pages[len(pages) // 2 :]
    taken: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}

    def split(number: int) -> dict[str, float]:
        if pair.state is State.SPLIT:
            pair.establish()
        found = under_load(pair.write, pair.split, halves, seed + number)
        verify_point(pair, pages, files[1], kept)
        return found

    def control(number: int) -> dict[str, float]:
        bare.follow()
        return under_load(bare.write, bare.sync_second, halves, seed + number)

    try:
        for page in pages:
            data = draw.randbytes(PAGE)
            pair.write(page, data)
            bare.write(page, data)
        for number in range(SPLITS * runs):
            for who, run in draw.sample([("ours", split), ("bare", control)], 2):
                pair.flush()
                for file in bare.files:
                    os.fsync(file)
                taken[who].append(run(number))
    finally:
        close_all([*files, *bare.files, kept])
        remove_pairs([pair])
    peer = "bare, fsync of the 2nd file"
    return [
        *(
            Figure(
                f"{name}, {label}",
                "ms",
                [one[key] for one in taken["ours"]],
                peer,
                [one[key] for one in taken["bare"]],
                at_most_value=target,
            )
            for name, key, target in (
                ("writes during split(), 99 in 100", "p99", TARGET_MS),
                ("longest write during split()", "max", TARGET_MS),
                ("split() itself", "took", None),
            )
        ),
        Figure(
            f"writers_paused_seconds, {label}",
            "ms",
            [one["paused"] for one in taken["ours"]],
            at_most_value=TARGET_MS,
        ),
    ]


def verify_point(pair: MirrorPair, pages: Sequence[int], mirror: int, kept: int) -> None:
    """The split mirror is a point in time: each block differs from the source only where that is
    known, and writes that come later leave it alone.
    """
    found = pair.verify()
    known = pair.block_map()
    size = pair.block_size
    for run in found.differing:
        blocks = range(run.offset // size, (run.offset + run.length - 1) // size + 1)
        demand(all(known[block] == 1 for block in blocks), "a split lost a mark")
    for page in pages[:: max(1, len(pages) // 256)]:
        os.pwrite(kept, os.pread(mirror, PAGE, page), page)
        pair.write(page, b"later" + bytes(PAGE - 5))
    demand_equal("the split mirror", pages[:: max(1, len(pages) // 256)], mirror, kept)


def splitting(folder: Path, size: int, sparse: int, runs: int, seed: int) -> list[Figure]:
    """At both sizes."""
    return [
        *at_size(folder, size, "small file", runs, seed),
        *at_size(folder, sparse, "large sparse file", runs, seed),
    ]
