"""What the groups of remote verbs share: the owner, and one way of asking it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from splitmirror import _core
from splitmirror._document import Document
from splitmirror._types import Progress
from splitmirror.control._watching import PairDescription
from splitmirror.control.client import LIGHT_SECONDS, Owner
from splitmirror.errors import SplitMirrorError
from splitmirror.pair._handle import standing
from splitmirror.reports import PlanReport, Status

__all__ = ["RemoteHandle", "RemotePlan"]

ReportT = TypeVar("ReportT", bound=Document)


@dataclass(frozen=True, slots=True)
class RemotePlan:
    """A plan that the owner made. It shows what a verb would do; it cannot be carried out as it is.

    Attributes:
        report: what the plan would do.
    """

    report: PlanReport


class RemoteHandle:
    """Holds where the owner is; all else is asked of it."""

    def __init__(self, owner: Owner, known: PairDescription) -> None:
        self._owner = owner
        self._known = known

    def _report(
        self,
        kind: type[ReportT],
        verb: str,
        arguments: Mapping[str, Any],
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> ReportT:
        return kind.from_dict(self._ask(verb, arguments, progress=progress, cancel=cancel))

    def _plan(self, verb: str, arguments: Mapping[str, Any]) -> RemotePlan:
        return RemotePlan(self._report(PlanReport, verb, arguments))

    def _ask(
        self,
        verb: str,
        arguments: Mapping[str, Any],
        *,
        progress: Progress | None = None,
        cancel: _core.CancelToken | None = None,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """Ask the owner; a Ctrl-C leaves with a note on what it left, as at home."""
        try:
            return self._owner.ask(
                verb, arguments, progress=progress, cancel=cancel, seconds=seconds
            )
        except KeyboardInterrupt as stop:
            stop.add_note(self._standing(verb))
            raise

    def _described(self) -> PairDescription:
        return PairDescription.from_dict(self._ask("describe", {}, seconds=LIGHT_SECONDS))

    def _standing(self, verb: str) -> str:
        pid = self._owner.pid
        # The note must never take the place of the interrupt that it is added to.
        with contextlib.suppress(SplitMirrorError):
            if verb in self._owner.ask("describe", seconds=LIGHT_SECONDS)["verbs"]:
                return f"process {pid} has not ended {verb} yet"
            found = Status.from_dict(self._owner.ask("status", seconds=LIGHT_SECONDS))
            return standing(found.state, found.advice)
        return f"process {pid}, which has the pair open, does not answer"
