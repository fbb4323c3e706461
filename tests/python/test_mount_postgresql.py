"""PostgreSQL under the load of pgbench on a mounted volume: split, corrupted, restored, started.

pgbench moves money: each transaction adds one number to an account, a teller and a branch, and
writes it into a history. So the four sums are equal in every state that may be seen.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import run as tool
from conftest import wait_for
from databases import SIZE, Database, programs, running
from mounts import need, need_fuse, served
from splitmirror import Hooks, MirrorPair, Mounted

from examples import Volume, configure, open_folder, write_zeros

SUMS = (
    "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM "
    "pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches), "
    "(SELECT coalesce(sum(delta), 0) FROM pgbench_history), (SELECT count(*) FROM pgbench_history)"
)


@contextlib.contextmanager
def mounted_volume() -> Iterator[tuple[Mounted, Volume]]:
    """A volume that a process of its own serves, with a file system that is mounted."""
    need_fuse()
    with open_folder() as folder:
        write_zeros(folder / "source", SIZE)
        with MirrorPair.create(folder / "source", folder / "mirror", mode="exclusive") as pair:
            pair.establish()
        with (
            served(folder / "mirror", folder / "run") as mounted,
            Volume(folder, mounted.volume).mounted() as shop,
        ):
            yield mounted, shop


def history(answer: str) -> int:
    """The length of the history, when all sums are equal."""
    *sums, count = map(int, answer.split("|"))
    assert len(set(sums)) == 1, answer
    return count


@contextlib.contextmanager
def bench(database: Database, seconds: int) -> Iterator[None]:
    """Two clients that work meanwhile."""
    command = ["pgbench", "-n", "-c", "2", "-T", str(seconds), "-U", "postgres", "postgres"]
    with subprocess.Popen(
        ["runuser", "-u", database.user, "--", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
    ) as process:
        yield
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait() == 0, said
        assert "number of failed transactions: 0" in said


def recovered(mirror: Path, database: Database) -> int:
    """Start a server on a copy of the mirror; the length of the history that it comes to."""
    folder = database.shop.folder
    image, place = folder / "copy", folder / "copied"
    place.mkdir(exist_ok=True)
    shutil.copyfile(mirror, image)
    done = subprocess.run(["e2fsck", "-fp", image], check=False, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout
    tool("mount", "-o", "loop", image, place)
    try:
        data = str(place / "data")
        (place / "data/postmaster.pid").unlink(missing_ok=True)
        options = f"-c unix_socket_directories={folder / 'sockets'} -c port=5999"
        log = str(database.place / "copy.log")
        database.as_user("pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")
        try:
            ask = ["psql", "-XqAt", "-p", "5999", "-U", "postgres", "-d", "postgres", "-c"]
            return history(database.as_user(*ask, SUMS))
        finally:
            database.as_user("pg_ctl", "-D", data, "-m", "fast", "stop")
            # Sound by its own checksums too, now that it has been stopped.
            database.as_user("pg_checksums", "-D", data, "--check")
    finally:
        assert wait_for(lambda: tool("umount", place))
        image.unlink()


def test_pgbench_goes_through_splits_and_a_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    # The hooks run in the process that serves, with its environment.
    monkeypatch.setenv("PATH", f"{programs()}:{os.environ['PATH']}:/usr/sbin:/sbin")
    need("pgbench", "e2fsck")
    with mounted_volume() as (mounted, shop), running(shop, monkeypatch) as database:
        pair = mounted.pair
        database.as_user("pgbench", "-q", "-i", "-s", "1", "-U", "postgres", "postgres")
        lengths = []
        with bench(database, 6):
            for _ in range(2):
                seen = history(database.ask(SUMS))
                # As a power cut would leave it: nobody is told.
                report = pair.refresh(hooks=Hooks()).split
                assert report.consistency in ("crash", "flushed")
                lengths.append(recovered(pair.mirror_path, database))
                # What was answered before is in the point.
                assert lengths[-1] >= seen
        assert lengths[1] > lengths[0]

        text = database.text.replace(" psql ", f" psql -h {database.place} ")
        configure(pair.catalog_path, text)
        point = history(database.ask(SUMS))
        assert pair.refresh().split.consistency == "application"
        database.ask("UPDATE pgbench_accounts SET abalance = abalance + 1")
        database.ask("DROP TABLE pgbench_tellers")
        job = pair.start_restore(throttle=16 << 20)
        assert history(database.ask(SUMS)) == point
        with bench(database, 1):
            pass
        receipt = job.wait(120)
        assert receipt.complete
        assert receipt.mirror_unchanged
        assert receipt.blocks_app_written > 0
        assert history(database.ask(SUMS)) > point
        assert [(hook.hook, hook.ok) for hook in receipt.hooks] == [
            (name, True) for name in ("stop", "unmount", "mount", "start")
        ]
