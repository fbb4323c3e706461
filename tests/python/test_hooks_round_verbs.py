"""Hooks with real pairs: freeze and thaw round a point in time, stop and start round a restore."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import digest, overwrite
from scenes import BLOCK, LENGTH, make_source
from several import Mode, make_mirror, same_bytes
from splitmirror import Hooks, MirrorPair, State, errors
from strace import run_injected
from told import Told, follows

MODES: tuple[Mode, ...] = ("exclusive", "shared")


@pytest.fixture(params=MODES)
def pair(request: pytest.FixtureRequest, any_fs: Path) -> Iterator[MirrorPair]:
    """A synchronized pair."""
    with make_mirror(make_source(any_fs), 0, mode=request.param) as pair:
        yield pair


# A sync of the mirror takes two seconds; a thread writes all the time and says when.
SLOW = """
import json, sys, threading, time
from splitmirror import Hooks, MirrorPair
pair = MirrorPair.open(sys.argv[1])
pair.write(0, b"0" * 100)
writes, events, stop = [], [], threading.Event()
def write():
    while not stop.is_set():
        pair.write(70_000, b"later")
        writes.append(time.monotonic())
        time.sleep(0.005)
thread = threading.Thread(target=write)
def event(name):
    return lambda: events.append([name, time.monotonic()])
thread.start()
time.sleep(0.1)
event("begin")()
report = pair.split(hooks=Hooks(freeze=event("freeze"), thaw=event("thaw")))
event("end")()
stop.set()
thread.join()
with pair.open_mirror() as mirror:
    content = mirror.read().hex()
print(json.dumps({"writes": writes, "events": events, "hooks": [h.hook for h in report.hooks],
                  "paused": report.writers_paused_seconds, "mirror": content}))
pair.close()
"""


@pytest.mark.parametrize("mode", MODES)
def test_writers_go_on_after_the_thaw_while_the_mirror_is_made_durable(
    tmp_path: Path, mode: Mode
) -> None:
    source = make_source(tmp_path)
    with make_mirror(source, 0, mode=mode) as pair:
        pass
    done = run_injected(
        SLOW,
        pair.mirror_path,
        calls="fsync,fdatasync",
        fault="delay_enter=2000000:when=1",
        path=pair.mirror_path,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [name for name, _ in found["events"]] == ["begin", "freeze", "thaw", "end"]
    assert found["hooks"] == ["freeze", "thaw"]
    at = dict(found["events"])
    assert at["end"] - at["begin"] > 1.9
    assert at["thaw"] - at["begin"] < 1
    assert found["paused"] < 1
    meanwhile = [when for when in found["writes"] if at["thaw"] < when < at["end"] - 0.1]
    assert len(meanwhile) > 20
    assert max(after - before for before, after in itertools.pairwise(meanwhile)) < 1
    assert bytes.fromhex(found["mirror"]) == pair.mirror_path.read_bytes()


def test_a_freeze_that_succeeds_makes_the_point_the_applications(pair: MirrorPair) -> None:
    told = Told(lambda: pair.state)
    pair.write(0, b"not flushed")
    report = pair.split(label="frozen", hooks=told.hooks, require="application")
    assert report.consistency == "application"
    assert told.names == ["freeze", "thaw"]
    assert told.found == {"freeze": State.SYNCHRONIZED, "thaw": State.SYNCHRONIZED}
    assert [(hook.hook, hook.ok) for hook in report.hooks] == [("freeze", True), ("thaw", True)]
    assert pair.status().consistency == "application"
    assert same_bytes(pair)


def test_a_freeze_that_fails_gives_a_lesser_point(pair: MirrorPair) -> None:
    told = Told(fails="freeze")
    pair.write(0, b"not flushed")
    report = pair.split(hooks=told.hooks)
    assert report.consistency in ("crash", "flushed")
    assert told.names == ["freeze", "thaw"]
    assert [(hook.hook, hook.ok) for hook in report.hooks] == [("freeze", False), ("thaw", True)]
    assert "RuntimeError: freeze does not work today" in report.hooks[0].detail
    assert pair.state is State.SPLIT


@pytest.mark.parametrize("fails", ["freeze", "no freeze", "no hooks"])
def test_nothing_is_split_when_less_is_reached_than_required(pair: MirrorPair, fails: str) -> None:
    told = Told(fails=fails)
    hooks = {"freeze": told.hooks, "no freeze": Hooks(thaw=told.hooks.thaw), "no hooks": None}
    generation = pair.status().generation
    with pytest.raises(errors.ConsistencyError) as caught:
        pair.split(require="application", hooks=hooks[fails])
    assert caught.value.required == "application"
    assert caught.value.reached in ("crash", "flushed")
    assert told.names == {"freeze": ["freeze", "thaw"], "no freeze": ["thaw"]}.get(fails, [])
    assert pair.status().generation == generation
    assert follows(pair)


def test_a_split_that_is_refused_thaws_what_it_froze(any_fs: Path) -> None:
    with make_mirror(make_source(any_fs), 0, mode="shared") as pair:
        overwrite(pair.source_path, 0, b"round the pair")
        told = Told()
        with pytest.raises(errors.OutsideWritesError):
            pair.split(hooks=told.hooks)
        assert told.names in (["freeze", "thaw"], [])
        pair.refresh(hooks=told.hooks)
        told = Told()
        # Refused by its state, it has told nobody.
        with pytest.raises(errors.StateError):
            pair.split(hooks=told.hooks)
        assert told.names == []


def test_a_refresh_freezes_after_it_has_copied(pair: MirrorPair) -> None:
    pair.split()
    pair.write(3 * BLOCK, b"changed since")
    states = Told(lambda: (pair.state, digest(pair.mirror_path) == digest(pair.source_path)))
    report = pair.refresh(label="nightly", hooks=states.hooks, require="application")
    assert states.names == ["freeze", "thaw"]
    assert states.found["freeze"] == (State.SYNCHRONIZED, True)
    assert report.split.consistency == "application"
    assert [hook.hook for hook in report.split.hooks] == ["freeze", "thaw"]
    told = Told(fails="freeze")
    with pytest.raises(errors.ConsistencyError):
        pair.refresh(require="application", hooks=told.hooks)
    assert told.names == ["freeze", "thaw"]
    assert follows(pair)
    # Without a freeze it is known beforehand, and the point that there was stays.
    pair.split(label="stays")
    with pytest.raises(errors.ConsistencyError):
        pair.refresh(require="application")
    assert (pair.state, pair.status().label) == (State.SPLIT, "stays")


def test_points_between_two_writes_that_belong_together(any_fs: Path) -> None:
    """An application that holds a lock while its two records differ; freeze takes that lock."""
    with make_mirror(make_source(any_fs), 0) as pair:
        lock, stop = threading.Lock(), threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                with lock:
                    pair.write(0, number.to_bytes(8, "little"))
                    pair.write(LENGTH - 8, number.to_bytes(8, "little"))

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(15):
                report = pair.refresh(hooks=Hooks(freeze=lock.acquire, thaw=lock.release))
                assert report.split.consistency == "application"
                content = pair.mirror_path.read_bytes()
                assert content[:8] == content[LENGTH - 8 : LENGTH]
        finally:
            stop.set()
            thread.join()


def test_a_database_at_rest_opens_from_its_mirror(any_fs: Path) -> None:
    source = any_fs / "shop.db"
    database = sqlite3.connect(source, isolation_level=None)
    database.execute("CREATE TABLE sales (number INTEGER, words TEXT)")
    rest = Hooks(freeze=lambda: database.execute("BEGIN IMMEDIATE"), thaw=database.rollback)
    with make_mirror(source, 0, mode="shared") as pair:
        for count in range(1, 4):
            database.executemany("INSERT INTO sales VALUES (?, ?)", [(count, "word" * 900)] * 50)
            # sqlite3 refuses other threads than the one that made the connection.
            report = pair.refresh(label=f"night {count}", hooks=rest)
            assert all(hook.ok for hook in report.split.hooks), report.split.hooks
            assert not database.in_transaction
            copy = shutil.copyfile(pair.mirror_path, any_fs / "copy.db")
            with sqlite3.connect(copy) as other:
                assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                assert other.execute("SELECT count(*) FROM sales").fetchone() == (count * 50,)
            other.close()
        database.close()


def test_commands_are_told_where_and_what(pair: MirrorPair, tmp_path: Path) -> None:
    note = tmp_path / "note"
    program = (
        "import os, sys; print(*[os.environ['SPLITMIRROR_' + name] for name in "
        "('HOOK', 'SOURCE', 'MIRROR', 'LABEL')], file=open(sys.argv[1], 'a'))"
    )
    command = [sys.executable, "-c", program, str(note)]
    report = pair.split(label="by command", hooks=Hooks(freeze=command, thaw=command))
    assert report.consistency == "application"
    both = f"{pair.source_path} {pair.mirror_path} by command"
    assert note.read_text().splitlines() == [f"freeze {both}", f"thaw {both}"]
