"""The source and the mirror as raw I/O objects."""

from __future__ import annotations

import io
import os
from typing import cast

import pytest
from fake_pair import FakePair
from splitmirror import _core
from splitmirror.errors import ArgumentError, StateError
from splitmirror.pair import MirrorPair


@pytest.fixture
def fake() -> FakePair:
    return FakePair(source=bytes(range(100)), mirror=bytes(range(100, 200)))


@pytest.fixture
def pair(fake: FakePair) -> MirrorPair:
    return MirrorPair(cast("_core.Pair", fake))


def test_the_source_reads_like_a_file(pair: MirrorPair) -> None:
    with pair.open_source("rb") as file:
        assert (file.read(3), file.tell()) == (b"\x00\x01\x02", 3)
        assert file.seek(-2, os.SEEK_END) == 98
        assert file.read() == bytes([98, 99])
        assert file.read(5) == b""
        assert file.seek(1, os.SEEK_CUR) == 101
        assert file.readable()
        assert file.seekable()
        assert not file.writable()


def test_the_source_writes_and_grows(pair: MirrorPair, fake: FakePair) -> None:
    with pair.open_source() as file:
        assert file.writable()
        file.seek(98)
        assert file.write(b"abcd") == 4
        assert file.tell() == 102
        assert fake.flushes == 0
    assert bytes(fake.source[96:]) == b"\x60\x61abcd"
    assert fake.flushes == 1


def test_a_buffered_writer_works_on_it(pair: MirrorPair, fake: FakePair) -> None:
    with io.BufferedRandom(pair.open_source()) as file:
        file.write(b"xyz")
        file.seek(0)
        assert file.read(4) == b"xyz\x03"
    assert bytes(fake.source[:3]) == b"xyz"


def test_reading_alone_never_flushes(pair: MirrorPair, fake: FakePair) -> None:
    with pair.open_source() as file:
        file.read(1)
        file.flush()
    assert fake.flushes == 0


def test_closing_the_pair_first_is_fine(pair: MirrorPair, fake: FakePair) -> None:
    file = pair.open_source()
    file.write(b"a")
    pair.close()
    file.close()
    assert fake.flushes == 0


def test_a_file_for_reading_refuses_writes(pair: MirrorPair, fake: FakePair) -> None:
    for file in (pair.open_source("rb"), pair.open_mirror()):
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"a")
    assert fake.source == bytes(range(100))


def test_what_cannot_be_done_says_so(pair: MirrorPair) -> None:
    for file in (pair.open_source(), pair.open_mirror()):
        with pytest.raises(io.UnsupportedOperation, match="fileno"):
            file.fileno()
        with pytest.raises(io.UnsupportedOperation, match="truncate"):
            file.truncate(0)
        with pytest.raises(OSError, match="negative position"):
            file.seek(-1)
        with pytest.raises(ValueError, match="whence"):
            file.seek(0, 9)


def test_a_closed_file_raises(pair: MirrorPair) -> None:
    file = pair.open_source()
    file.close()
    for use in (file.read, file.tell, file.readable, file.flush, lambda: file.seek(0)):
        with pytest.raises(ValueError, match="closed file"):
            use()


def test_names_modes_and_repr(pair: MirrorPair) -> None:
    source, mirror = pair.open_source(), pair.open_mirror()
    assert (source.name, source.mode) == ("/data/shop.db", "rb+")
    assert (mirror.name, mirror.mode) == ("/data/shop.mirror", "rb")
    assert repr(mirror) == "<MirrorFile name='/data/shop.mirror' mode='rb'>"


def test_the_mirror_reads_like_a_file(pair: MirrorPair) -> None:
    with pair.open_mirror() as file:
        assert file.read() == bytes(range(100, 200))
        file.seek(10)
        into = bytearray(5)
        assert file.readinto(into) == 5
        assert bytes(into) == bytes(range(110, 115))


def test_the_mirror_opens_only_while_split(pair: MirrorPair, fake: FakePair) -> None:
    fake.state = "synchronized"
    with pytest.raises(StateError):
        pair.open_mirror()


def test_another_mode_is_refused(pair: MirrorPair) -> None:
    with pytest.raises(ArgumentError, match="mode 'w'"):
        pair.open_source("w")  # type: ignore[arg-type]
