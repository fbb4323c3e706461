"""A process that writes self-describing records through a pair until it is killed, and its judge.

Each record fills a page of 4 KiB and says its slot and its number; numbers only grow. What was
flushed is written into a log outside: "number" means that all records up to it are durable.
Which slot a number goes to follows from the number, so the judge knows what was tried.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from helpers import KIB, MIB
from splitmirror import MirrorPair

PAGE = 4 * KIB
SIZE = 256 * MIB
# One session writes here and there within so many bytes.
WINDOW = 16 * MIB
Pages = dict[int, bytes]

PROGRAM = """
import os, sys
from killed_writer import record, slot_of
from splitmirror import MirrorPair
mirror, log, what, number = *sys.argv[1:4], int(sys.argv[4])
acknowledged = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
pair = MirrorPair.open(mirror)
print("open", flush=True)
if what == "restore":
    job = pair.start_restore(throttle=8 << 20)
    os.write(acknowledged, b"restoring\\n")
seed = number
while True:
    for _ in range(20):
        number += 1
        slot = slot_of(seed, number)
        pair.write(slot * 4096, record(slot, number))
    pair.flush()
    os.write(acknowledged, b"%d\\n" % number)
"""


def record(slot: int, number: int) -> bytes:
    """The page that a number puts into a slot."""
    head = b"record %d %d " % (slot, number)
    body = hashlib.blake2b(head).digest() * 64
    return head + body[: PAGE - len(head)]


def number_in(slot: int, page: bytes) -> int:
    """The number of the record in a slot; a torn or misplaced one is an error."""
    word, place, number = page[:64].split(b" ")[:3]
    assert (word, int(place)) == (b"record", slot), f"slot {slot} holds {page[:40]!r}"
    assert page == record(slot, int(number)), f"slot {slot} holds a torn record"
    return int(number)


def slot_of(seed: int, number: int) -> int:
    """Where the record of a number goes, in a session that began after the number `seed`."""
    window = random.Random(seed).randrange(SIZE // WINDOW) * (WINDOW // PAGE)
    return window + random.Random(number).randrange(WINDOW // PAGE)


def pages_of(path: Path) -> Pages:
    """The pages of a sparse file that are not zeros."""
    found: Pages = {}
    with path.open("rb", buffering=0) as file:
        at, end = 0, os.fstat(file.fileno()).st_size
        while at < end:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            hole = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            for page in range(at // PAGE, -(-hole // PAGE)):
                data = os.pread(file.fileno(), PAGE, page * PAGE)
                if data.strip(b"\0"):
                    found[page] = data
            at = hole
    return found


def pages_through(pair: MirrorPair) -> Pages:
    """The same, read through the pair; where both sides have zeros there is nothing to see."""
    there = pages_of(pair.source_path).keys() | pages_of(pair.mirror_path).keys()
    found = {page: pair.read(page * PAGE, PAGE) for page in there}
    return {page: data for page, data in found.items() if data.strip(b"\0")}


class Written:
    """What a session acknowledged until it was killed, and what it may have written at most."""

    def __init__(self, log: Path, number: int, *, restoring: bool = False) -> None:
        lines = log.read_text().split() if log.exists() else []
        self.restoring = restoring or "restoring" in lines
        numbers = [int(line) for line in lines if line != "restoring"]
        self.first = number
        self.acknowledged = numbers[-1] if numbers else number
        self.tried = self.acknowledged + 20

    def slots(self, last: int) -> dict[int, int]:
        """The last record of each slot, up to a number."""
        return {slot_of(self.first, at): at for at in range(self.first + 1, last + 1)}

    def check(self, before: Pages, now: Pages) -> None:
        """Nothing acknowledged is lost, torn or covered by older bytes; nothing else is new."""
        sure, tried = self.slots(self.acknowledged), self.slots(self.tried)
        for slot in before.keys() | now.keys() | tried.keys():
            page = now.get(slot)
            if slot not in tried:
                assert page == before.get(slot), f"slot {slot} was never written"
                continue
            least = sure.get(slot)
            if page is None or page == before.get(slot):
                assert page == before.get(slot), f"slot {slot} became zeros"
                assert least is None, f"record {least} of slot {slot} is lost"
                continue
            number = number_in(slot, page)
            assert (least or self.first + 1) <= number <= self.tried, (
                f"slot {slot} holds record {number}, {least} was acknowledged"
            )


class Killed(Written):
    """One session of a pair that was killed."""

    def __init__(self, mirror: Path, log: Path, what: str, number: int, seconds: float) -> None:
        log.unlink(missing_ok=True)
        command = [sys.executable, "-c", PROGRAM, str(mirror), str(log), what, str(number)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            time.sleep(seconds)
            assert process.poll() is None, "it ended by itself"
            process.kill()
        super().__init__(log, number)
