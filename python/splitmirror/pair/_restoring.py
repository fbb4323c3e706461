"""The verbs that bring the source back, while the mirror stays split."""

from __future__ import annotations

from splitmirror import _core
from splitmirror._types import Accept, AnyPath, Progress, Ranges, accepted, byte_ranges
from splitmirror.pair._handle import PairHandle, watched
from splitmirror.plan import Plan
from splitmirror.reports import AbandonReport, Receipt


class Restoring(PairHandle):
    """Verbs of MirrorPair that write the source, never the mirror."""

    def restore(
        self,
        *,
        plan: Plan | None = None,
        full: bool = False,
        ranges: Ranges | None = None,
        to: AnyPath | None = None,
        overwrite: bool = False,
        restart: bool = False,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        accept: Accept = (),
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Receipt:
        """Bring the source back to the mirror's point in time.

        The mirror stays split and is opened for reading only; the receipt holds its stamp, and
        its root digest when it is sealed, before and after. Length and holes are brought back
        too, and a missing source is made again. (SNIA: Restore from Replica; EMC: restore,
        there followed by a resynchronisation that this deliberately does not do.)

        Args:
            plan: from plan_restore(); carried out as it is, or refused.
            full: copy every block, not only what differs.
            ranges: restore only these (offset, length) pairs, in bytes.
            to: restore into this file or device instead; the source is not touched.
            overwrite: ``to`` may exist.
            restart: there is an interrupted restore: begin anew, and restore also what was
                written through the pair since.
            while_in_use: go on although other processes have the source open.
            ignore_sidecars: go on although the source has, for instance, a newer ``-wal`` file.
            accept: conditions to override by name, such as "mirror-skewed".
            progress: called with (phase, bytes done, bytes in total); its exceptions cancel.
            cancel: cancels from another thread; resume_restore() then goes on.

        Raises:
            StateError: the pair is not split, or a restore is pending and not restarted.
            SourceInUseError, SourceMountedError: somebody uses the source.
            SidecarError: files beside the source would spoil what is restored.
            MirrorSkewedError: the mirror changed since its split.
            SealMismatchError: blocks of the mirror differ from its seal.
            StalePlanError: the pair has moved on since the plan.
            RangeError: a range does not lie in the mirror.
            NoSpaceError, AreaIOError: reading or writing failed; resume_restore() goes on.
            CancelledError: ``cancel`` was used.
        """
        return self._report(
            Receipt,
            lambda: self._core.restore(
                plan=None if plan is None else plan._core,
                full=full,
                ranges=byte_ranges(ranges),
                to=to,
                overwrite=overwrite,
                restart=restart,
                while_in_use=while_in_use,
                ignore_sidecars=ignore_sidecars,
                accept=accepted(accept),
                progress=watched(progress),
                cancel=cancel,
            ),
        )

    def resume_restore(
        self,
        *,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        accept: Accept = (),
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Receipt:
        """Go on with an interrupted restore; what was written through the pair since stays.

        Arguments and errors are those of restore().

        Raises:
            StateError: no restore is pending.
        """
        return self._report(
            Receipt,
            lambda: self._core.resume_restore(
                while_in_use=while_in_use,
                ignore_sidecars=ignore_sidecars,
                accept=accepted(accept),
                progress=watched(progress),
                cancel=cancel,
            ),
        )

    def abandon_restore(self) -> AbandonReport:
        """Give up an interrupted restore and list what of the source stays unrestored.

        Raises:
            StateError: no restore is pending.
        """
        return self._report(AbandonReport, self._core.abandon_restore)

    def plan_restore(self, *, full: bool = False, ranges: Ranges | None = None) -> Plan:
        """Work out what restore() would copy, without writing anything.

        Raises:
            StateError: the pair is not split.
            RangeError: a range does not lie in the mirror.
        """
        return Plan(self._core.plan_restore(full=full, ranges=byte_ranges(ranges)))
