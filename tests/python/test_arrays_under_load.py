"""Threads that store without a pause while verbs come in any order, in both ways of tracking.

What can be said then: a point never changes; what is stored after the last restore is there at the
end; and when the threads rest, a flush makes the mirror equal.
"""

from __future__ import annotations

import ctypes
import io
import random
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import KIB, MIB, digest
from splitmirror import MirrorPair, State, errors
from splitmirror.arrays import Mirroring, Tracking

BOTH = pytest.mark.parametrize("tracking", ["pages", "compare"])
LENGTH = 4 * MIB
ROUNDS = 60

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class Storing(threading.Thread):
    """Stores into its part of the array, and can be made to rest."""

    def __init__(self, part: Bytes, seed: int) -> None:
        super().__init__()
        self.part = part
        self.draw = random.Random(seed)
        self.running = True
        self.turn = threading.Lock()

    def run(self) -> None:
        while self.running:
            with self.turn:
                start = self.draw.randrange(self.part.size)
                self.part[start : start + self.draw.randrange(1, 20_000)] = self.draw.randrange(256)


@BOTH
@pytest.mark.parametrize("mirroring", ["interval", "on-flush"])
@pytest.mark.parametrize("mode", ["shared", "exclusive"])
def test_i1_verbs_in_any_order_under_stores(
    tmp_path: Path, tracking: Tracking, mirroring: Mirroring, mode: Any
) -> None:
    source, draw = tmp_path / "source", random.Random(f"{tracking} {mirroring} {mode}")
    source.write_bytes(bytes(LENGTH))
    with MirrorPair.create(source, tmp_path / "mirror", mode=mode) as pair:
        pair.establish()
        array = pair.array("u1", tracking=tracking, mirroring=mirroring)
        threads = [
            Storing(array[at : at + LENGTH // 2], at) for at in range(0, LENGTH, LENGTH // 2)
        ]
        for thread in threads:
            thread.start()
        point: str | None = None
        try:
            for _ in range(ROUNDS):
                point = step(pair, draw, point)
        finally:
            for thread in threads:
                thread.running = False
            for thread in threads:
                thread.join()
        if pair.state is State.SPLIT:
            pair.restore()
            assert digest(pair.mirror_path) == point
        pair.establish()
        array[1::100_000] = 5
        pair.flush()
        assert pair.mirror_path.read_bytes() == array.tobytes() == source.read_bytes()
        assert pair.verify().matches
        del array, threads, thread


def step(pair: MirrorPair, draw: random.Random, point: str | None) -> str | None:
    """One verb; gives the digest of the point that the mirror holds then."""
    verbs: list[Callable[[], object]] = [pair.flush, pair.status, pair.verify]
    if pair.state is State.SPLIT:
        assert digest(pair.mirror_path) == point
        verbs += [pair.restore, pair.establish, pair.refresh, pair.seal]
        verbs += [lambda: pair.restore(ranges=[(draw.randrange(LENGTH - 9), 9)])]
    else:
        # Others are not proven away where stores are not tracked.
        verbs += [pair.establish, pair.refresh, lambda: pair.split(as_of_last_establish=False)]
    verb = draw.choice(verbs)
    try:
        verb()
    except errors.OutsideWritesError:
        assert pair.state is State.SYNCHRONIZED
    return digest(pair.mirror_path) if pair.state is State.SPLIT else None


def fill_by_ctypes(array: Bytes) -> None:
    ctypes.memset(array.ctypes.data + 5000, 7, 3000)


def fill_by_readinto(array: Bytes) -> None:
    io.BytesIO(b"\x07" * 3000).readinto(array.data[5000:8000])


def fill_by_struct(array: Bytes) -> None:
    struct.pack_into("3000s", array.data, 5000, b"\x07" * 3000)


def fill_by_ufunc(array: Bytes) -> None:
    np.add(array[5000:8000], 7, out=array[5000:8000])


def fill_by_a_file(array: Bytes) -> None:
    with Path("/dev/zero").open("rb", buffering=0) as file:
        file.readinto(array.data[5000:8000])
    array[5000:8000].fill(7)


@BOTH
@pytest.mark.parametrize(
    "fill", [fill_by_ctypes, fill_by_readinto, fill_by_struct, fill_by_ufunc, fill_by_a_file]
)
def test_any_code_that_writes_memory_is_seen(
    tmp_path: Path, tracking: Tracking, fill: Callable[[Bytes], None]
) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(64 * KIB))
    with MirrorPair.create(source, tmp_path / "mirror") as pair:
        pair.establish()
        array = pair.array("u1", tracking=tracking)
        fill(array)
        pair.split()
        assert pair.mirror_path.read_bytes()[5000:8000] == b"\x07" * 3000
        array[6000] = 8
        pair.restore()
        assert array[6000] == 7
        assert array.sum() == 7 * 3000
        del array
