"""One hook at a time: real commands and callables, how they fail, and their time-outs."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import KIB, write_pattern
from hook_runs import BRIEF, FOREVER, SOON, eventually, freeze, number_in, runs, shell, use
from splitmirror import MirrorPair
from splitmirror.hooks import HookReport, Hooks

# --- Commands ----------------------------------------------------------------------------------


def test_a_command_that_exits_with_0_succeeds() -> None:
    report = freeze(["true"])
    assert report.ok
    assert report.seconds >= 0
    assert report.warning == ""
    assert HookReport.from_json(report.to_json()) == report


def test_a_text_is_taken_apart_and_no_shell_runs(tmp_path: Path) -> None:
    assert Hooks(freeze="cp -a 'a b' \"$HOME\"; ls").freeze == ("cp", "-a", "a b", "$HOME;", "ls")
    assert freeze(f"touch '{tmp_path}/a b' {tmp_path}/$HOME").ok
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"a b", "$HOME"}


@pytest.mark.parametrize("label", [None, "before upgrade", "Nächte", "a\0b"])
def test_the_environment_names_the_hook_the_sides_and_the_label(
    tmp_path: Path, label: str | None
) -> None:
    line = shell(f'env -0 >"{tmp_path}/$SPLITMIRROR_HOOK"')
    run = use(Hooks(freeze=line, thaw=line, stop=line, start=line, timeout=SOON), label)
    run.before("freeze")
    run.after("thaw")
    run.before("stop")
    run.after("start")
    assert [report.ok for report in run.results] == [True] * 4
    for hook in ("freeze", "thaw", "stop", "start"):
        lines = (tmp_path / hook).read_bytes().split(b"\0")[:-1]
        found = dict(line.split(b"=", 1) for line in lines)
        assert found[b"SPLITMIRROR_HOOK"] == hook.encode()
        assert found[b"SPLITMIRROR_SOURCE"] == b"/data/shop.db"
        assert found[b"SPLITMIRROR_MIRROR"] == b"/backup/\xff"
        shown = "" if label is None else label.replace("\0", "\\x00")
        assert found[b"SPLITMIRROR_LABEL"] == shown.encode()
        assert found[b"PATH"] == os.environb[b"PATH"]


def test_a_command_has_no_input_and_a_session_of_its_own(tmp_path: Path) -> None:
    ids = tmp_path / "ids"
    report = freeze(shell(f'cat; read -r stat </proc/$$/stat; set -- $stat; echo "$1 $6" >{ids}'))
    assert report.ok
    pid, session = ids.read_text().split()
    assert pid == session


def test_a_failure_tells_the_status_and_all_output_in_order() -> None:
    report = freeze(shell(r"echo one; echo two >&2; printf 'three \377'; exit 3"))
    assert report.detail == "it exited with status 3; its last output: one\ntwo\nthree \\xff"
    assert report.warning.startswith("The freeze hook failed, so the point is not application-")


def test_a_failure_without_output_says_so() -> None:
    assert freeze(["false"]).detail == "it exited with status 1; it wrote nothing"


def test_the_last_4_kib_of_much_output_are_told() -> None:
    report = freeze(shell("head -c 3000000 /dev/zero | tr '\\0' x; printf end; exit 1"))
    assert report.detail == "it exited with status 1; its last output: " + "x" * 4093 + "end"


def test_a_command_ended_by_a_signal_has_failed() -> None:
    assert "signal 9 (Killed)" in freeze(shell("kill -9 $$")).detail


def test_a_command_that_is_not_there_has_failed(tmp_path: Path) -> None:
    assert "No such file or directory: 'no-such-program'" in freeze("no-such-program -x").detail
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    assert "Permission denied" in freeze([str(plain)]).detail


def test_a_command_that_closes_its_output_is_waited_for() -> None:
    assert "status 3" in freeze(shell("exec >&- 2>&-; sleep 0.2; exit 3")).detail


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Path]:
    """Where a hook writes the process id of what it leaves running; ended after the test."""
    path = tmp_path / "left"
    yield path
    if path.exists() and runs(int(path.read_text())):
        os.kill(int(path.read_text()), signal.SIGKILL)


def test_at_the_time_out_the_whole_process_group_is_killed(left: Path) -> None:
    text = f"echo waiting; sleep {FOREVER} & echo $! >{left}; echo $$ >{left}.shell; wait"
    report = freeze(shell(text), timeout=BRIEF)
    assert report.detail == "it did not end in time and was killed; its last output: waiting"
    assert report.seconds >= BRIEF
    group = number_in(left.with_name("left.shell"))
    # Reaped: not even a zombie is left of the command itself.
    assert not Path(f"/proc/{group}").exists()
    assert eventually(lambda: not runs(number_in(left)))


def test_a_command_that_ignores_sigterm_and_writes_on_is_killed(tmp_path: Path) -> None:
    text = f"trap '' TERM INT HUP; echo $$ >{tmp_path}/id; exec yes"
    report = freeze(shell(text), timeout=BRIEF)
    assert "was killed; its last output: y" in report.detail
    assert not runs(number_in(tmp_path / "id"))


def test_a_program_that_is_left_running_is_not_waited_for(left: Path) -> None:
    assert freeze(shell(f"sleep {FOREVER} & echo $! >{left}")).ok
    assert runs(number_in(left))


def test_nobody_takes_an_unknown_end_for_a_success() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert "nobody knows how it ended" in freeze(["true"]).detail
    finally:
        signal.signal(signal.SIGCHLD, before)


def is_believed(pair: MirrorPair) -> bool:
    tracking = pair.status().tracking
    return tracking is not None and tracking.believed


def test_a_command_is_no_fork_that_a_pair_would_have_to_distrust(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_pattern(source, 256 * KIB)
    with MirrorPair.create(source, tmp_path / "mirror") as pair:
        pair.establish()
        if not is_believed(pair):
            pytest.skip("nothing is believed on this file system")
        assert freeze(["true"]).ok
        assert is_believed(pair)
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        assert not is_believed(pair), "the check can fail"


# --- Callables ---------------------------------------------------------------------------------


def test_a_callable_runs_on_the_calling_thread() -> None:
    database = sqlite3.connect(":memory:")
    try:
        assert freeze(lambda: database.execute("select 1").fetchall()).ok
    finally:
        database.close()


def test_a_callable_that_raises_has_failed() -> None:
    report = freeze(lambda: 1 // 0)
    assert report.detail.startswith("it raised ZeroDivisionError: ")


def test_a_callable_that_takes_too_long_has_failed_afterwards() -> None:
    report = freeze(lambda: time.sleep(BRIEF), timeout=BRIEF / 10)
    assert "after its time-out" in report.detail
    assert report.seconds >= BRIEF


class Later:
    async def __call__(self) -> None:
        raise AssertionError


def test_a_callable_that_gives_an_awaitable_has_failed() -> None:
    assert "nobody awaits it" in freeze(Later()).detail
    assert "nobody awaits it" in freeze(lambda: Later()()).detail


def test_hooks_run_in_any_thread() -> None:
    hooks = Hooks(freeze=["true"], thaw=threading.get_ident, timeout=SOON)
    run = use(hooks)

    def both() -> None:
        run.before("freeze")
        run.after("thaw")

    thread = threading.Thread(target=both)
    thread.start()
    thread.join()
    assert [report.ok for report in run.results] == [True, True]
