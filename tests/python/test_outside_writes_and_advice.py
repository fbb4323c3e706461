"""Each refusal that protects good bytes, and its advice followed to the letter.

Issue point 6: after a native corruption the good bytes survive, whatever the advice leads to.
"""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from pathlib import Path

import pytest
from conftest import MakeFileSystem, run
from helpers import digest, overwrite
from natively import write_and_close
from scenes import child, make_source, split, synchronized
from splitmirror import MirrorPair, State, errors
from splitmirror.states import Condition

HOLDS_IT = """
import sys
file = open(sys.argv[1], "rb")
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_source_in_use_names_the_process_and_both_ways_on(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = digest(source)
        overwrite(source, 0, b"bad")
        bad = digest(source)
        with child(HOLDS_IT, source) as process:
            with pytest.raises(errors.SourceInUseError) as caught:
                pair.restore()
            assert list(caught.value.pids) == [process.pid]
            assert str(process.pid) in str(caught.value)
            assert "while_in_use=True" in str(caught.value)
            assert digest(source) == bad
            assert Condition.RESTORE_PENDING not in pair.conditions
            receipt = pair.restore(while_in_use=True)
            assert digest(source) == good
            assert receipt.outside_writes == "suspected"
            overwrite(source, 0, b"bad")
        # "close them": it has ended.
        assert pair.restore().complete
        assert digest(source) == good


def test_a_stale_write_ahead_log_would_undo_the_restore_and_is_refused(any_fs: Path) -> None:
    database = any_fs / "source"
    with sqlite3.connect(database) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table facts (fact text)")
        connection.execute("insert into facts values ('good')")
    connection.close()
    with split(database) as pair:
        good = digest(database)
        connection = sqlite3.connect(database)
        connection.execute("update facts set fact = 'bad'")
        connection.commit()
        log = any_fs / "source-wal"
        stale = log.read_bytes()
        connection.close()
        log.write_bytes(stale)
        with pytest.raises(errors.SidecarError) as caught:
            pair.restore()
        assert str(log) in caught.value.sidecars
        # The advice: stopped, and moved away.
        log.unlink()
        assert pair.restore().complete
        assert digest(database) == good
        connection = sqlite3.connect(database)
        assert connection.execute("select fact from facts").fetchall() == [("good",)]
        connection.close()
        # The other one: taken upon oneself.
        log.write_bytes(stale)
        assert pair.restore(ignore_sidecars=True).complete
        assert digest(database) == good


def test_an_older_or_empty_sidecar_does_no_harm(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    (tmp_path / "source-journal").write_bytes(b"")
    with split(source) as pair:
        (tmp_path / "source-wal").write_bytes(b"")
        assert pair.restore().complete


def test_a_mounted_source_is_not_restored_under_its_file_system(
    tmp_path: Path, make_file_system: MakeFileSystem
) -> None:
    place = make_file_system("ext4")
    device = Path(run("findmnt", "-n", "-o", "SOURCE", "--target", place))
    (place / "file").write_bytes(b"good")
    os.sync()
    with MirrorPair.create(device, tmp_path / "mirror") as pair:
        pair.establish()
        pair.split(as_of_last_establish=True)
        for while_in_use in (False, True):
            with pytest.raises(errors.SourceMountedError) as caught:
                pair.restore(while_in_use=while_in_use)
            assert caught.value.mountpoint == str(place)
            assert isinstance(caught.value, errors.SourceInUseError)
        assert (place / "file").read_bytes() == b"good"
    # The advice: unmounted. Then it is as any other device.
    with MirrorPair.open(tmp_path / "mirror") as pair:
        assert pair.state is State.SPLIT
    run("umount", place)
    with MirrorPair.open(tmp_path / "mirror") as pair:
        try:
            assert pair.restore().complete
        finally:
            pair.close()
            run("mount", device, place)
        assert (place / "file").read_bytes() == b"good"


def test_a_mirror_that_was_written_while_closed_is_skewed(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = digest(source)
    with write_and_close(pair.mirror_path), MirrorPair.open(pair.mirror_path) as pair:
        assert Condition.MIRROR_SKEWED in pair.conditions
        with pytest.raises(errors.MirrorSkewedError):
            pair.restore()
        assert digest(source) == good


def test_a_synchronized_mirror_that_was_written_natively_is_compared(any_fs: Path) -> None:
    source = make_source(any_fs)
    with synchronized(source) as pair:
        good = digest(source)
    with write_and_close(pair.mirror_path), MirrorPair.open(pair.mirror_path) as pair:
        with pytest.raises(errors.OutsideWritesError):
            pair.split()
        pair.refresh()
        assert digest(source) == good == digest(pair.mirror_path)


def test_a_mirror_that_was_replaced_while_open_is_refused(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = digest(source)
        (any_fs / "other").write_bytes(b"other")
        (any_fs / "other").replace(pair.mirror_path)
        for verb in (pair.restore, pair.establish, pair.refresh):
            with pytest.raises(errors.MovedPairError):
                verb()
        assert digest(source) == good
        assert pair.mirror_path.read_bytes() == b"other"


@pytest.mark.parametrize("state", [State.SYNCHRONIZED, State.SPLIT])
def test_a_fork_of_this_process_is_a_possible_writer(any_fs: Path, state: State) -> None:
    source = make_source(any_fs)
    with synchronized(source) as pair:
        if state is State.SPLIT:
            pair.split()
        good = digest(source)
        overwrites = multiprocessing.get_context("fork").Process(
            target=overwrite, args=(source, 100, b"the child's")
        )
        overwrites.start()
        overwrites.join()
        if state is State.SYNCHRONIZED:
            with pytest.raises(errors.OutsideWritesError):
                pair.split()
            pair.split(as_of_last_establish=True)
        receipt = pair.restore()
        assert receipt.reason == "outside-writes"
        assert digest(source) == good


def test_a_forked_child_cannot_use_the_pair_and_leaves_it_alone(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with split(source) as pair:
        child_pid = os.fork()
        if child_pid == 0:
            try:
                pair.write(0, b"from the child")
            except errors.ForkedPairError:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child_pid, 0)[1]) == 0
        assert pair.plan_restore().report.reason == "outside-writes"
        assert pair.restore().blocks_copied == 0
        pair.write(0, b"x")
        assert pair.plan_restore().report.reason == "bitmap"


def test_mode_exclusive_believes_its_marks_because_the_user_says_so(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with MirrorPair.create(source, tmp_path / "mirror", mode="exclusive") as pair:
        pair.refresh()
        good = digest(source)
        with source.open("rb"):
            pair.write(0, b"bad")
            assert pair.restore().reason == "bitmap"
        assert digest(source) == good
        assert pair.mode == "exclusive" == pair.status().mode
    # A file that shows a change is not believed all the same.
    overwrite(source, 300_000, b"bad")
    with MirrorPair.open(tmp_path / "mirror") as pair:
        assert pair.restore().reason == "outside-writes"
        assert digest(source) == good
