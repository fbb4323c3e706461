"""Files that were changed, replaced, moved or deleted while nobody or only the pair was looking."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from evidence import refused, unchanged
from helpers import KIB, digest, overwrite, write_pattern
from splitmirror import MirrorPair, errors

LENGTH = 512 * KIB


@pytest.fixture
def split(tmp_path: Path) -> Iterator[MirrorPair]:
    write_pattern(tmp_path / "source", LENGTH, seed=22)
    with MirrorPair.create(tmp_path / "source", tmp_path / "mirror") as pair:
        pair.establish()
        pair.split(label="good")
        yield pair


def written(mirror: Path) -> None:
    overwrite(mirror, 5, b"touched")


def cut(mirror: Path) -> None:
    os.truncate(mirror, 100)


def grown(mirror: Path) -> None:
    os.truncate(mirror, LENGTH * 2)


CHANGES: dict[str, Callable[[Path], None]] = {"written": written, "cut": cut, "grown": grown}


@pytest.mark.parametrize("opened", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize("what", CHANGES)
def test_a_mirror_changed_while_split_is_not_restored_from(
    split: MirrorPair, what: str, opened: bool
) -> None:
    source, mirror = split.source_path, split.mirror_path
    pair = split
    if not opened:
        split.close()
    CHANGES[what](mirror)
    if not opened:
        pair = MirrorPair.open(mirror)
    with pair:
        for verb in (pair.restore, pair.seal):
            with refused(
                errors.MirrorSkewedError,
                source,
                mirror,
                catalogs=False,
                path=mirror,
                advice="scrub()",
            ):
                verb()
        assert "mirror-skewed" in pair.conditions
        pair.refresh()
        assert pair.conditions == frozenset()
        assert digest(source) == digest(mirror)


def test_a_touched_mirror_whose_seal_holds_is_still_the_point(split: MirrorPair) -> None:
    source, mirror = split.source_path, split.mirror_path
    good = digest(mirror)
    split.seal()
    os.utime(mirror)
    overwrite(source, 0, b"bad")
    assert split.restore().mirror_unchanged
    assert digest(source) == digest(mirror) == good


def test_damage_that_no_time_tells_is_caught_by_the_seal(split: MirrorPair) -> None:
    source, mirror = split.source_path, split.mirror_path
    split.seal()
    before = mirror.stat()
    overwrite(mirror, 70_000, b"rot")
    os.utime(mirror, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(errors.MirrorSkewedError), unchanged(source, mirror):
        split.restore()
    assert not split.scrub().intact


@pytest.mark.parametrize("name", ["restore", "refresh", "verify", "seal", "establish", "status"])
def test_a_mirror_deleted_while_open_is_an_error(split: MirrorPair, name: str) -> None:
    source, mirror = split.source_path, split.mirror_path
    # A new name is a change; the seal then vouches for the content.
    split.seal()
    kept = mirror.with_name("kept")
    mirror.rename(kept)
    with refused(errors.AreaNotFoundError, source.parent, path=mirror, advice="check the path"):
        getattr(split, name)()
    write_pattern(mirror, LENGTH, seed=23)
    with refused(errors.MovedPairError, source.parent, path=mirror):
        getattr(split, name)()
    kept.replace(mirror)
    split.restore()


def test_writes_go_on_while_the_mirror_is_deleted(tmp_path: Path) -> None:
    write_pattern(tmp_path / "source", LENGTH, seed=24)
    with MirrorPair.create(tmp_path / "source", tmp_path / "mirror") as pair:
        pair.establish()
        pair.mirror_path.unlink()
        pair.write(0, b"the application goes on")
        pair.flush()
    assert (tmp_path / "source").read_bytes().startswith(b"the application goes on")


def restored_from_elsewhere(source: Path) -> None:
    other = source.with_name("elsewhere")
    write_pattern(other, LENGTH, seed=25)
    other.replace(source)


def an_older_copy(source: Path) -> None:
    shutil.copy2(source.with_name("older"), source.with_name("back"))
    source.with_name("back").replace(source)


@pytest.mark.parametrize("opened", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize("replace", [restored_from_elsewhere, an_older_copy])
def test_a_replaced_source_is_never_mirrored_over_the_point(
    split: MirrorPair, replace: Callable[[Path], None], opened: bool
) -> None:
    source, mirror, pair = split.source_path, split.mirror_path, split
    good = digest(mirror)
    # `cp` leaves the tag behind, so this copy is nobody's.
    shutil.copyfile(source, source.with_name("older"))
    if not opened:
        split.close()
    replace(source)
    if not opened:
        pair = MirrorPair.open(mirror)
    with pair:
        for verb in (pair.establish, pair.refresh):
            with refused(errors.ProtectedError, source, mirror, advice="source-replaced") as caught:
                verb()
            assert "source-replaced" in caught.error.conditions
        pair.restore()
        assert digest(source) == digest(mirror) == good
        overwrite(source, 0, b"new")
        pair.establish()
        assert digest(source) == digest(mirror)


def test_a_replaced_source_is_taken_when_that_is_accepted(split: MirrorPair) -> None:
    restored_from_elsewhere(split.source_path)
    split.refresh(accept={"source-replaced"})
    assert digest(split.source_path) == digest(split.mirror_path)


def test_a_source_that_shrank_below_half_is_not_mirrored_unasked(split: MirrorPair) -> None:
    source, mirror = split.source_path, split.mirror_path
    good = digest(mirror)
    os.truncate(source, 0)
    with refused(errors.ProtectedError, source, mirror, catalogs=False, advice="shrunk"):
        split.establish()
    split.restore()
    assert digest(source) == good
    os.truncate(source, 0)
    split.establish(accept={"shrunk"})
    assert mirror.stat().st_size == 0


def test_a_moved_source_is_found_by_its_new_place(split: MirrorPair) -> None:
    source, mirror = split.source_path, split.mirror_path
    split.close()
    moved = source.with_name("moved")
    source.rename(moved)
    overwrite(moved, 0, b"bad")
    with MirrorPair.open(mirror, source=moved) as pair:
        pair.restore()
    assert digest(moved) == digest(mirror)
    assert not source.exists()


def test_relative_paths_hold_after_a_change_of_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pattern(Path("source"), LENGTH, seed=26)
    with MirrorPair.create("source", "mirror") as pair:
        monkeypatch.chdir("/")
        pair.establish()
        pair.split()
        overwrite(tmp_path / "source", 0, b"bad")
        pair.restore()
    with MirrorPair.open(tmp_path / "mirror") as pair:
        assert pair.source_path == tmp_path / "source"


@pytest.mark.parametrize("path", ["nul\0byte", b"nul\0byte", "", ".", "..", "/", "source/x"])
def test_paths_that_name_no_file_are_refused(split: MirrorPair, path: str | bytes) -> None:
    folder = split.source_path.parent
    before = Path.cwd()
    os.chdir(folder)
    try:
        calls: list[Callable[[], object]] = [
            lambda: MirrorPair.create(split.source_path, path),
            lambda: MirrorPair.create(path, folder / "other"),
            lambda: MirrorPair.open(path),
            lambda: split.restore(to=path, overwrite=True),
        ]
        for call in calls:
            with (
                unchanged(folder, catalogs=False),
                pytest.raises(errors.SplitMirrorError) as caught,
            ):
                call()
            assert str(caught.value)
    finally:
        os.chdir(before)
