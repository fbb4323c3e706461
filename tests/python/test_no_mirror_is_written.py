"""I1 and I6 by every road that leads to a mirror: as a source, as a target, by a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers import MIB, digest, write_pattern
from splitmirror import CancelToken, MirrorPair, errors


def split_pair(folder: Path, name: str, catalog: Path | None = None) -> tuple[Path, Path]:
    source, mirror = folder / f"{name}.source", folder / f"{name}.mirror"
    write_pattern(source, MIB, seed=len(name), holes=False)
    with MirrorPair.create(source, mirror, catalog=catalog) as pair:
        pair.establish()
        pair.split()
        pair.hold("keep")
    return source, mirror


def test_i1_a_mirror_is_not_opened_as_its_own_source(tmp_path: Path) -> None:
    _, mirror = split_pair(tmp_path, "a")
    good = digest(mirror)
    with pytest.raises(errors.SameAreaError):
        MirrorPair.open(mirror, source=mirror)
    assert digest(mirror) == good


def test_i1_a_source_that_becomes_a_link_to_the_mirror_is_not_written(tmp_path: Path) -> None:
    source, mirror = split_pair(tmp_path, "a")
    good = digest(mirror)
    with MirrorPair.open(mirror) as pair:
        source.unlink()
        os.link(mirror, source)
        with pytest.raises(errors.SameAreaError):
            pair.status()
    with pytest.raises(errors.SameAreaError):
        MirrorPair.open(mirror)
    assert digest(mirror) == good


def test_i1_another_pairs_mirror_is_no_source(tmp_path: Path) -> None:
    _, mirror = split_pair(tmp_path, "a")
    _, other = split_pair(tmp_path, "bb")
    good = digest(other)
    with pytest.raises(errors.AlreadyPairedError):
        MirrorPair.open(mirror, source=other)
    assert digest(other) == good


def test_i6_a_restore_elsewhere_writes_no_mirror_no_source_and_no_catalog(tmp_path: Path) -> None:
    _, mirror = split_pair(tmp_path, "a")
    other_source, other = split_pair(tmp_path, "bb")
    before = digest(other), digest(other_source)
    with MirrorPair.open(mirror) as pair:
        for target in (other, other_source):
            with pytest.raises(errors.AlreadyPairedError):
                pair.restore(to=target, overwrite=True)
        with pytest.raises(errors.ArgumentError):
            pair.restore(to=pair.catalog_path / "catalog", overwrite=True)
    assert (digest(other), digest(other_source)) == before


def test_i6_a_mirror_whose_catalog_lies_elsewhere_is_not_taken(tmp_path: Path) -> None:
    _, mirror = split_pair(tmp_path, "a", catalog=tmp_path / "elsewhere")
    write_pattern(tmp_path / "new", MIB, seed=9, holes=False)
    good = digest(mirror)
    with pytest.raises(errors.AlreadyPairedError):
        MirrorPair.create(tmp_path / "new", mirror, overwrite=True)
    assert digest(mirror) == good


def test_i6_the_source_of_a_pair_is_not_adopted_as_a_mirror(tmp_path: Path) -> None:
    source, mirror = split_pair(tmp_path, "a")
    good = digest(source)
    with pytest.raises(errors.AlreadyPairedError):
        MirrorPair.adopt(source, tmp_path / "other", accept={"unsealed"})
    assert digest(source) == good
    with MirrorPair.open(mirror) as pair:
        assert not pair.conditions


def test_i2_a_mirror_touched_after_an_interrupted_establish_is_compared(tmp_path: Path) -> None:
    source, mirror = split_pair(tmp_path, "a")
    with MirrorPair.open(mirror) as pair:
        pair.release()
        pair.write(0, os.urandom(MIB // 2))
        token = CancelToken()
        token.cancel()
        with pytest.raises(errors.CancelledError):
            pair.establish(cancel=token)
        with mirror.open("r+b") as file:
            file.seek(MIB - 100)
            file.write(b"touched")
        assert pair.plan_establish().report.reason == "compare"
        pair.establish()
        assert digest(source) == digest(mirror)


def test_two_pairs_made_before_the_first_establish_share_the_sources_identity(
    tmp_path: Path,
) -> None:
    source = tmp_path / "source"
    write_pattern(source, MIB, seed=1, holes=False)
    mirrors = [tmp_path / "one", tmp_path / "two"]
    for mirror in mirrors:
        MirrorPair.create(source, mirror).close()
    for mirror in mirrors:
        with MirrorPair.open(mirror) as pair:
            pair.refresh()
    for mirror in mirrors:
        with MirrorPair.open(mirror) as pair:
            assert "source-replaced" not in pair.conditions
