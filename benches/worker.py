"""Ours, measured: one verb in a fresh process, timed inside it; arguments and result are JSON.

Each verb prepares what it needs, brings cache and memory into the state that the peers meet too,
and times its calls one by one. The figure is the sum of the phases that `figure` names; opening
and closing are reported beside it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from files import PAGE, warm_files, warm_memory
from splitmirror import MirrorPair, __version__


class Clock:
    """Times the phases of a verb, and its peak memory from the first of them."""

    def __init__(self, size: int) -> None:
        self.phases: dict[str, float] = {}
        self._size = size
        self._resident = 0

    def ready(self, *paths: Path) -> None:
        """Bring the state of cache and memory about; call it right before the timed part."""
        warm_files(*paths)
        warm_memory(self._size)
        # Forget the peak so far.
        Path("/proc/self/clear_refs").write_text("5")
        self._resident = memory("VmRSS")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one call."""
        begun = time.perf_counter()
        yield
        self.phases[name] = time.perf_counter() - begun

    def result(self, *figure: str, said: Any) -> dict[str, Any]:
        """What the process prints."""
        peak = memory("VmHWM")
        seconds = sum(self.phases[name] for name in figure)
        return {
            "seconds": seconds,
            "peak_bytes": peak,
            "above_bytes": peak - self._resident,
            "phases": self.phases,
            "said": said,
        }


def memory(field: str) -> int:
    """A figure that the kernel keeps on this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith(f"{field}:"))
    return int(found.split()[1]) * 1024


def establish(source: Path, mirror: Path, size: int) -> dict[str, Any]:
    """Make a pair and establish it, timed; then the rest of its life."""
    clock = Clock(size)
    clock.ready(source)
    with clock.phase("create"):
        pair = MirrorPair.create(source, mirror)
    with clock.phase("establish"):
        report = pair.establish()
    result = clock.result("create", "establish", said=report.to_dict())
    with clock.phase("split"):
        pair.split()
    with clock.phase("close"):
        pair.close()
    MirrorPair.open(mirror).detach()
    return result


def set_up(source: Path, mirror: Path) -> dict[str, Any]:
    """Make the pair that the other verbs work on: established, split, closed."""
    clock = Clock(0)
    with MirrorPair.create(source, mirror) as pair:
        pair.establish()
        pair.split(label="bench")
    return clock.result(said=__version__)


def restore_tracked(source: Path, mirror: Path, size: int, pages: list[int]) -> dict[str, Any]:
    """Restore what was written through the pair."""
    clock = Clock(size)
    pair = MirrorPair.open(mirror)
    # Whatever the last contestant left: from here on all changes are known.
    pair.restore()
    for offset in pages:
        pair.write(offset, os.urandom(PAGE))
    pair.flush()
    clock.ready(source, mirror)
    with clock.phase("restore"):
        receipt = pair.restore()
    result = clock.result("restore", said=receipt.to_dict())
    with clock.phase("close"):
        pair.close()
    return result


def restore_compared(source: Path, mirror: Path, size: int) -> dict[str, Any]:
    """Restore what others wrote while the pair was closed."""
    clock = Clock(size)
    clock.ready(source, mirror)
    with clock.phase("open"):
        pair = MirrorPair.open(mirror)
    with clock.phase("restore"):
        receipt = pair.restore()
    result = clock.result("restore", said=receipt.to_dict())
    with clock.phase("close"):
        pair.close()
    return result


def bare(source: Path, mirror: Path, size: int, pages: list[int]) -> dict[str, Any]:
    """Copy the changed pages back with nothing round it: the limit, for who knows them."""
    clock = Clock(size)
    descriptors = os.open(mirror, os.O_RDONLY), os.open(source, os.O_RDWR)
    good, changed = descriptors
    clock.ready(source, mirror)
    with clock.phase("copy"):
        for offset in pages:
            os.pwrite(changed, os.pread(good, PAGE, offset), offset)
    with clock.phase("fdatasync"):
        os.fdatasync(changed)
    for descriptor in descriptors:
        os.close(descriptor)
    return clock.result("copy", "fdatasync", said=len(pages))


def checking(verb: str, source: Path, mirror: Path, size: int) -> dict[str, Any]:
    """Run one of the verbs that change neither side."""
    clock = Clock(size)
    clock.ready(source, mirror)
    with clock.phase("open"):
        pair = MirrorPair.open(mirror)
    with clock.phase(verb):
        report = pair.verify() if verb == "verify" else pair.seal()
    result = clock.result(verb, said=report.to_dict())
    if verb == "seal":
        result["said"]["intact"] = pair.scrub().intact
    with clock.phase("close"):
        pair.close()
    return result


VERBS: dict[str, Callable[..., dict[str, Any]]] = {
    function.__name__: function
    for function in (establish, set_up, restore_tracked, restore_compared, bare, checking)
}


def main() -> None:
    """Read the arguments, run the verb, print the result."""
    arguments = json.load(sys.stdin)
    for name in ("source", "mirror"):
        arguments[name] = Path(arguments[name])
    print(json.dumps(VERBS[sys.argv[1]](**arguments)))


if __name__ == "__main__":
    main()
