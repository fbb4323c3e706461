"""Guards in guards, in threads, and in a hook: one mirror has one at a time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from guards import Bad, fail, following, spoil
from helpers import digest
from scenes import BLOCK
from splitmirror import Hooks, MirrorPair, State, errors


def test_an_inner_guard_of_the_same_mirror_is_refused_and_the_outer_goes_on(
    tmp_path: Path,
) -> None:
    with following(tmp_path) as pair:
        good = digest(pair.source_path)
        outer = pair.guard(label="outer")

        @outer
        def block() -> None:
            spoil(pair, 1)
            generation = pair.status().generation
            # Another guard, one that would take a new point, and the same one.
            for inner in (pair.guard(), pair.guard(new_point=True), outer):
                with pytest.raises(errors.StateError, match="do not nest"), inner:
                    pytest.fail("the block must not run")
            assert pair.status().generation == generation
            assert (pair.state, pair.status().changed_blocks) == (State.SPLIT, 1)
            fail(pair, 2)

        with pytest.raises(Bad):
            block()
        assert outer.receipt is not None
        assert outer.receipt.blocks_copied == 2
        assert digest(pair.source_path) == good
        with pair.guard():
            pass


def test_guards_of_different_sources_nest(tmp_path: Path) -> None:
    with following(tmp_path, name="a") as one, following(tmp_path, name="b") as other:
        good = digest(one.source_path)

        @other.guard()
        def inner() -> None:
            spoil(one, 2)
            fail(other, 1)

        with one.guard() as outer:
            spoil(one, 1)
            with pytest.raises(Bad):
                inner()
        assert outer.established is not None
        assert digest(one.source_path) == digest(one.mirror_path) != good
        assert digest(other.source_path) == good


def test_guards_of_two_mirrors_of_one_source_nest(tmp_path: Path) -> None:
    with following(tmp_path) as one:
        other = MirrorPair.create(
            one.source_path, tmp_path / "other", mode="exclusive", block_size=BLOCK
        )
        with other:
            other.establish()
            good = digest(one.source_path)

            @one.guard(label="all")
            def block() -> None:
                spoil(one, 1)
                between = digest(one.source_path)
                with pytest.raises(Bad), other.guard(label="part"):
                    fail(one, 1, 2)
                assert digest(one.source_path) == between
                fail(one, 3)

            with pytest.raises(Bad):
                block()
            assert digest(one.source_path) == good


def test_of_two_threads_the_second_is_refused(tmp_path: Path) -> None:
    with following(tmp_path) as pair:
        inside, leave = threading.Event(), threading.Event()
        raised: list[BaseException] = []

        def first() -> None:
            try:
                with pair.guard():
                    spoil(pair, 1)
                    inside.set()
                    leave.wait()
                    fail(pair, 2)
            except Bad as error:
                raised.append(error)

        good = digest(pair.source_path)
        thread = threading.Thread(target=first)
        thread.start()
        try:
            inside.wait()
            with pytest.raises(errors.StateError, match="two threads"), pair.guard():
                pytest.fail("the block must not run")
        finally:
            leave.set()
            thread.join()
        assert "2 blocks of the source restored" in raised[0].__notes__[0]
        assert digest(pair.source_path) == good


def test_a_guard_in_a_hook_is_refused(tmp_path: Path) -> None:
    with following(tmp_path) as pair:
        found: list[BaseException] = []

        def freeze() -> None:
            with pytest.raises(errors.HookError) as caught, pair.guard():
                pytest.fail("the block must not run")
            found.append(caught.value)

        pair.split(hooks=Hooks(freeze=freeze))
        assert len(found) == 1
        with pair.guard() as guard:
            assert guard.reused


def test_a_pair_that_is_closed_in_the_block_says_so(tmp_path: Path) -> None:
    pair = following(tmp_path)

    @pair.guard()
    def block() -> None:
        spoil(pair, 1)
        pair.close()
        raise Bad("too late")

    with pytest.raises(errors.ClosedPairError) as caught:
        block()
    assert isinstance(caught.value.__cause__, Bad)
    with MirrorPair.open(pair.mirror_path) as again:
        assert again.restore().blocks_copied == 1
