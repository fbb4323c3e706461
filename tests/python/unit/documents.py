"""One sample of every document of the core, as plain values."""

from __future__ import annotations

from typing import Any

from splitmirror import reports
from splitmirror._document import Document

PAIR = {"pair_id": "p-1", "state": "split", "conditions": ["outside-writes"]}
STAMP = {"device": 1, "inode": 2, "length": 131072, "modified": 1.5, "changed": 2.5}
STATS = {
    "reason": "compare",
    "method": "compare",
    "blocks_total": 4,
    "blocks_examined": 4,
    "blocks_copied": 1,
    "blocks_skipped": 3,
    "bytes_copied": 65536,
    "bytes_punched": 0,
    "seconds": 0.25,
}
HOOK = {"hook": "freeze", "ok": True, "seconds": 0.01, "detail": ""}
ESTABLISH = {
    "schema": 1,
    "kind": "establish",
    **PAIR,
    **STATS,
    "source_length": 262144,
    "outside_writes": "none",
}
SPLIT = {
    "schema": 1,
    "kind": "split",
    **PAIR,
    "generation": 3,
    "label": "nightly",
    "taken_at": 1000.0,
    "consistency": "flushed",
    "length": 262144,
    "writers_paused_seconds": 0.001,
    "seconds": 0.5,
    "mirror_stamp": STAMP,
    "hooks": [HOOK],
}
REFRESH = {"schema": 1, "kind": "refresh", **PAIR, "establish": ESTABLISH, "split": SPLIT}
RECEIPT = {
    "schema": 1,
    "kind": "receipt",
    **PAIR,
    **STATS,
    "generation": 3,
    "label": None,
    "source": "/data/shop.db",
    "to": None,
    "blocks_app_written": 1,
    "restore_id": "r-1",
    "block_size": 65536,
    "provenance": [
        {"offset": 0, "length": 65536, "origin": "mirror"},
        {"offset": 131072, "length": 65536, "origin": "app-written"},
    ],
    "length_before": None,
    "length_after": 262144,
    "mirror_stamp_before": STAMP,
    "mirror_stamp_after": STAMP,
    "root_before": "ab" * 32,
    "root_after": "ab" * 32,
    "mirror_unchanged": True,
    "outside_writes": "none",
    "complete": True,
    "unrestored": [],
    "resumed": False,
    "hooks": [],
}
REPAIR = {
    "schema": 1,
    "kind": "repair",
    **PAIR,
    **STATS,
    "from_mirror": "/data/other.mirror",
    "generation": 3,
    "label": "nightly",
}
VERIFY = {
    "schema": 1,
    "kind": "verify",
    **PAIR,
    "matches": False,
    "differing": [{"offset": 0, "length": 65536, "wrong_side": "source"}],
    "ranges_total": 1,
    "blocks_examined": 4,
    "blocks_differing": 1,
    "source_length": 262144,
    "mirror_length": 262144,
    "sealed": True,
    "seconds": 0.1,
}
SCRUB = {
    "schema": 1,
    "kind": "scrub",
    **PAIR,
    "generation": 3,
    "intact": False,
    "root": "cd" * 32,
    "blocks_bad": 1,
    "bad": [[65536, 65536]],
    "blocks": 4,
    "bytes": 262144,
    "seconds": 0.1,
}
SIBLING = {
    "pair_id": "p-2",
    "mirror": "/data/other.mirror",
    "state": "split",
    "conditions": ["mirror-skewed"],
    "open": True,
    "problem": None,
}
MISSING: dict[str, Any] = {
    "pair_id": "p-3",
    "mirror": "/away/third.mirror",
    "state": None,
    "conditions": [],
    "open": False,
    "problem": "there is no file /away/third.mirror",
}
STATUS = {
    "schema": 1,
    "kind": "status",
    **PAIR,
    "volume_id": "v-1",
    "mirror": "/data/shop.mirror",
    "source": "/data/shop.db",
    "catalog": "/data/shop.mirror.splitmirror",
    "mode": "shared",
    "block_size": 65536,
    "activity": "idle",
    "generation": 3,
    "label": "nightly",
    "split_at": 1000.0,
    "consistency": "flushed",
    "established_at": 999.0,
    "length": 262144,
    "sealed": False,
    "root": None,
    "hold": None,
    "owner_pid": None,
    "tracking": {"believed": False, "reason": "rebooted"},
    "changed_blocks": None,
    "pending_blocks": 2,
    "arrays": None,
    "siblings": [SIBLING, MISSING],
    "next": ["restore", "establish"],
    "advice": ["The source was written round the pair.", "Nothing is lost."],
}
PLAN = {
    "schema": 1,
    "kind": "plan",
    "verb": "restore",
    "reason": "compare",
    "method": "compare",
    "extents": [[0, 65536], [131072, 65536]],
    "extents_total": 2,
    "blocks": 2,
    "bytes": 131072,
    "source_length": None,
    "target_length": 262144,
    "space_needed": 262144,
    "overwrites": "/data/shop.db",
}

SAMPLES: list[tuple[type[Document], dict[str, Any]]] = [
    (reports.EstablishReport, ESTABLISH),
    (reports.SplitReport, SPLIT),
    (reports.RefreshReport, REFRESH),
    (reports.Receipt, RECEIPT),
    (
        reports.OldestMirror,
        {
            "schema": 1,
            "kind": "oldest",
            "mirror": "/data/other.mirror",
            "pair_id": "p-2",
            "state": "split",
            "generation": 2,
            "label": "monday",
            "split_at": 500.0,
            "why": "its point in time is the oldest of 2",
            "passed_over": [{"mirror": "/away/third.mirror", "why": "it is on hold"}],
            "refresh": REFRESH,
        },
    ),
    (reports.RepairReport, REPAIR),
    (
        reports.AbandonReport,
        {
            "schema": 1,
            "kind": "abandon",
            **PAIR,
            "unrestored": [[0, 65536]],
            "blocks_unrestored": 1,
        },
    ),
    (reports.VerifyReport, VERIFY),
    (
        reports.SealReport,
        {
            "schema": 1,
            "kind": "seal",
            **PAIR,
            "generation": 3,
            "root": "ab" * 32,
            "blocks": 4,
            "bytes": 262144,
            "seconds": 0.1,
        },
    ),
    (reports.ScrubReport, SCRUB),
    (
        reports.DetachReport,
        {
            "schema": 1,
            "kind": "detach",
            "pair_id": "p-1",
            "mirror": "/data/shop.mirror",
            "source": "/data/shop.db",
        },
    ),
    (reports.PlanReport, PLAN),
    (reports.Status, STATUS),
    (reports.UnreadablePair, {"mirror": "/data/bad", "error": {"id": "io", "message": "no"}}),
    (reports.Event, {"at": 5.0, "event": "split", "detail": {"label": "x", "generation": 3}}),
    (reports.Check, {"check": "lease", "ok": None, "detail": "not asked", "advice": ""}),
]
