"""Evidence that nothing was changed: what stands in a folder, byte for byte, before and after."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from splitmirror.errors import SplitMirrorError
from splitmirror.units import printable

ErrorT = TypeVar("ErrorT", bound=SplitMirrorError)

Snapshot = dict[bytes, tuple[object, ...]]


def snapshot(*roots: Path, catalogs: bool = True) -> Snapshot:
    """Everything below the folders (or the files named): identity, length, times, tags, digest.

    Not looked at: the lock of a catalog, which each opening writes. Without `catalogs` only the
    names in them: verbs that are refused may note a condition there.
    """
    found: Snapshot = {}
    open_ = [os.fsencode(root) for root in roots]
    while open_:
        path = open_.pop()
        meta = os.lstat(path)
        facts: tuple[object, ...] = (meta.st_ino, meta.st_mode, meta.st_uid, meta.st_nlink)
        in_catalog = os.path.dirname(path).endswith(b".splitmirror")
        if stat.S_ISDIR(meta.st_mode):
            open_ += [os.path.join(path, name) for name in os.listdir(path)]
        elif stat.S_ISREG(meta.st_mode):
            if os.path.basename(path) == b"lock" or (in_catalog and not catalogs):
                facts = ()
            else:
                tags = [os.getxattr(path, name) for name in _names_of_tags(path)]
                facts += (meta.st_size, meta.st_mtime_ns, *tags, _digest(path))
        found[path] = facts
    return found


def _names_of_tags(path: bytes) -> list[str]:
    try:
        return sorted(name for name in os.listxattr(path) if name.startswith("user."))
    except OSError:
        return []


def _digest(path: bytes) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def unchanged(*roots: Path, catalogs: bool = True) -> Iterator[None]:
    """Assert that what stands in the folders is the same after the block as before."""
    before = snapshot(*roots, catalogs=catalogs)
    yield
    after = snapshot(*roots, catalogs=catalogs)
    assert set(after) == set(before), "files appeared or disappeared"
    assert after == before


class Caught:
    """The error that `refused` caught, to be looked at after its block."""

    error: Any


@contextlib.contextmanager
def refused(
    kind: type[SplitMirrorError],
    *roots: Path,
    advice: str = "",
    catalogs: bool = True,
    **fields: object,
) -> Iterator[Caught]:
    """Assert that the block raises exactly `kind` with these fields, and changes nothing.

    The message must name the file that the error is about and contain `advice`.
    """
    caught = Caught()
    with unchanged(*roots, catalogs=catalogs):
        try:
            yield caught
        except SplitMirrorError as error:
            caught.error = error
            # A traceback would keep the pair's descriptors.
            error.__traceback__ = None
    found = getattr(caught, "error", None)
    assert found is not None, f"{kind.__name__} was not raised"
    assert type(found) is kind, f"{found!r} instead of {kind.__name__}"
    check_error(found, advice=advice, **fields)


def check_error(error: SplitMirrorError, *, advice: str = "", **fields: object) -> None:
    """Assert that an error is complete: fields, id, exit code, one line that names the file."""
    for name, value in fields.items():
        wanted = os.fspath(value) if isinstance(value, Path) else value
        assert error.fields[name] == wanted, f"{name}: {error.fields[name]!r}, not {wanted!r}"
    document = error.to_dict()
    assert document["id"] == type(error).id
    assert document["exit_code"] == type(error).exit_code > 0
    message = str(error)
    assert message
    assert printable(message) == message, "the message does not fit one line"
    assert advice in message, message
    path = error.fields.get("path")
    assert path is None or path in message, message
