"""When what a guard does fails itself: nothing is lost, nothing is hidden."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from guards import Bad, fail, following, spoil
from helpers import digest, overwrite
from scenes import BLOCK, cancelled_at_once, make_source, synchronized
from splitmirror import State, errors
from splitmirror.states import Condition


def test_a_restore_that_fails_comes_out_with_the_cause(any_fs: Path) -> None:
    source = make_source(any_fs)
    good = digest(source)
    with synchronized(source) as pair:

        def block(**options: Any) -> None:
            with contextlib.ExitStack() as left_open:

                @pair.guard(label="import", **options)
                def use() -> None:
                    left_open.enter_context(source.open("rb"))
                    fail(pair, 1)

                use()

        with pytest.raises(errors.SourceInUseError) as caught:
            block()
        assert isinstance(caught.value.__cause__, Bad)
        assert caught.value.__notes__ == [
            "guard: the source was not restored; the mirror stays split with the point "
            "'guard: import'"
        ]
        assert digest(pair.mirror_path) == good != digest(source)
        # The pair is free for what the note says, and for another guard after it.
        pair.restore()
        assert digest(source) == good
        with pytest.raises(Bad):
            block(while_in_use=True)
        assert digest(source) == good


def test_a_mirror_that_changed_is_not_restored_from(tmp_path: Path) -> None:
    with following(tmp_path) as pair:

        @pair.guard()
        def block() -> None:
            overwrite(pair.mirror_path, 0, b"somebody else's")
            fail(pair, 1)

        with pytest.raises(errors.MirrorSkewedError) as caught:
            block()
        assert isinstance(caught.value.__cause__, Bad)
        with pytest.raises(errors.StateError, match="mirror-skewed"):
            block()


def test_an_establish_that_fails_keeps_the_changes(tmp_path: Path) -> None:
    with following(tmp_path) as pair:
        good = digest(pair.source_path)
        guard = pair.guard()

        @guard
        def block() -> None:
            spoil(pair, 1)
            pair.hold("wait")

        with pytest.raises(errors.HeldError):
            block()
        assert str(guard) == "guard: changes are kept; the mirror does not follow"
        assert pair.state is State.SPLIT
        assert digest(pair.mirror_path) == good != digest(pair.source_path)


def test_a_block_that_gives_up_the_point_is_not_restored_to_another(tmp_path: Path) -> None:
    with following(tmp_path) as pair:

        @pair.guard()
        def block(error: Exception | None) -> None:
            spoil(pair, 1)
            pair.refresh(label="half-way")
            spoil(pair, 2)
            if error is not None:
                raise error

        with pytest.raises(Bad) as caught:
            block(Bad())
        assert caught.value.__notes__ == [
            "guard: nothing was restored; the block gave up the point"
        ]
        assert (pair.status().label, pair.status().changed_blocks) == ("half-way", 1)
        pair.establish()
        block(None)
        # Nor is the point that the block took given up.
        assert (pair.state, pair.status().label) == (State.SPLIT, "half-way")


def test_a_restore_that_the_block_left_unfinished_is_begun_anew(tmp_path: Path) -> None:
    with following(tmp_path) as pair:
        good = digest(pair.source_path)

        @pair.guard()
        def cancelled() -> None:
            spoil(pair, 1, 2)
            cancelled_at_once(pair.restore)
            assert Condition.RESTORE_PENDING in pair.conditions
            fail(pair, 2, 3)

        @pair.guard()
        def running() -> None:
            spoil(pair, *range(16))
            pair.start_restore(throttle=BLOCK)
            fail(pair, 2, 3)

        for block in (cancelled, running):
            with pytest.raises(Bad):
                block()
            assert digest(pair.source_path) == good
            assert pair.conditions == frozenset()


def test_a_source_of_doubtful_content_is_not_taken_for_the_point(any_fs: Path) -> None:
    source = make_source(any_fs)
    with synchronized(source) as pair:
        pair.split()
        overwrite(source, 0, b"somebody else's")
        with pytest.raises(errors.StateError, match=r"outside-writes"), pair.guard():
            pytest.fail("the block must not run")
        pair.restore()
        # Now it is known again; what is written natively in the block is found by comparing.
        guard = pair.guard()

        @guard
        def block() -> None:
            overwrite(source, 0, b"native, in the block")
            fail(pair, 1)

        with pytest.raises(Bad):
            block()
        assert guard.reused
        assert digest(source) == digest(pair.mirror_path)


def test_a_source_that_others_wrote_is_not_split(any_fs: Path) -> None:
    source = make_source(any_fs)
    with synchronized(source) as pair:
        overwrite(source, 0, b"somebody else's")
        with pytest.raises(errors.OutsideWritesError) as caught, pair.guard():
            pytest.fail("the block must not run")
        assert "guard(new_point=True)" in caught.value.__notes__[0]
        assert pair.state is State.SYNCHRONIZED
        with pair.guard(new_point=True):
            spoil(pair, 1)
        assert digest(source) == digest(pair.mirror_path)


def test_a_source_of_another_length_or_none_at_all_comes_back(any_fs: Path) -> None:
    source = make_source(any_fs)
    good = digest(source)
    with synchronized(source) as pair:

        @pair.guard()
        def truncated() -> None:
            with source.open("rb+") as file:
                file.truncate(5)
            raise Bad

        @pair.guard()
        def deleted() -> None:
            source.unlink()
            raise Bad

        for block in (truncated, deleted, truncated):
            with pytest.raises(Bad):
                block()
            assert digest(source) == good
