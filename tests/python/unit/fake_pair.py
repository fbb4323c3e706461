"""A stand-in for the core's pair: two byte arrays, and verbs that answer with samples.

For what a real pair cannot be brought to do at will: be interrupted, fail in every way, answer
slowly. Everything else is tested on real files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import documents
from splitmirror.errors import StateError


class FakePlan:
    """The core's plan."""

    def __init__(self, text: str) -> None:
        self._text = text

    def to_json(self) -> str:
        return self._text


class FakePair:
    """The core's pair. `answers` replaces documents, `raises` makes a verb fail."""

    def __init__(self, source: bytes = b"", mirror: bytes = b"") -> None:
        self.source = bytearray(source)
        self.mirror = bytearray(mirror)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self.raises: dict[str, BaseException] = {}
        self.during: Callable[[], object] = lambda: None
        self.state = "split"
        self.conditions: list[str] = []
        self.closed = False
        self.flushes = 0
        self.source_path = b"/data/shop.db"
        self.mirror_path = b"/data/shop.mirror"
        self.catalog_path = b"/data/shop.mirror.splitmirror"
        self.block_size = 65536
        self.mode = "shared"
        self.pair_id = "p-1"

    def _answer(self, verb: str, sample: Any, options: dict[str, Any]) -> str:
        self.calls.append((verb, options))
        self.during()
        if options.get("progress") is not None:
            options["progress"]("copying", 1, 2)
            options["progress"]("copying", 2, 2)
        if verb in self.raises:
            raise self.raises[verb]
        return json.dumps(self.answers.get(verb, sample))

    def establish(self, **options: Any) -> str:
        return self._answer("establish", documents.ESTABLISH, options)

    def split(self, **options: Any) -> str:
        return self._answer("split", documents.SPLIT, options)

    def restore(self, **options: Any) -> str:
        return self._answer("restore", documents.RECEIPT, options)

    def resume_restore(self, **options: Any) -> str:
        return self._answer("resume_restore", documents.RECEIPT, options)

    def verify(self, **options: Any) -> str:
        return self._answer("verify", documents.VERIFY, options)

    def scrub(self, **options: Any) -> str:
        return self._answer("scrub", documents.SCRUB, options)

    def status(self) -> str:
        return self._answer("status", documents.STATUS, {})

    def plan_establish(self, **options: Any) -> FakePlan:
        return FakePlan(self._answer("plan_establish", documents.PLAN, options))

    def plan_restore(self, **options: Any) -> FakePlan:
        return FakePlan(self._answer("plan_restore", documents.PLAN, options))

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.source[offset : offset + size])

    def readinto(self, offset: int, buffer: Any) -> int:
        return _fill(buffer, self.source, offset)

    def write(self, offset: int, data: Any) -> int:
        new = bytes(data)
        self.source.extend(bytes(max(0, offset + len(new) - len(self.source))))
        self.source[offset : offset + len(new)] = new
        return len(new)

    def flush(self) -> None:
        self.flushes += 1

    def mirror_read(self, offset: int, size: int) -> bytes:
        self._need_split()
        return bytes(self.mirror[offset : offset + size])

    def mirror_readinto(self, offset: int, buffer: Any) -> int:
        self._need_split()
        return _fill(buffer, self.mirror, offset)

    def mirror_view(self) -> memoryview:
        self._need_split()
        return memoryview(self.mirror).toreadonly()

    def source_length(self) -> int:
        return len(self.source)

    def mirror_length(self) -> int:
        return len(self.mirror)

    def close(self) -> None:
        self.closed = True

    def _need_split(self) -> None:
        if self.state != "split":
            raise StateError("no point in time", verb="open_mirror", state=self.state, legal=[])


def _fill(buffer: Any, area: bytearray, offset: int) -> int:
    view = memoryview(buffer).cast("B")
    part = area[offset : offset + len(view)]
    view[: len(part)] = part
    return len(part)
