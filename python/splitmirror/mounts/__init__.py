"""A volume as a mounted file, for programs that know nothing of splitmirror.

It is served by a process of its own, which owns the pair as long as it is mounted: its verbs are
called there, by whatever other process wants to.
"""

from __future__ import annotations

from splitmirror.mounts._mounted import Mounted, mount, unmount

__all__ = ["Mounted", "mount", "unmount"]
