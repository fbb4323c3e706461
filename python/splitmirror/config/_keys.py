"""The keys that a configuration can have: one table, from which all else follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from splitmirror._hook_actions import checked_action, checked_seconds
from splitmirror.errors import ArgumentError
from splitmirror.hooks import HOOK_VARIABLES, Hooks
from splitmirror.units import parse_size

__all__ = ["KEYS", "Key", "Value"]

Value: TypeAlias = tuple[str, ...] | str | int | float | bool | None
"""A value as it is used: a command as its words, sizes in bytes, times in seconds."""

_RATE_MAX = (1 << 63) - 1
_THREADS_MAX = 256


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    Attributes:
        name: with its table, such as "hooks.freeze".
        variable: the variable of the environment.
        default: what holds when nobody says anything.
        check: gives a value of the file as it is used; raises ArgumentError, with the name.
        read: gives the text of a variable or option as the file would have it.
        example, about: the value as TOML, and what it does, for people.
    """

    name: str
    variable: str
    default: Value
    check: Callable[[object, str], Value]
    read: Callable[[str], object]
    example: str
    about: str

    @property
    def table(self) -> str:
        """The table of the file."""
        return self.name.partition(".")[0]

    @property
    def field(self) -> str:
        """The name in its table."""
        return self.name.partition(".")[2]

    def from_text(self, text: str) -> Value:
        """Give the value of a variable or option; an empty text is the default.

        Raises:
            ArgumentError: it cannot be used.
        """
        return self.check(self.read(text), self.name) if text else self.default


def _refused(name: str, needed: str, value: object) -> ArgumentError:
    return ArgumentError(f"{name}: {needed} is needed, not {value!r}", argument=name)


# --- Checks ------------------------------------------------------------------------------------


def _command(value: object, name: str) -> Value:
    if not isinstance(value, (str, list)):
        raise _refused(name, "a command, as a text or a list of words,", value)
    words = checked_action(value, name)
    assert isinstance(words, tuple)
    return words


def _rate(value: object, name: str) -> Value:
    rate = -1
    if isinstance(value, str):
        try:
            rate = parse_size(value)
        except ValueError:
            rate = -1
    elif isinstance(value, int) and not isinstance(value, bool):
        rate = value
    if not 0 < rate <= _RATE_MAX:
        raise _refused(name, 'a number of bytes a second, such as 52428800 or "50M",', value)
    return rate


def _folder(value: object, name: str) -> Value:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise _refused(name, "an absolute path", value)
    return value


def _flag(value: object, name: str) -> Value:
    if not isinstance(value, bool):
        raise _refused(name, "true or false", value)
    return value


def _threads(value: object, name: str) -> Value:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(value, int) or not whole or not 1 <= value <= _THREADS_MAX:
        raise _refused(name, f"a whole number from 1 to {_THREADS_MAX}", value)
    return value


# --- Texts -------------------------------------------------------------------------------------


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _whole(text: str) -> object:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text


def _truth(text: str) -> object:
    return {"true": True, "false": False}.get(text, text)


# --- The table ---------------------------------------------------------------------------------


def _hook(field: str, example: str, about: str) -> Key:
    return Key(f"hooks.{field}", HOOK_VARIABLES[field], None, _command, str, example, about)


_TIMEOUT = Hooks().timeout

_ALL = (
    _hook("freeze", '"fsfreeze --freeze /shop"', "before the point of a split is taken"),
    _hook("thaw", '"fsfreeze --unfreeze /shop"', "right after it"),
    _hook("stop", '"systemctl stop shop"', "before anything of the source is restored"),
    _hook("unmount", '["umount", "/shop"]', "after stop"),
    _hook("mount", '["mount", "/shop"]', "when the source can be used again"),
    _hook("start", '"systemctl start shop"', "after mount"),
    Key(
        "hooks.timeout",
        HOOK_VARIABLES["timeout"],
        _TIMEOUT,
        checked_seconds,
        _number,
        f"{_TIMEOUT:g}",
        "seconds, for each hook by itself",
    ),
    Key(
        "restore.throttle",
        "SPLITMIRROR_THROTTLE",
        None,
        _rate,
        str,
        '"50M"',
        "bytes a second that a restore copies behind the application",
    ),
    Key(
        "mount.mountpoint",
        "SPLITMIRROR_MOUNTPOINT",
        None,
        _folder,
        str,
        '"/run/shop"',
        "where the volume is mounted",
    ),
    Key(
        "mount.allow_other",
        "SPLITMIRROR_ALLOW_OTHER",
        False,
        _flag,
        _truth,
        "true",
        "whether other users may use the mount",
    ),
    Key(
        "mount.threads",
        "SPLITMIRROR_THREADS",
        None,
        _threads,
        _whole,
        "4",
        "threads that serve the mount",
    ),
)

KEYS = {key.name: key for key in _ALL}
"""Every key by its name, in the order in which they are shown and written."""
