"""What the groups of verbs share: the open pair of the core, and one way of calling it."""

from __future__ import annotations

import contextlib
import io
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeVar

from splitmirror import _core
from splitmirror._document import Document
from splitmirror._logging import drain
from splitmirror._types import AnyPath, Progress
from splitmirror.config import Config, load
from splitmirror.control import _presence
from splitmirror.errors import HookError, SplitMirrorError
from splitmirror.hooks import After, Before, HookRun, Hooks
from splitmirror.layout import ArrayLayout
from splitmirror.pair._exit import close_at_exit
from splitmirror.reports import Status
from splitmirror.states import State

if TYPE_CHECKING:
    from splitmirror.pair.restorejob import RestoreJob

ReportT = TypeVar("ReportT", bound=Document)


@dataclass(eq=False, frozen=True, slots=True)
class Running:
    """A verb that is under way, or waits for its turn; ``cancel`` is None for a short one."""

    verb: str
    cancel: _core.CancelToken | None
    ended: threading.Event = field(default_factory=threading.Event)


class PairHandle:
    """Holds the core's pair; all decisions are made there."""

    def __init__(self, core: _core.Pair) -> None:
        self._core = core
        self._busy: list[Running] = []
        # The restore that was started last; others may still ask how it ended.
        self._last_job: RestoreJob | None = None
        # Of the last array(): what index= of a restore speaks of.
        self._layout: ArrayLayout | None = None
        self._hooked: set[int] = set()
        self._files: weakref.WeakSet[io.RawIOBase] = weakref.WeakSet()
        close_at_exit(self)
        _presence.attend(self)

    def config(self) -> Config:
        """Give the pair's configuration as it holds now; see splitmirror.config.

        Raises:
            ConfigError: its file, or a variable of the environment, cannot be used.
        """
        return load(self._core.catalog_path)

    def _report(
        self,
        kind: type[ReportT],
        verb: Callable[[], str],
        *,
        name: str | None = None,
        cancel: _core.CancelToken | None = None,
    ) -> ReportT:
        """Run a verb and read its report; a Ctrl-C leaves with a note on what it left.

        ``name`` is the verb's, when its report has another; ``cancel`` is what the core got.
        """
        if kind is not Status:
            self._not_in_a_hook()
        # A list, because append and remove are atomic; verbs of other threads are in it too.
        running = Running(name or kind.kind, cancel)
        self._busy.append(running)
        try:
            return kind.from_json(verb())
        except KeyboardInterrupt as stop:
            stop.add_note(self._standing())
            raise
        finally:
            self._busy.remove(running)
            running.ended.set()
            drain()

    def _hook_run(self, hooks: Hooks | None, label: str | None) -> VerbHooks:
        """One use of hooks, round one verb; None: those of the configuration."""
        hooks = self.config().hooks if hooks is None else hooks
        source, mirror = self._core.source_path, self._core.mirror_path
        return VerbHooks(hooks, source, mirror, label, self._hooked)

    def _not_in_a_hook(self) -> None:
        """Refuse a verb that a hook of another verb of this pair calls: each would wait."""
        if threading.get_ident() in self._hooked:
            raise HookError(
                "a hook cannot call a verb of the pair whose verb it is a hook of: that one waits "
                "for the hook; reading, writing, flush() and status() are possible",
                hook="",
                detail="",
            )

    def _standing(self) -> str:
        advice: tuple[str, ...] = ()
        # The note must never take the place of the interrupt that it is added to.
        with contextlib.suppress(SplitMirrorError):
            advice = Status.from_json(self._core.status()).advice
        return standing(self._core.state, advice)


def standing(state: str, advice: Sequence[str]) -> str:
    """Say where a pair stands after a verb that was interrupted, and what to call."""
    return f"the pair is now {state}: {' '.join(advice) or State(state).hint}"


def stoppable(cancel: _core.CancelToken | None) -> _core.CancelToken:
    """Give what cancels a verb: its caller's token, else one that another process can use."""
    return _core.CancelToken() if cancel is None else cancel


class VerbHooks(HookRun):
    """The hooks of one verb, as the core calls them; what was begun is ended, come what may."""

    def __init__(
        self,
        hooks: Hooks,
        source: AnyPath,
        mirror: AnyPath,
        label: str | None,
        inside: set[int],
    ) -> None:
        super().__init__(hooks, source=source, mirror=mirror, label=label)
        self._inside = inside
        round_split = hooks.freeze is not None or hooks.thaw is not None
        self.round_restore = hooks.stop is not None or hooks.unmount is not None
        self.freeze = (lambda: self.before("freeze")) if round_split else None
        self.thaw = (lambda: self.after("thaw")) if round_split else None

    def _run(self, name: Before | After) -> None:
        # The verb has its turn until it ends, and it waits for the hook.
        self._inside.add(threading.get_ident())
        try:
            super()._run(name)
        finally:
            self._inside.discard(threading.get_ident())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        try:
            # Thaw too: an interrupt may have come just before the core could say so.
            self.end()
        finally:
            if error is not None:
                # There is no report to tell it.
                for warning in self.left_behind:
                    error.add_note(warning)


def watched(progress: Progress | None) -> Progress | None:
    """Let log records through while a long verb runs, not only after it."""
    if progress is None:
        return None

    def report(phase: str, done: int, total: int) -> None:
        drain()
        progress(phase, done, total)

    return report
