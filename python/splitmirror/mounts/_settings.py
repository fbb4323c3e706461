"""Where and how a volume is mounted: what the caller says, else its pair's configuration."""

from __future__ import annotations

import os

from splitmirror._types import AnyPath
from splitmirror.config import MountSettings, load
from splitmirror.errors import ArgumentError

__all__ = ["settled"]


def settled(
    folder: AnyPath,
    *,
    mountpoint: AnyPath | None,
    threads: int | None,
    allow_other: bool | None,
) -> MountSettings:
    """Give the settings that hold; what is None is taken from the configuration.

    Args:
        folder: of the pair's catalog.
        mountpoint, threads, allow_other: see mount().

    Raises:
        ArgumentError: nobody says where, or a value cannot be used.
        ConfigError: the configuration cannot be used.
    """
    flags = {}
    if mountpoint is not None:
        flags["mount.mountpoint"] = os.path.abspath(os.fsdecode(mountpoint))
    if threads is not None:
        flags["mount.threads"] = str(threads)
    if allow_other is not None:
        flags["mount.allow_other"] = "true" if allow_other else "false"
    settings = load(folder, flags).mount
    if settings.mountpoint is None:
        raise ArgumentError(
            "mountpoint: neither the caller nor the configuration says where; give a folder, or "
            "set mount.mountpoint",
            argument="mountpoint",
        )
    return settings
