"""Arrays: a loop that stores into an array of a pair, beside the same loop on a plain np.memmap.

The loop works on rows of one page each, drawn over the whole array: every row is a page fault when
its page is clean, which is what tracking and write-back both cost.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from files import PAGE
from live_figures import Figure, timed
from place import demand
from splitmirror import MirrorPair

ITEMS = PAGE // 8
SCANNED = 1000
# Of a gibibyte: several of the intervals at which it is mirrored then.
SYNCHRONIZED_SECONDS = 20.0

Array = np.ndarray[Any, np.dtype[np.float64]]


def loop(array: Array, rows: Sequence[int]) -> None:
    """The program: a tenth of the rows, a page each."""
    for row in rows:
        array[row] += 1.0


class Scene:
    """A pair whose source is an array of rows, and a plain file of the same size."""

    def __init__(self, folder: Path, size: int, seed: int) -> None:
        self.draw = random.Random(seed)
        self.shape = (size // PAGE, ITEMS)
        self.paths = [folder / f"array-{name}" for name in ("source", "mirror", "plain")]
        for path in (self.paths[0], self.paths[2]):
            fill(path, size)
        self.pair = MirrorPair.create(*self.paths[:2])
        self.pair.establish()
        self.mapped = np.memmap(self.paths[2], "f8", "r+", shape=self.shape)
        # An item of a memmap costs several times that of an array, and that is not the question.
        self.plain: Any = self.mapped.view(np.ndarray)

    def rows(self, count: int) -> list[int]:
        """So many rows anywhere, in any order."""
        return self.draw.sample(range(self.shape[0]), count)

    def sync(self) -> None:
        """Both files are clean, so that every page faults anew."""
        self.pair.flush()
        self.mapped.flush()

    def in_turn(self, ours: Callable[[], object], plain: Callable[[], object]) -> tuple[Any, Any]:
        """Time both, in an order drawn anew."""
        if self.draw.random() < 0.5:
            return timed(ours), timed(plain)
        last = timed(plain)
        return timed(ours), last

    def demand_same(self, who: str, array: Array, rows: Iterable[int]) -> None:
        """Both programs computed the same."""
        for row in rows:
            demand(bool(np.array_equal(array[row], self.plain[row])), f"{who}: row {row} differs")

    def close(self) -> None:
        """Give everything back."""
        del self.plain, self.mapped
        self.pair.detach()
        for path in self.paths:
            path.unlink()


def fill(path: Path, size: int) -> None:
    """A file of zeros that has all its blocks, and in the page cache."""
    zeros = bytes(1 << 20)
    with path.open("xb") as file:
        for at in range(0, size, len(zeros)):
            file.write(zeros[: size - at])
        os.fsync(file.fileno())


def figure(name: str, ours: list[Any], plain: list[Any], at_most: float | None) -> Figure:
    """Milliseconds of a pass beside the plain one's."""
    return Figure(
        name,
        "ms",
        [1e3 * one.seconds for one in ours],
        "np.memmap",
        [1e3 * one.seconds for one in plain],
        [a.cpu_seconds / max(b.cpu_seconds, 1e-9) for a, b in zip(ours, plain, strict=True)],
        at_most,
    )


def split_figures(scene: Scene, runs: int) -> list[Figure]:
    """A pair that is split: the first pass over clean pages, and the next one over the same."""
    scene.pair.split()
    array = scene.pair.array("f8", scene.shape)
    rows = scene.rows(scene.shape[0] // 10)
    first, second = [], []
    for _ in range(4 * runs):
        scene.sync()
        work = lambda: loop(array, rows), lambda: loop(scene.plain, rows)
        first.append(scene.in_turn(*work))
        second.append(scene.in_turn(*work))
    scene.demand_same("split", array, rows)
    return [
        figure("split, first pass over clean pages", *map(list, zip(*first, strict=True)), 1.5),
        figure("split, second pass", *map(list, zip(*second, strict=True)), 1.1),
    ]


def following_figures(scene: Scene, runs: int) -> list[Figure]:
    """A pair that is synchronized: passes for some time, mirrored at the interval that adapts."""
    array = scene.pair.array("f8", scene.shape)
    rows = scene.rows(scene.shape[0] // 10)
    size = scene.shape[0] * PAGE
    seconds = max(0.2, SYNCHRONIZED_SECONDS * size / (1 << 30))
    passes: list[list[float]] = [[], []]
    done = [0, 0]
    for _ in range(runs):
        scene.sync()
        for which, target in scene.draw.sample([(0, array), (1, scene.plain)], 2):
            begun, count = time.perf_counter(), 0
            while time.perf_counter() - begun < seconds:
                loop(target, rows)
                count += 1
            passes[which].append(1e3 * (time.perf_counter() - begun) / count)
            done[which] += count
    # Nothing is compared with the plain array here: in the same time one of them got further.
    demand(bool((array[rows] - array[rows[0], 0] == 0).all()), "a pass left a row out")
    scene.pair.flush()
    mirror = np.fromfile(scene.paths[1], "f8").reshape(scene.shape)
    demand(bool(np.array_equal(mirror, array)), "the mirror does not follow the array")
    name = "synchronized, mirrored at intervals"
    return [Figure(name, "ms", passes[0], "np.memmap", passes[1], at_most=1.15)]


def collecting_figures(scene: Scene, runs: int) -> list[Figure]:
    """What finding, and mirroring, a thousand pages takes."""
    array = scene.pair.array("f8", scene.shape, mirroring="on-flush")
    count = min(SCANNED, scene.shape[0] // 2)
    bare = os.open(scene.paths[2], os.O_RDWR | os.O_CLOEXEC)
    mirrored, pwrites, scanned = [], [], []

    def store() -> list[int]:
        rows = scene.rows(count)
        loop(array, rows)
        return rows

    def write(rows: Sequence[int]) -> None:
        for row in rows:
            os.pwrite(bare, array[row], row * PAGE)

    for _ in range(10 * runs):
        rows = store()
        pages = sorted(rows)
        ours, theirs = scene.in_turn(scene.pair.status, lambda pages=pages: write(pages))  # type: ignore[misc]
        mirrored.append(1e3 * ours.seconds)
        pwrites.append(1e3 * theirs.seconds)
        demand(
            all(read_row(scene.paths[1], row) == array[row].tobytes() for row in rows[:20]),
            "status() did not bring what was stored to the mirror",
        )
    os.close(bare)
    scene.pair.split()
    for _ in range(10 * runs):
        rows = store()
        scanned.append(1e3 * timed(scene.pair.status).seconds)
    marked = scene.pair.status().changed_blocks
    demand(marked is not None and marked > 0, "no store was found")
    return [
        Figure(
            f"status() that mirrors {count} pages",
            "ms",
            mirrored,
            f"{count} os.pwrite",
            pwrites,
            at_most=2.0,
        ),
        Figure(f"status() that finds {count} pages, split", "ms", scanned, at_most_value=2.0),
    ]


def read_row(path: Path, row: int) -> bytes:
    """A row of a file."""
    with path.open("rb") as file:
        file.seek(row * PAGE)
        return file.read(PAGE)


def arrays(folder: Path, size: int, sparse: int, runs: int, seed: int) -> list[Figure]:
    """A tenth of an array's pages stored into, in every state of its pair."""
    figures = []
    for part in (split_figures, following_figures, collecting_figures):
        scene = Scene(folder, size, seed)
        try:
            figures += part(scene, runs)
        finally:
            scene.close()
    return figures
