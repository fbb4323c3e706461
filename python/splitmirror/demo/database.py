"""The demonstration's application: a real SQLite database, and what can go wrong with it.

Every function opens a connection and closes it again, as the steps of an application would.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

__all__ = ["Database"]

PAGE_SIZE = 4096
# One document fills about half a page, so that a page overwritten is a tree page broken.
DOCUMENT_BYTES = 1900

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, cents INTEGER NOT NULL);
CREATE TABLE documents (id INTEGER PRIMARY KEY, orders INTEGER NOT NULL, content BLOB NOT NULL);
CREATE INDEX orders_of_customer ON orders (customer);
"""

NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) "
ROWS = {
    "customers": "INSERT INTO customers (name, city) SELECT 'customer ' || hex(randomblob(8)), "
    "'city ' || (i % 97) FROM n",
    "orders": "INSERT INTO orders (customer, cents) SELECT 1 + abs(random()) % 2000, i * 7 FROM n",
    "documents": "INSERT INTO documents (orders, content) SELECT 1 + i % 20000, "
    f"randomblob({DOCUMENT_BYTES}) FROM n",
}


class Database:
    """One SQLite file with three tables and an index."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # The same pages in each run, so that a run can be repeated.
        self._chooser = random.Random(1998)

    def build(self, size: int) -> None:
        """Make the file and fill it until it has at least ``size`` bytes."""
        with self._connection() as connection:
            connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
            connection.executescript(SCHEMA)
        self.add_rows(customers=2_000, orders=20_000)
        while (missing := size - self.path.stat().st_size) > 0:
            # Two documents a page; a few more, as the last pages are not quite full.
            self.add_rows(documents=missing * 2 // PAGE_SIZE + 64)

    def add_rows(self, **counts: int) -> None:
        """Insert so many rows into these tables in one transaction."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            for table, count in counts.items():
                connection.execute(NUMBERS + ROWS[table], {"count": count})
            connection.execute("COMMIT")

    def row_counts(self) -> dict[str, int]:
        """Count the rows of each table that there is."""
        with self._connection() as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {
                name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
                for (name,) in tables.fetchall()
            }

    def integrity(self) -> str:
        """Give what PRAGMA integrity_check finds first: "ok", or what is broken."""
        try:
            with self._connection() as connection:
                return str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            return f"error: {error}"

    def drop(self, table: str) -> None:
        """Drop a table, as a slip of the hand would."""
        with self._connection() as connection:
            connection.execute(f'DROP TABLE "{table}"')

    def overwrite_pages(self, count: int) -> None:
        """Overwrite random pages in the middle half of the file, past SQLite."""
        pages = self.path.stat().st_size // PAGE_SIZE
        middle = range(pages // 4, pages * 3 // 4)
        with self.path.open("rb+", buffering=0) as file:
            for page in self._chooser.sample(middle, min(count, len(middle))):
                file.seek(page * PAGE_SIZE)
                file.write(self._chooser.randbytes(PAGE_SIZE))

    def cut(self) -> None:
        """Cut the last quarter of the file off."""
        os.truncate(self.path, self.path.stat().st_size * 3 // 4)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # No isolation level: transactions are begun and ended in words above.
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
            yield connection
