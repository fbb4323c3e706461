"""Hooks round a verb: what was frozen is thawed, whatever happens; what cannot work is refused."""

from __future__ import annotations

import logging
import math
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hook_runs import BRIEF, FOREVER, SOON, eventually, number_in, runs, shell, use
from splitmirror import errors
from splitmirror.hooks import Before, Hooks

PAIRS = [("freeze", "thaw"), ("stop", "start"), ("unmount", "mount")]

# --- Before and after --------------------------------------------------------------------------


def test_without_hooks_nothing_runs() -> None:
    for run in (use(None), use(Hooks())):
        assert not run.before("freeze")
        run.after("thaw")
        assert run.results == ()
        assert run.warnings == ()
        assert run.failure("freeze") is None


def test_each_hook_runs_once() -> None:
    calls: list[str] = []
    run = use(Hooks(stop=lambda: calls.append("stop"), start=lambda: calls.append("start")))
    assert [run.before("stop"), run.before("stop")] == [True, True]
    run.after("start")
    run.after("start")
    assert calls == ["stop", "start"]
    assert [report.hook for report in run.results] == calls


FAILING: list[Any] = [
    "false",
    "no-such-program",
    shell(f"exec sleep {FOREVER}"),
    lambda: 1 // 0,
    lambda: time.sleep(2 * BRIEF),
]


@pytest.mark.parametrize("hook", FAILING)
@pytest.mark.parametrize("pair", PAIRS)
def test_the_counterpart_runs_after_each_kind_of_failure(
    hook: Any, pair: tuple[Any, Any], caplog: pytest.LogCaptureFixture
) -> None:
    before, after = pair
    calls: list[str] = []
    given: dict[str, Any] = {before: hook, after: lambda: calls.append(after)}
    run = use(Hooks(**given, timeout=BRIEF))
    assert not run.before(before)
    assert calls == []
    run.after(after)
    assert calls == [after]
    assert [report.ok for report in run.results] == [False, True]
    assert run.warnings == (run.results[0].warning,)
    assert [record.getMessage() for record in caplog.records] == list(run.warnings)


def test_a_report_fits_a_line_and_says_what_it_means() -> None:
    run = use(Hooks(stop="false", start="true", timeout=SOON))
    run.before("stop")
    run.end()
    stop, start = run.results
    assert re.fullmatch(r"stop failed \(.*s\)", stop.in_line())
    assert re.fullmatch(r"start ok \(.*s\)", start.in_line())
    assert start.warning == ""


def test_the_end_runs_what_is_left_the_last_begun_first() -> None:
    calls: list[str] = []

    def note(name: str) -> Any:
        def hook() -> None:
            calls.append(name)
            if name == "mount":
                raise KeyboardInterrupt

        return hook

    run = use(Hooks(**{name: note(name) for pair in PAIRS for name in pair}))
    for before in ("freeze", "stop", "unmount"):
        assert run.before(before)
    run.after("thaw")
    with pytest.raises(KeyboardInterrupt):
        run.end()
    assert calls == ["freeze", "stop", "unmount", "thaw", "mount", "start"]
    run.end()
    assert len(calls) == 6


def test_the_end_leaves_alone_what_was_never_begun() -> None:
    run = use(Hooks(stop="true", start="true", unmount="false", mount="true", timeout=SOON))
    run.before("stop")
    run.end()
    assert [report.hook for report in run.results] == ["stop", "start"]


def test_what_was_never_frozen_is_not_thawed() -> None:
    run = use(Hooks(freeze="true", thaw="true", timeout=SOON))
    run.after("thaw")
    assert run.results == ()


def test_a_thaw_or_start_alone_runs() -> None:
    run = use(Hooks(thaw="true", start="true", timeout=SOON))
    assert not run.before("freeze")
    run.after("thaw")
    run.after("start")
    assert [(report.hook, report.ok) for report in run.results] == [("thaw", True), ("start", True)]


MEANS = [("thaw", "still be frozen"), ("start", "not be run"), ("mount", "not be mounted")]


@pytest.mark.parametrize(("after", "means"), MEANS)
def test_a_failing_thaw_or_start_warns_and_does_not_raise(
    after: Any, means: str, caplog: pytest.LogCaptureFixture
) -> None:
    for hook in FAILING:
        given: dict[str, Any] = {after: hook}
        run = use(Hooks(**given, timeout=BRIEF))
        caplog.clear()
        run.after(after)
        (warning,) = run.warnings
        assert means in warning
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("splitmirror.hooks", logging.WARNING)
        assert record.getMessage() == warning


def test_a_failure_can_be_raised() -> None:
    run = use(Hooks(stop=lambda: 1 // 0, start="true", timeout=SOON))
    run.before("stop")
    run.after("start")
    error = run.failure("stop")
    assert isinstance(error, errors.HookError)
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert (error.hook, error.detail) == ("stop", run.results[0].detail)
    assert str(error) == f"The stop hook failed, so nothing was restored: {error.detail}"
    assert run.failure("start") is None


# --- Interrupts --------------------------------------------------------------------------------


def interrupt_when(path: Path) -> None:
    """Send this process a Ctrl-C once `path` is there."""

    def send() -> None:
        if eventually(path.exists):
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=send, daemon=True).start()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("pair", PAIRS)
def test_an_interrupt_goes_on_after_the_counterpart(
    pair: tuple[Before, Any], stop: type[BaseException]
) -> None:
    before, after = pair
    calls: list[str] = []

    def interrupted() -> None:
        calls.append(before)
        raise stop

    given: dict[str, Any] = {before: interrupted, after: lambda: calls.append(after)}
    run = use(Hooks(**given))
    with pytest.raises(stop):
        run.before(before)
    assert calls == [before, after]
    run.after(after)
    assert calls == [before, after]
    assert [report.ok for report in run.results] == [False, True]
    assert run.results[0].detail == "it was interrupted"


def test_an_interrupted_command_is_killed_and_the_counterpart_runs(tmp_path: Path) -> None:
    begun, thawed = tmp_path / "begun", tmp_path / "thawed"
    line = shell(f"echo $$ >{begun}; exec sleep {FOREVER}")
    run = use(Hooks(freeze=line, thaw=["touch", str(thawed)], timeout=SOON))
    interrupt_when(begun)
    with pytest.raises(KeyboardInterrupt):
        run.before("freeze")
    assert not runs(number_in(begun))
    assert thawed.exists()


def test_an_interrupt_waits_for_a_thaw_command(tmp_path: Path) -> None:
    begun, told, thawed = (tmp_path / name for name in ("begun", "told", "thawed"))
    line = f"touch {begun}; until test -e {told}; do sleep 0.01; done; touch {thawed}"
    before = signal.getsignal(signal.SIGINT)
    run = use(Hooks(thaw=shell(line), timeout=SOON))

    def tell() -> None:
        if eventually(begun.exists):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(BRIEF)
            told.touch()

    threading.Thread(target=tell, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run.after("thaw")
    assert thawed.exists()
    assert [report.ok for report in run.results] == [True]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_waits_for_a_thaw_callable() -> None:
    calls: list[str] = []

    def thaw() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        calls.append("through")

    run = use(Hooks(thaw=thaw))
    with pytest.raises(KeyboardInterrupt):
        run.after("thaw")
    assert calls == ["through"]
    assert [report.ok for report in run.results] == [True]


def test_a_second_interrupt_ends_even_a_thaw() -> None:
    def thaw() -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
        raise AssertionError("not reached")

    run = use(Hooks(thaw=thaw))
    with pytest.raises(KeyboardInterrupt):
        run.after("thaw")
    assert [report.detail for report in run.results] == ["it was interrupted"]


# --- Arguments ---------------------------------------------------------------------------------


async def later() -> None:
    raise AssertionError


@pytest.mark.parametrize("name", [name for pair in PAIRS for name in pair])
@pytest.mark.parametrize(
    "hook",
    [
        *("", "   ", "''", "echo 'open", "echo a\0b", [], (), ["", "x"], ["echo", 1], [b"echo"]),
        *(["a\0"], [None], b"echo", 7, {"echo"}, later, lambda path: path, abs),
    ],
)
def test_hooks_that_could_never_succeed_are_refused(name: str, hook: Any) -> None:
    with pytest.raises(errors.ArgumentError) as caught:
        Hooks(**{name: hook})
    assert caught.value.argument == name
    assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize(
    "timeout", [0, -1, math.inf, math.nan, -math.inf, 10**400, True, "5", None, 1j], ids=repr
)
def test_time_outs_that_are_no_positive_numbers_are_refused(timeout: Any) -> None:
    with pytest.raises(errors.ArgumentError) as caught:
        Hooks(timeout=timeout)
    assert caught.value.argument == "timeout"


def test_hooks_are_values() -> None:
    words = ["pg", "freeze"]
    hooks = Hooks(freeze=words, timeout=5)
    words.append("never")
    assert hooks == Hooks(freeze="pg freeze", timeout=5.0)
    assert isinstance(hooks.timeout, float)
    assert Hooks().timeout == 30.0
    with pytest.raises(AttributeError):
        hooks.freeze = None  # type: ignore[misc]
