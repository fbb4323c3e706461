"""%%guard in a real kernel: what it shows, and what it leaves of both sides."""

from __future__ import annotations

from pathlib import Path

import magics
import pytest
from helpers import digest

KEPT = "guard: changes are kept; the mirror follows again\n"
RESTORED = "guard: 1 block of the source restored; the mirror stays split with the point 'guard'\n"


@pytest.fixture(autouse=True)
def _pair(tmp_path: Path) -> None:
    magics.make_pair(tmp_path)


def sides(folder: Path) -> tuple[str, str]:
    """The digests of source and mirror."""
    return digest(folder / "source"), digest(folder / "source.mirror")


def test_a_cell_that_fails_is_restored_and_can_be_run_again(tmp_path: Path) -> None:
    good, _ = sides(tmp_path)
    bad = """
%%guard pair

pair.write(0, b"wrong")
kept = "names stay"
1 / 0
"""
    first, again, name, last = magics.run(
        tmp_path, bad, bad, "kept", '%%guard pair\npair.write(0, b"right");'
    )
    for number, shown in ((2, first), (3, again)):
        assert shown.startswith(RESTORED)
        assert shown.endswith("ERROR ZeroDivisionError\n")
        # The cell's own line, with its number in the cell as the reader sees it.
        assert f"Cell In[{number}], line 5\n" in shown
        assert "----> 5 1 / 0" in shown
        # What runs the cell is not what the reader looks for.
        assert "notebook.py" not in shown
        assert "guard.py" not in shown
    assert name == "execute_result 'names stay'\n"
    assert last == "guard: changes are kept; the mirror stays split with the point 'guard'\n"
    source, mirror = sides(tmp_path)
    assert mirror == good != source


def test_a_cell_that_ends_well_shows_its_last_value(tmp_path: Path) -> None:
    before, _ = sides(tmp_path)
    value, silent, statement = magics.run(
        tmp_path,
        '%%guard pair\npair.write(0, b"new")\n6 * 7',
        "%%guard pair\n6 * 7;",
        "%%guard pair\nfor n in range(3):\n    n",
    )
    assert value in (f"execute_result 42\n{KEPT}", f"{KEPT}execute_result 42\n")
    assert silent == statement == KEPT
    source, mirror = sides(tmp_path)
    assert source == mirror != before


def test_shell_lines_and_other_magics_work_in_the_cell(tmp_path: Path) -> None:
    (shown,) = magics.run(
        tmp_path, "%%guard pair\nnames = !echo one two\n%precision 2\nprint(names)"
    )
    assert "['one two']" in shown
    assert KEPT in shown


def test_a_new_point_can_be_asked_for(tmp_path: Path) -> None:
    refused, taken = magics.run(
        tmp_path,
        'pair.split(); pair.write(0, b"w")\n%reload_ext splitmirror\n'
        "get_ipython().run_cell_magic('guard', 'pair', 'print(1)')",
        "%%guard pair --new-point\nprint(2)",
    )
    assert "ERROR StateError" in refused
    assert "guard(new_point=True)" in refused
    assert "guard.py" not in refused
    assert taken == "2\n" + KEPT


def test_an_object_with_a_pair_and_a_path_name_one_too(tmp_path: Path) -> None:
    by_object, by_path = magics.run(
        tmp_path,
        "%%guard holder\npair.write(0, b'x')",
        "%%guard source.mirror\n1",
    )
    assert by_object.startswith("UsageError: there is no 'holder'.")
    # It is open in this kernel already, and that is what is told.
    assert "ERROR PairInUseError" in by_path
    by_object, by_path = magics.run(
        tmp_path,
        "import types\nholder = types.SimpleNamespace(pair=pair)\n"
        "get_ipython().run_cell_magic('guard', 'holder', 'print(1)')",
        "pair.close()\nget_ipython().run_cell_magic('guard', 'source.mirror', 'print(2)')",
    )
    assert by_object == "1\n" + KEPT
    assert by_path == "2\n" + KEPT


def test_what_cannot_be_compiled_splits_nothing(tmp_path: Path) -> None:
    shown, status = magics.run(tmp_path, "%%guard pair\nx = (\n", "print(pair.state)")
    assert "ERROR SyntaxError" in shown
    assert "x = (" in shown
    assert "guard:" not in shown
    assert status == "synchronized\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "%%guard NAME [--new-point]"),
        ("pair other", "%%guard NAME [--new-point]"),
        ("pair --new", "%%guard NAME [--new-point]"),
        ("pair '", "No closing quotation"),
        ("sys", "'sys' holds no MirrorPair"),
    ],
)
def test_wrong_use_is_one_line(tmp_path: Path, line: str, said: str) -> None:
    (shown,) = magics.run(tmp_path, f"%%guard {line}\nprint('not run')")
    assert shown.startswith(f"UsageError: {said}")
    assert shown.count("\n") == 1
    assert "not run" not in shown
