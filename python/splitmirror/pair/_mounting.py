"""Handing a pair over to a process that serves its volume as a file."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from splitmirror import _core
from splitmirror._types import AnyPath
from splitmirror.errors import SplitMirrorError
from splitmirror.pair._handle import PairHandle

if TYPE_CHECKING:
    from splitmirror.mounts import Mounted


class Mounting(PairHandle):
    """The verb of MirrorPair by which programs reach the volume."""

    def mount(
        self,
        mountpoint: AnyPath | None = None,
        *,
        threads: int | None = None,
        allow_other: bool | None = None,
        log: AnyPath | None = None,
    ) -> Mounted:
        """Mount the volume, in a process of its own that owns the pair from then on.

        This object is closed by it: the process answers to verbs, to signals and to
        Mounted.unmount(). When it cannot be mounted, this object has the pair still.

        Args:
            mountpoint: an empty folder. A mount there whose process has died is taken away first.
                None: the one of the pair's configuration.
            threads: how many threads serve; None: as configured, else as many as is usual.
            allow_other: whether other users may use it, as far as the source's permissions allow;
                None: as configured, else not.
            log: what the process has to say is appended to this file; None: ``mount.log`` in the
                catalog's folder.

        Raises:
            MountError: it cannot be mounted there.
            ArgumentError: the pair is not of mode "exclusive", or nobody says where.
            ConfigError: the pair's configuration cannot be used.
            AreaIOError: the source could not be flushed.
        """
        from splitmirror.mounts import mount

        self._not_in_a_hook()
        source, mirror = self._core.source_path, self._core.mirror_path
        catalog = self._core.catalog_path
        self._core.close()
        try:
            return mount(
                mirror,
                mountpoint,
                source=source,
                catalog=catalog,
                threads=threads,
                allow_other=allow_other,
                log=log,
            )
        except BaseException:
            # A process that was about to serve it may have it still: then this object is closed.
            with contextlib.suppress(SplitMirrorError):
                self._core = _core.Pair.open(mirror, source=source, catalog=catalog)
            raise
