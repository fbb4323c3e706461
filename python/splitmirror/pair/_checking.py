"""The verbs that look at the data and say whether it is right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from splitmirror import _core
from splitmirror._guarded import advised, is_guarded
from splitmirror._logging import drain
from splitmirror._types import Accept, Progress, accepted
from splitmirror.pair._handle import PairHandle, stoppable, watched
from splitmirror.reports import Event, ScrubReport, SealReport, Status, VerifyReport

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Checking(PairHandle):
    """Verbs of MirrorPair that change neither side."""

    def verify(
        self,
        *,
        from_medium: bool = False,
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> VerifyReport:
        """Compare both sides and name the ranges that differ, and which side is wrong.

        Which side is wrong is known when the mirror is sealed. (DRBD: online verify.)

        Args:
            from_medium: read past the page cache, so that what the medium holds is compared;
                this also is what clears source-suspect.
            progress: called with (phase, bytes done, bytes in total); its exceptions cancel.
            cancel: cancels from another thread.

        Raises:
            StateError: there is nothing to compare yet.
            AreaIOError: one of the sides cannot be read.
            CancelledError: ``cancel`` was used.
        """
        token = stoppable(cancel)
        return self._report(
            VerifyReport,
            lambda: self._core.verify(
                from_medium=from_medium, progress=watched(progress), cancel=token
            ),
            cancel=token,
        )

    def seal(
        self,
        *,
        accept: Accept = (),
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> SealReport:
        """Record the BLAKE3 digest of every block of the mirror, with one root digest.

        From then on it can be proven, by scrub() and by each receipt, that the mirror still
        holds its point in time.

        Args:
            accept: "mirror-skewed" seals a mirror that changed since its split, as it is now.
            progress: called with (phase, bytes done, bytes in total); its exceptions cancel.
            cancel: cancels from another thread.

        Raises:
            StateError: the pair is not split.
            MirrorSkewedError: the mirror changed since its split.
            AreaIOError: the mirror cannot be read.
            CancelledError: ``cancel`` was used; there is no seal then.
        """
        token = stoppable(cancel)
        return self._report(
            SealReport,
            lambda: self._core.seal(
                accept=accepted(accept), progress=watched(progress), cancel=token
            ),
            cancel=token,
        )

    def scrub(
        self,
        *,
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> ScrubReport:
        """Read the mirror and compare it with its seal; the source is not looked at.

        Raises:
            NotSealedError: there is no seal to compare with.
            StateError: the pair is not split.
            CancelledError: ``cancel`` was used.
        """
        token = stoppable(cancel)
        return self._report(
            ScrubReport,
            lambda: self._core.scrub(progress=watched(progress), cancel=token),
            cancel=token,
        )

    def status(self) -> Status:
        """Tell where the pair stands, what is legal now and what its conditions ask for."""
        status = self._report(Status, self._core.status)
        return status if is_guarded(self) else advised(status)

    def history(self) -> list[Event]:
        """List what happened to the pair, the oldest first."""
        try:
            return [Event.from_dict(event) for event in json.loads(self._core.history())]
        finally:
            drain()

    def block_map(self) -> npt.NDArray[np.uint8]:
        """Give one number a block (``block_size`` bytes each; EMC: track, DRBD: bit).

        0: the same on both sides. 1: changed since the point in time. 2: still to be restored.
        255: not known, because the record of changes would not be believed now.
        """
        return self._core.block_map()
