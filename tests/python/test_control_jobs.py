"""A restore in the background of another process, and the other mirrors of its source."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from commandline import run, run_json
from helpers import MIB, digest, write_pattern
from owners import owner, split_pair, two_mirrors
from splitmirror import Hooks, control, errors


def test_a_background_restore_is_begun_paused_resumed_and_healed(tmp_path: Path) -> None:
    source, mirror = split_pair(tmp_path, length=16 * MIB)
    good = digest(mirror)
    write_pattern(source, 16 * MIB, seed=22)
    arguments = ("start-restore", mirror, "--yes", "--full")
    with owner(mirror):
        assert run_json(*arguments[:2], code=8)["error"]["id"] == "unconfirmed"
        job = run_json(*arguments, "--throttle", "64K")
        assert (job["kind"], job["running"]) == ("job", True)
        assert 0 <= job["bytes_done"] <= job["bytes_total"] <= 16 * MIB
        assert "restore-pending" in job["conditions"]
        found = run_json("status", mirror)
        assert (found["activity"], found["pending_blocks"] > 0) == ("restoring", True)
        assert run_json(*arguments, code=3)["error"]["id"] == "state"
        paused = run_json("pause", mirror)
        assert (paused["job"], paused["running"]) == (job["job"], False)
        assert run_json("pause", mirror, code=3)["error"]["fields"]["verb"] == "pause"
        assert "restore-pending" in run_json("status", mirror)["conditions"]
        again = run_json("start-restore", mirror, "--yes", "--resume")
        assert again["job"] == job["job"] + 1
        assert run_json("wait", mirror, "--for", "restored", "--timeout", "60")["state"] == "split"
        run_json("wait", mirror, "--for", "idle", "--timeout", "60")
        assert run_json("flush", mirror)["kind"] == "status"
    assert digest(source) == digest(mirror) == good


def test_a_remote_job_is_waited_for_throttled_and_its_receipt_healed(tmp_path: Path) -> None:
    source, mirror = split_pair(tmp_path, length=16 * MIB)
    write_pattern(source, 16 * MIB, seed=23)
    with owner(mirror):
        pair = control.connect(mirror)
        job = pair.start_restore(full=True, throttle=1 << 16)
        early = job.receipt
        assert early is None
        with pytest.raises(errors.WaitTimeoutError) as late:
            job.wait(0.05)
        assert late.value.exit_code == 7
        assert 0 <= job.progress.done <= 16 * MIB
        other = pair.restore_job
        assert other is not None
        other.throttle(None)
        receipt = job.wait()
        assert (receipt.complete, receipt.mirror_unchanged) == (True, True)
        assert job.receipt == receipt
        assert not job.running
        assert pair.restore_job is None
        with pytest.raises(errors.StateError):
            job.pause()
        healed = pair.heal(receipt, while_in_use=True)
        assert healed.restore_id is not None
        (tmp_path / "receipt").write_text(healed.to_json())
        again = run_json("heal", mirror, tmp_path / "receipt", "--yes", "--while-in-use")
        assert again["kind"] == "receipt"
    assert digest(source) == digest(mirror)


def test_another_mirror_of_an_open_source_is_reached_too(tmp_path: Path) -> None:
    mirror = two_mirrors(tmp_path / "scene")
    other = mirror.with_name("other")
    with owner(mirror) as process:
        assert run_json("verify", other, code=4)["kind"] == "verify"
        assert run_json("status", other)["owner_pid"] == process.pid
        run_json("start-restore", other, "--yes", "--full", "--throttle", "64K")
        assert run_json("status", other)["activity"] == "restoring"
        assert run_json("pause", other)["running"] is False
        run_json("start-restore", other, "--yes", "--resume")
        run_json("wait", other, "--for", "restored", "--timeout", "60")
        assert run_json("verify", other)["matches"] is True
        # It was given back: the program, or another request, can have it.
        run_json("hold", other)
    assert run_json("status", other)["hold"] == ""
    assert os.listdir(os.environ["SPLITMIRROR_RUNTIME_DIR"]) == []


def test_a_restore_of_another_mirror_pauses_when_the_program_closes_its_pair(
    tmp_path: Path,
) -> None:
    mirror = two_mirrors(tmp_path / "scene")
    other = mirror.with_name("other")
    program = (
        "import sys, splitmirror\n"
        "with splitmirror.MirrorPair.open(sys.argv[1]):\n"
        "    print('open', flush=True)\n    sys.stdin.readline()\n"
        "print('closed', flush=True)\nsys.stdin.read()\n"
    )
    with owner(mirror, program=program) as process:
        run_json("start-restore", other, "--yes", "--full", "--throttle", "64K")
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"closed\n"
        # The program lives on, and holds neither mirror any more.
        control.wait_for(other, "idle", timeout=60)
        assert process.poll() is None
        assert "restore-pending" in run_json("status", other)["conditions"]
        assert run_json("resume-restore", other, "--yes")["complete"] is True


def test_hooks_go_round_the_beginning_of_a_background_restore(tmp_path: Path) -> None:
    source, mirror = split_pair(tmp_path)
    write_pattern(source, 4 * MIB, seed=24)
    log = tmp_path / "log"
    words = f"""sh -c 'echo "$PPID $SPLITMIRROR_HOOK" >> {log}'"""
    given = ("--stop", words, "--start", words)
    with owner(mirror) as process:
        job = run_json("start-restore", mirror, "--yes", "--full", *given)
        assert [(each["hook"], each["ok"]) for each in job["hooks"]] == [
            ("stop", True),
            ("start", True),
        ]
        assert log.read_text() == f"{process.pid} stop\n{process.pid} start\n"
        control.wait_for(mirror, "restored", timeout=60)
        # What the state does not allow stops nobody.
        run_json("start-restore", mirror, "--yes", "--resume", *given, code=3)
        assert log.read_text().count("\n") == 2
        failed = run_json("start-restore", mirror, "--yes", "--start", "false", code=6)
        assert [each["ok"] for each in failed["hooks"]] == [False]
        control.wait_for(mirror, "restored", timeout=60)
        refused = run_json("restore", mirror, "--yes", "--stop", "false", code=1)["error"]
        assert (refused["id"], refused["fields"]["hook"]) == ("hook", "stop")
    assert digest(source) == digest(mirror)


def test_the_owner_has_the_hooks_of_the_configuration(tmp_path: Path) -> None:
    _, mirror = split_pair(tmp_path)
    log = tmp_path / "log"
    run("config", mirror, "--set", f"hooks.freeze=sh -c 'echo frozen >> {log}'")
    with owner(mirror):
        assert run_json("refresh", mirror, "--yes")["split"]["consistency"] == "application"
        assert run_json("refresh", mirror, "--yes", "--no-hooks")["split"]["hooks"] == []
        pair = control.connect(mirror)
        assert pair.refresh(hooks=Hooks()).split.hooks == ()
        assert len(pair.refresh().split.hooks) == 1
    assert log.read_text() == "frozen\nfrozen\n"
