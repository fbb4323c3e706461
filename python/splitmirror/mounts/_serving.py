"""Serving a mount in this process until somebody unmounts it or asks for the end.

The threads that serve are the core's own. This one only waits, and ends things in order:
unmount, then close the pair, then go.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from splitmirror import _core
from splitmirror._logging import drain
from splitmirror.config import MountSettings
from splitmirror.control import offer, withdraw
from splitmirror.errors import ArgumentError, SplitMirrorError
from splitmirror.mounts._notify import Manager
from splitmirror.pair import MirrorPair
from splitmirror.reports import MountReport
from splitmirror.units import printable

__all__ = ["serve"]

_TICK = 0.2
"""Seconds between two looks at signals."""

_AGAIN = 5
"""So many looks after an unmount was refused, it is tried again."""


def serve(
    pair: MirrorPair,
    settings: MountSettings,
    *,
    ready: Callable[[MountReport], object],
    told: Callable[[str], object],
) -> None:
    """Mount the volume of an open pair and serve it until it is unmounted; the pair stays open.

    A first SIGTERM, SIGINT or SIGHUP unmounts as soon as nobody uses it. A second one takes it
    away from the folder at once; who has it open goes on, and it ends with the last of them.

    Args:
        pair: of mode "exclusive".
        settings: where, an empty folder, and how.
        ready: called once it is mounted.
        told: called with a sentence when an unmount has to wait.

    Raises:
        MountError: it cannot be mounted there.
        ArgumentError: the pair is not of mode "exclusive".
    """
    manager = Manager()
    with _signals() as asked:
        try:
            mount = _core.Mount.start(
                pair._core,
                settings.mountpoint or "",
                threads=settings.threads or 0,
                allow_other=settings.allow_other,
            )
        finally:
            drain()
        offer("unmount", _Unmount(mount))
        try:
            ready(_report(pair, mount))
            manager.tell(READY="1", STATUS=f"serving {printable(str(pair.source_path))}")
            _attend(mount, asked, manager, told)
        finally:
            withdraw("unmount")
            # The pair is closed next, and nobody may be served by a closed one.
            if not mount.wait(0):
                with contextlib.suppress(SplitMirrorError):
                    mount.unmount(lazily=True)


class _Unmount:
    """What other processes can ask of this one, beside the verbs."""

    def __init__(self, mount: _core.Mount) -> None:
        self._mount = mount

    def __call__(self, pair: object, *, lazily: bool = False) -> dict[str, Any]:
        """Unmount it; the process ends by itself then."""
        if not isinstance(lazily, bool):
            raise ArgumentError("lazily: true or false is needed", argument="lazily")
        self._mount.unmount(lazily=lazily)
        return {"mountpoint": os.fsdecode(self._mount.mountpoint)}


def _attend(
    mount: _core.Mount, asked: list[int], manager: Manager, told: Callable[[str], object]
) -> None:
    answered = looks = 0
    refused = ""
    while not mount.wait(_TICK):
        drain()
        manager.alive()
        looks += 1
        if len(asked) == answered and not (refused and looks % _AGAIN == 0):
            continue
        answered = len(asked)
        try:
            mount.unmount(lazily=answered > 1)
            refused = ""
        # Whatever keeps it from being unmounted: as long as it is mounted, it is served.
        except SplitMirrorError as error:
            if str(error) != refused:
                told(f"{error}; waiting (a second signal detaches it)")
            refused = str(error)
        finally:
            manager.tell(STOPPING="1")
    drain()


def _report(pair: MirrorPair, mount: _core.Mount) -> MountReport:
    mountpoint = os.fsdecode(mount.mountpoint)
    stale = "A mount there whose process had died was taken away."
    return MountReport(
        mountpoint=printable(mountpoint),
        volume=printable(os.path.join(mountpoint, "volume")),
        source=printable(str(pair.source_path)),
        mirror=printable(str(pair.mirror_path)),
        pid=os.getpid(),
        notes=(stale,) if mount.replaced_stale else (),
    )


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the signals that ask for the end, instead of being ended or interrupted by them."""
    asked: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        asked.append(number)

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
