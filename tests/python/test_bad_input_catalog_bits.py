"""Bits of the catalog flipped: an opening says the very same as before, or refuses. Never else."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import splitmirror
from evidence import refused, unchanged
from helpers import KIB, digest, overwrite, write_pattern
from splitmirror import CancelToken, MirrorPair, errors

FLIPS = 550
BLOCK = 4 * KIB
# Fields that say when or by whom, or follow from the bitmap alone, which may be lost knowingly.
MOMENTARY = {"owner_pid", "activity", "tracking", "changed_blocks", "conditions", "advice"}
SAFE = {"tracker-lost"}


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A split and sealed pair whose source changed since, with a restore that was stopped."""
    source, mirror = tmp_path / "source", tmp_path / "mirror"
    write_pattern(source, 2048 * KIB, seed=14, holes=False)
    with MirrorPair.create(source, mirror, block_size=BLOCK) as pair:
        pair.establish()
        pair.split(label="good")
        pair.seal()
        for block in range(0, 500, 7):
            pair.write(block * BLOCK, b"bad")
        token = CancelToken()
        token.cancel()
        with pytest.raises(errors.CancelledError):
            pair.restore(cancel=token)
    return mirror


def standing(status: Any) -> tuple[Any, set[str]]:
    document = status.to_dict()
    stable = {name: value for name, value in document.items() if name not in MOMENTARY}
    return json.dumps(stable, sort_keys=True), set(document["conditions"])


def flips(length: int) -> Iterator[tuple[int, int]]:
    """Bits over the whole file, and more of them where there is content."""
    chooser = random.Random(15)
    for _ in range(FLIPS):
        within = chooser.choice(
            [(0, 64), (0, 4096), (4096, 8192), (4096 + 28672, 8192 + 28672), (4096, length)]
        )
        yield chooser.randrange(*within), chooser.randrange(8)


def test_a_flipped_bit_changes_nothing_or_is_an_error(mirror: Path) -> None:
    source, folder = mirror.with_name("source"), mirror.with_name("mirror.splitmirror")
    catalog = folder / "catalog"
    whole = catalog.read_bytes()
    with MirrorPair.open(mirror) as pair:
        wanted, conditions = standing(pair.status())
    assert "restore-pending" in conditions
    seen = {"same": 0, "refused": 0, "known to be lost": 0}
    with unchanged(source, mirror):
        for offset, bit in flips(len(whole)):
            catalog.write_bytes(whole)
            with catalog.open("rb+") as file:
                file.seek(offset)
                file.write(bytes([whole[offset] ^ 1 << bit]))
            where = f"bit {bit} of byte {offset}"
            try:
                peeked, _ = standing(splitmirror.status(mirror))
                with MirrorPair.open(mirror) as pair:
                    found, extra = standing(pair.status())
            except (errors.CatalogCorruptError, errors.CatalogVersionError):
                seen["refused"] += 1
                continue
            assert found == wanted, where
            assert peeked == wanted, where
            assert conditions <= extra <= conditions | SAFE, where
            seen["same" if extra == conditions else "known to be lost"] += 1
    assert sum(seen.values()) == FLIPS
    assert seen["same"], seen
    assert seen["refused"], seen


def test_each_byte_of_the_two_records_can_rot(mirror: Path) -> None:
    # One copy of the newest record is enough; when both are gone the older one is not believed.
    source, catalog = mirror.with_name("source"), mirror.with_name("mirror.splitmirror") / "catalog"
    whole = catalog.read_bytes()
    with MirrorPair.open(mirror) as pair:
        wanted, conditions = standing(pair.status())
    copies = [4096 + copy * 28 * KIB for copy in range(4)]
    with unchanged(source, mirror):
        for start in copies:
            damaged = bytearray(whole)
            damaged[start : start + 28 * KIB] = b"\xa5" * (28 * KIB)
            catalog.write_bytes(damaged)
            with MirrorPair.open(mirror) as pair:
                assert standing(pair.status()) == (wanted, conditions)
        catalog.write_bytes(whole[:4096] + b"\xa5" * (4 * 28 * KIB) + whole[4096 + 4 * 28 * KIB :])
        with pytest.raises(errors.CatalogCorruptError):
            MirrorPair.open(mirror)


def test_a_lost_list_of_what_is_pending_is_refused_and_its_advice_works(mirror: Path) -> None:
    source, folder = mirror.with_name("source"), mirror.with_name("mirror.splitmirror")
    whole = (folder / "catalog").read_bytes()
    pages = 4096 + 4 * 28 * KIB
    (folder / "catalog").write_bytes(whole[:pages] + bytes(len(whole) - pages))
    good = digest(mirror)
    with refused(errors.CatalogCorruptError, mirror.parent, advice="move the catalog away"):
        MirrorPair.open(mirror)
    folder.rename(mirror.with_name("away"))
    with MirrorPair.adopt(mirror, source, accept={"unsealed"}) as pair:
        pair.restore()
    assert digest(source) == digest(mirror) == good


def test_a_lost_record_of_changes_is_compared(mirror: Path) -> None:
    source, catalog = mirror.with_name("source"), mirror.with_name("mirror.splitmirror") / "catalog"
    with MirrorPair.open(mirror) as pair:
        pair.resume_restore()
        pair.write(100_000, b"bad")
    whole = catalog.read_bytes()
    pages = 4096 + 4 * 28 * KIB
    catalog.write_bytes(whole[:pages] + bytes(len(whole) - pages))
    with MirrorPair.open(mirror) as pair:
        assert "tracker-lost" in pair.conditions
        overwrite(source, 5, b"bad again")
        receipt = pair.restore()
        assert receipt.blocks_copied == 2
        assert pair.verify().matches
    assert digest(source) == digest(mirror)


def damaged(whole: bytes) -> Iterator[bytes]:
    chooser = random.Random(16)
    yield from (b"", whole[: len(whole) // 2], b"\xff" * len(whole), whole + b"more")
    for _ in range(20):
        content = bytearray(whole)
        content[chooser.randrange(len(whole))] ^= 1 << chooser.randrange(8)
        yield bytes(content)


@pytest.mark.parametrize("name", ["seal", "history", "lock"])
def test_the_other_files_of_a_catalog_can_rot(mirror: Path, name: str) -> None:
    source, file = mirror.with_name("source"), mirror.with_name("mirror.splitmirror") / name
    with MirrorPair.open(mirror) as pair:
        pair.resume_restore()
    overwrite(source, 0, b"bad")
    whole = file.read_bytes()
    for content in damaged(whole):
        file.write_bytes(content)
        with unchanged(source, mirror):
            splitmirror.status(mirror)
            with MirrorPair.open(mirror) as pair:
                assert (pair.state, pair.status().label) == ("split", "good")
                pair.history()
                if name != "seal":
                    assert pair.scrub().intact
                elif content != whole + b"more":
                    with pytest.raises(errors.CatalogCorruptError):
                        pair.scrub()
    with MirrorPair.open(mirror) as pair:
        if name == "seal":
            # It is made anew, or it would vouch for nothing.
            with refused(errors.CatalogCorruptError, source, mirror, advice="seal"):
                pair.restore()
            pair.seal()
        pair.restore()
    assert digest(source) == digest(mirror)


def test_a_lost_seal_under_a_pending_restore_is_refused_and_its_advice_works(mirror: Path) -> None:
    source, folder = mirror.with_name("source"), mirror.with_name("mirror.splitmirror")
    (folder / "seal").write_bytes(b"")
    with refused(errors.CatalogCorruptError, source, mirror, advice="move the catalog away"):
        MirrorPair.open(mirror)
    folder.rename(mirror.with_name("away"))
    with MirrorPair.adopt(mirror, source, accept={"unsealed"}) as pair:
        pair.restore()
    assert digest(source) == digest(mirror)
