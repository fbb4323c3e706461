"""The command line: exit codes, JSON, questions, dry runs, hostile text. See fake_pair."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from typing import Any

import documents
import pytest
from fake_pair import FakePair
from splitmirror import _core, errors
from splitmirror.cli import main
from splitmirror.cli.app import COMMANDS
from splitmirror.cli.run import Terminated

MIRROR = "/data/shop.mirror"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakePair:
    pair = FakePair()

    class Opening:
        @staticmethod
        def open(mirror: str, **options: Any) -> FakePair:
            pair.calls.append(("open", {"mirror": mirror, **options}))
            if "open" in pair.raises:
                raise pair.raises["open"]
            return pair

    monkeypatch.setattr(_core, "Pair", Opening)
    return pair


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let stdin be a terminal where somebody types this."""

    def type_in(answer: str) -> None:
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: answer)

    return type_in


def verbs(fake: FakePair) -> list[str]:
    return [name for name, _ in fake.calls if name not in ("open", "status")]


@pytest.mark.parametrize(
    ("verb", "changed", "code"),
    [
        ("verify", {"matches": False}, 4),
        ("verify", {"matches": True}, 0),
        ("scrub", {"intact": False}, 4),
        ("scrub", {"intact": True}, 0),
        ("restore", {"complete": False}, 6),
        ("restore", {"complete": True}, 0),
        ("resume_restore", {"complete": False}, 6),
    ],
)
def test_exit_codes_of_results(
    fake: FakePair,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    changed: dict[str, Any],
    code: int,
) -> None:
    samples = {"verify": documents.VERIFY, "scrub": documents.SCRUB}
    document = {**samples.get(verb, documents.RECEIPT), **changed}
    fake.answers[verb] = document
    options = ["--yes"] if "restore" in verb else []
    assert main([verb.replace("_", "-"), MIRROR, "--json", *options]) == code
    assert json.loads(capsys.readouterr().out) == document
    assert fake.closed


@pytest.mark.parametrize("name", sorted(set(errors.__all__)))
def test_each_error_becomes_its_exit_code_and_json(
    fake: FakePair, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    error = getattr(errors, name)("what happened")
    fake.raises["open"] = error
    assert main(["split", MIRROR, "--json"]) == error.exit_code
    assert json.loads(capsys.readouterr().out) == {"error": error.to_dict()}
    assert main(["split", MIRROR]) == error.exit_code
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "splitmirror: what happened\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["restore"],
        ["restore", MIRROR, "--range", "5"],
        ["restore", MIRROR, "--range", "5:K"],
        ["create", "a", "b", "--block-size", "64X"],
        ["establish", MIRROR, "--accept", "hold"],
    ],
)
def test_wrong_usage_exits_with_2(
    fake: FakePair, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 2
    assert "Error:" in capsys.readouterr().err
    assert main([*arguments, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["id"], error["exit_code"]) == ("usage", 2)
    assert fake.calls == []


VERBS = ["restore", "resume-restore", "abandon-restore", "establish", "refresh"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_without_a_terminal_nothing_is_overwritten(
    fake: FakePair, capsys: pytest.CaptureFixture[str], verb: str, options: list[str]
) -> None:
    fake.conditions = ["restore-pending"]
    assert main([verb, MIRROR, *options]) == 8
    assert verbs(fake) == []
    shown = capsys.readouterr()
    assert "--yes" in shown.out + shown.err
    assert ("shop.db" if "restore" in verb else MIRROR) in shown.out + shown.err
    if options:
        assert json.loads(shown.out)["error"]["id"] == "unconfirmed"


def test_at_a_terminal_the_answer_decides(fake: FakePair, terminal: Callable[[str], None]) -> None:
    terminal("n")
    assert main(["restore", MIRROR]) == 8
    assert verbs(fake) == []
    terminal("y")
    assert main(["restore", MIRROR]) == 0
    assert verbs(fake) == ["restore"]


@pytest.mark.parametrize("verb", ["restore", "resume-restore"])
def test_what_is_refused_anyway_is_not_asked_about(fake: FakePair, verb: str) -> None:
    fake.state = "synchronized"
    fake.raises[verb.replace("-", "_")] = errors.StateError("not now")
    assert main([verb, MIRROR]) == 3


def test_a_synchronized_mirror_needs_no_question(fake: FakePair) -> None:
    fake.state = "synchronized"
    assert main(["establish", MIRROR]) == 0
    assert verbs(fake) == ["establish"]


def test_a_restore_to_a_new_place_needs_no_question(fake: FakePair, tmp_path: Any) -> None:
    new = str(tmp_path / "new")
    assert main(["restore", MIRROR, "--to", new]) == 0
    assert fake.calls[-1][1]["overwrite"] is False
    (tmp_path / "new").touch()
    assert main(["restore", MIRROR, "--to", new]) == 8
    assert main(["restore", MIRROR, "--to", new, "--yes"]) == 0
    assert (fake.calls[-1][1]["to"], fake.calls[-1][1]["overwrite"]) == (new, True)


@pytest.mark.parametrize("verb", ["restore", "establish", "refresh"])
def test_a_dry_run_shows_the_plan_and_does_nothing(
    fake: FakePair, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert main([verb, MIRROR, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "256.0 KiB (262,144 bytes)" in shown
    assert "/data/shop.db" in shown
    assert main([verb, MIRROR, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == documents.PLAN
    assert {name.split("_")[0] for name in verbs(fake)} == {"plan"}


def test_options_of_restore(fake: FakePair) -> None:
    given = "--range 64K:0x1000 --range 1M:2 --while-in-use --ignore-sidecars --restart --yes"
    found = [*given.split(), "--accept", "mirror-skewed", "--catalog", "/c", "--source", "/s"]
    assert main(["restore", MIRROR, *found]) == 0
    opened, restored = fake.calls[0][1], fake.calls[-1][1]
    assert opened == {"mirror": MIRROR, "source": "/s", "catalog": "/c"}
    assert restored["ranges"] == [(65536, 4096), (1048576, 2)]
    assert restored["accept"] == ["mirror-skewed"]
    for name in ("while_in_use", "ignore_sidecars", "restart"):
        assert restored[name] is True


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_signals_tell_what_was_left(
    fake: FakePair,
    capsys: pytest.CaptureFixture[str],
    stop: type[BaseException],
    code: int,
) -> None:
    fake.answers["status"] = {**documents.STATUS, "advice": ["Call resume_restore()."]}
    fake.raises["restore"] = stop()
    assert main(["restore", MIRROR, "--yes"]) == code
    assert "the pair is now split: Call 'splitmirror resume-restore'." in capsys.readouterr().err
    fake.raises["restore"] = stop()
    assert main(["restore", MIRROR, "--yes", "--json"]) == code
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["exit_code"] == code
    assert error["notes"] == ["the pair is now split: Call resume_restore()."]
    assert fake.closed


def test_a_real_sigterm_stops_the_verb_and_the_handler_is_put_back(fake: FakePair) -> None:
    before = signal.getsignal(signal.SIGTERM)
    fake.during = lambda: os.kill(os.getpid(), signal.SIGTERM)
    assert main(["verify", MIRROR]) == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_progress_is_a_json_line(fake: FakePair, capsys: pytest.CaptureFixture[str]) -> None:
    fake.answers["verify"] = {**documents.VERIFY, "matches": True}
    assert main(["verify", MIRROR, "--json"]) == 0
    lines = [json.loads(line)["progress"] for line in capsys.readouterr().err.splitlines()]
    assert [(line["phase"], line["done"], line["total"]) for line in lines] == [
        ("copying", 1, 2),
        ("copying", 2, 2),
    ]


def test_no_progress_where_nobody_sees_it(
    fake: FakePair, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", MIRROR]) == 4
    assert capsys.readouterr().err == ""


def test_hostile_text_is_escaped(fake: FakePair, capsys: pytest.CaptureFixture[str]) -> None:
    path = "/data/[bold]\n\x1b[31m"
    fake.answers["verify"] = {**documents.VERIFY, "matches": True}
    fake.answers["split"] = {**documents.SPLIT, "label": path}
    assert main(["split", MIRROR]) == 0
    assert r"/data/[bold]\n\x1b[31m" in capsys.readouterr().out
    fake.raises["split"] = errors.MovedPairError("moved: /data/\udcff\x1b[31m")
    assert main(["split", os.fsdecode(b"/data/\xff")]) == 8
    assert capsys.readouterr().err == "splitmirror: moved: /data/\\xff\\x1b[31m\n"
    assert fake.calls[-2][1]["mirror"] == "/data/\udcff"


def test_long_lines_stay_whole_in_a_pipe(
    fake: FakePair, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.answers["split"] = {**documents.SPLIT, "label": "x" * 500}
    assert main(["split", MIRROR]) == 0
    assert "x" * 500 in capsys.readouterr().out


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
        shown = capsys.readouterr().out
        if name != "plan":
            assert "--json" in shown
            assert "--verbose" in shown


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, (_, text) in COMMANDS.items():
        assert f"  {name}" in shown
        assert text in shown


@pytest.mark.parametrize("arguments", [["--version"], ["version"]])
def test_version(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"splitmirror {_core.version()}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert main(["completion", shell]) == 0
    assert "_SPLITMIRROR_COMPLETE" in capsys.readouterr().out


def test_list_shows_what_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"class": "CatalogCorruptError", "message": "torn page", "fields": {"path": "/c"}}
    broken = {"mirror": "/data/b", "error": given}
    monkeypatch.setattr(_core, "list_pairs", lambda folder: json.dumps([documents.STATUS, broken]))
    assert main(["list", "/data"]) == 6
    shown = capsys.readouterr().out
    assert "shop.mirror" in shown
    assert "torn page" in shown
    assert main(["list", "/data", "--json"]) == 6
    found = json.loads(capsys.readouterr().out)
    error = errors.CatalogCorruptError("torn page", path="/c").to_dict()
    assert found["entries"] == [documents.STATUS, {"mirror": "/data/b", "error": error}]
    assert (found["schema"], found["kind"]) == (1, "list")


def test_history_and_doctor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [{"at": 5.0, "event": "split", "detail": {"label": "x"}}]
    checks = [{"check": "lease", "ok": None, "detail": "not asked", "advice": ""}]
    monkeypatch.setattr(_core, "history", lambda mirror, catalog: json.dumps(events))
    monkeypatch.setattr(_core, "doctor", lambda path: json.dumps(checks))
    assert main(["history", MIRROR]) == 0
    assert "label=x" in capsys.readouterr().out
    assert main(["history", MIRROR, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == events
    assert main(["doctor"]) == 0
    assert "unknown" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == checks


def test_verbose_logs_to_stderr(
    fake: FakePair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = [(10, "splitmirror.pair", "small"), (20, "splitmirror.pair", "big\n")]
    monkeypatch.setattr(_core, "drain_log", lambda: queue)
    assert main(["split", MIRROR, "-v"]) == 0
    shown = capsys.readouterr().err
    assert "INFO splitmirror.pair: big\\n\n" in shown
    assert "small" not in shown
    assert main(["split", MIRROR, "-vv"]) == 0
    assert "DEBUG splitmirror.pair: small\n" in capsys.readouterr().err
    assert main(["split", MIRROR]) == 0
    assert capsys.readouterr().err == ""


def test_on_a_terminal_tables_and_bars_are_drawn(
    fake: FakePair,
    terminal: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal("y")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(_core, "doctor", lambda path: "[]")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    fake.answers["restore"] = {**documents.RECEIPT, "label": "[bold]x\n"}
    assert main(["restore", MIRROR]) == 0
    shown = capsys.readouterr()
    assert r"[bold]x\n" in shown.out
    assert "copying" in shown.err
    assert not re.search(r"\x1b\[[\d;]*(3[0-8]|9[0-7])m", shown.out + shown.err)
    assert main(["doctor"]) == 0
    assert "advice" in capsys.readouterr().out
