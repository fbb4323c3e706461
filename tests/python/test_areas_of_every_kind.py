"""Files and block devices as source and as mirror, in all four combinations.

Issue point 3: establish, split, corruption and restore, with every length and block size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import NotPermitted, loop_device
from helpers import KIB, MIB, hole_map, overwrite, write_pattern
from scenes import BLOCK
from splitmirror import MirrorPair, State, errors
from splitmirror.reports import SplitReport

SIZE = 5 * MIB
KINDS = ["file-file", "file-device", "device-file", "device-device"]


@pytest.fixture(params=KINDS)
def sides(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A source with data, and the place of a mirror, of each kind."""
    source_kind, mirror_kind = request.param.split("-")
    with ExitStack() as stack:
        paths = []
        for side, kind in (("source", source_kind), ("mirror", mirror_kind)):
            path = tmp_path / side
            if kind == "device":
                try:
                    path = stack.enter_context(loop_device(tmp_path / f"{side}.image", SIZE))
                except NotPermitted as reason:
                    pytest.skip(f"no loop device here: {reason}")
            paths.append(path)
        source, mirror = paths
        write_pattern(tmp_path / "data", SIZE, seed=5)
        if source_kind == "device":
            overwrite(source, 0, (tmp_path / "data").read_bytes())
        else:
            (tmp_path / "data").rename(source)
        yield source, mirror


def create(source: Path, mirror: Path, block_size: int = BLOCK) -> MirrorPair:
    return MirrorPair.create(
        source, mirror, overwrite=mirror.is_block_device(), block_size=block_size
    )


def split(pair: MirrorPair) -> SplitReport:
    """A device has no lease, so nothing proves that nobody else writes it: that has to be said."""
    if not pair.source_path.is_block_device():
        return pair.split(label="good")
    with pytest.raises(errors.OutsideWritesError) as caught:
        pair.split()
    assert caught.value.reason == "unclean-tracker"
    return pair.split(label="good", as_of_last_establish=True)


def test_establish_split_and_restore(sides: tuple[Path, Path]) -> None:
    source, mirror = sides
    good = source.read_bytes()
    with create(source, mirror) as pair:
        report = pair.establish()
        assert (report.reason, report.source_length) == ("first", SIZE)
        assert mirror.read_bytes() == good
        point = split(pair)
        assert point.length == SIZE == pair.mirror_length == pair.source_length
        overwrite(source, 1_000_000, b"bad" * 1000)
        pair.write(SIZE - 10, b"also bad")
        receipt = pair.restore()
        assert receipt.complete
        assert receipt.mirror_unchanged
        assert (receipt.length_before, receipt.length_after) == (SIZE, SIZE)
        assert receipt.blocks_copied == 2
        assert receipt.reason == (
            "unclean-tracker" if source.is_block_device() else "outside-writes"
        )
        assert source.read_bytes() == good == mirror.read_bytes()
    with MirrorPair.open(mirror) as pair:
        assert pair.state is State.SPLIT
        overwrite(source, 0, b"bad")
        holes = hole_map(source) if source.is_file() else None
        pair.restore(full=True)
        assert source.read_bytes() == good
        if holes:
            assert hole_map(source) == holes
        pair.write(70_000, b"newer")
        pair.refresh()
        assert mirror.read_bytes() == source.read_bytes() != good


def test_i3_writes_reach_both_sides_while_synchronized(sides: tuple[Path, Path]) -> None:
    source, mirror = sides
    with create(source, mirror) as pair:
        pair.establish()
        pair.write(123_456, b"through the pair" * 10_000)
        pair.flush()
        assert source.read_bytes() == mirror.read_bytes()
        assert pair.verify().matches


def test_sealing_finds_what_changed_in_the_mirror(sides: tuple[Path, Path]) -> None:
    source, mirror = sides
    with create(source, mirror) as pair:
        pair.refresh()
        pair.seal()
        assert pair.scrub().intact
        overwrite(mirror, 3 * BLOCK + 5, b"rot")
        scrubbed = pair.scrub()
        assert (scrubbed.intact, scrubbed.bad) == (False, ((3 * BLOCK, BLOCK),))
        found = pair.verify().differing
        assert [(one.offset, one.length, one.wrong_side) for one in found] == [
            (3 * BLOCK, BLOCK, "mirror")
        ]


@pytest.mark.parametrize("block_size", [4 * KIB, 16 * KIB, 256 * KIB, 4 * MIB])
def test_every_block_size(sides: tuple[Path, Path], block_size: int) -> None:
    source, mirror = sides
    good = source.read_bytes()
    with create(source, mirror, block_size) as pair:
        pair.refresh()
        assert pair.block_size == block_size == pair.status().block_size
        assert len(pair.block_map()) == -(-SIZE // block_size)
        pair.write(SIZE - 3, b"end")
        overwrite(source, 4 * KIB - 1, b"over a border")
        receipt = pair.restore()
        assert receipt.blocks_total == -(-SIZE // block_size)
        assert source.read_bytes() == good


def test_a_device_larger_than_the_source_keeps_what_lies_beyond(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_pattern(source, 3 * MIB + 100, seed=9)
    good = source.read_bytes()
    with ExitStack() as stack:
        try:
            mirror = stack.enter_context(loop_device(tmp_path / "image", SIZE))
        except NotPermitted as reason:
            pytest.skip(f"no loop device here: {reason}")
        overwrite(mirror, 0, b"\xaa" * SIZE)
        with create(source, mirror) as pair:
            point = pair.refresh(label="good").split
            assert point.length == len(good) == pair.mirror_length == pair.status().length
            sealed = pair.seal()
            assert sealed.bytes == len(good)
            assert mirror.read_bytes() == good + b"\xaa" * (SIZE - len(good))
            assert pair.open_mirror().readall() == good
            assert pair.mirror_array("u1").tobytes() == good
            source.write_bytes(b"")
            assert pair.restore().length_after == len(good)
            assert source.read_bytes() == good
            verified = pair.verify()
            assert verified.matches
            assert verified.mirror_length == len(good)
            pair.establish()
            # Growing within the device is followed, beyond it the mirror is given up (I8).
            pair.write(SIZE - 1, b"x")
            assert mirror.read_bytes() == source.read_bytes()
            pair.split()
            assert pair.mirror_length == SIZE


@pytest.mark.parametrize("length", [5 * MIB - 512, 4 * KIB, 512])
def test_a_device_whose_size_is_no_multiple_of_the_block(tmp_path: Path, length: int) -> None:
    with ExitStack() as stack:
        try:
            source = stack.enter_context(loop_device(tmp_path / "image", length))
        except NotPermitted as reason:
            pytest.skip(f"no loop device here: {reason}")
        overwrite(source, 0, (b"0123456789abcdef" * (length // 16)))
        good = source.read_bytes()
        with create(source, tmp_path / "mirror") as pair:
            pair.refresh()
            pair.seal()
            assert pair.mirror_length == length
            overwrite(source, length - 4, b"bad!")
            assert pair.restore().complete
            assert source.read_bytes() == good
            for offset in (length, length - 1, length + BLOCK):
                with pytest.raises(errors.RangeError):
                    pair.write(offset, b"past the end")
            assert source.read_bytes() == good


def test_holes_of_a_file_become_zeros_of_a_device_at_any_offset(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.write(b"d" * BLOCK)
        file.truncate(3 * BLOCK + 4096 + 77)
    with ExitStack() as stack:
        try:
            mirror = stack.enter_context(loop_device(tmp_path / "image", SIZE))
        except NotPermitted as reason:
            pytest.skip(f"no loop device here: {reason}")
        overwrite(mirror, 0, b"\xaa" * SIZE)
        with create(source, mirror) as pair:
            pair.refresh()
            good = source.read_bytes()
            assert mirror.read_bytes() == good + b"\xaa" * (SIZE - len(good))
            # A device does not remember holes: what was filled since comes back as zeros.
            source.write_bytes(b"all else" * BLOCK)
            pair.restore()
            assert source.read_bytes() == good


def test_a_source_that_outgrows_its_device_loses_the_mirror_alone(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_pattern(source, SIZE, seed=4)
    with ExitStack() as stack:
        try:
            mirror = stack.enter_context(loop_device(tmp_path / "image", SIZE))
        except NotPermitted as reason:
            pytest.skip(f"no loop device here: {reason}")
        with create(source, mirror) as pair:
            pair.establish()
            assert pair.write(SIZE, b"I8: the write succeeds") == 22
            pair.flush()
            assert source.read_bytes().endswith(b"I8: the write succeeds")
            assert "mirror-failed" in pair.conditions
            with pytest.raises(errors.AreaTooSmallError) as caught:
                pair.establish()
            assert (caught.value.length, caught.value.needed) == (SIZE, SIZE + 22)
