"""Which bytes of an array in a file an index selects, as (offset, length) runs.

Only basic indexes are taken, and only of step 1: those select places, and a run for each of them
can be counted before any is made. The work is numpy's; no loop looks at an element.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

from splitmirror.errors import ArgumentError

__all__ = ["RUNS_MAX", "Index", "byte_runs", "selected"]

RUNS_MAX = 1 << 20
"""So many separate runs a restore takes; they are kept with it until it has ended."""

Index: TypeAlias = Any
"""An int, a slice of step 1, Ellipsis, or a tuple of those: what numpy calls a basic index."""

Span: TypeAlias = tuple[int, int]


def selected(index: Index, shape: Sequence[int]) -> list[Span]:
    """Give the (first, end) of every dimension that a basic index selects.

    Raises:
        ArgumentError: it is no basic index of step 1, does not fit the shape or selects nothing.
    """
    parts = index if isinstance(index, tuple) else (index,)
    for part in parts:
        _check_basic(part)
    dots = sum(part is Ellipsis for part in parts)
    given = len(parts) - dots
    if dots > 1:
        raise _refused("it has more than one '...'")
    if given > len(shape):
        raise _refused(f"it has {given} indexes, the array has {len(shape)} dimensions")
    at = next((place for place, part in enumerate(parts) if part is Ellipsis), len(parts))
    rest = (slice(None),) * (len(shape) - given)
    full = (*parts[:at], *rest, *parts[at + 1 :])
    spans = [_span(*item) for item in zip(full, shape, itertools.count(), strict=False)]
    if any(first >= end for first, end in spans):
        raise _refused(f"it selects nothing of an array of shape {tuple(shape)}")
    return spans


def byte_runs(
    spans: Sequence[Span], shape: Sequence[int], itemsize: int, offset: int, order: str
) -> list[tuple[int, int]]:
    """Give the (offset, length) byte runs of a selection, ascending, none touching the next.

    Args:
        spans: the selection, from selected().
        shape: the dimensions of the array.
        itemsize: bytes of an item.
        offset: where the array begins, in bytes.
        order: "C" or "F".

    Raises:
        ArgumentError: there are more than RUNS_MAX.
    """
    import numpy as np

    # From the dimension that varies slowest to the one that varies fastest.
    walk = list(zip(spans, shape, strict=True))
    if order == "F":
        walk.reverse()
    run, inner = itemsize, len(walk)
    while inner and walk[inner - 1][0] == (0, walk[inner - 1][1]):
        inner -= 1
        run *= walk[inner][1]
    stride, start = run, offset
    if inner:
        # The fastest dimension that is taken in part: a piece of it is the longest single run.
        inner -= 1
        (first, end), size = walk[inner]
        start, run, stride = offset + first * stride, (end - first) * stride, size * stride
    count = math.prod(end - first for (first, end), _ in walk[:inner])
    if count > RUNS_MAX:
        whole = "rows" if order == "C" else "columns"
        raise _refused(
            f"it selects {count:,} separate runs of {run:,} bytes, more than {RUNS_MAX:,}; "
            f"take whole {whole}"
        )
    starts = np.array([start], dtype=np.int64)
    for (first, end), size in reversed(walk[:inner]):
        steps = np.arange(first, end, dtype=np.int64) * stride
        starts = np.add.outer(steps, starts).ravel()
        stride *= size
    return list(zip(starts.tolist(), itertools.repeat(run), strict=False))


def _check_basic(part: Any) -> None:
    import numpy as np

    if part is None:
        raise _refused("np.newaxis (None) selects no place of the file")
    if isinstance(part, str):
        raise _refused(f"{part!r} is the name of a field; a field is restored with its whole items")
    if isinstance(part, (bool, np.bool_, list, np.ndarray)):
        raise _refused(
            "arrays, lists and booleans are not taken, only ints, slices and '...'; "
            "restore a slice that holds what they select"
        )


def _span(part: Any, size: int, dimension: int) -> Span:
    if isinstance(part, slice):
        return _slice_span(part, size, dimension)
    if not isinstance(part, SupportsIndex):
        raise _refused(f"{part!r} is no int, slice or '...'")
    place = operator.index(part)
    if not -size <= place < size:
        raise _refused(f"{place} is out of range for dimension {dimension} of size {size}")
    return place % size, place % size + 1


def _slice_span(part: slice, size: int, dimension: int) -> Span:
    try:
        first, end, step = part.indices(size)
    except (TypeError, ValueError) as error:
        raise _refused(f"{part!r} of dimension {dimension}: {error}") from None
    if step != 1:
        raise _refused(f"the slice of dimension {dimension} has step {step}, only 1 is possible")
    return first, end


def _refused(why: str) -> ArgumentError:
    return ArgumentError(f"this index cannot be used: {why}", argument="index")
