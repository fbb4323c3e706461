"""The pair: a source, its mirror, and every verb on the two."""

from __future__ import annotations

from splitmirror.pair.mirrorpair import MirrorPair

__all__ = ["MirrorPair"]
