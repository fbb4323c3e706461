"""What the verbs return: frozen documents with a schema version.

Numbers of bytes are exact integers, times are seconds since 1970, durations are seconds, and
paths are text for people (bytes that are no UTF-8 appear as ``\\xNN``). Every report can
`to_dict`, `to_json` and `from_dict`, prints as a table and shows as HTML in a notebook.
"""

from __future__ import annotations

from splitmirror.reports._browsing import (
    ExtractReport,
    MemberReport,
    SkippedFile,
    TreeEntry,
)
from splitmirror.reports._checking import (
    DifferingRange,
    ScrubReport,
    SealReport,
    VerifyReport,
)
from splitmirror.reports._configuring import (
    ConfigReport,
    SettingReport,
)
from splitmirror.reports._controlling import CancelReport, JobReport
from splitmirror.reports._looking import (
    ArraysInUse,
    Check,
    Event,
    PlanReport,
    SiblingStatus,
    Status,
    Tracking,
    UnreadablePair,
)
from splitmirror.reports._mirroring import (
    DetachReport,
    EstablishReport,
    OldestMirror,
    PassedOver,
    RefreshReport,
    RepairReport,
    SplitReport,
)
from splitmirror.reports._mounting import (
    MountReport,
    UnmountReport,
)
from splitmirror.reports._pairs import (
    CopyReport,
    PairReport,
    Stamp,
)
from splitmirror.reports._restoring import (
    AbandonReport,
    ProvenanceRun,
    Receipt,
)

__all__ = [
    "AbandonReport",
    "ArraysInUse",
    "CancelReport",
    "Check",
    "ConfigReport",
    "CopyReport",
    "DetachReport",
    "DifferingRange",
    "EstablishReport",
    "Event",
    "ExtractReport",
    "JobReport",
    "MemberReport",
    "MountReport",
    "OldestMirror",
    "PairReport",
    "PassedOver",
    "PlanReport",
    "ProvenanceRun",
    "Receipt",
    "RefreshReport",
    "RepairReport",
    "ScrubReport",
    "SealReport",
    "SettingReport",
    "SiblingStatus",
    "SkippedFile",
    "SplitReport",
    "Stamp",
    "Status",
    "Tracking",
    "TreeEntry",
    "UnmountReport",
    "UnreadablePair",
    "VerifyReport",
]
