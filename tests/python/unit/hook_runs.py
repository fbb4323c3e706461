"""What the tests of hooks share: using one, shell commands, waiting, and whether a process runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from splitmirror.hooks import HookReport, HookRun, Hooks

SOON = 20.0
"""Seconds within which what is to happen happens, also on a busy machine."""
BRIEF = 0.3
FOREVER = "600"


def use(hooks: Hooks | None, label: str | None = None) -> HookRun:
    return HookRun(hooks, source="/data/shop.db", mirror=b"/backup/\xff", label=label)


def freeze(hook: Any, *, timeout: float = SOON) -> HookReport:
    """The report of one freeze hook."""
    run = use(Hooks(freeze=hook, timeout=timeout))
    succeeded = run.before("freeze")
    (report,) = run.results
    assert (report.hook, report.ok) == ("freeze", succeeded)
    assert report.ok == (not report.detail)
    return report


def shell(text: str) -> list[str]:
    return ["sh", "-c", text]


def eventually(holds: Callable[[], object]) -> bool:
    deadline = time.monotonic() + SOON
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def runs(pid: int) -> bool:
    """Whether a process is there and is no zombie that only waits for its parent."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def number_in(path: Path) -> int:
    assert eventually(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())
