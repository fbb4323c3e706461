"""The verbs that bring the source back, while the mirror stays split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from splitmirror import _core
from splitmirror._types import Accept, AnyPath, Progress, Ranges, accepted
from splitmirror.errors import ArgumentError
from splitmirror.hooks import Hooks
from splitmirror.layout import Index
from splitmirror.pair._handle import stoppable, watched
from splitmirror.pair._places import Wanted
from splitmirror.pair._starting import Starting
from splitmirror.plan import Plan
from splitmirror.reports import AbandonReport, Receipt


def restore_id_of(receipt: Receipt | str) -> str:
    """Give the name of the restore that a receipt is of.

    Raises:
        ArgumentError: it is not of a restore of the source.
    """
    restore_id = receipt if isinstance(receipt, str) else receipt.restore_id
    if restore_id is None:
        raise ArgumentError(
            "it is the receipt of a scratch copy; heal() takes that of a restore of the source",
            argument="receipt",
        )
    return restore_id


class Restoring(Starting):
    """Verbs of MirrorPair that write the source, never the mirror."""

    def restore(
        self,
        *,
        plan: Plan | None = None,
        full: bool = False,
        ranges: Ranges | None = None,
        index: Index | None = None,
        member: str | None = None,
        format: str | None = None,
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
            index: restore only this slice, such as ``np.s_[100:200, :]``, of the .npy file that
                the mirror is, else of the array that array() named last.
            member: restore only this member of the file, one of members().
            format: how to read the file to find the member; None for the first that recognises it.
            to: restore into this file or device instead; the source is not touched.
            overwrite: ``to`` may exist.
            restart: there is an interrupted restore: begin anew, and restore also what was
                written through the pair since.
            while_in_use: go on although other processes have the source open.
            ignore_sidecars: go on although the source has, for instance, a newer ``-wal`` file.
            accept: conditions to override by name, such as "mirror-skewed".
            hooks: stop and unmount, before anything of the source changes, and mount and start,
                after it is restored. None: those of the configuration, but none for a scratch
                copy; Hooks(): none.
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
            ArgumentError: arguments exclude each other, or index or member cannot be found.
            MemberMovedError: the source has not the same slice or member at the same places.
            FormatError: the plug-in of the format failed.
            NoSpaceError, AreaIOError: reading or writing failed; resume_restore() goes on.
            CancelledError: ``cancel`` was used.
            HookError: the stop or unmount hook failed; nothing was restored.
            ConfigError: there is a configuration, and it cannot be used; nothing was changed.
        """
        if hooks is None and to is not None:
            # Nobody has to stop for what does not touch the source.
            hooks = Hooks()
        wanted = Wanted(ranges=ranges, index=index, member=member, format=format)
        wanted.check(full=full, plan=plan is not None)
        places = self._wanted_ranges(wanted, scratch=to is not None, restart=restart)
        token = stoppable(cancel)

        def restore() -> str:
            return self._core.restore(
                plan=None if plan is None else plan._core,
                full=full,
                ranges=places,
                to=to,
                overwrite=overwrite,
                restart=restart,
                while_in_use=while_in_use,
                ignore_sidecars=ignore_sidecars,
                accept=accepted(accept),
                progress=watched(progress),
                cancel=token,
            )

        # To a scratch copy it does not matter what of the source is restored.
        anew = restart or to is not None
        return self._between_hooks(hooks, restore, "restore", token, restart=anew)

    def heal(
        self,
        receipt: Receipt | str,
        *,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        accept: Accept = (),
        hooks: Hooks | None = None,
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Receipt:
        """Restore just the blocks that the application wrote during the restore of a receipt.

        For when what it wrote meanwhile turns out to be wrong too. Other arguments and hooks are
        those of resume_restore().

        Args:
            receipt: what the restore gave, or its ``restore_id`` alone.

        Raises:
            StalePlanError: it is not the receipt of the last restore from this point in time.
        """
        restore_id = restore_id_of(receipt)
        token = stoppable(cancel)

        def heal() -> str:
            return self._core.heal(
                restore_id,
                while_in_use=while_in_use,
                ignore_sidecars=ignore_sidecars,
                accept=accepted(accept),
                progress=watched(progress),
                cancel=token,
            )

        return self._between_hooks(hooks, heal, "heal", token)

    def resume_restore(
        self,
        *,
        while_in_use: bool = False,
        ignore_sidecars: bool = False,
        accept: Accept = (),
        hooks: Hooks | None = None,
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> Receipt:
        """Go on with an interrupted restore; what was written through the pair since stays.

        Arguments and errors are those of restore().

        Raises:
            StateError: no restore is pending.
        """
        token = stoppable(cancel)

        def resume() -> str:
            return self._core.resume_restore(
                while_in_use=while_in_use,
                ignore_sidecars=ignore_sidecars,
                accept=accepted(accept),
                progress=watched(progress),
                cancel=token,
            )

        return self._between_hooks(hooks, resume, "resume_restore", token, resumes=True)

    def abandon_restore(self) -> AbandonReport:
        """Give up an interrupted restore and list what of the source stays unrestored.

        Raises:
            StateError: no restore is pending.
        """
        return self._report(AbandonReport, self._core.abandon_restore, name="abandon_restore")

    def _between_hooks(
        self,
        hooks: Hooks | None,
        verb: Callable[[], str],
        name: str,
        cancel: _core.CancelToken,
        **how: bool,
    ) -> Receipt:
        self._not_in_a_hook()
        run = self._hook_run(hooks, None)
        with run:
            self._make_way(run, name, **how)
            receipt = self._report(Receipt, verb, name=name, cancel=cancel)
        return replace(receipt, hooks=run.results)

    def plan_restore(
        self,
        *,
        full: bool = False,
        ranges: Ranges | None = None,
        index: Index | None = None,
        member: str | None = None,
        format: str | None = None,
    ) -> Plan:
        """Work out what restore() would copy, without writing anything.

        Arguments are those of restore(); the plan has the extents of a slice or member.

        Raises:
            StateError: the pair is not split.
            RangeError: a range does not lie in the mirror.
            ArgumentError, MemberMovedError, FormatError: as restore().
        """
        wanted = Wanted(ranges=ranges, index=index, member=member, format=format)
        wanted.check(full=full)
        self._not_in_a_hook()
        return Plan(self._core.plan_restore(full=full, ranges=self._wanted_ranges(wanted)))
