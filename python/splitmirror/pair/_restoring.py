"""The verbs that bring the source back, while the mirror stays split."""

from __future__ import annotations

from dataclasses import replace

from splitmirror import _core
from splitmirror._logging import drain
from splitmirror._types import Accept, AnyPath, Progress, Ranges, accepted, byte_ranges
from splitmirror.errors import ArgumentError
from splitmirror.hooks import HookRun, Hooks
from splitmirror.pair._handle import PairHandle, watched
from splitmirror.pair.restorejob import RestoreJob
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
        hooks: Hooks | None = None,
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
            hooks: stop, before anything of the source changes, and start, after it is restored.
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
            HookError: the stop hook failed; nothing was restored.
        """

        def restore() -> str:
            return self._core.restore(
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
            )

        run = self._hook_run(hooks, None)
        with run:
            self._stop(run)
            receipt = self._report(Receipt, restore)
        return replace(receipt, hooks=run.results)

    def start_restore(
        self,
        *,
        plan: Plan | None = None,
        full: bool = False,
        ranges: Ranges | None = None,
        restart: bool = False,
        resume: bool = False,
        ignore_sidecars: bool = False,
        accept: Accept = (),
        hooks: Hooks | None = None,
        throttle: int | None = None,
    ) -> RestoreJob:
        """Begin a restore that has taken effect when this returns, and copies behind the program.

        From then on everybody who reads and writes through the pair sees the mirror's point in
        time: what is not copied yet is read from the mirror. What is written meanwhile stays, and
        the receipt says where. It needs mode "exclusive": programs that open the source's file
        themselves would see it half restored. It is durable: a crash leaves a pending restore.

        Args:
            plan: from plan_restore(); carried out as it is, or refused.
            full: copy every block, not only what differs.
            ranges: restore only these (offset, length) pairs, in bytes.
            restart: begin anew over a restore that is pending.
            resume: go on with the restore that is pending; excludes the arguments before.
            ignore_sidecars: go on although the source has, for instance, a newer ``-wal`` file.
            accept: conditions to override by name, such as "mirror-skewed".
            hooks: stop, before anything changes, and start, as soon as the restore has taken
                effect: not at the end of the copying.
            throttle: copy at most so many bytes a second; None: no limit.

        Raises:
            ArgumentError: the pair is not of mode "exclusive", or arguments exclude each other.
            StateError: the pair is not split, or a restore is pending or running.
            HookError: the stop hook failed; nothing was restored.
            SourceMountedError, SidecarError, MirrorSkewedError, StalePlanError, RangeError: as
                restore().
        """
        self._not_in_a_hook()
        rate = 0 if throttle is None else max(1, int(throttle))
        if resume and (plan is not None or full or ranges is not None or restart):
            raise ArgumentError(
                "resume goes on with the restore that was begun; it excludes plan, full, ranges "
                "and restart",
                argument="resume",
            )
        run = self._hook_run(hooks, None)
        try:
            with run:
                self._stop(run)
                if resume:
                    core = self._core.start_resume(
                        ignore_sidecars=ignore_sidecars, accept=accepted(accept), rate=rate
                    )
                else:
                    core = self._core.start_restore(
                        plan=None if plan is None else plan._core,
                        full=full,
                        ranges=byte_ranges(ranges),
                        restart=restart,
                        ignore_sidecars=ignore_sidecars,
                        accept=accepted(accept),
                        rate=rate,
                    )
        finally:
            drain()
        return RestoreJob(core, run.results)

    @property
    def restore_job(self) -> RestoreJob | None:
        """The restore that copies in the background, if one does."""
        core = self._core.restore_job()
        return None if core is None else RestoreJob(core)

    def heal(
        self,
        receipt: Receipt,
        *,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        accept: Accept = (),
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Receipt:
        """Restore just the blocks that the application wrote during the restore of a receipt.

        For when what it wrote meanwhile turns out to be wrong too. Arguments are those of
        resume_restore().

        Raises:
            StalePlanError: it is not the receipt of the last restore from this point in time.
        """
        if receipt.restore_id is None:
            raise ArgumentError(
                "it is the receipt of a scratch copy; heal() takes that of a restore of the source",
                argument="receipt",
            )
        restore_id = receipt.restore_id
        return self._report(
            Receipt,
            lambda: self._core.heal(
                restore_id,
                while_in_use=while_in_use,
                ignore_sidecars=ignore_sidecars,
                accept=accepted(accept),
                progress=watched(progress),
                cancel=cancel,
            ),
        )

    @staticmethod
    def _stop(run: HookRun) -> None:
        """Run the stop hook; without it nothing is restored."""
        run.before("stop")
        error = run.failure("stop")
        if error is not None:
            raise error

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
        self._not_in_a_hook()
        return Plan(self._core.plan_restore(full=full, ranges=byte_ranges(ranges)))
