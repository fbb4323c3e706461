"""A pair, and the processes and threads that want it: opened twice, closed, forked, at once."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import splitmirror
from evidence import check_error, refused, unchanged
from helpers import KIB, digest, write_pattern
from splitmirror import CancelToken, MirrorPair, errors

LENGTH = 512 * KIB

# Every method and property that touches the pair; none of them may work on a closed or forked one.
CALLS: dict[str, Callable[[MirrorPair], object]] = {
    "establish": lambda pair: pair.establish(),
    "split": lambda pair: pair.split(),
    "refresh": lambda pair: pair.refresh(),
    "restore": lambda pair: pair.restore(),
    "restore to": lambda pair: pair.restore(to=pair.source_path.with_name("scratch")),
    "resume_restore": lambda pair: pair.resume_restore(),
    "abandon_restore": lambda pair: pair.abandon_restore(),
    "verify": lambda pair: pair.verify(),
    "seal": lambda pair: pair.seal(),
    "scrub": lambda pair: pair.scrub(),
    "hold": lambda pair: pair.hold(),
    "release": lambda pair: pair.release(),
    "detach": lambda pair: pair.detach(),
    "status": lambda pair: pair.status(),
    "history": lambda pair: pair.history(),
    "plan_establish": lambda pair: pair.plan_establish(),
    "plan_restore": lambda pair: pair.plan_restore(),
    "block_map": lambda pair: pair.block_map(),
    "read": lambda pair: pair.read(0, 1),
    "readinto": lambda pair: pair.readinto(0, bytearray(1)),
    "write": lambda pair: pair.write(0, b"x"),
    "flush": lambda pair: pair.flush(),
    "open_source": lambda pair: pair.open_source().read(1),
    "open_mirror": lambda pair: pair.open_mirror().read(1),
    "mirror_array": lambda pair: pair.mirror_array("u1", 1),
    "source_length": lambda pair: pair.source_length,
    "mirror_length": lambda pair: pair.mirror_length,
}


@pytest.fixture
def split(tmp_path: Path) -> Iterator[MirrorPair]:
    write_pattern(tmp_path / "source", LENGTH, seed=17)
    with MirrorPair.create(tmp_path / "source", tmp_path / "mirror") as pair:
        pair.establish()
        pair.split(label="good")
        yield pair


def test_a_second_opening_in_this_process_is_refused_by_the_own_number(split: MirrorPair) -> None:
    with refused(
        errors.PairInUseError, split.source_path.parent, pid=os.getpid(), advice="close it there"
    ):
        MirrorPair.open(split.mirror_path)
    split.write(0, b"still usable")


def test_an_opening_in_another_process_names_the_owner(split: MirrorPair) -> None:
    program = (
        "import sys; from splitmirror import MirrorPair, errors\n"
        "try: MirrorPair.open(sys.argv[1])\n"
        "except errors.PairInUseError as error: print(error.pid, error)"
    )
    with unchanged(split.source_path.parent):
        done = subprocess.run(
            [sys.executable, "-c", program, split.mirror_path],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    number, message = done.stdout.split(" ", 1)
    assert int(number) == os.getpid()
    assert f"process {os.getpid()}" in message


def test_the_lock_of_a_killed_process_is_free(split: MirrorPair) -> None:
    mirror = split.mirror_path
    split.close()
    program = (
        "import sys; from splitmirror import MirrorPair\n"
        "pair = MirrorPair.open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, mirror], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with refused(errors.PairInUseError, mirror.parent, pid=other.pid):
            MirrorPair.open(mirror)
        assert splitmirror.status(mirror).owner_pid == other.pid
        other.kill()
    assert splitmirror.status(mirror).owner_pid is None
    MirrorPair.open(mirror).close()


@pytest.mark.parametrize("name", CALLS)
def test_a_closed_pair_refuses(split: MirrorPair, name: str) -> None:
    split.close()
    with refused(errors.ClosedPairError, split.source_path.parent, advice="open it again"):
        CALLS[name](split)


def test_a_pair_that_is_dropped_without_close_gives_its_lock_back(split: MirrorPair) -> None:
    mirror = split.mirror_path
    split.close()
    MirrorPair.open(mirror)
    gc.collect()
    MirrorPair.open(mirror).close()


def test_pairs_are_not_pickled(split: MirrorPair) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(split)


def in_child(work: Callable[[], None]) -> None:
    """Run `work` in a forked child, which leaves without the clean-up of this test."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        text = b""
        try:
            os.close(reader)
            work()
        except BaseException:
            text = traceback.format_exc().encode()
        os.write(writer, text)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        text = told.read()
    os.waitpid(child, 0)
    assert not text, text.decode()


def refuse_everything(pair: MirrorPair, owner: int) -> None:
    for name, call in CALLS.items():
        try:
            call(pair)
        except errors.ForkedPairError as error:
            check_error(error, advice=str(owner))
        else:
            raise AssertionError(f"{name} worked in a forked child")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_refused_and_does_not_disturb_the_parent(split: MirrorPair) -> None:
    owner = os.getpid()
    folder, good = split.source_path.parent, digest(split.mirror_path)

    def work() -> None:
        refuse_everything(split, owner)
        split.close()
        repr(split)
        assert splitmirror.status(split.mirror_path).owner_pid == owner

    with unchanged(folder):
        in_child(work)
    # The child has ended; the lock is still ours, and the pair works.
    assert splitmirror.status(split.mirror_path).owner_pid == owner
    with pytest.raises(errors.PairInUseError):
        MirrorPair.open(split.mirror_path)
    split.write(0, b"bad")
    split.restore()
    assert digest(split.source_path) == digest(split.mirror_path) == good
    split.close()
    in_child(lambda: MirrorPair.open(split.mirror_path).close())
    MirrorPair.open(split.mirror_path).close()


def _child_of_multiprocessing(mirror: str, answers: multiprocessing.SimpleQueue[str]) -> None:
    try:
        MirrorPair.open(mirror).close()
        answers.put("opened")
    except errors.PairInUseError as error:
        answers.put(f"in use by {error.pid}")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_children_of_multiprocessing_open_it_after_the_parent_closed_it(
    split: MirrorPair, how: str
) -> None:
    context = multiprocessing.get_context(how)
    answers = context.SimpleQueue()
    for wanted in (f"in use by {os.getpid()}", "opened"):
        child = context.Process(  # type: ignore[attr-defined]
            target=_child_of_multiprocessing, args=(str(split.mirror_path), answers)
        )
        child.start()
        child.join(60)
        assert answers.get() == wanted
        split.close()


def test_threads_calling_verbs_at_once_leave_a_legal_pair(split: MirrorPair) -> None:
    surprises: list[BaseException] = []
    begin = threading.Barrier(6)

    def call(names: list[str], thread: int) -> None:
        begin.wait()
        for name in names * 4:
            try:
                CALLS[name](split)
                split.write(thread * 64 * KIB, bytes([thread]) * 1000)
            except errors.StateError:
                pass
            except BaseException as error:
                surprises.append(error)

    verbs = [
        ["establish", "split"],
        ["refresh", "seal"],
        ["restore", "verify"],
        ["status", "history", "block_map"],
        ["scrub", "hold", "release"],
        ["read", "flush", "plan_restore"],
    ]
    threads = [threading.Thread(target=call, args=(names, n)) for n, names in enumerate(verbs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = (errors.NotSealedError, errors.HeldError, errors.OutsideWritesError)
    assert [error for error in surprises if not isinstance(error, expected)] == []
    if split.status().hold is not None or split.state == "split":
        split.release()
    split.refresh()
    assert split.verify().matches
    assert digest(split.source_path) == digest(split.mirror_path)


def test_closing_during_a_verb_waits_for_it(split: MirrorPair) -> None:
    token = CancelToken()
    begun, outcome = threading.Event(), []

    def establish() -> None:
        try:
            split.establish(progress=lambda *_: begun.set(), cancel=token)
        except errors.SplitMirrorError as error:
            outcome.append(error)

    thread = threading.Thread(target=establish)
    thread.start()
    begun.wait(30)
    split.close()
    thread.join()
    assert not outcome
    with MirrorPair.open(split.mirror_path) as pair:
        assert pair.state == "synchronized"
