"""A guard round a cell that fails, beside a copy of the array before and its way back after."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
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


def guarding(folder: Path, size: int, sparse: int, runs: int, seed: int) -> list[Figure]:
    """A cell that changes one page in a hundred of an array and then fails."""
    scene = Scene(folder, size, seed)
    array = scene.pair.array("f8", scene.shape)
    draw = random.Random(seed)
    first: list[float] = []
    again: list[float] = []
    by_hand: list[float] = []
    memory: list[float] = []
    try:
        for _ in range(3 * runs):
            rows = scene.rows(max(1, scene.shape[0] // 100))
            before = array[rows].copy()
            scene.sync()
            turns = ["ours", "theirs"]
            draw.shuffle(turns)
            for turn in turns:
                if turn == "theirs":
                    by_hand.append(1e3 * sum(copied(scene.plain, rows)))
                    continue
                scene.pair.establish()
                first.append(1e3 * sum(guarded(scene.pair, array, rows)))
                again.append(1e3 * sum(guarded(scene.pair, array, rows)))
            demand(bool(np.array_equal(array[rows], before)), "the guard did not bring all back")
            demand(scene.pair.state == "split", "the guard's point is gone")
            with peak_memory() as peak:
                guarded(scene.pair, array, rows)
            memory.append(100 * peak[0] / size)
    finally:
        del array
        scene.close()
    name, peer = "guard: entry and restore", "copy and copy back"
    return [
        Figure(
            f"{name}, synchronized before", "ms", first, peer, by_hand, [], None, 10.0, None, True
        ),
        Figure(f"{name}, the same cell again", "ms", again, peer, by_hand, inverse=True),
        Figure("guard: peak memory beside the array's pages", "%", memory, at_most_value=5.0),
    ]
