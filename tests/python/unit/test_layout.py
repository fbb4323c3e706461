"""Where the items of an array are in a file: every answer is compared with numpy's own."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib import format as npy
from splitmirror._runs import RUNS_MAX
from splitmirror.errors import ArgumentError, RangeError
from splitmirror.layout import ArrayLayout, Order

DTYPES = [np.dtype(kind) for kind in ("u1", "<i4", ">f8", "S3", [("a", "u1"), ("b", "<f4")])]
ORDERS = st.sampled_from(["C", "F"])


def layout(shape: tuple[int, ...], order: Order = "C", dtype: Any = "u1") -> ArrayLayout:
    return ArrayLayout(np.dtype(dtype), shape, 0, order)


@st.composite
def parts(draw: st.DrawFn, size: int) -> int | slice:
    if size and draw(st.booleans()):
        return draw(st.integers(-size, size - 1))
    ends = st.none() | st.integers(-size - 2, size + 2)
    return slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1])))


@st.composite
def indexes(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    front = draw(st.integers(0, len(shape)))
    back = draw(st.integers(front, len(shape)))
    found: list[Any] = [draw(parts(size)) for size in shape[:front]]
    if draw(st.booleans()):
        found += [..., *(draw(parts(size)) for size in shape[back:])]
    return found[0] if len(found) == 1 else tuple(found)


@given(st.data(), st.lists(st.integers(0, 5), max_size=4), st.sampled_from(DTYPES), ORDERS)
def test_an_index_selects_what_it_selects_of_an_array(
    data: st.DataObject, sizes: list[int], dtype: np.dtype[Any], order: Order
) -> None:
    shape = tuple(sizes)
    offset = data.draw(st.integers(0, 20))
    index = data.draw(indexes(shape))
    marked = np.zeros(offset + int(np.prod(shape)) * dtype.itemsize, dtype="u1")
    # Items as bytes in a last dimension of their own, in the order that the array has.
    items = marked[offset:].reshape((*(shape if order == "C" else shape[::-1]), dtype.itemsize))
    if order == "F":
        items = np.moveaxis(items.T, 0, -1)
    whole = index if isinstance(index, tuple) else (index,)
    items[(*whole, *([] if Ellipsis in whole else [...]), slice(None))] = 1

    found = ArrayLayout(dtype, shape, offset, order)
    if not marked.any():
        with pytest.raises(ArgumentError, match="selects nothing"):
            found.extents(index)
        return
    extents = found.extents(index)
    again = np.zeros_like(marked)
    for start, length in extents:
        again[start : start + length] = 1
    assert np.array_equal(again, marked)
    # Each run is as long as it can be, and they ascend.
    edges = np.flatnonzero(np.diff(marked, prepend=0, append=0)).reshape(-1, 2)
    assert extents == [(int(first), int(end - first)) for first, end in edges]


@pytest.mark.parametrize(
    ("index", "why"),
    [
        (np.s_[::2], "dimension 0 has step 2"),
        (np.s_[:, ::-1], "dimension 1 has step -1"),
        (np.s_[0:1:2], "step 2"),
        (np.s_[::0], "step cannot be zero"),
        (np.s_[1.5:], "dimension 0"),
        ([0, 1], "lists"),
        (np.array([0, 1]), "arrays"),
        (np.array([True] * 10), "arrays"),
        (True, "booleans"),
        (np.True_, "booleans"),
        ((0, [1]), "lists"),
        (None, "np.newaxis"),
        ((0, np.newaxis), "np.newaxis"),
        ("name", "'name' is the name of a field"),
        ((0, 0, 0), "3 indexes, the array has 2 dimensions"),
        ((..., ...), "more than one"),
        (10, "10 is out of range for dimension 0 of size 10"),
        ((0, -9), "-9 is out of range for dimension 1 of size 8"),
        (1.0, "1.0 is no int"),
        (np.s_[3:3], "selects nothing"),
        (np.s_[20:], "selects nothing"),
    ],
)
def test_what_is_no_basic_index_is_refused(index: Any, why: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        layout((10, 8)).extents(index)
    assert caught.value.argument == "index"
    assert why in str(caught.value)


def test_integers_of_numpy_are_taken() -> None:
    assert layout((10, 8)).extents((np.int8(-1), slice(np.uint16(2), np.int64(4)))) == [(74, 2)]


@pytest.mark.parametrize(("order", "whole"), [("C", "rows"), ("F", "columns")])
def test_too_many_runs_are_counted_and_never_made(order: Order, whole: str) -> None:
    shape = (2**40, 4) if order == "C" else (4, 2**40)
    index = np.s_[:, 0] if order == "C" else np.s_[0, :]
    with pytest.raises(ArgumentError, match=rf"1,099,511,627,776 separate.*whole {whole}"):
        layout(shape, order).extents(index)
    assert layout(shape, order).extents(...) == [(0, 2**42)]


def test_as_many_runs_as_are_taken() -> None:
    extents = layout((RUNS_MAX, 2), dtype="<u2").extents(np.s_[:, 1])
    assert len(extents) == RUNS_MAX
    assert extents[0] == (2, 2)
    assert extents[-1] == (RUNS_MAX * 4 - 2, 2)
    with pytest.raises(ArgumentError, match="1,048,577"):
        layout((RUNS_MAX + 1, 2)).extents(np.s_[:, 1])


# --- Checked ----------------------------------------------------------------------------------


def test_a_checked_layout() -> None:
    found = ArrayLayout.checked("<f8", (2, 3), 16, "F", 64)
    assert found == ArrayLayout(np.dtype("<f8"), (2, 3), 16, "F")
    assert (found.count, found.nbytes) == (6, 48)
    assert ArrayLayout.checked("<u2", None, 4, "C", 10).shape == (3,)
    assert ArrayLayout.checked("<u2", 3, 4, "C", 10).shape == (3,)
    assert str(found) == "float64 (2, 3) in order F at byte 16"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("O", 1, 0, "C"), "dtype"),
        (("no type", 1, 0, "C"), "dtype"),
        (("V0", 1, 0, "C"), "dtype"),
        (("(2,)u1", 1, 0, "C"), "dtype"),
        (("u1", (-1,), 0, "C"), "shape"),
        (("<u4", None, 1, "C"), "shape"),
        (("u1", 1, 0, "A"), "order"),
    ],
)
def test_what_cannot_be_used(arguments: tuple[Any, Any, int, str], name: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        ArrayLayout.checked(*arguments, 100)
    assert caught.value.argument == name


@pytest.mark.parametrize(("shape", "offset"), [(101, 0), (0, 101), (1, -1), ((2**62, 2**62), 0)])
def test_what_does_not_fit(shape: Any, offset: int) -> None:
    with pytest.raises(RangeError, match=r"the disk (of|is) 100") as caught:
        ArrayLayout.checked("u1", shape, offset, "C", 100, what="disk")
    assert caught.value.limit == 100


# --- .npy -------------------------------------------------------------------------------------


def saved(array: np.ndarray[Any, Any], version: tuple[int, int] | None = None) -> io.BytesIO:
    file = io.BytesIO()
    npy.write_array(file, array, version=version)
    file.seek(0)
    return file


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_header_of_a_file_of_numpy(version: tuple[int, int], order: Order) -> None:
    array = np.zeros((3, 4), [("a", "<f4"), ("b", "u1")], order=order)
    file = saved(array, version)
    found = ArrayLayout.from_npy(file)
    assert (found.dtype, found.shape, found.order) == (array.dtype, (3, 4), order)
    assert file.tell() == found.offset == len(file.getvalue()) - found.nbytes


def test_names_that_only_version_3_can_hold() -> None:
    array = np.zeros(5, [("größe", "<f4"), ("\N{GREEK SMALL LETTER OMEGA}", "u1")])
    with pytest.warns(UserWarning, match="NumPy >= 1.17"):
        file = saved(array)
    assert file.getvalue()[6] == 3
    assert ArrayLayout.from_npy(file).dtype == array.dtype


def test_the_header_is_read_where_the_file_stands() -> None:
    inner = saved(np.arange(6, dtype="<i2")).getvalue()
    file = io.BytesIO(b"before" + inner)
    file.seek(6)
    assert ArrayLayout.from_npy(file).offset == 6 + len(inner) - 12


class Trickle(io.RawIOBase):
    """A raw file that gives a byte at a time, as a raw file may."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(1, len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_a_raw_file_that_reads_short(version: tuple[int, int]) -> None:
    data = saved(np.zeros(7, "<i2"), version).getvalue()
    assert ArrayLayout.from_npy(Trickle(data)).shape == (7,)


HEADER = b"{'descr': '<i2', 'fortran_order': False, 'shape': (7,), }"


def version_3(header: bytes) -> bytes:
    return b"\x93NUMPY\x03\x00" + len(header).to_bytes(4, "little") + header + bytes(14)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUM",
        b"no numbers at all",
        b"\x93NUMPY\x04\x00" + bytes(100),
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY\x01\x00\x04\x00{'a'",
        version_3(HEADER)[:9],
        version_3(HEADER)[:40],
        version_3(b"{'descr': '<i2'}"),
        version_3(HEADER.replace(b"(7,)", b"7")),
        version_3(HEADER.replace(b"(7,)", b"('x',)")),
        version_3(HEADER.replace(b"False", b"'no'")),
        version_3(HEADER.replace(b"<i2", b"nothing")),
        version_3(b"\xff" * 30),
        version_3(b"(" * 9000),
        version_3(b" " * 20_000),
    ],
)
def test_what_is_no_npy_file(data: bytes) -> None:
    with pytest.raises(ArgumentError, match=r"the mirror does not begin with .* \.npy"):
        ArrayLayout.from_npy(io.BytesIO(data), what="mirror")


def test_a_header_of_objects_is_refused() -> None:
    with pytest.raises(ArgumentError, match="Python objects"):
        ArrayLayout.from_npy(saved(np.array([{}], dtype=object)))


def test_a_file_that_is_cut_is_refused() -> None:
    data = saved(np.zeros(7, "<i2")).getvalue()
    with pytest.raises(RangeError, match="the source is"):
        ArrayLayout.from_npy(io.BytesIO(data[:-1]), what="source")


@given(st.data())
def test_a_damaged_header_is_an_error_of_ours_or_another_layout(data: st.DataObject) -> None:
    text = bytearray(saved(np.zeros(7, "<i2"), data.draw(st.sampled_from([(1, 0), (3, 0)]))).read())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(6, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        with warnings.catch_warnings():
            # numpy takes some damage for a file that Python 2 wrote, and says so.
            warnings.simplefilter("ignore")
            found = ArrayLayout.from_npy(io.BytesIO(bytes(text)))
    except (ArgumentError, RangeError):
        return
    assert found.offset + found.nbytes <= len(text)
