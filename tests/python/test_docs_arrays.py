"""The page on arrays: its code runs, in its order, and its words are those of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import splitmirror
from splitmirror import MirrorPair
from splitmirror.arrays import Mirroring, Tracking
from splitmirror.notebook import VERBS

PAGE = (Path(__file__).parents[2] / "docs" / "arrays.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_code_runs_from_the_first_line_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks("python"):
        exec(compile(block, "docs/arrays.md", "exec"), names)
    said = capsys.readouterr().out
    assert "1 view, 4000128 bytes" in said or "1 view, 4063232 bytes" in said
    assert "of the source restored" in said
    live = names["live"]
    assert isinstance(live, splitmirror.ArrayPair)
    live.close()


def test_the_plug_in_of_the_page_is_one() -> None:
    from splitmirror.formats import Format

    names: dict[str, object] = {}
    (text,) = (block for block in blocks("python") if "class Lines" in block)
    exec(text, names)
    lines = names["Lines"]
    assert isinstance(lines, type)
    assert isinstance(lines(), Format)


def test_what_it_names_exists() -> None:
    for name in re.findall(r"`pair\.(\w+)\(", PAGE):
        assert hasattr(MirrorPair, name), name
    for name in re.findall(r"`(\w+Error)`", PAGE):
        assert hasattr(splitmirror.errors, name), name
    assert set(re.findall(r'tracking="([\w-]+)"', PAGE)) == set(get_args(Tracking))
    assert set(re.findall(r'mirroring="([\w-]+)"', PAGE)) == set(get_args(Mirroring))
    (listed,) = re.findall(r"%mirror status live +# (.*)", PAGE)
    assert listed.split(", ") == ["status", "split", "restore", "establish", "refresh"]
    assert set(listed.split(", ")) == set(VERBS)
