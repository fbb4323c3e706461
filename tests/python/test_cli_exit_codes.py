"""Exit codes of the command, its errors as text and as JSON, its dry runs and its questions."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from commandline import at_terminal, make_pair, run, run_json
from evidence import unchanged
from helpers import digest, overwrite
from splitmirror import MirrorPair

# What the arguments are after a pair was made, split and sealed; the exit code; the error's id.
Case = tuple[Callable[[Path], None], list[str], int, str]


def nothing(folder: Path) -> None:
    """The pair as it is."""


def held(folder: Path) -> None:
    run("hold", folder / "mirror", "--reason", "audit")


def skewed(folder: Path) -> None:
    overwrite(folder / "mirror", 0, b"touched")


def without_catalog(folder: Path) -> None:
    shutil.rmtree(folder / "mirror.splitmirror")


def cut_short(folder: Path) -> None:
    os.truncate(folder / "mirror.splitmirror" / "catalog", 100)


def with_sidecar(folder: Path) -> None:
    (folder / "source-wal").write_bytes(b"a log")


CASES: dict[str, Case] = {
    "a missing source": (nothing, ["create", "nowhere", "other"], 1, "not-found"),
    "a mirror without catalog": (without_catalog, ["status", "mirror"], 1, "catalog-missing"),
    "a damaged catalog": (cut_short, ["status", "mirror"], 1, "catalog-corrupt"),
    "a folder as source": (nothing, ["create", ".", "other"], 2, "unsupported-area"),
    "a bad block size": (nothing, ["create", "source", "x", "--block-size", "5K"], 2, "argument"),
    "a bad size": (nothing, ["create", "source", "x", "--block-size", "5 apples"], 2, "usage"),
    "a bad range": (nothing, ["restore", "mirror", "--yes", "--range", "1G:1"], 2, "range"),
    "no range": (nothing, ["restore", "mirror", "--yes", "--range", "5"], 2, "usage"),
    "an unknown command": (nothing, ["mirror"], 2, "usage"),
    "an unknown option": (nothing, ["status", "mirror", "--fast"], 2, "usage"),
    "an unknown condition": (nothing, ["establish", "mirror", "--accept", "all"], 2, "usage"),
    "no arguments": (nothing, ["status"], 2, "usage"),
    "the wrong state": (nothing, ["split", "mirror"], 3, "state"),
    "nothing to resume": (nothing, ["resume-restore", "mirror", "--yes"], 3, "state"),
    "the source as its mirror": (nothing, ["create", "source", "source"], 8, "same-area"),
    "another pair's mirror": (nothing, ["create", "mirror", "third"], 8, "already-paired"),
    "a hold": (held, ["establish", "mirror", "--yes"], 8, "held"),
    "a skewed mirror": (skewed, ["seal", "mirror"], 8, "mirror-skewed"),
    "a sidecar": (with_sidecar, ["restore", "mirror", "--yes"], 8, "sidecar"),
    "a question": (nothing, ["restore", "mirror"], 8, "unconfirmed"),
}


@pytest.mark.parametrize("what", CASES)
def test_an_error_has_its_exit_code_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    prepare, arguments, code, kind = CASES[what]
    make_pair(tmp_path)
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    with unchanged(tmp_path, catalogs=False):
        document = run_json(*arguments, code=code)
        out, err = run(*arguments, code=code)
    assert (document["error"]["id"], document["error"]["exit_code"]) == (kind, code)
    assert document["error"]["message"]
    assert out == ""
    assert err.startswith(("splitmirror: ", "Usage: "))


def test_differences_exit_4_and_an_unreadable_pair_6(tmp_path: Path) -> None:
    source, mirror = make_pair(tmp_path)
    overwrite(source, 70_000, b"bad")
    assert run_json("verify", mirror, code=4)["matches"] is False
    overwrite(mirror, 70_000, b"bad")
    assert run_json("scrub", mirror, code=4)["intact"] is False
    cut_short(tmp_path)
    assert len(run_json("list", tmp_path, code=6)["entries"]) == 1


def test_a_pair_that_is_in_use_exits_5_and_status_works_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who could be asked would carry the commands out.
    monkeypatch.setenv("SPLITMIRROR_CONTROL", "0")
    source, mirror = make_pair(tmp_path)
    with MirrorPair.open(mirror):
        for command in ("establish", "verify", "restore", "detach", "seal"):
            error = run_json(command, mirror, code=5)["error"]
            assert (error["id"], error["fields"]["pid"]) == ("pair-in-use", os.getpid())
        assert run_json("status", mirror)["owner_pid"] == os.getpid()
        assert run_json("history", mirror)["entries"]
        assert len(run_json("list", tmp_path)["entries"]) == 1
    with source.open("rb"):
        error = run_json("restore", mirror, "--yes", code=5)["error"]
        assert error["id"] == "source-in-use"
        assert os.getpid() in error["fields"]["pids"]
        run("restore", mirror, "--yes", "--while-in-use")


DRY: dict[str, list[str]] = {
    "create": ["create", "source", "other", "--dry-run"],
    "create over data": ["create", "source", "data", "--overwrite", "--dry-run"],
    "establish": ["establish", "mirror", "--dry-run"],
    "refresh": ["refresh", "mirror", "--dry-run"],
    "restore": ["restore", "mirror", "--dry-run"],
    "restore elsewhere": ["restore", "mirror", "--to", "data", "--dry-run"],
    "plan establish": ["plan", "establish", "mirror"],
    "plan restore": ["plan", "restore", "mirror", "--full"],
}


@pytest.mark.parametrize("what", DRY)
def test_a_dry_run_changes_nothing_and_asks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    source, _ = make_pair(tmp_path)
    (tmp_path / "data").write_bytes(b"data of its own")
    overwrite(source, 0, b"bad")
    monkeypatch.chdir(tmp_path)
    with unchanged(tmp_path, catalogs=False):
        document = run_json(*DRY[what])
        text, _ = run(*DRY[what])
    assert document["kind"] in ("plan", "dry-run")
    assert text


QUESTIONS: dict[str, list[str]] = {
    "establish": ["establish", "mirror"],
    "refresh": ["refresh", "mirror"],
    "restore": ["restore", "mirror"],
    "restore over data": ["restore", "mirror", "--to", "data"],
    "create over data": ["create", "source", "data", "--overwrite"],
}


@pytest.mark.parametrize("what", QUESTIONS)
def test_a_question_is_never_answered_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    make_pair(tmp_path)
    (tmp_path / "data").write_bytes(b"data of its own")
    monkeypatch.chdir(tmp_path)
    with unchanged(tmp_path, catalogs=False):
        _, text = run(*QUESTIONS[what], code=8)
        assert "--yes" in text
        assert run_json(*QUESTIONS[what], code=8)["error"]["id"] == "unconfirmed"
        code, shown = at_terminal(*QUESTIONS[what], answer="n\n")
        assert code == 8, shown
        assert "Nothing was changed." in shown
        code, shown = at_terminal(*QUESTIONS[what], answer="\x03")
        assert code == 130, shown
    code, shown = at_terminal(*QUESTIONS[what], answer="y\n")
    assert code == 0, shown


def test_yes_answers_the_question(tmp_path: Path) -> None:
    source, mirror = make_pair(tmp_path)
    overwrite(source, 0, b"bad")
    document = json.loads(run("restore", mirror, "--yes", "--json")[0])
    assert document["complete"] is True
    assert digest(source) == digest(mirror)
