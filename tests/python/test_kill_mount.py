"""The process that serves a mount, killed at any moment under a program that writes.

What the program was told is durable is there when the volume is mounted again, a split mirror is
what it was (I1), and recovery looks at a part (I2, I4, I5). The mountpoint that it leaves is taken
over by the next mount. `SPLITMIRROR_KILL_ROUNDS`: a sixth of it are killed in each scene.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import MIB
from killed_writer import PAGE, SIZE, Pages, Written, pages_of, pages_through, record, slot_of
from mounts import away, is_mounted, need_fuse
from splitmirror import MirrorPair, State, errors
from splitmirror.states import Condition

ROUNDS = max(10, int(os.environ.get("SPLITMIRROR_KILL_ROUNDS", "60")) // 6)
pytestmark = pytest.mark.kill

SERVER = """
import sys
from splitmirror import MirrorPair, _core
mirror, mountpoint, what = sys.argv[1:]
pair = MirrorPair.open(mirror)
mount = _core.Mount.start(pair._core, mountpoint)
print("stale" if mount.replaced_stale else "fresh", flush=True)
# The program begins to write after this line, or writes already.
sys.stdin.readline()
if what != "write":
    pair.start_restore(throttle=8 << 20)
    print("restoring", flush=True)
mount.wait(60)
"""

WRITER = """
import os, sys
from killed_writer import record, slot_of
volume, log, how, number = *sys.argv[1:4], int(sys.argv[4])
acknowledged = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
volume = os.open(volume, os.O_RDWR | (os.O_DSYNC if how == "dsync" else 0))
print("open", flush=True)
seed = number
while True:
    for _ in range(20):
        number += 1
        slot = slot_of(seed, number)
        os.pwrite(volume, record(slot, number), slot * 4096)
    if how != "dsync":
        os.fsync(volume)
    os.write(acknowledged, b"%d\\n" % number)
"""


class Scene:
    """A sparse source of 256 MiB with some records, its mirror, and a folder to mount it on."""

    def __init__(self, folder: Path) -> None:
        self.source, self.mirror = folder / "source", folder / "mirror"
        self.mountpoint, self.log = folder / "mounted", folder / "log"
        self.mountpoint.mkdir()
        with self.source.open("wb") as file:
            file.truncate(SIZE)
            for slot in range(0, SIZE // PAGE, 997):
                file.seek(slot * PAGE)
                file.write(record(slot, 0))
        with MirrorPair.create(self.source, self.mirror, mode="exclusive") as pair:
            pair.establish()
        self.seed = random.SystemRandom().randrange(10_000)
        self.chooser = random.Random(self.seed)
        self.number = self.chooser.randrange(1, 1_000_000)

    @contextmanager
    def serving(self, what: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-c", SERVER, str(self.mirror), str(self.mountpoint), what]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                yield server
            finally:
                server.kill()

    def kill(self, what: str = "write", *, longest: float = 0.3) -> Written:
        """Serve a program that writes, and kill the serving process after a while."""
        how = self.chooser.choice(["fsync", "dsync"])
        self.log.unlink(missing_ok=True)
        volume = self.mountpoint / "volume"
        command = [sys.executable, "-c", WRITER, str(volume), str(self.log), how, str(self.number)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        restoring = False
        stale = is_mounted(self.mountpoint)
        with self.serving(what) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            assert server.stdout.readline() == ("stale\n" if stale else "fresh\n")
            if what == "restore, then write":
                print(file=server.stdin, flush=True)
                restoring = server.stdout.readline() == "restoring\n"
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
            ) as writer:
                assert writer.stdout is not None
                assert writer.stdout.readline() == b"open\n"
                if not restoring:
                    print(file=server.stdin, flush=True)
                time.sleep(self.chooser.uniform(0, longest))
                assert server.poll() is None
                server.kill()
                restoring |= server.stdout.read() == "restoring\n"
                # It does not hang: what it asked for, and all that it asks for, fails.
                assert writer.wait(20) != 0
        assert is_mounted(self.mountpoint)
        written = Written(self.log, self.number, restoring=restoring)
        self.number = written.tried
        return written

    def spoil(self, pair: MirrorPair, count: int = 300) -> None:
        """Records of this process, in many blocks: something to restore."""
        for _ in range(count):
            self.number += 1
            slot = self.chooser.randrange(SIZE // PAGE)
            pair.write(slot * PAGE, record(slot, self.number))
        pair.flush()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    need_fuse()
    scene = Scene(tmp_path)
    print(f"seed {scene.seed}")
    yield scene
    away(scene.mountpoint)


def test_killed_while_synchronized(scene: Scene) -> None:
    unclean = 0
    for _ in range(ROUNDS):
        before = pages_of(scene.source)
        written = scene.kill()
        now = pages_of(scene.source)
        written.check(before, now)
        with MirrorPair.open(scene.mirror) as pair:
            assert pair.state is State.SYNCHRONIZED
            plan = pair.plan_establish().report
            unclean += plan.reason == "unclean-close"
            assert plan.bytes <= SIZE // 4
            if plan.blocks:
                with pytest.raises(errors.OutsideWritesError):
                    pair.split()
            pair.establish()
        assert pages_of(scene.mirror) == pages_of(scene.source) == now
    assert unclean > 0


def test_killed_while_split(scene: Scene) -> None:
    with MirrorPair.open(scene.mirror) as pair:
        pair.split()
    for number in range(ROUNDS):
        before, point = pages_of(scene.source), pages_of(scene.mirror)
        written = scene.kill()
        now = pages_of(scene.source)
        written.check(before, now)
        assert pages_of(scene.mirror) == point
        with MirrorPair.open(scene.mirror) as pair:
            assert pair.state is State.SPLIT
            assert Condition.MIRROR_SKEWED not in pair.conditions
            if number % 2:
                pair.refresh()
                assert pages_of(scene.mirror) == now
            else:
                assert pair.restore().mirror_unchanged
                assert pages_of(scene.source) == pages_of(scene.mirror) == point


@pytest.mark.parametrize("what", ["restore, then write", "write, then restore"])
def test_killed_while_a_restore_is_under_way(scene: Scene, what: str) -> None:
    with MirrorPair.open(scene.mirror) as pair:
        pair.split()
        pair.seal()
    found = 0
    for _ in range(ROUNDS):
        with MirrorPair.open(scene.mirror) as pair:
            scene.spoil(pair)
        before, point = pages_of(scene.source), pages_of(scene.mirror)
        written = scene.kill(what, longest=0.5)
        assert pages_of(scene.mirror) == point
        with MirrorPair.open(scene.mirror) as pair:
            pending = Condition.RESTORE_PENDING in pair.conditions
            found += pending
            now = pages_through(pair)
            if what == "restore, then write":
                written.check(point, now)
            else:
                check_either(written, pending, before, point, now)
            if pending:
                receipt = pair.resume_restore()
                assert receipt.complete
                assert receipt.mirror_unchanged
                assert pages_of(scene.source) == now
            assert pair.restore().complete
            assert pages_of(scene.source) == pages_of(scene.mirror) == point
            assert pair.scrub().intact
    assert found > 0


def check_either(written: Written, pending: bool, before: Pages, point: Pages, now: Pages) -> None:
    """Each page is of the point, of the program, or (before it took effect) what was there.

    What the program wrote before it took effect may be gone again.
    """
    began = written.restoring or pending
    ours: dict[int, set[bytes]] = {}
    for at in range(written.first + 1, written.tried + 1):
        slot = slot_of(written.first, at)
        ours.setdefault(slot, set()).add(record(slot, at))
    for slot in before.keys() | point.keys() | now.keys() | ours.keys():
        page = now.get(slot)
        legal = {point.get(slot)} if began else {point.get(slot), before.get(slot)}
        known = page in legal or page in ours.get(slot, ())
        assert known, f"slot {slot} holds {(page or b'zeros')[:40]!r}"


def test_nothing_of_it_is_left(scene: Scene) -> None:
    scene.kill()
    with MirrorPair.open(scene.mirror) as pair:
        pair.establish()
        assert not pair.verify().differing
    away(scene.mountpoint)
    assert list(scene.mountpoint.iterdir()) == []
    assert scene.source.stat().st_size == SIZE == 256 * MIB
