"""The mounted demonstration: it holds, leaves nothing, and says so when something does not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import run, run_json
from mounts import need, need_fuse
from splitmirror import errors
from splitmirror.demo import MountedReport, run_mounted_demo
from splitmirror.demo.mounted import missing_for_mounts
from splitmirror.demo.shop import Shop

SIZE = 8 << 20
PACE = 0.5


@pytest.fixture(autouse=True)
def clean(tmp_path: Path) -> Iterator[None]:
    """Skip where it cannot run; nothing of it is mounted or runs afterwards."""
    need_fuse()
    need("mkfs.ext4", "fsfreeze")
    missing = missing_for_mounts()
    if missing:
        pytest.skip(f"no mounted demonstration here: it needs {missing}")
    yield
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert list(tmp_path.glob("splitmirror-demo-*")) == []


def test_it_holds(tmp_path: Path) -> None:
    said: list[str] = []
    report = run_mounted_demo(SIZE, tmp_path, say=said.append, pace=PACE)
    assert report.passed, "\n".join(map(str, said))
    assert len(report.findings) == 13
    (receipt,) = report.receipts
    assert receipt.root_before == receipt.root_after == report.root
    assert [hook.hook for hook in receipt.hooks] == ["stop", "unmount", "mount", "start"]
    assert receipt.blocks_app_written > 0
    assert report.moves_at_split > 0
    assert said[-1].startswith("\nAll of it holds: 13 of 13 checks")
    assert MountedReport.from_json(report.to_json()) == report


def test_as_a_command(tmp_path: Path) -> None:
    document = run_json("demo", "--mount", "--size", "4M", "--folder", tmp_path)
    assert (document["kind"], document["passed"]) == ("mounted-demo", True)
    assert "exclude each other" in run("demo", "--mount", "--live", code=2)[1]


def test_a_shop_that_does_not_start_again_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its data came back, but nobody works on it: not all of it holds."""
    monkeypatch.setattr(Shop, "state", lambda self: (0, 1, 0, "error: nobody answers"))
    said: list[str] = []
    report = run_mounted_demo(SIZE, tmp_path, say=said.append, pace=PACE)
    assert not report.passed
    failed = [finding.claim for finding in report.findings if not finding.holds]
    assert any("integrity_check says error" in claim for claim in failed)
    assert "NOT all of it holds" in said[-1]


def test_what_fails_is_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Shop) -> None:
        raise errors.SplitMirrorError("the accident did not happen")

    monkeypatch.setattr(Shop, "corrupt", broken)
    with pytest.raises(errors.SplitMirrorError, match="did not happen"):
        run_mounted_demo(SIZE, tmp_path, say=lambda _: None, pace=PACE)


def test_without_root_it_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(errors.MountError, match="needs root"):
        run_mounted_demo(SIZE)
