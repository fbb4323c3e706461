"""heal(): what the application wrote during a restore is restored too, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import MIB, digest, overwrite, write_pattern
from scenes import BLOCK, cancelled_at_once
from several import Mode, make_mirror, mirrors_of, same_bytes
from splitmirror import MirrorPair, Receipt, errors
from splitmirror.states import Condition

LENGTH = 2 * MIB + 777
HARDLY = 1
MODES: tuple[Mode, ...] = ("exclusive", "shared")


@pytest.fixture
def restored(any_fs: Path) -> Iterator[tuple[MirrorPair, Receipt, bytes]]:
    """A pair restored while the application wrote blocks 3 and 20, the receipt, the good bytes."""
    source = any_fs / "source"
    write_pattern(source, LENGTH, seed=51, holes=False)
    with make_mirror(source, 0) as pair:
        pair.split(label="good")
        good = source.read_bytes()
        pair.write(0, b"\xee" * (25 * BLOCK))
        job = pair.start_restore(throttle=HARDLY)
        pair.write(3 * BLOCK + 7, b"wrong")
        pair.discard(20 * BLOCK, BLOCK)
        job.throttle(None)
        yield pair, job.wait(60), good


def test_it_restores_just_what_the_application_wrote(
    restored: tuple[MirrorPair, Receipt, bytes],
) -> None:
    pair, receipt, good = restored
    assert receipt.blocks_app_written == 2
    assert pair.source_path.read_bytes() != good
    # After the end, in another block and in one that was written during the restore.
    pair.write(9 * BLOCK, b"kept")
    pair.write(3 * BLOCK + 100, b"lost")
    mirror = digest(pair.mirror_path)
    healed = pair.heal(receipt)
    expected = bytearray(good)
    expected[9 * BLOCK : 9 * BLOCK + 4] = b"kept"
    assert pair.read(0, LENGTH) == pair.source_path.read_bytes() == bytes(expected)
    assert (healed.complete, healed.reason, healed.blocks_copied) == (True, "app-written", 2)
    assert healed.mirror_unchanged
    assert [(run.offset, run.length, run.origin) for run in healed.provenance] == [
        (3 * BLOCK, BLOCK, "mirror"),
        (20 * BLOCK, BLOCK, "mirror"),
    ]
    assert digest(pair.mirror_path) == mirror
    assert pair.conditions == frozenset()
    # What is left to differ is known.
    assert pair.plan_restore().report.extents == ((9 * BLOCK, BLOCK),)
    assert pair.restore().blocks_copied == 1
    assert same_bytes(pair)


def test_a_receipt_is_good_after_closing_and_as_text(
    restored: tuple[MirrorPair, Receipt, bytes],
) -> None:
    pair, receipt, good = restored
    text = receipt.to_json()
    pair.close()
    with MirrorPair.open(pair.mirror_path) as again:
        assert again.heal(Receipt.from_json(text)).blocks_copied == 2
    assert pair.source_path.read_bytes() == good


def test_an_interrupted_heal_is_resumed(restored: tuple[MirrorPair, Receipt, bytes]) -> None:
    pair, receipt, good = restored
    cancelled_at_once(lambda cancel: pair.heal(receipt, cancel=cancel))
    assert Condition.RESTORE_PENDING in pair.conditions
    assert pair.read(0, LENGTH) == good
    with pytest.raises(errors.StateError):
        pair.heal(receipt)
    pair.close()
    with MirrorPair.open(pair.mirror_path) as again:
        assert again.read(0, LENGTH) == good
        assert again.resume_restore().complete
    assert pair.source_path.read_bytes() == good


def test_stale_receipts_are_refused(restored: tuple[MirrorPair, Receipt, bytes]) -> None:
    pair, receipt, _ = restored
    scratch = pair.restore(to=pair.source_path.with_name("scratch"))
    assert scratch.restore_id is None
    with pytest.raises(errors.ArgumentError):
        pair.heal(scratch)
    with pytest.raises(errors.StalePlanError):
        pair.heal(replace(receipt, restore_id="00000000-0000-0000-0000-000000000000"))
    before = pair.source_path.read_bytes()
    later = pair.restore(ranges=[(0, BLOCK)])
    with pytest.raises(errors.StalePlanError):
        pair.heal(receipt)
    assert pair.source_path.read_bytes() == before
    # Nothing was written during that one.
    assert pair.heal(later).blocks_copied == 0
    assert pair.source_path.read_bytes() == before


def test_the_receipt_of_an_older_point_is_refused(
    restored: tuple[MirrorPair, Receipt, bytes],
) -> None:
    pair, receipt, _ = restored
    pair.refresh()
    before = pair.source_path.read_bytes()
    pair.write(20 * BLOCK, b"later")
    pair.flush()
    with pytest.raises(errors.StalePlanError):
        pair.heal(receipt)
    assert pair.source_path.read_bytes()[: 20 * BLOCK] == before[: 20 * BLOCK]
    assert pair.read(20 * BLOCK, 5) == b"later"


def test_the_receipt_of_another_mirror_is_refused(any_fs: Path) -> None:
    source = any_fs / "source"
    write_pattern(source, LENGTH, seed=52)
    with mirrors_of(source, 2) as (one, two):
        one.split()
        two.split()
        receipt = one.restore()
        with pytest.raises(errors.StalePlanError):
            two.heal(receipt)


@pytest.mark.parametrize("mode", MODES)
def test_what_was_written_before_a_resumption_is_healed_too(any_fs: Path, mode: Mode) -> None:
    source = any_fs / "source"
    write_pattern(source, LENGTH, seed=53, holes=False)
    with make_mirror(source, 0, mode=mode) as pair:
        pair.split()
        pair.seal()
        good = source.read_bytes()
        pair.write(0, b"\xee" * LENGTH)
        cancelled_at_once(pair.restore)
        pair.write(5 * BLOCK, b"w" * BLOCK)
    with MirrorPair.open(pair.mirror_path) as again:
        again.write(LENGTH - 2, b"and a longer source")
        receipt = again.resume_restore()
        assert receipt.blocks_app_written == 2
        healed = again.heal(receipt)
        assert healed.complete
        assert healed.root_before == healed.root_after is not None
        # The length is not a block: what was appended beyond the mirror's end stays.
        assert source.read_bytes() == good + b"and a longer source"[2:]
        assert again.restore().complete
        assert source.read_bytes() == good


def test_a_skewed_mirror_heals_nothing(restored: tuple[MirrorPair, Receipt, bytes]) -> None:
    pair, receipt, _ = restored
    overwrite(pair.mirror_path, 3 * BLOCK, b"changed")
    before = pair.source_path.read_bytes()
    with pytest.raises(errors.MirrorSkewedError):
        pair.heal(receipt)
    assert pair.source_path.read_bytes() == before
