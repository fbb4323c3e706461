"""Plug-ins for formats: how they are found, and that none of their mistakes reaches a restore."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import documents
import pytest
from fake_pair import FakePair
from plugins import SCRIPTED, register
from splitmirror import _core, formats
from splitmirror._runs import RUNS_MAX
from splitmirror.errors import AreaIOError, ArgumentError, FormatError
from splitmirror.formats import _registry
from splitmirror.pair import MirrorPair

TEXT = b"# a text\nalpha 1\nbeta 2\n"


@pytest.fixture
def fake() -> FakePair:
    made = FakePair(source=TEXT, mirror=TEXT)
    made.answers["plan_restore"] = {**documents.PLAN, "source_length": len(TEXT)}
    return made


@pytest.fixture
def pair(fake: FakePair) -> MirrorPair:
    return MirrorPair(cast("_core.Pair", fake))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    before = dict(SCRIPTED.answers)
    register(monkeypatch, scripted="plugins:SCRIPTED")
    yield SCRIPTED.answers
    SCRIPTED.answers.clear()
    SCRIPTED.answers.update(before)


def restored(fake: FakePair) -> list[tuple[int, int]]:
    (found,) = (options["ranges"] for verb, options in fake.calls if verb == "restore")
    assert isinstance(found, list)
    return found


# --- Finding ----------------------------------------------------------------------------------


def test_the_built_in_formats_are_there_without_an_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(monkeypatch)
    assert formats.available() == ["npy", "npz", "hdf5"]


def test_the_built_in_formats_are_declared_as_they_are() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert project["project"]["entry-points"][formats.GROUP] == _registry._BUILT_IN


def test_a_plug_in_is_found_by_its_entry_point(
    pair: MirrorPair, fake: FakePair, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, lines="plugins:Lines")
    assert formats.available() == ["npy", "npz", "hdf5", "lines"]
    assert pair.members() == ["#", "alpha", "beta"]
    pair.restore(member="beta")
    assert restored(fake) == [(17, 7)]


def test_a_format_that_is_named_is_not_asked_whether_it_recognises(
    pair: MirrorPair, fake: FakePair, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, lines="plugins:Lines")
    fake.mirror[0:1] = fake.source[0:1] = b"*"
    with pytest.raises(ArgumentError, match=r"npy, npz, hdf5, lines recognises the mirror"):
        pair.members()
    assert pair.members("lines") == ["*", "alpha", "beta"]
    pair.restore(member="alpha", format="lines")
    assert restored(fake) == [(9, 8)]


def test_a_format_that_there_is_not(pair: MirrorPair) -> None:
    with pytest.raises(ArgumentError, match=r"no format 'fits', only npy, npz, hdf5") as caught:
        pair.restore(member="a", format="fits")
    assert caught.value.argument == "format"


def test_the_name_of_a_built_in_format_is_taken(
    pair: MirrorPair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    register(monkeypatch, npy="plugins:Lines")
    with caplog.at_level(logging.WARNING, "splitmirror"):
        assert formats.available() == ["npy", "npz", "hdf5"]
    assert "plugins:Lines" in caplog.text


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no_such_module:Format", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("plugins:NoSuchClass", "AttributeError"),
        ("plugins:register", "is no format 'broken'"),
        ("plugins:Lines", "is no format 'broken'"),
    ],
)
def test_a_plug_in_that_cannot_be_loaded(
    pair: MirrorPair, fake: FakePair, monkeypatch: pytest.MonkeyPatch, value: str, why: str
) -> None:
    register(monkeypatch, broken=value)
    with pytest.raises(FormatError) as caught:
        pair.restore(member="a")
    assert why in str(caught.value)
    assert value in str(caught.value)
    assert (caught.value.format, caught.value.plugin) == ("broken", value)
    assert not fake.calls


# --- Mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["recognises", "members", "extents"])
def test_a_plug_in_that_raises(
    pair: MirrorPair, fake: FakePair, answers: dict[str, Any], method: str
) -> None:
    answers[method] = error = ZeroDivisionError("by\nnought")
    with pytest.raises(FormatError) as caught:
        pair.restore(member="a")
    assert f"plugins:SCRIPTED for the format 'scripted' failed in {method}(" in str(caught.value)
    assert r"ZeroDivisionError: by\nnought" in str(caught.value)
    assert caught.value.__cause__ is error
    assert caught.value.plugin == "plugins:SCRIPTED"
    assert not fake.calls


def test_a_plug_in_speaks_for_itself_by_a_format_error(
    pair: MirrorPair, answers: dict[str, Any]
) -> None:
    answers["extents"] = FormatError("a is made of mist", member="a")
    # The source is asked after the mirror, so this is about the mirror.
    with pytest.raises(FormatError, match=r"^a is made of mist$") as caught:
        pair.restore(member="a")
    fields = {"format": "scripted", "member": "a", "plugin": "plugins:SCRIPTED"}
    assert caught.value.fields == fields


def test_a_mirror_that_cannot_be_read_is_no_fault_of_the_plug_in(
    pair: MirrorPair, answers: dict[str, Any]
) -> None:
    answers["members"] = AreaIOError("the medium is broken", errno=5, path="p")
    with pytest.raises(AreaIOError, match=r"^the medium is broken$"):
        pair.members()


def test_an_interrupt_is_left_alone(pair: MirrorPair, answers: dict[str, Any]) -> None:
    answers["members"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        pair.members()


END = len(TEXT)


@pytest.mark.parametrize(
    ("method", "answer", "why"),
    [
        ("recognises", "yes", "'yes' is neither True nor False"),
        ("recognises", None, "None is neither"),
        ("members", None, "None is no list of texts"),
        ("members", "alpha", "'alpha' is no list of texts"),
        ("members", [1], "[1] is no list of texts"),
        ("members", ["b", "a", "a"], "'a' is the name of more than one"),
        ("extents", None, "None is no list of extents"),
        ("extents", "ab", "'ab' is no list of extents"),
        ("extents", {(0, 1)}, "{(0, 1)} is no list of extents"),
        ("extents", [], "the list is empty"),
        ("extents", [(0, 1, 2)], "(0, 1, 2) is no pair"),
        ("extents", [0], "0 is no pair"),
        ("extents", [(0.0, 1)], "(0.0, 1) is no pair"),
        ("extents", [("0", "1")], "no pair of an offset"),
        ("extents", [(-1, 2)], "offset -1, length 2 is no place"),
        ("extents", [(0, 1), (5, 0)], "offset 5, length 0 is no place"),
        ("extents", [(5, -1)], "offset 5, length -1 is no place"),
        ("extents", [(0, END + 1)], f"length {END + 1} is no place in the file of {END} bytes"),
        ("extents", [(END, 1)], "is no place"),
        ("extents", [(2**70, 1)], "is no place"),
        ("extents", [(0, 1)] * (RUNS_MAX + 1), "1,048,577 extents are more than 1,048,576"),
    ],
)
def test_a_plug_in_that_gives_nonsense(
    pair: MirrorPair,
    fake: FakePair,
    answers: dict[str, Any],
    method: str,
    answer: Any,
    why: str,
) -> None:
    answers[method] = answer
    with pytest.raises(FormatError) as caught:
        pair.restore(member="a")
    message = str(caught.value)
    assert f"plugins:SCRIPTED for the format 'scripted' gave nonsense from {method}(" in message
    assert why in message
    assert "nothing was changed" in message
    assert not fake.calls


def test_a_member_that_there_is_not_is_told_with_those_that_there_are(
    pair: MirrorPair, answers: dict[str, Any]
) -> None:
    answers["members"] = [f"m{number}" for number in range(12)]
    with pytest.raises(ArgumentError, match=r"'x'; it has m0, .*, m9 and 2 more") as caught:
        pair.restore(member="x")
    assert caught.value.argument == "member"
    answers["members"] = []
    with pytest.raises(ArgumentError, match="it has none at all"):
        pair.restore(member="x")
