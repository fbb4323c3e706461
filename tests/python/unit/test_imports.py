"""What an import costs: heavy packages come only when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "click", "rich", "sqlite3")


def loaded(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name for name in HEAVY if name in done.stdout.split()}


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import splitmirror", set()),
        ("from splitmirror import *", set()),
        ("import splitmirror.cli", set()),
        ("import splitmirror.cli.app", {"click"}),
        ("from splitmirror.cli import main; main(['--version'])", {"click"}),
        ("import splitmirror.cli.inspecting", {"click"}),
    ],
)
def test_what_is_loaded(statement: str, allowed: set[str]) -> None:
    assert loaded(statement) <= allowed


def test_everything_that_is_announced_is_there() -> None:
    import splitmirror

    for name in splitmirror.__all__:
        assert getattr(splitmirror, name) is not None
    assert splitmirror.__all__ == sorted(splitmirror.__all__)
