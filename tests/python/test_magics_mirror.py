"""%mirror in a real kernel, and the command line beside the notebook that has the pair open."""

from __future__ import annotations

from pathlib import Path

import magics
import pytest
from helpers import digest


@pytest.fixture(autouse=True)
def _pair(tmp_path: Path) -> None:
    magics.make_pair(tmp_path)


def test_each_verb_shows_its_report(tmp_path: Path) -> None:
    shown = magics.run(
        tmp_path,
        "%mirror status",
        "%mirror split pair",
        'n = pair.write(0, b"wrong")\n%mirror restore pair',
        "%mirror establish",
        "report = %mirror refresh\nprint(type(report).__name__)",
    )
    for output, caption in zip(shown, ("status", "split", "receipt", "establish"), strict=False):
        assert output.startswith('execute_result <div class="splitmirror">')
        assert f"<caption>{caption}</caption>" in output
    assert shown[4] == "RefreshReport\n"
    assert digest(tmp_path / "source") == digest(tmp_path / "source.mirror")


def test_a_pair_that_many_names_hold_is_one(tmp_path: Path) -> None:
    (shown,) = magics.run(
        tmp_path,
        "import types\nalias = pair\nholder = types.SimpleNamespace(pair=pair)\n%mirror status",
    )
    assert "<caption>status</caption>" in shown


def test_wrong_use_is_one_line(tmp_path: Path) -> None:
    verb, many, name, closed = magics.run(
        tmp_path,
        "%mirror rewind",
        "%mirror status pair pair",
        "%mirror status nobody",
        "pair.close()\n%mirror status",
    )
    assert verb.startswith("UsageError: %mirror status|split|restore|establish|refresh [NAME]")
    assert many == verb
    assert name.startswith("UsageError: there is no 'nobody'.")
    assert closed.startswith("UsageError: which one? there is no pair.")


def test_which_of_several_pairs_has_to_be_said(tmp_path: Path) -> None:
    (shown,) = magics.run(
        tmp_path,
        "other = splitmirror.MirrorPair.create('source', 'second', mode='exclusive')\n"
        "%mirror status",
    )
    assert shown.startswith("UsageError: which one? the pairs are other, pair.")


def test_an_error_of_a_verb_is_an_error_of_the_cell(tmp_path: Path) -> None:
    (shown,) = magics.run(tmp_path, "%mirror restore")
    assert "ERROR StateError" in shown


def test_the_command_line_works_beside_the_open_pair(tmp_path: Path) -> None:
    status, listed, verb = magics.run(
        tmp_path,
        "!splitmirror status source.mirror",
        "!splitmirror list --json .",
        "!splitmirror split source.mirror",
    )
    assert "synchronized" in status
    assert "owner pid" in status
    # IPython runs it on a terminal, where tables are folded.
    assert '"kind": "list"' in listed
    # The kernel has it open, and carries it out.
    assert "consistency" in verb
    assert "already open in process" not in verb
