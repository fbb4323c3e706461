"""No space left for the mirror: refused beforehand where it is known, survived where it is not."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import splitmirror
from conftest import MakeFileSystem
from evidence import check_error, refused
from helpers import KIB, MIB, digest, overwrite, write_pattern
from splitmirror import MirrorPair, errors


@pytest.fixture
def small(make_file_system: MakeFileSystem) -> Path:
    """A file system that holds about 12 MiB."""
    return make_file_system("ext4", size=16 * MIB)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@contextlib.contextmanager
def filled(folder: Path, *, free: int = 0) -> Iterator[None]:
    """Leave no more than `free` bytes on the file system of a folder."""
    ballast = folder / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        found = os.statvfs(folder)
        with contextlib.suppress(OSError):
            os.posix_fallocate(descriptor, 0, max(found.f_bfree * found.f_frsize - free, 1))
        length = os.fstat(descriptor).st_size
        for piece in (MIB, 64 * KIB, 4 * KIB):
            with contextlib.suppress(OSError):
                while os.statvfs(folder).f_bfree * found.f_frsize > free:
                    os.posix_fallocate(descriptor, length, piece)
                    length += piece
        os.fsync(descriptor)
        yield
    finally:
        os.close(descriptor)
        ballast.unlink()


def when_copying(act: Callable[[], None]) -> Callable[[str, int, int], None]:
    """A progress callback that acts once, at its first call."""
    left = [act]

    def report(phase: str, done: int, total: int) -> None:
        if left:
            left.pop()()

    return report


def test_create_refuses_a_source_that_does_not_fit(small: Path, source: Path) -> None:
    write_pattern(source, 24 * MIB, holes=False)
    with refused(errors.NoSpaceError, small, source, path=small / "mirror", advice="free") as found:
        MirrorPair.create(source, small / "mirror")
    assert found.error.needed == 24 * MIB
    assert 0 < found.error.available < 16 * MIB


def test_holes_need_no_space(small: Path, source: Path) -> None:
    with source.open("wb") as file:
        file.truncate(100 * MIB)
        file.write(b"x" * KIB)
    with MirrorPair.create(source, small / "mirror") as pair:
        pair.establish()
        assert pair.verify().matches


def test_create_leaves_nothing_when_its_catalog_does_not_fit(small: Path, source: Path) -> None:
    write_pattern(source, 64 * KIB, holes=False)
    existing = small / "existing"
    existing.write_bytes(b"old" * 30_000)
    with filled(small, free=72 * KIB):
        for mirror, overwrite_it in ((small / "mirror", False), (existing, True)):
            with refused(errors.NoSpaceError, small, source, advice="free some space"):
                MirrorPair.create(source, mirror, overwrite=overwrite_it)
    with MirrorPair.create(source, existing, overwrite=True) as pair:
        pair.establish()


def test_a_grown_source_that_does_not_fit_keeps_the_point(small: Path, source: Path) -> None:
    write_pattern(source, MIB, holes=False)
    with MirrorPair.create(source, small / "mirror") as pair:
        pair.establish()
        pair.split(label="kept")
        good = digest(source)
        write_pattern(source, 24 * MIB, seed=1, holes=False)
        with refused(errors.NoSpaceError, small, source, catalogs=False, advice="call the verb"):
            pair.establish()
        assert (pair.state, pair.status().label) == ("split", "kept")
        pair.restore()
        assert digest(source) == digest(small / "mirror") == good


def test_a_source_that_grows_after_the_plan_leaves_a_resumable_pair(
    small: Path, source: Path
) -> None:
    write_pattern(source, 6 * MIB, seed=2, holes=False)
    with MirrorPair.create(source, small / "mirror") as pair:
        plan = pair.plan_establish(force=True)
        # What is checked is the plan's space; the copy then takes the source as it is.
        write_pattern(source, 16 * MIB, seed=2, holes=False)
        with pytest.raises(errors.NoSpaceError) as caught:
            pair.establish(plan=plan)
        check_error(caught.value, path=small / "mirror", advice="free some space")
        assert pair.state in ("initialized", "unsynchronized")
        os.truncate(source, 9 * MIB)
        pair.establish()
        pair.split()
        assert digest(source) == digest(small / "mirror")


def test_other_data_that_fills_the_file_system_meanwhile_is_survived(
    small: Path, source: Path
) -> None:
    # Much is copied, so that the callback comes before the end; if not, the copy just succeeds.
    write_pattern(source, 8 * MIB, seed=3, holes=False)
    before = digest(source)
    with MirrorPair.create(source, small / "mirror") as pair, contextlib.ExitStack() as stack:
        failed: errors.SplitMirrorError | None = None
        try:
            pair.establish(progress=when_copying(lambda: stack.enter_context(filled(small))))
        except errors.NoSpaceError as error:
            failed = error
        assert digest(source) == before
        if failed is not None:
            check_error(failed, path=small / "mirror", advice="free some space")
            assert pair.state == "unsynchronized"
            assert splitmirror.status(small / "mirror").state == "unsynchronized"
            with pytest.raises(errors.NoSpaceError):
                pair.establish()
        stack.close()
        pair.establish()
        assert pair.verify().matches


def test_a_full_disk_does_not_hit_the_catalog(small: Path, source: Path) -> None:
    write_pattern(source, MIB, seed=4, holes=False)
    with MirrorPair.create(source, small / "mirror") as pair:
        pair.establish()
        with filled(small):
            pair.write(0, b"through the pair")
            pair.flush()
            pair.split(label="on a full disk")
            overwrite(source, 0, b"bad")
            pair.restore()
            assert pair.verify().matches
            pair.establish()
            pair.split()
    with MirrorPair.open(small / "mirror") as pair:
        assert pair.state == "split"
        assert digest(source) == digest(small / "mirror")


def test_a_mirror_that_is_full_never_fails_the_applications_write(
    small: Path, source: Path
) -> None:
    with source.open("wb") as file:
        file.truncate(4 * MIB)
    with MirrorPair.create(source, small / "mirror") as pair:
        pair.establish()
        with filled(small):
            for block in range(32):
                pair.write(block * 128 * KIB, bytes([block + 1]) * 128 * KIB)
            pair.flush()
            assert pair.read(31 * 128 * KIB, 1) == b"\x20"
            assert "mirror-failed" in pair.conditions
        pair.establish()
        assert pair.verify().matches


def test_a_restore_that_does_not_fit_is_refused_or_resumed(small: Path, tmp_path: Path) -> None:
    source, mirror = small / "source", tmp_path / "mirror"
    write_pattern(source, 8 * MIB, seed=5, holes=False)
    with MirrorPair.create(source, mirror) as pair:
        pair.establish()
        pair.split()
        good = digest(mirror)
        with source.open("rb+") as file:
            file.truncate(0)
        with filled(small):
            with refused(errors.NoSpaceError, mirror, path=source, advice="free some space"):
                pair.restore()
            assert pair.state == "split"
        pair.resume_restore() if "restore-pending" in pair.conditions else pair.restore()
        assert digest(source) == digest(mirror) == good
