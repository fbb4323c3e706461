"""A mounted volume, as a program holds it."""

from __future__ import annotations

import os
import select
from pathlib import Path
from types import TracebackType
from typing import Self

from splitmirror import _core
from splitmirror._types import AnyPath
from splitmirror.control import RemotePair, connect
from splitmirror.errors import MountError
from splitmirror.mounts._settings import settled
from splitmirror.mounts._starting import start
from splitmirror.reports import MountReport, UnmountReport
from splitmirror.units import printable

__all__ = ["Mounted", "mount", "unmount"]


def mount(
    mirror: AnyPath,
    mountpoint: AnyPath | None = None,
    *,
    source: AnyPath | None = None,
    catalog: AnyPath | None = None,
    threads: int | None = None,
    allow_other: bool | None = None,
    log: AnyPath | None = None,
) -> Mounted:
    """Mount the volume of a mirror's pair, in a process of its own that outlives this one.

    The folder then holds ``volume``, the live source, and a read-only file for each split mirror.
    What a program writes into ``volume`` is mirrored or marked as by write(); fsync is flush();
    punching a hole and zeroing a range are discards. Its length is fixed, like that of a disk.

    Args:
        mirror: the mirror's path; the pair must be of mode "exclusive".
        mountpoint: an empty folder. A mount there whose process has died is taken away first.
            None: the one of the pair's configuration.
        source: where the source is now, when it was moved.
        catalog: the catalog's folder, when it was put elsewhere.
        threads: how many threads serve; None: as configured, else as many as is usual.
        allow_other: whether other users may use it, as far as the source's permissions allow;
            None: as configured, else not.
        log: what the process has to say is appended to this file; None: ``mount.log`` in the
            catalog's folder.

    Raises:
        MountError: it cannot be mounted there.
        ArgumentError: the pair is not of mode "exclusive", or nobody says where.
        ConfigError: the pair's configuration cannot be used.
        PairInUseError: another process has the pair open, or it is mounted already.
        CatalogMissingError, MovedPairError: as MirrorPair.open().
    """
    folder = _core.catalog_of(mirror, catalog=catalog)
    settings = settled(folder, mountpoint=mountpoint, threads=threads, allow_other=allow_other)
    assert settings.mountpoint is not None
    where = Path(os.fsdecode(folder)) / "mount.log" if log is None else Path(os.fsdecode(log))
    arguments = [os.path.abspath(os.fsdecode(mirror)), settings.mountpoint]
    for name, path in (("--source", source), ("--catalog", catalog)):
        if path is not None:
            arguments += [name, os.path.abspath(os.fsdecode(path))]
    if settings.threads is not None:
        arguments += ["--threads", str(settings.threads)]
    arguments.append("--allow-other" if settings.allow_other else "--no-allow-other")
    report = start(arguments, settings.mountpoint, where)
    return Mounted(report, settings.mountpoint, mirror=mirror, catalog=folder)


def unmount(place: AnyPath, *, lazily: bool = False, timeout: float | None = 60.0) -> UnmountReport:
    """Unmount a volume and wait until its process has closed the pair.

    Args:
        place: the folder that it is mounted on, or one of its mirrors.
        lazily: take it away although somebody uses it; it ends when the last user has gone.
        timeout: how long to wait for the process, in seconds; None: as long as it takes.

    Raises:
        MountError: no volume is mounted there.
        NoOwnerError: it is a mirror, and no process has its pair open.
        MountBusyError: somebody uses it; ``pids`` and ``loops`` say who.
        TimeoutError: it is unmounted, but the process still closes the pair.
    """
    mountpoint, pid = _unmounted(place, lazily)
    ended = _ended(pid, 0.0 if lazily else timeout)
    shown = printable(mountpoint)
    if not ended and not lazily:
        raise TimeoutError(f"{shown} is unmounted; process {pid} still closes the pair")
    return UnmountReport(mountpoint=shown, pid=pid, ended=ended)


def _unmounted(place: AnyPath, lazily: bool) -> tuple[str, int]:
    name = os.fsdecode(place)
    try:
        # First the list of mounts: one that hangs would not answer a look at the path.
        return name, _core.unmount(place, lazily=lazily)
    except MountError:
        if not os.path.isfile(name):
            raise
    pair = connect(name)
    return str(pair.act("unmount", lazily=lazily)["mountpoint"]), pair.owner_pid


def _ended(pid: int, timeout: float | None) -> bool:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], timeout)[0])
    finally:
        os.close(process)


class Mounted:
    """A volume that a process of its own serves; in ``with`` it is unmounted at the end."""

    def __init__(
        self, report: MountReport, mountpoint: str, *, mirror: AnyPath, catalog: AnyPath
    ) -> None:
        self._report = report
        self._mountpoint = Path(mountpoint)
        self._mirror, self._catalog = mirror, catalog

    @property
    def pair(self) -> RemotePair:
        """The pair, whose verbs the process that serves it carries out.

        Raises:
            NoOwnerError: it is not served any more.
        """
        return connect(self._mirror, catalog=self._catalog)

    @property
    def mountpoint(self) -> Path:
        """The folder."""
        return self._mountpoint

    @property
    def volume(self) -> Path:
        """The live source, as programs see it."""
        return self._mountpoint / "volume"

    @property
    def pid(self) -> int:
        """The process that serves it and owns the pair."""
        return self._report.pid

    @property
    def report(self) -> MountReport:
        """What mounting told."""
        return self._report

    def unmount(self, *, lazily: bool = False, timeout: float | None = 60.0) -> UnmountReport:
        """Unmount it, as unmount()."""
        return unmount(self._mountpoint, lazily=lazily, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.unmount()

    def __repr__(self) -> str:
        return f"<Mounted {str(self.volume)!r}: process {self.pid}>"
