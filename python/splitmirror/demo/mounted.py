"""The mounted demonstration: a database on a file system on a volume that an operator restores.

The shop knows nothing of splitmirror, and neither do SQLite, ext4 and the loop device below it. The
operator calls verbs from another process than the one that serves; the hooks of the pair's
configuration stop and start the shop.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from splitmirror import config
from splitmirror.control import RemotePair, connect
from splitmirror.demo.report import MountedReport
from splitmirror.demo.shop import Shop
from splitmirror.demo.telling import Telling
from splitmirror.errors import SplitMirrorError
from splitmirror.mounts import Mounted
from splitmirror.pair import MirrorPair
from splitmirror.reports import Receipt
from splitmirror.states import State
from splitmirror.units import format_bytes, format_seconds

__all__ = ["MountStory", "missing_for_mounts"]

IMAGE_MIN = 96 << 20
# Seconds at the pace 1.
SOME_TIME = 0.6
COPYING = 2.5


def missing_for_mounts() -> str:
    """Say what the demonstration needs and does not find here; empty when it can run."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if os.geteuid() != 0:
        return "root, who may mount a file system on a loop device"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse"
    wanted = ("mkfs.ext4", "mount", "umount", "fsfreeze")
    return ", ".join(name for name in wanted if shutil.which(name, path=path) is None)


class MountStory(Telling):
    """Runs the steps in a folder; ``pace`` is how long each lasts."""

    def __init__(
        self, folder: Path, size: int, say: Callable[[str], object], pace: float = 1.0
    ) -> None:
        super().__init__(say)
        self._size, self._pace = size, pace
        self._source, self._mirror = folder / "shop.img", folder / "shop.mirror"
        self._mountpoint, self._files = folder / "volume", folder / "files"
        self._shop = Shop(self._files / "shop.db")

    def tell(self) -> MountedReport:
        """Run it all."""
        pair = self._make()
        with pair.mount(self._mountpoint) as mounted, self._cleared():
            self._say_mounted(mounted)
            self._make_shop(mounted)
            # From here on as an operator at another terminal.
            operator = connect(self._mirror)
            before, digest = self._split(operator)
            self._corrupt()
            receipt = self._restore(operator, before)
            self._look_on(operator, digest, receipt)
        self._look_at_the_end()
        return MountedReport(
            passed=self._passed,
            findings=tuple(self._findings),
            source_bytes=self._source.stat().st_size,
            root=receipt.root_after or "",
            receipts=(receipt,),
            moves_at_split=before,
            seconds=time.monotonic() - self._started,
        )

    # --- Before anything is wrong --------------------------------------------------------------

    def _make(self) -> MirrorPair:
        length = max(IMAGE_MIN, 2 * self._size)
        with self._source.open("wb") as file:
            file.truncate(length)
        for folder in (self._mountpoint, self._files):
            folder.mkdir()
        pair = MirrorPair.create(self._source, self._mirror, mode="exclusive")
        pair.establish()
        files, volume = str(self._files), str(self._mountpoint / "volume")
        hooks = {
            "freeze": ["fsfreeze", "--freeze", files],
            "thaw": ["fsfreeze", "--unfreeze", files],
            "stop": self._service("stop"),
            "unmount": ["umount", files],
            "mount": ["mount", "-o", "loop", volume, files],
            "start": self._service("start"),
        }
        given = {f"hooks.{name}": shlex.join(words) for name, words in hooks.items()}
        config.change(pair.catalog_path, given)
        self._step(
            f"A volume of {format_bytes(length)}, mirrored; its configuration names the hooks "
            "freeze, thaw, stop, unmount, mount and start"
        )
        return pair

    def _service(self, verb: str) -> list[str]:
        return [sys.executable, "-m", "splitmirror.demo.shop", verb, str(self._shop.path)]

    def _say_mounted(self, mounted: Mounted) -> None:
        self._step(f"Mounted: process {mounted.pid} serves {mounted.volume.name} as a file")
        self._check("the folder shows the volume alone", os.listdir(self._mountpoint) == ["volume"])

    def _make_shop(self, mounted: Mounted) -> None:
        begun = time.monotonic()
        _run("mkfs.ext4", "-q", "-F", str(mounted.volume))
        _run("mount", "-o", "loop", str(mounted.volume), str(self._files))
        self._shop.build(self._size // 2)
        self._shop.start()
        self._step(
            "ext4 on a loop device on it, a SQLite database in WAL mode on that, and a shop that "
            "moves money, one durable transaction after the other",
            time.monotonic() - begun,
        )
        self._work_on()

    def _split(self, operator: RemotePair) -> tuple[int, str]:
        before = self._shop.moves()
        report = operator.split(label="before the faulty release")
        self._step(
            "split, from another process: the hooks freeze the file system and thaw it; writers "
            f"waited {format_seconds(report.writers_paused_seconds)}"
        )
        self._check("the point is application-consistent", report.consistency == "application")
        sealed = operator.seal()
        self._step(f"seal: the mirror's root digest is {sealed.root}", sealed.seconds)
        shown = sorted(os.listdir(self._mountpoint))
        self._check(
            "the split mirror is a file beside the volume", shown == ["shop.mirror", "volume"]
        )
        return before, sealed.root

    # --- The fault, and the way back -----------------------------------------------------------

    def _corrupt(self) -> None:
        self._work_on()
        moves = self._shop.moves()
        self._shop.corrupt()
        _, total, _, _ = self._shop.state()
        self._step(
            f"After {moves:,} moves a faulty release: money from nowhere, all documents overwritten"
        )
        self._check(f"the books do not balance: {total:,} too much", total != 0)

    def _restore(self, operator: RemotePair, before: int) -> Receipt:
        plan = operator.plan_restore().report
        throttle = max(1, int(plan.bytes / (COPYING * self._pace)))
        begun = time.monotonic()
        job = operator.start_restore(throttle=throttle)
        self._step(
            "start-restore: the shop was stopped, the file system unmounted, the restore took "
            "effect, and all was mounted and started again",
            time.monotonic() - begun,
        )
        self._tell(f"{format_bytes(plan.bytes)} are copied behind the shop from now on")
        moves, total, documents, found = self._shop.state()
        running = job.running
        self._check(
            f"while it copies, queries answer: {moves:,} moves, {documents:,} documents, the books "
            "balance",
            running and total == 0 and moves >= before and documents > 0,
        )
        self._check(f"while it copies, integrity_check says {found}", found == "ok")
        self._work_on()
        later = self._shop.moves()
        self._check(
            f"while it copies, the shop works on: {later - moves:,} moves more",
            job.running and later > moves,
        )
        receipt = job.wait()
        self._step(
            f"the restore has ended: {format_bytes(receipt.bytes_copied)} copied",
            receipt.seconds,
        )
        return receipt

    def _look_on(self, operator: RemotePair, root: str, receipt: Receipt) -> None:
        self._check("the receipt is complete", receipt.complete)
        self._check(
            f"it lists {receipt.blocks_app_written:,} blocks that were written meanwhile",
            receipt.blocks_app_written > 0,
        )
        scrub = operator.scrub()
        unchanged = receipt.mirror_unchanged and scrub.intact and scrub.root == root
        self._check("the mirror is unchanged: stamp, and digest of every block", unchanged)
        self._check("the mirror is still split", operator.state == State.SPLIT)
        _, total, _, found = self._shop.state()
        self._check("the books balance, and the database is sound", (total, found) == (0, "ok"))

    def _look_at_the_end(self) -> None:
        self._step("The shop is stopped, all is unmounted, and the serving process has ended")
        with MirrorPair.open(self._mirror) as pair:
            known = pair.plan_restore().report.reason == "bitmap"
        self._check("the pair was closed cleanly: what has changed is known", known)

    # --- What several steps need ---------------------------------------------------------------

    def _work_on(self) -> None:
        """Some time, and longer while nothing is done."""
        moves, deadline = self._shop.moves(), time.monotonic() + 10
        time.sleep(SOME_TIME * self._pace)
        while self._shop.moves() == moves and time.monotonic() < deadline:
            time.sleep(0.05)

    @contextlib.contextmanager
    def _cleared(self) -> Iterator[None]:
        """Stop the shop and unmount its file system in the end, whatever happened."""
        try:
            yield
        finally:
            self._shop.stop()
            if os.path.ismount(self._files):
                _run("umount", str(self._files))


def _run(*command: str) -> None:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    if done.returncode:
        raise SplitMirrorError(f"{command[0]} failed: {done.stderr.strip()}")
