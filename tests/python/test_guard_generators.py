"""A guard in a generator: one that is closed or collected before its end has failed."""

from __future__ import annotations

import gc
from collections.abc import Generator
from pathlib import Path

import pytest
from guards import Bad, following, spoil
from helpers import digest
from splitmirror import MirrorPair, State


def steps(pair: MirrorPair) -> Generator[int, None, None]:
    """Spoils a block a step, and keeps the changes when it gets to its end."""
    with pair.guard(label="steps"):
        for block in range(3):
            spoil(pair, block)
            yield block


def test_a_generator_that_ends_keeps_its_changes(tmp_path: Path) -> None:
    with following(tmp_path) as pair:
        good = digest(pair.source_path)
        assert list(steps(pair)) == [0, 1, 2]
        assert pair.state is State.SYNCHRONIZED
        assert digest(pair.source_path) == digest(pair.mirror_path) != good


def test_a_generator_that_is_closed_early_is_restored(tmp_path: Path) -> None:
    with following(tmp_path) as pair:
        good = digest(pair.source_path)
        generator = steps(pair)
        assert next(generator) == 0
        generator.close()
        assert (pair.state, pair.status().changed_blocks) == (State.SPLIT, 0)
        assert digest(pair.source_path) == good


def test_a_generator_that_is_forgotten_is_restored(tmp_path: Path) -> None:
    with following(tmp_path) as pair:
        good = digest(pair.source_path)
        for attempt in range(2):
            # Once by its last reference, and once by the collector of cycles.
            generator = steps(pair)
            cycle = [generator] if attempt else None
            if cycle is not None:
                cycle.append(cycle)  # type: ignore[arg-type]
            assert next(generator) == 0
            assert digest(pair.source_path) != good
            del generator, cycle
            gc.collect()
            assert digest(pair.source_path) == good


def test_an_exception_that_is_thrown_in_is_restored(tmp_path: Path) -> None:
    with following(tmp_path) as pair:
        good = digest(pair.source_path)
        generator = steps(pair)
        next(generator)
        with pytest.raises(Bad) as caught:
            generator.throw(Bad())
        assert "1 block of the source restored" in caught.value.__notes__[0]
        assert digest(pair.source_path) == good
