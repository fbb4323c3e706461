"""Format "hdf5": the datasets of an HDF5 file, named by their path: ``group/dataset``.

A dataset is the bytes of its items: one run when it is contiguous, its chunks when it is
chunked. What describes it (item type, shape, filters, the index of its chunks) is not among
them; so it has to be the same in the source, and is asked for by description().
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from splitmirror.errors import FormatError
from splitmirror.formats._interface import Extent

if TYPE_CHECKING:
    import h5py

__all__ = ["Hdf5"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# A user block, whose length is a power of two, may come before the signature.
_SIGNATURE_AT = (0, *(1 << power for power in range(9, 31)))


class Hdf5:
    """Finds the datasets of an HDF5 file; needs h5py, which is imported when it is needed.

    The file is read through the file object that is given: HDF5's own locks of files, which
    are taken by path, have no part in it.
    """

    name = "hdf5"

    def recognises(self, file: BinaryIO) -> bool:
        """Whether HDF5's signature is at one of the places where it may be."""
        for place in _SIGNATURE_AT:
            file.seek(place)
            found = file.read(len(_SIGNATURE))
            if found == _SIGNATURE:
                return True
            if len(found) < len(_SIGNATURE):
                return False
        return False

    def members(self, file: BinaryIO) -> list[str]:
        """Give the paths of all datasets, without the leading slash; soft links are left out."""
        library = _h5py()
        links: list[str] = []

        def note(name: str, link: Any) -> None:
            # A dataset may have several names; an external one is of another file.
            if isinstance(link, library.HardLink):
                links.append(name)

        with _opened(file) as tree:
            tree.visititems_links(note)
            return [name for name in links if isinstance(tree.get(name), library.Dataset)]

    def extents(self, file: BinaryIO, member: str) -> list[Extent]:
        """Give where the items are: a run, or the chunks in the order of the items.

        Raises:
            FormatError: h5py is not installed, or the dataset's bytes are not in one place that
                is its own.
        """
        with _opened(file) as tree:
            dataset = _dataset(tree, member)
            _check_own_bytes(dataset, member)
            if dataset.chunks is not None:
                chunks = _chunks(dataset)
                if not chunks:
                    _refuse(member, "nothing was ever written into it")
                if tree.userblock_size:
                    # Releases of HDF5 differ in whether its length is counted in.
                    _refuse(member, "it is chunked, in a file with a user block")
                return [(int(chunk.byte_offset), int(chunk.size)) for chunk in chunks]
            place, length = dataset.id.get_offset(), dataset.id.get_storage_size()
            # With a user block the place of what was never written is a number too.
            if place is None or length == 0:
                _refuse(member, "nothing was ever written into it")
            return [(int(place), int(length))]

    def description(self, file: BinaryIO, member: str) -> str:
        """Give item type, shape and, when it is chunked, how its chunks are stored."""
        with _opened(file) as tree:
            dataset = _dataset(tree, member)
            text = f"{dataset.dtype} {dataset.shape}"
            if dataset.chunks is None:
                return text
            plist = dataset.id.get_create_plist()
            filters = [plist.get_filter(number) for number in range(plist.get_nfilters())]
            # Which chunk is where, and which filters it was spared: too much to be spelled out.
            index = hashlib.sha256(
                repr(
                    [(chunk.chunk_offset, chunk.filter_mask) for chunk in _chunks(dataset)]
                ).encode()
            )
            return (
                f"{text} in chunks of {dataset.chunks}, filters {filters}, "
                f"index {index.hexdigest()[:16]}"
            )


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise FormatError(
            "members of HDF5 files need h5py, which cannot be imported; "
            f"pip install 'splitmirror[hdf5]' ({error})"
        ) from error
    return h5py


@contextmanager
def _opened(file: BinaryIO) -> Iterator[h5py.File]:
    with _h5py().File(file, "r") as tree:
        yield tree


def _dataset(tree: h5py.File, member: str) -> h5py.Dataset:
    found = tree.get(member)
    if not isinstance(found, _h5py().Dataset):
        _refuse(member, "it is no dataset")
    return found


def _check_own_bytes(dataset: h5py.Dataset, member: str) -> None:
    """Refuse what is kept elsewhere, or among the bytes of others."""
    if dataset.is_virtual:
        _refuse(member, "it is virtual, its items are those of other datasets")
    if dataset.external:
        _refuse(member, "its items are in external files")
    layout = dataset.id.get_create_plist().get_layout()
    if layout == _h5py().h5d.COMPACT:
        _refuse(member, "it is compact, its items are within its header")
    if dataset.dtype.hasobject:
        _refuse(
            member, "its items are of variable length or references: their content is elsewhere"
        )
    # None is the size of a dataset that has a type alone.
    if not dataset.size:
        _refuse(member, "it has no items")


def _chunks(dataset: h5py.Dataset) -> list[Any]:
    """All chunks that were ever written, by their place in the array."""
    found: list[Any] = []
    dataset.id.chunk_iter(found.append)
    return sorted(found, key=operator.attrgetter("chunk_offset"))


def _refuse(member: str, why: str) -> NoReturn:
    raise FormatError(
        f"the dataset {member!r} cannot be restored alone: {why}; restore(to=) brings the whole "
        "file to another place",
        member=member,
    )
