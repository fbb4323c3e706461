"""Formats: who knows where a file's members are, so that one can be restored alone.

splitmirror itself copies bytes and understands none. What does is a plug-in, found by the entry
point group ``splitmirror.formats``: each entry point is named as the format and leads to a
`Format`, or to a class of one that takes no arguments. "npy", "npz" (and every other zip
archive) and "hdf5" are built in.

    [project.entry-points."splitmirror.formats"]
    fits = "my_package.fits:Fits"

A member is restored to the places that it has, never moved: its extents are asked for on the
mirror and on the source, and must be the same.
"""

from __future__ import annotations

from splitmirror.formats._interface import DescribedFormat, Extent, Format
from splitmirror.formats._plugin import Plugin
from splitmirror.formats._registry import GROUP, available, choose

__all__ = ["GROUP", "DescribedFormat", "Extent", "Format", "Plugin", "available", "choose"]
