"""A guard round a block: what failed is restored, what ended well is followed, and by whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from guards import Bad, fail, following, spoil
from helpers import digest
from scenes import make_source, split, synchronized
from splitmirror import MirrorPair, State, errors


def test_a_failed_block_is_restored_and_can_be_repeated(any_fs: Path) -> None:
    source = make_source(any_fs)
    good = digest(source)
    with synchronized(source) as pair:
        before = None
        for attempt in range(3):
            guard = pair.guard(label="import")
            with pytest.raises(Bad) as caught, guard:
                fail(pair, 2, 5, 6)
            assert caught.value.__notes__ == [
                "guard: 3 blocks of the source restored; the mirror stays split with the point "
                "'guard: import'"
            ]
            assert digest(source) == good == digest(pair.mirror_path)
            assert (pair.state, guard.reused) == (State.SPLIT, attempt > 0)
            assert guard.receipt is not None
            assert (guard.receipt.blocks_copied, guard.receipt.mirror_unchanged) == (3, True)
            # Nothing but the first split ever touched the mirror.
            stamp = pair.mirror_path.stat()
            assert before in (None, (stamp.st_mtime_ns, stamp.st_ctime_ns))
            before = (stamp.st_mtime_ns, stamp.st_ctime_ns)


def test_a_success_is_followed_when_the_guard_made_the_split(any_fs: Path) -> None:
    source = make_source(any_fs)
    with synchronized(source) as pair:
        for block in (3, 4):
            with pair.guard() as guard:
                assert (pair.state, pair.status().label) == (State.SPLIT, "guard")
                spoil(pair, block)
            assert pair.state is State.SYNCHRONIZED
            assert guard.established is not None
            assert guard.established.blocks_copied == 1
            assert str(guard) == "guard: changes are kept; the mirror follows again"
            assert digest(source) == digest(pair.mirror_path)


def test_a_success_with_a_point_that_was_there_keeps_the_point(tmp_path: Path) -> None:
    with following(tmp_path) as pair:
        good = digest(pair.source_path)
        with pytest.raises(Bad), pair.guard(label="a"):
            fail(pair, 1)
        with pair.guard(label="b") as guard:
            spoil(pair, 1)
        assert guard.reused
        assert guard.established is None
        assert pair.state is State.SPLIT
        assert digest(pair.mirror_path) == good != digest(pair.source_path)
        with pytest.raises(errors.StateError) as caught, pair.guard():
            pytest.fail("the block must not run")
        said = str(caught.value)
        assert "1 block of the source changed since the point 'guard: a' of " in said
        assert "restore() goes back to that" in said
        assert "guard(new_point=True)" in said
        assert (caught.value.verb, caught.value.state) == ("guard", "split")


def test_a_point_that_a_user_took_is_used(any_fs: Path) -> None:
    source = make_source(any_fs)
    good = digest(source)
    with split(source, label="mine") as pair:
        with pytest.raises(Bad), pair.guard(label="unused") as guard:
            fail(pair, 0)
        assert (guard.reused, guard.label) == (True, "mine")
        assert pair.status().label == "mine"
        assert digest(source) == good


def test_a_new_point_gives_up_the_old_one(tmp_path: Path) -> None:
    with following(tmp_path) as pair:
        pair.split(label="old")
        spoil(pair, 7)
        changed = digest(pair.source_path)
        guard = pair.guard(new_point=True, label="new")
        with pytest.raises(Bad), guard:
            fail(pair, 8)
        assert (pair.state, pair.status().label) == (State.SPLIT, "guard: new")
        assert digest(pair.source_path) == changed == digest(pair.mirror_path)
        # The same object can be used again; then it took the point, and so ends it.
        with guard:
            spoil(pair, 9)
        assert pair.state is State.SYNCHRONIZED


def test_a_new_point_on_hold_is_refused(tmp_path: Path) -> None:
    with following(tmp_path) as pair:
        pair.split(label="kept")
        pair.hold("the auditors'")
        with pytest.raises(errors.HeldError), pair.guard(new_point=True):
            pytest.fail("the block must not run")
        assert pair.status().label == "kept"
        # Without a new point nothing of the mirror changes, so a hold is no hindrance.
        with pytest.raises(Bad), pair.guard():
            fail(pair, 1)


def test_a_mirror_that_never_followed_is_refused(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with MirrorPair.create(source, tmp_path / "mirror") as pair:
        with pytest.raises(errors.StateError, match=r"is initialized.*establish\(\)"), pair.guard():
            pytest.fail("the block must not run")
        assert pair.status().state == "initialized"
        with pair.guard(new_point=True):
            spoil(pair, 1)
        assert pair.state is State.SYNCHRONIZED


def test_a_function_can_be_guarded(tmp_path: Path) -> None:
    with following(tmp_path) as pair:
        good = digest(pair.source_path)

        @pair.guard(label="clean")
        def clean(block: int, wrong: bool) -> int:
            """Clean a block."""
            if wrong:
                fail(pair, block)
            return block

        assert (clean.__name__, clean.__doc__) == ("clean", "Clean a block.")
        assert clean(5, wrong=False) == 5
        assert pair.state is State.SYNCHRONIZED
        with pytest.raises(Bad):
            clean(5, wrong=True)
        assert digest(pair.source_path) == good
        assert pair.status().label == "guard: clean"


def test_a_function_that_runs_after_its_call_is_no_function_to_guard(tmp_path: Path) -> None:
    with following(tmp_path) as pair:

        async def later() -> None:
            """Nothing of this runs when it is called."""

        with pytest.raises(errors.ArgumentError, match="inside of it"):
            pair.guard()(later)
