"""The command line restores slices and members: --index, --member, --format, and `members`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from commandline import run, run_json
from places import split_pair, spoil
from splitmirror.cli.places import array_index
from splitmirror.layout import ArrayLayout

TABLE = np.arange(30_000, dtype="<f8").reshape(300, 100)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("10_000:20_000, :", (slice(10_000, 20_000), slice(None))),
        ("-1", (-1,)),
        ("+3,", (3,)),
        ("..., 5", (..., 5)),
        ("::2", (slice(None, None, 2),)),
        (" 1 : -2 ", (slice(1, -2),)),
    ],
)
def test_an_index_is_read_as_python_has_it(text: str, index: object) -> None:
    assert array_index(text) == index


@pytest.mark.parametrize(
    "text", ["", " ", "a", "1.5", "1:2:3:4", "1,,2", "0x10", "__import__('os')", "[1, 2]", "1_"]
)
def test_what_is_no_index_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        array_index(text)


def test_a_slice(tmp_path: Path) -> None:
    source = tmp_path / "table.npy"
    with split_pair(source, lambda path: np.save(path, TABLE)) as pair:
        mirror = pair.mirror_path
    with source.open("rb") as file:
        layout = ArrayLayout.from_npy(file)
    spoil(source, [(layout.offset, layout.nbytes)])
    plan = run_json("restore", mirror, "--index", "100:200, :", "--dry-run")
    assert plan["bytes"] == 100 * 100 * 8
    assert plan == run_json("plan", "restore", mirror, "--index", "100:200")
    run("restore", mirror, "--index", "100:200, :", "--yes")
    found = np.load(source)
    assert np.array_equal(found[100:200], TABLE[100:200])
    assert not (found[:100] == TABLE[:100]).any()
    _, said = run("restore", mirror, "--index", "0:100:2", "--yes", code=2)
    assert "step" in said


def test_a_member(tmp_path: Path) -> None:
    source = tmp_path / "tables.npz"
    with split_pair(source, lambda path: np.savez(path, one=TABLE, two=TABLE + 1)) as pair:
        mirror = pair.mirror_path
        good = source.read_bytes()
        (offset, length), _ = pair._wanted_ranges(_two()) or []
    assert run("members", mirror)[0].splitlines() == ["one", "two"]
    assert run_json("members", mirror)["entries"] == ["one", "two"]
    spoil(source, [(offset + length // 2, 1000)])
    run("restore", mirror, "--member", "two", "--format", "npz", "--yes")
    assert source.read_bytes() == good
    assert "one, two" in run("restore", mirror, "--member", "three", "--yes", code=2)[1]
    document = run_json("members", mirror, "--format", "tar", code=2)
    assert document["error"]["id"] == "argument"


def _two() -> Any:
    from splitmirror.pair._places import Wanted

    return Wanted(member="two")


def test_a_file_without_members(tmp_path: Path) -> None:
    with split_pair(tmp_path / "text", lambda path: path.write_bytes(b"text" * 99)) as pair:
        mirror = pair.mirror_path
    run("members", mirror, code=2)
    run("restore", mirror, "--index", "0", "--yes", code=2)


def test_a_dry_run_shows_the_extents_and_writes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "table.npy"
    with split_pair(source, lambda path: np.save(path, TABLE)) as pair:
        mirror = pair.mirror_path
    spoilt = spoil(source, [(128, TABLE.nbytes)])
    for command in (("restore", mirror, "--dry-run"), ("plan", "restore", mirror)):
        out, _ = run(*command, "--index", "-1, 50:")
        assert f"extents        {128 + TABLE.nbytes - 400:,}+400" in out
        assert run_json(*command, "--member", "array")["extents"] == [[128, TABLE.nbytes]]
    assert source.read_bytes() == spoilt
    run("restore", mirror, "--index", "-1, 50:", "--yes")
    assert np.array_equal(np.load(source)[-1, 50:], TABLE[-1, 50:])
    assert not (np.load(source)[-1, :50] == TABLE[-1, :50]).any()


@pytest.mark.parametrize(
    "options",
    [
        ("--index", "0", "--range", "0:1"),
        ("--index", "0", "--member", "array"),
        ("--member", "array", "--full"),
        ("--format", "npy"),
        ("--index", "5:5"),
        ("--index", "300"),
        ("--index", "0, 0, 0"),
        ("--index", "1" * 5_000),
        ("--index", ""),
        ("--member", ""),
    ],
    ids=lambda options: " ".join(options)[:30],
)
def test_what_cannot_be_used_ends_with_2(tmp_path: Path, options: tuple[str, ...]) -> None:
    source = tmp_path / "table.npy"
    with split_pair(source, lambda path: np.save(path, TABLE)) as pair:
        mirror = pair.mirror_path
    spoilt = spoil(source, [(128, TABLE.nbytes)])
    for command in (("restore", mirror, "--yes"), ("plan", "restore", mirror)):
        run(*command, *options, code=2)
    assert source.read_bytes() == spoilt


def test_a_slice_of_a_source_that_is_another_array_now_ends_with_8(tmp_path: Path) -> None:
    source = tmp_path / "table.npy"
    with split_pair(source, lambda path: np.save(path, TABLE)) as pair:
        mirror = pair.mirror_path
    np.save(source, TABLE.T.copy())
    for options in (("--index", "0"), ("--member", "array")):
        document = run_json("restore", mirror, *options, "--yes", code=8)
        assert document["error"]["id"] == "member-moved"
        assert document["error"]["fields"]["member"] == "array"
    assert np.array_equal(np.load(source), TABLE.T)
