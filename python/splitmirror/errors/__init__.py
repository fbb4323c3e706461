"""The exceptions of splitmirror.

Each has a stable ``id``, the ``exit_code`` that the command line ends with, and its facts as
attributes (also in ``fields``). Exit codes: 1 failed, 2 usage, 3 wrong state, 4 data differs,
5 in use, 6 degraded or incomplete, 7 waited too long, 8 refused by protection.
"""

from __future__ import annotations

from splitmirror.errors._areas import (
    AreaExistsError,
    AreaIOError,
    AreaNotFoundError,
    AreaPermissionError,
    AreaTooSmallError,
    NoSpaceError,
    ReadOnlyAreaError,
    UnsupportedAreaError,
)
from splitmirror.errors._base import (
    SplitMirrorError,
    SystemCallError,
)
from splitmirror.errors._control import (
    DeniedError,
    NoOwnerError,
    OwnerGoneError,
    RequestError,
    WaitTimeoutError,
)
from splitmirror.errors._pairs import (
    AlreadyPairedError,
    CatalogCorruptError,
    CatalogMissingError,
    CatalogUntrustedError,
    CatalogVersionError,
    MirrorExistsError,
    MirrorFailedError,
    MountBusyError,
    MountError,
    MovedPairError,
    PairInUseError,
    SameAreaError,
    SealMismatchError,
    SourceInUseError,
    SourceMountedError,
    ViewsLiveError,
)
from splitmirror.errors._protection import (
    ConsistencyError,
    HeldError,
    MemberMovedError,
    MirrorSkewedError,
    NoMirrorError,
    OutsideWritesError,
    ProtectedError,
    SidecarError,
)
from splitmirror.errors._verbs import (
    ArgumentError,
    BufferMismatchError,
    CancelledError,
    ClosedPairError,
    ConfigError,
    ForkedPairError,
    FormatError,
    HookError,
    MemberKindError,
    MemberNotFoundError,
    NoFileSystemError,
    NotSealedError,
    PointGoneError,
    RangeError,
    StalePlanError,
    StateError,
)

__all__ = [
    "AlreadyPairedError",
    "AreaExistsError",
    "AreaIOError",
    "AreaNotFoundError",
    "AreaPermissionError",
    "AreaTooSmallError",
    "ArgumentError",
    "BufferMismatchError",
    "CancelledError",
    "CatalogCorruptError",
    "CatalogMissingError",
    "CatalogUntrustedError",
    "CatalogVersionError",
    "ClosedPairError",
    "ConfigError",
    "ConsistencyError",
    "DeniedError",
    "ForkedPairError",
    "FormatError",
    "HeldError",
    "HookError",
    "MemberKindError",
    "MemberMovedError",
    "MemberNotFoundError",
    "MirrorExistsError",
    "MirrorFailedError",
    "MirrorSkewedError",
    "MountBusyError",
    "MountError",
    "MovedPairError",
    "NoFileSystemError",
    "NoMirrorError",
    "NoOwnerError",
    "NoSpaceError",
    "NotSealedError",
    "OutsideWritesError",
    "OwnerGoneError",
    "PairInUseError",
    "PointGoneError",
    "ProtectedError",
    "RangeError",
    "ReadOnlyAreaError",
    "RequestError",
    "SameAreaError",
    "SealMismatchError",
    "SidecarError",
    "SourceInUseError",
    "SourceMountedError",
    "SplitMirrorError",
    "StalePlanError",
    "StateError",
    "SystemCallError",
    "UnsupportedAreaError",
    "ViewsLiveError",
    "WaitTimeoutError",
]

# The files are an inner matter: a traceback and a pickle name the module that is documented.
for _name in __all__:
    globals()[_name].__module__ = __name__
