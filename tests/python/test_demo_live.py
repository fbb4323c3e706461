"""The live demonstration: it holds, and it says so when something does not."""

from __future__ import annotations

import functools
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from commandline import run_json
from splitmirror import MirrorPair, RestoreJob
from splitmirror.cli import main
from splitmirror.demo import LiveReport, run_live_demo
from splitmirror.demo.records import RECORD_BYTES, unpack
from splitmirror.errors import AreaIOError

SIZE = 4 << 20
PACE = 0.25


def run(folder: Path, said: list[str] | None = None) -> LiveReport:
    lines = [] if said is None else said
    return run_live_demo(SIZE, folder, say=lines.append, pace=PACE)


def failed(report: LiveReport) -> str:
    assert not report.passed
    return "\n".join(finding.claim for finding in report.findings if not finding.holds)


def test_it_holds(tmp_path: Path) -> None:
    said: list[str] = []
    report = run(tmp_path, said)
    assert report.passed, "\n".join(map(str, said))
    assert report.wrong_reads == 0 < report.bad_reads < report.reads
    assert len(report.findings) == 25
    assert [receipt.reason for receipt in report.receipts] == ["bitmap", "bitmap", "app-written"]
    assert all(receipt.mirror_unchanged for receipt in report.receipts)
    assert all(receipt.root_after == report.root for receipt in report.receipts)
    assert report.receipts[0].blocks_app_written > 0
    assert "DOES NOT HOLD" not in "\n".join(said)
    assert said[-1].startswith("\nAll of it holds: 25 of 25 checks")
    assert LiveReport.from_json(report.to_json()) == report
    assert list(tmp_path.glob("splitmirror-demo-*")) == []
    assert not [thread for thread in threading.enumerate() if "application" in thread.name]


def test_as_a_command(tmp_path: Path) -> None:
    document = run_json("demo", "--live", "--size", "8M", "--folder", tmp_path)
    assert (document["kind"], document["passed"]) == ("live-demo", True)
    assert len(document["receipts"]) == 3
    assert {run["origin"] for run in document["receipts"][0]["provenance"]} == {
        "mirror",
        "app-written",
    }
    assert list(tmp_path.glob("splitmirror-demo-*")) == []


def test_a_stale_record_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that is served what the record held before the restore."""
    genuine = MirrorPair.read
    kept: dict[int, bytes] = {}
    restored = threading.Event()

    def read(pair: MirrorPair, offset: int, size: int) -> bytes:
        data = genuine(pair, offset, size)
        if restored.is_set():
            return kept.get(offset, data)
        record = unpack(data)
        if record is not None and record.version > 1:
            kept[offset] = data
        return data

    def start_restore(pair: MirrorPair, **arguments: Any) -> RestoreJob:
        job = genuine_start(pair, **arguments)
        restored.set()
        return job

    genuine_start = MirrorPair.start_restore
    monkeypatch.setattr(MirrorPair, "read", read)
    monkeypatch.setattr(MirrorPair, "start_restore", start_restore)
    said: list[str] = []
    report = run(tmp_path, said)
    assert "reads checked while the restore copied" in failed(report)
    assert report.wrong_reads > 0
    assert "in place of version" in "\n".join(said)
    assert said[-1].startswith("\nNOT all of it holds")


def test_a_lost_write_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = MirrorPair.write
    count = 0

    def write(pair: MirrorPair, offset: int, data: Any) -> int:
        nonlocal count
        count += 1
        return RECORD_BYTES if count % 20 == 0 else genuine(pair, offset, data)

    monkeypatch.setattr(MirrorPair, "write", write)
    report = run(tmp_path)
    assert "are not explained" in failed(report)


def test_a_restore_of_half_of_it_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = MirrorPair.start_restore

    def start_restore(pair: MirrorPair, *, throttle: int) -> RestoreJob:
        return genuine(pair, ranges=[(0, SIZE // 2)], throttle=throttle)

    monkeypatch.setattr(MirrorPair, "start_restore", start_restore)
    report = run(tmp_path)
    claims = failed(report)
    assert "reads checked while the restore copied" in claims
    assert "none was kept" in claims


def test_a_restore_that_takes_the_applications_writes_back_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = RestoreJob.wait

    def wait(job: RestoreJob, timeout: float | None = None) -> Any:
        receipt = genuine(job, timeout)
        # The application does not hear of it: what it wrote meanwhile is lost.
        while pairs:
            pairs.pop().heal(receipt)
        return receipt

    pairs: list[MirrorPair] = []
    genuine_start = MirrorPair.start_restore

    def start_restore(pair: MirrorPair, **arguments: Any) -> RestoreJob:
        monkeypatch.setattr(MirrorPair, "start_restore", genuine_start)
        pairs.append(pair)
        return genuine_start(pair, **arguments)

    monkeypatch.setattr(RestoreJob, "wait", wait)
    monkeypatch.setattr(MirrorPair, "start_restore", start_restore)
    assert "reads checked after the restore" in failed(run(tmp_path))


def test_a_failed_check_is_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quickly = functools.partial(run_live_demo, pace=PACE)
    monkeypatch.setattr("splitmirror.demo.run_live_demo", quickly)
    arguments = ["demo", "--live", "--size", "1M", "--folder", str(tmp_path)]
    assert main(arguments) == 0
    assert "DOES NOT HOLD" not in capsys.readouterr().out
    monkeypatch.setattr("splitmirror.demo.checks.mirror_digest", lambda pair: "another")
    assert main(arguments) == 1
    assert "DOES NOT HOLD: the mirror is unchanged" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["passed"] is False


def test_an_error_of_the_application_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flush(pair: MirrorPair) -> None:
        raise AreaIOError("the disk is gone", path=str(pair.source_path), operation="sync", errno=5)

    monkeypatch.setattr(MirrorPair, "flush", flush)
    with pytest.raises(AreaIOError, match="the disk is gone"):
        run(tmp_path)
    assert list(tmp_path.glob("splitmirror-demo-*")) == []
