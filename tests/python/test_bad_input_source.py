"""A source or a mirror that is missing, or is neither a regular file nor a block device."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from evidence import refused
from helpers import KIB, digest, overwrite, write_pattern
from splitmirror import MirrorPair, errors


def a_directory(path: Path) -> None:
    path.mkdir()


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    # The name of a socket is short: it is bound from within its folder.
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def a_character_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


KINDS: dict[str, Callable[[Path], None]] = {
    "a directory": a_directory,
    "a FIFO": a_fifo,
    "a socket": a_socket,
    "a character device": a_character_device,
}
each_kind = pytest.mark.parametrize("what", KINDS)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    write_pattern(path, 512 * KIB, seed=1)
    return path


@pytest.fixture
def split(source: Path) -> Iterator[MirrorPair]:
    with MirrorPair.create(source, source.with_name("mirror")) as pair:
        pair.establish()
        pair.split(label="good")
        yield pair


def test_create_refuses_a_missing_source(tmp_path: Path) -> None:
    with refused(
        errors.AreaNotFoundError, tmp_path, path=tmp_path / "source", advice="check the path"
    ) as caught:
        MirrorPair.create(tmp_path / "source", tmp_path / "mirror")
    assert isinstance(caught.error, FileNotFoundError)
    assert caught.error.filename == str(tmp_path / "source")


def test_create_refuses_a_source_whose_symlink_dangles(tmp_path: Path) -> None:
    link = tmp_path / "source"
    link.symlink_to(tmp_path / "nowhere")
    with refused(errors.AreaNotFoundError, tmp_path, path=link):
        MirrorPair.create(link, tmp_path / "mirror")


def test_create_refuses_a_mirror_in_a_missing_folder(source: Path) -> None:
    folder = source.with_name("missing")
    with refused(errors.AreaNotFoundError, source.parent, path=folder):
        MirrorPair.create(source, folder / "mirror")


def test_create_never_writes_through_a_dangling_symlink(source: Path) -> None:
    link = source.with_name("mirror")
    link.symlink_to(source.with_name("elsewhere"))
    with refused(errors.MirrorExistsError, source.parent, path=link):
        MirrorPair.create(source, link)


@each_kind
def test_create_refuses_a_source_that_is(what: str, tmp_path: Path) -> None:
    path = tmp_path / "source"
    KINDS[what](path)
    with refused(
        errors.UnsupportedAreaError,
        tmp_path,
        what=what,
        path=path.resolve(),
        advice="a regular file or a block device",
    ):
        MirrorPair.create(path, tmp_path / "mirror")


@each_kind
def test_create_refuses_a_mirror_that_is(what: str, source: Path) -> None:
    path = source.with_name("mirror")
    KINDS[what](path)
    with refused(errors.UnsupportedAreaError, source.parent, what=what):
        MirrorPair.create(source, path, overwrite=True)


@each_kind
def test_a_split_pair_refuses_a_source_that_became(what: str, split: MirrorPair) -> None:
    source, mirror = split.source_path, split.mirror_path
    good = digest(mirror)
    source.unlink()
    KINDS[what](source)
    verbs: list[Callable[[], object]] = [split.establish, split.restore, split.refresh]
    for verb in verbs:
        with refused(errors.UnsupportedAreaError, mirror, what=what):
            verb()
    split.close()
    with refused(errors.UnsupportedAreaError, mirror, what=what):
        MirrorPair.open(mirror)
    source.rmdir() if what == "a directory" else source.unlink()
    with MirrorPair.open(mirror) as pair:
        pair.restore()
    assert digest(source) == digest(mirror) == good


def test_establish_refuses_a_missing_source_and_restore_makes_it_again(split: MirrorPair) -> None:
    source, mirror = split.source_path, split.mirror_path
    good = digest(mirror)
    source.unlink()
    for verb in (split.establish, split.refresh):
        with refused(
            errors.AreaNotFoundError, source.parent, path=source, catalogs=False, advice="restore()"
        ):
            verb()
    assert split.status().label == "good"
    split.restore()
    assert digest(source) == digest(mirror) == good


def test_reads_and_writes_say_that_the_source_is_missing(split: MirrorPair) -> None:
    source = split.source_path
    source.unlink()
    split.status()
    for call in (lambda: split.read(0, 1), lambda: split.write(0, b"x"), lambda: split.verify()):
        with refused(errors.AreaNotFoundError, source.parent, path=source, catalogs=False):
            call()
    assert not source.exists()


def test_a_missing_source_of_a_synchronized_pair_never_splits_quietly(source: Path) -> None:
    with MirrorPair.create(source, source.with_name("mirror")) as pair:
        pair.establish()
        kept = source.with_name("kept")
        source.rename(kept)
        with refused(errors.AreaNotFoundError, source.parent, path=source, catalogs=False):
            pair.split()
        kept.rename(source)
        overwrite(source, 0, b"new")
        pair.refresh()
        assert digest(source) == digest(pair.mirror_path)
