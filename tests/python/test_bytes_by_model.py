"""Random operations on a pair against a plain model: the bytes of both sides and the state.

Issue points 5, 6 and 7; invariants I1, I2, I3 and I6. Native writes, writes through the pair, and
every verb come in any order; after each step both files hold what the model says.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from helpers import overwrite
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from scenes import cancelled_at_once
from splitmirror import MirrorPair, State, errors
from splitmirror.states import Condition

BLOCK = 4096
LENGTH_MAX = 6 * BLOCK
offsets = st.integers(0, LENGTH_MAX)
data = st.binary(min_size=1, max_size=2 * BLOCK) | st.integers(1, 2 * BLOCK).map(bytes)


def placed(content: bytes, offset: int, more: bytes) -> bytes:
    padded = content.ljust(offset, b"\0")
    return padded[:offset] + more + padded[offset + len(more) :]


class PairAgainstModel(RuleBasedStateMachine):
    """`source` and `mirror` are the bytes that the two files have to hold."""

    def __init__(self) -> None:
        super().__init__()
        # In memory, where that can be had: thousands of small files are made durable here.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="model-", dir=memory))
        self.source_path = self.folder / "source"
        self.mirror_path = self.folder / "mirror"
        self.source = b""
        self.mirror = b""
        self.state = State.INITIALIZED
        self.written_natively = False
        self.cut_unseen = False

    @initialize(content=st.binary(max_size=LENGTH_MAX))
    def create(self, content: bytes) -> None:
        self.source = content
        self.source_path.write_bytes(content)
        self.pair = MirrorPair.create(self.source_path, self.mirror_path, block_size=BLOCK)

    def teardown(self) -> None:
        if hasattr(self, "pair"):
            self.pair.close()
        shutil.rmtree(self.folder)

    @rule(offset=offsets, more=data)
    def write_through_the_pair(self, offset: int, more: bytes) -> None:
        self.pair.write(offset, more)
        self.source = placed(self.source, offset, more)
        if self.state is State.SYNCHRONIZED:
            self.mirror = placed(self.mirror, offset, more)

    @rule()
    def flush(self) -> None:
        self.pair.flush()

    @rule(offset=offsets, more=data)
    def write_natively(self, offset: int, more: bytes) -> None:
        overwrite(self.source_path, offset, more)
        self.source = placed(self.source, offset, more)
        self.written_natively = True

    @rule(length=offsets)
    def cut_or_lengthen_natively(self, length: int) -> None:
        # Through a descriptor: by path and after own writes is the stated limit of the proof.
        descriptor = os.open(self.source_path, os.O_WRONLY)
        os.ftruncate(descriptor, length)
        os.close(descriptor)
        self.source = self.source[:length].ljust(length, b"\0")
        self.written_natively = True

    @rule()
    def replace_natively(self) -> None:
        other = self.folder / "other"
        other.write_bytes(self.source[::-1])
        other.replace(self.source_path)
        self.source = self.source[::-1]
        self.written_natively = True
        # Every verb looks at the path anew; a write alone goes on into the file that is open.
        self.pair.status()

    @rule()
    def close_and_open(self) -> None:
        self.pair.close()
        self.pair = MirrorPair.open(self.mirror_path)

    @rule(force=st.booleans())
    def establish(self, force: bool) -> None:
        self.pair.establish(force=force, accept={"source-replaced", "shrunk"})
        self.state = State.SYNCHRONIZED
        self.mirror = self.source
        self.written_natively = False

    @rule()
    def refresh(self) -> None:
        self.pair.refresh(accept={"source-replaced", "shrunk"})
        self.state = State.SPLIT
        self.mirror = self.source
        self.written_natively = False

    @precondition(lambda self: self.state is State.SYNCHRONIZED)
    @rule()
    def split_as_it_is(self) -> None:
        self.pair.split(as_of_last_establish=True)
        self.state = State.SPLIT

    @precondition(lambda self: self.state is State.SYNCHRONIZED)
    @rule()
    def split(self) -> None:
        if self.written_natively:
            try:
                self.pair.split()
            except errors.OutsideWritesError:
                return
            raise AssertionError("a split of a source that others wrote was believed")
        self.pair.split()
        self.state = State.SPLIT
        assert self.mirror == self.source

    @precondition(lambda self: self.state is State.SPLIT)
    @rule(full=st.booleans(), interrupted=st.booleans())
    def restore(self, full: bool, interrupted: bool) -> None:
        if interrupted:
            before = self.source
            try:
                cancelled_at_once(self.pair.restore)
            except AssertionError:
                # There was nothing to copy: it is complete already.
                assert self.source_path.read_bytes() == self.mirror
            else:
                assert self.pair.read(0, len(before)) == self.mirror[: len(before)].ljust(0)
        if Condition.RESTORE_PENDING in self.pair.conditions:
            receipt = self.pair.resume_restore()
        else:
            receipt = self.pair.restore(full=full)
        assert receipt.mirror_unchanged
        assert receipt.complete
        self.source = self.mirror
        self.written_natively = False

    @precondition(lambda self: self.state is State.SPLIT and len(self.mirror) > 0)
    @rule(choice=st.data())
    def restore_a_range(self, choice: st.DataObject) -> None:
        start = choice.draw(st.integers(0, len(self.mirror) - 1))
        length = choice.draw(st.integers(1, len(self.mirror) - start))
        self.pair.restore(ranges=[(start, length)])
        self.source = placed(self.source, start, self.mirror[start : start + length])

    @precondition(lambda self: self.state is State.SPLIT)
    @rule()
    def seal_and_scrub(self) -> None:
        self.pair.seal()
        assert self.pair.scrub().intact

    @precondition(lambda self: self.state is not State.INITIALIZED)
    @rule()
    def verify(self) -> None:
        assert self.pair.verify().matches == (self.source == self.mirror)

    @invariant()
    def both_files_hold_what_the_model_says(self) -> None:
        if hasattr(self, "pair"):
            assert self.source_path.read_bytes() == self.source
            if self.state is not State.INITIALIZED:
                assert self.mirror_path.read_bytes() == self.mirror
            assert self.pair.state is self.state


PairAgainstModel.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestPairAgainstModel = PairAgainstModel.TestCase
