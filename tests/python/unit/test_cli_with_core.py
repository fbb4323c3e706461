"""The command as a process of its own, on real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import KIB, digest, overwrite, write_pattern

COMMAND = [sys.executable, "-m", "splitmirror"]


def run(*arguments: str | bytes | Path, code: int = 0) -> str:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, timeout=60, check=False)
    assert done.returncode == code, done.stdout.decode() + done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done.stdout.decode()


def run_json(*arguments: str | bytes | Path, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    write_pattern(tmp_path / "source", 512 * KIB, seed=2)
    return tmp_path / "source", tmp_path / "mirror"


def test_the_main_job(files: tuple[Path, Path]) -> None:
    source, mirror = files
    good = digest(source)
    assert run_json("create", source, mirror)["state"] == "initialized"
    assert run_json("establish", mirror)["state"] == "synchronized"
    assert run_json("split", mirror, "--label", "good")["label"] == "good"
    root = run_json("seal", mirror)["root"]
    overwrite(source, 0, b"corruption")
    assert run_json("verify", mirror, code=4)["matches"] is False
    assert run_json("restore", mirror, code=8)["error"]["id"] == "unconfirmed"
    assert digest(source) != good
    plan = run_json("restore", mirror, "--dry-run")
    assert plan["kind"] == "plan"
    assert run_json("plan", "restore", mirror)["bytes"] == plan["bytes"]
    receipt = run_json("restore", mirror, "--yes")
    assert digest(source) == good
    assert receipt["root_after"] == root
    assert run_json("scrub", mirror)["intact"] is True
    assert run_json("establish", mirror, code=8)["error"]["id"] == "unconfirmed"
    assert run_json("hold", mirror, "--reason", "audit")["hold"] == "audit"
    assert run_json("refresh", mirror, "--yes", code=8)["error"]["id"] == "held"
    run("release", mirror)
    run("refresh", mirror, "--yes")
    assert len(run_json("history", mirror)["entries"]) > 3
    assert len(run_json("list", source.parent)["entries"]) == 1
    run("detach", mirror)
    assert run_json("status", mirror, code=1)["error"]["id"] == "catalog-missing"


def test_tables_for_people(files: tuple[Path, Path]) -> None:
    source, mirror = files
    assert "initialized" in run("create", source, mirror)
    assert "512.0 KiB (524,288 bytes)" in run("establish", mirror, "--dry-run")
    assert "synchronized" in run("establish", mirror)
    run("split", mirror, "--label", "[bold]")
    assert "[bold]" in run("status", mirror)
    assert "[bold]" in run("list", source.parent)
    assert "split" in run("history", mirror)
    assert "advice" in run("doctor", source.parent)


def test_a_path_that_is_no_utf8(tmp_path: Path, files: tuple[Path, Path]) -> None:
    mirror = os.fsencode(tmp_path) + b"/mir\n\x1b\xff"
    run("create", files[0], mirror)
    run("establish", mirror)
    for shown in (run("status", mirror), run("list", tmp_path)):
        assert "\x1b" not in shown
        assert "\\xff" in shown
    run("restore", mirror, code=3)


def test_wrong_states_and_missing_files(tmp_path: Path, files: tuple[Path, Path]) -> None:
    source, mirror = files
    error = run_json("create", tmp_path / "none", mirror, code=1)["error"]
    assert error["id"] == "not-found"
    run("create", source, mirror)
    error = run_json("split", mirror, code=3)["error"]
    assert error["fields"]["verb"] == "split"
    error = run_json("create", source, source, code=8)["error"]
    assert error["id"] in ("same-area", "already-paired")


def test_ranges_and_another_place(tmp_path: Path, files: tuple[Path, Path]) -> None:
    source, mirror = files
    good = source.read_bytes()
    run("create", source, mirror)
    run("establish", mirror)
    run("split", mirror)
    overwrite(source, 0, b"bad")
    overwrite(source, 256 * KIB, b"bad")
    run("restore", mirror, "--range", "0x0:64K", "--yes")
    found = source.read_bytes()
    assert found[: 64 * KIB] == good[: 64 * KIB]
    assert found[256 * KIB :][:3] == b"bad"
    run("restore", mirror, "--to", tmp_path / "scratch")
    assert (tmp_path / "scratch").read_bytes() == good
    assert source.read_bytes() == found
    run("restore", mirror, "--to", tmp_path / "scratch", code=8)
    run("restore", mirror, "--to", tmp_path / "scratch", "--yes")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_cleanly_and_establish_goes_on(
    tmp_path: Path, files: tuple[Path, Path], number: signal.Signals, code: int
) -> None:
    source, mirror = files
    # Sparse in the file system, but every block has to be copied.
    with source.open("wb") as file:
        for _ in range(192):
            file.write(os.urandom(1024 * KIB))
    run("create", source, mirror)
    process = subprocess.Popen(
        [*COMMAND, "establish", mirror, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    process.stderr.readline()  # The first line of progress: it is under way.
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("this machine had copied everything before the signal came")
    assert process.returncode == code
    note = json.loads(out)["error"]["notes"][0]
    if "the pair is now synchronized" in note:
        pytest.skip("this machine had copied everything when the signal came")
    assert "the pair is now unsynchronized" in note
    assert run_json("status", mirror)["state"] == "unsynchronized"
    run("establish", mirror)
    assert run_json("verify", mirror)["matches"] is True


def test_the_demonstration(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    report = run_json("demo", "--size", "4M", "--folder", folder)
    assert report["passed"] is True
    assert len(report["receipts"]) == 2
    assert all(receipt["mirror_unchanged"] for receipt in report["receipts"])
    assert list(folder.iterdir()) == []
    told = run("demo", "--size", "1M", "--folder", folder, "--keep")
    assert "All of it holds" in told
    assert "DOES NOT HOLD" not in told
    assert "receipt" in told
