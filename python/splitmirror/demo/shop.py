"""The application of the mounted demonstration: a shop that knows nothing of splitmirror.

``python -m splitmirror.demo.shop start|stop|run DATABASE`` is what a service manager would call.
It moves money between accounts, in one transaction after the other, each of them durable.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ACCOUNTS", "Shop"]

ACCOUNTS = 1000
PAGE_SIZE = 4096
# About half a page each.
DOCUMENT_BYTES = 1900
START_SECONDS = 20.0

SCHEMA = f"""
CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE moves (id INTEGER PRIMARY KEY, giver INTEGER, taker INTEGER, amount INTEGER);
CREATE TABLE documents (id INTEGER PRIMARY KEY, content BLOB NOT NULL);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS})
INSERT INTO accounts SELECT i, 0 FROM n;
"""


class Shop:
    """One database, and the process that works on it."""

    def __init__(self, database: Path) -> None:
        self.path = database

    # --- The data ------------------------------------------------------------------------------

    def build(self, size: int) -> None:
        """Make the database, with so many bytes of documents."""
        with self._connection() as connection:
            connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(SCHEMA)
            connection.execute(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                f"INSERT INTO documents SELECT i, randomblob({DOCUMENT_BYTES}) FROM n",
                (max(1, size * 2 // PAGE_SIZE),),
            )
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def state(self) -> tuple[int, int, int, str]:
        """Moves, the sum of all balances (0 when all is well), documents, and what is broken.

        Whatever cannot be asked any more is a finding, not an error.
        """
        try:
            with self._connection() as connection:
                moves = connection.execute("SELECT count(*) FROM moves").fetchone()[0]
                total = connection.execute("SELECT sum(balance) FROM accounts").fetchone()[0]
                documents = connection.execute("SELECT count(*) FROM documents").fetchone()[0]
                found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
                return moves, total, documents, str(found)
        except sqlite3.DatabaseError as error:
            return 0, 0, 0, f"error: {error}"

    def moves(self) -> int:
        """How many moves there are; 0 when that cannot be asked."""
        with contextlib.suppress(sqlite3.DatabaseError), self._connection() as connection:
            found: int = connection.execute("SELECT count(*) FROM moves").fetchone()[0]
            return found
        return 0

    def corrupt(self) -> None:
        """What a faulty release does: money from nowhere, and every document written anew."""
        with self._connection() as connection:
            connection.execute("UPDATE accounts SET balance = balance + id")
            connection.execute(f"UPDATE documents SET content = randomblob({DOCUMENT_BYTES})")

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        opened = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        with contextlib.closing(opened) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            yield connection

    # --- The process ---------------------------------------------------------------------------

    @property
    def _number(self) -> Path:
        # Beside the file system on which the database lies, for that is unmounted and restored.
        return self.path.parent.with_suffix(".pid")

    def pid(self) -> int | None:
        """The process that works on it, if it runs."""
        try:
            pid = int(self._number.read_text())
            os.kill(pid, 0)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return pid

    def start(self) -> None:
        """Start it and wait until it works; nothing when it does already."""
        if self.pid() is not None:
            return
        with open(self.path.parent.with_suffix(".log"), "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "splitmirror.demo.shop", "run", str(self.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        assert process.stdout is not None
        with process.stdout as pipe:
            ready = select.select([pipe], [], [], START_SECONDS)[0] and pipe.readline()
        if not ready:
            process.kill()
            raise SystemExit(f"the shop did not start; see {log.name}")
        # Nobody's to wait for: it is a service.
        process.returncode = 0

    def stop(self) -> None:
        """Stop it and wait until it is gone; nothing when it does not run."""
        pid = self.pid()
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process = os.pidfd_open(pid)
            os.kill(pid, signal.SIGTERM)
            select.select([process], [], [], START_SECONDS)
            os.close(process)

    def run(self) -> None:
        """Work until a signal ends it."""
        self._number.write_text(str(os.getpid()))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        chooser = random.Random()
        try:
            with self._connection() as connection:
                print("ready", flush=True)
                while True:
                    giver, taker = chooser.sample(range(1, ACCOUNTS + 1), 2)
                    self._move(connection, giver, taker, chooser.randint(1, 100))
                    time.sleep(0.001)
        finally:
            self._number.unlink(missing_ok=True)

    @staticmethod
    def _move(connection: sqlite3.Connection, giver: int, taker: int, amount: int) -> None:
        change = "UPDATE accounts SET balance = balance + ? WHERE id = ?"
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(change, (-amount, giver))
        connection.execute(change, (amount, taker))
        connection.execute(
            "INSERT INTO moves (giver, taker, amount) VALUES (?, ?, ?)", (giver, taker, amount)
        )
        connection.execute("COMMIT")


if __name__ == "__main__":
    getattr(
        Shop(Path(sys.argv[2])), {"start": "start", "stop": "stop", "run": "run"}[sys.argv[1]]
    )()
