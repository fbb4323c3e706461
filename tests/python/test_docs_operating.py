"""The page on operating says what the code does: its keys, its example, what commands print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from commandline import make_pair, run
from splitmirror import Hooks, config
from splitmirror.config import KEYS
from splitmirror.reports import SettingReport

from examples import configure

PAGE = (Path(__file__).parents[2] / "docs/operating.md").read_text()


WITHOUT = ("none", "no limit", "as many as fit")
"""What no value means, in words."""


def block(kind: str) -> str:
    """The one block of code of this kind."""
    (text,) = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(text)


def test_the_table_has_every_key_and_its_default(tmp_path: Path) -> None:
    found: dict[str, str] = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        names = re.findall(r"`((?:hooks|restore|mount)\.\w+)`", cells[0])
        found |= dict.fromkeys(names, cells[-1].strip("`"))
    assert set(found) == set(KEYS)
    for setting in config.settings(tmp_path):
        words = found[setting.key.name]
        value = SettingReport.of(setting).value
        assert words == value or (value is None and words in WITHOUT)


def test_the_file_can_be_used(tmp_path: Path) -> None:
    configure(tmp_path, block("toml"))
    found = config.load(tmp_path)
    assert found.hooks == Hooks(
        stop="systemctl stop shop.service", start="systemctl start shop.service", timeout=120
    )
    assert found.restore.throttle == 50 << 20
    assert found.mount.mountpoint == "/run/shop"


def test_the_commands_print_what_is_shown(tmp_path: Path) -> None:
    _, mirror = make_pair(tmp_path)
    for path in (mirror, mirror.with_name("mirror.splitmirror")):
        path.rename(path.with_name(path.name.replace("mirror", "shop.mirror", 1)))
    run("adopt", tmp_path / "shop.mirror", tmp_path / "source")
    shown = block("console")
    lines = ['splitmirror() { "$PYTHON" -m splitmirror "$@"; }']
    for command in re.findall(r"^\$ (.*)$", shown, re.MULTILINE):
        lines += ["cat <<'SHOWN'", f"$ {command}", "SHOWN", command]
    done = subprocess.run(
        ["sh", "-euc", "\n".join(lines)],
        cwd=tmp_path,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.replace(str(tmp_path), "/backup") == shown
