"""Looking beside the process that has the pair open, without root; nothing is changed."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from commandline import run, run_json
from helpers import overwrite
from splitmirror import Ext4Tree, MirrorPair
from splitmirror.errors import PairInUseError, PointGoneError, SealMismatchError, StateError
from trees import make_image, mirrored, small_image


def everything(folder: Path) -> dict[str, tuple[bytes, tuple[int, ...]]]:
    """Bytes and all times of the mirror and of what is in its catalog."""
    found: dict[str, tuple[bytes, tuple[int, ...]]] = {}
    for path in [folder / "mirror", *sorted((folder / "mirror.splitmirror").rglob("*"))]:
        stat = os.stat(path)
        times = (stat.st_atime_ns, stat.st_mtime_ns, stat.st_ctime_ns)
        facts = (stat.st_mode, stat.st_ino, stat.st_size, stat.st_uid, *times)
        # Reading it here must not be what changes the time of access.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOATIME)
        with open(descriptor, "rb") as file:
            found[str(path)] = (file.read(), facts)
    return found


def old_access(folder: Path) -> None:
    """Give all a time of access that any read would change (relatime)."""
    for path in [folder / "mirror", *(folder / "mirror.splitmirror").rglob("*")]:
        os.utime(path, ns=(10**9, os.stat(path).st_mtime_ns))


def test_not_a_byte_and_not_a_time_is_changed(ext4: Path) -> None:
    mirror = mirrored(small_image(ext4))
    old_access(ext4)
    # Its times were changed just now, so the mirror counts as touched; that is said, not refused.
    before = everything(ext4)
    assert run("ls", "-l", mirror, "/")[0]
    assert run("cat", mirror, "/etc/conf")[0] == "good = yes\n"
    run("extract", mirror, "/", "--to", ext4 / "out")
    run("restore", mirror, "--member", "data", "--to", ext4 / "data copy")
    (ext4 / "live" / "etc").mkdir(parents=True)
    run("restore", mirror, "--member", "/etc/conf", "--into", ext4 / "live")
    assert everything(ext4) == before


# Runs commands as another user; all that they need is imported before.
AS_NOBODY = """
import ctypes, json, os, sys
import splitmirror.tree._extract, splitmirror.tree._put
from splitmirror.cli import browsing, putting, restoring, run
os.chdir(sys.argv[1])
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
# Having changed its user, a process may not look at itself; one that was started as that user may.
PR_SET_DUMPABLE = 4
ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1)
for command in json.loads(sys.argv[3]):
    code = run.run(command)
    assert code == 0, (command, code)
"""


def test_the_owner_of_the_files_needs_no_root(ext4: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    mirrored(small_image(ext4))
    user = pwd.getpwnam("nobody").pw_uid
    for folder in (ext4, *ext4.parents):
        folder.chmod(folder.stat().st_mode | 0o011)
    for path in [ext4, *ext4.rglob("*")]:
        os.chown(path, user, -1, follow_symlinks=False)
    old_access(ext4)
    before = everything(ext4)
    commands = [
        ["ls", "mirror"],
        ["cat", "mirror", "etc/conf"],
        ["extract", "mirror", "etc", "--to", "out"],
        ["restore", "mirror", "--member", "data", "--to", "copy"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, ext4, str(user), json.dumps(commands)],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"good = yes\n" in done.stdout
    assert (ext4 / "out" / "conf").read_text() == "good = yes\n"
    assert os.stat(ext4 / "out" / "conf").st_uid == user
    assert (ext4 / "copy").read_bytes() == (ext4 / "root" / "data").read_bytes()
    assert everything(ext4) == before


def test_it_works_beside_the_process_that_has_the_pair(tmp_path: Path) -> None:
    mirror = mirrored(small_image(tmp_path))
    program = f"""
import sys
from splitmirror import MirrorPair
with MirrorPair.open({str(mirror)!r}):
    print("open", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"open\n"
        with pytest.raises(PairInUseError):
            MirrorPair.open(mirror)
        assert run("cat", mirror, "etc/conf")[0] == "good = yes\n"
        assert [entry["name"] for entry in run_json("ls", mirror)["entries"]] == [
            "data",
            "etc",
            "lost+found",
        ]
        run("extract", mirror, "etc", "--to", tmp_path / "out")
        run("restore", mirror, "--member", "data", "--to", tmp_path / "copy")
        assert owner.stdin is not None
        owner.stdin.close()
        assert owner.wait(timeout=30) == 0


def test_a_mirror_that_is_not_split_is_refused(tmp_path: Path) -> None:
    image = small_image(tmp_path)
    with MirrorPair.create(image, tmp_path / "mirror") as pair:
        for _ in range(2):
            with pytest.raises(StateError):
                pair.open_tree()
            for command in (["ls"], ["cat"], ["extract"]):
                more = [] if command == ["ls"] else ["data"]
                document = run_json(*command, tmp_path / "mirror", *more, code=3)
                assert document["error"]["id"] == "state"
            pair.establish()
        pair.split()
        assert pair.open_tree().stat("data").size == 300_000


def test_a_point_that_is_gone_gives_nothing_out_any_more(tmp_path: Path) -> None:
    image = small_image(tmp_path)
    with MirrorPair.create(image, tmp_path / "mirror") as pair:
        pair.refresh()
        tree = pair.open_tree()
        file = tree.open_file("data")
        entry = tree.stat("data")
        for again in (pair.establish, pair.split):
            again()
            for look in (
                lambda: tree.ls(),
                lambda: tree.stat("data"),
                lambda: list(tree.walk()),
                lambda: file.read(10),
                lambda: list(file.data_runs()),
                lambda: tree.extract("/", tmp_path / "out"),
                lambda: tree.restore_file("data", to=tmp_path / "copy"),
            ):
                with pytest.raises(PointGoneError):
                    look()
        assert not (tmp_path / "out").exists()
        assert not (tmp_path / "copy").exists()
        assert pair.open_tree().stat("data") == entry


def test_an_establish_amid_an_extract_leaves_nothing_half_done(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for number in range(400):
        (root / f"file-{number}").write_bytes(b"%d" % number * 2000)
    image = make_image(tmp_path / "image", root, "-t", "ext4")
    place = tmp_path / "place"
    place.mkdir()
    mirror = tmp_path / "mirror"
    gone = 0
    with MirrorPair.create(image, mirror) as pair:
        for turn in range(10):
            pair.refresh()
            tree = Ext4Tree.open(mirror)
            again = threading.Timer(0.01 * turn, pair.establish)
            again.start()
            try:
                tree.extract("/", place / "out")
            except PointGoneError:
                gone += 1
                assert list(place.iterdir()) == []
            else:
                shutil.rmtree(place / "out")
            again.join()
    assert gone > 0


def test_blocks_of_a_sealed_mirror_are_checked(tmp_path: Path) -> None:
    image = small_image(tmp_path)
    mirror = tmp_path / "mirror"
    with MirrorPair.create(image, mirror) as pair:
        pair.refresh()
        pair.seal()
    right = (tmp_path / "root" / "data").read_bytes()
    tree = Ext4Tree.open(mirror)
    with tree.open_file("data") as file:
        assert file.readall() == right
    place = mirror.read_bytes().find(right[100_000:100_100])
    assert place > 0
    overwrite(mirror, place, b"rot")
    damaged = Ext4Tree.open(mirror)
    assert damaged.skewed
    with damaged.open_file("data") as file, pytest.raises(SealMismatchError):
        file.readall()
    with pytest.raises(SealMismatchError):
        damaged.restore_file("data", to=tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert "was changed since its split" in run("ls", mirror)[1]
