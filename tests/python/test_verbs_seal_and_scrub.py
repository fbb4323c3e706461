"""What a seal proves: which side is wrong, and that a damaged mirror is never restored from.

Issue point 4; requirement R8; invariant I1. The mirror is damaged natively, behind the pair's back.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import digest, overwrite
from scenes import BLOCK, LENGTH, make_source, split
from splitmirror import MirrorPair, errors
from splitmirror.states import Condition

ROT = b"rotten"


def sealed(source: Path) -> MirrorPair:
    pair = split(source)
    pair.seal()
    return pair


def test_a_seal_is_the_same_for_the_same_bytes_and_another_for_others(tmp_path: Path) -> None:
    with split(make_source(tmp_path)) as pair:
        one = pair.seal()
        assert (one.generation, one.blocks, one.bytes) == (1, 17, LENGTH)
        assert len(bytes.fromhex(one.root)) == 32
        assert pair.seal().root == one.root == pair.status().root
        assert pair.status().sealed
        pair.refresh()
        assert pair.seal().root == one.root
        pair.write(LENGTH - 1, b"!")
        pair.refresh()
        assert pair.seal().root != one.root


def test_verify_names_the_wrong_side_of_each_range(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with sealed(source) as pair:
        assert pair.verify().matches
        overwrite(source, 1 * BLOCK, ROT)
        overwrite(pair.mirror_path, 4 * BLOCK + 5, ROT)
        overwrite(source, 14 * BLOCK - 1, ROT + b"source")
        overwrite(pair.mirror_path, 14 * BLOCK - 1, ROT + b"mirror")
        overwrite(source, LENGTH, b"grown")
        report = pair.verify()
        assert not report.matches
        assert report.sealed
        assert [(one.offset, one.length, one.wrong_side) for one in report.differing] == [
            (1 * BLOCK, BLOCK, "source"),
            (4 * BLOCK, BLOCK, "mirror"),
            (14 * BLOCK, BLOCK, "both"),
            (LENGTH, 5, "source"),
        ]
        assert (report.ranges_total, report.blocks_differing) == (4, 4)
        assert (report.source_length, report.mirror_length) == (LENGTH + 5, LENGTH)


def test_verify_without_a_seal_names_no_side(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with split(source) as pair:
        overwrite(source, 0, ROT)
        report = pair.verify()
        assert [one.wrong_side for one in report.differing] == ["unknown"]
        assert not report.sealed
        assert digest(pair.mirror_path) != digest(source)


def test_a_changed_mirror_is_skewed_and_not_restored_from_unasked(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = digest(source)
        overwrite(pair.mirror_path, 2 * BLOCK, ROT)
        status = pair.status()
        assert Condition.MIRROR_SKEWED in status.conditions
        assert any("scrub()" in sentence for sentence in status.advice)
        for verb in (pair.restore, pair.seal):
            with pytest.raises(errors.MirrorSkewedError) as caught:
                verb()
            assert caught.value.path == str(pair.mirror_path)
        assert digest(source) == good
        # The first advice has nothing to go by here; the second is to take it as it is.
        with pytest.raises(errors.NotSealedError):
            pair.scrub()
        overwrite(source, 0, b"bad")
        pair.restore(accept={"mirror-skewed"})
        assert digest(source) == digest(pair.mirror_path) != good
        # A new establish makes a good mirror of it.
        overwrite(source, 0, b"new")
        pair.refresh()
        assert Condition.MIRROR_SKEWED not in pair.conditions
        assert digest(source) == digest(pair.mirror_path)


def test_a_mirror_that_was_touched_but_holds_its_seal_is_cleared_by_the_advice(
    any_fs: Path,
) -> None:
    source = make_source(any_fs)
    with sealed(source) as pair:
        good = digest(source)
        content = pair.mirror_path.read_bytes()[:10]
        overwrite(pair.mirror_path, 0, content)
        assert Condition.MIRROR_SKEWED in pair.status().conditions
        report = pair.scrub()
        assert (report.intact, report.blocks_bad, report.bad) == (True, 0, ())
        assert report.conditions == ()
        overwrite(pair.mirror_path, 0, content)
        overwrite(source, 0, b"bad")
        # A sealed mirror is scrubbed by the restore itself.
        receipt = pair.restore()
        assert receipt.complete
        assert digest(source) == good
        assert Condition.MIRROR_SKEWED not in receipt.conditions


@pytest.mark.parametrize("full", [False, True], ids=["incremental", "full"])
def test_damaged_blocks_are_never_restored_and_are_listed(any_fs: Path, full: bool) -> None:
    source = make_source(any_fs)
    with sealed(source) as pair:
        good = source.read_bytes()
        bad_content = b"\xee" * len(good)
        overwrite(source, 0, bad_content)
        overwrite(pair.mirror_path, 4 * BLOCK + 100, ROT)
        scrubbed = pair.scrub()
        assert (scrubbed.intact, scrubbed.blocks_bad) == (False, 1)
        assert scrubbed.bad == ((4 * BLOCK, BLOCK),)
        with pytest.raises(errors.MirrorSkewedError):
            pair.restore(full=full)
        assert source.read_bytes() == bad_content
        receipt = pair.restore(full=full, accept={"mirror-skewed"})
        assert not receipt.complete
        assert receipt.unrestored == ((4 * BLOCK, BLOCK),)
        assert Condition.RESTORE_PENDING in receipt.conditions
        expected = bytearray(good)
        expected[4 * BLOCK : 5 * BLOCK] = b"\xee" * BLOCK
        assert source.read_bytes() == bytes(expected)
        # A pending block is read from the mirror, and damaged bytes are never served.
        with pytest.raises(errors.SealMismatchError) as caught:
            pair.read(4 * BLOCK, 10)
        assert list(map(tuple, caught.value.bad)) == [(4 * BLOCK, BLOCK)]
        assert pair.read(3 * BLOCK, BLOCK) == good[3 * BLOCK : 4 * BLOCK]
        # Repaired, the rest is resumed and nothing else is touched.
        overwrite(pair.mirror_path, 4 * BLOCK + 100, good[4 * BLOCK + 100 :][: len(ROT)])
        assert pair.scrub().intact
        receipt = pair.resume_restore()
        assert (receipt.complete, receipt.resumed) == (True, True)
        assert receipt.blocks_copied == 1
        assert source.read_bytes() == good


def test_restoring_a_damaged_mirror_to_another_file_gives_no_file(tmp_path: Path) -> None:
    with sealed(make_source(tmp_path)) as pair:
        overwrite(pair.mirror_path, 4 * BLOCK, ROT)
        with pytest.raises(errors.SealMismatchError):
            pair.restore(to=tmp_path / "scratch", accept={"mirror-skewed"})
        assert not (tmp_path / "scratch").exists()


def test_a_shortened_mirror_is_found(tmp_path: Path) -> None:
    source = make_source(tmp_path)
    with sealed(source) as pair:
        good = digest(source)
        with pair.mirror_path.open("r+b") as file:
            file.truncate(3 * BLOCK)
        with pytest.raises(errors.AreaTooSmallError):
            pair.scrub()
        with pytest.raises((errors.MirrorSkewedError, errors.AreaTooSmallError)):
            pair.restore()
        assert digest(source) == good
        assert not pair.verify().matches
