"""What the tests of configurations share: a good file, and how one is put into its place."""

from __future__ import annotations

from pathlib import Path

from splitmirror import config

GOOD = """
[hooks]
freeze = "fsfreeze --freeze '/a shop'"
thaw = ["fsfreeze", "--unfreeze", "/a shop"]
timeout = 5
[restore]
throttle = "50M"
[mount]
mountpoint = "/run/shop"
allow_other = true
threads = 4
"""


def write(folder: Path, text: str | bytes) -> Path:
    """Make the configuration of a catalog's folder, which is made too."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / config.NAME
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return path
