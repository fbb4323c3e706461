"""The live demonstration's programs: an application that never stops, and a faulty writer."""

from __future__ import annotations

import os
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from splitmirror.demo.ledger import Ledger
from splitmirror.demo.records import RECORD_BYTES, pack, unpack
from splitmirror.errors import SplitMirrorError
from splitmirror.pair import MirrorPair

__all__ = ["Application", "FaultyWriter"]

THREADS = 2
READS_PER_WRITE = 8
# One write in so many goes anywhere, the others to the part that is being worked on.
STRAY = 64
WRITES_PER_FLUSH = 32


class Worker(ABC):
    """A thread that does one thing until it is stopped; its error is raised by whoever waits."""

    def __init__(self, name: str) -> None:
        self.stopping = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after what is under way."""
        self.stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def check(self) -> None:
        """Raise what the thread ended with."""
        if self._error is not None:
            raise self._error
        if not self._thread.is_alive() and not self.stopping.is_set():
            raise SplitMirrorError(f"the thread {self._thread.name} ended by itself")

    @abstractmethod
    def work(self) -> None:
        """Do one more thing."""

    @abstractmethod
    def finish(self) -> None:
        """Do what is due at the end."""

    def _run(self) -> None:
        try:
            while not self.stopping.is_set():
                self.work()
            self.finish()
        except BaseException as error:
            # It ends the demonstration, from the thread that waits for this one.
            self._error = error


class Clerk(Worker):
    """A thread of the application: every `THREADS`-th record is its own."""

    def __init__(self, pair: MirrorPair, ledger: Ledger, which: int) -> None:
        super().__init__(f"application-{which}")
        self.working_on = range(ledger.count)
        self.flushes = 0
        self._pair = pair
        self._ledger = ledger
        self._which = which
        self._chooser = random.Random(1998 + which)
        self._turns = 0
        self._writes = 0
        self._to_look_at: list[int] = []

    def look_at_all(self) -> None:
        """Read each record once, besides all else; has_looked() says when that is done."""
        self._to_look_at = list(range(self._which, self._ledger.count, THREADS))

    def has_looked(self) -> bool:
        """Whether all records were read since look_at_all()."""
        return not self._to_look_at

    def work(self) -> None:
        """Read a record, or write one."""
        self._turns += 1
        if self._turns % (READS_PER_WRITE + 1) == 0:
            self._write()
        elif self._to_look_at and self._turns % 4:
            self._read(self._to_look_at[-1])
            self._to_look_at.pop()
        else:
            self._read(self._own(range(self._ledger.count)))

    def finish(self) -> None:
        """Make the last writes durable."""
        self._pair.flush()
        self.flushes += 1

    def _own(self, among: range) -> int:
        number = self._chooser.choice(among)
        return number - number % THREADS + self._which

    def _read(self, number: int) -> None:
        expected = self._ledger.expected(number)
        data = self._pair.read(number * RECORD_BYTES, RECORD_BYTES)
        self._ledger.judge(number, expected, unpack(data))

    def _write(self) -> None:
        self._writes += 1
        everywhere = self._writes % STRAY == 0
        number = self._own(range(self._ledger.count) if everywhere else self.working_on)
        with self._ledger.writing(number) as record:
            self._pair.write(number * RECORD_BYTES, pack(record))
        if self._writes % WRITES_PER_FLUSH == 0:
            self._pair.flush()
            self.flushes += 1


class Application:
    """All threads of the application, at work from ``with`` to its end."""

    def __init__(self, pair: MirrorPair, ledger: Ledger) -> None:
        self._clerks = [Clerk(pair, ledger, which) for which in range(THREADS)]

    def __enter__(self) -> Self:
        for clerk in self._clerks:
            clerk.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for clerk in self._clerks:
            clerk.stop()
        if error is None:
            self.check()

    @property
    def flushes(self) -> int:
        """How often it made its writes durable."""
        return sum(clerk.flushes for clerk in self._clerks)

    def work_on(self, records: range) -> None:
        """Write these from now on, mostly."""
        for clerk in self._clerks:
            clerk.working_on = records

    def work_for(self, seconds: float) -> None:
        """Let it work for so long."""
        until = time.monotonic() + seconds
        self._wait(lambda: time.monotonic() >= until)

    def look_at_all(self) -> None:
        """Have it read every record, while it goes on with the rest."""
        for clerk in self._clerks:
            clerk.look_at_all()
        self._wait(lambda: all(clerk.has_looked() for clerk in self._clerks))

    def check(self) -> None:
        """Raise what a thread ended with."""
        for clerk in self._clerks:
            clerk.check()

    def _wait(self, done: Callable[[], bool]) -> None:
        while not done():
            self.check()
            time.sleep(0.002)


class FaultyWriter(Worker):
    """Writes through the pair what does not belong there, somewhere among these records.

    A whole record of garbage, garbage over the halves of two records, or the good bytes of
    another record.
    """

    def __init__(self, pair: MirrorPair, ledger: Ledger, among: range) -> None:
        super().__init__("faulty-writer")
        self.writes = 0
        self._pair = pair
        self._ledger = ledger
        self._among = among
        self._chooser = random.Random(6047294)

    def work(self) -> None:
        """Spoil one place."""
        number = self._chooser.choice(self._among[1:-1])
        offset = number * RECORD_BYTES
        fault = self._chooser.choice(("garbage", "halves", "another"))
        if fault == "another":
            data = self._pair.read(offset - RECORD_BYTES, RECORD_BYTES)
        else:
            data = os.urandom(RECORD_BYTES)
        halves = fault == "halves"
        with self._ledger.spoiling([number, number + 1] if halves else [number]):
            self._pair.write(offset + RECORD_BYTES // 2 * halves, data)
        self.writes += 1
        time.sleep(0.0005)

    def finish(self) -> None:
        """Leave it at that: it is not one that flushes."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        if error[0] is None:
            self.check()
