"""The one table of what a request can ask for: its arguments, and what the owner calls.

Most are the verbs of MirrorPair, with the same arguments; `_watching` has the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from splitmirror import _core
from splitmirror._document import SCHEMA, Document
from splitmirror.control import _watching
from splitmirror.control.arguments import (
    FLAG,
    HOOKS,
    INDEX,
    NAMES,
    NUMBER,
    PATH,
    RANGES,
    RATE,
    SECONDS,
    TEXT,
    Type,
)
from splitmirror.control.task import Task

if TYPE_CHECKING:
    from splitmirror.plan import Plan

__all__ = ["VERBS", "Verb"]

Arguments = Mapping[str, Type]
Perform = Callable[[Task], Document | Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Verb:
    """How the owner carries out a request, and what it gives.

    ``turn``: it waits until other verbs of the pair have ended.
    """

    report: str
    perform: Perform
    arguments: Arguments = field(default_factory=dict)
    turn: bool = True


def _entries(kind: str, entries: list[Any]) -> dict[str, Any]:
    return {"schema": SCHEMA, "kind": kind, "entries": entries}


def _method(name: str, *, long: bool = True) -> Perform:
    """Call the method of this name; a long one tells how far it is and can be cancelled."""

    def perform(task: Task) -> Document:
        told = {"progress": task.progress, "cancel": task.cancel} if long else {}
        report: Document = getattr(task.pair, name)(**task.arguments, **told)
        return report

    return perform


def _plan(name: str) -> Perform:
    def perform(task: Task) -> Document:
        plan: Plan = getattr(task.pair, name)(**task.arguments)
        return plan.report

    return perform


def _history(task: Task) -> dict[str, Any]:
    return _entries("history", [event.to_dict() for event in task.pair.history()])


def _members(task: Task) -> dict[str, Any]:
    return _entries("members", task.pair.members(**task.arguments))


def _repair(task: Task) -> Document:
    given = dict(task.arguments)
    token: _core.CancelToken = task.cancel
    return task.pair.repair(
        _required(given, "from_mirror"), **given, progress=task.progress, cancel=token
    )


def _heal(task: Task) -> Document:
    given = dict(task.arguments)
    return task.pair.heal(
        _required(given, "receipt"), **given, progress=task.progress, cancel=task.cancel
    )


def _required(given: dict[str, Any], name: str) -> Any:
    from splitmirror.errors import ArgumentError

    if name not in given:
        raise ArgumentError(f"the argument {name} is missing", argument=name)
    return given.pop(name)


_FORCE: Arguments = {"force": FLAG}
_ESTABLISH: Arguments = {"force": FLAG, "accept": NAMES}
_POINT: Arguments = {"label": TEXT, "require": TEXT, "hooks": HOOKS}
_PLACES: Arguments = {
    "full": FLAG,
    "ranges": RANGES,
    "index": INDEX,
    "member": TEXT,
    "format": TEXT,
}
_CARELESS: Arguments = {
    "while_in_use": FLAG,
    "ignore_sidecars": FLAG,
    "accept": NAMES,
    "hooks": HOOKS,
}

VERBS: Mapping[str, Verb] = {
    "describe": Verb("pair", _watching.describe, turn=False),
    "status": Verb("status", _method("status", long=False), turn=False),
    "history": Verb("history", _history, turn=False),
    "establish": Verb("establish", _method("establish"), _ESTABLISH),
    "split": Verb("split", _method("split", long=False), {**_POINT, "as_of_last_establish": FLAG}),
    "refresh": Verb("refresh", _method("refresh"), {**_ESTABLISH, **_POINT}),
    "restore": Verb(
        "receipt",
        _method("restore"),
        {
            **_PLACES,
            "to": PATH,
            "overwrite": FLAG,
            "restart": FLAG,
            **_CARELESS,
        },
    ),
    "resume_restore": Verb("receipt", _method("resume_restore"), _CARELESS),
    "abandon_restore": Verb("abandon", _method("abandon_restore", long=False)),
    "heal": Verb("receipt", _heal, {"receipt": TEXT, **_CARELESS}),
    "repair": Verb("repair", _repair, {"from_mirror": PATH, "accept": NAMES}),
    "plan_establish": Verb("plan", _plan("plan_establish"), _FORCE),
    "plan_restore": Verb("plan", _plan("plan_restore"), _PLACES),
    "members": Verb("members", _members, {"format": TEXT}),
    "verify": Verb("verify", _method("verify"), {"from_medium": FLAG}),
    "seal": Verb("seal", _method("seal"), {"accept": NAMES}),
    "scrub": Verb("scrub", _method("scrub")),
    "hold": Verb("status", _method("hold", long=False), {"reason": TEXT}),
    "release": Verb("status", _method("release", long=False)),
    "flush": Verb("pair", _watching.flush, turn=False),
    "start_restore": Verb(
        "job",
        _watching.start_restore,
        {
            **_PLACES,
            "restart": FLAG,
            "resume": FLAG,
            "ignore_sidecars": FLAG,
            "accept": NAMES,
            "hooks": HOOKS,
            "throttle": RATE,
        },
    ),
    "restore_job": Verb("job", _watching.restore_job, {"job": NUMBER}, turn=False),
    "wait_restore": Verb(
        "receipt", _watching.wait_restore, {"job": NUMBER, "timeout": SECONDS}, turn=False
    ),
    "throttle": Verb(
        "job", _watching.throttle, {"job": NUMBER, "bytes_per_second": RATE}, turn=False
    ),
    "pause": Verb("job", _watching.pause, {"job": NUMBER}, turn=False),
    "cancel": Verb("cancel", _watching.cancel, turn=False),
}
"""What a request can ask for, by name."""
