"""The live demonstration's data: records of 4 KiB that say which they are and whether whole.

| bytes | what |
|---|---|
| 8 | the letters ``LIVEDEMO`` |
| 8 | number: the record's place in the file |
| 8 | version: counts the writes of this record, and never a number twice |
| 8 | sequence: greater than that of every write that ended before this one began |
| 4032 | filling, of which every piece of 64 bytes differs from that of any other version |
| 32 | BLAKE2b of everything before |
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

__all__ = ["RECORD_BYTES", "Record", "pack", "unpack"]

RECORD_BYTES = 4096
MAGIC = b"LIVEDEMO"
HEAD = struct.Struct("<8sQQQ")
CHECKSUM_BYTES = 32
PIECES = (RECORD_BYTES - HEAD.size - CHECKSUM_BYTES) // 64


class Record(NamedTuple):
    """What a record says of itself."""

    number: int
    version: int
    sequence: int


def pack(record: Record) -> bytes:
    """Give the bytes of a record."""
    head = HEAD.pack(MAGIC, *record)
    body = head + hashlib.blake2b(head).digest() * PIECES
    return body + _checksum(body)


def unpack(data: bytes) -> Record | None:
    """Give what the bytes of a record say; None when they are not whole."""
    body = memoryview(data)[:-CHECKSUM_BYTES]
    if len(data) != RECORD_BYTES or data[-CHECKSUM_BYTES:] != _checksum(body):
        return None
    magic, number, version, sequence = HEAD.unpack_from(body)
    return Record(number, version, sequence) if magic == MAGIC else None


def _checksum(body: bytes | memoryview) -> bytes:
    return hashlib.blake2b(body, digest_size=CHECKSUM_BYTES).digest()
