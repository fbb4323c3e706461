"""MirrorPair: making, finding and closing a pair; its verbs come from the other files here."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from splitmirror import _core
from splitmirror._logging import drain
from splitmirror._types import Accept, AnyPath, Progress, accepted
from splitmirror.control import _presence
from splitmirror.errors import SplitMirrorError
from splitmirror.pair._access import Access
from splitmirror.pair._guarding import Guarding
from splitmirror.pair._handle import watched
from splitmirror.pair._mounting import Mounting
from splitmirror.states import Condition, State


class MirrorPair(Guarding, Mounting, Access):
    """A source, the mirror kept equal to it, and what is known of the two.

    Made by `create`, found again by `open` through the catalog beside the mirror. Close it when
    done, or use it in ``with``; what is forgotten is closed when the interpreter ends. An
    interrupted restore stays pending and is not lost. All verbs may be called from any thread,
    not after a fork. (SNIA: source and target element; EMC:
    standard and BCV.)

    >>> with splitmirror.MirrorPair.open("data.mirror") as pair:  # doctest: +SKIP
    ...     receipt = pair.restore()
    """

    @classmethod
    def create(
        cls,
        source: AnyPath,
        mirror: AnyPath,
        *,
        mode: Literal["shared", "exclusive"] = "shared",
        block_size: int = 65536,
        overwrite: bool = False,
        catalog: AnyPath | None = None,
    ) -> Self:
        """Make a new pair; nothing is copied until establish().

        Args:
            source: an existing regular file or block device.
            mirror: the file to make, or a block device at least as large.
            mode: "shared" when other programs may write the source round the pair,
                "exclusive" when everything goes through it.
            block_size: bytes tracked together; a power of two, 4 KiB to 4 MiB.
            overwrite: the mirror's place may hold data, which is given up.
            catalog: a folder for the catalog, instead of ``<mirror>.splitmirror``.

        Raises:
            AreaNotFoundError, AreaPermissionError, UnsupportedAreaError: one side cannot be used.
            SameAreaError: both are the same bytes.
            AlreadyPairedError: one of them belongs to another pair.
            MirrorExistsError: the mirror exists and ``overwrite`` is false.
            AreaTooSmallError, NoSpaceError: the source does not fit.
            ArgumentError: block size or mode cannot be used.
        """
        try:
            return cls(
                _core.Pair.create(
                    source,
                    mirror,
                    mode=mode,
                    block_size=block_size,
                    overwrite=overwrite,
                    catalog=catalog,
                )
            )
        finally:
            drain()

    @classmethod
    def open(
        cls, mirror: AnyPath, *, source: AnyPath | None = None, catalog: AnyPath | None = None
    ) -> Self:
        """Open the pair of a mirror; it is in this process's hands until closed.

        Args:
            mirror: the mirror's path.
            source: where the source is now, when it was moved.
            catalog: the catalog's folder, when it was put elsewhere.

        Raises:
            PairInUseError: another process has it open; ``pid`` says which, and
                splitmirror.control.connect() has its verbs carried out there.
            CatalogMissingError, CatalogCorruptError, CatalogVersionError, CatalogUntrustedError:
                there is no catalog, or it cannot be used.
            MovedPairError: mirror and catalog are a copy or were moved; see adopt().
        """
        try:
            return cls(_core.Pair.open(mirror, source=source, catalog=catalog))
        finally:
            drain()

    @classmethod
    def adopt(
        cls,
        mirror: AnyPath,
        source: AnyPath,
        *,
        catalog: AnyPath | None = None,
        block_size: int = 65536,
        mode: Literal["shared", "exclusive"] = "shared",
        accept: Accept = (),
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Self:
        """Make a pair of a mirror that was moved or copied, or that has no catalog any more.

        It gets an identity of its own and keeps its point in time; a seal is checked first.

        Args:
            mirror: the mirror's path.
            source: the source that it belongs to; it may be missing.
            catalog: the catalog's folder, when it is elsewhere.
            block_size: in bytes, for a mirror without a catalog.
            mode: see create(), for a mirror without a catalog.
            accept: "unsealed" takes a mirror on trust that has no seal.
            progress: called with (phase, bytes done, bytes in total) while the seal is checked.
            cancel: cancels from another thread; nothing has then changed.

        Raises:
            ProtectedError: the mirror has no seal and "unsealed" is not accepted.
            SealMismatchError: the mirror differs from its seal.
            CatalogCorruptError, CatalogUntrustedError: its catalog cannot be used.
        """
        try:
            return cls(
                _core.Pair.adopt(
                    mirror,
                    source,
                    catalog=catalog,
                    block_size=block_size,
                    mode=mode,
                    accept=accepted(accept),
                    progress=watched(progress),
                    cancel=cancel,
                )
            )
        finally:
            drain()

    def close(self) -> None:
        """Flush and give the pair free for other processes; closing twice is fine.

        Raises:
            AreaIOError: the source could not be flushed; the pair is closed all the same.
        """
        self._not_in_a_hook()
        # What others have asked for would hold the close up.
        _presence.leaving(self)
        try:
            self._core.close()
        finally:
            _presence.left(self)
            drain()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether the pair was closed or detached."""
        return self._core.closed

    @property
    def source_path(self) -> Path:
        """Where the source is."""
        return Path(os.fsdecode(self._core.source_path))

    @property
    def mirror_path(self) -> Path:
        """Where the mirror is."""
        return Path(os.fsdecode(self._core.mirror_path))

    @property
    def catalog_path(self) -> Path:
        """The folder of the catalog."""
        return Path(os.fsdecode(self._core.catalog_path))

    @property
    def block_size(self) -> int:
        """Bytes that are tracked together."""
        return self._core.block_size

    @property
    def mode(self) -> str:
        """Who else may write the source: "shared" or "exclusive"."""
        return self._core.mode

    @property
    def pair_id(self) -> str:
        """The identity of the pair."""
        return self._core.pair_id

    @property
    def state(self) -> State:
        """Whether updates of the source reach the mirror (SNIA: CopyState)."""
        return State(self._core.state)

    @property
    def conditions(self) -> frozenset[Condition]:
        """What else is known, beside the state (SNIA: Skewed, Broken)."""
        return frozenset(map(Condition, self._core.conditions))

    def __repr__(self) -> str:
        where = f"{str(self.source_path)!r} -> {str(self.mirror_path)!r}"
        if self.closed:
            return f"<MirrorPair {where}: closed>"
        standing = ", ".join([self.state, *sorted(self.conditions)])
        return f"<MirrorPair {where}: {standing}>"

    def _repr_html_(self) -> str:
        from splitmirror.html import pair_html

        try:
            return pair_html(self.status(), self.block_map().tobytes())
        except SplitMirrorError:
            # A closed pair, or one that cannot be read, must not fail to be shown.
            return pair_html(repr(self))
