"""Every verb, asked of the process that has the pair open, does and says what it does locally."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from commandline import at_terminal, run, run_json
from helpers import MIB, digest, overwrite, write_pattern
from owners import owner, split_pair, two_mirrors
from splitmirror import MirrorPair, control, errors
from splitmirror.control.verbs import VERBS

# What differs from run to run, whoever does it. What of its siblings a pair knows depends on who
# looked at them since.
VARYING = {
    "at",
    "bad",
    "changed",
    "device",
    "established_at",
    "inode",
    "modified",
    "owner_pid",
    "pair_id",
    "restore_id",
    "seconds",
    "siblings",
    "split_at",
    "taken_at",
    "volume_id",
    "writers_paused_seconds",
}


def found_by_looking(item: Any) -> bool:
    return isinstance(item, dict) and set(item.get("detail", ())) == {"conditions"}


def comparable(value: Any, folder: Path) -> Any:
    """A document without what varies, and with paths as they are seen from the folder."""
    if isinstance(value, dict):
        return {key: comparable(item, folder) for key, item in value.items() if key not in VARYING}
    if isinstance(value, list):
        # Each opening notes what it finds, an owner what it meets.
        return [comparable(item, folder) for item in value if not found_by_looking(item)]
    if isinstance(value, str):
        return re.sub(r"\d{4}-\d\d-\d\d [\d:+]+", "then", value.replace(f"{folder}/", ""))
    return value


# A life of a pair; each command with the exit code that it has.
LIFE: list[tuple[int, list[str]]] = [
    (4, ["verify", "mirror", "--from-medium"]),
    (0, ["scrub", "mirror"]),
    (0, ["hold", "mirror", "--reason", "audit"]),
    (8, ["establish", "mirror", "--yes"]),
    (0, ["release", "mirror"]),
    (0, ["plan", "restore", "mirror", "--range", "0:64K"]),
    (8, ["restore", "mirror"]),
    (0, ["restore", "mirror", "--to", "scratch", "--range", "1M:1M"]),
    (0, ["restore", "mirror", "--yes", "--while-in-use", "--full"]),
    (0, ["verify", "mirror"]),
    (3, ["resume-restore", "mirror", "--yes"]),
    (3, ["abandon-restore", "mirror", "--yes"]),
    (2, ["restore", "mirror", "--yes", "--range", "1G:1"]),
    (2, ["members", "mirror"]),
    (0, ["repair", "mirror", "--from", "other", "--yes"]),
    (0, ["seal", "mirror"]),
    (0, ["plan", "establish", "mirror"]),
    (0, ["establish", "mirror", "--yes", "--force"]),
    (3, ["scrub", "mirror"]),
    (0, ["split", "mirror", "--label", "named", "--require", "crash"]),
    (3, ["split", "mirror"]),
    (0, ["refresh", "mirror", "--yes", "--label", "again", "--require", "flushed"]),
    (0, ["history", "mirror"]),
]


def test_a_life_through_the_owner_is_the_life_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[Any]] = []
    for name in ("alone", "owned"):
        folder = tmp_path / name
        mirror = two_mirrors(folder)
        monkeypatch.chdir(folder)
        if name == "alone":
            told.append([run_json(*command, code=code) for code, command in LIFE])
            continue
        with owner(mirror) as process:
            told.append([run_json(*command, code=code) for code, command in LIFE])
            assert process.poll() is None
    for (_, command), alone, owned in zip(LIFE, *told, strict=True):
        found = comparable(owned, tmp_path / "owned")
        assert found == comparable(alone, tmp_path / "alone"), command
    assert digest(tmp_path / "owned" / "source") == digest(tmp_path / "owned" / "mirror")


def test_every_verb_of_the_table_is_asked_for_somewhere() -> None:
    commands = {command[0].replace("-", "_") for _, command in LIFE}
    commands |= {f"plan_{command[1]}" for _, command in LIFE if command[0] == "plan"}
    elsewhere = {
        "cancel",
        "describe",
        "flush",
        "heal",
        "pause",
        "restore_job",
        "start_restore",
        "status",
        "throttle",
        "wait_restore",
    }
    assert set(VERBS) <= commands | elsewhere


def test_text_for_people_is_the_same(tmp_path: Path) -> None:
    _, mirror = split_pair(tmp_path)
    alone = run("scrub", mirror)[0].splitlines()
    with owner(mirror):
        owned = run("scrub", mirror)[0].splitlines()
    assert [line for line in owned if "seconds" not in line] == [
        line for line in alone if "seconds" not in line
    ]


def test_status_is_the_owners_while_there_is_one(tmp_path: Path) -> None:
    _, mirror = split_pair(tmp_path)
    assert run_json("status", mirror)["tracking"] is None
    with owner(mirror) as process:
        found = run_json("status", mirror)
        assert found["owner_pid"] == process.pid
        assert found["tracking"] == {"believed": True, "reason": "bitmap"}
    assert run_json("status", mirror)["owner_pid"] is None


def test_an_index_and_members_go_through_the_owner(tmp_path: Path) -> None:
    import numpy as np

    source, mirror = tmp_path / "walks.npy", tmp_path / "mirror"
    np.save(source, np.arange(100_000).reshape(100, 1000))
    with MirrorPair.create(source, mirror) as pair:
        pair.refresh()
    good = np.load(mirror)
    changed = good.copy()
    changed[10:20, :] = -1
    changed[50, 3] = -1
    header = source.stat().st_size - good.nbytes
    overwrite(source, header, changed.tobytes())
    with owner(mirror):
        assert run("members", mirror)[0] == "array\n"
        plan = control.connect(mirror).plan_restore(index=np.s_[10:12, ...]).report
        assert sum(length for _, length in plan.extents) >= 2 * 1000 * 8
        run("restore", mirror, "--yes", "--index", "10:20, :", "--while-in-use")
    found = np.load(source)
    assert (found[:50] == good[:50]).all()
    assert found[50, 3] == -1


def test_hooks_are_commands_that_run_in_the_owner(tmp_path: Path) -> None:
    from splitmirror import Hooks

    _, mirror = split_pair(tmp_path)
    log = tmp_path / "log"
    script = f"echo $PPID $SPLITMIRROR_HOOK $SPLITMIRROR_LABEL >> {log}"
    hooks = Hooks(freeze=["sh", "-c", script], thaw=["sh", "-c", script], timeout=20)
    with owner(mirror) as process:
        pair = control.connect(mirror)
        report = pair.refresh(label="hooked", hooks=hooks)
        assert [(each.hook, each.ok) for each in report.split.hooks] == [
            ("freeze", True),
            ("thaw", True),
        ]
        assert report.split.consistency == "application"
        with pytest.raises(errors.ArgumentError, match="callable"):
            pair.split(hooks=Hooks(freeze=lambda: None))
    assert log.read_text() == f"{process.pid} freeze hooked\n{process.pid} thaw hooked\n"


def test_a_hook_may_ask_for_the_status_but_for_no_verb(tmp_path: Path) -> None:
    import sys

    from splitmirror import Hooks

    _, mirror = split_pair(tmp_path)
    asking = (
        "import sys, splitmirror.cli\n"
        "for verb in ('status', 'seal'):\n"
        "    print(splitmirror.cli.main([verb, sys.argv[1], '--json']))\n"
    )
    words = ["sh", "-c", f'"{sys.executable}" -c "$1" "$2" > "$3"', "sh", asking]
    hooks = Hooks(freeze=[*words, str(mirror), str(tmp_path / "said")], timeout=30)
    with owner(mirror):
        assert control.connect(mirror).refresh(hooks=hooks).split.hooks[0].ok
    status, code, error, refused = (tmp_path / "said").read_text().splitlines()
    assert (json.loads(status)["kind"], code) == ("status", "0")
    assert (json.loads(error)["error"]["id"], refused) == ("hook", "1")


@pytest.mark.parametrize(("answer", "code"), [("n\n", 8), ("\x03", 130), ("y\n", 0)])
def test_questions_are_asked_at_the_terminal_of_the_command(
    tmp_path: Path, answer: str, code: int
) -> None:
    source, mirror = split_pair(tmp_path)
    overwrite(source, 0, b"corrupted")
    with owner(mirror):
        for command in ("restore", "start-restore"):
            found, shown = at_terminal(command, mirror, answer=answer)
            assert found == code, shown
            assert f"This overwrites the source {source} with the mirror's point" in shown
            assert "(good)" in shown
            if code == 0:
                control.wait_for(mirror, "restored", timeout=60)
            assert (digest(source) == digest(mirror)) is (code == 0)
        found, shown = at_terminal("establish", mirror, answer="n\n")
        assert (found, "its point in time" in shown) == (8, True)
    assert MirrorPair.open(mirror).state == "split"


def test_a_path_that_is_no_utf8_is_reached(tmp_path: Path) -> None:
    write_pattern(tmp_path / "source", MIB, seed=1)
    mirror = os.fsdecode(os.fsencode(tmp_path) + b"/mir\n\xff")
    MirrorPair.create(tmp_path / "source", mirror).close()
    with owner(Path(mirror)):
        assert run_json("refresh", mirror)["state"] == "split"
        assert str(control.connect(mirror).mirror_path) == mirror
        to = os.fsdecode(os.fsencode(tmp_path) + b"/sc\xfe")
        assert run_json("restore", mirror, "--to", to)["complete"] is True
    assert digest(Path(to)) == digest(tmp_path / "source")


def test_a_catalog_elsewhere_and_another_source(tmp_path: Path) -> None:
    write_pattern(tmp_path / "source", MIB, seed=1)
    mirror, catalog = tmp_path / "mirror", tmp_path / "catalog"
    program = (
        "import sys, splitmirror\n"
        "pair = splitmirror.MirrorPair.open(sys.argv[1], catalog=sys.argv[2])\n"
        "print('open', flush=True)\nsys.stdin.read()\npair.close()\n"
    )
    MirrorPair.create(tmp_path / "source", mirror, catalog=catalog).close()
    with owner(mirror, catalog, program=program):
        assert run_json("establish", mirror, code=1)["error"]["id"] == "catalog-missing"
        given = ("--catalog", catalog)
        assert run_json("establish", mirror, *given)["state"] == "synchronized"
        assert run_json("wait", mirror, "--for", "idle", *given)["state"] == "synchronized"
        assert run_json("split", mirror, *given, "--source", tmp_path / "source")["generation"] == 1
        error = run_json("verify", mirror, *given, "--source", tmp_path / "x", code=5)["error"]
        assert (error["id"], "close it there" in error["message"]) == ("pair-in-use", True)
