"""The mirror's bytes as a numpy array that cannot be written."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from splitmirror.errors import ArgumentError, RangeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from splitmirror import _core

__all__ = ["Shape", "mirror_array"]

Shape: TypeAlias = int | Sequence[int]


def mirror_array(
    core: _core.Pair, dtype: npt.DTypeLike, shape: Shape | None, offset: int, order: str
) -> npt.NDArray[Any]:
    """Make the view; see MirrorPair.mirror_array."""
    import numpy as np

    try:
        kind = _item_type(np.dtype(dtype))
    except TypeError as error:
        raise ArgumentError(f"dtype {dtype!r}: {error}", argument="dtype") from None
    if order != "C":
        raise ArgumentError(f"order {order!r} is not supported, only 'C'", argument="order")
    limit = core.mirror_length()
    start = operator.index(offset)
    if not 0 <= start <= limit:
        raise RangeError(
            f"offset {start} is outside the mirror of {limit} bytes",
            offset=start,
            length=0,
            limit=limit,
        )
    sizes = _sizes(shape, kind, limit - start)
    count = math.prod(sizes)
    length = count * kind.itemsize
    if length > limit - start:
        raise RangeError(
            f"shape {sizes} of {kind} takes {length} bytes at offset {start}, "
            f"the mirror is {limit} bytes",
            offset=start,
            length=length,
            limit=limit,
        )
    # Taken also when nothing is viewed, so that a wrong state is an error for every shape.
    view = core.mirror_view()
    if count == 0:
        empty = np.empty(sizes, kind)
        empty.flags.writeable = False
        return empty
    # It is a buffer, which the types can say only from Python 3.12 on.
    array: npt.NDArray[Any] = np.frombuffer(cast("Any", view), kind, count, start)
    return array.reshape(sizes)


def _item_type(kind: np.dtype[Any]) -> np.dtype[Any]:
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
