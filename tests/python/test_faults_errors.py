"""Errors of the system injected under one side while an application writes through the pair (I8).

A mirror or a catalog that fails never fails a write or a flush. A source that fails does, and
what it held when it was still good stays in the mirror.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import KIB, digest, write_pattern
from splitmirror import MirrorPair, errors
from strace import run_injected

LENGTH = 512 * KIB
BLOCK = 64 * KIB

# Writes eight blocks, flushing after every second one, and tells what happened to each call.
PROGRAM = """
import json, sys
from splitmirror import MirrorPair, errors
mirror = sys.argv[1]
pair = MirrorPair.open(mirror)
told = []
def call(name, function, *arguments):
    try:
        function(*arguments)
        told.append([name, None])
    except errors.SplitMirrorError as error:
        told.append([name, type(error).__name__])
for block in range(8):
    call("write", pair.write, block * 65536, bytes([65 + block]) * 65536)
    if block % 2:
        call("flush", pair.flush)
call("status", pair.status)
found = {"told": told, "state": pair.state, "conditions": sorted(pair.conditions)}
print(json.dumps(found), flush=True)
call("close", pair.close)
"""
NEW = b"".join(bytes([65 + block]) * BLOCK for block in range(8))


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """The mirror of a closed, synchronized pair."""
    write_pattern(tmp_path / "source", LENGTH, seed=19, holes=False)
    with MirrorPair.create(tmp_path / "source", tmp_path / "mirror") as pair:
        pair.establish()
    return tmp_path / "mirror"


def told(mirror: Path, path: Path, calls: str, fault: str) -> Any:
    done = run_injected(PROGRAM, mirror, calls=calls, fault=fault, path=path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def failures(document: Any) -> list[list[str]]:
    return [call for call in document["told"] if call[1] is not None]


def mirror_again(mirror: Path) -> None:
    """Establish finds whatever the fault has left out."""
    with MirrorPair.open(mirror) as pair:
        with pytest.raises((errors.StateError, errors.OutsideWritesError)):
            pair.split()
        pair.establish()
        pair.split()
        assert pair.verify(from_medium=True).matches
    assert digest(mirror) == digest(mirror.with_name("source"))


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EDQUOT", "EROFS"])
@pytest.mark.parametrize("when", ["1", "4", "3+"])
def test_a_mirror_that_cannot_be_written_never_fails_the_application(
    mirror: Path, error: str, when: str
) -> None:
    found = told(mirror, mirror, "pwrite64", f"error={error}:when={when}")
    assert failures(found) == []
    assert found["state"] == "unsynchronized"
    assert "mirror-failed" in found["conditions"]
    assert mirror.with_name("source").read_bytes() == NEW
    mirror_again(mirror)


@pytest.mark.parametrize("calls", ["fdatasync", "fsync,fdatasync"])
@pytest.mark.parametrize("when", ["1", "2", "1+"])
def test_a_mirror_that_cannot_be_synced_never_fails_a_flush(
    mirror: Path, calls: str, when: str
) -> None:
    found = told(mirror, mirror, calls, f"error=EIO:when={when}")
    assert failures(found) == []
    assert found["state"] == "unsynchronized"
    assert "mirror-failed" in found["conditions"]
    assert mirror.with_name("source").read_bytes() == NEW
    mirror_again(mirror)


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EDQUOT"])
@pytest.mark.parametrize("calls", ["pwrite64", "fdatasync", "pwrite64,fdatasync"])
def test_a_catalog_that_fails_never_fails_the_application(
    mirror: Path, calls: str, error: str
) -> None:
    catalog = mirror.with_name("mirror.splitmirror") / "catalog"
    # The first sync is that of opening the pair, which is refused when it fails.
    when = "2+" if "fdatasync" in calls else "1+"
    found = told(mirror, catalog, calls, f"error={error}:when={when}")
    assert [call for call in failures(found) if call[0] in ("write", "flush")] == []
    assert mirror.with_name("source").read_bytes() == NEW
    # It missed what it could not record: it compares, and never believes that both are equal.
    with MirrorPair.open(mirror) as pair:
        tracking = pair.status().tracking
        assert tracking is not None
        assert not tracking.believed
        pair.establish()
        assert pair.verify().matches
        pair.split()
    assert digest(mirror) == digest(mirror.with_name("source"))


@pytest.mark.parametrize("when", ["1", "4"])
def test_a_source_that_cannot_be_written_is_the_callers_error_and_freezes_the_mirror(
    mirror: Path, when: str
) -> None:
    source = mirror.with_name("source")
    found = told(mirror, source, "pwrite64", f"error=EIO:when={when}")
    assert failures(found) == [["write", "AreaIOError"]]
    assert "source-suspect" in found["conditions"]
    failed_at = [call[1] for call in found["told"] if call[0] == "write"].index("AreaIOError")
    # The mirror stands still from the failed write on; later ones went to the source alone.
    assert mirror.read_bytes()[: failed_at * BLOCK] == NEW[: failed_at * BLOCK]
    assert mirror.read_bytes()[(failed_at + 1) * BLOCK :] != NEW[(failed_at + 1) * BLOCK :]
    with MirrorPair.open(mirror) as pair:
        with pytest.raises(errors.ProtectedError) as caught:
            pair.establish()
        assert "source-suspect" in caught.value.conditions
        pair.verify(from_medium=True)
        pair.establish()
        assert pair.verify().matches
    assert digest(mirror) == digest(source)


def test_a_source_that_cannot_be_synced_is_the_callers_error(mirror: Path) -> None:
    source = mirror.with_name("source")
    found = told(mirror, source, "fdatasync", "error=EIO:when=2")
    assert failures(found) == [["flush", "AreaIOError"]]
    assert "source-suspect" in found["conditions"]


def test_a_full_source_is_the_callers_error_and_both_sides_stay_equal(mirror: Path) -> None:
    source = mirror.with_name("source")
    found = told(mirror, source, "pwrite64", "error=ENOSPC:when=3")
    assert failures(found) == [["write", "NoSpaceError"]]
    assert found["state"] == "synchronized"
    assert digest(mirror) == digest(source)


RESTORE = """
import sys
from splitmirror import MirrorPair, errors
try:
    MirrorPair.open(sys.argv[1]).restore(full=True)
except errors.SplitMirrorError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EDQUOT"])
def test_a_source_that_fails_during_a_restore_leaves_it_to_be_resumed(
    mirror: Path, error: str
) -> None:
    source = mirror.with_name("source")
    with MirrorPair.open(mirror) as pair:
        pair.split()
    good = digest(mirror)
    source.write_bytes(b"bad" * 50_000)
    done = run_injected(
        RESTORE, mirror, calls="pwrite64", fault=f"error={error}:when=1+", path=source
    )
    assert done.stdout.strip() == ("AreaIOError" if error == "EIO" else "NoSpaceError"), done.stderr
    with MirrorPair.open(mirror) as pair:
        assert (pair.state, "restore-pending" in pair.conditions) == ("split", True)
        pair.resume_restore()
        assert pair.verify().matches
    assert digest(source) == digest(mirror) == good


def test_a_mirror_that_cannot_be_read_during_a_restore_is_not_made_up(mirror: Path) -> None:
    source = mirror.with_name("source")
    with MirrorPair.open(mirror) as pair:
        pair.split()
    good = digest(mirror)
    source.write_bytes(b"bad" * 50_000)
    done = run_injected(RESTORE, mirror, calls="pread64", fault="error=EIO:when=1+", path=mirror)
    assert done.returncode == 0, done.stderr
    with MirrorPair.open(mirror) as pair:
        assert pair.state == "split"
        assert "restore-pending" in pair.conditions
        pair.resume_restore()
    assert digest(source) == digest(mirror) == good
