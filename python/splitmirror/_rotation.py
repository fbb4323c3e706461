"""Which of several mirrors to refresh next: the one whose point in time is the oldest.

| a mirror | |
|---|---|
| holds no point: never split, unsynchronized, or following | first, in the order given |
| holds a point | the oldest first |
| on hold, failed, has a restore pending, or cannot be read | passed over, and named |

Nothing is opened or locked. What is wrong with the source is left to refresh(): whichever mirror
it is, it must not get a source that is suspect.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from splitmirror._types import AnyPath
from splitmirror.errors import ArgumentError, NoMirrorError, SplitMirrorError
from splitmirror.lookup import status
from splitmirror.reports import OldestMirror, PassedOver, Status
from splitmirror.states import Condition, State
from splitmirror.units import format_time, printable

__all__ = ["Choice", "choose"]


@dataclass(frozen=True)
class Choice:
    """A mirror, by a path that can be opened, and why it is this one."""

    path: Path
    report: OldestMirror


def choose(mirrors: AnyPath | Iterable[AnyPath]) -> Choice:
    """Choose among mirrors and their siblings.

    Raises:
        ArgumentError: none is named, or they are mirrors of different sources.
        NoMirrorError: each was passed over.
    """
    found, passed_over = _looked_at(_paths(mirrors))
    _check_one_source([each for _, each in found])
    free = []
    for path, each in found:
        why = _why_not(path, each)
        if why is None:
            free.append((path, each))
        else:
            passed_over.append(PassedOver(mirror=_shown(path), why=why))
    if not free:
        told = "".join(f"\n{each.mirror}: {each.why}" for each in passed_over)
        raise NoMirrorError(
            f"there is no mirror to refresh; each was passed over:{told}",
            mirrors=[each.mirror for each in passed_over],
        )
    # min() keeps the order given among equals.
    path, best = min(free, key=lambda each: each[1].split_at or 0.0)
    report = OldestMirror(
        mirror=_shown(path),
        pair_id=best.pair_id,
        state=best.state,
        generation=best.generation,
        label=best.label,
        split_at=best.split_at,
        why=_why(best, len(free)),
        passed_over=tuple(passed_over),
    )
    return Choice(path, report)


def _paths(mirrors: AnyPath | Iterable[AnyPath]) -> list[Path]:
    if isinstance(mirrors, (str, bytes, os.PathLike)):
        mirrors = [mirrors]
    paths = [Path(os.fsdecode(mirror)) for mirror in mirrors]
    if not paths:
        raise ArgumentError("no mirror is named", argument="mirrors")
    return paths


def _looked_at(given: list[Path]) -> tuple[list[tuple[Path, Status]], list[PassedOver]]:
    """Read the status of each mirror and of the siblings that it knows of, each once."""
    found: dict[str, tuple[Path, Status]] = {}
    problems: dict[Path, str] = {}

    def read(paths: Iterable[Path]) -> None:
        for path in paths:
            try:
                each = status(path)
            except SplitMirrorError as error:
                problems.setdefault(path, str(error))
            else:
                found.setdefault(each.pair_id, (path, each))

    def siblings() -> Iterator[Path]:
        for _, each in list(found.values()):
            for sibling in each.siblings:
                if sibling.pair_id not in found:
                    yield Path(sibling.mirror)

    read(given)
    read(siblings())
    return list(found.values()), [
        PassedOver(mirror=_shown(path), why=why) for path, why in problems.items()
    ]


def _check_one_source(found: list[Status]) -> None:
    first = found[:1]
    for each in found[1:]:
        # One that was moved keeps its identity; one that was never open beside the others has
        # another one at the same path.
        if each.volume_id != first[0].volume_id and each.source != first[0].source:
            raise ArgumentError(
                f"{each.mirror} is a mirror of {each.source}, "
                f"{first[0].mirror} one of {first[0].source}",
                argument="mirrors",
            )


def _why_not(path: Path, found: Status) -> str | None:
    if found.hold is not None:
        return f"it is on hold: {found.hold}" if found.hold else "it is on hold"
    if Condition.RESTORE_PENDING in found.conditions:
        return "a restore from it is pending"
    if Condition.MIRROR_FAILED in found.conditions:
        return "it failed; repair its storage, then call establish()"
    if not path.exists():
        return "its file is not there"
    return None


def _why(best: Status, count: int) -> str:
    if best.split_at is None:
        follows = ": it follows the source" if best.state is State.SYNCHRONIZED else ""
        return f"it holds no point in time{follows}"
    label = f" ({printable(best.label)})" if best.label else ""
    point = f"its point in time of {format_time(best.split_at)}{label}"
    return f"{point} is the oldest of {count:,}" if count > 1 else f"{point} is the only one"


def _shown(path: Path) -> str:
    return printable(str(path.absolute()))
