"""Looking into a split mirror: the files of the ext2, ext3 or ext4 file system on it.

Nothing is mounted, locked or written, and no root is needed. See `splitmirror.Ext4Tree`.
"""

from __future__ import annotations

from splitmirror.tree._file import TreeFile
from splitmirror.tree._tree import Ext4Tree

__all__ = ["Ext4Tree", "TreeFile"]
