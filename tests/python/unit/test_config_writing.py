"""Changing the configuration file: all of the change or nothing, and nothing is lost."""

from __future__ import annotations

import os
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
from config_files import GOOD, write
from hypothesis import given
from hypothesis import strategies as st
from splitmirror import config, errors
from splitmirror.config import KEYS
from splitmirror.config._file import SIZE_MAX
from splitmirror.config._write import to_toml
from splitmirror.hooks import Hooks


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS.values():
        monkeypatch.delenv(key.variable, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a catalog."""
    return tmp_path / "catalog"


def test_keys_are_set_and_unset(folder: Path) -> None:
    path = write(folder, f"# gone afterwards\n{GOOD}")
    path.chmod(0o640)
    config.change(
        path.parent,
        {"hooks.stop": 'sh -c "a; b" # \\ \x7f é', "restore.throttle": "1G", "hooks.timeout": "9"},
        unset=["hooks.thaw", "hooks.start"],
    )
    assert path.stat().st_mode & 0o7777 == 0o600
    assert os.listdir(path.parent) == [config.NAME]
    expected = tomllib.loads(GOOD)
    expected["hooks"] |= {"stop": 'sh -c "a; b" # \\ \x7f é', "timeout": 9.0}
    expected["restore"]["throttle"] = "1G"
    del expected["hooks"]["thaw"]
    assert tomllib.loads(path.read_text()) == expected
    assert list(expected) == ["hooks", "restore", "mount"]
    config.change(path.parent, {"mount.allow_other": "false", "mount.threads": "2"})
    assert config.load(path.parent).mount.threads == 2


def test_without_keys_there_is_no_file(folder: Path) -> None:
    folder.mkdir()
    config.change(folder, {"hooks.stop": "true"})
    config.change(folder, {}, unset=["hooks.stop", "hooks.start"])
    assert os.listdir(folder) == []


def test_what_was_left_behind_by_a_killed_one_is_replaced(folder: Path) -> None:
    folder.mkdir()
    (folder / "config.toml.next").symlink_to("/dev/full")
    config.change(folder, {"hooks.stop": "true"})
    assert os.listdir(folder) == [config.NAME]
    assert config.load(folder).hooks == Hooks(stop="true")


@pytest.mark.parametrize(
    ("given", "unset"),
    [
        ({"hooks.stop": ""}, []),
        ({"hooks.stop": "echo 'x"}, []),
        ({"hooks.stop": "a\udcff"}, []),
        ({"hooks.stop": "a" * SIZE_MAX}, []),
        ({"hooks.timeout": "0"}, []),
        ({"stop": "true"}, []),
        ({}, ["hooks.stopp"]),
    ],
)
def test_a_bad_change_changes_nothing(
    folder: Path, given: dict[str, str], unset: list[str]
) -> None:
    path = write(folder, GOOD)
    with pytest.raises(errors.ArgumentError):
        config.change(path.parent, {"hooks.start": "true", **given}, unset=unset)
    assert path.read_text() == GOOD
    assert os.listdir(path.parent) == [config.NAME]


def test_a_bad_file_is_not_written_over(folder: Path) -> None:
    for text in ("[hooks]\nstart = 7\n", "[hook]\n", "?"):
        path = write(folder, text)
        with pytest.raises(errors.ConfigError):
            config.change(path.parent, {"hooks.stop": "true"})
        assert path.read_text() == text
    # The bad key itself can be put right.
    write(folder, "[hooks]\nstart = 7\n")
    config.change(path.parent, {"hooks.start": "true"})
    assert config.load(path.parent).hooks == Hooks(start="true")


def test_a_failed_write_leaves_the_file_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder, GOOD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        config.change(path.parent, {"hooks.stop": "true"})
    assert path.read_text() == GOOD
    assert os.listdir(path.parent) == [config.NAME]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "hooks.stop": TEXTS | st.lists(TEXTS, max_size=4),
            "hooks.timeout": st.floats(allow_nan=False) | st.integers(),
            "mount.allow_other": st.booleans(),
        },
    )
)
def test_what_is_written_is_read_again(values: dict[str, Any]) -> None:
    tables = tomllib.loads(to_toml(values))
    assert {f"{table}.{key}": tables[table][key] for table in tables for key in tables[table]} == (
        values
    )


def test_it_is_on_disk_before_it_has_its_name_and_the_name_is_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, GOOD)
    steps: list[str] = []
    real_sync, real_rename = os.fsync, os.rename

    def sync(descriptor: int) -> None:
        steps.append("sync " + os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        real_sync(descriptor)

    def rename(old: bytes, new: bytes) -> None:
        steps.append("rename")
        real_rename(old, new)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "rename", rename)
    config.change(folder, {"hooks.stop": "true"})
    assert steps == ["sync config.toml.next", "rename", "sync catalog"]


def test_of_changes_at_the_same_time_all_stay(folder: Path) -> None:
    write(folder, GOOD)
    names = [f"hooks.{name}" for name in ("freeze", "thaw", "stop", "unmount", "mount", "start")]

    def change(name: str) -> None:
        for number in range(10):
            config.change(folder, {name: f"{name} {number}"})

    threads = [threading.Thread(target=change, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hooks = config.load(folder).hooks
    for name in names:
        assert getattr(hooks, name.partition(".")[2]) == (name, "9")
    assert os.listdir(folder) == [config.NAME]
