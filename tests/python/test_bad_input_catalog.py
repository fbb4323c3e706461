"""Catalogs that are missing, cut short, of another version, of another mirror, or copied."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import splitmirror
from evidence import refused, unchanged
from helpers import KIB, digest, overwrite, write_pattern
from splitmirror import MirrorPair, errors

LENGTH = 512 * KIB


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """The mirror of a closed, split and sealed pair."""
    write_pattern(tmp_path / "source", LENGTH, seed=12)
    with MirrorPair.create(tmp_path / "source", tmp_path / "mirror") as pair:
        pair.establish()
        pair.split(label="good")
        pair.seal()
    return tmp_path / "mirror"


def catalog_of(mirror: Path) -> Path:
    return mirror.with_name(f"{mirror.name}.splitmirror") / "catalog"


def test_a_missing_catalog_is_named_and_adopt_is_the_way_on(mirror: Path) -> None:
    source = mirror.with_name("source")
    shutil.rmtree(catalog_of(mirror).parent)
    for call in (MirrorPair.open, splitmirror.status, splitmirror.history):
        with refused(
            errors.CatalogMissingError,
            mirror.parent,
            path=catalog_of(mirror).parent,
            advice="adopt()",
        ) as caught:
            call(mirror)
        assert isinstance(caught.error, FileNotFoundError)
    overwrite(source, 0, b"bad")
    with MirrorPair.adopt(mirror, source, accept={"unsealed"}) as pair:
        pair.restore()
    assert digest(source) == digest(mirror)


def test_a_folder_without_a_catalog_in_it_is_a_missing_catalog(mirror: Path) -> None:
    catalog_of(mirror).unlink()
    with refused(errors.CatalogMissingError, mirror.parent):
        MirrorPair.open(mirror)


def test_no_mirror_and_no_catalog_is_a_missing_catalog(tmp_path: Path) -> None:
    with refused(errors.CatalogMissingError, tmp_path, advice="create()"):
        MirrorPair.open(tmp_path / "nothing")


def test_a_catalog_cut_short_anywhere_is_refused(mirror: Path) -> None:
    catalog = catalog_of(mirror)
    whole = catalog.read_bytes()
    lengths = {0, 1, 15, 16, 23, 24, 55, 56, 57, 4095, 4096, 4097, len(whole) - 1}
    lengths |= set(range(0, len(whole), 4093)) | set(range(4000, 8200, 97))
    for length in sorted(lengths):
        os.truncate(catalog, length)
        with refused(
            errors.CatalogCorruptError, mirror.parent, path=catalog, advice="adopt() the mirror"
        ):
            MirrorPair.open(mirror)
        with refused(errors.CatalogCorruptError, mirror.parent, path=catalog):
            splitmirror.status(mirror)
        catalog.write_bytes(whole)
    with MirrorPair.open(mirror) as pair:
        assert pair.status().label == "good"


def test_a_corrupt_catalog_is_moved_away_and_the_mirror_adopted(mirror: Path) -> None:
    # As the message advises.
    folder, source = catalog_of(mirror).parent, mirror.with_name("source")
    catalog_of(mirror).write_bytes(b"")
    overwrite(source, 0, b"bad")
    good = digest(mirror)
    folder.rename(mirror.with_name("away"))
    with MirrorPair.adopt(mirror, source, accept={"unsealed"}) as pair:
        pair.restore()
    assert digest(source) == digest(mirror) == good


def test_a_newer_format_is_refused_by_its_number(mirror: Path) -> None:
    # The header is 16 bytes of magic, the version, and the BLAKE3 digest of both; that of version
    # 77 was computed once.
    catalog = catalog_of(mirror)
    whole = bytearray(catalog.read_bytes())
    whole[16:24] = (77).to_bytes(8, "little")
    whole[24:56] = bytes.fromhex(DIGEST_OF_VERSION_77)
    catalog.write_bytes(whole)
    for call in (MirrorPair.open, splitmirror.status):
        with refused(
            errors.CatalogVersionError,
            mirror.parent,
            path=catalog,
            found=77,
            supported=1,
            advice="use the release that wrote it",
        ):
            call(mirror)


def test_a_catalog_copied_from_another_mirror_is_refused(mirror: Path) -> None:
    folder = mirror.parent
    write_pattern(folder / "source-2", LENGTH, seed=13)
    with MirrorPair.create(folder / "source-2", folder / "mirror-2") as pair:
        pair.establish()
        pair.split()
    shutil.copyfile(catalog_of(folder / "mirror-2"), catalog_of(mirror))
    with refused(errors.MovedPairError, folder, path=mirror, advice="adopt()"):
        MirrorPair.open(mirror)
    with MirrorPair.open(folder / "mirror-2") as pair:
        assert pair.verify().matches


def test_a_copied_pair_is_refused_and_adopt_makes_it_one_of_its_own(mirror: Path) -> None:
    folder, source = mirror.parent, mirror.with_name("source")
    copy = folder / "copy"
    copy.mkdir()
    subprocess.run(["cp", "-a", mirror, source, catalog_of(mirror).parent, copy], check=True)
    with refused(errors.MovedPairError, folder, path=copy / "mirror", advice="adopt()"):
        MirrorPair.open(copy / "mirror")
    with MirrorPair.open(mirror) as first:
        with MirrorPair.adopt(copy / "mirror", copy / "source") as second:
            assert second.pair_id != first.pair_id
            assert (second.state, second.status().label) == ("split", "good")
            overwrite(copy / "source", 0, b"bad")
            with unchanged(source, mirror):
                second.restore()
        assert digest(copy / "source") == digest(mirror)
        assert first.restore().mirror_unchanged


def test_a_moved_mirror_without_its_catalog_is_adopted(mirror: Path) -> None:
    moved = mirror.with_name("moved")
    mirror.rename(moved)
    with refused(errors.CatalogMissingError, mirror.parent):
        MirrorPair.open(moved)
    # The catalog alone is not enough either.
    with refused(errors.AreaNotFoundError, mirror.parent, path=mirror):
        MirrorPair.open(mirror)
    catalog_of(mirror).parent.rename(catalog_of(moved).parent)
    with MirrorPair.open(moved) as pair:
        # The same file under a new name is the same mirror.
        assert pair.restore().complete


def test_a_mirror_replaced_by_a_copy_of_itself_is_refused(mirror: Path) -> None:
    kept = mirror.with_name("kept")
    mirror.rename(kept)
    shutil.copy2(kept, mirror)
    with refused(errors.MovedPairError, mirror.parent, path=mirror, advice="copied or moved"):
        MirrorPair.open(mirror)
    mirror.unlink()
    kept.rename(mirror)
    MirrorPair.open(mirror).close()


def test_an_adopted_mirror_that_differs_from_its_seal_is_refused(mirror: Path) -> None:
    copy = mirror.with_name("copy")
    shutil.copy2(mirror, copy)
    shutil.copytree(catalog_of(mirror).parent, catalog_of(copy).parent)
    overwrite(copy, 65536 + 5, b"damage")
    with refused(
        errors.SealMismatchError, mirror.parent, catalogs=False, path=copy, blocks=1
    ) as caught:
        MirrorPair.adopt(copy, mirror.with_name("source"))
    assert list(map(tuple, caught.error.bad)) == [(65536, 65536)]


def test_a_catalog_that_is_a_symlink_or_no_file_is_refused(mirror: Path) -> None:
    folder = catalog_of(mirror).parent
    away = mirror.with_name("away")
    folder.rename(away)
    folder.symlink_to(away)
    with refused(errors.CatalogUntrustedError, mirror.parent, path=folder, advice="who put it"):
        MirrorPair.open(mirror)
    folder.unlink()
    folder.write_bytes(b"a file")
    with pytest.raises(errors.SplitMirrorError), unchanged(mirror.parent):
        MirrorPair.open(mirror)
    folder.unlink()
    away.rename(folder)
    catalog_of(mirror).rename(folder / "kept")
    catalog_of(mirror).mkdir()
    with pytest.raises(errors.SplitMirrorError), unchanged(mirror.parent):
        MirrorPair.open(mirror)


DIGEST_OF_VERSION_77 = "f5104e147db9ba8dd2e962edf2188c9b776a54fb9fc7d9f5f81d35a8473ff391"
