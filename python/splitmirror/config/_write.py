"""Changing the file of a configuration: all of it is checked and durable before it holds."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from splitmirror._types import AnyPath
from splitmirror.config._file import SIZE_MAX, checked, parse, path_in, read_raw
from splitmirror.config._keys import KEYS
from splitmirror.errors import ArgumentError

__all__ = ["change", "remove", "to_toml"]


def change(
    folder: AnyPath, given: Mapping[str, str], *, unset: Collection[str] = ()
) -> dict[str, Any]:
    """Set and unset keys of the configuration in a catalog's folder; gives what it holds then.

    The file is written anew: its comments and its order are lost. Without any key left it goes.

    Args:
        folder: the folder of the catalog.
        given: texts by key, as on a command line.
        unset: keys to leave out; those that are not there are no error.

    Raises:
        ArgumentError: a key is not known, or a text cannot be used; nothing was changed.
        ConfigError: the file as it is cannot be used; nothing was changed.
        OSError: it cannot be written.
    """
    for name in (*given, *unset):
        if name not in KEYS:
            raise ArgumentError(
                f"{name!r} is no key; the keys are {', '.join(KEYS)}", argument="key"
            )
    with _locked(folder) as directory:
        values = read_raw(folder)
        for name in unset:
            values.pop(name, None)
        for name, text in given.items():
            values[name] = KEYS[name].read(text)
            KEYS[name].check(values[name], name)
        path = path_in(folder)
        text = to_toml(values)
        # What is written is what will be read.
        checked(parse(text, path), path)
        if not values:
            remove(folder)
        else:
            _replace(path, text)
        os.fsync(directory)
    return values


def remove(folder: AnyPath) -> None:
    """Remove the configuration in a catalog's folder, if there is one."""
    path = path_in(folder)
    for name in (path, path + b".next"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(name)


def to_toml(values: Mapping[str, Any]) -> str:
    """Write values, as the file has them, by name, as TOML."""
    lines: list[str] = []
    for table in dict.fromkeys(key.table for key in KEYS.values()):
        there = [key for key in KEYS.values() if key.table == table and key.name in values]
        if there:
            lines += ["", f"[{table}]"] if lines else [f"[{table}]"]
            lines += [f"{key.field} = {_toml(values[key.name], key.name)}" for key in there]
    return "".join(f"{line}\n" for line in lines)


def _toml(value: object, name: str) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item, name) for item in value) + "]"
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else repr(value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ArgumentError(f"{name}: {value!r} is no UTF-8 text", argument=name) from None
    # The two escape alike, but for this character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@contextlib.contextmanager
def _locked(folder: AnyPath) -> Iterator[int]:
    """Keep others from changing the same file: of two changes at once both are to stay."""
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield directory
    finally:
        os.close(directory)


def _replace(path: bytes, text: str) -> None:
    data = text.encode()
    if len(data) > SIZE_MAX:
        raise ArgumentError(f"the file would be larger than {SIZE_MAX:,} bytes", argument="set")
    following = path + b".next"
    with contextlib.suppress(FileNotFoundError):
        # Left behind by one that was killed.
        os.unlink(following)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(following, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(following, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(following)
        raise
