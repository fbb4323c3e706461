"""docs/protocol.md says what the code does: verbs, bounds, errors, and a session that runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from owners import owner, runtime_folder, split_pair
from splitmirror.control import lines
from splitmirror.control.requests import _KEYS
from splitmirror.control.verbs import VERBS

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()


def section(heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, heading
    return found[1]


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| `")]


def test_the_table_of_verbs_is_that_of_the_code() -> None:
    expected = []
    for name, verb in VERBS.items():
        given = ", ".join(f"`{key}` {kind.words}" for key, kind in verb.arguments.items())
        turn = "yes" if verb.turn else "no"
        expected.append(f"| `{name}` | {given + ' ' if given else ''}| `{verb.report}` | {turn} |")
    assert rows(section("Verbs")) == expected


def test_the_keys_of_a_request_are_those_of_the_code() -> None:
    named = {line.split("`")[1] for line in rows(section("Framing"))}
    assert named == _KEYS


def test_the_bounds_are_those_of_the_code() -> None:
    text = section("Bounds")
    for number in (
        f"{lines.REQUEST_BYTES_MAX:,} bytes",
        f"{lines.ANSWER_BYTES_MAX:,} bytes",
        f"{lines.REQUEST_SECONDS:g} seconds",
        f"closed after {lines.IDLE_SECONDS:g} seconds",
        f"the connection is closed after {lines.ANSWER_SECONDS:g} seconds",
        f"| {lines.CONNECTIONS_MAX};",
    ):
        assert number in text, number
    assert f"version {lines.VERSION}," in PAGE


def test_the_session_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, mirror = split_pair(tmp_path)
    session = re.search(r"^```python\n(.*?)^```$", section("A session"), re.DOTALL | re.MULTILINE)
    assert session
    with owner(mirror) as process:
        # A socket's path is short; that of a test's folder may not be.
        monkeypatch.chdir(runtime_folder())
        monkeypatch.setenv("SPLITMIRROR_RUNTIME_DIR", ".")
        names: dict[str, object] = {"mirror": str(mirror), "pid": process.pid}
        exec(compile(session[1], "protocol.md", "exec"), names)
        names["lines"].close()  # type: ignore[attr-defined]
        names["talk"].close()  # type: ignore[attr-defined]
    assert capsys.readouterr().out == "True\n"


def test_the_line_for_socat_runs(tmp_path: Path) -> None:
    if shutil.which("socat") is None:
        pytest.skip("socat is not installed")
    _, mirror = split_pair(tmp_path)
    found = re.search(r"^```\n(echo .*)\n```$", section("A session"), re.MULTILINE)
    assert found
    with owner(mirror) as process:
        line = found[1].replace("/backup/shop.mirror", str(mirror))
        line = line.replace("/run/splitmirror/4711.sock", f"{process.pid}.sock")
        done = subprocess.run(
            ["sh", "-c", line], cwd=runtime_folder(), capture_output=True, text=True, check=True
        )
    assert '"kind":"status"' in done.stdout
