"""What the live demonstration checks, by its ledger, the receipts, and the files themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from splitmirror.demo.ledger import Ledger, Written
from splitmirror.demo.origins import Origins, blocks_from
from splitmirror.demo.records import RECORD_BYTES, unpack
from splitmirror.demo.strip import LEGEND, strip
from splitmirror.demo.telling import Telling, mirror_digest
from splitmirror.pair import MirrorPair
from splitmirror.reports import Receipt
from splitmirror.states import State

__all__ = ["LiveChecks"]

WRONG_SHOWN = 3


class LiveChecks(Telling):
    """A telling with a ledger; ``_digest`` and ``_root`` are those of the mirror at the split."""

    def __init__(self, folder: Path, count: int, say: Callable[[str], object]) -> None:
        super().__init__(say)
        self._source = folder / "accounts"
        self._mirror = folder / "accounts.mirror"
        self._ledger = Ledger(count)
        self._digest = ""
        self._root = ""

    def _check_point(self, pair: MirrorPair) -> None:
        """The mirror holds what was written before one instant, and nothing later."""
        with pair.open_mirror() as mirror:
            found = [unpack(mirror.read(RECORD_BYTES)) for _ in range(self._ledger.count)]
        whole = [record for number, record in enumerate(found) if record and record[0] == number]
        self._check(
            f"the mirror holds {len(whole):,} records, each of them whole",
            len(whole) == self._ledger.count,
        )
        versions = [record.version if record else 0 for record in found]
        inside: list[Written] = []
        outside: list[Written] = []
        for write in list(self._ledger.log):
            is_inside = (write.version or 0) <= versions[write.number]
            (inside if is_inside else outside).append(write)
        last = max((write.begun for write in inside), default=0)
        self._check(
            f"of one instant: it has {len(inside):,} writes, and none of the others so far had "
            "ended when one of these began",
            all(write.ended > last for write in outside),
        )
        self._ledger.take_split(versions)

    def _check_reads(self, phase: str) -> None:
        ledger = self._ledger
        bad = ledger.spoiled_reads[phase]
        wrong = sum(read.phase == phase for read in list(ledger.wrong))
        found = f"{wrong:,} bad"
        if bad:
            found = f"{bad:,} bad where the faulty program wrote, {wrong:,} elsewhere"
        reads = ledger.reads[phase]
        self._check(f"{reads:,} reads checked {phase}: {found}", wrong == 0 < reads)

    def _check_provenance(self, receipt: Receipt, origins: Origins) -> None:
        mirror, written = blocks_from(receipt, "mirror"), blocks_from(receipt, "app-written")
        certain, perhaps = origins.written(), origins.perhaps_written()
        self._tell("where its blocks are from:")
        for line in strip(receipt):
            self._tell(f"   {line}")
        self._tell(f"   {LEGEND}")
        self._check(
            f"{len(written):,} blocks are app-written: all {len(certain):,} written while it "
            f"copied, and {len(written - certain):,} of {len(perhaps - certain):,} as it began or "
            "ended",
            certain <= written <= perhaps,
        )
        changed = origins.changed()
        self._check(
            f"of {len(changed):,} blocks changed before it, none was kept",
            changed <= mirror | written,
        )

    def _check_receipt(self, pair: MirrorPair, receipt: Receipt) -> None:
        self._check("the receipt is complete", receipt.complete)
        same = receipt.mirror_unchanged and receipt.root_before == receipt.root_after == self._root
        self._check(
            "the mirror is unchanged and still split: stamp, root digest, SHA-256 of its bytes",
            same and mirror_digest(pair) == self._digest and pair.state == State.SPLIT,
        )

    def _look_at_the_files(self) -> None:
        """All is closed: what is in the two files, without splitmirror."""
        ledger, lost = self._ledger, 0
        ledger.phase = "in the closed file"
        with self._source.open("rb") as file:
            for number in range(ledger.count):
                expected = ledger.expected(number)
                lost += not ledger.judge(number, expected, unpack(file.read(RECORD_BYTES)))
        with self._mirror.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._step("The application ends with a flush, the pair is closed; a look at both files")
        self._check(
            f"{ledger.count:,} records in the source: {lost:,} torn, lost or resurrected",
            lost == 0,
        )
        self._check("the mirror has the bytes of the split", digest == self._digest)
        self._check(
            f"of {ledger.reads.total():,} reads in all, {len(ledger.wrong):,} are not explained",
            not ledger.wrong,
        )
        for wrong in ledger.wrong[:WRONG_SHOWN]:
            self._tell(f"   {wrong}")

    def _still_bad(self, numbers: list[int]) -> int:
        """How many of the records are bad in the file itself, whatever its readers see."""
        bad = 0
        with self._source.open("rb") as file:
            for number in numbers:
                file.seek(number * RECORD_BYTES)
                record = unpack(file.read(RECORD_BYTES))
                bad += record is None or record.number != number
        return bad
