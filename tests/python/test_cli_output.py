"""What the command writes: tables, JSON, odd paths, completion, doctor, the demonstration."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from commandline import COMMAND, make_pair, run, run_json
from helpers import KIB, digest, write_pattern
from splitmirror import MirrorPair

COMMANDS = [
    ["establish", "mirror"],
    ["split", "mirror"],
    ["refresh", "mirror", "--yes"],
    ["restore", "mirror", "--yes"],
    ["verify", "mirror"],
    ["seal", "mirror"],
    ["scrub", "mirror"],
    ["status", "mirror"],
    ["history", "mirror"],
    ["list", "."],
    ["config", "mirror"],
    ["config", "--example"],
    ["doctor", "."],
    ["hold", "mirror"],
    ["release", "mirror"],
    ["plan", "establish", "mirror"],
    ["plan", "restore", "mirror"],
    ["version"],
    ["completion", "bash"],
    ["detach", "mirror"],
    ["adopt", "mirror", "source", "--accept", "unsealed"],
]


@pytest.mark.parametrize("as_json", [True, False])
def test_every_command_in_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    source = tmp_path / "source"
    write_pattern(source, 300 * KIB, seed=21)
    good = digest(source)
    for arguments in [["create", "source", "mirror"], *COMMANDS]:
        if as_json:
            document = run_json(*arguments)
            assert document["schema"] >= 1
            assert document["kind"]
        else:
            out, _ = run(*arguments)
            assert out.strip()
            assert "\x1b" not in out
    assert digest(source) == digest(tmp_path / "mirror") == good


ODD = {
    "a newline": b"line\nbreak",
    "bytes that are no text": b"\xff\xfe",
    "an escape sequence": b"\x1b[31mred\x07",
    "blanks and quotes": b" a 'b' \"c\" ",
    "a dash": b"--yes",
    "markup": b"[bold]x",
    "the longest name": b"n" * (255 - len(".splitmirror")),
}


@pytest.mark.parametrize("what", ODD)
def test_paths_of_every_kind_work_and_stay_on_one_line(tmp_path: Path, what: str) -> None:
    folder = os.fsencode(tmp_path) + b"/" + ODD[what][:200]
    os.mkdir(folder)
    source, mirror = folder + b"/source", folder + b"/" + ODD[what]
    write_pattern(Path(os.fsdecode(source)), 100 * KIB)
    with MirrorPair.create(source, mirror) as pair:
        pair.refresh()
    for command, path in (("status", mirror), ("list", folder), ("restore", mirror)):
        out, err = run(command, path, code=8 if command == "restore" else 0)
        assert "\x1b" not in out + err
        assert "\x07" not in out + err
        if command == "restore":
            assert len(err.splitlines()) == 1
    assert digest(Path(os.fsdecode(source))) == digest(Path(os.fsdecode(mirror)))


def test_a_name_with_no_room_for_the_catalog_is_refused(tmp_path: Path) -> None:
    write_pattern(tmp_path / "source", 10 * KIB)
    for name in ("n" * 255, "n" * 256, "/".join(["d" * 200] * 30)):
        before = sorted(tmp_path.iterdir())
        error = run_json("create", tmp_path / "source", tmp_path / name, code=1)["error"]
        assert error["message"]
        assert sorted(tmp_path.iterdir()) == before


def test_relative_paths_are_kept_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pair(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run_json("status", "mirror")["mirror"] == str(tmp_path / "mirror")
    monkeypatch.chdir("/")
    run("restore", tmp_path / "mirror", "--yes")


def test_bash_completes_commands(tmp_path: Path) -> None:
    script, _ = run("completion", "bash")
    (tmp_path / "complete.bash").write_text(script)
    subprocess.run(["bash", "-n", tmp_path / "complete.bash"], check=True, timeout=60)
    environment = os.environ | {
        "_SPLITMIRROR_COMPLETE": "bash_complete",
        "COMP_WORDS": "splitmirror res",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        COMMAND, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert "restore" in done.stdout
    assert "resume-restore" in done.stdout or "res" in done.stdout


def test_doctor_answers_each_check(tmp_path: Path) -> None:
    entries = run_json("doctor", tmp_path)["entries"]
    assert len(entries) >= 5
    for entry in entries:
        assert entry["ok"] in (True, False, None)
        assert entry["detail"]
    assert run_json("doctor", tmp_path / "no" / "where", code=1)["error"]["id"] == "not-found"


def test_the_demonstration_passes_in_small(tmp_path: Path) -> None:
    document = run_json("demo", "--size", "2M", "--folder", tmp_path)
    assert document["passed"] is True
