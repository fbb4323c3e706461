"""Waiting until a pair is as it should be, whoever brings it there.

The state is read from the catalog, which needs no owner; what goes on is asked of the owner.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

from splitmirror._types import AnyPath
from splitmirror.errors import ArgumentError, NoOwnerError, OwnerGoneError, WaitTimeoutError
from splitmirror.lookup import status
from splitmirror.reports import Status
from splitmirror.states import Condition, State

__all__ = ["Goal", "wait_for"]

Goal: TypeAlias = Literal["synchronized", "split", "unsynchronized", "idle", "restored"]
"""A state; no verb and no restore under way; or nothing left to restore."""

_SOON, _LATER = 0.02, 0.5


def wait_for(
    mirror: AnyPath,
    goal: Goal,
    *,
    timeout: float | None = None,
    catalog: AnyPath | None = None,
) -> Status:
    """Wait until the pair of a mirror is as wanted, and give its status.

    Args:
        mirror: the mirror's path.
        goal: "synchronized", "split" or "unsynchronized", its state; "idle", when no verb runs
            in the process that has it open and no restore copies, or none has it open;
            "restored", when no restore of it is pending or copying.
        timeout: in seconds; None waits as long as it takes.
        catalog: the catalog's folder, when it was put elsewhere.

    Raises:
        WaitTimeoutError: it is not so yet; the message says how it is.
        ArgumentError: there is no such goal, or the time-out is negative.
        PairInUseError: for "idle", the process that has it open cannot be reached.
        CatalogMissingError, CatalogCorruptError, CatalogVersionError, CatalogUntrustedError:
            there is no catalog, or it cannot be used.
    """
    if goal not in get_args(Goal):
        known = ", ".join(get_args(Goal))
        raise ArgumentError(f"{goal!r} is no goal; there are {known}", argument="goal")
    if timeout is not None and not timeout >= 0:
        raise ArgumentError(f"timeout: {timeout!r} is no number of seconds", argument="timeout")
    reached = _goal(goal, mirror, catalog)
    end = None if timeout is None else time.monotonic() + timeout
    pause = _SOON
    while True:
        found = status(mirror, catalog=catalog)
        if reached(found):
            return found
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            now = ", ".join([found.state, *found.conditions])
            raise WaitTimeoutError(
                f"the pair is not {goal} after {timeout:g} s; it is {now}",
                timeout=timeout,
                errno=errno.ETIMEDOUT,
            )
        time.sleep(pause if left is None else min(pause, left))
        pause = min(pause * 1.3, _LATER)


def _goal(goal: Goal, mirror: AnyPath, catalog: AnyPath | None) -> Callable[[Status], bool]:
    if goal == "idle":
        return lambda found: found.owner_pid is None or _is_idle(mirror, catalog)
    if goal == "restored":
        return lambda found: Condition.RESTORE_PENDING not in found.conditions
    state = State(goal)
    return lambda found: found.state is state


def _is_idle(mirror: AnyPath, catalog: AnyPath | None) -> bool:
    from splitmirror.control.connecting import connect

    # It is closed just now: the next look tells.
    with contextlib.suppress(OwnerGoneError):
        try:
            return not connect(mirror, catalog=catalog).busy
        except NoOwnerError:
            return True
    return False
