"""Hooks: what an application does before and after a split or a restore.

    freeze ─► the point is taken ─► thaw ─► the mirror is made durable       (split)
    stop ─► unmount ─► the source is restored ─► mount ─► start              (restore)

- Whoever was told to freeze is told to thaw: also when freeze failed, took too long or was
  interrupted, and when the verb failed. The same holds for stop and start, unmount and mount.
- What counts as a success is known to be one. A command that was killed, whose exit status
  nobody can know, or that ended too late has failed, whatever it did.
- A failed stop or unmount means that nothing is restored. A failed thaw, mount or start is told,
  in the report and the log, and never hides what the verb did, nor keeps the next one from running.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from splitmirror._document import Document, Seconds
from splitmirror._hook_actions import (
    Action,
    call,
    checked_action,
    checked_seconds,
    interrupts_held_back,
    run_command,
)
from splitmirror._types import AnyPath
from splitmirror.errors import HookError
from splitmirror.units import format_seconds

__all__ = ["HOOK_VARIABLES", "After", "Before", "Hook", "HookReport", "HookRun", "Hooks"]

Hook: TypeAlias = str | list[str] | tuple[str, ...] | Callable[[], object]
"""A command, as one text or as its words, or something to call without arguments."""

Before: TypeAlias = Literal["freeze", "stop", "unmount"]
After: TypeAlias = Literal["thaw", "start", "mount"]

# In the order in which they run; what was begun is ended the other way round.
_AFTER: dict[Before, After] = {"freeze": "thaw", "stop": "start", "unmount": "mount"}
_BEFORE: dict[After, Before] = {after: before for before, after in _AFTER.items()}
_CONSEQUENCE = {
    "freeze": "the point is not application-consistent",
    "thaw": "the application may still be frozen",
    "stop": "nothing was restored",
    "start": "the application may not be running",
    "unmount": "nothing was restored",
    "mount": "the source may not be mounted",
}
HOOK_VARIABLES = {
    "freeze": "SPLITMIRROR_FREEZE",
    "thaw": "SPLITMIRROR_THAW",
    "stop": "SPLITMIRROR_STOP",
    "start": "SPLITMIRROR_START",
    "unmount": "SPLITMIRROR_UNMOUNT",
    "mount": "SPLITMIRROR_MOUNT",
    "timeout": "SPLITMIRROR_HOOK_TIMEOUT",
}
"""The variables of the environment that give a pair's configuration its hooks."""

# A hook that calls splitmirror for another pair must not run the hooks of this one again.
_NOT_FOR_HOOKS = frozenset(map(os.fsencode, HOOK_VARIABLES.values()))
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What to run round the verbs; each hook is a command or a callable.

    A command is a list of words, or a text that is taken apart as a shell would; no shell runs
    it. It gets no input, a session of its own, and SPLITMIRROR_HOOK (which of the six it is),
    SPLITMIRROR_SOURCE, SPLITMIRROR_MIRROR and SPLITMIRROR_LABEL (empty when there is
    none) in its environment. It succeeds by exiting with 0 in time; at the time-out it is killed
    with its whole process group. A program that it leaves running must have its output sent
    elsewhere (``>log 2>&1``): nobody reads it any more, and the next write of it fails.

    A callable takes no arguments and runs on the thread that called the verb, so it may use what
    belongs to that thread, such as an sqlite3 connection. Of the pair it may read, write, flush
    and ask for the status, but call no verb: that raises HookError, for the verb waits for it.
    It succeeds by returning in time, and fails by raising. It cannot be interrupted: at the
    time-out nothing happens, but one that took longer has failed.

    Where a verb takes hooks, None stands for those of the pair's configuration (see
    splitmirror.config), and ``Hooks()`` for none at all.

    Attributes:
        freeze: runs before the point of a split is taken.
        thaw: runs right after it, and always once freeze was begun.
        stop: runs before anything of the source is restored.
        start: runs when the source can be used again, and always once stop was begun.
        unmount: runs after stop, before anything of the source is restored.
        mount: runs when the source can be used again, before start, and always once unmount was
            begun.
        timeout: for each hook by itself, in seconds.

    Raises:
        ArgumentError: a hook is empty, cannot be taken apart, needs arguments or is a coroutine
            function; or the time-out is not a positive finite number.
    """

    freeze: Hook | None = None
    thaw: Hook | None = None
    stop: Hook | None = None
    start: Hook | None = None
    unmount: Hook | None = None
    mount: Hook | None = None
    timeout: float = 30.0

    def __post_init__(self) -> None:
        for name in _CONSEQUENCE:
            hook = getattr(self, name)
            if hook is not None:
                object.__setattr__(self, name, checked_action(hook, name))
        object.__setattr__(self, "timeout", checked_seconds(self.timeout))


@dataclass(frozen=True, slots=True, kw_only=True)
class HookReport(Document):
    """How one hook went; ``detail`` is empty, or says how it failed and what it last wrote."""

    hook: str
    ok: bool
    seconds: Seconds
    detail: str

    @property
    def warning(self) -> str:
        """The failure and what it means, as a sentence; empty when there was none."""
        if self.ok:
            return ""
        return f"The {self.hook} hook failed, so {_CONSEQUENCE[self.hook]}: {self.detail}"

    def in_line(self) -> str:
        """Give it as one of several in a table."""
        took = format_seconds(self.seconds)
        return f"{self.hook} ok ({took})" if self.ok else f"{self.hook} failed ({took})"


class HookRun:
    """One use of hooks, round one verb, on the verb's thread; each hook runs at most once."""

    def __init__(
        self, hooks: Hooks | None, *, source: AnyPath, mirror: AnyPath, label: str | None
    ) -> None:
        self._hooks = Hooks() if hooks is None else hooks
        self._variables = {
            b"SPLITMIRROR_SOURCE": os.fsencode(source),
            b"SPLITMIRROR_MIRROR": os.fsencode(mirror),
            # What no environment can hold must not keep a thaw from running.
            b"SPLITMIRROR_LABEL": (label or "")
            .replace("\0", "\\x00")
            .encode("utf-8", "backslashreplace"),
        }
        self._begun: set[str] = set()
        self._reports: list[HookReport] = []
        self._causes: dict[str, Exception] = {}

    @property
    def results(self) -> tuple[HookReport, ...]:
        """How the hooks went that have run so far, in the order in which they ran."""
        return tuple(self._reports)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each hook that failed, for the report of the verb."""
        return tuple(report.warning for report in self._reports if not report.ok)

    @property
    def left_behind(self) -> tuple[str, ...]:
        """A sentence for each thaw, mount or start that failed."""
        return tuple(
            report.warning for report in self._reports if report.hook in _BEFORE and not report.ok
        )

    def before(self, hook: Before) -> bool:
        """Run freeze, stop or unmount, if given; tell whether it ran and succeeded.

        A failing hook does not raise; failure() has the error. A KeyboardInterrupt, or another
        exception that is no Exception, runs the counterpart before it goes on its way.
        """
        try:
            if hook not in self._begun:
                self._begun.add(hook)
                self._run(hook)
            return any(report.hook == hook and report.ok for report in self._reports)
        except BaseException:
            self.after(_AFTER[hook])
            raise

    def after(self, hook: After) -> None:
        """Run thaw, mount or start, if given and not yet run; a failing hook does not raise.

        It does nothing when its counterpart was given and never begun. A first Ctrl-C or SIGTERM
        waits until the hook is through, so that it cannot leave an application frozen.
        """
        counterpart = _BEFORE[hook]
        idle = getattr(self._hooks, counterpart) is not None and counterpart not in self._begun
        if idle or hook in self._begun:
            return
        with interrupts_held_back():
            self._begun.add(hook)
            self._run(hook)

    def end(self) -> None:
        """Run the counterpart of each hook that was begun, the last begun first.

        Each runs whatever becomes of the others; an interrupt goes on its way after them.
        """
        with contextlib.ExitStack() as stack:
            for before, after in _AFTER.items():
                if before in self._begun:
                    stack.callback(self.after, after)

    def failure(self, hook: Before | After) -> HookError | None:
        """Give the error of a hook that has failed, ready to be raised; else None."""
        for report in self._reports:
            if report.hook == hook and not report.ok:
                error = HookError(report.warning, hook=hook, detail=report.detail)
                error.__cause__ = self._causes.get(hook)
                return error
        return None

    def _run(self, name: Before | After) -> None:
        hook: Action | None = getattr(self._hooks, name)
        if hook is None:
            return
        limit = self._hooks.timeout
        detail = "it was interrupted"
        begun = time.monotonic()
        try:
            if isinstance(hook, tuple):
                detail = run_command(hook, self._environment(name), begun + limit)
            else:
                detail = call(hook, begun + limit)
        except Exception as error:
            if not callable(hook):
                raise
            self._causes[name] = error
            detail = f"it raised {type(error).__name__}: {error}"
        finally:
            seconds = time.monotonic() - begun
            report = HookReport(hook=name, ok=not detail, seconds=seconds, detail=detail)
            self._reports.append(report)
            if not report.ok:
                _log.warning("%s", report.warning, exc_info=self._causes.get(name))

    def _environment(self, name: Before | After) -> dict[bytes, bytes]:
        kept = {key: text for key, text in os.environb.items() if key not in _NOT_FOR_HOOKS}
        return {**kept, **self._variables, b"SPLITMIRROR_HOOK": name.encode()}
