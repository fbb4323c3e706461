"""Writes through the pair against bare writes of as many files: hot, cold, large, by two threads.

The peer is `os.pwrite` into files that were made and first written in the same way and order, so
their pages lie in the cache in folios of the same sizes; what a small write costs depends on that
more than on anything else here.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy
from files import PAGE
from live_figures import Figure, in_turns
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
from splitmirror import MirrorPair

LARGE = 1 << 20
# Slices of some milliseconds: on a busy machine most of them are left alone.
SLICE = 250
LARGE_SLICE = 8
COLD_SLICE = 16

Buffer = bytes | numpy.ndarray


def through(pair: MirrorPair, offsets: Sequence[int], data: Buffer) -> Callable[[], None]:
    """Write through the pair."""

    def work() -> None:
        write = pair.write
        for offset in offsets:
            write(offset, data)

    return work


def natively(files: Sequence[int], offsets: Sequence[int], data: Buffer) -> Callable[[], None]:
    """Write into each file, one after the other."""

    def one() -> None:
        (file,) = files
        pwrite = os.pwrite
        for offset in offsets:
            pwrite(file, data, offset)

    def two() -> None:
        first, second = files
        pwrite = os.pwrite
        for offset in offsets:
            pwrite(first, data, offset)
            pwrite(second, data, offset)

    def many() -> None:
        pwrite = os.pwrite
        for offset in offsets:
            for file in files:
                pwrite(file, data, offset)

    return {1: one, 2: two}.get(len(files), many)


class Scene:
    """A pair of a sparse source with one or more mirrors, and as many bare files."""

    def __init__(self, folder: Path, size: int, mirrors: int, seed: int) -> None:
        self.draw = random.Random(seed)
        self.pairs = make_pairs(make_sparse(folder / "live-source", size), mirrors)
        self.pair = self.pairs[0]
        self.bare = [open_bare(folder, f"live-bare-{n}", size) for n in range(mirrors + 1)]
        self.ours = open_for_reading(
            self.pair.source_path, *(pair.mirror_path for pair in self.pairs)
        )

    def fill(self, offsets: Sequence[int], unit: int) -> None:
        """Write the places for the first time, here and there in the same way."""
        data = self.draw.randbytes(unit)
        through(self.pair, offsets, data)()
        natively(self.bare, offsets, data)()
        self.sync()

    def sync(self) -> None:
        """Make both ways durable, so that nobody inherits the other's work."""
        self.pair.flush()
        for file in self.bare:
            os.fsync(file)

    def compare(
        self,
        name: str,
        rounds: int,
        offsets: Sequence[int],
        count: int,
        kind: Callable[[bytes], Buffer],
        unit: int,
        files: Sequence[int] | None = None,
        at_most: float | None = None,
    ) -> Figure:
        """Write the same places with the same bytes in turns."""
        files = self.bare if files is None else files

        def prepare(_: int) -> dict[str, Callable[[], object]]:
            chosen = self.draw.choices(offsets, k=count)
            data = kind(self.draw.randbytes(unit))
            return {
                "ours": through(self.pair, chosen, data),
                "bare": natively(files, chosen, data),
            }

        taken = in_turns(rounds, self.draw, prepare)
        peer = "os.pwrite" if len(files) == 1 else f"{len(files)} os.pwrite"
        self.sync()
        ours, bare = (taken[who] for who in ("ours", "bare"))
        return Figure(
            name,
            "µs",
            [1e6 * one.seconds / count for one in ours],
            peer,
            [1e6 * one.seconds / count for one in bare],
            [a.cpu_seconds / b.cpu_seconds for a, b in zip(ours, bare, strict=True)],
            at_most,
        )

    def close(self) -> None:
        """Give everything back."""
        close_all(self.ours + self.bare)
        remove_pairs(self.pairs)


def buffer(data: bytes) -> Buffer:
    """A writable array, as a program that computes has it."""
    return numpy.frombuffer(bytearray(data), dtype=numpy.uint8)


def hot(folder: Path, sparse: int, runs: int, seed: int) -> list[Figure]:
    """Regions that were written before: synchronized, then split."""
    size, rounds = sparse // 16, 40 * runs
    scene = Scene(folder, size, 1, seed)
    regions = places(size, REGION, 2 * HOT_REGIONS, scene.draw)
    half = len(regions) // 2
    small, large = units_of(regions[:half], PAGE), units_of(regions[half:], LARGE)
    scene.fill(small, PAGE)
    scene.fill(large, LARGE)
    try:
        figures = [
            scene.compare(
                "4 KiB of bytes, synchronized", rounds, small, SLICE, bytes, PAGE, at_most=1.3
            ),
            scene.compare("4 KiB array, synchronized", rounds, small, SLICE, buffer, PAGE),
            scene.compare(
                "1 MiB of bytes, synchronized",
                rounds,
                large,
                LARGE_SLICE,
                bytes,
                LARGE,
                at_most=1.1,
            ),
            scene.compare(
                "1 MiB array, synchronized", rounds, large, LARGE_SLICE, buffer, LARGE, at_most=1.25
            ),
        ]
        demand_equal("writes, synchronized", small, *scene.ours, *scene.bare)
        demand_equal("writes, synchronized", large, *scene.ours, *scene.bare, unit=LARGE)
        scene.pair.split()
        source, mirror = scene.ours
        alone, kept = scene.bare
        for name, data, offsets, unit, count, target in (
            ("4 KiB of bytes, split", bytes, small, PAGE, SLICE, 1.3),
            ("1 MiB of bytes, split", bytes, large, LARGE, LARGE_SLICE, None),
        ):
            figures.append(scene.compare(name, rounds, offsets, count, data, unit, [alone], target))
            # The mirror stays as it was, and so did the second bare file.
            demand_equal("writes, split", offsets, source, alone, unit=unit)
            demand_equal("the split mirror", offsets, mirror, kept, unit=unit)
    finally:
        scene.close()
    return figures


def wide(folder: Path, sparse: int, runs: int, seed: int) -> list[Figure]:
    """Eight mirrors; and regions that were never written, over all of a large sparse file."""
    figures = []
    scene = Scene(folder, sparse // 16, 8, seed)
    small = units_of(places(sparse // 16, REGION, HOT_REGIONS, scene.draw), PAGE)
    scene.fill(small, PAGE)
    try:
        figures.append(
            scene.compare("4 KiB of bytes, 8 mirrors", 20 * runs, small, SLICE, bytes, PAGE)
        )
        demand_equal("writes to 8 mirrors", small, *scene.ours, *scene.bare)
    finally:
        scene.close()
    for mirrors in (1, 8):
        scene = Scene(folder, sparse, mirrors, seed)
        cold = places(sparse, PAGE, COLD_SLICE * (5 * runs + 1), scene.draw)
        name = f"4 KiB of bytes, cold regions, {mirrors} mirror{'s' * (mirrors > 1)}"
        try:
            figures.append(scene.compare(name, 5 * runs, cold, COLD_SLICE, bytes, PAGE))
            demand_equal(name, cold, *scene.ours, *scene.bare)
        finally:
            scene.close()
    return figures


def side_by_side(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    """Two threads."""

    def work() -> None:
        threads = [threading.Thread(target=target) for target in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return work


def threads(folder: Path, sparse: int, runs: int, seed: int) -> list[Figure]:
    """The same writes by one thread, and shared by two."""
    size, count = sparse // 16, 16 * SLICE
    scene = Scene(folder, size, 1, seed)
    small = units_of(places(size, REGION, HOT_REGIONS, scene.draw), PAGE)
    scene.fill(small, PAGE)
    left, right = small[: len(small) // 2], small[len(small) // 2 :]

    def taken(files: Sequence[int]) -> dict[str, list[float]]:
        def prepare(_: int) -> dict[str, Callable[[], object]]:
            data = scene.draw.randbytes(PAGE)
            a, b = (scene.draw.choices(half, k=count // 2) for half in (left, right))
            return {
                "one": through(scene.pair, a + b, data),
                "two": side_by_side(*(through(scene.pair, part, data) for part in (a, b))),
                "bare-one": natively(files, a + b, data),
                "bare-two": side_by_side(*(natively(files, part, data) for part in (a, b))),
            }

        rounds = in_turns(8 * runs, scene.draw, prepare)
        return {who: [1e6 * one.seconds / count for one in all] for who, all in rounds.items()}

    def figures_of(
        state: str, files: Sequence[int], peer: str, at_least: float | None = None
    ) -> list[Figure]:
        values = taken(files)
        both = values["two"], values["one"]
        bare = values["bare-two"], values["bare-one"]
        return [
            Figure(name, "µs", two, "1 thread", one, at_least=target, inverse=True)
            for name, (two, one), target in (
                (f"2 threads, {state}", both, at_least),
                (f"{peer} by 2 threads", bare, None),
            )
        ]

    source, mirror = scene.ours
    alone, kept = scene.bare
    try:
        figures = figures_of("synchronized", scene.bare, "2 os.pwrite", 1.3)
        demand_equal("writes of two threads", small, source, mirror, alone, kept)
        scene.pair.split()
        figures += figures_of("split", [alone], "os.pwrite")
        demand_equal("writes of two threads, split", small, source, alone)
        demand_equal("the split mirror", small, mirror, kept)
    finally:
        scene.close()
    return figures
