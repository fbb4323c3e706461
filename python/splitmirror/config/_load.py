"""From file, environment and caller to the values that hold, and where each is from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from splitmirror._types import AnyPath
from splitmirror.config._file import read_file
from splitmirror.config._keys import KEYS, Key, Value
from splitmirror.errors import ArgumentError, ConfigError
from splitmirror.hooks import Hooks
from splitmirror.units import printable

__all__ = ["Config", "MountSettings", "RestoreSettings", "Setting", "load", "settings"]

Origin: TypeAlias = Literal["flag", "environment", "file", "default"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreSettings:
    """How a source is restored.

    Attributes:
        throttle: start_restore() copies at most so many bytes a second; None: no limit.
    """

    throttle: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MountSettings:
    """How the volume is mounted.

    Attributes:
        mountpoint: where; None: whoever mounts it must say so.
        allow_other: whether other users may use it.
        threads: how many serve it; None: as many as fit.
    """

    mountpoint: str | None = None
    allow_other: bool = False
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration of a pair, as it holds now."""

    hooks: Hooks
    restore: RestoreSettings
    mount: MountSettings


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that holds, and where it is from."""

    key: Key
    value: Value
    origin: Origin


def load(folder: AnyPath, flags: Mapping[str, str] | None = None) -> Config:
    """Read the configuration of the pair whose catalog is in a folder.

    Args:
        folder: the folder of the catalog; see MirrorPair.catalog_path.
        flags: texts by key, such as {"hooks.freeze": "sync"}, that come before everything else;
            an empty one stands for the default.

    Raises:
        ConfigError: the file or a variable of the environment cannot be used.
        ArgumentError: a flag cannot be used.
    """
    tables: dict[str, dict[str, Any]] = {"hooks": {}, "restore": {}, "mount": {}}
    for setting in settings(folder, flags):
        tables[setting.key.table][setting.key.field] = setting.value
    return Config(
        hooks=Hooks(**tables["hooks"]),
        restore=RestoreSettings(**tables["restore"]),
        mount=MountSettings(**tables["mount"]),
    )


def settings(folder: AnyPath, flags: Mapping[str, str] | None = None) -> tuple[Setting, ...]:
    """Give every value that holds, with where it is from; arguments and errors are load()'s."""
    given = flags or {}
    # All of the file is checked, also what is overridden: it is wrong now, not some night.
    file = read_file(folder)
    return tuple(_setting(key, given, file) for key in KEYS.values())


def _setting(key: Key, flags: Mapping[str, str], file: Mapping[str, Value]) -> Setting:
    if key.name in flags:
        return Setting(key, key.from_text(flags[key.name]), "flag")
    text = os.environ.get(key.variable)
    if text is not None:
        try:
            return Setting(key, key.from_text(text), "environment")
        except ArgumentError as error:
            message = printable(f"{key.variable}: {error.message}")
            raise ConfigError(message, path="", line=0, key=key.name) from None
    if key.name in file:
        return Setting(key, file[key.name], "file")
    return Setting(key, key.default, "default")
