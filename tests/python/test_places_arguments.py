"""What to restore can be said in one way at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import split_pair, spoil
from scenes import cancelled_at_once
from splitmirror import MirrorPair, errors

WAYS: dict[str, Any] = {"ranges": [(0, 1)], "index": 0, "member": "array", "full": True}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "a.npy"


@pytest.fixture
def pair(source: Path) -> Iterator[MirrorPair]:
    with split_pair(source, lambda path: np.save(path, np.arange(200_000))) as made:
        yield made


@pytest.mark.parametrize("names", list(itertools.combinations(WAYS, 2)), ids="-".join)
def test_two_ways_exclude_each_other(pair: MirrorPair, source: Path, names: Any) -> None:
    given = {name: WAYS[name] for name in names}
    before = spoil(source)
    for verb in (pair.restore, pair.plan_restore, pair.start_restore):
        with pytest.raises(errors.ArgumentError):
            verb(**given)
    assert source.read_bytes() == before


@pytest.mark.parametrize("name", ["index", "member"])
def test_a_plan_has_its_own_places(pair: MirrorPair, name: str) -> None:
    plan = pair.plan_restore()
    for verb in (pair.restore, pair.start_restore):
        with pytest.raises(errors.ArgumentError) as caught:
            verb(plan=plan, **{name: WAYS[name]})
        assert caught.value.argument == name


def test_resuming_has_its_own_places(pair: MirrorPair) -> None:
    for name in ("index", "member"):
        with pytest.raises(errors.ArgumentError) as caught:
            pair.start_restore(resume=True, **{name: WAYS[name]})
        assert caught.value.argument == "resume"


def test_a_format_goes_with_a_member(pair: MirrorPair) -> None:
    for verb in (pair.restore, pair.plan_restore, pair.start_restore):
        with pytest.raises(errors.ArgumentError) as caught:
            verb(format="npy")
        assert caught.value.argument == "format"


def test_places_are_of_a_split_mirror(source: Path) -> None:
    np.save(source, np.arange(10))
    with MirrorPair.create(source, source.with_name("mirror")) as pair:
        pair.establish()
        for given in ({"index": 0}, {"member": "array"}):
            with pytest.raises(errors.StateError):
                pair.restore(**given)
        with pytest.raises(errors.StateError):
            pair.members()


def test_a_pending_restore_is_not_given_up_for_a_part(pair: MirrorPair, source: Path) -> None:
    good = source.read_bytes()
    spoil(source)
    cancelled_at_once(pair.restore)
    for given in ({"index": 0}, {"member": "array"}):
        with pytest.raises(errors.ArgumentError, match=r"resume_restore\(\) first") as caught:
            pair.restore(restart=True, **given)
        assert caught.value.argument == "restart"
    pair.resume_restore()
    assert source.read_bytes() == good
