"""start_restore() block by block: what a read sees and a write leaves, and what the receipt says.

The block table of a restore, row by row; a model of bytes and origins; seals; heal().
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from helpers import MIB, digest, overwrite, write_pattern
from scenes import BLOCK
from several import make_mirror
from splitmirror import MirrorPair, Receipt, RestoreJob, errors
from splitmirror.states import Condition

# More than the first pieces of a copier that is hardly allowed to copy.
LENGTH = 2 * MIB + 777
BLOCKS = 33
HARDLY = 1
PENDING = 20
KEPT, BROUGHT_BACK, APP_WRITTEN = 0, 1, 2
BAD = b"\xee"
Change = Callable[[MirrorPair, bytearray], None]


def spoiled_pair(folder: Path, *, spoil: int = LENGTH, sealed: bool = False) -> MirrorPair:
    source = folder / "source"
    write_pattern(source, LENGTH, seed=41, holes=False)
    pair = make_mirror(source, 0)
    pair.split(label="good")
    if sealed:
        pair.seal()
    pair.write(LENGTH - spoil, BAD * spoil)
    pair.flush()
    return pair


def write(pair: MirrorPair, model: bytearray, at: int, data: bytes) -> None:
    pair.write(at, data)
    model[at : at + len(data)] = data


def discard(pair: MirrorPair, model: bytearray, at: int, length: int) -> None:
    pair.discard(at, length)
    length = min(length, len(model) - at)
    model[at : at + length] = bytes(length)


def write_twice(pair: MirrorPair, model: bytearray) -> None:
    write(pair, model, PENDING * BLOCK + 9, b"first")
    write(pair, model, PENDING * BLOCK + 12, b"second")


# What is done, and the blocks that are the application's afterwards.
ROWS: dict[str, tuple[Change, set[int]]] = {
    "nothing": (lambda pair, model: None, set()),
    "a whole pending block": (
        lambda pair, model: write(pair, model, PENDING * BLOCK, b"w" * BLOCK),
        {PENDING},
    ),
    "a part of a pending block": (
        lambda pair, model: write(pair, model, PENDING * BLOCK + 100, b"some words"),
        {PENDING},
    ),
    "the border of two pending blocks": (
        lambda pair, model: write(pair, model, PENDING * BLOCK - 4, b"some words"),
        {PENDING - 1, PENDING},
    ),
    "the last, shorter block": (
        lambda pair, model: write(pair, model, LENGTH - 5, b"words"),
        {BLOCKS - 1},
    ),
    "a discard of a whole pending block": (
        lambda pair, model: discard(pair, model, PENDING * BLOCK, BLOCK),
        {PENDING},
    ),
    "a discard of a part of a pending block": (
        lambda pair, model: discard(pair, model, PENDING * BLOCK + 5, BLOCK // 2),
        {PENDING},
    ),
    "a discard across three blocks": (
        lambda pair, model: discard(pair, model, (PENDING - 1) * BLOCK + 77, 2 * BLOCK),
        {PENDING - 1, PENDING, PENDING + 1},
    ),
    "a discard past the end": (
        lambda pair, model: discard(pair, model, LENGTH - 7, 3 * BLOCK),
        {BLOCKS - 1},
    ),
    "a block that was brought back": (
        lambda pair, model: write(pair, model, 100, b"some words"),
        {0},
    ),
    "a discard of a block that was brought back": (
        lambda pair, model: discard(pair, model, 0, BLOCK),
        {0},
    ),
    "written twice": (write_twice, {PENDING}),
}


def first_block_is_back(pair: MirrorPair, job: RestoreJob) -> None:
    while job.running and pair.block_map()[0] == 2:
        pass


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("sealed", [False, True])
def test_the_block_table_row_by_row(any_fs: Path, row: str, sealed: bool) -> None:
    change, written = ROWS[row]
    with spoiled_pair(any_fs, sealed=sealed) as pair:
        mirror = pair.mirror_path.read_bytes()
        model = bytearray(mirror)
        job = pair.start_restore(throttle=HARDLY)
        first_block_is_back(pair, job)
        change(pair, model)
        assert pair.read(0, LENGTH) == bytes(model)
        pair.flush()
        job.pause()
        assert pair.read(0, LENGTH) == bytes(model)
        receipt = pair.start_restore(resume=True).wait(60)
        assert pair.source_path.read_bytes() == bytes(model) == pair.read(0, LENGTH)
        expected = [APP_WRITTEN if block in written else BROUGHT_BACK for block in range(BLOCKS)]
        assert receipt.provenance_map().tolist() == expected
        assert receipt.blocks_app_written == len(written)
        assert pair.mirror_path.read_bytes() == mirror
        # What the application wrote differs from the mirror, and nothing else may.
        touched = {block for block in range(BLOCKS) if pair.block_map()[block]}
        assert touched == written


@pytest.mark.parametrize("seed", range(6))
def test_bytes_and_provenance_are_those_of_a_model(any_fs: Path, seed: int) -> None:
    chooser = random.Random(seed)
    with spoiled_pair(any_fs, sealed=seed % 2 == 0, spoil=chooser.randrange(MIB, LENGTH)) as pair:
        model = bytearray(pair.mirror_path.read_bytes())
        planned = pair.plan_restore().report.extents
        origins = np.zeros(BLOCKS, np.uint8)
        for at, length in planned:
            origins[at // BLOCK : -(-(at + length) // BLOCK)] = BROUGHT_BACK
        # The last four pieces of the copier are left to it: of these it gets one now, one at the
        # pause and one at the resumption, so the restore does not end before it is let go.
        end = LENGTH - MIB - 777
        job, paused = pair.start_restore(throttle=HARDLY), False
        for _ in range(60):
            at = chooser.randrange(end)
            length = min(chooser.choice((1, 100, 5000, BLOCK, 3 * BLOCK)), end - at)
            what = chooser.choice(("write", "write", "discard", "read", "flush", "pause"))
            if what == "write":
                write(pair, model, at, chooser.randbytes(length))
            elif what == "discard":
                discard(pair, model, at, length)
            elif what == "flush":
                pair.flush()
            elif what == "pause" and not paused:
                job.pause()
                paused = True
                job = pair.start_restore(resume=True, throttle=HARDLY)
            if what in ("write", "discard"):
                origins[at // BLOCK : -(-(at + length) // BLOCK)] = APP_WRITTEN
            assert pair.read(at, 2 * BLOCK) == bytes(model[at : at + 2 * BLOCK]), seed
        assert job.running
        job.throttle(None)
        receipt = job.wait(60)
        assert pair.source_path.read_bytes() == bytes(model), seed
        check_provenance(receipt, origins)


def check_provenance(receipt: Receipt, origins: npt.NDArray[np.uint8]) -> None:
    assert np.array_equal(receipt.provenance_map(), origins)
    # The runs say the same, in order, without overlaps, and reach no further than the mirror.
    words = {"mirror": BROUGHT_BACK, "app-written": APP_WRITTEN}
    found = np.zeros(BLOCKS, np.uint8)
    end = 0
    for run in receipt.provenance:
        assert run.offset >= end
        assert run.offset % BLOCK == 0
        end = run.offset + run.length
        found[run.offset // BLOCK : -(-end // BLOCK)] = words[run.origin]
    assert end <= LENGTH
    assert np.array_equal(found, origins)


@pytest.mark.parametrize("length", [BLOCK - 100, LENGTH - 5 * BLOCK, LENGTH + 3 * BLOCK])
def test_the_length_is_back_at_once(any_fs: Path, length: int) -> None:
    with spoiled_pair(any_fs) as pair:
        good = pair.mirror_path.read_bytes()
        if length > LENGTH:
            pair.write(length - 1, b"!")
        pair.close()
        if length < LENGTH:
            # A pair does not cut its source; a program did.
            with pair.source_path.open("r+b") as file:
                file.truncate(length)
        with MirrorPair.open(pair.mirror_path) as again:
            job = again.start_restore(throttle=HARDLY)
            assert again.read(0, LENGTH + 10 * BLOCK) == good
            again.write(LENGTH - 3, b"longer")
            assert again.source_length == LENGTH + 3
            job.throttle(None)
            assert job.wait(60).complete
            assert pair.source_path.read_bytes() == good[:-3] + b"longer"


def test_a_damaged_block_is_an_error_to_its_reader_and_stays_pending(any_fs: Path) -> None:
    with spoiled_pair(any_fs, sealed=True) as pair:
        good = pair.mirror_path.read_bytes()
        job = pair.start_restore(throttle=HARDLY)
        overwrite(pair.mirror_path, PENDING * BLOCK + 9, b"rotten")
        with pytest.raises(errors.SealMismatchError):
            pair.read(PENDING * BLOCK + BLOCK // 2, 10)
        # A part of the block cannot be written: its rest would have to be made up.
        with pytest.raises(errors.SealMismatchError):
            pair.write(PENDING * BLOCK, b"part")
        assert pair.read((PENDING + 1) * BLOCK, BLOCK) == good[(PENDING + 1) * BLOCK :][:BLOCK]
        job.throttle(None)
        receipt = job.wait(60)
        assert not receipt.complete
        assert receipt.unrestored == ((PENDING * BLOCK, BLOCK),)
        assert receipt.provenance_map()[PENDING] == 3
        assert Condition.RESTORE_PENDING in pair.conditions
        # Neither the damaged bytes nor the spoiled ones are ever taken for good ones.
        with pytest.raises(errors.SealMismatchError):
            pair.read(0, LENGTH)
        # Once the medium is repaired it goes on; or the application writes the whole block.
        overwrite(pair.mirror_path, PENDING * BLOCK, good[PENDING * BLOCK :][:BLOCK])
        assert pair.resume_restore().complete
        assert pair.source_path.read_bytes() == good


def test_a_damaged_block_that_is_written_as_a_whole_is_needed_no_more(any_fs: Path) -> None:
    with spoiled_pair(any_fs, sealed=True) as pair:
        good = pair.mirror_path.read_bytes()
        job = pair.start_restore(throttle=HARDLY)
        overwrite(pair.mirror_path, PENDING * BLOCK + 9, b"rotten")
        pair.write(PENDING * BLOCK, b"w" * BLOCK)
        job.throttle(None)
        assert job.wait(60).complete
        at = PENDING * BLOCK
        assert pair.source_path.read_bytes() == good[:at] + b"w" * BLOCK + good[at + BLOCK :]
        assert digest(pair.mirror_path) != digest(pair.source_path)
