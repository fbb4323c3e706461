"""A guard round a cell that fails, beside a copy of the array before and its way back after."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from files import PAGE
from live_arrays import Array, Scene, loop
from live_figures import Figure, timed
from place import demand


class CellFailed(Exception):
    """What the guarded cell raises."""


def anonymous_bytes() -> int:
    """Memory of this process that is no file's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon:")).split()[1]) * 1024


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Look at the memory all the time; the list gets the most that was added."""
    found, ended, before = [0], threading.Event(), anonymous_bytes()

    def look() -> None:
        while not ended.wait(0.0005):
            found[0] = max(found[0], anonymous_bytes() - before)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def guarded(pair: Any, array: Array, rows: list[int]) -> tuple[float, float]:
    """Entry and way back of a guard, in seconds, without the cell."""
    guard = pair.guard()
    entry = timed(guard.__enter__).seconds
    loop(array, rows)
    error = CellFailed()
    back = timed(lambda: guard.__exit__(CellFailed, error, None)).seconds
    return entry, back


def copied(array: Array, rows: list[int]) -> tuple[float, float]:
    """The same by hand."""
    saved: list[Array] = []
    entry = timed(lambda: saved.append(array.copy())).seconds
    loop(array, rows)
    back = timed(lambda: np.copyto(array, saved[0])).seconds
    return entry, back


def bare(scene: Scene, rows: list[int]) -> float:
    """The least that a durable way back takes: the pages are known beforehand, written, synced."""
    saved = [scene.plain[row].tobytes() for row in rows]
    loop(scene.plain, rows)
    file = os.open(scene.paths[2], os.O_RDWR | os.O_CLOEXEC)

    def back() -> None:
        for row, page in zip(rows, saved, strict=True):
            os.pwrite(file, page, row * PAGE)
        os.fdatasync(file)

    try:
        return timed(back).seconds
    finally:
        os.close(file)


class Rounds:
    """What each round of one kind of cell took, in milliseconds; memory in percent."""

    def __init__(self) -> None:
        self.first: list[float] = []
        self.again: list[float] = []
        self.by_hand: list[float] = []
        self.bare: list[float] = []
        self.memory: list[float] = []

    def run(self, scene: Scene, array: Array, rows: list[int]) -> None:
        """One round, the contestants in an order drawn anew."""
        before = array[rows].copy()

        def ours() -> None:
            scene.pair.establish()
            self.first.append(1e3 * sum(guarded(scene.pair, array, rows)))
            self.again.append(1e3 * sum(guarded(scene.pair, array, rows)))

        def theirs() -> None:
            self.by_hand.append(1e3 * sum(copied(scene.plain, rows)))

        def floor() -> None:
            self.bare.append(1e3 * bare(scene, sorted(rows)))

        for turn in scene.draw.sample([ours, theirs, floor], 3):
            scene.sync()
            turn()
        demand(bool(np.array_equal(array[rows], before)), "the guard did not bring all back")
        demand(scene.pair.state == "split", "the guard's point is gone")
        with peak_memory() as peak:
            guarded(scene.pair, array, rows)
        self.memory.append(100 * peak[0] / array.nbytes)

    def figures(self, cell: str) -> list[Figure]:
        """The lines of the table."""
        hand = ("copy and copy back", self.by_hand)
        return [
            Figure(
                f"{cell}, synchronized before", "ms", self.first, *hand, at_least=10, inverse=True
            ),
            Figure(f"{cell}, run again", "ms", self.again, *hand, at_least=10, inverse=True),
            Figure(f"{cell}, run again", "ms", self.again, "pwrite, fdatasync", self.bare),
            Figure(f"{cell}, peak memory", "%", self.memory, at_most_value=5.0),
        ]


def guarding(folder: Path, size: int, sparse: int, runs: int, seed: int) -> list[Figure]:
    """A cell that changes one page in a hundred of an array, and then fails."""
    scene = Scene(folder, size, seed)
    array = scene.pair.array("f8", scene.shape)
    count = max(1, scene.shape[0] // 100)
    together, scattered = Rounds(), Rounds()
    try:
        for _ in range(3 * runs):
            start = scene.draw.randrange(scene.shape[0] - count)
            together.run(scene, array, list(range(start, start + count)))
            scattered.run(scene, array, scene.rows(count))
    finally:
        del array
        scene.close()
    return together.figures("pages in a row") + scattered.figures("pages anywhere")
