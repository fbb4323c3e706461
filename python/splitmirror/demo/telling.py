"""How a demonstration tells its steps, and collects what holds."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from splitmirror.demo.report import Finding
from splitmirror.pair import MirrorPair
from splitmirror.units import format_seconds

__all__ = ["Telling", "mirror_digest"]


class Telling:
    """Numbered steps, remarks below them, and findings, all through ``say``."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._started = time.monotonic()
        self._steps = 0
        self._findings: list[Finding] = []

    @property
    def _passed(self) -> bool:
        return all(finding.holds for finding in self._findings)

    def _step(self, text: str, seconds: float | None = None) -> None:
        self._steps += 1
        took = "" if seconds is None else f"  [{format_seconds(seconds)}]"
        self._say(f"{self._steps:2}. {text}{took}")

    def _tell(self, text: str) -> None:
        self._say(f"      {text}")

    def _check(self, claim: str, holds: bool) -> None:
        self._findings.append(Finding(claim=claim, holds=holds))
        self._tell(f"{'ok' if holds else 'DOES NOT HOLD'}: {claim}")


def mirror_digest(pair: MirrorPair) -> str:
    """Give the SHA-256 of the mirror's bytes, read through the pair."""
    with pair.open_mirror() as mirror:
        return hashlib.file_digest(mirror, "sha256").hexdigest()
