"""RemotePair: the verbs of a pair that another process has open."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from splitmirror import _core
from splitmirror._types import Accept, AnyPath, Progress
from splitmirror.control._remote import RemotePlan
from splitmirror.control._remote_restoring import RemoteRestoring
from splitmirror.control.client import LIGHT_SECONDS
from splitmirror.hooks import Hooks
from splitmirror.reports import (
    CancelReport,
    EstablishReport,
    Event,
    RefreshReport,
    RepairReport,
    ScrubReport,
    SealReport,
    SplitReport,
    Status,
    VerifyReport,
)
from splitmirror.states import Condition, State

__all__ = ["RemotePair"]


class RemotePair(RemoteRestoring):
    """A pair that another process has open, which carries the verbs out; connect() finds it.

    Verbs, arguments, reports and errors are those of MirrorPair, with three differences: bytes
    are not read or written, a plan cannot be handed back, and hooks are commands, which run in
    the owner's folder and environment. When this process dies the verb that it waits for is
    cancelled. Each verb can also raise OwnerGoneError, and PairInUseError when the owner can no
    longer be reached.
    """

    def establish(
        self,
        *,
        force: bool = False,
        accept: Accept = (),
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> EstablishReport:
        """Make the mirror equal to the source and start, or resume, mirroring."""
        given = {"force": force, "accept": accept}
        return self._report(EstablishReport, "establish", given, progress, cancel)

    def plan_establish(self, *, force: bool = False) -> RemotePlan:
        """Work out what establish() would copy, without writing anything."""
        return self._plan("plan_establish", {"force": force})

    def split(
        self,
        *,
        label: str | None = None,
        as_of_last_establish: bool = False,
        require: str | None = None,
        hooks: Hooks | None = None,
    ) -> SplitReport:
        """Freeze the mirror as a point in time; durable and consistent when this returns."""
        given = {
            "label": label,
            "as_of_last_establish": as_of_last_establish,
            "require": require,
            "hooks": hooks,
        }
        return self._report(SplitReport, "split", given)

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
        """Take a new point in time: establish() and split() in one."""
        given = {
            "label": label,
            "force": force,
            "accept": accept,
            "require": require,
            "hooks": hooks,
        }
        return self._report(RefreshReport, "refresh", given, progress, cancel)

    def repair(
        self,
        from_mirror: AnyPath,
        *,
        accept: Accept = (),
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> RepairReport:
        """Rebuild this mirror from another, split one of the same source."""
        given = {"from_mirror": from_mirror, "accept": accept}
        return self._report(RepairReport, "repair", given, progress, cancel)

    def verify(
        self,
        *,
        from_medium: bool = False,
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> VerifyReport:
        """Compare both sides and name the ranges that differ, and which side is wrong."""
        given = {"from_medium": from_medium}
        return self._report(VerifyReport, "verify", given, progress, cancel)

    def seal(
        self,
        *,
        accept: Accept = (),
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> SealReport:
        """Record the digest of every block of the mirror, with one root digest."""
        return self._report(SealReport, "seal", {"accept": accept}, progress, cancel)

    def scrub(
        self, *, progress: Progress | None = None, cancel: _core.CancelToken | None = None
    ) -> ScrubReport:
        """Read the mirror and compare it with its seal; the source is not looked at."""
        return self._report(ScrubReport, "scrub", {}, progress, cancel)

    def hold(self, reason: str | None = None) -> Status:
        """Protect the mirror: while on hold it is not established, detached or overwritten."""
        return self._report(Status, "hold", {"reason": reason})

    def release(self) -> Status:
        """Take back a hold."""
        return self._report(Status, "release", {})

    def flush(self) -> None:
        """Make everything written through the pair durable, on every side that follows."""
        self._ask("flush", {})

    def status(self) -> Status:
        """Tell where the pair stands; waits for no verb."""
        return Status.from_dict(self._ask("status", {}, seconds=LIGHT_SECONDS))

    def history(self) -> list[Event]:
        """List what happened to the pair, the oldest first."""
        found = self._ask("history", {}, seconds=LIGHT_SECONDS)
        return [Event.from_dict(event) for event in found["entries"]]

    def members(self, format: str | None = None) -> list[str]:
        """Give the names of the members that the mirror has, for restore(member=)."""
        return [str(name) for name in self._ask("members", {"format": format})["entries"]]

    def cancel(self) -> CancelReport:
        """Cancel every verb of the pair that is under way in its owner, whoever called it.

        It returns when they have ended; one that was nearly through may have ended well. A
        restore in the background is no verb: see RemoteJob.pause().

        Raises:
            StateError: none is under way, or none that can be cancelled.
        """
        return CancelReport.from_dict(self._ask("cancel", {}))

    def act(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Have an action carried out that the owner offers beside the verbs.

        Args:
            name: of the action.
            arguments: plain values, which the action checks.

        Raises:
            ArgumentError: it offers no such action, or one with other arguments.
        """
        return self._ask(name, arguments)

    # --- What is known of it -------------------------------------------------------------------

    @property
    def owner_pid(self) -> int:
        """The number of the process that has the pair open."""
        return self._owner.pid

    @property
    def source_path(self) -> Path:
        """Where the source is."""
        return Path(self._known.source)

    @property
    def mirror_path(self) -> Path:
        """Where the mirror is."""
        return Path(self._known.mirror)

    @property
    def catalog_path(self) -> Path:
        """The folder of the catalog."""
        return Path(self._known.catalog)

    @property
    def pair_id(self) -> str:
        """The identity of the pair."""
        return self._known.pair_id

    @property
    def mode(self) -> str:
        """Who else may write the source: "shared" or "exclusive"."""
        return self._known.mode

    @property
    def block_size(self) -> int:
        """Bytes that are tracked together."""
        return self._known.block_size

    @property
    def state(self) -> State:
        """Whether updates of the source reach the mirror, as it is now."""
        return self._described().state

    @property
    def conditions(self) -> frozenset[Condition]:
        """What else is known, beside the state, as it is now."""
        return frozenset(self._described().conditions)

    @property
    def verbs(self) -> tuple[str, ...]:
        """The verbs that are under way now, or wait for their turn."""
        return self._described().verbs

    @property
    def busy(self) -> bool:
        """Whether a verb is under way, or a restore copies in the background."""
        found = self._described()
        return bool(found.verbs) or found.restoring

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: the pair stays open where it is."""

    def __repr__(self) -> str:
        where = f"{str(self.source_path)!r} -> {str(self.mirror_path)!r}"
        return f"<RemotePair {where}: open in process {self._owner.pid}>"
