"""A writer killed at any moment: what it was told is durable is there, and recovery is short.

The mode is exclusive, so a crash costs a look at the regions that were being written and no more.
A split mirror is what it was (I1); acknowledged records are there whatever was under way (I4, I5).
`SPLITMIRROR_KILL_ROUNDS`: a tenth of it are killed in each scene.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import splitmirror
from helpers import MIB
from killed_writer import PAGE, SIZE, Killed, Pages, pages_of, pages_through, record
from splitmirror import MirrorPair, Plan, State, errors
from splitmirror.states import Condition

ROUNDS = max(3, int(os.environ.get("SPLITMIRROR_KILL_ROUNDS", "60")) // 10)
pytestmark = pytest.mark.kill


class Scene:
    """A sparse source of 256 MiB with some records, and its mirrors."""

    def __init__(self, folder: Path, mirrors: int) -> None:
        self.source, self.log = folder / "source", folder / "log"
        with self.source.open("wb") as file:
            file.truncate(SIZE)
            for slot in range(0, SIZE // PAGE, 997):
                file.seek(slot * PAGE)
                file.write(record(slot, 0))
        self.mirrors = [folder / f"mirror-{number}" for number in range(mirrors)]
        for mirror in self.mirrors:
            with MirrorPair.create(self.source, mirror, mode="exclusive") as pair:
                pair.establish()
        # One seed for all rounds; a failure names it.
        self.seed = random.SystemRandom().randrange(10_000)
        self.chooser = random.Random(self.seed)
        self.number = self.chooser.randrange(1, 1_000_000)

    def kill(self, what: str = "write", *, longest: float = 0.3) -> Killed:
        """A session on the first mirror that is killed after a while."""
        seconds = self.chooser.uniform(0, longest)
        killed = Killed(self.mirrors[0], self.log, what, self.number, seconds)
        self.number = killed.tried
        return killed

    def rounds(self) -> Iterator[int]:
        acknowledged = 0
        for number in range(ROUNDS):
            before = self.number
            yield number
            acknowledged += self.number - before
        print(f"{ROUNDS} writers were killed after {acknowledged} records")

    def spoil(self, pair: MirrorPair, count: int = 300) -> None:
        """Records of this process, in many blocks: something to restore."""
        for _ in range(count):
            self.number += 1
            slot = self.chooser.randrange(SIZE // PAGE)
            pair.write(slot * PAGE, record(slot, self.number))
        pair.flush()


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Scene:
    scene = Scene(tmp_path, getattr(request, "param", 1))
    print(f"seed {scene.seed}")
    return scene


def check_short(plan: Plan, *, at_most: int = SIZE // 4) -> None:
    """The crash is the reason, or it came before the first write; little is looked at."""
    report = plan.report
    assert report.reason in ("unclean-close", "bitmap"), report.reason
    assert report.bytes <= at_most, f"{report.bytes} bytes would be looked at"


def test_killed_while_synchronized(scene: Scene) -> None:
    mirror = scene.mirrors[0]
    unclean = 0
    for _ in scene.rounds():
        before = pages_of(scene.source)
        killed = scene.kill()
        now = pages_of(scene.source)
        killed.check(before, now)
        assert splitmirror.status(mirror).owner_pid is None
        with MirrorPair.open(mirror) as pair:
            assert pair.state is State.SYNCHRONIZED
            plan = pair.plan_establish()
            check_short(plan)
            if plan.report.reason == "unclean-close":
                unclean += 1
                # Killed before its first write was logged, nothing can differ.
                unlogged = plan.report.blocks == 0
                with (
                    contextlib.nullcontext()
                    if unlogged
                    else pytest.raises(errors.OutsideWritesError)
                ):
                    pair.split()
                assert not unlogged or pages_of(mirror) == now == before
            assert killed.acknowledged == killed.first or plan.report.reason == "unclean-close"
            report = pair.establish()
            assert report.bytes_copied <= SIZE // 4
            assert pages_of(scene.source) == now
            assert pages_of(mirror) == now
            pair.split()
            assert pages_of(mirror) == now
            pair.establish()
    assert unclean > 0


def test_killed_while_split(scene: Scene) -> None:
    mirror = scene.mirrors[0]
    with MirrorPair.open(mirror) as pair:
        pair.split()
    for number in scene.rounds():
        before, point = pages_of(scene.source), pages_of(mirror)
        killed = scene.kill()
        now = pages_of(scene.source)
        killed.check(before, now)
        assert pages_of(mirror) == point
        with MirrorPair.open(mirror) as pair:
            assert pair.state is State.SPLIT
            assert Condition.MIRROR_SKEWED not in pair.conditions
            if number % 2:
                # The marks of two sessions at most, each within its window.
                check_short(pair.plan_establish())
                pair.refresh()
                assert pages_of(mirror) == pages_of(scene.source) == now
            else:
                check_short(pair.plan_restore())
                assert pair.restore().complete
                assert pages_of(mirror) == pages_of(scene.source) == point


def test_killed_while_a_restore_is_under_way(scene: Scene) -> None:
    mirror = scene.mirrors[0]
    with MirrorPair.open(mirror) as pair:
        pair.split()
        pair.seal()
    found = 0
    for number in scene.rounds():
        with MirrorPair.open(mirror) as pair:
            scene.spoil(pair)
        before, point = pages_of(scene.source), pages_of(mirror)
        killed = scene.kill("restore", longest=0.5)
        assert pages_of(mirror) == point
        with MirrorPair.open(mirror) as pair:
            assert pair.state is State.SPLIT
            pending = Condition.RESTORE_PENDING in pair.conditions
            found += pending
            now = pages_through(pair)
            check_restored(killed, pending, before, point, now)
            if pending and number % 3 == 2:
                # Killed once more, while it only writes: the redirection goes on.
                pair.close()
                again = scene.kill()
                with MirrorPair.open(mirror) as reopened:
                    later = pages_through(reopened)
                    again.check(now, later)
                    finish(reopened, mirror, later, point)
                continue
            finish(pair, mirror, now, point)
    assert found > 0


def check_restored(killed: Killed, pending: bool, before: Pages, point: Pages, now: Pages) -> None:
    """Old bytes of the source are seen only if the restore was not told to have begun."""
    if killed.restoring or pending:
        killed.check(point, now)
    elif now != before:
        # It was at an end before its writer could say that it had begun.
        assert now == point


def finish(pair: MirrorPair, mirror: Path, now: Pages, point: Pages) -> None:
    """The resumption keeps what is there; a restore, or a healing one, gives the point back."""
    if Condition.RESTORE_PENDING in pair.conditions:
        receipt = pair.resume_restore()
        assert receipt.complete
        assert receipt.mirror_unchanged
        assert pages_of(pair.source_path) == now
        pair.heal(receipt)
    check_short(pair.plan_restore(), at_most=SIZE // 2)
    assert pair.restore().complete
    assert pages_of(pair.source_path) == pages_of(mirror) == point
    assert pair.scrub().intact


@pytest.mark.parametrize("scene", [2], indirect=True)
def test_killed_with_two_mirrors(scene: Scene) -> None:
    one, two = scene.mirrors
    with MirrorPair.open(two) as pair:
        pair.split()
    for number in scene.rounds():
        before, point = pages_of(scene.source), pages_of(two)
        killed = scene.kill()
        now = pages_of(scene.source)
        killed.check(before, now)
        assert pages_of(two) == point
        with MirrorPair.open(one) as first, MirrorPair.open(two) as second:
            assert (first.state, second.state) == (State.SYNCHRONIZED, State.SPLIT)
            check_short(first.plan_establish())
            check_short(second.plan_restore(), at_most=SIZE // 2)
            if number % 3 == 0:
                second.restore()
                assert pages_of(scene.source) == point == pages_of(two)
                with pytest.raises((errors.OutsideWritesError, errors.StateError)):
                    first.split()
                check_short(first.plan_establish(), at_most=SIZE // 2)
            elif number % 3 == 1:
                second.refresh()
                assert pages_of(two) == now
            first.establish()
            assert pages_of(one) == pages_of(scene.source)
            scene.spoil(first, 20)
            assert pages_of(one) == pages_of(scene.source)


def test_recovery_copies_what_was_logged_alone(scene: Scene) -> None:
    """One session into one place of a large file: the rest is not even looked at."""
    killed = scene.kill(longest=0)
    while killed.acknowledged == killed.first:
        killed = scene.kill(longest=1)
    with MirrorPair.open(scene.mirrors[0]) as pair:
        plan = pair.plan_establish().report
        assert plan.reason == "unclean-close"
        # The window, and regions that were logged ahead of it.
        assert plan.bytes <= 48 * MIB
        pair.establish(plan=pair.plan_establish())
        assert pages_of(scene.mirrors[0]) == pages_of(scene.source)
