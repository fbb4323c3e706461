"""Calling a plug-in: whatever it does wrong becomes an error that names it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, TypeVar

from splitmirror._runs import RUNS_MAX
from splitmirror.errors import ArgumentError, FormatError, SplitMirrorError
from splitmirror.formats._interface import DescribedFormat, Extent, Format
from splitmirror.units import printable

__all__ = ["Plugin"]

Result = TypeVar("Result")

_MEMBERS_SHOWN_MAX = 10


class Plugin:
    """A format under its name, with what says where it comes from.

    Its answers are checked; nothing of a wrong one reaches a restore.
    """

    def __init__(self, name: str, found: Format, origin: str) -> None:
        self.name = name
        self.origin = origin
        self._format = found

    def __repr__(self) -> str:
        return f"<Plugin {self.name} from {self.origin}>"

    def recognises(self, file: BinaryIO) -> bool:
        """Whether the file is of this format.

        Raises:
            FormatError: the plug-in failed.
        """
        answer: Any = self._called("recognises", "", lambda: self._format.recognises(file))
        # numpy's own flags are no bool, and mean the same.
        if not isinstance(answer, bool) and type(answer).__name__ not in ("bool", "bool_"):
            raise self._nonsense("recognises", "", f"{answer!r} is neither True nor False")
        return bool(answer)

    def members(self, file: BinaryIO) -> list[str]:
        """Give the names of the members.

        Raises:
            FormatError: the plug-in failed, or what it gives is no list of different texts.
        """
        answer: Any = self._called("members", "", lambda: self._format.members(file))
        if not _is_list(answer) or not all(isinstance(name, str) for name in answer):
            raise self._nonsense("members", "", f"{_short(answer)} is no list of texts")
        if len(set(answer)) != len(answer):
            twice = next(name for name in answer if list(answer).count(name) > 1)
            raise self._nonsense("members", twice, f"{twice!r} is the name of more than one member")
        return list(answer)

    def check_member(self, member: str, members: Sequence[str]) -> None:
        """Refuse a member that there is not.

        Raises:
            ArgumentError: with the names that there are, or the first of them.
        """
        if member in members:
            return
        shown = ", ".join(printable(name) for name in members[:_MEMBERS_SHOWN_MAX])
        more = len(members) - _MEMBERS_SHOWN_MAX
        shown += f" and {more:,} more, which members() lists" if more > 0 else ""
        raise ArgumentError(
            f"the mirror has no {self.name} member {member!r}; it has {shown or 'none at all'}",
            argument="member",
        )

    def extents(self, file: BinaryIO, member: str, limit: int) -> list[Extent]:
        """Give the (offset, length) bytes of a member of a file of ``limit`` bytes.

        Raises:
            FormatError: the plug-in failed, or gives what is no place in the file.
        """
        answer: Any = self._called("extents", member, lambda: self._format.extents(file, member))
        if not _is_list(answer):
            raise self._nonsense("extents", member, f"{_short(answer)} is no list of extents")
        if not answer:
            raise self._nonsense("extents", member, "the list is empty")
        if len(answer) > RUNS_MAX:
            raise self._nonsense(
                "extents", member, f"{len(answer):,} extents are more than {RUNS_MAX:,}"
            )
        found = [self._extent(item, member) for item in answer]
        for offset, length in found:
            if offset < 0 or length <= 0 or offset + length > limit:
                raise self._nonsense(
                    "extents",
                    member,
                    f"offset {offset}, length {length} is no place in the file of {limit} bytes",
                )
        return found

    def description(self, file: BinaryIO, member: str) -> str:
        """Say what a member's bytes mean; "" when the format does not tell.

        Raises:
            FormatError: the plug-in failed, or gives no text.
        """
        told = self._format
        if not isinstance(told, DescribedFormat):
            return ""
        answer: Any = self._called("description", member, lambda: told.description(file, member))
        if not isinstance(answer, str):
            raise self._nonsense("description", member, f"{_short(answer)} is no text")
        return answer

    def _extent(self, item: Any, member: str) -> Extent:
        try:
            offset, length = item
            return operator.index(offset), operator.index(length)
        except (TypeError, ValueError):
            why = f"{_short(item)} is no pair of an offset and a length"
            raise self._nonsense("extents", member, why) from None

    def _called(self, method: str, member: str, call: Callable[[], Result]) -> Result:
        try:
            return call()
        except SplitMirrorError as error:
            # Reading the file failed, or the plug-in says itself what is wrong.
            if isinstance(error, FormatError):
                for field, value in (("format", self.name), ("plugin", self.origin)):
                    error.fields.setdefault(field, value)
                    setattr(error, field, error.fields[field])
            raise
        except Exception as error:
            said = printable(str(error)) or "no message"
            raise self._error(
                f"failed in {_call(method, member)}: {type(error).__name__}: {said}", member
            ) from error

    def _nonsense(self, method: str, member: str, why: str) -> FormatError:
        return self._error(f"gave nonsense from {_call(method, member)}: {why}", member)

    def _error(self, what: str, member: str) -> FormatError:
        return FormatError(
            f"the plug-in {printable(self.origin)} for the format {printable(self.name)!r} {what}; "
            "nothing was changed",
            format=self.name,
            member=member,
            plugin=self.origin,
        )


def _is_list(answer: object) -> bool:
    return isinstance(answer, Sequence) and not isinstance(answer, (str, bytes))


def _call(method: str, member: str) -> str:
    return f"{method}({member!r})" if member else f"{method}()"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
