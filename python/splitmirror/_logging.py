"""Log records of the core, handed to Python's logging under the loggers ``splitmirror.*``.

The core's threads only put records into a bounded queue; they never call into Python, which
could deadlock a thread that serves I/O. The queue is emptied here, on the caller's own thread,
after each verb and while one reports progress.
"""

from __future__ import annotations

import logging

from splitmirror import _core

__all__ = ["drain"]

ROOT = "splitmirror"

# A library stays silent until the application sets up logging.
logging.getLogger(ROOT).addHandler(logging.NullHandler())


def drain() -> None:
    """Pass on the records that the core queued since the last call."""
    for level, name, message in _core.drain_log():
        inside = name == ROOT or name.startswith(f"{ROOT}.")
        # As an argument, so that a percent sign in a path is not a format.
        logging.getLogger(name if inside else f"{ROOT}.{name}").log(level, "%s", message)
