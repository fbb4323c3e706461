"""What the ledger says of the provenance of a restore, to compare with its receipt."""

from __future__ import annotations

from collections.abc import Iterable

from splitmirror.demo.ledger import Ledger, Written
from splitmirror.demo.records import RECORD_BYTES
from splitmirror.reports import Receipt

__all__ = ["Origins", "blocks_from"]


class Origins:
    """The moments of a restore, and which blocks were written when, as the ledger has it.

    A write that overlaps the beginning or the end of the restore may count or not.

    Attributes:
        since: what was written from here on differs from the mirror.
        called: start_restore() is called.
        returned: start_restore() has returned.
        copying: the last moment at which the restore was seen to copy.
        ended: the receipt is there.
    """

    def __init__(self, ledger: Ledger, block_size: int, since: int) -> None:
        self.since = since
        self.called = self.returned = self.copying = self.ended = 0
        self._ledger = ledger
        self._per_block = block_size // RECORD_BYTES

    def changed(self) -> set[int]:
        """The blocks that were written between the point in time and the restore."""
        return self._blocks(
            write for write in self._log() if write.begun > self.since and write.ended < self.called
        )

    def written(self) -> set[int]:
        """The blocks that were certainly written while it copied."""
        return self._blocks(
            write
            for write in self._log()
            if write.begun > self.returned and write.ended < self.copying
        )

    def perhaps_written(self) -> set[int]:
        """These, and those that were written while it began or ended."""
        return self._blocks(
            write for write in self._log() if write.ended > self.called and write.begun < self.ended
        )

    def _log(self) -> list[Written]:
        # A copy: the application goes on and adds to it.
        return list(self._ledger.log)

    def _blocks(self, writes: Iterable[Written]) -> set[int]:
        return {write.number // self._per_block for write in writes}


def blocks_from(receipt: Receipt, origin: str) -> set[int]:
    """Give the blocks that the receipt says are from there."""
    size = receipt.block_size
    return {
        block
        for run in receipt.provenance
        if run.origin == origin
        for block in range(run.offset // size, -(-(run.offset + run.length) // size))
    }
