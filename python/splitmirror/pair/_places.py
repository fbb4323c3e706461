"""From what a caller names, a slice or a member, to the bytes that a restore copies.

The bytes go back to the places they have in the mirror. So the source has to hold the same thing
at the same places; where that can be looked up, it is, and a difference is a refusal. A restore
to another place has no such condition: that place gets the mirror's bytes alone.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Literal, TypeAlias, cast

from splitmirror._types import Ranges, byte_ranges
from splitmirror.errors import (
    AreaNotFoundError,
    ArgumentError,
    FormatError,
    MemberMovedError,
    RangeError,
)
from splitmirror.formats import Extent, Plugin, choose
from splitmirror.formats.npy import MEMBER
from splitmirror.io import AreaFile, MirrorFile, SourceFile
from splitmirror.layout import ArrayLayout, Index
from splitmirror.pair._handle import PairHandle
from splitmirror.plan import Plan
from splitmirror.states import Condition
from splitmirror.units import printable

Side: TypeAlias = Literal["source", "mirror"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of the mirror a restore brings back, as its caller named it; all of it when empty."""

    ranges: Ranges | None = None
    index: Index | None = None
    member: str | None = None
    format: str | None = None

    def check(self, *, full: bool = False, plan: bool = False) -> None:
        """Refuse arguments that exclude each other.

        Raises:
            ArgumentError: more than one is given, or one beside ``full`` or a plan.
        """
        named = [name for name in ("index", "member") if getattr(self, name) is not None]
        others = [name for name, given in (("full", full), ("plan", plan)) if given]
        if self.ranges is not None:
            others.append("ranges")
        if named and (others or len(named) > 1):
            excluded = " and ".join([*named[1:], *others])
            raise ArgumentError(
                f"{named[0]} says what to restore, and so does {excluded}: give one of them",
                argument=named[0],
            )
        if self.format is not None and self.member is None:
            raise ArgumentError("format goes with member, which is not given", argument="format")

    @property
    def by_place(self) -> bool:
        """Whether places have to be looked up."""
        return self.index is not None or self.member is not None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member is, and what its bytes mean; equal when it can be put back."""

    meaning: str
    extents: list[Extent]

    def __str__(self) -> str:
        shown = ", ".join(f"{offset:,}+{length:,}" for offset, length in self.extents[:3])
        more = f" and {len(self.extents) - 3:,} more" if len(self.extents) > 3 else ""
        return f"{self.meaning} at {shown}{more}".lstrip()


class Places(PairHandle):
    """Looks up where slices and members are."""

    def members(self, format: str | None = None) -> list[str]:
        """Give the names of the members that the mirror has, for restore(member=).

        Some of them may be refused there, with the reason: their bytes are not their own.

        Args:
            format: how to read the mirror: "npy", "npz", "hdf5" or that of a plug-in; None for
                the first that recognises it.

        Raises:
            StateError: the pair is not split.
            ArgumentError: there is no such format, or none recognises the mirror.
            FormatError: the format's plug-in failed, or needs a package that is not installed.
        """
        self._not_in_a_hook()
        with self._opened("mirror") as file:
            return self._plugin(format).members(file)

    def _wanted_ranges(
        self, wanted: Wanted, *, scratch: bool = False, restart: bool = False
    ) -> list[Extent] | None:
        """Give the (offset, length) bytes to restore; None for all.

        ``scratch``: into another place than the source. ``restart``: over a pending restore.
        """
        if not wanted.by_place:
            return byte_ranges(wanted.ranges)
        self._not_in_a_hook()
        pending = Condition.RESTORE_PENDING in map(Condition, self._core.conditions)
        if restart and pending and not scratch:
            # What is pending reads as restored, and would no longer be once that is given up.
            raise ArgumentError(
                "a restore is pending, and a part of the source cannot be looked up while its "
                "rest is half restored; call resume_restore() first",
                argument="restart",
            )
        if wanted.member is not None:
            return self._member_extents(wanted.member, wanted.format, scratch=scratch)
        return self._layout_now(scratch=scratch).extents(wanted.index)

    def _layout_now(self, *, scratch: bool) -> ArrayLayout:
        # The header first: an array() of a part must not change what an index of the file means.
        try:
            with self._opened("mirror") as file:
                layout = ArrayLayout.from_npy(file, what=f"mirror {self._shown('mirror')}")
        except (ArgumentError, RangeError) as error:
            if self._layout is not None:
                # The caller said how both sides are to be seen.
                return self._layout
            if isinstance(error, RangeError):
                raise
            raise ArgumentError(
                f"{error}; name the array's type and shape with array() first, or give ranges",
                argument="index",
            ) from error
        if not scratch:
            self._same_in_source(layout, ArrayLayout.from_npy, member=MEMBER, kind="npy")
        return layout

    def _member_extents(self, member: str, name: str | None, *, scratch: bool) -> list[Extent]:
        plugin = self._plugin(name)
        with self._opened("mirror") as file:
            plugin.check_member(member, plugin.members(file))
        place = self._place("mirror", plugin, member)
        if not scratch:
            self._same_in_source(
                place,
                lambda _: self._place("source", plugin, member),
                member=member,
                kind=plugin.name,
            )
        return place.extents

    def _place(self, side: Side, plugin: Plugin, member: str) -> Place:
        with self._opened(side) as file:
            meaning = plugin.description(file, member)
        limit = self._core.mirror_length() if side == "mirror" else self._core.source_length()
        with self._opened(side) as file:
            return Place(meaning, plugin.extents(file, member, limit))

    def _same_in_source(
        self, expected: object, look: Callable[[BinaryIO], object], *, member: str, kind: str
    ) -> None:
        """Refuse when the source has not what the mirror has at the same places."""
        cause: Exception | None = None
        # A plan looks at the source's path; until then an open pair reads a file that was replaced.
        plan = Plan(self._core.plan_restore(ranges=[(0, 1)]))
        try:
            if plan.report.source_length is None:
                raise AreaNotFoundError("there is no such file", path=self._shown("source"))
            with self._opened("source") as file:
                found = look(file)
            if found == expected:
                return
            why = f"{found} there, {expected} in the mirror"
        except (ArgumentError, RangeError, FormatError, AreaNotFoundError) as error:
            cause = error
            # That the plug-in failed is no fault of it when the source is what is damaged.
            said = error.__cause__ or error
            why = f"it cannot be read there: {printable(str(said)) or type(said).__name__}"
        raise MemberMovedError(
            f"{member!r} cannot be restored alone, for the source {self._shown('source')} does "
            f"not have it where the mirror has it (format {kind}): {why}. Nothing was changed. "
            "restore() brings back all of the source; restore(to=) writes to another place, to "
            "take it from there",
            path=os.fsdecode(self._core.source_path),
            member=member,
            format=kind,
        ) from cause

    def _plugin(self, name: str | None) -> Plugin:
        return choose(name, lambda: self._opened("mirror"))

    def _opened(self, side: Side) -> BinaryIO:
        """Open a side at position 0; buffered, for formats are read in small pieces."""
        file: AreaFile
        if side == "mirror":
            file = MirrorFile(self._core)
        else:
            file = SourceFile(self._core, writable=False)
        return cast("BinaryIO", io.BufferedReader(file))

    def _shown(self, side: Side) -> str:
        path = self._core.mirror_path if side == "mirror" else self._core.source_path
        return printable(os.fsdecode(path))
