"""The verbs that lead to a point in time: establish, split, refresh, hold, detach."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace

from splitmirror import _core
from splitmirror._types import Accept, AnyPath, Progress, accepted, words
from splitmirror.config import read_file, remove
from splitmirror.control import _presence
from splitmirror.errors import ConfigError
from splitmirror.hooks import Hooks
from splitmirror.pair._handle import PairHandle, stoppable, watched
from splitmirror.plan import Plan
from splitmirror.reports import (
    DetachReport,
    EstablishReport,
    RefreshReport,
    RepairReport,
    SplitReport,
    Status,
)


class Mirroring(PairHandle):
    """Verbs of MirrorPair that fill and freeze the mirror."""

    def establish(
        self,
        *,
        plan: Plan | None = None,
        force: bool = False,
        accept: Accept = (),
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> EstablishReport:
        """Make the mirror equal to the source and start, or resume, mirroring.

        Only what differs is copied, as far as that is known; the report's ``reason`` says why
        it looked at what it looked at. A split pair loses its point in time by this. Interrupted,
        it leaves the pair unsynchronized; call it again to go on. (SNIA: Resync Replica; EMC:
        establish of a BCV with its standard.)

        Args:
            plan: from plan_establish(); carried out as it is, or refused.
            force: copy every block, whatever is known.
            accept: conditions to override by name, such as "source-replaced".
            progress: called with (phase, bytes done, bytes in total); its exceptions cancel.
            cancel: cancels from another thread.

        Raises:
            HeldError: the mirror is on hold.
            ProtectedError: a condition forbids it and is not in ``accept``.
            StalePlanError: the pair has moved on since the plan.
            NoSpaceError, AreaIOError: reading or writing one of the sides failed.
            MirrorFailedError: the mirror could not be written.
            CancelledError: ``cancel`` was used; what was copied stays.
        """
        token = stoppable(cancel)
        return self._report(
            EstablishReport,
            lambda: self._core.establish(
                plan=None if plan is None else plan._core,
                force=force,
                accept=accepted(accept),
                progress=watched(progress),
                cancel=token,
            ),
            cancel=token,
        )

    def plan_establish(self, *, force: bool = False) -> Plan:
        """Work out what establish() would copy, without writing anything.

        Raises:
            AreaIOError: one of the sides cannot be read.
        """
        self._not_in_a_hook()
        return Plan(self._core.plan_establish(force=force))

    def split(
        self,
        *,
        label: str | None = None,
        as_of_last_establish: bool = False,
        require: str | None = None,
        hooks: Hooks | None = None,
    ) -> SplitReport:
        """Freeze the mirror as a point in time; durable and consistent when this returns.

        (SNIA: Split Replica; EMC: split of a BCV.)

        Args:
            label: a name for the point, for people.
            as_of_last_establish: keep the mirror as it is although the source was written round
                the pair since; the point is then that of the last establish.
            require: "application", "flushed" or "crash": raise instead of giving less.
            hooks: freeze and thaw: run round the taking of the point. Writers are held up
                only while writes that are under way end; what takes long comes after the thaw.
                None: those of the configuration; Hooks(): none.

        Raises:
            ConfigError: there is a configuration, and it cannot be used; nothing was changed.
            StateError: the pair is not synchronized.
            OutsideWritesError: the source was, or may have been, written round the pair; call
                refresh() to take it as it is now, or pass ``as_of_last_establish``.
            ConsistencyError: ``require`` is not reached.
        """
        run = self._hook_run(hooks, words(label, "label"))

        def split() -> str:
            return self._core.split(
                label=label,
                as_of_last_establish=as_of_last_establish,
                require=require,
                freeze=run.freeze,
                thaw=run.thaw,
            )

        with run:
            report = self._report(SplitReport, split)
        return replace(report, hooks=run.results)

    def refresh(
        self,
        *,
        label: str | None = None,
        force: bool = False,
        accept: Accept = (),
        require: str | None = None,
        hooks: Hooks | None = None,
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> RefreshReport:
        """Take a new point in time: establish() and split() in one, for nightly use.

        The point that the mirror held is given up. Arguments and errors are those of
        establish() and split(); the hooks run round the split.
        """
        run = self._hook_run(hooks, words(label, "label"))
        token = stoppable(cancel)

        def refresh() -> str:
            return self._core.refresh(
                label=label,
                force=force,
                accept=accepted(accept),
                require=require,
                freeze=run.freeze,
                thaw=run.thaw,
                progress=watched(progress),
                cancel=token,
            )

        with run:
            report = self._report(RefreshReport, refresh, cancel=token)
        return replace(report, split=replace(report.split, hooks=run.results))

    def repair(
        self,
        from_mirror: AnyPath,
        *,
        accept: Accept = (),
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> RepairReport:
        """Rebuild this mirror from another, split one of the same source.

        Afterwards it is split too and holds that mirror's point in time, and its seal. The
        source is not read, and may be missing. What this mirror held is given up.

        Args:
            from_mirror: the path of the other mirror.
            accept: "restore-pending" gives up a restore from this mirror that did not end.
            progress: called with (phase, bytes done, bytes in total); its exceptions cancel.
            cancel: cancels from another thread; the mirror is then unsynchronized.

        Raises:
            ArgumentError: the other one is not a mirror of the same source, or not split.
            MirrorSkewedError: the other one was changed since its split.
            SealMismatchError: blocks of the other one differ from its seal.
            HeldError: this mirror is on hold.
            AreaIOError, NoSpaceError: reading or writing failed; call it again.
        """
        token = stoppable(cancel)
        return self._report(
            RepairReport,
            lambda: self._core.repair(
                from_mirror,
                accept=accepted(accept),
                progress=watched(progress),
                cancel=token,
            ),
            cancel=token,
        )

    def hold(self, reason: str | None = None) -> Status:
        """Protect the mirror: while on hold it is not established, detached or overwritten.

        (ZFS: hold of a snapshot.)

        Raises:
            StateError: there is nothing to hold in this state.
        """
        return self._report(Status, lambda: self._core.hold(words(reason, "reason")), name="hold")

    def release(self) -> Status:
        """Take back a hold.

        Raises:
            StateError: the pair is not split, so there can be no hold.
        """
        return self._report(Status, self._core.release, name="release")

    def detach(self) -> DetachReport:
        """End the pair: catalog and configuration go, source and mirror stay as they are.

        The object is closed afterwards.

        Raises:
            HeldError: the mirror is on hold.
            StateError: a restore is pending; resume or abandon it first.
        """
        folder = self._core.catalog_path
        report = self._report(DetachReport, self._core.detach)
        _presence.left(self)
        # The core leaves what is not its own, and with it the folder. A later pair of this mirror
        # must not stop this one's application. Another program's file of that name stays.
        with contextlib.suppress(ConfigError, OSError):
            read_file(folder)
            remove(folder)
            os.rmdir(folder)
        return report
