"""The restore that has taken effect at once, and copies behind the program."""

from __future__ import annotations

from splitmirror._logging import drain
from splitmirror._types import Accept, Ranges, accepted
from splitmirror.errors import ArgumentError, StateError
from splitmirror.hooks import Before, Hooks
from splitmirror.layout import Index
from splitmirror.pair._handle import VerbHooks
from splitmirror.pair._places import Places, Wanted
from splitmirror.pair.restorejob import RestoreJob
from splitmirror.plan import Plan
from splitmirror.reports import Status
from splitmirror.states import Condition, State

_BEFORE_A_RESTORE: tuple[Before, ...] = ("stop", "unmount")


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
            hooks: stop and unmount, before anything changes, and mount and start, as soon as the
                restore has taken effect: not at the end of the copying. None: those of the
                configuration; Hooks(): none.
            throttle: copy at most so many bytes a second; 0: no limit; None: what the
                configuration says, and no limit where it says nothing.

        Raises:
            ArgumentError: the pair is not of mode "exclusive", or arguments exclude each other.
            StateError: the pair is not split, or a restore is pending or running.
            HookError: the stop or unmount hook failed; nothing was restored.
            ConfigError: there is a configuration, and it cannot be used; nothing was changed.
            SourceMountedError, SidecarError, MirrorSkewedError, StalePlanError, RangeError,
                MemberMovedError, FormatError: as restore().
        """
        self._not_in_a_hook()
        if throttle is None:
            throttle = self.config().restore.throttle
        rate = max(1, int(throttle)) if throttle else 0
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
                # In the other mode, which a pair has for good, nobody is stopped for a refusal.
                if self._core.mode == "exclusive":
                    self._make_way(run, "start_restore", resumes=resume, restart=restart)
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

    def _make_way(
        self, run: VerbHooks, verb: str, *, resumes: bool = False, restart: bool = False
    ) -> None:
        """Run the stop and the unmount hook; when one fails nothing is restored.

        No application is stopped for a verb that the pair's state does not allow.
        """
        if run.round_restore:
            self._check_legal(verb, resumes, restart)
        for hook in _BEFORE_A_RESTORE:
            run.before(hook)
            if (error := run.failure(hook)) is not None:
                raise error

    def _check_legal(self, verb: str, resumes: bool, restart: bool) -> None:
        status = Status.from_json(self._core.status())
        pending = Condition.RESTORE_PENDING in status.conditions
        # What else may be refused depends on what the caller accepts, and on who has unmounted.
        if status.state is State.SPLIT and (restart or pending == resumes):
            return
        now = ", ".join([status.state, *status.conditions])
        raise StateError(
            f"{verb}() is not possible while the pair is {now}, so no hook was run; "
            f"legal now: {', '.join(status.next)}",
            verb=verb,
            state=now,
            legal=list(status.next),
        )
