"""ls, cat and extract as commands: what they print, JSON, pipes that close, signals."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
from pathlib import Path

import pytest
from commandline import COMMAND, run, run_json
from helpers import MIB
from trees import ODD_NAMES, debugged, fill, make_image, mirrored, small_image


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return mirrored(small_image(tmp_path))


def test_ls_lists_names_and_in_the_long_form_all_that_is_known(mirror: Path) -> None:
    assert run("ls", mirror)[0] == "data\netc/\nlost+found/\n"
    assert run("ls", mirror, "etc")[0] == "conf\nlink\n"
    assert run("ls", mirror, "/etc/conf")[0] == "conf\n"
    head, conf, link = run("ls", mirror, "etc", "-l")[0].splitlines()
    assert head.split() == ["mode", "links", "user", "group", "size", "modified", "name"]
    assert conf.split()[:6] == ["-rw-r--r--", "1", str(os.getuid()), str(os.getgid()), "11", "B"]
    assert link.startswith("lrwxrwxrwx")
    assert link.endswith("link -> conf")
    document = run_json("ls", mirror, "etc")
    assert (document["schema"], document["kind"]) == (1, "ls")
    conf, link = document["entries"]
    assert (conf["type"], conf["size"], conf["mode"], conf["problem"]) == ("file", 11, 0o644, None)
    assert (link["type"], link["target"]) == ("symlink", "conf")


def test_a_damaged_file_is_listed_as_such_and_ends_with_six(tmp_path: Path) -> None:
    image = small_image(tmp_path, "-t", "ext4", "-O", "^metadata_csum")
    debugged(image, "set_inode_field /etc/conf mode 0")
    mirror = mirrored(image)
    assert run("ls", mirror, "etc", code=6)[0] == "conf\nlink\n"
    assert "is no file" in run("ls", mirror, "etc", "-l", code=6)[0]
    assert "is no file" in run_json("ls", mirror, "etc", code=6)["entries"][0]["problem"]


def test_odd_names_are_shown_escaped_and_can_be_given(tmp_path: Path) -> None:
    fill(tmp_path / "root", many=1)
    mirror = mirrored(make_image(tmp_path / "image", tmp_path / "root", "-t", "ext4"))
    out, _ = run("ls", mirror)
    assert {r"new\nline", r"\xff\xfe", r"\x1b[31mred", "-l", "gr\u00fc\u00df"} <= set(
        out.splitlines()
    )
    assert "\x1b" not in out
    for name in ODD_NAMES:
        done = subprocess.run(
            [*COMMAND, "cat", mirror, b"/" + name], capture_output=True, check=True, timeout=60
        )
        assert done.stdout == b"named " + name
    names = [os.fsencode(entry["name"]) for entry in run_json("ls", mirror)["entries"]]
    assert set(ODD_NAMES) <= set(names)
    copied = os.fsencode(tmp_path) + b"/\xff copy"
    run("extract", mirror, b"/\xff\xfe", "--to", copied)
    with open(copied, "rb") as file:
        assert file.read() == b"named \xff\xfe"


def test_cat_writes_the_bytes_and_as_json_their_base64(tmp_path: Path, mirror: Path) -> None:
    data = (tmp_path / "root" / "data").read_bytes()
    done = subprocess.run(
        [*COMMAND, "cat", mirror, "data"], capture_output=True, check=True, timeout=60
    )
    assert done.stdout == data
    document = run_json("cat", mirror, "data")
    assert (document["kind"], document["size"]) == ("cat", len(data))
    assert base64.b64decode(document["base64"]) == data
    for path, kind in (("nothing", "member-not-found"), ("etc", "member-kind")):
        out, err = run("cat", mirror, path, code=1)
        assert (out, path in err) == ("", True)
        assert run_json("cat", mirror, path, code=1)["error"]["id"] == kind


def large(folder: Path) -> Path:
    root = folder / "root"
    root.mkdir()
    with (root / "large").open("wb") as file:
        file.write(b"first line\n")
        file.truncate(512 * 1024 * MIB)
    return mirrored(make_image(folder / "image", root, "-t", "ext4"))


def test_a_reader_that_goes_away_ends_cat(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "cat", large(tmp_path), "large"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as cat:
        assert cat.stdout is not None
        assert cat.stderr is not None
        assert cat.stdout.readline() == b"first line\n"
        cat.stdout.close()
        assert cat.wait(timeout=60) == 1
        assert cat.stderr.read() == b""


def test_a_ctrl_c_ends_cat(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "cat", large(tmp_path), "large"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as cat:
        assert cat.stdout is not None
        assert cat.stderr is not None
        assert cat.stdout.readline() == b"first line\n"
        cat.send_signal(signal.SIGINT)
        while cat.stdout.read(MIB):
            pass
        assert cat.wait(timeout=60) == 130
        assert cat.stderr.read().strip() == b"splitmirror: interrupted"


def test_cat_of_much_is_refused_as_json(tmp_path: Path) -> None:
    assert run_json("cat", large(tmp_path), "large", code=2)["error"]["id"] == "argument"


def test_extract_takes_the_name_or_another(tmp_path: Path, mirror: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    run("extract", mirror, "/etc/conf", cwd=place)
    assert (place / "conf").read_text() == "good = yes\n"
    assert (
        run_json("extract", mirror, "etc/conf", "--to", place / "conf", code=8)["error"]["id"]
        == "exists"
    )
    found = run_json("extract", mirror, "etc/conf", "--to", place / "conf", "--overwrite")
    assert (found["kind"], found["member"], found["files"]) == ("extract", "/etc/conf", 1)
    run("extract", mirror, "/", code=2)
    out, _ = run("extract", mirror, "/", "--to", place / "all")
    assert "folders        3" in out
    assert (place / "all" / "etc" / "link").is_symlink()


def test_what_has_no_file_system_is_said_to_have_none(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"plain" * 1000)
    mirror = mirrored(tmp_path / "plain", "plain mirror")
    for command in ("ls", "cat", "extract"):
        assert run_json(command, mirror, "x", code=1)["error"]["id"] == "no-file-system"
