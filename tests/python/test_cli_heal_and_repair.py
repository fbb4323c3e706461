"""The commands `heal` and `repair`, and how `status` shows the mirrors beside one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commandline import at_terminal, run, run_json
from helpers import digest, overwrite
from scenes import BLOCK, cancelled_at_once, make_source
from several import make_mirror, mirror_place
from splitmirror import MirrorPair, State, status


@pytest.fixture
def healable(tmp_path: Path) -> tuple[Path, Path, Path, bytes]:
    """Source and mirror after a restore during which an application wrote; receipt; point."""
    source = make_source(tmp_path)
    with make_mirror(source, 0) as pair:
        pair.split(label="good")
        point = pair.mirror_path.read_bytes()
        pair.write(0, b"bad" * BLOCK)
        cancelled_at_once(pair.restore)
        pair.write(5 * BLOCK, b"written meanwhile")
        receipt = pair.resume_restore()
        assert receipt.blocks_app_written == 1
        assert source.read_bytes() != point
    file = tmp_path / "receipt.json"
    file.write_text(receipt.to_json())
    return source, mirror_place(source, 0), file, point


def test_heal_restores_what_was_written_meanwhile(
    healable: tuple[Path, Path, Path, bytes],
) -> None:
    source, mirror, file, point = healable
    before = source.read_bytes()
    error = run_json("heal", mirror, file, code=8)["error"]
    assert error["id"] == "unconfirmed"
    assert f"1 blocks of {source} (64.0 KiB)" in error["message"]
    assert source.read_bytes() == before
    receipt = run_json("heal", mirror, file, "--yes")
    assert (receipt["kind"], receipt["reason"]) == ("receipt", "app-written")
    assert receipt["complete"]
    assert receipt["blocks_examined"] == 1
    assert source.read_bytes() == point
    # It was good for once: the last restore is now the heal itself.
    assert run_json("heal", mirror, file, "--yes", code=3)["error"]["id"] == "stale-plan"


def test_heal_reads_a_receipt_from_stdin_and_asks_at_a_terminal(
    healable: tuple[Path, Path, Path, bytes],
) -> None:
    source, mirror, file, point = healable
    assert run_json("heal", mirror, "-", code=2)["error"]["id"] == "usage"
    code, _ = at_terminal("heal", mirror, file, answer="n\n")
    assert code == 8
    assert source.read_bytes() != point
    code, _ = at_terminal("heal", mirror, file, answer="y\n")
    assert code == 0
    assert source.read_bytes() == point


def test_what_the_command_restored_can_be_healed(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with make_mirror(source, 0, mode="shared") as pair:
        pair.split()
    overwrite(source, 0, b"bad")
    file = tmp_path / "receipt.json"
    file.write_text(run("restore", pair.mirror_path, "--yes", "--json")[0])
    receipt = run_json("heal", pair.mirror_path, file, "--yes")
    # Nobody wrote through the pair meanwhile.
    assert (receipt["complete"], receipt["blocks_copied"]) == (True, 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "7",
        "null",
        "no JSON",
        '{"kind": "establish"}',
        '{"kind": "receipt", "schema": 1}',
        '{"kind": "receipt", "schema": 99}',
        '{"kind": "receipt", "schema": "x"}',
        "[" * 5000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_receipt_is_refused(tmp_path: Path, text: str | bytes) -> None:
    file = tmp_path / "receipt.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    error = run_json("heal", tmp_path / "mirror", file, "--yes", code=2)["error"]
    assert error["id"] == "usage"
    assert "receipt" in error["message"]
    assert run_json("heal", tmp_path, tmp_path / "none", code=2)["error"]["id"] == "usage"


@pytest.mark.parametrize("field", ["conditions", "provenance", "mirror_stamp_before", "state"])
@pytest.mark.parametrize("value", [7, "x", ["x"], {"x": 1}, [[1]]])
def test_a_receipt_that_was_tampered_with_is_refused(
    healable: tuple[Path, Path, Path, bytes], field: str, value: Any
) -> None:
    source, mirror, file, _ = healable
    before = digest(source)
    file.write_text(json.dumps({**json.loads(file.read_text()), field: value}))
    error = run_json("heal", mirror, file, "--yes", code=2)["error"]
    assert error["id"] == "usage"
    assert digest(source) == before


def test_repair_rebuilds_a_mirror_from_another(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with make_mirror(source, 0) as good, make_mirror(source, 1) as other:
        good.split(label="good")
        other.write(0, b"later")
        other.split(label="later")
        good.seal()
    places = [mirror_place(source, number) for number in range(2)]
    # Neither the source nor an answer: only the second is needed.
    source.rename(source.with_name("away"))
    point, later = (place.read_bytes() for place in places)
    arguments: list[Path | str] = ["repair", places[1], "--from", places[0]]
    error = run_json(*arguments, code=8)["error"]
    assert error["id"] == "unconfirmed"
    assert "(later) is given up" in error["message"]
    assert places[1].read_bytes() == later != point
    report = run_json(*arguments, "--yes")
    assert (report["kind"], report["state"], report["label"]) == ("repair", "split", "good")
    assert places[1].read_bytes() == point
    assert run_json("scrub", places[1])["intact"] is True


def test_repair_of_one_that_follows_asks_too(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with make_mirror(source, 0, mode="shared") as pair, make_mirror(source, 1, mode="shared"):
        pair.split()
    places = [mirror_place(source, number) for number in range(2)]
    arguments: list[Path | str] = ["repair", places[1], "--from", places[0]]
    assert "follows the source" in run_json(*arguments, code=8)["error"]["message"]
    assert status(places[1]).state is State.SYNCHRONIZED
    # The other direction has nothing to copy: the other one is no point in time.
    wrong = run_json("repair", places[0], "--from", places[1], "--yes", code=2)["error"]
    assert wrong["id"] == "argument"
    run(*arguments, "--yes")
    assert status(places[1]).state is State.SPLIT


def test_repair_of_one_that_holds_nothing_needs_no_question(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with make_mirror(source, 0, mode="shared") as pair:
        pair.split(label="good")
        place = mirror_place(source, 1)
        place.parent.mkdir()
        MirrorPair.create(source, place).close()
    assert run_json("repair", place, "--from", pair.mirror_path)["label"] == "good"
    assert run_json("repair", place, code=2)["error"]["id"] == "usage"


def test_status_shows_the_other_mirrors_below_each_other(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with make_mirror(source, 0) as pair, make_mirror(source, 1), make_mirror(source, 2) as third:
        third.split()
        third.hold("audit")
    places = [mirror_place(source, number) for number in range(3)]
    out, _ = run("status", places[0])
    lines = [line.split(None, 1) for line in out.splitlines()]
    at = next(number for number, line in enumerate(lines) if line[0] == "siblings")
    found = {lines[at][1], " ".join(lines[at + 1])}
    assert found == {
        f"{places[1]}: synchronized, not open",
        f"{places[2]}: split, not open",
    }
    places[2].parent.rename(tmp_path / "away")
    with MirrorPair.open(pair.mirror_path):
        out, _ = run("status", places[0])
        assert f"{places[1]}: synchronized, open\n" in out
        assert f"{places[2]}: not open: " in out
    entries = run_json("status", places[0])["siblings"]
    assert {entry["mirror"]: entry["open"] for entry in entries} == {
        str(places[1]): False,
        str(places[2]): False,
    }
