"""Datasets of HDF5 files of every kind: those that are bytes of their own go back, others not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers import digest
from places import split_pair
from scenes import child
from splitmirror import MirrorPair, errors

PLAIN = np.arange(20_000, dtype="<f8")
TABLE = np.arange(40_000, dtype="<i4").reshape(200, 200)
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "latest": {"libver": "latest"},
    "user-block": {"userblock_size": 1024},
}


def fill(tree: h5py.File) -> None:
    tree["plain"] = PLAIN
    tree["deep/down/grüße"] = PLAIN[:500]
    tree["other"] = PLAIN * 2
    tree["scalar"] = 5.0
    tree["letters"] = np.array([b"ab", b"cd"])
    tree["same as plain"] = tree["plain"]
    tree["soft"] = h5py.SoftLink("/plain")
    tree.create_dataset("chunked", data=TABLE, chunks=(64, 64))
    tree.create_dataset(
        "packed", data=TABLE, chunks=(50, 50), compression="gzip", shuffle=True, fletcher32=True
    )
    tree.create_dataset("never", shape=(1000,), dtype="f8")
    tree.create_dataset("never chunked", shape=(1000,), dtype="f8", chunks=(100,))
    tree.create_dataset("nothing", shape=(0, 3), dtype="f8")
    tree.create_dataset("type alone", data=h5py.Empty("f8"))
    tree.create_dataset("texts", data=["a", "bc"], dtype=h5py.string_dtype())
    tree.create_dataset("references", shape=(1,), dtype=h5py.ref_dtype)
    tree.create_dataset("external", shape=(10,), dtype="f8", external=[("beside", 0, 80)])
    rows = h5py.VirtualLayout(shape=PLAIN.shape, dtype="f8")
    rows[:] = h5py.VirtualSource(tree["plain"])
    tree.create_virtual_dataset("virtual", rows)
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(tree.id, b"compact", h5py.h5t.NATIVE_DOUBLE, space, compact)


RESTORED = ["plain", "deep/down/grüße", "scalar", "letters", "same as plain"]
CHUNKED = ["chunked", "packed"]
REFUSED = {
    "never": "nothing was ever written",
    "never chunked": "nothing was ever written",
    "nothing": "no items",
    "type alone": "no items",
    "texts": "variable length",
    "references": "references",
    "external": "external files",
    "virtual": "virtual",
    "compact": "compact",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "data.h5"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pair(source: Path, kind: str) -> Iterator[MirrorPair]:
    def make(path: Path) -> None:
        with h5py.File(path, "w", **KINDS[kind]) as tree:
            fill(tree)

    with split_pair(source, make) as made:
        yield made


def content(path: Path, member: str) -> Any:
    with h5py.File(path, "r") as tree:
        return tree[member][()]


def test_a_member_that_was_overwritten_goes_back_and_its_neighbours_stay(
    pair: MirrorPair, source: Path
) -> None:
    point, good = digest(pair.mirror_path), {name: content(source, name) for name in RESTORED}
    for name in RESTORED:
        with h5py.File(source, "r+") as tree:
            tree["other"][:] = -1
            tree[name][...] = np.zeros_like(good[name])
        receipt = pair.restore(member=name)
        assert receipt.complete
        # Not one byte more than its items, of which some were zero.
        assert 0 < receipt.bytes_copied <= np.asarray(good[name]).nbytes
        assert np.array_equal(content(source, name), good[name])
        assert (content(source, "other") == -1).all()
    assert digest(pair.mirror_path) == point


@pytest.mark.parametrize("member", CHUNKED)
def test_a_chunked_member_goes_back_by_its_chunks(
    pair: MirrorPair, source: Path, kind: str, member: str
) -> None:
    if kind == "user-block":
        with pytest.raises(errors.FormatError, match="chunked, in a file with a user block"):
            pair.restore(member=member)
        return
    with h5py.File(source, "r+") as tree:
        chunk = tree[member].id.get_chunk_info(3)
        size = tree[member].id.get_storage_size()
        tree["other"][:] = -1
    # Not through HDF5, which would put other bytes of a packed chunk at another place.
    with source.open("rb+") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\xff" * chunk.size)
    receipt = pair.restore(member=member)
    assert chunk.size <= receipt.bytes_copied <= size
    assert np.array_equal(content(source, member), TABLE)
    assert (content(source, "other") == -1).all()


@pytest.mark.parametrize("kind", ["plain", "latest"], indirect=True)
def test_a_packed_member_whose_chunks_have_other_sizes_now_is_refused(
    pair: MirrorPair, source: Path
) -> None:
    with h5py.File(source, "r+") as tree:
        tree["packed"][:] = np.random.default_rng(1).integers(0, 1 << 30, TABLE.shape)
    before = source.read_bytes()
    with pytest.raises(errors.MemberMovedError, match=r"restore\(to=\)"):
        pair.restore(member="packed")
    assert source.read_bytes() == before


@pytest.mark.parametrize("member", REFUSED)
def test_a_member_that_is_no_bytes_of_its_own_is_refused_in_words(
    pair: MirrorPair, source: Path, member: str
) -> None:
    before = source.read_bytes()
    assert member in pair.members()
    with pytest.raises(errors.FormatError, match=REFUSED[member]) as caught:
        pair.restore(member=member)
    assert "cannot be restored alone" in str(caught.value)
    assert (caught.value.format, caught.value.member) == ("hdf5", member)
    assert source.read_bytes() == before


@pytest.mark.parametrize("member", ["soft", "deep", "deep/down", "missing", ""])
def test_a_name_that_is_no_dataset_of_the_file(pair: MirrorPair, member: str) -> None:
    with pytest.raises(errors.ArgumentError, match="it has chunked, compact") as caught:
        pair.plan_restore(member=member)
    assert caught.value.argument == "member"


OTHER_TYPE = {
    "another type": PLAIN.astype(">f8"),
    "another shape": PLAIN.reshape(200, 100),
    "fewer items": PLAIN[:-1],
}


@pytest.mark.parametrize("now", OTHER_TYPE)
@pytest.mark.parametrize("kind", ["plain"], indirect=True)
def test_a_member_that_means_something_else_in_the_source_is_refused(
    pair: MirrorPair, source: Path, now: str
) -> None:
    with h5py.File(source, "w") as tree:
        tree["plain"] = OTHER_TYPE[now]
    before = source.read_bytes()
    for verb in (pair.restore, pair.plan_restore):
        with pytest.raises(errors.MemberMovedError) as caught:
            verb(member="plain")
        assert "there" in str(caught.value)
        assert caught.value.member == "plain"
    assert source.read_bytes() == before


@pytest.mark.parametrize("kind", ["plain"], indirect=True)
def test_without_h5py_the_refusal_says_what_to_install(
    pair: MirrorPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    for look in (pair.members, lambda: pair.restore(member="plain")):
        with pytest.raises(errors.FormatError, match=r"pip install 'splitmirror\[hdf5\]'"):
            look()


# --- A file that is open ----------------------------------------------------------------------

HELD_OPEN = """
import sys, h5py
with h5py.File(sys.argv[1], "r+", libver=sys.argv[2]) as tree:
    tree["plain"][:] = -5
    tree.flush()
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["plain", "latest"], indirect=True)
def test_a_file_that_another_program_holds_locked(
    pair: MirrorPair, source: Path, kind: str
) -> None:
    with child(HELD_OPEN, source, "latest" if kind == "latest" else "earliest"):
        with pytest.raises(OSError, match="lock"):
            h5py.File(source, "r+")
        # The lock is for HDF5 alone: looking is possible, and so is restoring if it is asked for.
        assert "plain" in pair.members()
        with pytest.raises(errors.SourceInUseError):
            pair.restore(member="plain")
        receipt = pair.restore(member="plain", while_in_use=True)
        assert receipt.outside_writes == "suspected"
    # It had written all that it would write.
    assert np.array_equal(content(source, "plain"), PLAIN)


@pytest.mark.parametrize("kind", ["plain"], indirect=True)
def test_what_a_program_still_had_in_memory_comes_over_what_was_restored(
    pair: MirrorPair, source: Path
) -> None:
    with h5py.File(source, "r+") as tree:
        table = tree["chunked"]
        table[5, 5] = -5
        with pytest.raises(errors.SourceInUseError):
            pair.restore(member="chunked")
        # What was stored is in HDF5's cache until the dataset is flushed or closed.
        receipt = pair.restore(member="chunked", while_in_use=True)
        assert receipt.bytes_copied == 0
    assert content(source, "chunked")[5, 5] == -5
    pair.restore(member="chunked")
    assert np.array_equal(content(source, "chunked"), TABLE)


def test_a_file_that_is_being_written_when_it_is_split_can_be_looked_into(source: Path) -> None:
    with h5py.File(source, "w", libver="latest") as tree:
        tree["plain"] = PLAIN
        # Many readers, one writer: the file is marked as open for writing.
        tree.swmr_mode = True
        tree.flush()
        with MirrorPair.create(source, source.with_name("mirror")) as pair:
            pair.establish()
            pair.split(as_of_last_establish=True)
            tree["plain"][:] = -1
            tree.flush()
            assert pair.members() == ["plain"]
            pair.restore(member="plain", while_in_use=True)
    assert np.array_equal(content(source, "plain"), PLAIN)
