"""How an array lies in a file: item type, shape, where it begins, and in which order."""

from __future__ import annotations

import ast
import math
import operator
import os
import struct
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal, Self, TypeAlias, cast

from splitmirror._runs import Index, byte_runs, selected
from splitmirror.errors import ArgumentError, RangeError

if TYPE_CHECKING:
    import io

    import numpy as np
    import numpy.typing as npt

__all__ = ["ArrayLayout", "BinaryFile", "Index", "Order", "Shape"]

Shape: TypeAlias = int | Sequence[int]
Order: TypeAlias = Literal["C", "F"]
BinaryFile: TypeAlias = "IO[bytes] | io.RawIOBase | io.BufferedIOBase"
"""A file object that gives bytes and can seek."""

# What numpy itself takes at most, for the same reason: the text is evaluated.
_HEADER_MAX = 10_000
# What evaluating a damaged text can end with.
_NOT_NPY = (
    ValueError,
    TypeError,
    SyntaxError,
    MemoryError,
    RecursionError,
    struct.error,
    tokenize.TokenError,
)


@dataclass(frozen=True, slots=True)
class ArrayLayout:
    """Where each item of an array is in a file or device.

    Attributes:
        dtype: of the items; has a fixed size and no Python objects.
        shape: the dimensions.
        offset: where the first item begins, in bytes.
        order: "C", the last index varies fastest, or "F", the first one does.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int = 0
    order: Order = "C"

    @classmethod
    def checked(
        cls,
        dtype: npt.DTypeLike,
        shape: Shape | None,
        offset: int,
        order: str,
        limit: int,
        *,
        what: str = "mirror",
    ) -> Self:
        """Make the layout of an array that lies in an area of ``limit`` bytes.

        Args:
            dtype: of the items; no Python objects.
            shape: the dimensions; None for one dimension up to the end.
            offset: where the array begins, in bytes.
            order: "C" or "F".
            limit: length of the area in bytes.
            what: the area, for messages.

        Raises:
            RangeError: the array does not lie in the area.
            ArgumentError: dtype, shape or order cannot be used.
        """
        kind = _item_type(dtype)
        if order not in ("C", "F"):
            raise ArgumentError(f"order {order!r} is neither 'C' nor 'F'", argument="order")
        start = operator.index(offset)
        if not 0 <= start <= limit:
            raise RangeError(
                f"offset {start} is outside the {what} of {limit} bytes",
                offset=start,
                length=0,
                limit=limit,
            )
        layout = cls(kind, _sizes(shape, kind, limit - start), start, cast("Order", order))
        if layout.nbytes > limit - start:
            raise RangeError(
                f"shape {layout.shape} of {kind} takes {layout.nbytes} bytes at offset {start}, "
                f"the {what} is {limit} bytes",
                offset=start,
                length=layout.nbytes,
                limit=limit,
            )
        _check_numpy_has(layout)
        return layout

    @classmethod
    def from_npy(cls, file: BinaryFile, *, what: str = "file") -> Self:
        """Read the header of a .npy file, from the position of the file object on.

        The position is left at the first item. ``what`` names the file in messages.

        Raises:
            ArgumentError: it is no .npy file, or holds Python objects.
            RangeError: the file ends before the array does.
        """
        try:
            shape, fortran, dtype = _npy_header(cast("IO[bytes]", file))
        except _NOT_NPY as error:
            raise ArgumentError(
                f"the {what} does not begin with the header of a .npy file: {error}",
                argument="format",
            ) from error
        offset = file.tell()
        limit = file.seek(0, os.SEEK_END)
        layout = cls.checked(dtype, shape, offset, "F" if fortran else "C", limit, what=what)
        file.seek(offset)
        return layout

    @property
    def count(self) -> int:
        """How many items there are."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes all items take."""
        return self.count * self.dtype.itemsize

    def extents(self, index: Index) -> list[tuple[int, int]]:
        """Give the bytes that an index selects as (offset, length) runs, ascending and merged.

        Args:
            index: ints (negative: from the end), slices of step 1, ``...``, or a tuple of
                those; dimensions that are not named are taken whole.

        Raises:
            ArgumentError: it is another kind of index, out of range, selects nothing, or more
                than 1,048,576 runs.
        """
        spans = selected(index, self.shape)
        return byte_runs(spans, self.shape, self.dtype.itemsize, self.offset, self.order)

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape} in order {self.order} at byte {self.offset}"


def _item_type(dtype: npt.DTypeLike) -> np.dtype[Any]:
    import numpy as np

    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise ArgumentError(f"dtype {dtype!r}: {error}", argument="dtype") from None
    if kind.hasobject:
        raise ArgumentError(
            f"dtype {kind} holds Python objects, which are no bytes of a file", argument="dtype"
        )
    if kind.itemsize == 0 or kind.subdtype is not None:
        raise ArgumentError(
            f"dtype {kind} has no fixed item size; put the dimensions into shape",
            argument="dtype",
        )
    return kind


def _sizes(shape: Shape | None, kind: np.dtype[Any], available: int) -> tuple[int, ...]:
    if shape is None:
        if available % kind.itemsize:
            raise ArgumentError(
                f"{available} bytes are no whole number of {kind} items; give a shape",
                argument="shape",
            )
        return (available // kind.itemsize,)
    listed = shape if isinstance(shape, Sequence) else (shape,)
    sizes = tuple(operator.index(size) for size in listed)
    if any(size < 0 for size in sizes):
        raise ArgumentError(f"shape {sizes} has a negative dimension", argument="shape")
    return sizes


def _check_numpy_has(layout: ArrayLayout) -> None:
    """Refuse a shape that fits and that numpy has no array of: too many dimensions, or too long."""
    import numpy as np

    try:
        if layout.count:
            # No memory for the items.
            np.broadcast_to(np.empty((), layout.dtype), layout.shape)
        else:
            np.empty(layout.shape, layout.dtype)
    except ValueError as error:
        raise ArgumentError(f"no array can have the shape: {error}", argument="shape") from None


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    if version == (1, 0):
        return npy.read_array_header_1_0(file, max_header_size=_HEADER_MAX)
    if version == (2, 0):
        return npy.read_array_header_2_0(file, max_header_size=_HEADER_MAX)
    if version == (3, 0):
        return _utf8_header(file)
    raise ValueError(f"it has the unknown version {version[0]}.{version[1]}")


def _utf8_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read what numpy has no public function for: a header with names beyond Latin-1."""
    from numpy.lib import format as npy

    (length,) = struct.unpack("<I", _exactly(file, 4))
    if length > _HEADER_MAX:
        raise ValueError(f"its header of {length} bytes is longer than {_HEADER_MAX}")
    header = ast.literal_eval(_exactly(file, length).decode())
    if not isinstance(header, dict) or header.keys() != {"descr", "fortran_order", "shape"}:
        raise ValueError("its header lacks descr, fortran_order or shape, or has more")
    shape, fortran = header["shape"], header["fortran_order"]
    sizes = isinstance(shape, tuple) and all(isinstance(size, int) for size in shape)
    if not sizes or not isinstance(fortran, bool):
        raise ValueError(f"its header has the shape {shape!r} and the order {fortran!r}")
    return shape, fortran, npy.descr_to_dtype(header["descr"])


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = b""
    # A raw file may give less than what was asked for.
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    if len(data) < size:
        raise ValueError("it ends within its header")
    return data
