"""Hooks round a restore: stop before anything changes, start when the source can be used again.

And Ctrl-C in a hook, of a restore and of a split: whoever was told to stop is told to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import MIB, digest, overwrite, write_pattern
from scenes import BLOCK, make_source
from several import make_mirror, same_bytes
from splitmirror import HookReport, Hooks, MirrorPair, Receipt, State, errors
from splitmirror.states import Condition
from told import Told, follows

LENGTH = 2 * MIB + 777
HARDLY = 1
Restore = Callable[[MirrorPair, Hooks], Receipt]


def restore(pair: MirrorPair, hooks: Hooks) -> Receipt:
    return pair.restore(hooks=hooks)


def start_restore(pair: MirrorPair, hooks: Hooks) -> Receipt:
    return pair.start_restore(hooks=hooks).wait(60)


BOTH: tuple[Restore, ...] = (restore, start_restore)


@pytest.fixture
def spoiled(any_fs: Path) -> Iterator[tuple[MirrorPair, bytes, bytes]]:
    """A split pair whose source was overwritten since; the good bytes, and the bad ones."""
    source = any_fs / "source"
    write_pattern(source, LENGTH, seed=81, holes=False)
    with make_mirror(source, 0) as pair:
        pair.split(label="good")
        good = source.read_bytes()
        pair.write(0, b"\xee" * LENGTH)
        pair.flush()
        yield pair, good, b"\xee" * LENGTH


def ran(hooks: tuple[HookReport, ...]) -> list[tuple[str, bool]]:
    return [(hook.hook, hook.ok) for hook in hooks]


@pytest.mark.parametrize("verb", BOTH)
def test_stop_comes_before_and_start_after(
    spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore
) -> None:
    pair, good, bad = spoiled
    told = Told(lambda: (pair.read(0, LENGTH), Condition.RESTORE_PENDING in pair.conditions))
    receipt = verb(pair, told.hooks)
    assert told.names == ["stop", "start"]
    assert told.found["stop"] == (bad, False)
    # start_restore() goes on copying.
    assert told.found["start"] in ((good, False), (good, True))
    assert receipt.complete
    assert ran(receipt.hooks) == [("stop", True), ("start", True)]
    assert pair.source_path.read_bytes() == good


def test_start_runs_as_soon_as_the_restore_has_taken_effect(
    spoiled: tuple[MirrorPair, bytes, bytes],
) -> None:
    pair, good, _ = spoiled
    told = Told(lambda: pair.read(0, LENGTH) == good)
    job = pair.start_restore(throttle=HARDLY, hooks=told.hooks)
    assert told.names == ["stop", "start"]
    assert told.found["start"] is True
    assert job.running
    job.throttle(None)
    assert ran(job.wait(60).hooks) == [("stop", True), ("start", True)]


@pytest.mark.parametrize("verb", BOTH)
def test_nothing_is_restored_when_stop_fails(
    spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore
) -> None:
    pair, _, bad = spoiled
    told = Told(fails="stop")
    with pytest.raises(errors.HookError) as caught:
        verb(pair, told.hooks)
    assert caught.value.hook == "stop"
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert told.names == ["stop", "start"]
    assert pair.source_path.read_bytes() == bad
    assert pair.conditions == frozenset()


@pytest.mark.parametrize("verb", BOTH)
def test_start_runs_also_when_the_restore_is_refused(
    spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore
) -> None:
    pair, _, bad = spoiled
    overwrite(pair.mirror_path, 0, b"changed behind our back")
    told = Told()
    with pytest.raises(errors.MirrorSkewedError):
        verb(pair, told.hooks)
    assert told.names in (["stop", "start"], [])
    assert pair.source_path.read_bytes() == bad


@pytest.mark.parametrize("verb", BOTH)
def test_a_start_that_fails_is_told_and_changes_nothing(
    spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore
) -> None:
    pair, good, _ = spoiled
    receipt = verb(pair, Told(fails="start").hooks)
    assert receipt.complete
    assert ran(receipt.hooks) == [("stop", True), ("start", False)]
    assert "may not be running" in receipt.hooks[1].warning
    assert pair.source_path.read_bytes() == good


class Interrupted(Told):
    """Hooks of which one is interrupted by Ctrl-C."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def ran(self, name: str) -> None:
        super().ran(name)
        if name == self._name:
            raise KeyboardInterrupt


@pytest.mark.parametrize("verb", BOTH)
def test_an_interrupt_in_stop_restores_nothing_and_starts(
    spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore
) -> None:
    pair, _, bad = spoiled
    told = Interrupted("stop")
    with pytest.raises(KeyboardInterrupt):
        verb(pair, told.hooks)
    assert told.names == ["stop", "start"]
    assert pair.source_path.read_bytes() == bad
    assert pair.conditions == frozenset()


@pytest.mark.parametrize("verb", BOTH)
def test_an_interrupt_in_start_comes_after_the_restore(
    spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore
) -> None:
    pair, good, _ = spoiled
    told = Interrupted("start")
    with pytest.raises(KeyboardInterrupt):
        verb(pair, told.hooks)
    assert told.names == ["stop", "start"]
    # The job that nobody was given is still found.
    job = pair.restore_job
    if job is not None:
        job.wait(60)
    assert pair.read(0, LENGTH) == pair.source_path.read_bytes() == good


def test_an_interrupt_in_freeze_splits_nothing_and_thaws(any_fs: Path) -> None:
    with make_mirror(make_source(any_fs), 0) as pair:
        told = Interrupted("freeze")
        with pytest.raises(KeyboardInterrupt):
            pair.split(hooks=told.hooks)
        assert told.names == ["freeze", "thaw"]
        assert follows(pair)
        with pytest.raises(KeyboardInterrupt):
            pair.refresh(hooks=Interrupted("freeze").hooks)
        assert follows(pair)
        assert pair.split(hooks=Told().hooks).consistency == "application"


def test_an_interrupt_in_thaw_leaves_a_legal_pair(any_fs: Path) -> None:
    with make_mirror(make_source(any_fs), 0) as pair:
        pair.write(0, b"before")
        told = Interrupted("thaw")
        with pytest.raises(KeyboardInterrupt):
            pair.split(hooks=told.hooks)
        assert told.names == ["freeze", "thaw"]
        good = digest(pair.mirror_path)
        pair.write(BLOCK, b"after")
        pair.flush()
        assert pair.state in (State.SYNCHRONIZED, State.SPLIT)
        if pair.state is State.SPLIT:
            assert digest(pair.mirror_path) == good
        else:
            assert same_bytes(pair)
        pair.refresh()
        assert same_bytes(pair)
