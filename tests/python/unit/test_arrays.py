"""The mirror as a read-only numpy array."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from fake_pair import FakePair
from splitmirror import _core
from splitmirror.errors import ArgumentError, RangeError, StateError
from splitmirror.pair import MirrorPair

NUMBERS = np.arange(24, dtype="<u4")


@pytest.fixture
def fake() -> FakePair:
    return FakePair(mirror=NUMBERS.tobytes())


@pytest.fixture
def pair(fake: FakePair) -> MirrorPair:
    return MirrorPair(cast("_core.Pair", fake))


def test_a_view_of_all(pair: MirrorPair) -> None:
    array = pair.mirror_array("<u4")
    assert array.shape == (24,)
    assert np.array_equal(array, NUMBERS)


def test_shape_and_offset(pair: MirrorPair) -> None:
    array = pair.mirror_array("<u4", (2, 5), offset=8)
    assert np.array_equal(array, NUMBERS[2:12].reshape(2, 5))
    assert pair.mirror_array("<u4", 3).tolist() == [0, 1, 2]
    assert pair.mirror_array("<u4", ()).tolist() == 0


def test_nothing_is_copied_and_nothing_can_be_written(pair: MirrorPair, fake: FakePair) -> None:
    array = pair.mirror_array("<u4", (4, 6))
    assert not array.flags.writeable
    assert np.shares_memory(array, np.frombuffer(fake.mirror, "u1"))
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.flags.writeable = True


def test_an_offset_need_not_be_aligned(pair: MirrorPair) -> None:
    assert pair.mirror_array("<u4", 1, offset=1).tolist() == [0x01000000]


def test_structured_items(pair: MirrorPair) -> None:
    array = pair.mirror_array([("a", "<u4"), ("b", "<u4")], 2)
    assert array["b"].tolist() == [1, 3]


@pytest.mark.parametrize("shape", [0, (0,), (3, 0, 2)])
@pytest.mark.parametrize("offset", [0, 96])
def test_an_empty_array(pair: MirrorPair, shape: Any, offset: int) -> None:
    array = pair.mirror_array("f8", shape, offset)
    assert array.size == 0
    assert not array.flags.writeable


@pytest.mark.parametrize(
    ("shape", "offset"), [(25, 0), (24, 1), ((2**40, 2**40), 0), (0, 97), (1, 96), (1, -1)]
)
def test_what_does_not_fit(pair: MirrorPair, shape: Any, offset: int) -> None:
    with pytest.raises(RangeError) as caught:
        pair.mirror_array("<u4", shape, offset)
    assert caught.value.limit == 96


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("O", 1), "dtype"),
        (([("a", "O")], 1), "dtype"),
        (("S0", 1), "dtype"),
        (("(2,3)u1", 1), "dtype"),
        (("u4", (-1,)), "shape"),
        (("u4", (2, -3)), "shape"),
        (("S7", None), "shape"),
    ],
)
def test_what_cannot_be_used(pair: MirrorPair, arguments: Any, name: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        pair.mirror_array(*arguments)
    assert caught.value.argument == name


def test_the_order_is_that_of_the_file(pair: MirrorPair) -> None:
    array = pair.mirror_array("<u4", (4, 6), order="F")
    assert np.array_equal(array, NUMBERS.reshape(4, 6, order="F"))
    with pytest.raises(ArgumentError, match="order 'K'"):
        pair.mirror_array("u1", 4, order="K")  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [4, 0])
def test_only_while_split(pair: MirrorPair, fake: FakePair, shape: int) -> None:
    fake.state = "synchronized"
    with pytest.raises(StateError):
        pair.mirror_array("u1", shape)
