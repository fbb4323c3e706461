"""A process that is killed in a guarded block: the next one is told both ways on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import splitmirror
from guards import following, started
from helpers import digest
from splitmirror import MirrorPair, State, errors

KILLED = """
import os, signal, sys, splitmirror
pair = splitmirror.MirrorPair.open(sys.argv[1])
with pair.guard(label="import of <May>"):
    pair.write(0, b"half of it")
    pair.flush()
    print(splitmirror.status(sys.argv[1]).advice, pair.status().advice, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path: Path) -> tuple[Path, str]:
    """The mirror of a pair whose process was killed in a guard, and the digest of its point."""
    with following(tmp_path) as pair:
        mirror, good = pair.mirror_path, digest(pair.source_path)
    process = started(KILLED, mirror)
    out, error = process.communicate()
    assert (process.returncode, error) == (-signal.SIGKILL, "")
    # While it runs there is nothing to advise, neither inside nor outside.
    assert out == "() ()\n"
    return mirror, good


def test_the_next_guard_and_the_advice_name_both_ways(killed: tuple[Path, str]) -> None:
    mirror, _ = killed
    outside = splitmirror.status(mirror)
    with MirrorPair.open(mirror) as pair:
        status = pair.status()
        assert (status.state, status.label) == (State.SPLIT, "guard: import of <May>")
        for advice in (outside.advice, status.advice):
            said = advice[-1]
            assert said.startswith("A guard was interrupted")
            assert "restore() brings the source back to the point 'guard: import of <May>'" in said
            assert "establish() keeps it as it is" in said
        assert "A guard was interrupted" in pair._repr_html_()
        assert "import of <May>" not in pair._repr_html_()
        with pytest.raises(errors.StateError, match=r"restore\(\).*new_point=True"), pair.guard():
            pytest.fail("the block must not run")


def test_one_way_is_to_restore(killed: tuple[Path, str]) -> None:
    mirror, good = killed
    with MirrorPair.open(mirror) as pair:
        assert digest(pair.source_path) != good
        pair.restore()
        assert digest(pair.source_path) == good
        assert pair.status().advice == ()
        with pair.guard() as guard:
            pass
        assert guard.reused


def test_the_other_way_is_to_keep_what_it_wrote(killed: tuple[Path, str]) -> None:
    mirror, good = killed
    with MirrorPair.open(mirror) as pair:
        pair.establish()
        assert digest(pair.source_path) == digest(mirror) != good
        assert pair.status().advice == ()
        with pair.guard() as guard:
            pass
        assert not guard.reused
