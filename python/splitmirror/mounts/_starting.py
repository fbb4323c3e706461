"""Starting the process that serves a mount, and hearing from it whether it does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from splitmirror.control.wire_errors import error_from
from splitmirror.errors import MountError
from splitmirror.reports import MountReport
from splitmirror.units import printable

__all__ = ["start"]

_READY_MAX = 1 << 20
"""So many bytes the first word of the process may have."""


def start(arguments: list[str], mountpoint: str, log: Path) -> MountReport:
    """Run ``splitmirror mount --foreground`` in a session of its own until it is mounted.

    Args:
        arguments: of the command, after ``mount --foreground``.
        mountpoint: for messages.
        log: the file that the process writes what it has to say to.

    Raises:
        MountError, or what else the process met: it was not mounted, and the process is gone.
    """
    reading, writing = os.pipe()
    try:
        with open(log, "ab", opener=_private) as output:
            command = [sys.executable, "-m", "splitmirror", "mount", "--foreground"]
            process = subprocess.Popen(
                [*command, "--ready-fd", str(writing), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[writing],
                start_new_session=True,
                # Its working folder must not be one that keeps something from being unmounted.
                cwd="/",
            )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        with open(reading, "rb") as pipe:
            word = pipe.read(_READY_MAX)
    except BaseException:
        # Nobody waits for it any more: it goes as it would with a Ctrl-C.
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        raise
    return _heard(process, word, mountpoint, log)


def _heard(
    process: subprocess.Popen[bytes], word: bytes, mountpoint: str, log: Path
) -> MountReport:
    try:
        said = json.loads(word)
    except ValueError:
        said = {}
    if "mounted" in said:
        # It lives on by itself, and is nobody's to wait for.
        process.returncode = 0
        return MountReport.from_dict({**said["mounted"], "log": printable(str(log))})
    code = process.wait()
    if "error" in said:
        raise error_from(said["error"])
    raise MountError(
        f"the process that was to serve {printable(mountpoint)} ended with {code} before it was "
        f"mounted; {printable(str(log))} may say why",
        path=printable(mountpoint),
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, mode=0o600)
