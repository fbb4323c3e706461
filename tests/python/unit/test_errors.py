"""Exceptions: the table of ids and exit codes, second bases, pickling, their text."""

from __future__ import annotations

import errno
import json
import pickle
from typing import Any

import pytest
from splitmirror import errors

# Class: (second base, id, exit code, fields).
TABLE: dict[str, tuple[type[BaseException] | None, str, int, dict[str, Any]]] = {
    "StateError": (None, "state", 3, {"verb": "seal", "state": "x", "legal": ["establish"]}),
    "AreaIOError": (OSError, "io", 1, {"path": "p", "operation": "read", "errno": errno.EIO}),
    "AreaNotFoundError": (
        FileNotFoundError,
        "not-found",
        1,
        {"path": "p", "errno": errno.ENOENT},
    ),
    "AreaExistsError": (FileExistsError, "exists", 8, {"path": "p", "errno": 17}),
    "AreaPermissionError": (
        PermissionError,
        "permission",
        1,
        {"path": "p", "operation": "open", "errno": errno.EACCES},
    ),
    "ReadOnlyAreaError": (OSError, "read-only", 1, {"path": "p", "errno": errno.EROFS}),
    "NoSpaceError": (
        OSError,
        "no-space",
        1,
        {"path": "p", "needed": 5, "available": 3, "errno": errno.ENOSPC},
    ),
    "UnsupportedAreaError": (ValueError, "unsupported-area", 2, {"path": "p", "what": "FIFO"}),
    "SameAreaError": (ValueError, "same-area", 8, {"path": "p", "other": "q", "how": "link"}),
    "AlreadyPairedError": (None, "already-paired", 8, {"path": "p", "other": "q"}),
    "MirrorExistsError": (FileExistsError, "mirror-exists", 8, {"path": "p", "errno": 17}),
    "AreaTooSmallError": (ValueError, "too-small", 1, {"path": "p", "length": 1, "needed": 2}),
    "ArgumentError": (ValueError, "argument", 2, {"argument": "block_size"}),
    "RangeError": (ValueError, "range", 2, {"offset": 1, "length": 2, "limit": 2}),
    "BufferMismatchError": (BufferError, "buffer", 2, {}),
    "CatalogMissingError": (FileNotFoundError, "catalog-missing", 1, {"path": "p", "errno": 2}),
    "CatalogCorruptError": (None, "catalog-corrupt", 1, {"path": "p"}),
    "CatalogVersionError": (
        None,
        "catalog-version",
        1,
        {"path": "p", "found": 9, "supported": 1},
    ),
    "CatalogUntrustedError": (
        PermissionError,
        "catalog-untrusted",
        8,
        {"path": "p", "errno": 13},
    ),
    "MovedPairError": (None, "moved-pair", 8, {"path": "p"}),
    "PairInUseError": (None, "pair-in-use", 5, {"path": "p", "pid": 7}),
    "NoOwnerError": (None, "no-owner", 3, {"path": "p"}),
    "OwnerGoneError": (None, "owner-gone", 1, {"path": "p", "pid": 7}),
    "RequestError": (ValueError, "request", 2, {"supported": [1]}),
    "DeniedError": (PermissionError, "denied", 8, {"path": "p", "errno": errno.EPERM}),
    "WaitTimeoutError": (TimeoutError, "timeout", 7, {"path": "p", "timeout": 2.5, "errno": 110}),
    "SourceInUseError": (None, "source-in-use", 5, {"path": "p", "pids": [7, 8]}),
    "SourceMountedError": (
        errors.SourceInUseError,
        "source-mounted",
        5,
        {"path": "p", "mountpoint": "/m"},
    ),
    "SidecarError": (None, "sidecar", 8, {"path": "p", "sidecars": ["p-wal"]}),
    "OutsideWritesError": (None, "outside-writes", 8, {"path": "p", "reason": "lease"}),
    "ProtectedError": (
        None,
        "protected",
        8,
        {"verb": "establish", "conditions": ["source-suspect"]},
    ),
    "HeldError": (errors.ProtectedError, "held", 8, {"verb": "detach", "reason": "audit"}),
    "MirrorSkewedError": (
        errors.ProtectedError,
        "mirror-skewed",
        8,
        {"path": "p", "verb": "restore"},
    ),
    "MountError": (None, "mount", 1, {"path": "p"}),
    "MountBusyError": (
        None,
        "mount-busy",
        5,
        {"path": "p", "pids": [7], "loops": ["/l"], "mounts": ["/m"]},
    ),
    "NoMirrorError": (None, "no-mirror", 8, {"mirrors": ["p", "q"]}),
    "StalePlanError": (None, "stale-plan", 3, {}),
    "NotSealedError": (None, "not-sealed", 3, {}),
    "SealMismatchError": (None, "seal-mismatch", 4, {"path": "p", "bad": [[0, 65536]]}),
    "ConsistencyError": (
        None,
        "consistency",
        8,
        {"required": "application", "reached": "fuzzy"},
    ),
    "ViewsLiveError": (None, "views-live", 5, {"views": 1}),
    "MirrorFailedError": (None, "mirror-failed", 6, {"path": "p"}),
    "ClosedPairError": (ValueError, "closed", 2, {}),
    "ForkedPairError": (None, "forked", 2, {}),
    "FormatError": (None, "format", 1, {"format": "hdf5", "member": "a", "plugin": "m:Hdf5"}),
    "NoFileSystemError": (errors.FormatError, "no-file-system", 1, {"path": "p", "format": "ext4"}),
    "MemberNotFoundError": (
        FileNotFoundError,
        "member-not-found",
        1,
        {"path": "p", "member": "a", "errno": errno.ENOENT},
    ),
    "MemberKindError": (
        OSError,
        "member-kind",
        1,
        {"path": "p", "member": "a", "errno": errno.EISDIR},
    ),
    "PointGoneError": (None, "point-gone", 3, {"path": "p"}),
    "MemberMovedError": (
        None,
        "member-moved",
        8,
        {"path": "p", "member": "a", "format": "npz"},
    ),
    "ConfigError": (None, "config", 2, {"path": "p", "line": 3, "key": "hooks.freeze"}),
    "HookError": (None, "hook", 1, {"hook": "stop", "detail": "it exited with status 3"}),
    "CancelledError": (None, "cancelled", 6, {"state": "unsynchronized"}),
}
EACH = pytest.mark.parametrize("name", TABLE)


def made(name: str) -> errors.SplitMirrorError:
    cls = getattr(errors, name)
    found = cls("what happened: 100%", **TABLE[name][3])
    assert isinstance(found, errors.SplitMirrorError)
    return found


@EACH
def test_the_class_is_as_documented(name: str) -> None:
    base, ident, code, fields = TABLE[name]
    error = made(name)
    if base is not None:
        assert isinstance(error, base)
    assert (error.id, error.exit_code, error.fields) == (ident, code, fields)
    assert type(error).__module__ == "splitmirror.errors"
    assert name in errors.__all__


@EACH
def test_the_text_is_the_message_alone(name: str) -> None:
    assert str(made(name)) == "what happened: 100%"


@EACH
def test_fields_are_attributes(name: str) -> None:
    error = made(name)
    for field, value in TABLE[name][3].items():
        assert getattr(error, field) == value
    # Also the class has each, so that a handler need not ask first.
    bare = getattr(errors, name)("m")
    for field in TABLE[name][3]:
        assert hasattr(bare, field)


@EACH
def test_os_errors_have_errno_and_filename(name: str) -> None:
    error = made(name)
    if isinstance(error, OSError):
        assert error.errno == TABLE[name][3]["errno"]
        assert error.filename == "p"


@EACH
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_everything(name: str, protocol: int) -> None:
    error = made(name)
    error.add_note("the pair is now split")
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.fields == error.fields
    assert again.__notes__ == ["the pair is now split"]
    assert getattr(again, "errno", None) == getattr(error, "errno", None)


@EACH
def test_to_dict_is_json(name: str) -> None:
    _, ident, code, fields = TABLE[name]
    plain = json.loads(json.dumps(made(name).to_dict()))
    assert plain == {
        "id": ident,
        "message": "what happened: 100%",
        "fields": fields,
        "exit_code": code,
    }


def test_every_class_is_in_the_table() -> None:
    assert set(errors.__all__) == {*TABLE, "SplitMirrorError", "SystemCallError"}


def test_to_dict_takes_paths_that_are_bytes() -> None:
    error = errors.MovedPairError("m", path=b"/data/\xff")
    assert error.to_dict()["fields"] == {"path": r"/data/\xff"}


def test_repr_names_the_facts() -> None:
    assert repr(errors.PairInUseError("m", pid=7)) == "PairInUseError('m', pid=7)"
