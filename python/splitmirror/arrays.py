"""The source as a numpy array that may be written, and the mirror as one that cannot.

Both are views on the file: nothing is copied. What is stored into the source's array goes round
the pair; the core finds it afterwards, page by page where the kernel tells, and mirrors or marks
it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from splitmirror.errors import ArgumentError
from splitmirror.layout import ArrayLayout, Shape

if TYPE_CHECKING:
    import numpy.typing as npt

    from splitmirror import _core
    from splitmirror.io import MirrorFile, SourceFile

__all__ = ["Mirroring", "Tracking", "layout_of", "mirror_array", "source_array"]

Mirroring: TypeAlias = Literal["interval", "on-flush"]
Tracking: TypeAlias = Literal["auto", "pages", "compare"]


def layout_of(
    open_area: Callable[[], MirrorFile | SourceFile],
    dtype: npt.DTypeLike | None,
    shape: Shape | None,
    offset: int,
    order: str,
    limit: int,
    what: str,
) -> ArrayLayout:
    """Give the layout that was asked for, or, without a dtype, that of the file's .npy header."""
    if dtype is not None:
        return ArrayLayout.checked(dtype, shape, offset, order, limit, what=what)
    if shape is not None or offset != 0 or order != "C":
        raise ArgumentError(
            "shape, offset and order go with a dtype; without one all are taken from the .npy "
            "header",
            argument="dtype",
        )
    with open_area() as file:
        return ArrayLayout.from_npy(file, what=what)


def source_array(
    core: _core.Pair, layout: ArrayLayout, *, tracking: str, mirroring: str
) -> npt.NDArray[Any]:
    """Make the writable view; see MirrorPair.array."""
    if layout.nbytes == 0:
        return _empty(layout)
    view = core.array(layout.offset, layout.nbytes, tracking=tracking, mirroring=mirroring)
    return _shaped(view, layout, 0)


def mirror_array(core: _core.Pair, layout: ArrayLayout) -> npt.NDArray[Any]:
    """Make the read-only view; see MirrorPair.mirror_array."""
    # Taken also when nothing is viewed, so that a wrong state is an error for every shape.
    view = core.mirror_view()
    if layout.nbytes == 0:
        empty = _empty(layout)
        empty.flags.writeable = False
        return empty
    return _shaped(view, layout, layout.offset)


def _empty(layout: ArrayLayout) -> npt.NDArray[Any]:
    import numpy as np

    return np.empty(layout.shape, layout.dtype, layout.order)


def _shaped(view: object, layout: ArrayLayout, start: int) -> npt.NDArray[Any]:
    import numpy as np

    # It is a buffer, which the types can say only from Python 3.12 on.
    flat: npt.NDArray[Any] = np.frombuffer(cast("Any", view), layout.dtype, layout.count, start)
    return flat.reshape(layout.shape, order=layout.order)
