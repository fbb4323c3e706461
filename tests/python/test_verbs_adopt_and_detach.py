"""Pairs that are copied, moved, ended or made again, and how they are found below a folder.

Issue points 4 and 6; design of adopt, detach and list.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import splitmirror
from conftest import run
from helpers import digest, overwrite
from scenes import LENGTH, make_source, split, synchronized
from splitmirror import MirrorPair, State, errors
from splitmirror.reports import Status, UnreadablePair
from splitmirror.states import Condition


def catalog_of(mirror: Path) -> Path:
    return mirror.with_name(mirror.name + ".splitmirror")


def test_a_moved_pair_is_adopted_as_its_error_says(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source, label="good") as pair:
        pair.seal()
        good, old_id = digest(source), pair.pair_id
    # Copied to another place and removed here: as a move to another file system.
    elsewhere = any_fs / "elsewhere"
    elsewhere.mkdir()
    for name in ("mirror", "mirror.splitmirror"):
        run("cp", "-a", any_fs / name, elsewhere / name)
    (any_fs / "mirror").unlink()
    shutil.rmtree(any_fs / "mirror.splitmirror")
    with pytest.raises(errors.MovedPairError) as caught:
        MirrorPair.open(elsewhere / "mirror")
    assert "adopt()" in str(caught.value)
    overwrite(source, 0, b"bad")
    with MirrorPair.adopt(elsewhere / "mirror", source) as pair:
        assert pair.pair_id != old_id
        status = pair.status()
        assert (status.state, status.label, status.generation) == (State.SPLIT, "good", 1)
        assert Condition.TRACKER_LOST in status.conditions
        assert pair.restore().method == "compare"
        assert digest(source) == good
    with MirrorPair.open(elsewhere / "mirror") as pair:
        assert pair.plan_restore().report.reason == "bitmap"


def test_a_copied_pair_and_its_original_are_two_pairs(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        pair.seal()
        good = digest(source)
    copy = any_fs / "copy"
    copy.mkdir()
    for name in ("mirror", "mirror.splitmirror"):
        run("cp", "-a", any_fs / name, copy / name)
    with pytest.raises(errors.MovedPairError):
        MirrorPair.open(copy / "mirror")
    with MirrorPair.adopt(copy / "mirror", source) as adopted:
        pass
    with MirrorPair.open(any_fs / "mirror") as pair:
        assert pair.pair_id != adopted.pair_id
        pair.write(0, b"bad")
        pair.restore()
        assert digest(source) == good
    with MirrorPair.open(copy / "mirror") as adopted:
        # It knows that it has missed what the other pair did.
        assert adopted.plan_restore().report.reason != "bitmap"


def test_an_unsealed_mirror_is_adopted_only_when_that_is_accepted(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with split(source):
        good = digest(source)
    shutil.rmtree(catalog_of(tmp_path / "mirror"))
    with pytest.raises(errors.CatalogMissingError):
        MirrorPair.open(tmp_path / "mirror")
    with pytest.raises(errors.ProtectedError) as caught:
        MirrorPair.adopt(tmp_path / "mirror", source)
    assert list(caught.value.conditions) == ["unsealed"]
    source.unlink()
    with MirrorPair.adopt(
        tmp_path / "mirror", source, accept={"unsealed"}, block_size=4096
    ) as pair:
        assert (pair.state, pair.block_size, pair.mirror_length) == (State.SPLIT, 4096, LENGTH)
        pair.restore()
        assert digest(source) == good


def test_a_damaged_mirror_is_not_adopted(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with split(source) as pair:
        pair.seal()
    shutil.copyfile(tmp_path / "mirror", tmp_path / "copy")
    (tmp_path / "copy").replace(tmp_path / "mirror")
    overwrite(tmp_path / "mirror", 70_000, b"rot")
    with pytest.raises(errors.SealMismatchError) as caught:
        MirrorPair.adopt(tmp_path / "mirror", source)
    assert caught.value.blocks == 1
    assert list(map(list, caught.value.bad)) == [[65536, 65536]]


def test_a_corrupt_catalog_is_moved_away_and_the_mirror_adopted_as_its_error_says(
    any_fs: Path,
) -> None:
    source = make_source(any_fs)
    with split(source):
        good = digest(source)
    folder = catalog_of(any_fs / "mirror")
    for file in folder.iterdir():
        file.write_bytes(b"\xff" * file.stat().st_size)
    with pytest.raises(errors.CatalogCorruptError) as caught:
        MirrorPair.open(any_fs / "mirror")
    assert "move the catalog away and adopt()" in str(caught.value)
    assert digest(any_fs / "mirror") == good
    folder.rename(any_fs / "away")
    overwrite(source, 0, b"bad")
    with MirrorPair.adopt(any_fs / "mirror", source, accept={"unsealed"}) as pair:
        pair.restore()
        assert digest(source) == good


def test_a_detached_pair_leaves_both_files_which_can_be_paired_anew(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = digest(source)
        report = pair.detach()
        assert (report.source, report.mirror) == (str(source), str(any_fs / "mirror"))
        assert report.pair_id == pair.pair_id
        assert pair.closed
        with pytest.raises(errors.ClosedPairError):
            pair.status()
    assert digest(source) == digest(any_fs / "mirror") == good
    assert not catalog_of(any_fs / "mirror").exists()
    assert not [name for name in os.listxattr(source) if "splitmirror" in name]
    assert splitmirror.list_pairs(any_fs) == []
    with pytest.raises(errors.MirrorExistsError):
        MirrorPair.create(source, any_fs / "mirror")
    # Either way round.
    with MirrorPair.create(any_fs / "mirror", source, overwrite=True) as other:
        assert other.refresh().state is State.SPLIT


def test_pairs_below_a_folder_are_listed_also_beside_a_corrupt_one(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        folder = tmp_path / name / "deep"
        folder.mkdir(parents=True)
        with split(make_source(folder), label=name):
            pass
    for file in catalog_of(tmp_path / "b" / "deep" / "mirror").iterdir():
        file.write_bytes(b"\xff" * file.stat().st_size)
    one, two, three = splitmirror.list_pairs(tmp_path)
    assert isinstance(one, Status)
    assert isinstance(three, Status)
    assert (one.label, three.label) == ("a", "c")
    assert one.owner_pid is None
    assert isinstance(two, UnreadablePair)
    assert two.mirror == str(tmp_path / "b" / "deep" / "mirror")
    assert "catalog" in json.dumps(two.to_dict())


def test_status_works_in_another_process_beside_the_open_pair(any_fs: Path) -> None:
    program = (
        "import sys, splitmirror; print(splitmirror.status(sys.argv[1]).to_json())\n"
        "try: splitmirror.MirrorPair.open(sys.argv[1])\n"
        "except splitmirror.errors.PairInUseError as error: print(error.pid)"
    )
    with synchronized(make_source(any_fs)) as pair:
        pair.write(0, b"x")
        done = subprocess.run(
            [sys.executable, "-c", program, pair.mirror_path],
            check=True,
            capture_output=True,
            text=True,
        )
        text, pid = done.stdout.splitlines()
        beside = Status.from_json(text)
        assert (beside.state, beside.owner_pid) == (State.SYNCHRONIZED, os.getpid())
        assert int(pid) == os.getpid()
        # Being looked at is no reason for doubt.
        assert pair.split().state is State.SPLIT
