"""The demonstration: a database is corrupted twice and comes back twice from one mirror."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from splitmirror.demo.database import Database
from splitmirror.demo.report import DemoReport
from splitmirror.demo.telling import Telling, mirror_digest
from splitmirror.pair import MirrorPair
from splitmirror.reports import Receipt
from splitmirror.states import State
from splitmirror.units import format_bytes

__all__ = ["Story"]

PAGES_OVERWRITTEN = 200


class Story(Telling):
    """Runs the steps in a folder, tells them through ``say``, and collects what holds."""

    def __init__(self, folder: Path, size: int, say: Callable[[str], object]) -> None:
        super().__init__(say)
        self._database = Database(folder / "shop.db")
        self._mirror = folder / "shop.mirror"
        self._size = size

    def tell(self) -> DemoReport:
        """Run it all."""
        self._make_database()
        with MirrorPair.create(self._database.path, self._mirror) as pair:
            self._mirror_it(pair)
            self._take_a_new_point(pair)
            root = self._seal(pair)
            good = _Good(pair, self._database)
            receipts = []
            self._corrupt("orders")
            receipts.append(self._restore(pair, good, root))
            self._corrupt("customers", cut=True)
            receipts.append(self._restore(pair, good, root))
        return DemoReport(
            passed=self._passed,
            findings=tuple(self._findings),
            database_bytes=good.length,
            root=root,
            receipts=tuple(receipts),
            seconds=time.monotonic() - self._started,
        )

    def _make_database(self) -> None:
        begun = time.monotonic()
        self._database.build(self._size)
        counts = self._database.row_counts()
        length = self._database.path.stat().st_size
        self._step(
            f"An application's database: {self._database.path.name}, {format_bytes(length)}, "
            f"{len(counts)} tables, an index, {sum(counts.values()):,} rows",
            time.monotonic() - begun,
        )
        self._check("the database is sound to begin with", self._database.integrity() == "ok")

    def _mirror_it(self, pair: MirrorPair) -> None:
        report = pair.establish()
        pair.split(label="first point")
        self._step(
            f"establish + split: {format_bytes(report.bytes_copied)} copied; "
            "the mirror is a point in time",
            report.seconds,
        )

    def _take_a_new_point(self, pair: MirrorPair) -> None:
        begun = time.monotonic()
        self._database.add_rows(customers=100, orders=1_000, documents=500)
        self._step(
            "The application writes 1,600 more rows, without knowing of the mirror",
            time.monotonic() - begun,
        )
        both = pair.refresh(label="before the accident")
        copied = both.establish
        self._step(
            f"refresh: a new point in time; only {format_bytes(copied.bytes_copied)} of "
            f"{format_bytes(copied.source_length)} had to be copied ({copied.reason})",
            copied.seconds + both.split.seconds,
        )

    def _seal(self, pair: MirrorPair) -> str:
        report = pair.seal()
        self._step(f"seal: the mirror's root digest is {report.root}", report.seconds)
        return report.root

    def _corrupt(self, table: str, *, cut: bool = False) -> None:
        self._database.drop(table)
        self._database.overwrite_pages(PAGES_OVERWRITTEN)
        done = f"table {table} dropped, {PAGES_OVERWRITTEN} random pages overwritten"
        if cut:
            self._database.cut()
            done += ", the last quarter of the file cut off"
        found = self._database.integrity()
        self._step(f"The accident: {done}")
        self._tell(f'PRAGMA integrity_check: "{found.splitlines()[-1][:70]}"')
        self._check("the database is corrupt", found != "ok")

    def _restore(self, pair: MirrorPair, good: _Good, root: str) -> Receipt:
        receipt = pair.restore()
        self._step(
            f"restore: {format_bytes(receipt.bytes_copied)} copied back ({receipt.reason})",
            receipt.seconds,
        )
        self._check("integrity_check says ok", self._database.integrity() == "ok")
        counts = self._database.row_counts()
        self._check("every table has the rows of the split", counts == good.counts)
        restored = file_digest(self._database.path)
        self._check("the database equals the mirror byte for byte", restored == good.digest)
        self._check("the mirror's bytes are those of the split", good.same_mirror(pair))
        scrub = pair.scrub()
        same_root = scrub.intact and scrub.root == root == receipt.root_after
        self._check("the mirror's root digest did not change", same_root)
        self._check("the receipt says so too", receipt.mirror_unchanged and receipt.complete)
        self._check("the mirror is still split", pair.state == State.SPLIT)
        return receipt


class _Good:
    """What the database and the mirror were when the point in time was taken."""

    def __init__(self, pair: MirrorPair, database: Database) -> None:
        self.counts = database.row_counts()
        self.digest = file_digest(database.path)
        self.length = database.path.stat().st_size
        self._stamp = _stamp(pair.mirror_path)

    def same_mirror(self, pair: MirrorPair) -> bool:
        """Whether the mirror was not touched: its stamp, and its bytes read through the pair."""
        return mirror_digest(pair) == self.digest and _stamp(pair.mirror_path) == self._stamp


def file_digest(path: Path) -> str:
    """Give the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: Path) -> tuple[int, ...]:
    found = os.stat(path)
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
