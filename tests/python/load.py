"""An application under load: threads that write through pairs, and know what; disks that fail."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from conftest import NotPermitted, run
from helpers import KIB, MIB
from splitmirror import MirrorPair, errors

PIECE = 4 * KIB


class Load:
    """Threads that write pieces of 4 KiB, each its own ones, until the block ends.

    `written` is what the pieces hold for certain: the last write of each that was acknowledged.
    `failed` are the errors that a thread met; it goes on after one when `persistent`.
    """

    def __init__(
        self, pairs: Sequence[MirrorPair], length: int, *, threads: int = 4, flush: bool = True
    ) -> None:
        self.written: dict[int, bytes] = {}
        self.failed: list[Exception] = []
        self.calls = 0
        self._length, self._flush = length, flush
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(pairs[number % len(pairs)], number, threads))
            for number in range(threads)
        ]

    def _run(self, pair: MirrorPair, number: int, threads: int) -> None:
        chooser = random.Random(number)
        pieces = range(number, self._length // PIECE, threads)
        while not self._stop.is_set():
            at = chooser.choice(pieces) * PIECE
            data = chooser.randbytes(64) * (PIECE // 64)
            try:
                pair.write(at, data)
                self.written[at] = data
                self.calls += 1
                if self._flush and chooser.random() < 0.05:
                    pair.flush()
            except Exception as error:
                # Whatever it is, the test is to see it; so is how often.
                self.failed.append(error)
                time.sleep(0.001)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.go_on()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads), "a writer hangs"

    def go_on(self, calls: int = 200, *, seconds: float = 30) -> None:
        """Wait until so many more writes were acknowledged."""
        target, deadline = self.calls + calls, time.monotonic() + seconds
        while self.calls < target:
            assert time.monotonic() < deadline, f"no progress: {self.failed[:3]}"
            time.sleep(0.002)

    def until(self, condition: object, pair: MirrorPair, *, seconds: float = 30) -> None:
        """Wait until the pair has a condition."""
        deadline = time.monotonic() + seconds
        while condition not in pair.conditions:
            assert time.monotonic() < deadline, f"{pair!r} has no {condition}: {self.failed[:3]}"
            time.sleep(0.002)

    def matches(self, content: bytes) -> bool:
        """Whether all that was acknowledged is there."""
        return all(content[at : at + PIECE] == data for at, data in self.written.items())


def cut_off(place: Path) -> None:
    """From here on everything on that file system fails, until it is mounted again."""
    try:
        run("xfs_io", "-x", "-c", "shutdown", place)
    except NotPermitted as reason:
        pytest.skip(f"no shutdown here: {reason}")


def mount_again(place: Path) -> None:
    """A file system that was cut off, with what had reached its medium."""
    device = run("findmnt", "--noheadings", "--output", "SOURCE", place)
    run("umount", place)
    run("mount", device, place)


def fill(path: Path) -> None:
    """Take what is left of a small file system."""
    with path.open("wb", buffering=0) as file:
        for size in (MIB, PIECE):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\xff" * size)


def closed_somehow(pair: MirrorPair) -> None:
    """Close a pair whose catalog cannot take its last words."""
    with contextlib.suppress(errors.AreaIOError):
        pair.close()
