"""What each record may hold at any moment: the model that the live demonstration checks against.

Reads and writes take time, and so do split(), start_restore() and heal(), so the ledger keeps a
clock of its own: what ended before something else began must have come before it; of two things
that overlap either may have come first, and then a record may hold one of two versions until a
read tells which. Nothing else is ever allowed:

| moment | a record may hold |
|---|---|
| ordinarily | the last version that was written |
| the faulty writer wrote there since | anything: it is spoiled |
| while a restore is being started | that, or the version of the split |
| written while it was being started | the version written, or that of the split |
| from when it has started | the version of the split, or what was written since |

Each record is read and written by one thread of the application alone, as under a record lock.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from splitmirror.demo.records import Record

__all__ = ["Expected", "Ledger", "Written", "Wrong"]


class Expected(NamedTuple):
    """What a record may hold when a read of it begins."""

    begun: int
    phase: str
    versions: tuple[int, ...]
    spoiled: bool


class Written(NamedTuple):
    """One write: of which record, which version (None: by the faulty writer), from when to when."""

    number: int
    version: int | None
    begun: int
    ended: int


class Wrong(NamedTuple):
    """A read that gave what nothing explains."""

    number: int
    phase: str
    found: Record | None
    versions: tuple[int, ...]

    def __str__(self) -> str:
        allowed = " or ".join(map(str, self.versions))
        if self.found is None:
            held = "no whole record"
        elif self.found.number != self.number:
            held = f"record {self.found.number}"
        else:
            held = f"version {self.found.version}"
        return f"record {self.number}, {self.phase}: {held} in place of version {allowed}"


@dataclass
class _Rewind:
    """A verb that brings records back to the split, while it runs."""

    numbers: range | frozenset[int]
    rewritten: set[int] = field(default_factory=set)
    respoiled: set[int] = field(default_factory=set)


class Ledger:
    """The model; every method may be called from any thread."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.phase = ""
        self.log: list[Written] = []
        self.wrong: list[Wrong] = []
        self.reads: Counter[str] = Counter()
        self.spoiled_reads: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._now = 0
        self._newest = [1] * count
        self._versions: list[tuple[int, ...]] = [(1,)] * count
        self._split: list[int] = [1] * count
        # When the faulty writer last ended a write there, and where it is writing now.
        self._spoiled: dict[int, int] = {}
        self._spoiling: frozenset[int] = frozenset()
        self._rewind: _Rewind | None = None
        self._rewound = 0

    def tick(self) -> int:
        """Give the time."""
        with self._lock:
            return self._tick()

    def expected(self, number: int) -> Expected:
        """What a read that begins now may find."""
        with self._lock:
            spoiled = number in self._spoiled
            return Expected(self._tick(), self.phase, self._versions[number], spoiled)

    def judge(self, number: int, at_first: Expected, found: Record | None) -> bool:
        """Whether a read found a good record; remembers it when that cannot be explained."""
        with self._lock:
            versions = self._versions[number]
            allowed = tuple(dict.fromkeys(at_first.versions + versions))
            self.reads[at_first.phase] += 1
            if found and found.number == number and found.version in allowed:
                if self._is_settled(number, at_first.begun):
                    self._versions[number] = (found.version,)
                    self._spoiled.pop(number, None)
                return True
            if at_first.spoiled or number in self._spoiled:
                self.spoiled_reads[at_first.phase] += 1
            else:
                self.wrong.append(Wrong(number, at_first.phase, found, allowed))
            return False

    @contextmanager
    def writing(self, number: int) -> Iterator[Record]:
        """Round a write of the application: gives what to write."""
        with self._lock:
            begun = self._tick()
            version = self._newest[number] = self._newest[number] + 1
        yield Record(number, version, begun)
        with self._lock:
            self.log.append(Written(number, version, begun, self._tick()))
            # Whether a verb that brings it back came before or after is not known.
            overlaps = begun < self._rewound
            if self._rewind is not None and number in self._rewind.numbers:
                self._rewind.rewritten.add(number)
                overlaps = True
            self._versions[number] = (self._split[number], version) if overlaps else (version,)
            if self._spoiled.get(number, 0) < begun and number not in self._spoiling:
                self._spoiled.pop(number, None)

    @contextmanager
    def spoiling(self, numbers: Collection[int]) -> Iterator[None]:
        """Round a write of the faulty writer."""
        with self._lock:
            begun = self._tick()
            self._spoiling = frozenset(numbers)
            self._spoil(begun)
        yield
        with self._lock:
            ended = self._tick()
            self._spoil(ended)
            self.log.extend(Written(number, None, begun, ended) for number in numbers)
            self._spoiling = frozenset()

    @contextmanager
    def rewinding(self, numbers: Collection[int] | None = None) -> Iterator[None]:
        """Round a verb that brings these records, or all, back to the split."""
        with self._lock:
            covered = range(self.count) if numbers is None else frozenset(numbers)
            self._rewind = _Rewind(covered, respoiled=set(self._spoiling))
            for number in covered:
                split = self._split[number]
                if split not in self._versions[number]:
                    self._versions[number] += (split,)
        yield
        with self._lock:
            for number in covered:
                if number not in self._rewind.rewritten:
                    self._versions[number] = (self._split[number],)
                if number not in self._rewind.respoiled:
                    self._spoiled.pop(number, None)
            self._rewind = None
            self._rewound = self._tick()

    def take_split(self, versions: list[int]) -> None:
        """Take what the mirror holds for the versions of the split."""
        with self._lock:
            self._split = list(versions)

    def spoiled(self) -> list[int]:
        """Which records are spoiled."""
        with self._lock:
            return sorted(self._spoiled)

    def _is_settled(self, number: int, since: int) -> bool:
        """Whether nothing but its own thread changed a record since then."""
        return (
            self._rewind is None
            and self._rewound < since
            and number not in self._spoiling
            and self._spoiled.get(number, 0) < since
        )

    def _tick(self) -> int:
        self._now += 1
        return self._now

    def _spoil(self, now: int) -> None:
        self._spoiled.update(dict.fromkeys(self._spoiling, now))
        if self._rewind is not None:
            self._rewind.respoiled |= self._spoiling
