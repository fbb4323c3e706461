"""A real PostgreSQL cluster on a volume, started and stopped by the hooks of the example."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import NotPermitted
from conftest import run as tool
from helpers import MIB
from mounts import need
from splitmirror import Hooks, config
from splitmirror.hooks import HookRun

from examples import Volume, configure, example

# Debian keeps the programs of each release apart, and on no PATH.
PLACES = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/bin")]

SIZE = 256 * MIB

# Nothing is written while the mirror is copied but what the test writes.
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{place}'
autovacuum = off
wal_level = minimal
max_wal_senders = 0
shared_buffers = 16MB
"""


def programs() -> Path:
    """The folder of the programs of PostgreSQL."""
    for place in PLACES:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    pytest.skip("PostgreSQL is not installed")


def user() -> str:
    """A user that PostgreSQL runs as; it refuses root."""
    for name in ("postgres", "nobody"):
        try:
            tool("id", name)
        except NotPermitted:
            continue
        return name
    pytest.skip("there is no user postgres and no nobody")


class Database:
    """A cluster on a volume, started and stopped as the example says."""

    def __init__(self, shop: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", f"{programs()}:{os.environ['PATH']}:/usr/sbin:/sbin")
        need("runuser")
        self.shop = shop
        self.place = shop.folder / "sockets"
        self.place.mkdir()
        self.user = user()
        monkeypatch.setenv("PGHOST", str(self.place))
        shutil.chown(self.place, self.user)
        shutil.chown(shop.mountpoint, self.user)
        data = shop.mountpoint / "data"
        self.as_user("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "-k")
        with (data / "postgresql.conf").open("a") as file:
            file.write(SETTINGS.format(place=self.place))
        places = {"/var/log/shop.log": self.place / "log", **shop.places}
        self.text = example("postgresql.toml", places)
        if self.user != "postgres":
            self.text = self.text.replace('"-u", "postgres"', f'"-u", "{self.user}"')
            self.text = self.text.replace(
                "-u postgres -- psql", f"-u {self.user} -- psql -U postgres"
            )
        folder = shop.folder / "hooks"
        folder.mkdir()
        configure(folder, self.text)
        self.hooks = config.load(folder).hooks

    def as_user(self, *command: str) -> str:
        done = subprocess.run(
            ["runuser", "-u", self.user, "--", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd="/",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def ask(self, statement: str) -> str:
        return self.as_user("psql", "-XqAt", "-U", "postgres", "-d", "postgres", "-c", statement)

    def start(self) -> None:
        hooks = Hooks(start=self.hooks.start, timeout=self.hooks.timeout)
        use = HookRun(hooks, source=self.shop.file, mirror=self.shop.mirror, label=None)
        use.after("start")
        assert use.warnings == ()

    def stop(self) -> None:
        hooks = Hooks(stop=self.hooks.stop, timeout=self.hooks.timeout)
        HookRun(hooks, source=self.shop.file, mirror=self.shop.mirror, label=None).before("stop")


@contextlib.contextmanager
def running(shop: Volume, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A running cluster with a table of a thousand rows."""
    made = Database(shop, monkeypatch)
    try:
        made.start()
        made.ask("CREATE TABLE sales AS SELECT g AS id FROM generate_series(1, 1000) AS g")
        yield made
    finally:
        made.stop()
