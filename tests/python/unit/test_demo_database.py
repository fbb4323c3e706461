"""The demonstration's database: real, and really broken afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from splitmirror.demo import run_demo
from splitmirror.demo.database import Database
from splitmirror.errors import NoSpaceError

SIZE = 4 * 1024 * 1024


@pytest.fixture
def database(tmp_path: Path) -> Database:
    found = Database(tmp_path / "shop.db")
    found.build(SIZE)
    return found


def test_it_is_sound_and_large_enough(database: Database) -> None:
    assert SIZE <= database.path.stat().st_size < SIZE * 5 // 4
    assert database.integrity() == "ok"
    assert set(database.row_counts()) == {"customers", "orders", "documents"}
    assert [file.name for file in database.path.parent.glob("shop*")] == ["shop.db"]


def test_more_rows(database: Database) -> None:
    before = database.row_counts()
    database.add_rows(customers=3, documents=4)
    after = database.row_counts()
    assert after["customers"] == before["customers"] + 3
    assert after["documents"] == before["documents"] + 4
    assert after["orders"] == before["orders"]


def test_a_dropped_table_is_gone(database: Database) -> None:
    database.drop("orders")
    assert "orders" not in database.row_counts()


def test_overwritten_pages_are_found(database: Database) -> None:
    length = database.path.stat().st_size
    database.overwrite_pages(20)
    assert database.path.stat().st_size == length
    assert database.integrity() != "ok"


def test_a_cut_is_found(database: Database) -> None:
    database.cut()
    assert database.integrity() != "ok"


def test_a_folder_without_space_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(NoSpaceError, match="--folder"):
        run_demo(2**60, tmp_path)
    assert list(tmp_path.glob("splitmirror-demo-*")) == []
