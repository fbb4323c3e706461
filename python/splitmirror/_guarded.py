"""What is known of guards without running one: who has a guard, and whose points are theirs."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from splitmirror._types import words
from splitmirror.errors import StateError
from splitmirror.reports import Status
from splitmirror.states import Condition, State
from splitmirror.units import format_time

if TYPE_CHECKING:
    from splitmirror.pair._handle import PairHandle

__all__ = [
    "Claim",
    "advised",
    "is_doubtful",
    "is_guarded",
    "is_unchanged",
    "point_label",
    "refusal",
]

_LABEL = "guard"

# By the object's identity, because one process opens a mirror once. A claim keeps its pair alive,
# so that no other object gets the identity. Of a dict, each step is atomic: no lock that a
# finalizer could meet while its own thread holds it.
_running: dict[int, Claim] = {}

# A child's copies of the pairs cannot be used.
os.register_at_fork(after_in_child=_running.clear)


class Claim:
    """One use of a guard: at most one at a time can have a pair."""

    def __init__(self, pair: PairHandle) -> None:
        self._pair = pair

    def take(self) -> bool:
        """Get the pair, unless another claim has it."""
        return _running.setdefault(id(self._pair), self) is self

    def give_free(self) -> None:
        """Let others have it."""
        if _running.get(id(self._pair)) is self:
            del _running[id(self._pair)]


def is_guarded(pair: PairHandle) -> bool:
    """Whether a guard of the pair is running."""
    return id(pair) in _running


def point_label(label: str | None) -> str:
    """Give the label of a guard's point, by which it is known later."""
    label = words(label, "label")
    return f"{_LABEL}: {label}" if label else _LABEL


def is_unchanged(status: Status) -> bool:
    """Whether the source is known to equal a point in time that the mirror holds."""
    split = status.state is State.SPLIT
    return split and status.changed_blocks == 0 and not status.conditions


def is_doubtful(status: Status) -> bool:
    """Whether the source may equal the point, and it is just that nobody can say."""
    unsure = {Condition.OUTSIDE_WRITES, Condition.TRACKER_LOST}
    split = status.state is State.SPLIT
    return split and status.changed_blocks is None and unsure.issuperset(status.conditions)


def advised(status: Status) -> Status:
    """Add what to do about the point of a guard that ended with its process, or kept changes.

    To be asked of pairs without a running guard.
    """
    label = status.label or ""
    theirs = label == _LABEL or label.startswith(f"{_LABEL}: ")
    # A pending restore has an advice of its own, and comes first.
    pending = Condition.RESTORE_PENDING in status.conditions
    if not theirs or pending or status.state is not State.SPLIT or is_unchanged(status):
        return status
    sentence = (
        f"A guard was interrupted, or kept changes of the source: restore() brings the source "
        f"back to {_point(status)}, establish() keeps it as it is."
    )
    return replace(status, advice=(*status.advice, sentence))


def refusal(status: Status) -> StateError:
    """Say what to do first, when there is no point in time that the source equals."""
    if status.state is not State.SPLIT:
        message = (
            f"the pair is {status.state}, so there is no point in time to come back to: "
            f"establish() makes the mirror follow, then guard() can split it"
        )
    else:
        doubts: list[str] = [*status.conditions]
        if status.tracking is not None and not status.tracking.believed:
            doubts = doubts or [status.tracking.reason]
        if doubts:
            message = f"the source is not what {_point(status)} is ({', '.join(doubts)})"
        else:
            changed = status.changed_blocks or 0
            blocks = "block" if changed == 1 else "blocks"
            message = f"{changed:,} {blocks} of the source changed since {_point(status)}"
        message += (
            ": restore() goes back to that, guard(new_point=True) gives it up and takes a new one"
        )
    return StateError(message, verb="guard", state=str(status.state), legal=list(status.next))


def _point(status: Status) -> str:
    named = "the point" if status.label is None else f"the point {status.label!r}"
    return named if status.split_at is None else f"{named} of {format_time(status.split_at)}"
