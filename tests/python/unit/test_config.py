"""The configuration file: strict reading, and which of several values holds."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from config_files import GOOD, write
from hypothesis import given
from hypothesis import strategies as st
from splitmirror import config, errors
from splitmirror.config import KEYS
from splitmirror.config._file import SIZE_MAX
from splitmirror.hooks import Hooks


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS.values():
        monkeypatch.delenv(key.variable, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a catalog."""
    return tmp_path / "catalog"


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing", tmp_path / "a\udcff"):
        found = config.load(folder)
        assert found.hooks == Hooks()
        assert found.restore.throttle is None
        assert found.mount == config.MountSettings()
    (tmp_path / "file").touch()
    assert config.load(tmp_path / "file").hooks == Hooks()


def test_a_file_is_read(folder: Path) -> None:
    found = config.load(write(folder, GOOD).parent)
    words = ("fsfreeze", "--freeze", "/a shop")
    assert found.hooks == Hooks(freeze=words, thaw=(words[0], "--unfreeze", words[2]), timeout=5)
    assert found.restore.throttle == 50 << 20
    assert found.mount == config.MountSettings(mountpoint="/run/shop", allow_other=True, threads=4)
    with pytest.raises(AttributeError):
        found.mount.threads = 5  # type: ignore[misc]


BAD: dict[str, tuple[str, str, int, str]] = {
    # What: text, key, line, part of the message.
    "no TOML": ("[hooks]\nfreeze = \n", "", 2, "it is no TOML: Invalid value"),
    "an open text": ('[hooks]\nfreeze = "x', "", 0, "it is no TOML"),
    "a key twice": ('[hooks]\nstop = "a"\nstop = "b"\n', "", 3, "it is no TOML"),
    "a huge number": (f"[hooks]\ntimeout = {'1' * 5000}\n", "", 0, "it is no TOML"),
    "nested deeply": (f"x = {'[' * 30000}", "", 0, ""),
    "an unknown table": ("[hook]\n", "hook", 0, "the tables are [hooks], [restore], [mount]"),
    "no table": ('hooks = "x"\n', "hooks", 0, "'hooks' is no table"),
    "a key outside": ('freeze = "x"\n', "freeze", 0, "the tables are"),
    "an unknown key": ('[hooks]\nfreez = "x"\n', "hooks.freez", 0, "its keys are freeze, thaw"),
    "a table below": ("[hooks.freeze]\n", "hooks.freeze", 0, "a text or a list of words"),
    "a number for a command": ("[hooks]\nstop = 7\n", "hooks.stop", 0, "a text or a list"),
    "an empty command": ('[hooks]\nstop = ""\n', "hooks.stop", 0, "the command is empty"),
    "no words": ("[hooks]\nstop = []\n", "hooks.stop", 0, "the command is empty"),
    "words that are none": ('[hooks]\nstop = ["a", 1]\n', "hooks.stop", 0, "texts without NUL"),
    "an open quote": ("[hooks]\nstop = \"echo 'x\"\n", "hooks.stop", 0, "cannot be taken apart"),
    "a NUL": ('[hooks]\nmount = "a\\u0000"\n', "hooks.mount", 0, "without NUL"),
    "a time-out of 0": ("[hooks]\ntimeout = 0\n", "hooks.timeout", 0, "a positive number"),
    "a time-out of nan": ("[hooks]\ntimeout = nan\n", "hooks.timeout", 0, "a positive number"),
    "a flag for a time": ("[hooks]\ntimeout = true\n", "hooks.timeout", 0, "a positive number"),
    "no rate": ('[restore]\nthrottle = "fast"\n', "restore.throttle", 0, '"50M"'),
    "a rate of 0": ("[restore]\nthrottle = 0\n", "restore.throttle", 0, "bytes a second"),
    "a rate too high": ("[restore]\nthrottle = 0x8000000000000000\n", "restore.throttle", 0, ""),
    "a relative place": ('[mount]\nmountpoint = "shop"\n', "mount.mountpoint", 0, "absolute path"),
    "a text for a flag": ('[mount]\nallow_other = "yes"\n', "mount.allow_other", 0, "true or"),
    "no threads": ("[mount]\nthreads = 0\n", "mount.threads", 0, "from 1 to 256"),
    "half a thread": ("[mount]\nthreads = 1.5\n", "mount.threads", 0, "from 1 to 256"),
    "an escape in a key": ('[hooks]\n"\\u001b[31m" = 1\n', "hooks.\\x1b[31m", 0, "no key"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_not_understood_is_refused(folder: Path, what: str) -> None:
    text, key, line, message = BAD[what]
    path = write(folder, text)
    with pytest.raises(errors.ConfigError) as caught:
        config.load(path.parent)
    error = caught.value
    assert error.path == str(path)
    assert (error.key, error.line) == (key, line)
    assert str(error).startswith(f"{path}, line {line}: " if line else f"{path}: ")
    assert message in str(error)
    assert str(error).isprintable()
    assert error.exit_code == 2


PIECES = st.sampled_from(
    ["[hooks]", "[", "]", "freeze", "timeout", ".", "=", '"', "\\", "\n", "7", "{", "#", "\x00"]
)


@given(st.binary(max_size=60) | st.lists(PIECES, max_size=25).map("".join).map(str.encode))
def test_whatever_is_in_it_is_understood_or_refused(text: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), text)
        message = ""
        try:
            config.load(folder)
        except errors.ConfigError as error:
            message = str(error)
        assert not message or message.startswith(f"{path}")
        assert message.isprintable()


def test_a_file_is_no_larger_than_it_needs_to_be(folder: Path) -> None:
    write(folder, "#" * (SIZE_MAX - 1) + "\n")
    assert config.load(folder).hooks == Hooks()
    write(folder, "#" * SIZE_MAX + "\n")
    with pytest.raises(errors.ConfigError, match="larger than 65,536 bytes"):
        config.load(folder)
    write(folder, b"# one\n# \xff\n")
    with pytest.raises(errors.ConfigError, match="line 2: it is no UTF-8"):
        config.load(folder)


def test_who_else_may_write_it_may_name_no_commands(folder: Path) -> None:
    path = write(folder, GOOD)
    for mode in (0o400, 0o600, 0o644, 0o755):
        path.chmod(mode)
        config.load(path.parent)
    for mode in (0o620, 0o602, 0o666):
        path.chmod(mode)
        with pytest.raises(errors.ConfigError, match=f"others may write it .mode {mode:04o}"):
            config.load(path.parent)


def test_it_belongs_to_us_or_to_root(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder, GOOD)
    owner = path.stat().st_uid
    # What a user sees whose catalog somebody else could put a file into.
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:
        config.load(path.parent)
        os.chown(path, 4711, -1)
        owner = 4711
    with pytest.raises(errors.ConfigError, match=f"it belongs to user {owner}"):
        config.load(path.parent)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / config.NAME
    (tmp_path / "elsewhere").write_text(GOOD)
    path.symlink_to("elsewhere")
    with pytest.raises(errors.ConfigError, match="symbolic link"):
        config.load(tmp_path)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(errors.ConfigError, match="no regular file"):
        config.load(tmp_path)
    path.unlink()
    path.mkdir(0o700)
    with pytest.raises(errors.ConfigError, match="no regular file"):
        config.load(tmp_path)


# --- Precedence --------------------------------------------------------------------------------


def origins(folder: Path, flags: dict[str, str]) -> dict[str, tuple[object, str]]:
    found = config.settings(folder, flags)
    assert [setting.key for setting in found] == list(KEYS.values())
    return {setting.key.name: (setting.value, setting.origin) for setting in found}


def test_a_flag_comes_before_a_variable_before_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, '[hooks]\nstop = "file"\nstart = "file"\nmount = "file"\ntimeout = 7\n')
    monkeypatch.setenv("SPLITMIRROR_STOP", "variable")
    monkeypatch.setenv("SPLITMIRROR_START", "variable")
    monkeypatch.setenv("SPLITMIRROR_THAW", "")
    monkeypatch.setenv("SPLITMIRROR_HOOK_TIMEOUT", "")
    monkeypatch.setenv("SPLITMIRROR_ALLOW_OTHER", "true")
    monkeypatch.setenv("SPLITMIRROR_THREADS", "12")
    monkeypatch.setenv("SPLITMIRROR_THROTTLE", "1K")
    found = origins(folder, {"hooks.stop": "flag -x", "hooks.unmount": ""})
    assert found["hooks.stop"] == (("flag", "-x"), "flag")
    assert found["hooks.start"] == (("variable",), "environment")
    assert found["hooks.mount"] == (("file",), "file")
    assert found["hooks.freeze"] == (None, "default")
    # Empty: none, whatever stands below.
    assert found["hooks.unmount"] == (None, "flag")
    assert found["hooks.thaw"] == (None, "environment")
    assert found["hooks.timeout"] == (30.0, "environment")
    assert found["mount.allow_other"] == (True, "environment")
    assert found["mount.threads"] == (12, "environment")
    assert found["restore.throttle"] == (1024, "environment")
    loaded = config.load(folder, {"hooks.stop": ""})
    assert loaded.hooks == Hooks(start="variable", mount="file")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SPLITMIRROR_FREEZE", "echo 'x"),
        ("SPLITMIRROR_HOOK_TIMEOUT", "soon"),
        ("SPLITMIRROR_HOOK_TIMEOUT", "-1"),
        ("SPLITMIRROR_THROTTLE", "1.5M"),
        ("SPLITMIRROR_MOUNTPOINT", "here"),
        ("SPLITMIRROR_ALLOW_OTHER", "perhaps"),
        ("SPLITMIRROR_THREADS", "many"),
        ("SPLITMIRROR_THREADS", "9" * 5000),
    ],
)
def test_a_bad_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(errors.ConfigError) as caught:
        config.load(tmp_path)
    (key,) = (key.name for key in KEYS.values() if key.variable == variable)
    assert str(caught.value).startswith(f"{variable}: {key}: ")
    assert (caught.value.path, caught.value.key) == ("", key)


def test_a_bad_file_is_refused_also_where_it_is_overridden(folder: Path) -> None:
    write(folder, "[hooks]\nstop = 7\n")
    with pytest.raises(errors.ConfigError):
        config.load(folder, {"hooks.stop": "true"})
    with pytest.raises(errors.ArgumentError, match=r"hooks\.stop"):
        config.load(folder.parent, {"hooks.stop": "echo 'x"})


# --- The example -------------------------------------------------------------------------------


def test_the_example_holds_as_it_is_and_with_every_key(folder: Path) -> None:
    write(folder, config.EXAMPLE)
    assert config.load(folder).hooks == Hooks()
    lines = [line.removeprefix("# ") for line in config.EXAMPLE.splitlines()]
    write(folder, "\n".join(line for line in lines if line.startswith("[") or " = " in line))
    found = config.settings(folder)
    assert [setting.origin for setting in found] == ["file"] * len(KEYS)
    for key in KEYS.values():
        assert key.variable in config.EXAMPLE
