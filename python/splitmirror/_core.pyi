"""The Rust core. Verbs return JSON texts; `splitmirror.MirrorPair` turns them into reports."""

import sys
from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

_Path: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes]
_Progress: TypeAlias = Callable[[str, int, int], object] | None
# For Python 3.11, numpy does not declare its arrays to be buffers.
_Buffer: TypeAlias = Buffer | npt.NDArray[Any]
_Accept: TypeAlias = Iterable[str] | None
_Hook: TypeAlias = Callable[[], object] | None
_Ranges: TypeAlias = Iterable[tuple[int, int]] | None

__all__ = [
    "ArrayView",
    "CancelToken",
    "Ext4Inode",
    "Ext4Tree",
    "MirrorView",
    "Mount",
    "Pair",
    "Plan",
    "RestoreJob",
    "catalog_of",
    "doctor",
    "drain_log",
    "history",
    "list_pairs",
    "status",
    "unmount",
    "version",
]

@final
class CancelToken:
    def __new__(cls) -> CancelToken: ...
    def cancel(self) -> None: ...
    @property
    def cancelled(self) -> bool: ...

@final
class Plan:
    def to_json(self) -> str: ...

@final
class RestoreJob:
    def wait(self, timeout: float | None = None) -> str | None: ...
    def pause(self) -> None: ...
    def progress(self) -> tuple[str, int, int]: ...
    def set_rate(self, bytes_per_second: int) -> None: ...
    @property
    def running(self) -> bool: ...

@final
class Ext4Inode:
    @property
    def number(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def mode(self) -> int: ...
    @property
    def user(self) -> int: ...
    @property
    def group(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def links(self) -> int: ...
    @property
    def modified_ns(self) -> int: ...

@final
class Ext4Tree:
    @staticmethod
    def open(
        mirror: _Path,
        *,
        catalog: _Path | None = None,
        partition: int | None = None,
        offset: int | None = None,
    ) -> Ext4Tree: ...
    def find(self, path: bytes, follow: str) -> tuple[Ext4Inode, bytes]: ...
    def inode(self, number: int) -> Ext4Inode: ...
    def names(
        self, folder: Ext4Inode, start: int
    ) -> tuple[list[tuple[bytes, int]], int | None]: ...
    def link_target(self, link: Ext4Inode) -> bytes: ...
    def readinto(self, file: Ext4Inode, offset: int, buffer: _Buffer) -> int: ...
    def run(self, file: Ext4Inode, offset: int) -> tuple[int, bool]: ...
    @property
    def offset(self) -> int: ...
    @property
    def generation(self) -> int: ...
    @property
    def skewed(self) -> bool: ...

@final
class MirrorView:
    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class ArrayView:
    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class Pair:
    @staticmethod
    def create(
        source: _Path,
        mirror: _Path,
        *,
        mode: str = "shared",
        block_size: int = ...,
        overwrite: bool = False,
        catalog: _Path | None = None,
    ) -> Pair: ...
    @staticmethod
    def open(
        mirror: _Path, *, source: _Path | None = None, catalog: _Path | None = None
    ) -> Pair: ...
    @staticmethod
    def adopt(
        mirror: _Path,
        source: _Path,
        *,
        catalog: _Path | None = None,
        block_size: int = ...,
        mode: str = "shared",
        accept: _Accept = None,
        progress: _Progress = None,
        cancel: CancelToken | None = None,
    ) -> Pair: ...
    def establish(
        self,
        *,
        plan: Plan | None = None,
        force: bool = False,
        accept: _Accept = None,
        progress: _Progress = None,
        cancel: CancelToken | None = None,
    ) -> str: ...
    def split(
        self,
        *,
        label: str | None = None,
        as_of_last_establish: bool = False,
        require: str | None = None,
        freeze: _Hook = None,
        thaw: _Hook = None,
    ) -> str: ...
    def refresh(
        self,
        *,
        label: str | None = None,
        force: bool = False,
        accept: _Accept = None,
        require: str | None = None,
        freeze: _Hook = None,
        thaw: _Hook = None,
        progress: _Progress = None,
        cancel: CancelToken | None = None,
    ) -> str: ...
    def restore(
        self,
        *,
        plan: Plan | None = None,
        full: bool = False,
        ranges: _Ranges = None,
        to: _Path | None = None,
        overwrite: bool = False,
        restart: bool = False,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        accept: _Accept = None,
        progress: _Progress = None,
        cancel: CancelToken | None = None,
    ) -> str: ...
    def resume_restore(
        self,
        *,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        accept: _Accept = None,
        progress: _Progress = None,
        cancel: CancelToken | None = None,
    ) -> str: ...
    def abandon_restore(self) -> str: ...
    def start_restore(
        self,
        *,
        plan: Plan | None = None,
        full: bool = False,
        ranges: _Ranges = None,
        restart: bool = False,
        ignore_sidecars: bool = False,
        accept: _Accept = None,
        rate: int = 0,
    ) -> RestoreJob: ...
    def start_resume(
        self, *, ignore_sidecars: bool = False, accept: _Accept = None, rate: int = 0
    ) -> RestoreJob: ...
    def restore_job(self) -> RestoreJob | None: ...
    def heal(
        self,
        restore_id: str,
        *,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        accept: _Accept = None,
        progress: _Progress = None,
        cancel: CancelToken | None = None,
    ) -> str: ...
    def repair(
        self,
        from_mirror: _Path,
        *,
        accept: _Accept = None,
        progress: _Progress = None,
        cancel: CancelToken | None = None,
    ) -> str: ...
    def verify(
        self,
        *,
        from_medium: bool = False,
        progress: _Progress = None,
        cancel: CancelToken | None = None,
    ) -> str: ...
    def seal(
        self,
        *,
        accept: _Accept = None,
        progress: _Progress = None,
        cancel: CancelToken | None = None,
    ) -> str: ...
    def scrub(self, *, progress: _Progress = None, cancel: CancelToken | None = None) -> str: ...
    def plan_establish(self, *, force: bool = False) -> Plan: ...
    def plan_restore(self, *, full: bool = False, ranges: _Ranges = None) -> Plan: ...
    def hold(self, reason: str | None = None) -> str: ...
    def release(self) -> str: ...
    def detach(self) -> str: ...
    def status(self) -> str: ...
    def history(self) -> str: ...
    def block_map(self) -> npt.NDArray[np.uint8]: ...
    def read(self, offset: int, size: int) -> bytes: ...
    def readinto(self, offset: int, buffer: _Buffer) -> int: ...
    def write(self, offset: int, data: _Buffer) -> int: ...
    def discard(self, offset: int, length: int) -> None: ...
    def flush(self) -> None: ...
    def mirror_read(self, offset: int, size: int) -> bytes: ...
    def mirror_readinto(self, offset: int, buffer: _Buffer) -> int: ...
    def mirror_view(self) -> MirrorView: ...
    def array(
        self, offset: int, length: int, *, tracking: str = "auto", mirroring: str = "interval"
    ) -> ArrayView: ...
    def source_length(self) -> int: ...
    def mirror_length(self) -> int: ...
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def source_path(self) -> bytes: ...
    @property
    def mirror_path(self) -> bytes: ...
    @property
    def catalog_path(self) -> bytes: ...
    @property
    def block_size(self) -> int: ...
    @property
    def mode(self) -> str: ...
    @property
    def pair_id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def conditions(self) -> list[str]: ...

@final
class Mount:
    @staticmethod
    def start(
        pair: Pair, mountpoint: _Path, *, threads: int = 0, allow_other: bool = False
    ) -> Mount: ...
    def unmount(self, *, lazily: bool = False) -> None: ...
    def wait(self, timeout: float) -> bool: ...
    @property
    def mountpoint(self) -> bytes: ...
    @property
    def replaced_stale(self) -> bool: ...

def unmount(mountpoint: _Path, *, lazily: bool = False) -> int: ...
def catalog_of(mirror: _Path, *, catalog: _Path | None = None) -> bytes: ...
def status(mirror: _Path, *, catalog: _Path | None = None) -> str: ...
def history(mirror: _Path, *, catalog: _Path | None = None) -> str: ...
def list_pairs(folder: _Path) -> str: ...
def doctor(path: _Path) -> str: ...
def drain_log() -> list[tuple[int, str, str]]: ...
def version() -> str: ...
