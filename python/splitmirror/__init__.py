"""splitmirror: a mirror of a file or device that stays good when its source goes bad.

A *mirror* is kept equal to a *source*. Splitting it freezes it as a point in time. When the
source is corrupted later, it is restored from the mirror while the mirror stays split: the
mirror is never written, so the last good copy survives and can be used again.

    >>> pair = splitmirror.MirrorPair.create("data.db", "data.mirror")  # doctest: +SKIP
    >>> pair.establish()                                                # doctest: +SKIP
    >>> pair.split(label="before upgrade")                              # doctest: +SKIP
    >>> pair.restore()                                                  # doctest: +SKIP

Others say: SNIA source and target element with Resync, Split and Restore from Replica; EMC
standard and BCV.
"""

from __future__ import annotations

from typing import Any

from splitmirror import _core, errors
from splitmirror._core import CancelToken
from splitmirror.arraypair import ArrayPair, create_array, open_array
from splitmirror.errors import SplitMirrorError
from splitmirror.guard import Guard
from splitmirror.hooks import HookReport, Hooks
from splitmirror.lookup import doctor, history, list_pairs, oldest, status
from splitmirror.mounts import Mounted, mount, unmount
from splitmirror.pair import MirrorPair, RestoreJob
from splitmirror.plan import Plan
from splitmirror.progress import show_progress
from splitmirror.reports import (
    AbandonReport,
    ArraysInUse,
    CancelReport,
    Check,
    DetachReport,
    DifferingRange,
    EstablishReport,
    Event,
    ExtractReport,
    JobReport,
    MemberReport,
    MountReport,
    OldestMirror,
    PassedOver,
    PlanReport,
    ProvenanceRun,
    Receipt,
    RefreshReport,
    RepairReport,
    ScrubReport,
    SealReport,
    SiblingStatus,
    SkippedFile,
    SplitReport,
    Stamp,
    Status,
    Tracking,
    TreeEntry,
    UnmountReport,
    UnreadablePair,
    VerifyReport,
)
from splitmirror.states import Condition, State
from splitmirror.tree import Ext4Tree

__version__ = _core.version()

__all__ = [
    "AbandonReport",
    "ArrayPair",
    "ArraysInUse",
    "CancelReport",
    "CancelToken",
    "Check",
    "Condition",
    "DetachReport",
    "DifferingRange",
    "EstablishReport",
    "Event",
    "Ext4Tree",
    "ExtractReport",
    "Guard",
    "HookReport",
    "Hooks",
    "JobReport",
    "MemberReport",
    "MirrorPair",
    "MountReport",
    "Mounted",
    "OldestMirror",
    "PassedOver",
    "Plan",
    "PlanReport",
    "ProvenanceRun",
    "Receipt",
    "RefreshReport",
    "RepairReport",
    "RestoreJob",
    "ScrubReport",
    "SealReport",
    "SiblingStatus",
    "SkippedFile",
    "SplitMirrorError",
    "SplitReport",
    "Stamp",
    "State",
    "Status",
    "Tracking",
    "TreeEntry",
    "UnmountReport",
    "UnreadablePair",
    "VerifyReport",
    "__version__",
    "create_array",
    "doctor",
    "errors",
    "history",
    "list_pairs",
    "mount",
    "oldest",
    "open_array",
    "show_progress",
    "status",
    "unmount",
]


def load_ipython_extension(shell: Any) -> None:
    """Make ``%%guard`` and ``%mirror`` known; IPython calls it for ``%load_ext splitmirror``."""
    # IPython is no requirement of the package: whoever calls this has it.
    from splitmirror.notebook import load_ipython_extension as load

    load(shell)
