"""The examples are right: their files are understood, and their commands do what they say."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commandline import run, run_json
from conftest import run as tool
from mounts import need
from splitmirror import MirrorPair, config

from examples import EXAMPLES, NAMES, Volume, configure, example, served_volume, volume

UNITS = sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in (".service", ".timer"))


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_is_understood(tmp_path: Path, name: str) -> None:
    configure(tmp_path, example(name))
    hooks = config.load(tmp_path).hooks
    assert hooks.freeze
    assert hooks.unmount
    assert hooks.mount
    assert (hooks.stop is None) == (hooks.start is None)
    assert (hooks.thaw is None) == (name == "postgresql.toml")


def test_every_example_is_known_and_named_in_the_documentation() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {*NAMES, *UNITS}
    text = (EXAMPLES.parent / "docs/operating.md").read_text()
    for name in (*NAMES, *UNITS):
        assert f"../examples/{name}" in text


# --- fsfreeze ----------------------------------------------------------------------------------


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Volume]:
    """A mounted volume with a mirror whose configuration is that of the example."""
    # The tools of root are not on everybody's PATH.
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin:/sbin")
    need("fsfreeze")
    with volume() as made:
        with MirrorPair.create(made.file, made.mirror) as pair:
            configure(pair.catalog_path, example("fsfreeze.toml", made.places))
        yield made


def ran(hooks: Any) -> list[tuple[str, bool]]:
    return [(hook["hook"], hook["ok"]) for hook in hooks]


def is_frozen(place: Path) -> bool:
    """Whether a file system is frozen: it cannot be frozen again. It is left thawed."""
    done = subprocess.run(
        ["fsfreeze", "--freeze", place], capture_output=True, text=True, check=False
    )
    tool("fsfreeze", "--unfreeze", place)
    return "busy" in done.stderr


def test_a_file_system_is_frozen_round_the_point(shop: Volume) -> None:
    (shop.mountpoint / "file").write_text("good")
    shop.settle()
    report = run_json("refresh", shop.mirror)
    assert ran(report["split"]["hooks"]) == [("freeze", True), ("thaw", True)]
    assert not is_frozen(shop.mountpoint)
    # With another thaw one sees what the freeze has done.
    (shop.mountpoint / "file").write_text("better")
    try:
        _, err = run("refresh", shop.mirror, "--yes", "--thaw", "false", code=6)
        assert "The thaw hook failed, so the application may still be frozen" in err
    finally:
        assert is_frozen(shop.mountpoint)


def test_a_mounted_file_system_is_restored_between_unmount_and_mount(shop: Volume) -> None:
    (shop.mountpoint / "file").write_text("good")
    shop.settle()
    run("refresh", shop.mirror)
    (shop.mountpoint / "file").write_text("bad")
    (shop.mountpoint / "another").write_text("bad")
    error = run_json("restore", shop.mirror, "--yes", "--no-hooks", code=5)["error"]
    assert error["id"] == "source-mounted"
    with (shop.mountpoint / "file").open():
        # What is in use cannot be unmounted: nothing is restored, and it is there as before.
        error = run_json("restore", shop.mirror, "--yes", code=1)["error"]
        assert error["fields"]["hook"] == "unmount"
        assert "busy" in error["fields"]["detail"]
    assert (shop.mountpoint / "file").read_text() == "bad"
    assert Path("/proc/mounts").read_text().count(f" {shop.mountpoint} ") == 1
    receipt = run_json("restore", shop.mirror, "--yes")
    assert ran(receipt["hooks"]) == [("unmount", True), ("mount", True)]
    assert receipt["mirror_unchanged"]
    assert (shop.mountpoint / "file").read_text() == "good"
    assert not (shop.mountpoint / "another").exists()
    # What is unmounted already is no failure.
    tool("umount", shop.mountpoint)
    run("restore", shop.mirror, "--yes")
    assert (shop.mountpoint / "file").read_text() == "good"


def test_what_no_program_has_synced_is_in_a_frozen_point() -> None:
    need("fsfreeze", "e2fsck")
    with served_volume() as (pair, shop):
        configure(pair.catalog_path, example("fsfreeze.toml", shop.places))
        (shop.mountpoint / "file").write_text("good")
        report = pair.split(require="application")
        assert [(hook.hook, hook.detail) for hook in report.hooks] == [("freeze", ""), ("thaw", "")]
        (shop.mountpoint / "file").write_text("bad")
        shop.settle()
        # A frozen file system needs no recovery.
        tool("e2fsck", "-fn", shop.mirror)
        job = pair.start_restore(throttle=1)
        assert (shop.mountpoint / "file").read_text() == "good"
        job.throttle(None)
        receipt = job.wait(60)
        assert [(hook.hook, hook.detail) for hook in receipt.hooks] == [
            ("unmount", ""),
            ("mount", ""),
        ]
        assert receipt.complete


# --- Units -------------------------------------------------------------------------------------


def unit(name: str) -> str:
    """The text of a unit whose program is there."""
    text = (EXAMPLES / name).read_text()
    return text.replace("/usr/local/bin/splitmirror", "/bin/true")


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_can_be_parsed(name: str) -> None:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit(name))
    kind = "Timer" if name.endswith(".timer") else "Service"
    assert {"Unit", kind} <= set(parser.sections()) <= {"Unit", kind, "Install"}
    assert parser["Unit"]["Description"]


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for name in UNITS:
        (tmp_path / name).write_text(unit(name))
        (tmp_path / name.replace("@", "@shop")).write_text(unit(name))

    def verify() -> str:
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *tmp_path.glob("*@shop.*")],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout + done.stderr

    if "is not supported" in verify() or "Failed to" in verify():
        pytest.skip(f"systemd-analyze cannot work here: {verify()}")
    assert verify() == ""
    service = tmp_path / "splitmirror-mount@shop.service"
    service.write_text(service.read_text().replace("Type=notify", "Typ=notify"))
    assert "Typ" in verify()


def test_the_commands_of_the_units_are_those_of_the_program() -> None:
    found = []
    for name in UNITS:
        for line in (EXAMPLES / name).read_text().splitlines():
            if line.startswith("ExecStart=/usr/local/bin/splitmirror "):
                command, *arguments = line.split(" ")[1:]
                out, _ = run(command, "--help")
                for option in arguments:
                    assert not option.startswith("--") or option in out
                found.append(command)
    assert found == ["mount", "refresh"]


# --- systemd -----------------------------------------------------------------------------------

# What the units of the example do, where no systemd runs: shop.mount and shop.service.
STAND_IN = """#!/bin/sh
echo "$*" >>{log}
case "$*" in
"stop shop.mount") umount {shop} ;;
"start shop.mount") mount -o loop {volume} {shop} ;;
"stop shop.service") test -e {shop}/file ;;
"start shop.service") test -e {shop}/file ;;
*) exit 4 ;;
esac
"""


def test_the_commands_for_systemd_reach_it_in_their_order(
    shop: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    (tmp_path / "systemctl").write_text(
        STAND_IN.format(log=log, shop=shop.mountpoint, volume=shop.file)
    )
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    text = example("systemd.toml", {" /shop": f" {shop.mountpoint}"})
    configure(Path(f"{shop.mirror}.splitmirror"), text)
    (shop.mountpoint / "file").write_text("good")
    shop.settle()
    report = run_json("refresh", shop.mirror)
    assert ran(report["split"]["hooks"]) == [("freeze", True), ("thaw", True)]
    (shop.mountpoint / "file").write_text("bad")
    receipt = run_json("restore", shop.mirror, "--yes")
    order = ["stop", "unmount", "mount", "start"]
    assert ran(receipt["hooks"]) == [(name, True) for name in order]
    assert (shop.mountpoint / "file").read_text() == "good"
    assert log.read_text().splitlines() == [
        "stop shop.service",
        "stop shop.mount",
        "start shop.mount",
        "start shop.service",
    ]
