"""Files that may not be used: rights, flags, read-only file systems, devices that are too small."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import splitmirror
from conftest import MakeDevicePair, MakeFileSystem, NotPermitted, run
from evidence import refused, unchanged
from helpers import KIB, MIB, digest, overwrite, write_pattern
from splitmirror import MirrorPair, errors

LENGTH = 256 * KIB

# Runs one expression as another user and writes the error that it raises as JSON.
PROGRAM = """
import ctypes, json, os, sys
import numpy
from splitmirror import MirrorPair, errors
user, folder, expression = int(sys.argv[1]), sys.argv[2], sys.argv[3]
os.chdir(folder)
os.setgroups([])
os.setgid(user)
os.setuid(user)
# Having changed its user, a process may not look at itself; one that was started as that user may.
PR_SET_DUMPABLE = 4
ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1)
try:
    eval(expression)
    print(json.dumps(None))
except errors.SplitMirrorError as error:
    print(json.dumps({"class": type(error).__name__, **error.to_dict()}))
"""


def as_nobody(folder: Path, expression: str) -> Any:
    """What an expression raises for a user without rights; paths are relative to `folder`."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    user = str(pwd.getpwnam("nobody").pw_uid)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, user, str(folder), expression],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def open_folder(ext4: Path) -> Path:
    """A folder that every user can reach, with a source that only root can use."""
    for folder in (ext4, *ext4.parents):
        folder.chmod(folder.stat().st_mode | 0o011)
    write_pattern(ext4 / "source", LENGTH, seed=6)
    (ext4 / "source").chmod(0o600)
    return ext4


def permission(found: Any, path: str) -> None:
    assert found["class"] == "AreaPermissionError"
    assert found["exit_code"] == 1
    assert found["fields"]["path"].endswith(path)
    assert "change its mode" in found["message"]


def test_a_source_that_may_not_be_read_is_refused(open_folder: Path) -> None:
    open_folder.chmod(0o777)
    with unchanged(open_folder):
        permission(as_nobody(open_folder, "MirrorPair.create('source', 'mirror')"), "/source")


def test_a_source_that_may_not_be_written_has_no_array(open_folder: Path) -> None:
    (open_folder / "source").chmod(0o644)
    open_folder.chmod(0o777)
    before = digest(open_folder / "source")
    found = as_nobody(open_folder, "MirrorPair.create('source', 'mirror').array('u1')")
    permission(found, "/source")
    assert digest(open_folder / "source") == before


def test_pages_are_tracked_without_a_privilege(open_folder: Path) -> None:
    open_folder.chmod(0o777)
    os.chown(open_folder / "source", pwd.getpwnam("nobody").pw_uid, -1)
    expression = "MirrorPair.create('source', 'mirror').array('u1', tracking='pages')"
    assert as_nobody(open_folder, expression) is None


def test_a_folder_that_may_not_be_written_gets_no_mirror(open_folder: Path) -> None:
    (open_folder / "source").chmod(0o644)
    open_folder.chmod(0o755)
    with unchanged(open_folder):
        permission(as_nobody(open_folder, "MirrorPair.create('source', 'mirror')"), "/mirror")


def test_a_mirror_that_may_not_be_written_is_refused(open_folder: Path) -> None:
    (open_folder / "source").chmod(0o644)
    (open_folder / "mirror").write_bytes(b"x")
    open_folder.chmod(0o777)
    with unchanged(open_folder):
        permission(
            as_nobody(open_folder, "MirrorPair.create('source', 'mirror', overwrite=True)"),
            "/mirror",
        )


def test_a_source_that_may_only_be_read_is_mirrored_and_not_restored(open_folder: Path) -> None:
    source = open_folder / "source"
    source.chmod(0o644)
    open_folder.chmod(0o777)
    made = (
        "[[p.establish(), p.split(as_of_last_establish=True), p.close()] "
        "for p in [MirrorPair.create('source', 'mirror')]]"
    )
    assert as_nobody(open_folder, made) is None
    overwrite(source, 0, b"bad")
    with unchanged(open_folder, catalogs=False):
        permission(as_nobody(open_folder, "MirrorPair.open('mirror').restore()"), "/source")
        permission(as_nobody(open_folder, "MirrorPair.open('mirror').write(0, b'x')"), "/source")


def test_a_catalog_of_another_user_is_not_believed(open_folder: Path) -> None:
    mirror, user = open_folder / "mirror", pwd.getpwnam("nobody").pw_uid
    with MirrorPair.create(open_folder / "source", mirror) as pair:
        folder = pair.catalog_path
    os.chown(folder, user, -1)
    for call in (lambda: MirrorPair.open(mirror), lambda: splitmirror.status(mirror)):
        with refused(
            errors.CatalogUntrustedError, open_folder, path=folder, advice="correct its owner"
        ):
            call()
    os.chown(folder, 0, -1)
    MirrorPair.open(mirror).close()
    # And the other way round: a user without rights cannot use root's catalog.
    with unchanged(open_folder):
        assert as_nobody(open_folder, "MirrorPair.open('mirror')")["class"] in (
            "AreaPermissionError",
            "CatalogUntrustedError",
        )


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_catalog_in_a_folder_that_others_may_write_is_not_believed(
    tmp_path: Path, mode: int
) -> None:
    write_pattern(tmp_path / "source", LENGTH)
    with MirrorPair.create(tmp_path / "source", tmp_path / "mirror") as pair:
        folder = pair.catalog_path
    folder.chmod(mode)
    with refused(errors.CatalogUntrustedError, tmp_path, path=folder):
        MirrorPair.open(tmp_path / "mirror")
    with refused(errors.CatalogUntrustedError, tmp_path, path=folder):
        MirrorPair.adopt(tmp_path / "mirror", tmp_path / "source", accept={"unsealed"})
    folder.chmod(0o700)
    MirrorPair.open(tmp_path / "mirror").close()


def remount(place: Path, how: str) -> None:
    run("mount", "-o", f"remount,{how}", place)


def test_a_read_only_file_system_of_the_mirror_is_refused(
    make_file_system: MakeFileSystem, tmp_path: Path
) -> None:
    place = make_file_system("ext4", size=16 * MIB)
    source = tmp_path / "source"
    write_pattern(source, LENGTH, seed=7)
    with MirrorPair.create(source, place / "mirror") as pair:
        pair.establish()
        pair.split()
    remount(place, "ro")
    with refused(errors.ReadOnlyAreaError, place, source, advice="remount"):
        MirrorPair.create(source, place / "other")
    with refused(errors.ReadOnlyAreaError, place, source, advice="remount"):
        MirrorPair.open(place / "mirror").establish()
    assert splitmirror.status(place / "mirror").state == "split"
    remount(place, "rw")
    with MirrorPair.open(place / "mirror") as pair:
        pair.refresh()
        assert pair.verify().matches


def test_a_source_on_a_read_only_file_system_is_mirrored_and_not_restored(
    make_file_system: MakeFileSystem, tmp_path: Path
) -> None:
    place = make_file_system("ext4", size=16 * MIB)
    source, mirror = place / "source", tmp_path / "mirror"
    write_pattern(source, LENGTH, seed=8)
    remount(place, "ro")
    with MirrorPair.create(source, mirror) as pair:
        pair.establish()
        pair.split(as_of_last_establish=True)
        with refused(errors.ReadOnlyAreaError, place, path=source, advice="remount"):
            pair.restore(full=True)
        with refused(errors.ReadOnlyAreaError, place, path=source):
            pair.write(0, b"x")
    remount(place, "rw")
    overwrite(source, 0, b"bad")
    with MirrorPair.open(mirror) as pair:
        pair.restore()
    assert digest(source) == digest(mirror)


@pytest.mark.parametrize("side", ["mirror", "source"])
def test_an_immutable_file_is_refused_before_anything_changes(ext4: Path, side: str) -> None:
    source, mirror = ext4 / "source", ext4 / "mirror"
    write_pattern(source, LENGTH, seed=9)
    with MirrorPair.create(source, mirror) as pair:
        pair.establish()
        pair.split(label="kept")
        try:
            run("chattr", "+i", ext4 / side)
        except NotPermitted as reason:
            pytest.skip(f"no immutable files here: {reason}")
        try:
            verb = pair.establish if side == "mirror" else pair.restore
            with refused(errors.AreaPermissionError, mirror, path=ext4 / side, advice="flags"):
                verb()
        finally:
            run("chattr", "-i", ext4 / side)
        assert (pair.state, pair.status().label) == ("split", "kept")
        verb()
        assert digest(source) == digest(mirror)


def test_a_device_smaller_than_the_source_is_refused(loop_pair: MakeDevicePair) -> None:
    source, mirror = loop_pair(2 * MIB, MIB)
    with refused(errors.AreaTooSmallError, source, mirror, path=mirror, length=MIB, needed=2 * MIB):
        MirrorPair.create(source, mirror, overwrite=True)


def test_a_source_that_outgrows_its_device_keeps_the_point(
    loop_pair: MakeDevicePair, tmp_path: Path
) -> None:
    _, mirror = loop_pair(MIB)
    source = tmp_path / "source"
    write_pattern(source, MIB, seed=10)
    with MirrorPair.create(source, mirror, overwrite=True) as pair:
        pair.establish()
        pair.split(label="kept")
        overwrite(source, MIB, b"one byte too many")
        with refused(
            errors.AreaTooSmallError, source, mirror, length=MIB, needed=MIB + 17, advice="larger"
        ):
            pair.establish()
        assert (pair.state, pair.status().label) == ("split", "kept")
        pair.restore()
        assert digest(source) == digest(mirror)
        pair.detach()


def test_a_mounted_device_is_never_a_mirror(make_file_system: MakeFileSystem) -> None:
    place = make_file_system("ext4", size=16 * MIB)
    device = Path(run("findmnt", "--noheadings", "--output", "SOURCE", place))
    source = place / "source"
    write_pattern(source, LENGTH)
    with refused(errors.SourceMountedError, source, path=device, mountpoint=place):
        MirrorPair.create(source, device, overwrite=True)
