"""Plug-ins on real pairs: what one does wrong changes no byte of the source or of the mirror."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from commandline import run
from helpers import KIB, digest
from places import mixed, split_pair, spoil
from splitmirror import MirrorPair, errors
from splitmirror.formats import GROUP, _registry

LENGTH = 300 * KIB + 17


class Answers:
    """A plug-in of one member "a"; what a side is like is told by the file's first byte."""

    name = "answers"
    mirror: Any = ((0, 1),)
    source: Any = ((0, 1),)

    def recognises(self, file: BinaryIO) -> bool:
        return True

    def members(self, file: BinaryIO) -> list[str]:
        return ["a"]

    def extents(self, file: BinaryIO, member: str) -> Any:
        answer = self.mirror if file.read(1) == b"m" else self.source
        if isinstance(answer, BaseException):
            raise answer
        return answer(file) if callable(answer) else answer


ANSWERS = Answers()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def pair(source: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MirrorPair]:
    entry = EntryPoint("answers", f"{__name__}:ANSWERS", GROUP)
    monkeypatch.setattr(_registry, "entry_points", lambda group: [entry])
    content = b"m" + np.random.default_rng(6).bytes(LENGTH - 1)
    with split_pair(source, lambda path: path.write_bytes(content)) as made:
        # It differs everywhere, so begins with another byte.
        spoil(source)
        yield made


def answered(monkeypatch: pytest.MonkeyPatch, mirror: Any, source: Any) -> None:
    monkeypatch.setattr(ANSWERS, "mirror", mirror)
    monkeypatch.setattr(ANSWERS, "source", source)


@pytest.mark.parametrize(
    "extents",
    [
        [(100, 1000), (5, 10)],
        [(0, 5000), (3000, 9000), (3000, 9000)],
        [(70_000, 1), (70_001, 1), (70_002, 100_000)],
        [(LENGTH - 1, 1)],
        [(0, LENGTH)],
        [[np.int64(7), np.uint8(9)]],
        ((7, 9),),
    ],
    ids=["descending", "overlapping", "touching", "last", "all", "numpy", "tuples"],
)
def test_extents_in_any_order_and_over_each_other_are_restored_and_nothing_else(
    pair: MirrorPair, source: Path, monkeypatch: pytest.MonkeyPatch, extents: Any
) -> None:
    answered(monkeypatch, extents, extents)
    before, point = source.read_bytes(), pair.mirror_path.read_bytes()
    plain = [(int(offset), int(length)) for offset, length in extents]
    expected = mixed(before, point, plain)
    plan = pair.plan_restore(member="a", format="answers")
    assert source.read_bytes() == before
    receipt = pair.restore(member="a", format="answers")
    # Each byte is counted and copied once.
    assert plan.report.bytes == sum(length for _, length in plan.report.extents)
    assert receipt.bytes_copied == sum(map(int.__ne__, before, expected))
    assert source.read_bytes() == expected
    assert pair.mirror_path.read_bytes() == point


WRONG: dict[str, Any] = {
    "raises": ZeroDivisionError("nought"),
    "beyond": [(0, LENGTH + 1)],
    "behind": [(LENGTH, 1)],
    "negative": [(-1, 5)],
    "backwards": [(50, -10)],
    "empty": [(50, 0)],
    "none": [],
    "one good, one not": [(0, 10), (2**63, 2**63)],
    "no numbers": [("0", "1")],
    "fractions": [(0.5, 1.0)],
    "no list": 7,
    "closes the file": lambda file: file.close() or [file.tell()],
    "wants to write": lambda file: [(0, file.write(b"x"))],
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_for_the_mirror_is_an_error_of_the_plug_in(
    pair: MirrorPair, source: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    answered(monkeypatch, WRONG[wrong], [(0, 1)])
    before, point = source.read_bytes(), digest(pair.mirror_path)
    for verb in (pair.plan_restore, pair.restore):
        with pytest.raises(errors.FormatError, match="nothing was changed") as caught:
            verb(member="a", format="answers")
        assert (caught.value.format, caught.value.plugin) == ("answers", f"{__name__}:ANSWERS")
    assert source.read_bytes() == before
    assert digest(pair.mirror_path) == point


@pytest.mark.parametrize("wrong", [*WRONG, "elsewhere", "more of it"])
def test_what_is_wrong_for_the_source_is_a_member_that_has_moved(
    pair: MirrorPair, source: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    others: dict[str, Any] = {"elsewhere": [(1, 1)], "more of it": [(0, 1), (5, 1)]}
    answered(monkeypatch, [(0, 1)], {**WRONG, **others}[wrong])
    before, point = source.read_bytes(), digest(pair.mirror_path)
    for verb in (pair.plan_restore, pair.restore):
        with pytest.raises(errors.MemberMovedError, match="Nothing was changed") as caught:
            verb(member="a", format="answers")
        assert (caught.value.member, caught.value.format) == ("a", "answers")
    assert source.read_bytes() == before
    assert digest(pair.mirror_path) == point


def test_a_source_too_short_for_the_member_is_refused(
    pair: MirrorPair, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(monkeypatch, [(200_000, 1000)], [(200_000, 1000)])
    with source.open("rb+") as file:
        file.truncate(200_500)
    with pytest.raises(errors.MemberMovedError, match="200500 bytes"):
        pair.restore(member="a", format="answers")
    assert source.stat().st_size == 200_500
    # To another place it goes: that is of the mirror alone.
    scratch = source.with_name("scratch")
    pair.restore(member="a", format="answers", to=scratch)
    assert scratch.read_bytes()[200_000:201_000] == pair.mirror_path.read_bytes()[200_000:201_000]


def test_an_interrupt_in_a_plug_in_ends_the_restore_before_it_begins(
    pair: MirrorPair, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(monkeypatch, [(0, 1)], KeyboardInterrupt())
    before = source.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        pair.restore(member="a", format="answers")
    assert source.read_bytes() == before
    assert not pair.status().pending_blocks


def test_a_plug_in_may_use_the_pair_it_is_asked_about(
    pair: MirrorPair, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looks(_: BinaryIO) -> list[tuple[int, int]]:
        # Reading and looking do not wait for the restore that asks.
        assert pair.status().state == "split"
        assert len(pair.read(0, 10)) == 10
        return [(0, 10)]

    answered(monkeypatch, looks, looks)
    before = source.read_bytes()
    pair.restore(member="a", format="answers")
    assert source.read_bytes() == mixed(before, pair.mirror_path.read_bytes(), [(0, 10)])


def test_the_command_line_ends_with_1_and_names_the_plug_in(
    pair: MirrorPair, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry point of a package that is really installed, in another process."""
    package = tmp_path / "site"
    (package / "broken_format-1.dist-info").mkdir(parents=True)
    (package / "broken_format-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: broken-format\nVersion: 1\n"
    )
    (package / "broken_format-1.dist-info" / "entry_points.txt").write_text(
        f"[{GROUP}]\nbroken = broken_format:Broken\n"
    )
    (package / "broken_format.py").write_text(
        "class Broken:\n"
        "    name = 'broken'\n"
        "    def recognises(self, file): return True\n"
        "    def members(self, file): return ['a']\n"
        "    def extents(self, file, member): raise RuntimeError('no idea')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(package))
    mirror, before = pair.mirror_path, source.read_bytes()
    pair.close()
    assert run("members", mirror, "--format", "broken")[0].split() == ["a"]
    _, said = run("restore", mirror, "--member", "a", "--yes", code=1)
    assert "broken_format:Broken of broken-format" in said
    assert "RuntimeError: no idea" in said
    assert source.read_bytes() == before
