"""Hooks round a restore: stop and unmount before anything changes, mount and start afterwards.

And Ctrl-C in a hook, of a restore and of a split: whoever was told to stop is told to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import MIB, digest, overwrite, write_pattern
from scenes import BLOCK, cancelled_at_once, make_source
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
ORDER = ["stop", "unmount", "mount", "start"]
BEGUN: dict[str, list[str]] = {"stop": ["stop", "start"], "unmount": ORDER}
"""What runs when this one fails or is interrupted, before anything is restored."""


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
def test_hooks_run_in_their_order(spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore) -> None:
    pair, good, bad = spoiled
    told = Told(lambda: (pair.read(0, LENGTH), Condition.RESTORE_PENDING in pair.conditions))
    receipt = verb(pair, told.hooks)
    assert told.names == ORDER
    for before in ("stop", "unmount"):
        assert told.found[before] == (bad, False)
    for after in ("mount", "start"):
        # start_restore() goes on copying.
        assert told.found[after] in ((good, False), (good, True))
    assert receipt.complete
    assert ran(receipt.hooks) == [(name, True) for name in ORDER]
    assert pair.source_path.read_bytes() == good


def test_mount_and_start_run_as_soon_as_the_restore_has_taken_effect(
    spoiled: tuple[MirrorPair, bytes, bytes],
) -> None:
    pair, good, _ = spoiled
    told = Told(lambda: pair.read(0, LENGTH) == good)
    job = pair.start_restore(throttle=HARDLY, hooks=told.hooks)
    assert told.names == ORDER
    assert told.found["mount"] is told.found["start"] is True
    assert job.running
    job.throttle(None)
    assert ran(job.wait(60).hooks) == [(name, True) for name in ORDER]


@pytest.mark.parametrize("verb", BOTH)
@pytest.mark.parametrize("fails", BEGUN)
def test_nothing_is_restored_when_stop_or_unmount_fails(
    spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore, fails: str
) -> None:
    pair, _, bad = spoiled
    told = Told(fails=fails)
    with pytest.raises(errors.HookError) as caught:
        verb(pair, told.hooks)
    assert caught.value.hook == fails
    assert str(caught.value).startswith(f"The {fails} hook failed, so nothing was restored: ")
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert told.names == BEGUN[fails]
    assert pair.source_path.read_bytes() == bad
    assert pair.conditions == frozenset()


@pytest.mark.parametrize("verb", BOTH)
def test_what_was_begun_is_ended_also_when_the_restore_is_refused(
    spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore
) -> None:
    pair, _, bad = spoiled
    overwrite(pair.mirror_path, 0, b"changed behind our back")
    told = Told()
    with pytest.raises(errors.MirrorSkewedError):
        verb(pair, told.hooks)
    assert told.names == ORDER
    assert pair.source_path.read_bytes() == bad


@pytest.mark.parametrize("verb", [*BOTH, MirrorPair.resume_restore])
def test_nobody_is_stopped_for_what_the_state_does_not_allow(
    any_fs: Path, verb: Callable[..., Receipt]
) -> None:
    with make_mirror(make_source(any_fs), 0) as pair:
        told = Told()
        with pytest.raises(errors.StateError, match="while the pair is synchronized"):
            verb(pair, hooks=told.hooks)
        assert told.names == []


def test_nobody_is_stopped_for_what_the_mode_does_not_allow(any_fs: Path) -> None:
    with make_mirror(make_source(any_fs), 0, mode="shared") as pair:
        pair.split()
        told = Told()
        with pytest.raises(errors.ArgumentError, match="exclusive"):
            pair.start_restore(hooks=told.hooks)
        assert told.names == []


MEANS = {"mount": "may not be mounted", "start": "may not be running"}


@pytest.mark.parametrize("verb", BOTH)
@pytest.mark.parametrize("fails", MEANS)
def test_a_mount_or_start_that_fails_is_told_and_changes_nothing(
    spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore, fails: str
) -> None:
    pair, good, _ = spoiled
    told = Told(fails=fails)
    receipt = verb(pair, told.hooks)
    assert receipt.complete
    assert told.names == ORDER
    assert ran(receipt.hooks) == [(name, name != fails) for name in ORDER]
    assert MEANS[fails] in receipt.hooks[ORDER.index(fails)].warning
    assert pair.source_path.read_bytes() == good


@pytest.mark.parametrize("verb", BOTH)
def test_an_error_says_too_what_could_not_be_started(
    spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore
) -> None:
    pair, _, _ = spoiled
    hooks = Hooks(stop="true", unmount="false", mount="false", start="false")
    with pytest.raises(errors.HookError) as caught:
        verb(pair, hooks)
    assert caught.value.hook == "unmount"
    mount, start = caught.value.__notes__
    assert mount.startswith("The mount hook failed, so the source may not be mounted: ")
    assert start.startswith("The start hook failed, so the application may not be running: ")
    overwrite(pair.mirror_path, 0, b"changed behind our back")
    with pytest.raises(errors.MirrorSkewedError) as skewed:
        verb(pair, Hooks(start="false"))
    assert skewed.value.__notes__ == [start]


@pytest.mark.parametrize("given", ["stop", "start", "unmount", "mount"])
def test_one_hook_alone_runs_in_its_place(
    spoiled: tuple[MirrorPair, bytes, bytes], given: str
) -> None:
    pair, good, bad = spoiled
    found: list[bytes] = []
    action: dict[str, Any] = {given: lambda: found.append(pair.read(0, LENGTH))}
    receipt = pair.restore(hooks=Hooks(**action))
    assert found == [bad if given in BEGUN else good]
    assert ran(receipt.hooks) == [(given, True)]


def test_a_time_out_of_unmount_restores_nothing(
    spoiled: tuple[MirrorPair, bytes, bytes], tmp_path: Path
) -> None:
    pair, _, bad = spoiled
    mounted = tmp_path / "mounted"
    hooks = Hooks(unmount="sleep 600", mount=["touch", str(mounted)], timeout=0.3)
    with pytest.raises(errors.HookError, match="did not end in time"):
        pair.restore(hooks=hooks)
    assert mounted.exists()
    assert pair.source_path.read_bytes() == bad


def test_a_resumed_and_a_healed_restore_run_hooks_too(
    spoiled: tuple[MirrorPair, bytes, bytes],
) -> None:
    pair, good, bad = spoiled
    cancelled_at_once(pair.restore)
    told = Told()
    with pytest.raises(errors.StateError, match="restore-pending"):
        pair.restore(hooks=told.hooks)
    assert told.names == []
    told = Told(fails="stop")
    with pytest.raises(errors.HookError):
        pair.resume_restore(hooks=told.hooks)
    assert pair.source_path.read_bytes() == bad
    told = Told()
    assert ran(pair.resume_restore(hooks=told.hooks).hooks) == [(name, True) for name in ORDER]
    assert pair.source_path.read_bytes() == good
    pair.write(0, bad)
    cancelled_at_once(pair.restore)
    told = Told()
    receipt = pair.restore(restart=True, hooks=told.hooks)
    assert told.names == ORDER
    job = pair.start_restore(full=True, throttle=HARDLY, hooks=Hooks())
    pair.write(0, b"meanwhile")
    job.throttle(None)
    receipt = job.wait(60)
    assert receipt.blocks_app_written == 1
    told = Told(lambda: pair.read(0, LENGTH) == good)
    healed = pair.heal(receipt, hooks=told.hooks)
    assert ran(healed.hooks) == [(name, True) for name in ORDER]
    assert told.found == {"stop": False, "unmount": False, "mount": True, "start": True}


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
@pytest.mark.parametrize("name", BEGUN)
def test_an_interrupt_before_a_restore_restores_nothing(
    spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore, name: str
) -> None:
    pair, _, bad = spoiled
    told = Interrupted(name)
    with pytest.raises(KeyboardInterrupt):
        verb(pair, told.hooks)
    assert told.names == BEGUN[name]
    assert pair.source_path.read_bytes() == bad
    assert pair.conditions == frozenset()


@pytest.mark.parametrize("verb", BOTH)
@pytest.mark.parametrize("name", MEANS)
def test_an_interrupt_in_mount_or_start_comes_after_the_restore(
    spoiled: tuple[MirrorPair, bytes, bytes], verb: Restore, name: str
) -> None:
    pair, good, _ = spoiled
    told = Interrupted(name)
    with pytest.raises(KeyboardInterrupt):
        verb(pair, told.hooks)
    assert told.names == ORDER
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
