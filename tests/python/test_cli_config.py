"""The command `config`: what holds and where it is from, checking, the example, changes."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from commandline import make_pair, run, run_json
from evidence import unchanged
from splitmirror import MirrorPair, config

Shown = dict[str, tuple[str | None, str]]


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return make_pair(tmp_path)[1]


def file_of(mirror: Path) -> Path:
    return mirror.with_name("mirror.splitmirror") / config.NAME


def shown(document: Any) -> Shown:
    return {each["key"]: (each["value"], each["origin"]) for each in document["settings"]}


def test_it_shows_what_holds_and_where_it_is_from(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("config", mirror, "--set", "hooks.stop=systemctl stop 'the shop'", "--set=hooks.start=x")
    monkeypatch.setenv("SPLITMIRROR_START", "from the environment")
    monkeypatch.setenv("SPLITMIRROR_MOUNT", "")
    arguments = ("config", mirror, "--freeze", "from -a flag")
    document = run_json(*arguments)
    assert (document["kind"], document["exists"]) == ("config", True)
    assert document["path"] == str(file_of(mirror))
    settings = shown(document)
    assert list(settings) == list(config.KEYS)
    assert settings["hooks.stop"] == ("systemctl stop 'the shop'", "file")
    assert settings["hooks.start"] == ("from the environment", "environment")
    assert settings["hooks.mount"] == (None, "environment")
    assert settings["hooks.freeze"] == ("from -a flag", "flag")
    assert settings["hooks.timeout"] == ("30", "default")
    out, _ = run(*arguments)
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines["hooks.start"].endswith("SPLITMIRROR_START")
    assert lines["hooks.stop"].endswith("file")
    assert lines["mount.threads"].split() == ["mount.threads", "-", "default"]


def test_it_works_beside_whoever_has_the_pair(mirror: Path) -> None:
    with MirrorPair.open(mirror) as pair:
        run("config", mirror, "--set", "hooks.timeout=12")
        assert pair.config().hooks.timeout == 12.0
    (mirror.parent / "link").symlink_to("mirror")
    assert shown(run_json("config", mirror.parent / "link"))["hooks.timeout"] == ("12", "file")


def test_it_finds_a_catalog_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 5000)
    place = tmp_path / "else\nwhere"
    place.mkdir(mode=0o700)
    with MirrorPair.create(tmp_path / "source", tmp_path / "mirror", catalog=place):
        pass
    run("config", tmp_path / "mirror", "--catalog", place, "--set", "hooks.stop=true")
    assert (place / config.NAME).exists()
    run("config", tmp_path / "mirror", code=1)
    run("config", tmp_path, code=2)
    run("config", code=2)


def test_a_bad_file_exits_with_2(mirror: Path) -> None:
    run("config", mirror, "--check")
    path = file_of(mirror)
    path.write_text("[hooks]\nstop = 7\n")
    path.chmod(0o600)
    for arguments in ([], ["--check"], ["--set", "hooks.start=true"], ["--unset=hooks.start"]):
        with unchanged(mirror.parent):
            error = run_json("config", mirror, *arguments, code=2)["error"]
        assert error["id"] == "config"
        assert error["fields"] == {"path": str(path), "line": 0, "key": "hooks.stop"}
    _, err = run("split", mirror, code=2)
    assert err.startswith(f"splitmirror: {path}: hooks.stop: ")
    run("split", mirror, "--no-hooks", code=3)
    run("config", mirror, "--unset", "hooks.stop")
    assert not path.exists()
    out, _ = run("config", mirror, "--check")
    assert out == f"{path}: there is none\n"


def test_changes_are_written_for_their_owner_alone(mirror: Path) -> None:
    text = r"""echo 'é = "\ $x' "it's" = #"""
    run("config", mirror, "--set", f"hooks.stop={text}")
    path = file_of(mirror)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (words,) = tomllib.loads(path.read_text())["hooks"].values()
    assert words == text
    run("config", mirror, "--unset", "hooks.stop", "--set", "restore.throttle=50M")
    settings = shown(run_json("config", mirror))
    assert settings["hooks.stop"] == (None, "default")
    assert settings["restore.throttle"] == (str(50 << 20), "file")
    for bad in ("hooks.stop", "hooks.stop=", "hook.stop=x", "hooks.timeout=-1", "mount.threads=x"):
        with unchanged(mirror.parent):
            run("config", mirror, "--set", bad, "--set", "hooks.start=true", code=2)


def test_the_example_can_be_used(mirror: Path) -> None:
    out, _ = run("config", "--example")
    assert out == config.EXAMPLE
    assert run_json("config", "--example")["text"] == out
    file_of(mirror).write_text(out)
    file_of(mirror).chmod(0o600)
    run("config", mirror, "--check")
