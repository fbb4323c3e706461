"""A real PostgreSQL on a mounted volume: it is stopped, restored and started, and answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from commandline import run, run_json
from conftest import run as tool
from databases import SIZE, Database, programs, running
from splitmirror import MirrorPair

from examples import configure, served_volume, volume


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """One whose files are written round the pair."""
    programs()
    with volume(SIZE) as shop, running(shop, monkeypatch) as made:
        yield made


def ran(hooks: Any) -> list[tuple[str, bool, str]]:
    return [(hook["hook"], hook["ok"], hook["detail"]) for hook in hooks]


RESTORED = [(name, True, "") for name in ("stop", "unmount", "mount", "start")]


def test_a_database_is_restored_and_answers(database: Database) -> None:
    shop = database.shop
    with MirrorPair.create(shop.file, shop.mirror) as pair:
        configure(pair.catalog_path, database.text)
    database.ask("CHECKPOINT")
    shop.settle()
    before = database.ask("SELECT redo_lsn FROM pg_control_checkpoint()")
    report = run_json("refresh", shop.mirror)["split"]
    assert ran(report["hooks"]) == [("freeze", True, "")]
    # The hook has made a checkpoint, in the running cluster.
    assert database.ask("SELECT redo_lsn FROM pg_control_checkpoint()") != before

    for corruption in ("DROP TABLE sales", "UPDATE sales SET id = -id"):
        database.ask(corruption)
        database.ask("CREATE TABLE nonsense AS SELECT 1")
        receipt = run_json("restore", shop.mirror, "--yes")
        assert ran(receipt["hooks"]) == RESTORED
        assert receipt["mirror_unchanged"]
        assert database.ask("SELECT count(*), sum(id) FROM sales") == "1000|500500"
        assert database.ask("SELECT to_regclass('nonsense') IS NULL") == "t"
        # It goes on.
        database.ask("INSERT INTO sales VALUES (1001)")
        assert database.ask("SELECT count(*) FROM sales") == "1001"

    # The worst of days: the server was killed, its files are gone, and it was unmounted.
    database.as_user("pg_ctl", "-D", str(shop.mountpoint / "data"), "-m", "immediate", "stop")
    shutil.rmtree(shop.mountpoint / "data/base")
    tool("umount", shop.mountpoint)
    assert ran(run_json("restore", shop.mirror, "--yes")["hooks"]) == RESTORED
    assert database.ask("SELECT count(*), sum(id) FROM sales") == "1000|500500"


def test_nothing_is_restored_while_somebody_keeps_it_mounted(database: Database) -> None:
    shop = database.shop
    with MirrorPair.create(shop.file, shop.mirror) as pair:
        configure(pair.catalog_path, database.text)
    shop.settle()
    run("refresh", shop.mirror)
    database.ask("INSERT INTO sales VALUES (1001)")
    with (shop.mountpoint / "data/PG_VERSION").open():
        _, err = run("restore", shop.mirror, "--yes", code=1)
    assert "The unmount hook failed, so nothing was restored" in err
    assert "busy" in err
    # It was stopped, and is running again.
    assert database.ask("SELECT count(*) FROM sales") == "1001"


def test_a_database_on_a_served_volume_answers_while_it_is_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs()
    told = [(name, "") for name, _, _ in RESTORED]
    with served_volume(SIZE) as (pair, shop), running(shop, monkeypatch) as database:
        configure(pair.catalog_path, database.text)
        # In the middle of its work, nothing of it written by the file system yet.
        database.ask("INSERT INTO sales SELECT g FROM generate_series(1001, 2000) AS g")
        report = pair.split(label="good", require="application")
        assert [(hook.hook, hook.detail) for hook in report.hooks] == [("freeze", "")]
        database.ask("UPDATE sales SET id = -id")
        database.ask("CREATE TABLE nonsense AS SELECT g FROM generate_series(1, 100000) AS g")
        database.ask("CHECKPOINT")

        job = pair.start_restore(throttle=1)
        assert [(hook.hook, hook.detail) for hook in job.hooks] == told
        assert database.ask("SELECT count(*), sum(id) FROM sales") == "2000|2001000"
        assert database.ask("SELECT to_regclass('nonsense') IS NULL") == "t"
        database.ask("INSERT INTO sales VALUES (2001)")
        assert job.running
        job.throttle(None)
        receipt = job.wait(120)
        assert receipt.complete
        assert receipt.mirror_unchanged
        assert receipt.hooks == job.hooks
        assert receipt.blocks_app_written > 0
        assert database.ask("SELECT count(*), sum(id) FROM sales") == "2001|2003001"
        # The same point once more, all at once, now by the restore that waits.
        database.ask("DROP TABLE sales")
        assert pair.restore().complete
        assert database.ask("SELECT count(*), sum(id) FROM sales") == "2000|2001000"
