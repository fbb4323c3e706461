"""A numpy array that mirrors itself: made with its file and its mirror, or found again."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from splitmirror._types import AnyPath
from splitmirror.arrays import Mirroring, Tracking
from splitmirror.errors import (
    AreaIOError,
    AreaNotFoundError,
    AreaPermissionError,
    ArgumentError,
    ClosedPairError,
    NoSpaceError,
    SplitMirrorError,
    SystemCallError,
)
from splitmirror.layout import ArrayLayout, Order, Shape
from splitmirror.pair import MirrorPair

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["ArrayPair", "create_array", "open_array"]

# Larger than any disk, and with a header before it still a length of a file.
_LENGTH_MAX = 2**62
_FAILURES: dict[int | None, type[SystemCallError]] = {
    errno.ENOENT: AreaNotFoundError,
    errno.EACCES: AreaPermissionError,
    errno.EPERM: AreaPermissionError,
    errno.ENOSPC: NoSpaceError,
}


class ArrayPair:
    """A numpy array that mirrors itself, with its pair.

    Close it when done, or use it in ``with``: then the mirror has all that was stored, and the
    next open believes what was tracked. An array that other names still hold keeps that from
    happening; it stays usable, and the next establish or restore compares.

    Attributes:
        pair: the MirrorPair.
    """

    def __init__(self, array: npt.NDArray[Any], pair: MirrorPair) -> None:
        self._array: npt.NDArray[Any] | None = array
        self.pair = pair

    @property
    def array(self) -> npt.NDArray[Any]:
        """The array: writable memory that is the source's file.

        Raises:
            ClosedPairError: it was closed.
        """
        if self._array is None:
            raise ClosedPairError("the array and its pair are closed; open them again")
        return self._array

    def close(self) -> None:
        """Let go of the array and close the pair; closing twice is fine."""
        self._array = None
        self.pair.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        import numpy as np

        if copy is False and dtype is not None and dtype != self.array.dtype:
            raise ValueError(f"an array of {self.array.dtype} becomes one of {dtype} by copying")
        return np.array(self.array, dtype=dtype, copy=copy or None)

    def __repr__(self) -> str:
        if self._array is None:
            return f"<ArrayPair of {self.pair!r}>"
        sizes = "x".join(map(str, self._array.shape)) or "scalar"
        return f"<ArrayPair {sizes} {self._array.dtype} of {self.pair!r}>"

    def _repr_html_(self) -> str:
        return self.pair._repr_html_()


def create_array(
    path: AnyPath,
    mirror: AnyPath,
    dtype: npt.DTypeLike,
    shape: Shape,
    *,
    order: Order = "C",
    mode: Literal["shared", "exclusive"] = "shared",
    block_size: int = 65536,
    overwrite: bool = False,
    mirroring: Mirroring = "interval",
    tracking: Tracking = "auto",
) -> ArrayPair:
    """Make a file of zeros for an array, and its mirror, and give both as one object.

    The pair is synchronized when this returns. A file whose name ends in .npy gets the header
    that numpy.load() reads; any other holds the items alone. When anything fails, nothing that
    was made stays.

    >>> live = splitmirror.create_array("a.npy", "a.mirror", "f8", (9, 8))  # doctest: +SKIP
    >>> live.array[:] = numpy.random.rand(9, 8)                             # doctest: +SKIP
    >>> live.pair.split(label="raw")                                        # doctest: +SKIP

    Args:
        path: of the file to make.
        mirror: see MirrorPair.create(), as mode, block_size and overwrite.
        dtype: of the items; no Python objects.
        shape: the dimensions.
        order: "C", the last index varies fastest, or "F", the first one does.
        mirroring: see MirrorPair.array(), as tracking.

    Raises:
        ArgumentError: the file exists, or dtype, shape or order cannot be used.
        AreaNotFoundError, AreaPermissionError, NoSpaceError, AreaIOError: the file cannot be made.
        MirrorExistsError, SameAreaError and others: see MirrorPair.create(), establish() and
            array().
    """
    place = Path(os.fsdecode(path))
    with contextlib.ExitStack() as made:
        layout = _write_blank(place, dtype, shape, order, made)
        new = not os.path.lexists(os.fsdecode(mirror))
        pair = MirrorPair.create(
            place, mirror, mode=mode, block_size=block_size, overwrite=overwrite
        )
        made.callback(_unmake, pair, pair.mirror_path if new else None)
        # First what can be refused: establish() ends what an old mirror holds.
        array = pair.array(
            layout.dtype,
            layout.shape,
            layout.offset,
            order=layout.order,
            mirroring=mirroring,
            tracking=tracking,
        )
        pair.establish()
        made.pop_all()
    return ArrayPair(array, pair)


def open_array(
    mirror: AnyPath,
    dtype: npt.DTypeLike | None = None,
    shape: Shape | None = None,
    offset: int = 0,
    *,
    order: Order = "C",
    source: AnyPath | None = None,
    mirroring: Mirroring = "interval",
    tracking: Tracking = "auto",
) -> ArrayPair:
    """Open the pair of a mirror and its source as an array.

    Args:
        mirror: the mirror's path.
        dtype: see MirrorPair.array(), as shape, offset, order, mirroring and tracking.
        source: where the source is now, when it was moved.

    Raises:
        SplitMirrorError: see MirrorPair.open() and MirrorPair.array(); the pair is then closed.
    """
    with contextlib.ExitStack() as opened:
        pair = opened.enter_context(MirrorPair.open(mirror, source=source))
        array = pair.array(
            dtype, shape, offset, order=order, mirroring=mirroring, tracking=tracking
        )
        opened.pop_all()
    return ArrayPair(array, pair)


def _unmake(pair: MirrorPair, mirror: Path | None) -> None:
    with contextlib.suppress(SplitMirrorError):
        pair.detach()
    if mirror is not None:
        mirror.unlink(missing_ok=True)


def _write_blank(
    path: Path, dtype: npt.DTypeLike, shape: Shape, order: Order, made: contextlib.ExitStack
) -> ArrayLayout:
    """Make a file of zeros for an array; one named .npy begins with the header that says so.

    ``made`` is told how to remove it.

    Raises:
        ArgumentError: the file exists, or dtype, shape or order cannot be used.
        AreaNotFoundError, AreaPermissionError, NoSpaceError, AreaIOError: it cannot be made.
    """
    from numpy.lib import format as npy

    if shape is None:
        raise ArgumentError("a new file has no length of its own; give a shape", argument="shape")
    layout = ArrayLayout.checked(dtype, shape, 0, order, _LENGTH_MAX, what="new file")
    try:
        with path.open("xb") as file:
            made.callback(path.unlink, missing_ok=True)
            if path.suffix == ".npy":
                header = {
                    "descr": npy.dtype_to_descr(layout.dtype),
                    "fortran_order": layout.order == "F",
                    "shape": layout.shape,
                }
                npy.write_array_header_1_0(file, header)
            start = file.tell()
            file.truncate(start + layout.nbytes)
    except FileExistsError:
        raise ArgumentError(
            f"{path} exists; MirrorPair.create(path, mirror) makes a pair of a file that is there",
            argument="path",
        ) from None
    except OSError as error:
        kind = _FAILURES.get(error.errno, AreaIOError)
        raise kind(f"{path}: {error.strerror}", path=str(path), errno=error.errno) from error
    return ArrayLayout(layout.dtype, layout.shape, start, layout.order)
