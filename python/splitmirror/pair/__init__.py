"""The pair of a source and its mirror, and a restore that copies in the background."""

from __future__ import annotations

from splitmirror.pair.mirrorpair import MirrorPair
from splitmirror.pair.restorejob import RestoreJob

__all__ = ["MirrorPair", "RestoreJob"]
