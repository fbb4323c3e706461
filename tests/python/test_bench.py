"""The bench in short form: every row, valid JSON, and a wrong result fails. No time is judged."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "benches" / "bench.py"
PEERS = {
    "establish": {"cp", "dd", "rsync"},
    "restore": {"cp", "rsync", "bare"},
    "verify": {"cmp", "qemu-img"},
    "seal": {"b3sum", "sha256sum", "openssl"},
    "start": {"python"},
}
OURS = {
    "establish": ["create, establish"],
    "restore": ["restore, tracked", "restore, compared"],
    "verify": ["verify"],
    "seal": ["seal"],
    "start": ["splitmirror status --json"],
}
# Each live row, and the peers that its figures are beside.
LIVE = {
    "writes": {"os.pwrite", "2 os.pwrite"},
    "wide": {"9 os.pwrite", "2 os.pwrite"},
    "threads": {"1 thread"},
    "splitting": {"bare, fsync of the 2nd file"},
    "returning": {"idle"},
    "footprint": set(),
    "arrays": {"np.memmap", "1000 os.pwrite"},
    "guarding": {"copy and copy back", "pwrite, fdatasync"},
    "serving": {"qemu quorum"},
}
TOOLS = sorted(set().union(*PEERS.values()) - {"bare", "python"})


def run_bench(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        sys.executable,
        BENCH,
        "--size",
        "8M",
        "--sparse",
        "2G",
        "--runs",
        "1",
        "--folder",
        folder,
    ]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, timeout=600
    )


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """The document and the tables of one run."""
    folder = tmp_path_factory.mktemp("bench")
    done = run_bench(folder, "--json", folder / "bench.json")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == ["bench.json"]
    return json.loads((folder / "bench.json").read_text()), done.stdout


def peers_of(row: dict[str, Any]) -> set[str]:
    return {one["name"].split()[0].rstrip(";") for one in row["contestants"] if not one["ours"]}


def test_all_rows_are_there(short: tuple[dict[str, Any], str]) -> None:
    document, tables = short
    assert (document["format"], document["size"], document["runs"]) == (1, 8 << 20, 1)
    missing = {one["tool"] for one in document["missing"]}
    rows = {row["name"]: row for row in document["rows"]}
    assert set(rows) == set(PEERS)
    for name, row in rows.items():
        assert peers_of(row) == PEERS[name] - missing
        assert [one["name"] for one in row["contestants"] if one["ours"]] == OURS[name]
        for one in row["contestants"]:
            assert len(one["seconds"]) == 1
            assert 0 < one["min"] <= one["median"] <= one["max"]
            assert one["peak_bytes"] > 0
            assert f"{one['name']}" in tables
        for ratios in row["ratios"].values():
            assert {peer.split()[0].rstrip(";") for peer in ratios} == peers_of(row)
        assert row["title"] in tables


def test_all_live_rows_are_there(short: tuple[dict[str, Any], str]) -> None:
    document, tables = short
    assert document["sparse"] == 2 << 30
    rows = {row["name"]: row for row in document["live"]}
    assert list(rows) == list(LIVE)
    for name, row in rows.items():
        assert row["title"] in tables
        assert {one["peer"] for one in row["figures"]} - {None} == LIVE[name]
        for one in row["figures"]:
            assert 0 <= one["min"] <= one["median"] <= one["max"]
            assert f"| {one['name']} |" in tables
            assert (one["ratio"] is not None) == (one["peer"] is not None)
            if one["ratio"]:
                assert len(one["peer_values"]) == len(one["values"])
                assert 0 < one["ratio"]["low"] <= one["ratio"]["median"] <= one["ratio"]["high"]


def test_each_promise_has_a_figure(short: tuple[dict[str, Any], str]) -> None:
    document, _ = short
    figures = [one for row in document["live"] for one in row["figures"]]
    promises = {
        key: sorted({one[key] for one in figures} - {None})
        for key in ("at_most", "at_least", "at_most_value")
    }
    # Bits of a bitmap: 32 MiB and 3 bits for each of the 32,768 blocks of 64 KiB.
    memory = 32 + 3 * (2 << 30) / 65536 / 8 / (1 << 20)
    assert promises == {
        "at_most": [1.1, 1.15, 1.25, 1.3, 1.5, 2.0],
        "at_least": [0.5, 0.95, 1.3, 10],
        "at_most_value": [2.0, 5.0, memory, 50.0, 200.0, 1000.0],
    }


@pytest.mark.parametrize("tool", TOOLS)
def test_a_peer_takes_part_or_is_named(tool: str, short: tuple[dict[str, Any], str]) -> None:
    document, tables = short
    hints = {one["tool"]: one["install"] for one in document["missing"]}
    if tool in hints:
        assert hints[tool] in tables
        assert shutil.which(tool) is None
        pytest.skip(f"{tool} is not installed ({hints[tool]})")
    assert tool in document["peers"]
    assert any(tool in peers_of(row) for row in document["rows"])


@pytest.mark.parametrize(
    ("tool", "row", "script"),
    [
        ("cp", "establish", 'for last; do :; done; head -c 8388608 /dev/zero > "$last"'),
        ("cmp", "verify", "exit 0"),
        ("sha256sum", "seal", "echo 00000000"),
        ("rsync", "restore", "exit 23"),
    ],
)
def test_a_wrong_result_fails(
    tool: str, row: str, script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    fake = programs / tool
    fake.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit 0\n{script}\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    done = run_bench(tmp_path / "files", "--rows", row, "--json", tmp_path / "no.json")
    assert done.returncode == 1
    assert f"bench: {tool}" in done.stderr
    assert not (tmp_path / "no.json").exists()
