"""Native changes of a source between a close and the next open.

Requirement: issue point 6; invariants I2, I6 and I7. The times of the file tell, and nothing else
than "nobody else had it open at the close, and every field is still the same" is believed.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import digest, hole_map, overwrite
from natively import COME_AND_GONE, TAKING_AWAY, Way, only_read, write_and_close
from scenes import make_source, reopened, split, synchronized
from splitmirror import MirrorPair, errors
from splitmirror.states import Condition

DOUBTS = {"outside-writes", "unclean-tracker", "source-replaced", "compare", "missed-epoch"}

every_way = pytest.mark.parametrize("way", COME_AND_GONE, ids=lambda way: way.__name__)


def test_an_untouched_source_is_believed_and_so_are_the_marks(any_fs: Path) -> None:
    source = make_source(any_fs)
    pair = split(source)
    good = digest(source)
    pair.write(70_000, b"through the pair")
    with reopened(pair) as pair:
        plan = pair.plan_restore().report
        assert (plan.reason, plan.extents) == ("bitmap", ((65536, 65536),))
        assert pair.restore().blocks_copied == 1
        assert digest(source) == good


@every_way
def test_i2_what_was_written_right_after_the_close_is_restored(any_fs: Path, way: Way) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good, holes = digest(source), hole_map(source)
        pair.write(70_000, b"through the pair")
    # No pause: within the same tick of the clock behind the times as the close.
    with way(source), MirrorPair.open(pair.mirror_path) as pair:
        assert digest(source) != good
        receipt = pair.restore()
        assert receipt.reason in DOUBTS
        assert digest(source) == good
        assert hole_map(source) == holes
        assert receipt.mirror_unchanged


@every_way
def test_i7_a_split_after_the_open_is_refused_and_refresh_takes_the_source(
    ext4: Path, way: Way
) -> None:
    source = make_source(ext4)
    with synchronized(source) as pair:
        pair.write(70_000, b"through the pair")
        good = digest(source)
    with way(source), MirrorPair.open(pair.mirror_path) as pair:
        with pytest.raises(errors.OutsideWritesError):
            pair.split()
        assert digest(pair.mirror_path) == good
        report = pair.refresh(accept={"source-replaced", "shrunk"})
        assert report.establish.reason in DOUBTS
        assert digest(pair.mirror_path) == digest(source) != good


@pytest.mark.parametrize("way", TAKING_AWAY, ids=lambda way: way.__name__)
def test_a_source_that_went_meanwhile_is_made_again(any_fs: Path, way: Way) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = digest(source)
    with way(source), MirrorPair.open(pair.mirror_path) as pair:
        assert pair.restore().reason == "source-replaced"
        assert digest(source) == good


def test_a_reader_meanwhile_does_no_harm_to_the_belief(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        pair.write(70_000, b"through the pair")
    with only_read(source):
        pass
    with MirrorPair.open(pair.mirror_path) as pair:
        assert pair.plan_restore().report.reason == "bitmap"


def test_a_mapping_that_was_there_at_the_close_is_not_believed_away(any_fs: Path) -> None:
    """Pages that a mapping dirtied already change once more without a new time."""
    source = make_source(any_fs)
    pair = split(source)
    good = digest(source)
    with source.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[0] ^= 1
        pair.restore(while_in_use=True)
        assert digest(source) == good
        view[0] ^= 1
        view[0] ^= 1
        pair.close()
        view[0] ^= 1
    with MirrorPair.open(pair.mirror_path) as pair:
        receipt = pair.restore()
        # The mark says that somebody was there, if no newer time has told more.
        assert receipt.reason in {"unclean-tracker", "outside-writes"}
        assert digest(source) == good


def test_a_writer_that_was_there_at_the_close_is_not_believed_away(any_fs: Path) -> None:
    source = make_source(any_fs)
    pair = split(source)
    good = digest(source)
    with contextlib.ExitStack() as later:
        file = later.enter_context(source.open("r+b", buffering=0))
        pair.close()
        os.pwrite(file.fileno(), b"late", 100)
    with MirrorPair.open(pair.mirror_path) as pair:
        assert pair.restore().reason == "outside-writes"
        assert digest(source) == good


def test_i6_writes_through_another_pair_of_the_source_are_a_missed_epoch(any_fs: Path) -> None:
    source = make_source(any_fs)
    with MirrorPair.create(source, any_fs / "first") as one:
        one.refresh(label="one")
    good = digest(source)
    with MirrorPair.create(source, any_fs / "second") as other:
        other.refresh(label="other")
    with MirrorPair.open(any_fs / "first") as one:
        assert one.status().volume_id == other_volume(any_fs / "second")
    with out_of_reach(any_fs, "first"), MirrorPair.open(any_fs / "second") as other:
        other.write(200_000, b"the other pair's")
    with out_of_reach(any_fs, "second"), MirrorPair.open(any_fs / "first") as one:
        assert Condition.OUTSIDE_WRITES in one.conditions
        plan = one.plan_restore().report
        assert (plan.reason, plan.method) == ("missed-epoch", "compare")
        receipt = one.restore()
        assert receipt.reason == "missed-epoch"
        assert digest(source) == good
    # The other way round it is the same.
    with MirrorPair.open(any_fs / "second") as other:
        assert other.plan_restore().report.reason == "missed-epoch"
        assert other.restore().complete
        assert digest(source) == good
        with pytest.raises(errors.StateError):
            other.split()


@contextlib.contextmanager
def out_of_reach(folder: Path, mirror: str) -> Iterator[None]:
    """A mirror of the same source that cannot be opened with the others."""
    catalog = folder / f"{mirror}.splitmirror"
    catalog.rename(folder / "elsewhere")
    yield
    (folder / "elsewhere").rename(catalog)


def other_volume(mirror: Path) -> str:
    with MirrorPair.open(mirror) as pair:
        return pair.status().volume_id


@pytest.mark.parametrize("tag", [None, b"foreign"], ids=["removed", "foreign"])
def test_i6_a_source_without_its_tag_is_another_file(any_fs: Path, tag: bytes | None) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = digest(source)
    if tag is None:
        os.removexattr(source, "user.splitmirror")
    else:
        os.setxattr(source, "user.splitmirror", tag)
    overwrite(source, 300_000, b"bad")
    with MirrorPair.open(pair.mirror_path) as pair:
        status = pair.status()
        assert Condition.SOURCE_REPLACED in status.conditions
        assert any("accept={'source-replaced'}" in sentence for sentence in status.advice)
        with pytest.raises(errors.ProtectedError) as caught:
            pair.establish()
        assert list(caught.value.conditions) == ["source-replaced"]
        assert digest(pair.mirror_path) == good
        receipt = pair.restore()
        assert receipt.reason == "source-replaced"
        assert Condition.SOURCE_REPLACED not in receipt.conditions
        assert digest(source) == good
    with MirrorPair.open(pair.mirror_path) as pair:
        assert pair.plan_restore().report.reason == "bitmap"


def test_i6_an_older_copy_put_back_is_seen_by_its_tag(any_fs: Path) -> None:
    source = make_source(any_fs)
    with synchronized(source) as pair:
        shutil.copy2(source, any_fs / "older")
        attribute = os.getxattr(source, "user.splitmirror")
        assert os.getxattr(any_fs / "older", "user.splitmirror") == attribute
        pair.write(70_000, b"newer")
        pair.split()
        good = digest(source)
    # Into the same inode, with the times of the copy: as `cp -a --no-target-directory` does.
    shutil.copyfile(any_fs / "older", source)
    shutil.copystat(any_fs / "older", source)
    with MirrorPair.open(pair.mirror_path) as pair:
        assert Condition.SOURCE_REPLACED in pair.conditions
        with pytest.raises(errors.ProtectedError):
            pair.refresh()
        assert digest(pair.mirror_path) == good
        assert pair.restore().reason == "source-replaced"
        assert digest(source) == good


def test_i6_a_copy_of_the_same_epoch_is_another_inode_and_is_compared(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = digest(source)
    shutil.copy2(source, any_fs / "copy")
    with write_and_close(any_fs / "copy"):
        pass
    (any_fs / "copy").replace(source)
    with MirrorPair.open(pair.mirror_path) as pair:
        receipt = pair.restore()
        assert receipt.reason in DOUBTS
        assert receipt.method == "compare"
        assert digest(source) == good
