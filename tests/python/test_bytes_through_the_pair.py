"""Reading and writing through the pair: read, readinto, write, flush, raw files and arrays.

Issue point 7; requirements R1, R2 and R5; invariant I3.
"""

from __future__ import annotations

import io
import random
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers import digest
from scenes import BLOCK, LENGTH, make_source, split, synchronized
from splitmirror import errors


def test_reads_give_the_sources_bytes_and_stop_at_its_end(any_fs: Path) -> None:
    source = make_source(any_fs)
    good = source.read_bytes()
    with synchronized(source) as pair:
        chooser = random.Random(1)
        for _ in range(50):
            offset, size = chooser.randrange(LENGTH + 100), chooser.randrange(3 * BLOCK)
            assert pair.read(offset, size) == good[offset : offset + size]
        assert pair.read(LENGTH, 10) == pair.read(0, 0) == pair.read(2**40, 5) == b""
        buffer = bytearray(b"x" * 20)
        assert pair.readinto(LENGTH - 7, buffer) == 7
        assert buffer == good[-7:] + b"x" * 13
        array = np.zeros((4, 8), "<u2")
        assert pair.readinto(8, array) == 64
        assert array.tobytes() == good[8:72]
        assert pair.source_length == pair.mirror_length == LENGTH


def test_r1_writes_reach_both_sides_until_the_split_and_r2_the_source_alone_after(
    any_fs: Path,
) -> None:
    source = make_source(any_fs)
    with synchronized(source) as pair:
        assert pair.write(BLOCK - 3, b"across a border") == 15
        assert pair.write(LENGTH + 70_000, memoryview(b"past the end")) == 12
        assert pair.write(0, b"") == 0
        assert pair.write(100, np.arange(5, dtype="<u4")) == 20
        pair.flush()
        assert digest(source) == digest(pair.mirror_path)
        assert pair.read(BLOCK - 3, 15) == b"across a border"
        pair.split()
        good = digest(pair.mirror_path)
        pair.write(0, b"the source alone")
        assert source.read_bytes()[:16] == b"the source alone"
        assert digest(pair.mirror_path) == good


def test_the_source_as_a_buffered_file(any_fs: Path) -> None:
    source = make_source(any_fs)
    model = bytearray(source.read_bytes())
    with synchronized(source) as pair:
        with io.BufferedRandom(pair.open_source()) as file:
            chooser = random.Random(2)
            for _ in range(100):
                offset = chooser.randrange(LENGTH)
                file.seek(offset)
                if chooser.random() < 0.5:
                    data = chooser.randbytes(chooser.randrange(1, 5000))
                    file.write(data)
                    model[offset : offset + len(data)] = data
                else:
                    size = chooser.randrange(5000)
                    assert file.read(size) == model[offset : offset + size]
            file.seek(0)
            assert file.read() == model
        assert source.read_bytes() == pair.mirror_path.read_bytes() == model
        with pair.open_source("rb") as reading:
            assert (reading.readable(), reading.writable()) == (True, False)
            with pytest.raises(io.UnsupportedOperation):
                reading.write(b"x")


def test_r5_the_mirror_is_read_while_the_source_goes_on(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = source.read_bytes()
        pair.write(0, b"newer" * 1000)
        with io.BufferedReader(pair.open_mirror()) as file:
            assert file.read(10) == good[:10]
            file.seek(-10, io.SEEK_END)
            assert file.read() == good[-10:]
        with pair.open_mirror() as raw:
            assert raw.readall() == good
            with pytest.raises(io.UnsupportedOperation):
                raw.write(b"x")  # type: ignore[arg-type, unused-ignore]


def test_an_array_of_the_mirror_is_live_read_only_and_holds_it(any_fs: Path) -> None:
    source = any_fs / "source"
    values = np.arange(50_000, dtype="<f8").reshape(100, 500)
    source.write_bytes(b"head" * 2 + values.tobytes())
    with split(source) as pair:
        view = pair.mirror_array("<f8", (100, 500), offset=8)
        assert np.array_equal(view, values)
        assert not view.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            view[0, 0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.flags.writeable = True
        part = view[10:20, ::2]
        del view
        for verb in (pair.establish, pair.refresh, pair.detach):
            with pytest.raises(errors.ViewsLiveError) as caught:
                verb()
            assert caught.value.views == 1
        pair.write(8, b"\0" * 8000)
        pair.restore()
        assert np.array_equal(part, values[10:20, ::2])
        del part
        pair.write(8, np.float64(7).tobytes())
        pair.refresh()
        assert pair.mirror_array("<f8", 1, offset=8)[0] == 7
        pair.establish()


def test_i3_random_writes_of_many_threads_leave_both_sides_equal(any_fs: Path) -> None:
    source = make_source(any_fs)
    with synchronized(source) as pair:
        failures: list[BaseException] = []

        def write_at_random(seed: int) -> None:
            chooser = random.Random(seed)
            try:
                for _ in range(40):
                    # All write near one border, so that they overlap, and some make it longer.
                    near = chooser.choice([5 * BLOCK, 9 * BLOCK, LENGTH, LENGTH + 2 * BLOCK])
                    offset = near + chooser.randrange(-3000, 3000)
                    pair.write(offset, bytes([seed]) * chooser.randrange(1, 2 * BLOCK))
                    if chooser.random() < 0.05:
                        pair.flush()
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=write_at_random, args=(n,)) for n in range(1, 7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert digest(source) == digest(pair.mirror_path)
        assert pair.verify().matches
        # Nobody was taken for a stranger, and nothing was given up.
        assert pair.split().conditions == ()


def test_i3_a_buffer_that_changes_meanwhile_gives_the_same_bytes_on_both_sides(
    any_fs: Path,
) -> None:
    source = make_source(any_fs)
    with synchronized(source) as pair:
        buffer = np.zeros(8 * BLOCK, "u1")
        over = threading.Event()

        def scribble() -> None:
            value = 0
            while not over.is_set():
                value = (value + 1) % 256
                buffer[:] = value

        scribbler = threading.Thread(target=scribble)
        scribbler.start()
        try:
            for _ in range(20):
                pair.write(BLOCK // 2, buffer)
        finally:
            over.set()
            scribbler.join()
        assert digest(source) == digest(pair.mirror_path)


def test_writes_meanwhile_do_not_get_lost_between_an_establish_and_a_split(
    tmp_path: Path,
) -> None:
    source = make_source(tmp_path, length=8 * 1024 * 1024)
    with split(source) as pair:
        over = threading.Event()
        failures: list[BaseException] = []

        def write_on() -> None:
            chooser = random.Random(3)
            try:
                while not over.is_set():
                    pair.write(chooser.randrange(8 * 1024 * 1024), chooser.randbytes(5000))
            except BaseException as failure:
                failures.append(failure)

        writer = threading.Thread(target=write_on)
        writer.start()
        try:
            for _ in range(3):
                pair.establish(force=True)
                pair.split()
        finally:
            over.set()
            writer.join()
        assert not failures
        # What differs now is what was marked: restoring by the marks gives the point.
        point = digest(pair.mirror_path)
        receipt = pair.restore()
        assert receipt.reason == "bitmap"
        assert digest(source) == point
