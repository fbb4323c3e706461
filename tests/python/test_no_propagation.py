"""I1: a restore never writes the mirror, and no handle that could is there while it is split.

Requirements R1, R2, R3, R8 and R12; issue point 5. Corruption after corruption is undone from one
and the same mirror, whose bytes, inode and times stay as the split left them.
"""

from __future__ import annotations

import functools
import os
import random
import threading
from pathlib import Path

import pytest
from helpers import MIB, digest, hole_map, overwrite, write_pattern
from scenes import (
    BLOCK,
    LENGTH,
    cancelled_at_once,
    make_source,
    split,
    synchronized,
    writable_descriptors,
    writable_maps,
)
from splitmirror import MirrorPair, State, errors


def standing(path: Path) -> tuple[int, int, int, int, int, int]:
    stat = path.stat()
    return (
        stat.st_dev,
        stat.st_ino,
        stat.st_size,
        stat.st_mtime_ns,
        stat.st_ctime_ns,
        stat.st_blocks,
    )


def corrupt(source: Path, seed: int) -> None:
    chooser = random.Random(seed)
    for _ in range(5):
        overwrite(source, chooser.randrange(LENGTH), chooser.randbytes(3000))


@pytest.mark.parametrize("sealed", [False, True], ids=["unsealed", "sealed"])
def test_i1_every_restore_from_the_same_mirror_gives_the_same_bytes(
    any_fs: Path, sealed: bool
) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good, holes = digest(source), hole_map(source)
        root = pair.seal().root if sealed else None
        before = standing(pair.mirror_path)
        for seed in range(3):
            corrupt(source, seed)
            pair.write(seed * BLOCK, b"R2: this reaches the source alone")
            assert digest(pair.mirror_path) == good
            receipt = pair.restore()
            assert digest(source) == good
            assert hole_map(source) == holes
            assert standing(pair.mirror_path) == before
            assert digest(pair.mirror_path) == good
            # R3: still split, and mirroring has not begun again.
            assert receipt.state is State.SPLIT
            assert pair.state is State.SPLIT
            # R8: the proof is part of the result.
            assert receipt.mirror_unchanged
            assert receipt.mirror_stamp_before == receipt.mirror_stamp_after
            assert receipt.mirror_stamp_after.inode == before[1]
            assert (receipt.root_before, receipt.root_after) == (root, root)
            pair.write(0, b"R12: nothing follows before establish()")
            assert digest(pair.mirror_path) == good
        pair.establish()
        assert digest(pair.mirror_path) == digest(source) != good


def test_i1_no_writable_handle_on_the_mirror_exists_from_split_to_establish(any_fs: Path) -> None:
    source = make_source(any_fs)
    with synchronized(source) as pair:
        mirror = pair.mirror_path
        assert writable_descriptors(mirror), "a synchronized mirror is open for writing"
        pair.split()
        found: list[object] = []

        def look(*_: object) -> None:
            found.extend(writable_descriptors(mirror))
            found.extend(writable_maps(mirror))

        look()
        pair.seal(progress=look)
        view = pair.mirror_array("u1")
        look()
        corrupt(source, 1)
        pair.restore(progress=look)
        pair.restore(full=True, progress=look)
        cancelled_at_once(functools.partial(pair.restore, full=True))
        look()
        pair.resume_restore(progress=look)
        pair.restore(to=any_fs / "scratch", progress=look)
        pair.verify(progress=look)
        pair.scrub(progress=look)
        pair.write(0, b"x")
        pair.flush()
        look()
        del view
        pair.close()
        with MirrorPair.open(mirror) as again:
            look()
            again.restore(progress=look)
            look()
            assert found == []
            again.establish()
            assert writable_descriptors(mirror)


def test_i1_no_writable_handle_at_any_moment_of_a_long_restore(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_pattern(source, 24 * MIB, seed=3)
    with split(source) as pair:
        good = digest(source)
        source.write_bytes(b"\xff" * (24 * MIB))
        found: list[object] = []
        looked = 0
        over = threading.Event()

        def watch() -> None:
            nonlocal looked
            while True:
                last = over.is_set()
                found.extend(writable_descriptors(pair.mirror_path))
                found.extend(writable_maps(pair.mirror_path))
                looked += 1
                if last:
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            for _ in range(3):
                pair.restore(full=True)
        finally:
            over.set()
            watcher.join()
        assert looked
        assert found == []
        assert digest(source) == good


def test_i1_the_look_into_the_process_finds_what_it_looks_for(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(8192))
    import mmap

    with file.open("rb") as reading:
        assert writable_descriptors(file) == []
        with file.open("r+b") as writing:
            assert writable_descriptors(file) == [writing.fileno()]
            with mmap.mmap(writing.fileno(), 0) as view:
                assert len(writable_maps(file)) == 1
                assert len(view) == 8192
        assert writable_maps(file) == []
        assert os.fstat(reading.fileno()).st_size == 8192


def test_i6_opening_splitting_and_restoring_never_write_the_mirrors_bytes(any_fs: Path) -> None:
    source = make_source(any_fs)
    with synchronized(source) as pair:
        good = digest(source)
        overwrite(source, 100, b"native")
        with pytest.raises(errors.OutsideWritesError):
            pair.split()
        assert digest(pair.mirror_path) == good
    with MirrorPair.open(pair.mirror_path) as pair:
        assert digest(pair.mirror_path) == good
        pair.split(as_of_last_establish=True)
        assert digest(pair.mirror_path) == good
        pair.restore()
        assert digest(pair.mirror_path) == digest(source) == good
