"""Signals that wait: what must be finished is finished first, however often Ctrl-C is pressed.

Python runs signal handlers on the main thread, between any two steps of it, and what a handler
raises appears there. So inside ``with Interrupts()`` on the main thread

- SIGINT is only remembered, and its own handler is called at the end;
- `finish` does the work on a thread of its own, and remembers what the handlers of other signals
  (a SIGTERM that raises SystemExit, an alarm) raise while the main thread waits for it.

No other thread is ever interrupted by a signal: there it all does nothing.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Generic, Self, TypeVar

from splitmirror._core import CancelToken

__all__ = ["Interrupts"]

ResultT = TypeVar("ResultT")
Handler = Callable[[int, FrameType | None], object]


class Interrupts:
    """Remembers what would interrupt the thread, and lets it happen at the end of the block.

    An interrupt is then what the block raises; an error of the block itself is its context.
    """

    def __init__(self) -> None:
        self._handler: Handler | None = None
        self._signalled: FrameType | None = None
        self._signals = 0
        self._raised: list[BaseException] = []
        self._cancel: CancelToken | None = None
        self._note: Callable[[], str] = str

    @property
    def any(self) -> bool:
        """Whether something waits."""
        return bool(self._signals or self._raised)

    def forget(self) -> None:
        """Let nothing happen at the end: the same is under way already."""
        self._signals = 0
        self._raised.clear()

    def explain(self, note: Callable[[], str]) -> None:
        """Say what is to be noted on an interrupt that waited."""
        self._note = note

    def finish(self, work: Callable[[], ResultT], cancel: CancelToken | None = None) -> ResultT:
        """Do the work to its end; what interrupts meanwhile waits, and uses ``cancel`` if given.

        Raises what the work raises.
        """
        # At the interpreter's end no thread can be started any more.
        if threading.current_thread() is not threading.main_thread() or sys.is_finalizing():
            return work()
        self._cancel = cancel
        task = _Task(work)
        try:
            threading.Thread(target=task.run, name="splitmirror-guard").start()
        except RuntimeError:
            task.run()
        except BaseException as stop:
            self._remember_raised(stop)
            # Whether the thread got as far is not known; one of the two does it.
            task.run()
        while not task.done.is_set():
            try:
                task.done.wait()
            except BaseException as stop:
                self._remember_raised(stop)
        self._cancel = None
        return task.result()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        self._signalled = frame
        if self._cancel is not None:
            self._cancel.cancel()

    def _remember_raised(self, stop: BaseException) -> None:
        self._raised.append(stop)
        if self._cancel is not None:
            self._cancel.cancel()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            # Ignored, deadly, or not Python's: then nothing would be raised either.
            if callable(handler):
                self._handler = handler
                # In a subinterpreter it is not allowed, and no handler ever runs there.
                with contextlib.suppress(ValueError):
                    signal.signal(signal.SIGINT, self._remember)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._handler is not None:
                # A signal that just came is remembered before this takes effect.
                with contextlib.suppress(ValueError):
                    signal.signal(signal.SIGINT, self._handler)
                if self._signals:
                    self._handler(signal.SIGINT, self._signalled)
            if self._raised:
                raise self._raised[0]
        except BaseException as stop:
            if note := self._note():
                stop.add_note(note)
            raise
        finally:
            # Frames and tracebacks would keep the caller's variables alive.
            self._signalled = None
            self._raised.clear()


class _Task(Generic[ResultT]):
    """Work that is done once, by whoever comes first."""

    def __init__(self, work: Callable[[], ResultT]) -> None:
        self.done = threading.Event()
        self._work = work
        self._claim = threading.Lock()
        self._results: list[ResultT] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        if not self._claim.acquire(blocking=False):
            return
        try:
            self._results.append(self._work())
        except BaseException as error:
            self._error = error
        finally:
            self.done.set()

    def result(self) -> ResultT:
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None
        return self._results[0]
