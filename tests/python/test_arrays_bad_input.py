"""Arrays that cannot be: refused with a reason, and nothing has changed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import MIB, digest
from scenes import cancelled_at_once, child, writable_maps
from splitmirror import MirrorPair, errors

LENGTH = MIB + 13


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[MirrorPair]:
    source = tmp_path / "source"
    source.write_bytes(np.random.default_rng(1).bytes(LENGTH))
    with MirrorPair.create(source, tmp_path / "mirror") as made:
        made.establish()
        yield made


@pytest.fixture
def unchanged(pair: MirrorPair) -> Iterator[None]:
    """After the test source and mirror are as before, nothing is mapped, and the close is clean."""
    before = digest(pair.source_path), digest(pair.mirror_path)
    yield
    assert (digest(pair.source_path), digest(pair.mirror_path)) == before
    assert not writable_maps(pair.source_path)
    assert pair.status().arrays is None


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("given", "argument"),
    [
        ({"dtype": object}, "dtype"),
        ({"dtype": [("a", "<i4"), ("b", "O")], "shape": 5}, "dtype"),
        ({"dtype": "S"}, "dtype"),
        ({"dtype": np.dtype(("<i4", (2,)))}, "dtype"),
        ({"dtype": "no such type"}, "dtype"),
        ({"dtype": "V0", "shape": 3}, "dtype"),
        ({"dtype": "<f8"}, "shape"),
        ({"dtype": "<f8", "shape": (-1, 4)}, "shape"),
        ({"dtype": "<f8", "shape": -5}, "shape"),
        ({"dtype": "<f8", "shape": (1,) * 65}, "shape"),
        ({"dtype": "<f8", "shape": (0, 2**64)}, "shape"),
        ({"dtype": "<f8", "shape": (3,), "order": "A"}, "order"),
        ({"dtype": "u1", "tracking": "by ear"}, "tracking"),
        ({"dtype": "u1", "mirroring": "sometimes"}, "mirroring"),
        ({"shape": (3, 3)}, "dtype"),
        ({"offset": 128}, "dtype"),
        ({"order": "F"}, "dtype"),
        ({}, "format"),
    ],
    ids=str,
)
def test_what_is_no_array(pair: MirrorPair, given: dict[str, Any], argument: str) -> None:
    with pytest.raises(errors.ArgumentError) as caught:
        pair.array(**given)
    assert caught.value.argument == argument


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("shape", "offset"),
    [
        ((LENGTH // 8 + 1,), 0),
        ((LENGTH // 8,), 14),
        ((1,), LENGTH - 7),
        ((1,), LENGTH + 1),
        ((1,), -1),
        ((2**62, 2**62), 0),
        ((2**61,), 0),
    ],
    ids=str,
)
def test_what_does_not_fit(pair: MirrorPair, shape: tuple[int, ...], offset: int) -> None:
    with pytest.raises(errors.RangeError):
        pair.array("<f8", shape, offset)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "given",
    [{"shape": 2.5}, {"shape": "33"}, {"offset": 1.5}, {"tracking": None}, {"mirroring": 3}],
    ids=str,
)
def test_what_is_of_another_type(pair: MirrorPair, given: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        pair.array(**{"dtype": "u1", **given})


@pytest.mark.parametrize(
    "dtype",
    ["?", "<U5", "V7", "<M8[ns]", "<c16", np.dtype([("a", "i1"), ("b", "<f8")], align=True)],
    ids=str,
)
def test_items_of_any_type_of_a_fixed_size(pair: MirrorPair, dtype: Any) -> None:
    array = pair.array(dtype, 5, 3)
    array[1:] = np.zeros(4, dtype)
    size = np.dtype(dtype).itemsize
    assert np.array_equal(np.frombuffer(pair.read(3 + size, 4 * size), dtype), array[1:])
    pair.flush()
    assert pair.mirror_path.read_bytes() == pair.source_path.read_bytes()
    del array


@pytest.mark.parametrize("tracking", ["pages", "compare"])
@pytest.mark.parametrize("offset", [1, 7, 4095, 4097, 65537])
def test_an_offset_need_not_be_aligned(pair: MirrorPair, offset: int, tracking: Any) -> None:
    array = pair.array("<f8", 100, offset, tracking=tracking)
    array[:] = 1.5
    array *= 2
    pair.flush()
    expected = np.full(100, 3.0).tobytes()
    assert pair.read(offset, 800) == expected
    assert pair.mirror_path.read_bytes() == pair.source_path.read_bytes()
    del array


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("shape", [0, (0,), (3, 0, 5), (0, 2**40)], ids=str)
def test_an_array_without_items_maps_nothing(pair: MirrorPair, shape: Any) -> None:
    array = pair.array("<f8", shape)
    assert array.size == 0
    assert array.shape == (shape if isinstance(shape, tuple) else (shape,))
    assert array.flags.writeable


def test_a_source_without_bytes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.touch()
    with MirrorPair.create(source, tmp_path / "mirror") as pair:
        pair.establish()
        array = pair.array("<f8")
        assert array.shape == (0,)
        with pytest.raises(errors.RangeError):
            pair.array("u1", 1)
        pair.split()
        pair.restore()
        del array


def test_an_array_without_dimensions_is_one_item(pair: MirrorPair) -> None:
    array = pair.array("<u8", (), 16)
    array[...] = 12345
    pair.flush()
    assert pair.read(16, 8) == (12345).to_bytes(8, "little")
    del array


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00" + bytes(200),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (100,), }", bytes(799)),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", bytes(99)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }", bytes(99)),
        npy("{'descr': '<f8', 'shape': (3,), }", bytes(99)),
        npy("__import__('os').abort()", bytes(99)),
        npy("(" * 100, bytes(99)),
    ],
    ids=[
        "empty",
        "cut in the header",
        "of another version",
        "cut in the data",
        "objects",
        "a negative shape",
        "no order",
        "a program",
        "unbalanced",
    ],
)
def test_a_header_that_is_none(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "a.npy"
    source.write_bytes(content)
    with MirrorPair.create(source, tmp_path / "mirror") as pair:
        pair.establish()
        with pytest.raises((errors.ArgumentError, errors.RangeError)):
            pair.array()
        assert source.read_bytes() == content
        assert not writable_maps(source)


@pytest.mark.usefixtures("unchanged")
def test_beside_a_restore_that_is_pending(pair: MirrorPair) -> None:
    pair.split()
    before = pair.read(0, 1000)
    pair.write(0, bytes(1000))
    cancelled_at_once(pair.restore)
    with pytest.raises(errors.StateError) as caught:
        pair.array("u1")
    assert "resume_restore" in str(caught.value)
    pair.resume_restore()
    assert pair.read(0, 1000) == before


def test_of_a_pair_that_is_closed(pair: MirrorPair) -> None:
    pair.close()
    with pytest.raises(errors.ClosedPairError):
        pair.array("u1")


def test_of_a_pair_that_was_never_established(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(8192))
    with MirrorPair.create(source, tmp_path / "mirror") as pair:
        array = pair.array("u1")
        array[5000] = 1
        pair.establish()
        pair.split()
        assert pair.mirror_path.read_bytes() == array.tobytes()
        del array


def test_no_room_for_its_blocks(make_file_system: Any, tmp_path: Path) -> None:
    disk = make_file_system("ext4", size=16 * MIB)
    source = disk / "source"
    with source.open("xb") as file:
        file.truncate(64 * MIB)
    with MirrorPair.create(source, tmp_path / "mirror") as pair:
        pair.establish()
        pair.split()
        with pytest.raises(errors.NoSpaceError):
            pair.array("u1")
        assert pair.status().arrays is None
        array = pair.array("u1", MIB)
        array[:] = 1
        pair.restore()
        assert not array.any()
        del array


def test_two_pairs_of_one_file_in_two_processes(pair: MirrorPair) -> None:
    # Which process maps it does not matter: the pair is one process's at a time.
    program = """
import sys
from splitmirror import MirrorPair
pair = MirrorPair.open(sys.argv[1])
array = pair.array("u1")
array[0] = 1
print("open", flush=True)
sys.stdin.read()
"""
    mirror = pair.mirror_path
    pair.close()
    with child(program, mirror), pytest.raises(errors.PairInUseError):
        MirrorPair.open(mirror)
