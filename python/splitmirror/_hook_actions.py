"""Running one hook to its end or its time-out: a command with all its processes, or a callable.

`run_command` and `call` give a detail: empty for a success, else how it failed.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from types import FrameType
from typing import IO, Any, TypeAlias

from splitmirror.errors import ArgumentError

__all__ = [
    "OUTPUT_MAX",
    "Action",
    "call",
    "checked_action",
    "checked_seconds",
    "interrupts_held_back",
    "run_command",
]

Action: TypeAlias = tuple[str, ...] | Callable[[], object]
"""The words of a command, or something to call."""

OUTPUT_MAX = 4096
"""So many bytes of a failed command's output are told: the last ones."""

_PIPE_BYTES = 1 << 20
"""More than a pipe holds, so that one read empties it."""

_REAP_SECONDS = 2.0
"""A killed process that hangs in the kernel is waited for no longer than this."""


# --- Arguments ---------------------------------------------------------------------------------


def checked_action(hook: object, name: str) -> Action:
    """Give a hook as the words of its command, or as the callable that it is.

    Raises:
        ArgumentError: it is neither, or could never succeed; ``name`` is the argument's.
    """

    def refused(why: str) -> ArgumentError:
        return ArgumentError(f"{name}: {why}", argument=name)

    if isinstance(hook, str):
        try:
            words: list[Any] = shlex.split(hook)
        except ValueError as error:
            raise refused(f"{hook!r} cannot be taken apart: {error}") from None
    elif isinstance(hook, (list, tuple)):
        words = list(hook)
    elif not callable(hook):
        raise refused(f"a command or a callable is needed, not {type(hook).__name__}")
    elif inspect.iscoroutinefunction(hook):
        raise refused("a coroutine function would be called and never awaited")
    elif not _can_be_called(hook):
        raise refused(f"{hook!r} cannot be called without arguments")
    else:
        return hook
    if not all(isinstance(word, str) and "\0" not in word for word in words):
        raise refused(f"the words of a command are texts without NUL, not {words!r}")
    if not words or not words[0]:
        raise refused("the command is empty")
    return tuple(words)


def checked_seconds(timeout: object, name: str = "timeout") -> float:
    """Give a time-out as a float, in seconds; ``name`` is the argument's.

    Raises:
        ArgumentError: it is not a positive finite number.
    """
    seconds = math.nan
    if isinstance(timeout, (int, float)) and not isinstance(timeout, bool):
        with contextlib.suppress(OverflowError):
            seconds = float(timeout)
    if not 0 < seconds < math.inf:
        raise ArgumentError(
            f"{name}: a positive number of seconds is needed, not {timeout!r}", argument=name
        )
    return seconds


def _can_be_called(hook: Callable[..., object]) -> bool:
    try:
        signature = inspect.signature(hook)
    except (TypeError, ValueError):
        return True  # it does not say what it takes
    try:
        signature.bind()
    except TypeError:
        return False
    return True


# --- A callable --------------------------------------------------------------------------------


def call(hook: Callable[[], object], deadline: float) -> str:
    """Call a hook on this thread; it fails if it returns after the deadline (monotonic clock).

    What it raises is let through.
    """
    result = hook()
    late = time.monotonic() - deadline
    if isinstance(result, Awaitable):
        if isinstance(result, Coroutine):
            result.close()
        return "it gave an awaitable, and nobody awaits it"
    return f"it ended {late:.3g} s after its time-out" if late > 0 else ""


# --- A command ---------------------------------------------------------------------------------


def run_command(words: tuple[str, ...], environment: Mapping[bytes, bytes], deadline: float) -> str:
    """Run a command without a shell until it ends; at the deadline its process group is killed.

    Whatever is raised meanwhile, such as a KeyboardInterrupt, kills it too.
    """
    process: subprocess.Popen[bytes] | None = None
    output = bytearray()
    try:
        # An interrupt while it is being started must find it here, to be killed.
        with interrupts_held_back():
            # CPython uses vfork for this. A fork would share the descriptor of an open source,
            # after which its tracker believes nothing; a preexec_fn would bring the fork about.
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env=environment,
                start_new_session=True,
            )
        how = _attend(process, output, deadline)
    except BaseException as error:
        if process is not None:
            _killed(process)
            raise
        if isinstance(error, (OSError, ValueError)):
            return f"it could not be run: {error}"
        raise
    # Ended, or killed: this reaps it, or leaves it to subprocess to do so later.
    process.poll()
    if not how:
        return ""
    text = output.decode("utf-8", "backslashreplace").strip()
    return f"{how}; its last output: {text}" if text else f"{how}; it wrote nothing"


def _attend(process: subprocess.Popen[bytes], output: bytearray, deadline: float) -> str:
    """Wait for a command until the deadline and kill it then; how it failed, empty if not."""
    assert process.stdout is not None
    with process.stdout as pipe:
        how = _watch(process.pid, pipe, output, deadline)
        if how is None:
            how = "it did not end in time and was killed"
            if not _killed(process):
                how = "it did not end in time and could not be killed"
            _collect(pipe, output)
    return how


def _watch(pid: int, pipe: IO[bytes], output: bytearray, deadline: float) -> str | None:
    """Collect output until the process ends; how it failed, or None at the deadline."""
    os.set_blocking(pipe.fileno(), False)
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    pause = 0.001
    while (how := _ending(pid)) is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        # The end of the output tells of most ends at once. It is not waited for: a program that
        # the hook leaves running keeps the pipe open.
        if poller.poll(min(left, pause) * 1000) and not _collect(pipe, output):
            poller.unregister(pipe)
            pause = 0.001
        else:
            pause = min(2 * pause, 0.05)
    _collect(pipe, output)
    return how


def _collect(pipe: IO[bytes], output: bytearray) -> bool:
    """Keep the last of what was written; False at the end of the output."""
    data = pipe.read(_PIPE_BYTES)
    if data:
        output += data
        del output[:-OUTPUT_MAX]
    return data != b""


def _ending(pid: int) -> str | None:
    """How a child failed, empty if it did not, None while it runs; it stays to be reaped."""
    try:
        ending = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        # subprocess would call this a success.
        return "nobody knows how it ended: this program ignores SIGCHLD or reaps all children"
    if ending is None:
        return None
    status = ending.si_status
    if ending.si_code == os.CLD_EXITED:
        return f"it exited with status {status}" if status else ""
    return f"it was ended by signal {status} ({signal.strsignal(status)})"


def _killed(process: subprocess.Popen[bytes]) -> bool:
    """Kill and reap a command with its process group; False if it is still there."""
    # A set-user-ID program may not be ours to kill.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_REAP_SECONDS)
    return process.returncode is not None


# --- Interrupts --------------------------------------------------------------------------------


@contextlib.contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Let a first Ctrl-C or SIGTERM wait until the body is through; a second one acts at once.

    Only what Python handles is held back, and only in the main thread: no other sees it.
    """
    held: list[tuple[int, FrameType | None]] = []
    handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def hold(number: int, frame: FrameType | None) -> None:
        held.append((number, frame))
        if len(held) > 1:
            handlers[number](number, frame)

    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        # Outside the main thread there is nothing to hold back.
        with contextlib.suppress(ValueError):
            if callable(handler):
                signal.signal(number, hold)
                handlers[number] = handler
    try:
        yield
    finally:
        for changed, handler in handlers.items():
            signal.signal(changed, handler)
        if len(held) == 1:
            first, frame = held[0]
            handlers[first](first, frame)
