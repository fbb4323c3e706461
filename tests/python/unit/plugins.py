"""Format plug-ins for tests, in good and bad; and the entry points that lead to them."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any, BinaryIO

import pytest
from splitmirror.formats import GROUP, _registry


class Lines:
    """A plug-in as somebody would write it: each line of a text is a member, by its first word."""

    name = "lines"

    def recognises(self, file: BinaryIO) -> bool:
        return file.read(1) == b"#"

    def members(self, file: BinaryIO) -> list[str]:
        return [line.split()[0].decode() for line in file if line.strip()]

    def extents(self, file: BinaryIO, member: str) -> list[tuple[int, int]]:
        at = 0
        for line in file:
            if line.split()[:1] == [member.encode()]:
                return [(at, len(line))]
            at += len(line)
        raise LookupError(member)


class Scripted:
    """A plug-in that gives the answers it is told to, or raises them."""

    name = "scripted"
    answers: dict[str, Any]

    def __init__(self) -> None:
        self.answers = {"recognises": True, "members": ["a"], "extents": [(0, 1)]}

    def recognises(self, file: BinaryIO) -> bool:
        answer: bool = self._answer("recognises")
        return answer

    def members(self, file: BinaryIO) -> Any:
        return self._answer("members")

    def extents(self, file: BinaryIO, member: str) -> Any:
        return self._answer("extents")

    def _answer(self, method: str) -> Any:
        answer = self.answers[method]
        if isinstance(answer, BaseException):
            raise answer
        return answer


SCRIPTED = Scripted()


def register(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Let these entry points be found, as those of packages that are installed."""
    entries = [EntryPoint(name, value, GROUP) for name, value in values.items()]

    def found(*, group: str) -> list[EntryPoint]:
        assert group == GROUP
        return entries

    monkeypatch.setattr(_registry, "entry_points", found)
