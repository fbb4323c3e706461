"""Power cuts on real file systems: what was not synced is gone, what verbs promised is there.

The shutdown call of ext4 and xfs drops everything that is not on stable storage. The promises are
written down outside of that file system, by a pipe to this process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import splitmirror
from conftest import MakeFileSystem, NotPermitted, run
from helpers import KIB, digest, write_pattern
from splitmirror import MirrorPair, errors

LENGTH = 512 * KIB

# Each verb is announced before it begins and told when it returned, with what it promised.
PROGRAM = """
import hashlib, json, os, sys
from splitmirror import MirrorPair, errors
source, mirror = sys.argv[1:3]

def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

def tell(**what):
    print(json.dumps(what), flush=True)

def corrupt():
    with open(source, "rb+", buffering=0) as file:
        for block in range(0, 128, 3):
            os.pwrite(file.fileno(), b"bad" * 50, block * 4096)

try:
    tell(begin="create")
    pair = MirrorPair.create(source, mirror, block_size=4096)
    tell(done="create")
    tell(begin="establish")
    pair.establish()
    tell(done="establish")
    tell(begin="write")
    pair.write(70_000, b"through the pair")
    pair.flush()
    tell(done="write", source=digest(source))
    tell(begin="split")
    pair.split(label="one")
    good = digest(mirror)
    tell(done="split", mirror=good)
    tell(begin="seal")
    root = pair.seal().root
    tell(done="seal", mirror=good, root=root)
    corrupt()
    tell(begin="restore")
    pair.restore()
    tell(done="restore", mirror=good, root=root, source=good)
    corrupt()
    tell(begin="refresh")
    pair.refresh(label="two")
    good = digest(mirror)
    tell(done="refresh", mirror=good)
    corrupt()
    os.truncate(source, 1000)
    tell(begin="restore")
    pair.restore()
    tell(done="restore", mirror=good, source=good)
    tell(begin="close")
    pair.write(0, b"x")
    pair.close()
    tell(done="close", mirror=good)
except (errors.SplitMirrorError, OSError) as error:
    # After the cut every call fails.
    print(repr(error), file=sys.stderr)
# A machine without power closes nothing.
sys.stdin.read()
os._exit(0)
"""
PROMISES = ["create", "establish", "write", "split", "seal", "restore", "refresh", "restore"]
STATES = {
    "create": {"initialized"},
    "establish": {"initialized", "unsynchronized", "synchronized"},
    "write": {"synchronized"},
    "split": {"synchronized", "split"},
    "seal": {"split"},
    "restore": {"split"},
    "refresh": {"split", "unsynchronized", "synchronized"},
    "close": {"split"},
}
AFTER = {"establish": "synchronized", "write": "synchronized"}


def cut_power(place: Path) -> None:
    run("xfs_io", "-x", "-c", "shutdown", place)


def story(place: Path, cut_after: int) -> list[Any]:
    """Run the program and cut the power after so many lines; gives the lines told until then."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, place / "source", place / "mirror"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdin is not None
        lines = [child.stdout.readline() for _ in range(cut_after)]
        cut_power(place)
        # What was told while the power was being cut was promised before it, or is not believed.
        child.stdin.close()
        lines += child.stdout.read().splitlines()
        complaint = child.stderr.read()
        child.wait(60)
        assert "Traceback" not in complaint, complaint
        assert child.returncode == 0, complaint
    return [json.loads(line) for line in lines if line]


def check(place: Path, told: list[Any]) -> None:
    source, mirror = place / "source", place / "mirror"
    done = [line for line in told if "done" in line]
    begun = told[-1].get("begin")
    last = done[-1] if done else {"done": None}
    try:
        status = splitmirror.status(mirror)
    except errors.CatalogMissingError:
        assert not done
        with MirrorPair.create(source, mirror, overwrite=True) as pair:
            pair.refresh()
        assert digest(source) == digest(mirror)
        return
    state = AFTER.get(str(last["done"]), "split" if len(done) > 3 else "initialized")
    assert status.state in (STATES[begun] if begun else {state})
    if "mirror" in last and begun != "refresh":
        assert digest(mirror) == last["mirror"]
        assert status.state == "split"
    if "root" in last and begun != "refresh":
        assert status.root == last["root"]
    if "source" in last and begun in (None, "split", "seal"):
        assert digest(source) == last["source"]
    finish(source, mirror, last, begun)


def finish(source: Path, mirror: Path, last: Any, begun: str | None) -> None:
    with MirrorPair.open(mirror) as pair:
        if pair.state != "split":
            pair.refresh()
        if "restore-pending" in pair.conditions:
            pair.resume_restore()
        pair.restore()
        if pair.status().sealed:
            assert pair.scrub().intact
        assert pair.verify(from_medium=True).matches
    assert digest(source) == digest(mirror)
    if "mirror" in last and begun != "refresh":
        assert digest(source) == last["mirror"]


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_what_verbs_promised_survives_a_power_cut(
    make_file_system: MakeFileSystem, kind: str
) -> None:
    place = make_file_system(kind)
    device = run("findmnt", "--noheadings", "--output", "SOURCE", place)
    cuts = 0
    # After each line: the cut falls into the verb that was announced, or follows its promise.
    for cut_after in (1, 2, 3, 5, 7, 9, 11, 12, 13, 15):
        write_pattern(place / "source", LENGTH, seed=cut_after)
        run("sync", "--file-system", place)
        try:
            told = story(place, cut_after)
        except NotPermitted as reason:
            pytest.skip(f"no power cut here: {reason}")
        run("umount", place)
        run("mount", "-t", kind, device, place)
        try:
            check(place, told)
        except BaseException as error:
            error.add_note(f"cut after line {cut_after}: {told[-3:]}")
            raise
        cuts += 1
        MirrorPair.open(place / "mirror").detach()
        (place / "mirror").unlink()
    print(f"{cuts} power cuts on {kind}")
    assert cuts >= 10
