"""The Python layer on the real core: each verb's report, raw files, arrays, cancelling."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import splitmirror
from helpers import KIB, digest, overwrite, write_pattern
from splitmirror import MirrorPair, State, errors
from splitmirror.states import Condition

LENGTH = 1024 * KIB + 5


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    write_pattern(path, LENGTH, seed=1)
    return path


@pytest.fixture
def pair(source: Path) -> Iterator[MirrorPair]:
    with MirrorPair.create(source, source.with_name("mirror")) as made:
        yield made


@pytest.fixture
def split(pair: MirrorPair) -> MirrorPair:
    pair.establish()
    pair.split(label="good")
    return pair


def test_the_life_of_a_pair(pair: MirrorPair, source: Path) -> None:
    assert pair.state is State.INITIALIZED
    good = digest(source)
    established = pair.establish()
    assert established.state is State.SYNCHRONIZED
    assert established.source_length == LENGTH
    point = pair.split(label="good", require="crash")
    assert (point.state, point.label, point.length) == (State.SPLIT, "good", LENGTH)
    sealed = pair.seal()
    overwrite(source, 70_000, b"corruption")
    verified = pair.verify()
    assert not verified.matches
    assert [(found.offset, found.wrong_side) for found in verified.differing] == [(65536, "source")]
    receipt = pair.restore()
    assert digest(source) == good
    assert receipt.complete
    assert receipt.mirror_unchanged
    assert receipt.root_before == receipt.root_after == sealed.root
    assert pair.scrub().intact
    again = pair.refresh(label="next")
    assert again.split.label == "next"
    assert again.split.generation > point.generation
    assert pair.hold("audit").hold == "audit"
    with pytest.raises(errors.HeldError):
        pair.establish()
    assert pair.release().hold is None
    names = [event.event for event in pair.history()]
    assert names
    gone = pair.detach()
    assert gone.pair_id == established.pair_id
    assert pair.closed


def test_lookups_work_beside_the_owner(split: MirrorPair, tmp_path: Path) -> None:
    beside = splitmirror.status(split.mirror_path)
    assert (beside.state, beside.owner_pid) == (State.SPLIT, os.getpid())
    assert beside.tracking is None
    assert [entry.mirror for entry in splitmirror.list_pairs(tmp_path)] == [beside.mirror]
    assert splitmirror.history(split.mirror_path) == split.history()
    assert splitmirror.doctor(tmp_path)


def test_a_broken_catalog_does_not_hide_the_others(split: MirrorPair, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_pattern(other, 64 * KIB)
    with MirrorPair.create(other, tmp_path / "broken") as second:
        catalog = second.catalog_path
    for file in catalog.iterdir():
        file.write_bytes(b"")
    found = {type(entry).__name__: entry for entry in splitmirror.list_pairs(tmp_path)}
    assert set(found) == {"Status", "UnreadablePair"}
    broken = found["UnreadablePair"]
    assert isinstance(broken, splitmirror.UnreadablePair)
    assert broken.error["id"].startswith("catalog-")
    assert broken.mirror.endswith("/broken")


def test_a_skewed_mirror_says_so_and_can_be_accepted(split: MirrorPair, source: Path) -> None:
    mirror = split.mirror_path
    split.close()
    overwrite(mirror, 0, b"touched")
    with MirrorPair.open(mirror) as pair:
        assert Condition.MIRROR_SKEWED in pair.conditions
        assert "accept" in pair.status().advice[0]
        with pytest.raises(errors.MirrorSkewedError) as caught:
            pair.restore()
        assert caught.value.verb == "restore"
        assert pair.seal(accept=["mirror-skewed"]).bytes == LENGTH
        assert pair.restore(accept={Condition.MIRROR_SKEWED}).complete
        assert digest(source) == digest(mirror)


def test_establish_repairs_a_skewed_mirror(split: MirrorPair, source: Path) -> None:
    mirror = split.mirror_path
    split.close()
    overwrite(mirror, 0, b"touched")
    with MirrorPair.open(mirror) as pair:
        pair.establish(accept={Condition.MIRROR_SKEWED})
        assert digest(source) == digest(mirror)


def test_a_label_is_text(split: MirrorPair) -> None:
    with pytest.raises(errors.ArgumentError, match="label"):
        split.refresh(label="\udcff")
    with pytest.raises(errors.ArgumentError, match="reason"):
        split.hold("\udcff")
    assert split.refresh(label="Zür\nich").split.label == "Zür\nich"


def test_verify_from_the_medium(split: MirrorPair) -> None:
    assert split.verify(from_medium=True).matches


def test_a_mirror_without_its_catalog_is_adopted(split: MirrorPair, source: Path) -> None:
    mirror = split.mirror_path
    split.detach()
    with pytest.raises(errors.CatalogMissingError):
        MirrorPair.open(mirror)
    with pytest.raises(errors.ProtectedError):
        MirrorPair.adopt(mirror, source)
    with MirrorPair.adopt(mirror, source, accept={"unsealed"}) as pair:
        assert pair.verify().matches
        source.unlink()
        assert pair.restore().complete
    assert digest(source) == digest(mirror)


def test_log_records_arrive(pair: MirrorPair, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", "splitmirror"):
        pair.establish()
        pair.split()
    assert all(record.name.startswith("splitmirror") for record in caplog.records)


def test_paths_of_every_kind(source: Path, tmp_path: Path) -> None:
    mirror = os.fsencode(tmp_path) + b"/mirror\n\xff"
    with MirrorPair.create(str(source), mirror) as pair:
        assert os.fsencode(pair.mirror_path) == mirror
        pair.establish()
        text = pair.status().mirror
        assert text.endswith(r"\xff")
        json.dumps(pair.status().to_dict()).encode()
        assert "\n" not in repr(pair)


def test_a_legal_verb_list_comes_with_a_wrong_one(pair: MirrorPair) -> None:
    with pytest.raises(errors.StateError) as caught:
        pair.restore()
    assert caught.value.verb == "restore"
    assert caught.value.state == "initialized"
    assert "establish" in caught.value.legal


def test_the_source_as_a_file(split: MirrorPair, source: Path) -> None:
    good = digest(source)
    with io.BufferedRandom(split.open_source()) as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"xyz")
    assert split.source_length == LENGTH + 2 == source.stat().st_size
    with split.open_mirror() as mirror:
        assert mirror.seek(0, os.SEEK_END) == LENGTH == split.mirror_length
    assert set(np.unique(split.block_map()).tolist()) <= {0, 1}
    assert split.block_map()[-1] == 1
    split.restore()
    assert digest(source) == good


def test_the_mirror_as_an_array(split: MirrorPair, source: Path) -> None:
    array = split.mirror_array("<u4", (8, 128), offset=4)
    assert array.tobytes() == source.read_bytes()[4 : 4 + 4096]
    assert not array.flags.writeable
    with pytest.raises(errors.ViewsLiveError):
        split.establish()
    copy = array.copy()
    split.restore()
    assert np.array_equal(array, copy)
    del array
    split.establish()
    with pytest.raises(errors.StateError):
        split.mirror_array("u1", 1)


def test_buffers_are_checked(split: MirrorPair) -> None:
    with pytest.raises(BufferError):
        split.readinto(0, b"read-only")  # type: ignore[arg-type, unused-ignore]
    with pytest.raises(BufferError):
        split.write(0, np.zeros(10, "u1")[::2])
    assert split.readinto(0, np.zeros((4, 4), "u4")) == 64


def test_an_executable_plan_goes_stale(split: MirrorPair, source: Path) -> None:
    overwrite(source, 0, b"bad")
    plan = split.plan_restore(ranges=[(0, 4096)])
    assert plan.report.verb == "restore"
    assert plan.report.space_needed >= 0
    receipt = split.restore(plan=plan)
    assert receipt.complete
    with pytest.raises(errors.StalePlanError):
        split.restore(plan=plan)


def test_an_exception_of_progress_comes_out_and_leaves_a_legal_state(pair: MirrorPair) -> None:
    class Enough(Exception):
        pass

    def stop(phase: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        raise Enough(phase)

    with pytest.raises(Enough):
        pair.establish(progress=stop)
    assert pair.state in (State.UNSYNCHRONIZED, State.SYNCHRONIZED)
    pair.establish()
    assert pair.verify().matches


def test_an_interrupt_carries_a_note(pair: MirrorPair) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        pair.establish(progress=stop)
    assert caught.value.__notes__[0].startswith(f"the pair is now {pair.state}: ")


def test_a_token_cancels(pair: MirrorPair) -> None:
    token = splitmirror.CancelToken()
    seen = [token.cancelled]
    thread = threading.Thread(target=token.cancel)
    thread.start()
    thread.join()
    seen.append(token.cancelled)
    assert seen == [False, True]
    with pytest.raises(errors.CancelledError) as caught:
        pair.establish(cancel=token)
    assert caught.value.state == pair.state


def test_a_closed_pair(pair: MirrorPair) -> None:
    pair.close()
    pair.close()
    assert pair.closed
    assert "closed" in repr(pair)
    assert "closed" in pair._repr_html_()
    with pytest.raises(errors.ClosedPairError):
        pair.status()


def test_html_of_an_open_pair(split: MirrorPair) -> None:
    shown = split._repr_html_()
    assert "<svg" in shown
    assert "good" in shown


def test_a_deleted_source_is_a_condition_and_comes_back(split: MirrorPair, source: Path) -> None:
    good = digest(source)
    source.unlink()
    receipt = split.restore()
    assert receipt.length_before is None
    assert digest(source) == good
    assert Condition.SOURCE_REPLACED not in split.conditions


def test_opened_again_from_its_catalog(split: MirrorPair) -> None:
    mirror = split.mirror_path
    with pytest.raises(errors.PairInUseError) as caught:
        MirrorPair.open(mirror)
    assert caught.value.pid == os.getpid()
    split.close()
    with MirrorPair.open(mirror) as again:
        assert (again.state, again.status().label) == (State.SPLIT, "good")
