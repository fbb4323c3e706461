"""The rows of the table: who takes part in each, and what their results are checked against."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import peers
from files import PAGE, check_equal, overwrite_pages, settle
from measure import Measured, run_peer, run_worker
from peers import Peer
from place import Contestant, Place, Row, demand, run_checking, sha256, timed_peer


def establish(place: Place) -> Row:
    """The first copy."""

    def ours(_: int) -> Measured:
        place.target.unlink(missing_ok=True)
        settle(place.folder)
        took = run_worker("establish", source=place.source, mirror=place.target, size=place.size)
        check_equal(place.target, place.source, "establish")
        return took

    def theirs(peer: Peer) -> Callable[[int], Measured]:
        def run(_: int) -> Measured:
            place.target.unlink(missing_ok=True)
            took = timed_peer(place, peer, place.source)
            check_equal(place.target, place.source, peer.name)
            return took

        return run

    return Row(
        "establish",
        "First establish: a new, durable copy",
        [
            Contestant("create, establish", ours, ours=True),
            *(
                Contestant(peer.name, theirs(peer), tool=peer.tool)
                for peer in peers.copying(place.source, place.target)
            ),
        ],
    )


def restore(place: Place) -> Row:
    """One page in a hundred changed, and brought back."""
    files = {"source": place.source, "mirror": place.mirror, "size": place.size}

    def checked(took: Measured, who: str) -> Measured:
        check_equal(place.source, place.mirror, who)
        return took

    def before() -> None:
        # The pairs of the row before this one have left their epochs in the source.
        run_worker("restore_compared", **{**files, "size": 0})

    def tracked(repetition: int) -> Measured:
        pages = place.pages(repetition)
        took = run_worker("restore_tracked", **files, pages=pages)
        demand(took.said["reason"] == "bitmap", f"tracked restore by {took.said['reason']}")
        demand(took.said["mirror_unchanged"], "restore: the mirror changed")
        return checked(took, "tracked restore")

    def compared(repetition: int) -> Measured:
        overwrite_pages(place.source, place.pages(repetition))
        took = run_worker("restore_compared", **files)
        demand(took.said["reason"] == "outside-writes", f"restore by {took.said['reason']}")
        demand(took.said["bytes_copied"] == PAGE * len(place.pages(repetition)), "bytes copied")
        return checked(took, "compared restore")

    def bare(repetition: int) -> Measured:
        pages = place.pages(repetition)
        overwrite_pages(place.source, pages)
        return checked(run_worker("bare", **files, pages=pages), "bare copy")

    def theirs(peer: Peer) -> Callable[[int], Measured]:
        def run(repetition: int) -> Measured:
            overwrite_pages(place.source, place.pages(repetition))
            return checked(timed_peer(place, peer, place.source, place.mirror), peer.name)

        return run

    return Row(
        "restore",
        "Restore of 1 % of the 4 KiB pages, changed at random",
        [
            Contestant("restore, tracked", tracked, ours=True),
            Contestant("restore, compared", compared, ours=True),
            Contestant("bare pread and pwrite of the pages, fdatasync", bare),
            *(
                Contestant(peer.name, theirs(peer), tool=peer.tool)
                for peer in peers.restoring(place.mirror, place.source)
            ),
        ],
        before,
    )


def verify(place: Place) -> Row:
    """Two equal files compared to their end."""
    found = peers.comparing(place.source, place.mirror)

    def ours(_: int) -> Measured:
        took = run_checking(place, "verify")
        demand(took.said["matches"], "verify finds a difference in equal files")
        return took

    def theirs(peer: Peer) -> Callable[[int], Measured]:
        return lambda _: timed_peer(place, peer, place.source, place.mirror)

    def control() -> None:
        page = place.size // PAGE // 2 * PAGE
        overwrite_pages(place.source, [page])
        report = run_checking(place, "verify").said
        there = [r for r in report["differing"] if r["offset"] <= page < r["offset"] + r["length"]]
        demand(report["ranges_total"] == len(there) == 1, "verify misses a changed page")
        for peer in found:
            if peers.TOOLS[peer.tool].present:
                said = run_peer(peer.commands, allowed=(0, 1)).said
                demand(said["code"] == 1, f"{peer.name} misses a changed page")
        run_worker("restore_compared", source=place.source, mirror=place.mirror, size=0)
        check_equal(place.source, place.mirror, "restore")

    return Row(
        "verify",
        "Verify: two equal files compared",
        [
            Contestant("verify", ours, ours=True),
            *(Contestant(peer.name, theirs(peer), tool=peer.tool) for peer in found),
        ],
        control,
    )


def seal(place: Place) -> Row:
    """A digest over all of the mirror."""
    results: dict[str, str] = {"sha256": ""}

    def same(who: str, digest: str) -> None:
        demand(results.setdefault(who, digest) == digest, f"{who} gives another digest each time")

    def ours(_: int) -> Measured:
        took = run_checking(place, "seal")
        demand(took.said["intact"], "scrub does not find what was sealed")
        same("seal", took.said["root"])
        return took

    def theirs(peer: Peer) -> Callable[[int], Measured]:
        def run(_: int) -> Measured:
            took = timed_peer(place, peer, place.mirror)
            digest = took.said["output"].split()[0]
            if "sha256" in peer.name:
                results["sha256"] = results["sha256"] or sha256(place.mirror)
                demand(digest == results["sha256"], f"{peer.name}: a wrong digest")
            same(peer.name, digest)
            return took

        return run

    return Row(
        "seal",
        "Seal: a digest over all of the mirror",
        [
            Contestant("seal", ours, ours=True),
            *(
                Contestant(peer.name, theirs(peer), tool=peer.tool)
                for peer in peers.digesting(place.mirror)
            ),
        ],
    )


def start(place: Place) -> Row:
    """The command line with hardly anything to do."""
    script = Path(sys.executable).with_name("splitmirror")
    command = [script] if script.exists() else [sys.executable, "-m", "splitmirror"]

    def status(_: int) -> Measured:
        took = run_peer([[*command, "status", "--json", place.mirror]])
        demand('"split"' in took.said["output"], "status does not say that the pair is split")
        return took

    def python(code: str) -> Contestant:
        return Contestant(f"python -c {code!r}", lambda _: run_peer([[sys.executable, "-c", code]]))

    return Row(
        "start",
        "Start of the command line (whole processes)",
        [
            Contestant("splitmirror status --json", status, ours=True),
            python("pass"),
            python("import click"),
            python("import numpy"),
        ],
    )


ROWS = {row.__name__: row for row in (establish, restore, verify, seal, start)}


def chosen(place: Place, names: list[str]) -> Iterator[Row]:
    """The rows with these names, in the order of the table."""
    return (make(place) for name, make in ROWS.items() if name in names)
