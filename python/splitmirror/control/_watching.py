"""Requests about what goes on in the owner: the restore behind it, its verbs, itself.

None of these waits for a verb to end, except ``cancel`` for those that it stops.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from splitmirror._document import Bytes, Number
from splitmirror.control.task import Task
from splitmirror.errors import CancelledError, StateError, WaitTimeoutError
from splitmirror.pair._handle import Running
from splitmirror.pair.restorejob import RestoreJob
from splitmirror.reports import CancelReport, JobReport, Receipt
from splitmirror.reports._pairs import PairReport
from splitmirror.states import Condition

if TYPE_CHECKING:
    from splitmirror.pair import MirrorPair

__all__ = ["PairDescription"]

# Between two looks at whether the requester is still there.
_TICK = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PairDescription(PairReport):
    """Who a pair is and what it is at, by what is recorded; nothing is looked at for it.

    In paths, bytes that are no UTF-8 are lone surrogates, so that they can be opened.
    """

    kind: ClassVar[str] = "pair"
    pid: Number
    source: str
    mirror: str
    catalog: str
    mode: str
    block_size: Bytes
    verbs: tuple[str, ...]
    restoring: bool


def describe(task: Task) -> PairDescription:
    """Say who the pair is."""
    pair = task.pair
    return PairDescription(
        **_standing(pair),
        pid=os.getpid(),
        source=str(pair.source_path),
        mirror=str(pair.mirror_path),
        catalog=str(pair.catalog_path),
        mode=pair.mode,
        block_size=pair.block_size,
        verbs=tuple(running.verb for running in _verbs_of(task)),
        restoring=pair.restore_job is not None,
    )


def flush(task: Task) -> PairDescription:
    """Make durable what was written through the pair."""
    task.pair.flush()
    return describe(task)


def start_restore(task: Task) -> JobReport:
    """Begin a restore that goes on here when the request has been answered."""
    return _report(task, task.pair.start_restore(**task.arguments))


def restore_job(task: Task) -> JobReport:
    """Say how far the last restore is."""
    return _report(task, _job(task))


def throttle(task: Task) -> JobReport:
    """Set how fast the restore copies."""
    job = _job(task)
    job.throttle(task.arguments.get("bytes_per_second") or None)
    return _report(task, job)


def pause(task: Task) -> JobReport:
    """Stop the restore's copying, durably."""
    job = _job(task)
    if not job.running:
        pending = Condition.RESTORE_PENDING in task.pair.conditions
        raise _refused(
            task,
            "pause",
            "no restore copies in the background"
            + ("; one is pending: start_restore(resume=True) goes on with it" if pending else ""),
        )
    job.pause()
    return _report(task, job)


def wait_restore(task: Task) -> Receipt:
    """Wait for the end of the restore, as long as the requester does."""
    job = _job(task)
    timeout: float | None = task.arguments.get("timeout")
    left = timeout
    while not task.cancel.cancelled:
        step = _TICK if left is None else min(_TICK, left)
        try:
            return job.wait(step)
        except TimeoutError:
            if left is not None:
                left -= step
                if left <= 0:
                    raise WaitTimeoutError(
                        f"the restore still runs after {timeout} s; it goes on",
                        timeout=timeout,
                        errno=errno.ETIMEDOUT,
                    ) from None
    raise CancelledError("the wait was cancelled; the restore goes on", state=task.pair.state)


def cancel(task: Task) -> CancelReport:
    """Stop the verbs that are under way or wait for their turn, and wait until they have."""
    running = [each for each in _verbs_of(task) if each.cancel is not None]
    if not running:
        short = [each.verb for each in _verbs_of(task)]
        why = "no verb is under way"
        if short:
            why = f"{' and '.join(short)} cannot be cancelled, but ends soon"
        elif task.pair.restore_job is not None:
            why += "; a restore copies in the background: pause stops it"
        raise _refused(task, "cancel", why)
    for each in running:
        assert each.cancel is not None
        each.cancel.cancel()
    for each in running:
        while not each.ended.wait(_TICK) and not task.cancel.cancelled:
            pass
    return CancelReport(
        **_standing(task.pair),
        verbs=tuple(each.verb for each in running),
    )


def _standing(pair: MirrorPair) -> dict[str, Any]:
    """Give what all reports on a pair begin with, as it is recorded."""
    conditions = tuple(map(Condition, pair._core.conditions))
    return {"pair_id": pair.pair_id, "state": pair.state, "conditions": conditions}


def _verbs_of(task: Task) -> list[Running]:
    return [each for each in list(task.pair._busy) if each.verb != "status"]


def _job(task: Task) -> RestoreJob:
    """Give the restore that a request means: that of its number, or the last one.

    Raises:
        StateError: there was none, or another was begun since.
    """
    job, number = task.pair._last_job, task.arguments.get("job")
    if job is None:
        raise _refused(task, "restore_job", "no restore copies in the background, nor did one")
    if number is not None and number != job._number:
        raise _refused(task, "restore_job", "another restore was begun since")
    return job


def _refused(task: Task, verb: str, why: str) -> StateError:
    status = task.pair.status()
    return StateError(why, verb=verb, state=str(status.state), legal=list(status.next))


def _report(task: Task, job: RestoreJob) -> JobReport:
    phase, done, total = job.progress
    return JobReport(
        **_standing(task.pair),
        job=job._number,
        running=job.running,
        phase=phase,
        bytes_done=done,
        bytes_total=total,
        hooks=job.hooks,
    )
