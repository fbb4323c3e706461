"""What all reports on a pair have."""

from __future__ import annotations

from dataclasses import dataclass

from splitmirror._document import Bytes, Document, Number, Seconds, Time
from splitmirror.states import Condition, State

__all__ = [
    "CopyReport",
    "PairReport",
    "Stamp",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp(Document):
    """What the file system says of an area; equal stamps are how "not touched" is shown."""

    device: Number
    inode: Number
    length: Bytes
    modified: Time
    changed: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReport(Document):
    """What all reports on a pair have: whose it is, and where the pair stands after the verb."""

    pair_id: str
    state: State
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport(PairReport):
    """What all reports of copying have.

    ``reason`` says why these blocks were looked at (first, bitmap, compare, rebooted, ...);
    ``method`` whether they were copied outright or compared first.
    """

    reason: str
    method: str
    blocks_total: int
    blocks_examined: int
    blocks_copied: int
    blocks_skipped: int
    bytes_copied: Bytes
    bytes_punched: Bytes
    seconds: Seconds
