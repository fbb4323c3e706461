"""Hooks on the command line: options, environment and file, and what failures say and exit with."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from commandline import at_terminal, make_pair, run, run_json
from evidence import unchanged
from helpers import digest, overwrite
from splitmirror import MirrorPair, config

RESTORE = ("stop", "unmount", "mount", "start")


class Shop:
    """A pair of which it is written down what its hooks saw."""

    def __init__(self, folder: Path, *, split: bool) -> None:
        self.source, self.mirror = make_pair(folder, split=split)
        self.log = folder / "log"
        self.folder = folder

    def hook(self, end: str = "") -> str:
        """A command that notes its name, and whether the source is good."""
        look = f"cmp -s {self.source} {self.mirror} && said=good || said=bad"
        return f"sh -c '{look}; echo $SPLITMIRROR_HOOK $said >>{self.log}; {end}'"

    def options(self, **ends: str) -> list[str]:
        return [f"--{name}={self.hook(ends.get(name, ''))}" for name in RESTORE]

    def told(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path, split=True)


def ran(document: Any) -> list[tuple[str, bool]]:
    return [(hook["hook"], hook["ok"]) for hook in document["hooks"]]


def test_a_restore_runs_its_options_in_order(shop: Shop) -> None:
    good = digest(shop.mirror)
    overwrite(shop.source, 0, b"bad")
    receipt = run_json("restore", shop.mirror, "--yes", *shop.options())
    assert ran(receipt) == [(name, True) for name in RESTORE]
    assert shop.told() == ["stop bad", "unmount bad", "mount good", "start good"]
    assert digest(shop.source) == good


def test_a_split_and_a_refresh_are_frozen(tmp_path: Path) -> None:
    shop = Shop(tmp_path, split=False)
    with MirrorPair.open(shop.mirror) as pair:
        pair.establish()
    options = [f"--freeze={shop.hook()}", f"--thaw={shop.hook()}"]
    report = run_json("split", shop.mirror, *options, "--require=application")
    assert report["consistency"] == "application"
    assert ran(report) == [("freeze", True), ("thaw", True)]
    report = run_json("refresh", shop.mirror, "--yes", *options)
    assert ran(report["split"]) == [("freeze", True), ("thaw", True)]
    assert shop.told() == ["freeze good", "thaw good"] * 2


def test_an_option_comes_before_the_environment_before_the_file(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in RESTORE:
        run("config", shop.mirror, "--set", f"hooks.{name}=sh -c 'echo file {name} >>{shop.log}'")
    monkeypatch.setenv("SPLITMIRROR_STOP", f"sh -c 'echo environment stop >>{shop.log}'")
    monkeypatch.setenv("SPLITMIRROR_UNMOUNT", "")
    run("restore", shop.mirror, "--yes", f"--start=sh -c 'echo option start >>{shop.log}'")
    assert shop.told() == ["environment stop", "file mount", "option start"]
    run("restore", shop.mirror, "--yes", "--start=", "--stop", "", "--hook-timeout=9")
    assert shop.told() == ["file mount"]
    run("restore", shop.mirror, "--yes", "--no-hooks")
    run("restore", shop.mirror, "--yes", "--to", shop.folder / "elsewhere")
    run("restore", shop.mirror, "--dry-run")
    assert shop.told() == []


@pytest.mark.parametrize("fails", ["stop", "unmount"])
def test_a_failure_before_a_restore_exits_with_1(shop: Shop, fails: str) -> None:
    overwrite(shop.source, 0, b"bad")
    bad = digest(shop.source)
    options = shop.options(**{fails: "echo busy; exit 3"})
    _, err = run("restore", shop.mirror, "--yes", *options, code=1)
    assert err == (
        f"splitmirror: The {fails} hook failed, so nothing was restored: it exited with status 3; "
        "its last output: busy\n"
    )
    assert digest(shop.source) == bad
    before = ["stop bad", "unmount bad"] if fails == "unmount" else ["stop bad"]
    after = ["mount bad", "start bad"] if fails == "unmount" else ["start bad"]
    assert shop.told() == before + after
    error = run_json("restore", shop.mirror, "--yes", *options, code=1)["error"]
    assert (error["id"], error["fields"]["hook"]) == ("hook", fails)


def test_two_failures_are_both_told(shop: Shop) -> None:
    options = ["--stop=false", "--start=false"]
    _, err = run("restore", shop.mirror, "--yes", *options, code=1)
    stop, start = err.splitlines()
    assert stop.startswith("splitmirror: The stop hook failed, so nothing was restored")
    assert start.startswith("The start hook failed, so the application may not be running")
    error = run_json("restore", shop.mirror, "--yes", *options, code=1)["error"]
    assert error["notes"] == [start]


def test_a_failure_afterwards_exits_with_6_and_is_told(shop: Shop) -> None:
    good = digest(shop.mirror)
    overwrite(shop.source, 0, b"bad")
    options = shop.options(mount="exit 32", start="exit 1")
    out, err = run("restore", shop.mirror, "--yes", *options, code=6)
    assert digest(shop.source) == good
    assert "mirror unchanged" in out
    assert [line.partition(":")[0] for line in err.splitlines()] == [
        "The mount hook failed, so the source may not be mounted",
        "The start hook failed, so the application may not be running",
    ]
    receipt = run_json("restore", shop.mirror, "--yes", *options, code=6)
    assert ran(receipt) == [("stop", True), ("unmount", True), ("mount", False), ("start", False)]
    _, err = run("refresh", shop.mirror, "--yes", "--thaw=false", code=6)
    assert "the application may still be frozen" in err
    _, err = run("refresh", shop.mirror, "--yes", "--freeze=false", code=6)
    assert "the point is not application-consistent" in err
    run("refresh", shop.mirror, "--yes", "--freeze=false", "--require=application", code=8)


def test_a_hook_that_takes_too_long_is_killed(shop: Shop) -> None:
    options = ["--unmount=sleep 600", f"--mount={shop.hook()}", "--hook-timeout=0.5"]
    _, err = run("restore", shop.mirror, "--yes", *options, code=1)
    assert "it did not end in time and was killed" in err
    assert shop.told() == ["mount good"]


def test_a_resumed_and_a_healed_restore_run_hooks(shop: Shop) -> None:
    good = digest(shop.mirror)
    _, err = run("resume-restore", shop.mirror, "--yes", *shop.options(), code=3)
    assert "so no hook was run" in err
    assert shop.told() == []
    receipt = shop.folder / "receipt.json"
    receipt.write_text(run("restore", shop.mirror, "--yes", "--json")[0])
    healed = run_json("heal", shop.mirror, receipt, "--yes", *shop.options())
    assert ran(healed) == [(name, True) for name in RESTORE]
    assert shop.told() == ["stop good", "unmount good", "mount good", "start good"]
    assert digest(shop.source) == good


def test_nobody_is_stopped_before_the_question_is_answered(shop: Shop) -> None:
    for name in RESTORE:
        run("config", shop.mirror, "--set", f"hooks.{name}={shop.hook()}")
    run("restore", shop.mirror, code=8)
    code, _ = at_terminal("restore", shop.mirror, answer="n\n")
    assert (code, shop.told()) == (8, [])
    code, _ = at_terminal("restore", shop.mirror, answer="y\n")
    assert (code, len(shop.told())) == (0, 4)


@pytest.mark.parametrize(
    "arguments",
    [
        ["restore", "--stop", "echo 'x"],
        ["restore", "--stop", "a\udcff\x1b"],
        ["restore", "--freeze", "x"],
        ["split", "--stop", "x"],
        ["restore", "--hook-timeout", "0"],
        ["restore", "--hook-timeout", "soon"],
        ["restore", "--no-hooks", "--stop", "x"],
        ["restore", "--to", "elsewhere", "--stop", "x"],
        ["config", "--no-hooks"],
    ],
)
def test_options_that_make_no_sense_exit_with_2(shop: Shop, arguments: list[str]) -> None:
    if arguments[2:3] == ["a\udcff\x1b"]:
        # Bytes that are no UTF-8 may name a program; there is none of this name.
        _, err = run(arguments[0], shop.mirror, "--yes", *arguments[1:], code=1)
        assert err.count("\n") == 1
        return
    with unchanged(shop.folder):
        run(arguments[0], shop.mirror, *arguments[1:], code=2)


def test_a_hook_may_look_at_its_pair_and_call_verbs_of_another(shop: Shop) -> None:
    other = shop.folder / "other"
    other.mkdir()
    _, mirror = make_pair(other)
    config.change(f"{mirror}.splitmirror", {"hooks.stop": "false"})
    splitmirror = shlex.join([sys.executable, "-m", "splitmirror"])
    hooks = [
        f"--stop={splitmirror} status {shop.mirror}",
        f"--start={splitmirror} refresh --yes {mirror}",
    ]
    assert ran(run_json("restore", shop.mirror, "--yes", *hooks)) == [
        ("stop", True),
        ("start", True),
    ]
