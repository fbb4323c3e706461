"""One file goes back into a live tree, or to another place."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from commandline import run, run_json
from conftest import NotPermitted, loop_device, unmount
from conftest import run as system
from helpers import MIB, hole_map
from splitmirror import Ext4Tree, MirrorPair
from splitmirror.errors import (
    AreaExistsError,
    AreaIOError,
    AreaNotFoundError,
    ArgumentError,
    MemberKindError,
    MemberNotFoundError,
    UnsupportedAreaError,
)
from trees import make_image, mirrored, small_image


@pytest.fixture
def tree(tmp_path: Path) -> Ext4Tree:
    return Ext4Tree.open(mirrored(small_image(tmp_path)))


@pytest.fixture
def live(tmp_path: Path, tree: Ext4Tree) -> Path:
    """The live tree, in which a file went wrong."""
    place = tmp_path / "live"
    tree.extract("/", place)
    (place / "etc" / "conf").write_text("good = no, and this is longer\n")
    (place / "etc" / "conf").chmod(0o601)
    return place


def test_in_place_the_same_file_gets_the_content(tree: Ext4Tree, live: Path) -> None:
    conf = live / "etc" / "conf"
    os.link(conf, live / "second name")
    before = os.stat(conf)
    with conf.open() as reader:
        report = tree.restore_file("/etc/conf", into=live)
        assert reader.read() == "good = yes\n"
    assert (live / "second name").read_text() == "good = yes\n"
    after = os.stat(conf)
    assert (after.st_ino, stat.S_IMODE(after.st_mode)) == (before.st_ino, 0o601)
    assert (report.way, report.length_before, report.length_after) == ("in-place", 30, 11)
    assert report.mirror_unchanged
    assert report.mirror_stamp_before == report.mirror_stamp_after
    again = tree.restore_file("/etc/conf", into=live)
    assert (again.way, again.bytes_written) == ("in-place", 0)


def test_replaced_it_is_another_file_with_all_that_it_had(tree: Ext4Tree, live: Path) -> None:
    conf = live / "etc" / "conf"
    os.link(conf, live / "second name")
    before = os.stat(conf)
    report = tree.restore_file("etc/conf", into=live, replace=True)
    after, entry = os.stat(conf), tree.stat("etc/conf")
    assert (report.way, report.length_before) == ("replaced", 30)
    assert conf.read_text() == "good = yes\n"
    assert (live / "second name").read_text().startswith("good = no")
    assert after.st_ino != before.st_ino
    assert (stat.S_IMODE(after.st_mode), after.st_mtime) == (entry.mode, entry.modified)
    assert sorted(os.listdir(live / "etc")) == ["conf", "link"]


def test_a_file_that_is_missing_is_made(tree: Ext4Tree, live: Path) -> None:
    (live / "data").unlink()
    report = tree.restore_file("data", into=live)
    assert (report.way, report.length_before, report.bytes_written) == ("created", None, 300_000)
    (live / "etc" / "conf").unlink()
    (live / "etc" / "link").unlink()
    (live / "etc").rmdir()
    with pytest.raises(AreaNotFoundError, match="make that first"):
        tree.restore_file("etc/conf", into=live)
    assert not (live / "etc").exists()


def test_only_what_differs_is_written_in_place(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with (root / "sparse").open("wb") as file:
        os.pwrite(file.fileno(), b"head", 0)
        os.pwrite(file.fileno(), b"tail", 20 * MIB)
    tree = Ext4Tree.open(mirrored(make_image(tmp_path / "image", root, "-t", "ext4")))
    live = tmp_path / "live"
    tree.extract("/", live)
    good = (live / "sparse").read_bytes()
    with (live / "sparse").open("r+b") as file:
        os.pwrite(file.fileno(), b"wrong", 10 * MIB)
        file.truncate(12 * MIB)
    report = tree.restore_file("sparse", into=live)
    assert (live / "sparse").read_bytes() == good
    # A piece of a mebibyte with the wrong bytes, and the end.
    assert report.bytes_written == MIB + 4
    assert hole_map(live / "sparse")
    made = tree.restore_file("sparse", to=tmp_path / "made")
    assert made.bytes_written < MIB
    assert hole_map(tmp_path / "made") == hole_map(root / "sparse")


def test_to_another_place(tree: Ext4Tree, tmp_path: Path) -> None:
    place = tmp_path / "copy"
    assert tree.restore_file("etc/conf", to=place).way == "created"
    place.write_text("mine")
    with pytest.raises(AreaExistsError):
        tree.restore_file("etc/conf", to=place)
    assert place.read_text() == "mine"
    assert tree.restore_file("etc/conf", to=place, overwrite=True).way == "replaced"
    assert place.read_text() == "good = yes\n"


def test_wrong_members_and_arguments_change_nothing(
    tree: Ext4Tree, live: Path, tmp_path: Path
) -> None:
    with pytest.raises(ArgumentError):
        tree.restore_file("data")
    with pytest.raises(ArgumentError):
        tree.restore_file("data", into=live, to=tmp_path / "copy")
    with pytest.raises(MemberNotFoundError):
        tree.restore_file("nothing", into=live)
    for path in ("etc", "/", "etc/link", "etc/conf/x"):
        with pytest.raises(MemberKindError):
            tree.restore_file(path, into=live)
    assert (live / "etc" / "conf").read_text().startswith("good = no")


def test_a_member_behind_a_symlink_is_named_by_its_real_path(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "releases" / "3").mkdir(parents=True)
    (root / "releases" / "3" / "conf").write_text("three")
    (root / "current").symlink_to("releases/3")
    tree = Ext4Tree.open(mirrored(make_image(tmp_path / "image", root, "-t", "ext4")))
    with pytest.raises(MemberKindError, match="it leads to /releases/3/conf: name that"):
        tree.restore_file("current/conf", to=tmp_path / "copy")


def test_no_symlink_of_the_tree_is_followed(tree: Ext4Tree, live: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "conf").write_text("mine")
    (live / "etc").rename(live / "moved")
    (live / "etc").symlink_to(victim)
    for replace in (False, True):
        with pytest.raises(UnsupportedAreaError):
            tree.restore_file("etc/conf", into=live, replace=replace)
    (live / "etc").unlink()
    (live / "moved").rename(live / "etc")
    (live / "etc" / "conf").unlink()
    (live / "etc" / "conf").symlink_to(victim / "conf")
    for replace in (False, True):
        with pytest.raises(UnsupportedAreaError):
            tree.restore_file("etc/conf", into=live, replace=replace)
    assert (victim / "conf").read_text() == "mine"
    assert os.listdir(victim) == ["conf"]
    (live / "etc" / "conf").unlink()
    os.mkfifo(live / "etc" / "conf")
    with pytest.raises(UnsupportedAreaError):
        tree.restore_file("etc/conf", into=live)


@pytest.mark.parametrize("replace", [False, True])
def test_a_racer_gets_nothing_written_outside(
    tree: Ext4Tree, live: Path, tmp_path: Path, replace: bool
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "conf").write_text("mine")
    stop = threading.Event()

    def swap() -> None:
        etc, moved = live / "etc", live / "moved"
        while not stop.is_set():
            etc.rename(moved)
            etc.symlink_to(victim)
            etc.unlink()
            moved.rename(etc)

    racer = threading.Thread(target=swap)
    racer.start()
    done = refused = 0
    try:
        for _ in range(300):
            try:
                tree.restore_file("etc/conf", into=live, replace=replace)
                done += 1
            except (UnsupportedAreaError, AreaNotFoundError):
                refused += 1
    finally:
        stop.set()
        racer.join()
    assert done + refused == 300
    assert (victim / "conf").read_text() == "mine"
    assert os.listdir(victim) == ["conf"]
    assert (live / "etc" / "conf").read_text() == "good = yes\n" or not done


def test_another_file_system_below_the_tree_is_not_entered(tree: Ext4Tree, live: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    try:
        system("mount", "-t", "tmpfs", "tmpfs", live / "etc")
    except NotPermitted as reason:
        pytest.skip(str(reason))
    try:
        with pytest.raises(AreaIOError, match="cross-device"):
            tree.restore_file("etc/conf", into=live)
        assert os.listdir(live / "etc") == []
    finally:
        unmount(live / "etc")


def test_a_file_goes_back_into_the_mounted_source(tmp_path: Path) -> None:
    place = tmp_path / "live"
    place.mkdir()
    try:
        with loop_device(tmp_path / "image", 16 * MIB) as device:
            system("mke2fs", "-q", "-t", "ext4", device)
            system("mount", device, place)
            try:
                (place / "conf").write_text("good = yes\n")
                os.sync()
                mirror = tmp_path / "mirror"
                with MirrorPair.create(tmp_path / "image", mirror) as pair:
                    pair.refresh()
                    (place / "conf").write_text("bad")
                    found = run_json(
                        "restore", mirror, "--member", "conf", "--into", place, "--yes"
                    )
                    assert (found["kind"], found["way"]) == ("member", "in-place")
                    assert (place / "conf").read_text() == "good = yes\n"
            finally:
                unmount(place)
    except NotPermitted as reason:
        pytest.skip(str(reason))


def test_the_command_asks_and_shows_what_it_would_do(tmp_path: Path) -> None:
    mirror = mirrored(small_image(tmp_path))
    live, copy = tmp_path / "live", tmp_path / "copy"
    Ext4Tree.open(mirror).extract("/", live)
    (live / "etc" / "conf").write_text("bad")
    put = ("restore", mirror, "--member", "/etc/conf")
    for place in (("--into", live), ("--to", live / "etc" / "conf")):
        assert run_json(*put, *place, "--dry-run") == {
            "schema": 1,
            "kind": "dry-run",
            "verb": "restore",
            "overwrites": str(live / "etc" / "conf"),
            "space_needed": 11,
        }
        assert run_json(*put, *place, code=8)["error"]["id"] == "unconfirmed"
    assert (live / "etc" / "conf").read_text() == "bad"
    run(*put, "--to", copy)
    assert copy.read_text() == "good = yes\n"
    run(*put, "--into", live, "--replace", "--yes")
    assert (live / "etc" / "conf").read_text() == "good = yes\n"
    for wrong in (
        ("restore", mirror, "--into", live),
        ("restore", mirror, "--member", "data", "--partition", "1"),
        (*put, "--into", live, "--to", copy),
        (*put, "--to", copy, "--replace"),
        (*put, "--into", live, "--range", "0:1"),
    ):
        run(*wrong, "--yes", code=2)
