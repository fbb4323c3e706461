"""The restore that has taken effect at once, and copies behind the program."""

from __future__ import annotations

from splitmirror._logging import drain
from splitmirror._types import Accept, Ranges, accepted
from splitmirror.errors import ArgumentError
from splitmirror.hooks import HookRun, Hooks
from splitmirror.layout import Index
from splitmirror.pair._places import Places, Wanted
from splitmirror.pair.restorejob import RestoreJob
from splitmirror.plan import Plan


class Starting(Places):
    """Verbs of MirrorPair that leave a restore running."""

    def start_restore(
        self,
        *,
        plan: Plan | None = None,
        full: bool = False,
        ranges: Ranges | None = None,
        index: Index | None = None,
        member: str | None = None,
        format: str | None = None,
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
            index, member, format: restore only this slice or member, as restore().
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
            SourceMountedError, SidecarError, MirrorSkewedError, StalePlanError, RangeError,
                MemberMovedError, FormatError: as restore().
        """
        self._not_in_a_hook()
        rate = 0 if throttle is None else max(1, int(throttle))
        wanted = Wanted(ranges=ranges, index=index, member=member, format=format)
        wanted.check(full=full, plan=plan is not None)
        if resume and (plan or full or ranges is not None or wanted.by_place or restart):
            raise ArgumentError(
                "resume goes on with the restore that was begun; it excludes plan, full, ranges, "
                "index, member and restart",
                argument="resume",
            )
        places = self._wanted_ranges(wanted, restart=restart)
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
                        ranges=places,
                        restart=restart,
                        ignore_sidecars=ignore_sidecars,
                        accept=accepted(accept),
                        rate=rate,
                    )
                # Others may ask for it from here on, while its start hook runs.
                job = self._last_job = RestoreJob(core)
        finally:
            drain()
        job._hooks = run.results
        return job

    @property
    def restore_job(self) -> RestoreJob | None:
        """The restore that copies in the background, if one does."""
        core = self._core.restore_job()
        if core is None:
            return None
        if self._last_job is None or not self._last_job.running:
            # Whoever began it was interrupted before it had a name.
            self._last_job = RestoreJob(core)
        return self._last_job

    @staticmethod
    def _stop(run: HookRun) -> None:
        """Run the stop hook; without it nothing is restored."""
        run.before("stop")
        error = run.failure("stop")
        if error is not None:
            raise error
