"""The live demonstration: an application goes on through split, corruption and two restores.

The parts of the file that are worked on, in percent of its records:

| what | from | to |
|---|---|---|
| the application, before the split | 0 | 25 |
| the application, after it | 15 | 35 |
| the faulty writer | 30 | 70 |
| the application, during the first restore | 50 | 65 |
| the faulty writer again | 45 | 85 |
| the application, during the second restore | 75 | 90 |
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from splitmirror.demo.application import THREADS, Application, FaultyWriter
from splitmirror.demo.checks import LiveChecks
from splitmirror.demo.origins import Origins, blocks_from
from splitmirror.demo.records import RECORD_BYTES, Record, pack
from splitmirror.demo.report import LiveReport
from splitmirror.demo.telling import mirror_digest
from splitmirror.pair import MirrorPair, RestoreJob
from splitmirror.reports import Receipt
from splitmirror.units import format_bytes, format_seconds

__all__ = ["LiveStory"]

SIZE_MIN = 1 << 20
# Seconds at the pace 1.
SOME_TIME = 0.6
COPYING = 1.5


class LiveStory(LiveChecks):
    """Runs the steps in a folder; ``pace`` is how long each lasts, 1 makes about ten seconds."""

    def __init__(
        self, folder: Path, size: int, say: Callable[[str], object], pace: float = 1.0
    ) -> None:
        self._size = -(-max(size, SIZE_MIN) // SIZE_MIN) * SIZE_MIN
        super().__init__(folder, self._size // RECORD_BYTES, say)
        self._pace = pace
        self._receipts: list[Receipt] = []

    def tell(self) -> LiveReport:
        """Run it all."""
        self._make_records()
        self._ledger.phase = "while it was mirrored"
        with MirrorPair.create(self._source, self._mirror, mode="exclusive") as pair:
            with Application(pair, self._ledger) as application:
                since = self._split(pair, application)
                self._seal(pair)
                self._work_on(application)
                self._corrupt(pair, application)
                since = self._restore(pair, application, since)
                self._restore_again(pair, application, since)
                self._heal(pair, application)
            flushes = application.flushes
        self._look_at_the_files()
        ledger = self._ledger
        return LiveReport(
            passed=self._passed,
            findings=tuple(self._findings),
            source_bytes=self._size,
            root=self._root,
            receipts=tuple(self._receipts),
            reads=ledger.reads.total(),
            writes=sum(write.version is not None for write in ledger.log),
            flushes=flushes,
            bad_reads=ledger.spoiled_reads.total(),
            wrong_reads=len(ledger.wrong),
            seconds=time.monotonic() - self._started,
        )

    # --- Before anything is wrong --------------------------------------------------------------

    def _make_records(self) -> None:
        begun = time.monotonic()
        with self._source.open("wb") as file:
            for number in range(self._ledger.count):
                file.write(pack(Record(number, 1, 0)))
        self._step(
            f"{self._ledger.count:,} records of 4 KiB, each with its number, version, sequence "
            f"and BLAKE2b checksum: {format_bytes(self._size)}",
            time.monotonic() - begun,
        )

    def _split(self, pair: MirrorPair, application: Application) -> int:
        """Mirror and split; gives from when on writes are not in the mirror."""
        application.work_on(self._part(0, 25))
        established = pair.establish()
        self._step(
            f"{THREADS} threads of an application read and write records through the pair from "
            "here to the end"
        )
        self._step(
            f"establish, meanwhile: {format_bytes(established.bytes_copied)} copied",
            established.seconds,
        )
        application.work_for(SOME_TIME * self._pace)
        point = pair.split(label="before the fault")
        since = self._ledger.tick()
        self._ledger.phase = "after the split"
        application.work_on(self._part(15, 35))
        self._step(
            "split: the mirror is a point in time; writers waited "
            f"{format_seconds(point.writers_paused_seconds)}"
        )
        self._check_point(pair)
        self._check_reads("while it was mirrored")
        return since

    def _seal(self, pair: MirrorPair) -> None:
        report = pair.seal()
        self._root = report.root
        self._digest = mirror_digest(pair)
        self._step(f"seal: the mirror's root digest is {report.root}", report.seconds)

    def _work_on(self, application: Application) -> None:
        application.work_for(SOME_TIME * self._pace)
        self._step("The application works on; the mirror does not follow")
        self._check_reads("after the split")

    # --- The first fault -----------------------------------------------------------------------

    def _corrupt(self, pair: MirrorPair, application: Application) -> None:
        phase = self._ledger.phase = "after the accident"
        with FaultyWriter(pair, self._ledger, self._part(30, 70)) as faulty:
            application.work_for(SOME_TIME * self._pace)
        application.look_at_all()
        self._step(
            f"The accident: a faulty program wrote {faulty.writes:,} times through the pair: "
            "garbage, torn and misplaced records"
        )
        self._check("the application notices", self._ledger.spoiled_reads[phase] > 0)
        self._check_reads(phase)

    def _restore(self, pair: MirrorPair, application: Application, since: int) -> int:
        """Restore behind the application; gives from when on writes are not in the mirror."""
        application.work_on(self._part(50, 65))
        spoiled = self._ledger.spoiled()
        phase = "while the restore copied"
        job, origins = self._start_restore(pair, since, phase)
        still = self._still_bad(spoiled)
        self._tell(
            f"in the file itself {still:,} of {len(spoiled):,} spoiled records are still bad; "
            "through the pair:"
        )
        application.look_at_all()
        receipt = self._wait(job, application, origins)
        self._check_reads(phase)
        self._check_provenance(receipt, origins)
        self._check_receipt(pair, receipt)
        phase = self._ledger.phase = "after the restore"
        application.look_at_all()
        self._step("The application reads every record once more, and works on")
        self._check_reads(phase)
        return origins.returned

    # --- The second fault, which goes on through the restore -----------------------------------

    def _restore_again(self, pair: MirrorPair, application: Application, since: int) -> None:
        application.work_on(self._part(75, 90))
        self._ledger.phase = "after the second accident"
        with FaultyWriter(pair, self._ledger, self._part(45, 85)) as faulty:
            application.work_for(SOME_TIME * self._pace)
            before = faulty.writes
            self._step(f"Again: {before:,} faulty writes, and the faulty program runs on")
            self._check_reads("after the second accident")
            job, origins = self._start_restore(pair, since, "during the second restore")
            application.work_for(SOME_TIME / 3 * self._pace)
        self._tell(
            f"the faulty program is stopped only now, {faulty.writes - before:,} writes later"
        )
        receipt = self._wait(job, application, origins)
        application.look_at_all()
        self._check_reads("during the second restore")
        self._check_provenance(receipt, origins)
        self._check_receipt(pair, receipt)

    def _heal(self, pair: MirrorPair, application: Application) -> None:
        last = self._receipts[-1]
        per_block = last.block_size // RECORD_BYTES
        blocks = blocks_from(last, "app-written")
        numbers = [block * per_block + at for block in blocks for at in range(per_block)]
        spoiled = len(self._ledger.spoiled())
        with self._ledger.rewinding(numbers):
            receipt = pair.heal(last)
        self._receipts.append(receipt)
        phase = self._ledger.phase = "after heal"
        self._step(
            f"heal(receipt): the {len(blocks):,} blocks written during that restore, with "
            f"{spoiled:,} spoiled records, are brought back too",
            receipt.seconds,
        )
        application.look_at_all()
        self._check("no record is spoiled any more", not self._ledger.spoiled())
        self._check_reads(phase)
        self._check_receipt(pair, receipt)

    # --- What several steps need ---------------------------------------------------------------

    def _part(self, first: int, last: int) -> range:
        return range(self._ledger.count * first // 100, self._ledger.count * last // 100)

    def _start_restore(
        self, pair: MirrorPair, since: int, phase: str
    ) -> tuple[RestoreJob, Origins]:
        plan = pair.plan_restore().report
        throttle = max(1, int(plan.bytes / (COPYING * self._pace)))
        origins = Origins(self._ledger, pair.block_size, since)
        begun = time.monotonic()
        with self._ledger.rewinding():
            origins.called = self._ledger.tick()
            job = pair.start_restore(throttle=throttle)
        # From this moment on no read may be bad, but where a faulty program still writes.
        self._ledger.phase = phase
        took = time.monotonic() - begun
        origins.returned = self._ledger.tick()
        self._step(
            f"start_restore: it has taken effect after {format_seconds(took)}; "
            f"{format_bytes(plan.bytes)} are copied behind the application"
        )
        return job, origins

    def _wait(self, job: RestoreJob, application: Application, origins: Origins) -> Receipt:
        while job.running:
            now = self._ledger.tick()
            if job.progress.done < job.progress.total:
                origins.copying = now
            application.work_for(0.005)
        receipt = job.wait()
        origins.ended = self._ledger.tick()
        self._receipts.append(receipt)
        self._tell(
            f"it has ended: {format_bytes(receipt.bytes_copied)} copied "
            f"[{format_seconds(receipt.seconds)}]"
        )
        return receipt
