"""The types of arguments: how each is written into a request, and read from one, strictly.

What is read comes from anybody, so nothing is taken for what it is not: ``true`` is no number, a
path is absolute, and a text has no NUL where the system would see its end.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from splitmirror._types import accepted, byte_ranges
from splitmirror.errors import ArgumentError
from splitmirror.hooks import Hooks

__all__ = ["Type", "read_arguments", "written_arguments"]

_NUMBER_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Type:
    """A type of arguments: its words in the documentation, and both directions."""

    words: str
    read: Callable[[Any], Any]
    """From JSON; raises ValueError, with what is needed, for anything else."""
    write: Callable[[Any], Any] = lambda value: value
    """To JSON, from what a caller in Python may give."""


def read_arguments(
    types: Mapping[str, Type], given: Mapping[str, Any], verb: str
) -> dict[str, Any]:
    """Check the arguments of a request; those that are null are left out.

    Raises:
        ArgumentError: one is not known to the verb, or has another type.
    """
    found = {}
    for name, value in given.items():
        if name not in types:
            known = ", ".join(types) or "none"
            raise ArgumentError(
                f"{verb} takes no argument {name!r}; what it takes: {known}", argument=name
            )
        if value is None:
            continue
        try:
            found[name] = types[name].read(value)
        except ArgumentError:
            raise
        except ValueError as error:
            raise ArgumentError(f"{name}: {error}", argument=name) from None
    return found


def written_arguments(types: Mapping[str, Type], given: Mapping[str, Any]) -> dict[str, Any]:
    """Write a caller's arguments into a request; what is None or not set is left out."""
    return {
        name: types[name].write(value)
        for name, value in given.items()
        if value is not None and value is not False
    }


def _exactly(kind: type, words: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{words} is needed, not {_named(value)}")
        return value

    return read


def _named(value: Any) -> str:
    names = {dict: "an object", list: "a list", bool: "a flag", str: "a text"}
    return names.get(type(value), "a number")


def _list(value: Any) -> list[Any]:
    found: list[Any] = _exactly(list, "a list")(value)
    return found


_text = _exactly(str, "a text")


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in _list(value)]


def _whole(value: Any) -> int:
    number: int = _exactly(int, "an integer")(value)
    if not -_NUMBER_MAX <= number <= _NUMBER_MAX:
        raise ValueError("the integer does not fit 64 bits")
    return number


def _rate(value: Any) -> int:
    number = _whole(value)
    if number < 0:
        raise ValueError("an integer is needed, 0 for no limit")
    return number


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise ValueError("a number of seconds is needed, 0 or more")
    # More than that is for ever, whatever the clock is kept in.
    return min(float(value), 1e9)


def _path(value: Any) -> str:
    path: str = _text(value)
    if not os.path.isabs(path) or "\0" in path:
        raise ValueError("an absolute path is needed: the owner works in another folder")
    return path


def _written_path(path: Any) -> str:
    # The bytes of a path that is no UTF-8 become lone surrogates, which JSON can carry.
    return os.path.abspath(os.fsdecode(path))


def _ranges(value: Any) -> list[tuple[int, int]]:
    found = []
    for item in _list(value):
        if len(_list(item)) != 2:
            raise ValueError("pairs of offset and length are needed")
        offset, length = map(_whole, item)
        found.append((offset, length))
    return found


def _index(value: Any) -> Any:
    return tuple(_index_part(part) for part in _list(value))


def _index_part(part: Any) -> Any:
    if part == "...":
        return ...
    if type(part) is list:
        if len(part) != 3:
            raise ValueError("a slice is a list of start, stop and step")
        return slice(*(None if bound is None else _whole(bound) for bound in part))
    return _whole(part)


def _written_index(index: Any) -> list[Any]:
    parts = index if isinstance(index, tuple) else (index,)
    return [_written_part(part) for part in parts]


def _written_part(part: Any) -> Any:
    if part is ...:
        return "..."
    try:
        if isinstance(part, slice):
            bounds = (part.start, part.stop, part.step)
            return [None if bound is None else bound.__index__() for bound in bounds]
        return part.__index__()
    except AttributeError:
        raise ArgumentError(
            f"index: {part!r} is neither an integer, a slice nor '...'", argument="index"
        ) from None


def _hooks(value: Any) -> Hooks:
    given = _exactly(dict, "an object")(value)
    names = [field.name for field in dataclasses.fields(Hooks)]
    found: dict[str, Any] = {}
    for name, hook in given.items():
        if name not in names:
            raise ValueError(f"there is no hook {name!r}; there are {', '.join(names)}")
        if hook is not None:
            # Its class checks the rest: that a command is not empty, and the time-out.
            found[name] = hook if name == "timeout" else _texts(hook)
    return Hooks(**found)


def _written_hooks(hooks: Hooks) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for field in dataclasses.fields(hooks):
        hook = getattr(hooks, field.name)
        if callable(hook):
            raise ArgumentError(
                f"{field.name}: a callable cannot run in the process that has the pair open; "
                "give a command",
                argument=field.name,
            )
        if hook is not None:
            written[field.name] = list(hook) if isinstance(hook, tuple) else hook
    return written


FLAG = Type("flag", _exactly(bool, "a flag"))
TEXT = Type("text", _text)
PATH = Type("absolute path", _path, _written_path)
NAMES = Type("list of text", _texts, accepted)
NUMBER = Type("integer", _whole)
RATE = Type("bytes a second", _rate, int)
SECONDS = Type("seconds", _seconds)
RANGES = Type("list of [offset, length]", _ranges, byte_ranges)
INDEX = Type('list of integers, [start, stop, step] and "..."', _index, _written_index)
HOOKS = Type("hooks", _hooks, _written_hooks)
