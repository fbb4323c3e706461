"""A file system on a loop device on a mounted volume, with databases on it.

A split under load is a point that a power cut could have left: e2fsck and the databases accept it.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import NotPermitted, wait_for
from conftest import run as tool
from helpers import MIB, digest
from mounts import exclusive, served_here
from splitmirror import MirrorPair

SIZE = 192 * MIB


class Files:
    """An ext4 on the volume, mounted through a loop device, and taken apart again."""

    def __init__(self, folder: Path, volume: Path) -> None:
        self.volume, self.place, self.device = volume, folder / "files", ""
        self.place.mkdir()

    def make(self) -> None:
        self.attach()
        tool("mkfs.ext4", "-q", self.device)

    def attach(self) -> None:
        self.device = tool("losetup", "--find", "--show", "--direct-io=on", self.volume)

    def mount(self) -> None:
        if not self.device:
            self.attach()
        tool("mount", self.device, self.place)

    def unmount(self) -> None:
        assert wait_for(lambda: tool("umount", self.place), seconds=20)
        self.detach()

    def detach(self) -> None:
        device, self.device = self.device, ""
        tool("losetup", "--detach", device)

    def clear(self) -> None:
        with contextlib.suppress(NotPermitted):
            tool("umount", "-l", self.place)
        if self.device:
            tool("losetup", "--detach", self.device)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[MirrorPair]:
    (mirror,) = exclusive(tmp_path, length=SIZE)
    with MirrorPair.open(mirror) as pair:
        yield pair


@pytest.fixture
def files(tmp_path: Path, pair: MirrorPair) -> Iterator[Files]:
    with served_here(pair, tmp_path / "mounted") as volume:
        files = Files(tmp_path, volume)
        try:
            files.make()
            files.mount()
        except NotPermitted as reason:
            pytest.skip(f"no loop device here: {reason}")
        try:
            yield files
        finally:
            files.clear()


@contextlib.contextmanager
def copied(mirror: Path, folder: Path) -> Iterator[Path]:
    """A copy of a split mirror, mounted for itself after e2fsck has found it sound."""
    image, place = folder / "copy", folder / "copied"
    shutil.copyfile(mirror, image)
    place.mkdir(exist_ok=True)
    # The log is replayed, which is no damage (1: errors were corrected would be).
    done = subprocess.run(["e2fsck", "-fp", image], check=False, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout
    assert "UNEXPECTED" not in done.stdout
    tool("mount", "-o", "loop", image, place)
    try:
        yield place
    finally:
        assert wait_for(lambda: tool("umount", place))
        image.unlink()


WRITER = """
import sqlite3, sys, time
path, number = sys.argv[1], int(sys.argv[2])
database = sqlite3.connect(path, timeout=60)
database.execute("PRAGMA synchronous=FULL")
print("ready", flush=True)
while True:
    with database:
        at = database.execute("SELECT coalesce(max(at), 0) + 1 FROM moves").fetchone()[0]
        # Two rows that make nothing together, in one transaction.
        database.execute("INSERT INTO moves VALUES (?, ?, ?)", (at, number, at * 7))
        database.execute("INSERT INTO moves VALUES (?, ?, ?)", (at, number, -at * 7))
"""


def state_of(path: Path) -> tuple[int, int, str]:
    """The number of rows, their sum, and what SQLite says of its file."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        count, total = database.execute("SELECT count(*), sum(amount) FROM moves").fetchone()
        return count, total or 0, database.execute("PRAGMA integrity_check").fetchone()[0]


@contextlib.contextmanager
def writers(path: Path, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-c", WRITER, str(path)]
    started = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(count)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield started
        assert [process.poll() for process in started] == [None] * count
    finally:
        for process in started:
            process.kill()
            assert process.stdout is not None
            process.stdout.close()
            process.wait()


def rows(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as database:
        found: int = database.execute("SELECT count(*) FROM moves").fetchone()[0]
        return found


def test_sqlite_in_wal_mode_from_several_processes(
    tmp_path: Path, pair: MirrorPair, files: Files
) -> None:
    path = files.place / "shop.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal"
        database.execute("CREATE TABLE moves (at INTEGER, who INTEGER, amount INTEGER)")
        database.commit()
    tool("sync", "-f", files.place)
    counts = []
    with writers(path, 3):
        for _ in range(4):
            before = rows(path)
            time.sleep(0.3)
            # Committed rows are on stable storage, so they are in any later point.
            committed = rows(path)
            pair.refresh()
            counts.append((before, committed))
            with copied(pair.mirror_path, tmp_path) as place:
                count, total, sound = state_of(place / "shop.db")
            assert (total, sound) == (0, "ok")
            assert count >= committed
            assert count % 2 == 0
    assert counts[-1][1] > counts[0][0], "nothing was written meanwhile"
    good = digest(pair.mirror_path)
    # The accident, and the way back.
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE moves SET amount = 1")
        database.commit()
    files.unmount()
    pair.start_restore(throttle=8 * MIB)
    files.mount()
    restored, total, sound = state_of(path)
    assert (total, sound) == (0, "ok")
    assert restored >= counts[-1][1]
    with writers(path, 2):
        time.sleep(0.3)
    job = pair.restore_job
    receipt = job.wait() if job else None
    assert receipt is None or (receipt.complete and receipt.mirror_unchanged)
    assert state_of(path)[1:] == (0, "ok")
    assert rows(path) > restored
    assert digest(pair.mirror_path) == good


def test_the_file_system_is_sound_in_every_split(
    tmp_path: Path, pair: MirrorPair, files: Files
) -> None:
    """Files are made, renamed, cut and removed all the time; splits fall where they fall."""
    ended = threading.Event()

    def work() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            folder = files.place / str(number % 7)
            folder.mkdir(exist_ok=True)
            (folder / "new").write_bytes(b"x" * (number * 3571 % 200_000))
            (folder / "new").rename(folder / str(number % 31))
            if number % 5 == 0:
                shutil.rmtree(files.place / str(number // 5 % 7), ignore_errors=True)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(6):
            pair.refresh()
            with copied(pair.mirror_path, tmp_path) as place:
                assert any(place.iterdir())
    finally:
        ended.set()
        worker.join()
    files.unmount()
    pair.establish()
    assert digest(pair.source_path) == digest(pair.mirror_path)
