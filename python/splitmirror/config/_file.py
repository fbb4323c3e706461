"""The file of a configuration: who may have written it, and what it may hold.

It names commands that run as whoever calls a verb, often root. So it must be a regular file of
this user or of root that nobody else can write, and everything in it must be understood.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
from typing import Any, NoReturn

from splitmirror._types import AnyPath
from splitmirror.config._keys import KEYS, Value
from splitmirror.errors import AreaIOError, ArgumentError, ConfigError
from splitmirror.units import printable

__all__ = ["NAME", "SIZE_MAX", "parse", "path_in", "read_file", "read_raw"]

NAME = "config.toml"
SIZE_MAX = 64 * 1024
"""So many bytes a configuration may have."""

_PLACE = re.compile(r" \((?:at line (\d+), column \d+|at end of document)\)$")


def path_in(folder: AnyPath) -> bytes:
    """Give the path of the configuration in a catalog's folder."""
    return os.path.join(os.fsencode(folder), os.fsencode(NAME))


def read_file(folder: AnyPath) -> dict[str, Value]:
    """Read the configuration in a catalog's folder: checked values by name; none without a file.

    Raises:
        ConfigError: it cannot be read, somebody else could have written it, or it has something
            in it that is not known or could never work.
    """
    return checked(read_raw(folder), path_in(folder))


def read_raw(folder: AnyPath) -> dict[str, Any]:
    """Read the configuration as TOML alone, by name; see read_file()."""
    path = path_in(folder)
    text = _text(path)
    return {} if text is None else parse(text, path)


def checked(found: dict[str, Any], path: bytes) -> dict[str, Value]:
    """Give the values of a file as they are used.

    Raises:
        ConfigError: one of them could never work.
    """
    values: dict[str, Value] = {}
    for name, value in found.items():
        try:
            values[name] = KEYS[name].check(value, name)
        except ArgumentError as error:
            raise _bad(path, error.message, key=name) from None
    return values


def parse(text: str, path: bytes) -> dict[str, Any]:
    """Take the text of a configuration apart: values as TOML has them, by name.

    Raises:
        ConfigError: it is no TOML, or has a table or key that is not known.
    """
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        _refuse(path, "it is nested too deeply")
    except ValueError as error:
        place = _PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else 0
        why = str(error)[: place.start()] if place and line else str(error)
        _refuse(path, f"it is no TOML: {why}", line=line)
    found: dict[str, Any] = {}
    known = dict.fromkeys(key.table for key in KEYS.values())
    for table, values in tables.items():
        if table not in known or not isinstance(values, dict):
            legal = ", ".join(f"[{name}]" for name in known)
            _refuse(path, f"{table!r} is no table of it; the tables are {legal}", key=table)
        for field, value in values.items():
            name = f"{table}.{field}"
            if name not in KEYS:
                legal = ", ".join(key.field for key in KEYS.values() if key.table == table)
                _refuse(path, f"[{table}] has no key {field!r}; its keys are {legal}", key=name)
            found[name] = value
    return found


def _text(path: bytes) -> str | None:
    """The text of the file, if there is one."""
    try:
        # A FIFO that somebody put there must not be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            _refuse(path, "it is a symbolic link; put the file itself there")
        _unreadable(path, error)
    try:
        _check_trust(path, os.fstat(descriptor))
        with os.fdopen(os.dup(descriptor), "rb") as file:
            data = file.read(SIZE_MAX + 1)
    except OSError as error:
        _unreadable(path, error)
    finally:
        os.close(descriptor)
    if len(data) > SIZE_MAX:
        _refuse(path, f"it is larger than {SIZE_MAX:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        _refuse(path, "it is no UTF-8", line=data[: error.start].count(b"\n") + 1)


def _unreadable(path: bytes, error: OSError) -> NoReturn:
    if error.errno in (errno.EACCES, errno.EPERM):
        _refuse(path, f"it cannot be read: {error.strerror}")
    # Nothing is wrong with what it says: its storage fails, and the catalog's is the same.
    shown = printable(os.fsdecode(path))
    raise AreaIOError(
        f"reading {shown} failed: {error.strerror}; look at its file system",
        path=shown,
        operation="reading",
        errno=error.errno,
    ) from None


def _check_trust(path: bytes, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        _refuse(path, "it is no regular file")
    if found.st_uid not in (0, os.geteuid()):
        _refuse(
            path,
            f"it belongs to user {found.st_uid}, and it names commands to run; it must belong to "
            f"root or to user {os.geteuid()}: chown it",
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        _refuse(
            path,
            f"others may write it (mode {stat.S_IMODE(found.st_mode):04o}), and it names commands "
            "to run: chmod go-w",
        )


def _bad(path: bytes, why: str, *, line: int = 0, key: str = "") -> ConfigError:
    shown = printable(os.fsdecode(path))
    place = f"{shown}, line {line}" if line else shown
    return ConfigError(f"{place}: {printable(why)}", path=shown, line=line, key=printable(key))


def _refuse(path: bytes, why: str, *, line: int = 0, key: str = "") -> NoReturn:
    raise _bad(path, why, line=line, key=key) from None
