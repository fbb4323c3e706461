"""What takes part: contestants in rows, the files of a run, and how a peer is timed on them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from files import (
    WrongResult,
    check_equal,
    make_random,
    pieces,
    random_pages,
    settle,
    warm_files,
    warm_memory,
)
from measure import Measured, run_peer, run_worker
from peers import Peer


@dataclass(frozen=True)
class Contestant:
    """One line of a row. `run` prepares, measures and checks one repetition."""

    name: str
    run: Callable[[int], Measured]
    ours: bool = False
    tool: str | None = None


@dataclass(frozen=True)
class Row:
    """What is compared, and by whom. `before` runs once: it puts things right, or proves that
    wrong results are noticed.
    """

    name: str
    title: str
    contestants: list[Contestant]
    before: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Place:
    """The files of one run of the bench."""

    folder: Path
    size: int
    seed: int

    @property
    def source(self) -> Path:
        """What is mirrored, and is changed and restored."""
        return self.folder / "source"

    @property
    def mirror(self) -> Path:
        """The good copy, which no contestant may change."""
        return self.folder / "mirror"

    @property
    def target(self) -> Path:
        """What a first establish makes."""
        return self.folder / "target"

    def pages(self, repetition: int) -> list[int]:
        """The pages that are changed: the same for all contestants of a repetition."""
        return random_pages(self.size, self.seed + repetition)

    def set_up(self) -> tuple[str, str]:
        """Make the source and its pair; gives the version that did it, and the digest that the
        mirror must keep.
        """
        make_random(self.source, self.size)
        version = run_worker("set_up", source=self.source, mirror=self.mirror).said
        check_equal(self.mirror, self.source, "the first establish")
        return version, sha256(self.mirror)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    for piece in pieces(path):
        digest.update(piece)
    return digest.hexdigest()


def timed_peer(place: Place, peer: Peer, *read: Path, allowed: tuple[int, ...] = (0,)) -> Measured:
    """Run a peer in the state of cache and memory that ours is run in."""
    warm_files(*read)
    settle(place.folder)
    warm_memory(place.size)
    return run_peer(peer.commands, allowed)


def demand(true: bool, what: str) -> None:
    """Fail the bench unless `true`."""
    if not true:
        raise WrongResult(what)


def run_checking(place: Place, verb: str) -> Measured:
    """Run `verify` or `seal`."""
    return run_worker(
        "checking", verb=verb, source=place.source, mirror=place.mirror, size=place.size
    )
