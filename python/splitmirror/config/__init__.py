"""The configuration of a pair: what its verbs do when nothing else is said.

It is the file ``config.toml`` in the folder of the pair's catalog, read anew by each verb that
uses it. A value comes from the first of these that has it:

    the caller ─► a variable SPLITMIRROR_* of the environment ─► the file ─► the default

An empty variable or option stands for the default, whatever the file says. The file names
commands to run, so it is read strictly: nobody else may be able to write it, and whatever is
not known in it, or could never work, is a ConfigError.
"""

from __future__ import annotations

from splitmirror.config._example import EXAMPLE
from splitmirror.config._file import NAME, read_file
from splitmirror.config._keys import KEYS, Key, Value
from splitmirror.config._load import Config, MountSettings, RestoreSettings, Setting, load, settings
from splitmirror.config._write import change, remove

__all__ = [
    "EXAMPLE",
    "KEYS",
    "NAME",
    "Config",
    "Key",
    "MountSettings",
    "RestoreSettings",
    "Setting",
    "Value",
    "change",
    "load",
    "read_file",
    "remove",
    "settings",
]
